/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine of a command: opened once, with an act that is real, refuses (a recorded machine) or
 * only writes down what it would do (UNDERSTUDY_ACT=record or record:FILE, for tests), and the jump
 * into a loaded kernel. It makes no system call that changes anything except through host->act.
 */
#include "cmd/cmd-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>

static struct us_err *record_to(const char *path, struct us_machine *m)
{
	if (*path) {
		m->record = fopen(path, "ae");
		if (!m->record)
			return us_err_os(errno, "opening %s (UNDERSTUDY_ACT)", path);
	}
	m->records = true;
	m->recording.out = m->record ? m->record : stderr;
	return NULL;
}

/* UNDERSTUDY_ACT_FAIL=kexec_load:22 lets the recorded call answer that errno. */
static struct us_err *record_failure(struct us_machine *m)
{
	const char *fail = getenv("UNDERSTUDY_ACT_FAIL");
	const char *colon = fail ? strchr(fail, ':') : NULL;
	uint64_t nr;

	if (!fail)
		return NULL;
	if (!colon || !us_text_u64(colon + 1, 10, &nr) || nr > 4095)
		return us_err_new(US_ERR_USAGE, "UNDERSTUDY_ACT_FAIL=%s is not CALL:ERRNO", fail);
	m->recording.fail_call = us_pool_strndup(&m->host->pool, fail, (size_t)(colon - fail));
	m->recording.fail_errno = (int)nr;
	return m->recording.fail_call ? NULL : us_err_nomem();
}

struct us_err *us_machine_open(const char *root, struct us_machine *ret)
{
	const char *act = getenv("UNDERSTUDY_ACT");

	if (!root)
		root = getenv("UNDERSTUDY_HOST");
	US_TRY(us_host_open(root && *root ? root : "/", &ret->host));
	if (!act || !*act)
		return NULL;
	if (strcmp(act, "record") && strncmp(act, "record:", 7))
		return us_err_new(US_ERR_USAGE, "UNDERSTUDY_ACT=%s is not record or record:FILE",
				  act);
	US_TRY(record_to(act[6] ? act + 7 : "", ret));
	US_TRY(record_failure(ret));
	ret->host->act = us_act_recording(&ret->recording);
	return NULL;
}

struct us_err *us_machine_may_act(const struct us_machine *m)
{
	if (m->host->live || m->records)
		return NULL;
	return us_err_new(US_ERR_USAGE, "%s is a recorded machine, which nothing can change",
			  m->host->root);
}

struct us_err *us_machine_lock(struct us_machine *m, int *ret_fd)
{
	/* a test's recording leaves nothing on the machine that runs it */
	return m->records && m->host->live ? NULL : us_crash_lock(m->host, ret_fd);
}

void us_machine_lock_out(struct us_machine *m, int *ret_fd)
{
	if (!faccessat(m->host->root_fd, &US_CRASH_STATE_DIR[1], F_OK, 0))
		us_err_free(us_machine_lock(m, ret_fd));
}

void us_machine_deinit(struct us_machine *m)
{
	us_host_free(m->host);
	if (m->record)
		fclose(m->record);
	*m = (struct us_machine){ 0 };
}

static struct us_err *why_no_bare_jump(const struct us_host *host, int *ret_exit)
{
	*ret_exit = US_EXIT_BLOCKED;
	if (host->cap_sys_boot.v == US_NO)
		return us_err_new(US_ERR_DENIED,
				  "this process lacks CAP_SYS_BOOT (%s): run it as root",
				  host->cap_sys_boot.o.path);
	if (host->init_pid_ns.v == US_NO)
		return us_err_new(
			US_ERR_DENIED,
			"this process is in a container's PID namespace (%s), from which "
			"reboot(2) reaches the container only: run it on the machine itself",
			host->init_pid_ns.o.path);
	return NULL;
}

struct us_err *us_jump_why_not(const struct us_host *host, bool bare, int *ret_exit)
{
	const struct us_fact_u64 *loaded = &host->kexec_loaded;

	*ret_exit = US_EXIT_UNKNOWN;
	if (!us_known(loaded->o))
		return us_err_new(
			US_ERR_NOT_FOUND, "whether a kernel is loaded is not known: %s: %s",
			loaded->o.path ? loaded->o.path : "kexec_loaded", loaded->o.missing);
	*ret_exit = US_EXIT_BLOCKED;
	if (!loaded->v)
		return us_err_new(US_ERR_NOT_FOUND,
				  "no kernel is loaded (%s is 0): load one first (understudy load "
				  "IMAGE)",
				  loaded->o.path);
	if (bare)
		return why_no_bare_jump(host, ret_exit);
	if (host->systemd.v != US_YES)
		return us_err_new(
			US_ERR_UNSUPPORTED,
			"systemd does not run here, so nobody would stop the services: stop "
			"them, then use --now");
	return NULL;
}

static struct us_err *run(struct us_host *host, const char *const *argv)
{
	int status = 0, nr = host->act.run(host->act.data, argv, &status);

	if (nr)
		return us_err_os(nr, "running %s", argv[0]);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return NULL;
	return us_err_new(US_ERR_REFUSED, "%s %s ended with status %d", argv[0],
			  argv[1] ? argv[1] : "",
			  WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* Every network interface but lo, so that no card writes into the next kernel's memory. */
static struct us_err *interfaces_down(struct us_host *host)
{
	_us_closedir_ DIR *dir = NULL;
	_us_close_ int fd =
		openat(host->root_fd, "sys/class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct dirent *e;

	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir)
		return NULL; /* no network, nothing to stop */
	us_steal_fd(&fd);
	while ((e = readdir(dir))) {
		const char *argv[] = { "ip", "link", "set", "dev", e->d_name, "down", NULL };

		if (e->d_name[0] != '.' && strcmp(e->d_name, "lo"))
			US_TRY(run(host, argv));
	}
	return NULL;
}

struct us_err *us_jump_now(struct us_host *host, const struct us_jump *how)
{
	int nr;

	/* first, since some disks are on the network */
	if (how->sync) {
		nr = host->act.sync_disks(host->act.data);
		if (nr)
			return us_err_os(nr, "writing the disks' caches back");
	}
	if (how->ifdown) {
		_us_err_free_ struct us_err *err = interfaces_down(host);

		if (err) /* the kernel stops its devices itself: this was a courtesy */
			fprintf(stderr, "understudy: a network interface stays up: %s\n", err->text);
	}
	nr = host->act.reboot_kexec(host->act.data);
	if (!nr)
		return NULL;
	if (nr == EINVAL)
		return us_err_new(
			US_ERR_REFUSED,
			"reboot(2) answered EINVAL: the loaded kernel is gone, or this is a "
			"container's PID namespace");
	if (nr == EBUSY)
		return us_err_new(US_ERR_REFUSED,
				  "reboot(2) answered EBUSY: another load or unload is under way");
	return us_err_new(US_ERR_REFUSED, "reboot(2) answered: %s", strerror(nr));
}

struct us_err *us_jump_orderly(struct us_host *host)
{
	static const char *const by_systemd[] = { "systemctl", "kexec", NULL };
	static const char *const by_shutdown[] = { "shutdown", "-r", "now", NULL };
	int nr = host->act.sync_disks(host->act.data);

	if (nr)
		return us_err_os(nr, "writing the disks' caches back");
	return run(host, host->systemd.v == US_YES ? by_systemd : by_shutdown);
}
