/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far end of an NFS target: NFS-Ganesha, where this machine has it, with version 4 alone and
 * one export, the folder of the rehearsal; understudy-far brings the guest's connections there. It
 * runs in a network namespace of its own: who may connect to it may open any file of that file
 * system by its handle, as root, and it would put itself in the place of this machine's servers at
 * the portmapper. It needs root. The kernel's own server is not used: it would export to others
 * than the guest.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "rehearse/far-int.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UP_SECONDS 60
#define TICK_NS    50000000
#define PORT       2049
#define LISTENS    ":0801 " /* PORT, in the tables of sockets that listen or are connected */

static struct us_err *configure(struct us_play *p)
{
	const struct us_target_spec *spec = &p->far.target.spec;

	if (spec->options && strstr(spec->options, "sec=krb5"))
		return us_err_new(US_ERR_UNSUPPORTED, "Kerberos cannot be had");
	if (strpbrk(spec->share, "\"\n"))
		return us_err_new(US_ERR_UNSUPPORTED, "the export's name cannot be told");
	return us_far_text(
		p, "ganesha.conf",
		"NFS_CORE_PARAM { NFS_Port = %d; Protocols = 4;\n"
		" Enable_NLM = false; Enable_RQUOTA = false; Rquota_Port = 0; MNT_Port = 0; }\n"
		"NFSV4 { RecoveryBackend = fs; RecoveryRoot = \"%s/recovery\"; Graceless = true; }\n"
		"EXPORT { Export_Id = 1; Path = \"%s\"; Pseudo = \"%s\"; Access_Type = RW;\n"
		" Squash = No_Root_Squash; Protocols = 4; Transports = TCP; SecType = sys;\n"
		" FSAL { Name = VFS; } }\n",
		PORT, p->far.folder, p->far.saved, spec->share);
}

/* A network with nobody else in it, and no way to the portmapper and the message bus. */
static int go_apart(void)
{
	static const char *const others[] = { "/run/rpcbind.sock", "/run/dbus/system_bus_socket" };
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return errno;
	_us_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo))
		return errno;
	for (size_t i = 0; i < us_array_size(others); i++)
		if (mount("/dev/null", others[i], NULL, MS_BIND, NULL) && errno != ENOENT)
			return errno;
	return 0;
}

/* Of the child: it ends with us, whatever happens. The reason of a failure goes to fd. */
static _Noreturn void become(const char *const *words, pid_t parent, int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), code;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i <= 2; i++)
		dup2(null, i);
	code = getppid() == parent ? go_apart() : ESRCH;
	if (!code) {
		execv(words[0], (char *const *)words);
		code = errno;
	}
	(void)!write(fd, &code, sizeof(code));
	_exit(127);
}

static struct us_err *run(struct us_play *p, const char *program)
{
	const char *words[] = { program, "-F",
				"-f",    us_far_path(p, "ganesha.conf"),
				"-L",    us_far_path(p, "ganesha.log"),
				"-p",    us_far_path(p, "ganesha.pid"),
				NULL };
	_us_close_ int from = -1, to = -1;
	pid_t parent = getpid(), pid;
	int fds[2], code;

	for (size_t i = 0; i + 1 < us_array_size(words); i++)
		if (!words[i])
			return us_err_nomem();
	if (pipe2(fds, O_CLOEXEC))
		return us_err_os(errno, "making a pipe");
	from = fds[0];
	to = fds[1];
	pid = fork();
	if (pid < 0)
		return us_err_os(errno, "starting %s", program);
	if (!pid)
		become(words, parent, to);
	p->far.server = pid;
	close(us_steal_fd(&to));
	if (read(from, &code, sizeof(code)) == sizeof(code))
		return us_err_os(code, "starting %s in a network of its own", program);
	return NULL;
}

static bool listens(const struct us_play *p)
{
	static const char *const tables[] = { "tcp", "tcp6" };

	for (size_t i = 0; i < us_array_size(tables); i++) {
		_us_fclose_ FILE *f = NULL;
		char path[64], line[256];

		snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)p->far.server, tables[i]);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (strstr(line, LISTENS))
				return true;
	}
	return false;
}

static struct us_err *wait_for(struct us_play *p)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	sigset_t held;
	int status;

	for (unsigned int i = 0; i < UP_SECONDS * (1000000000u / TICK_NS); i++) {
		if (listens(p))
			return NULL;
		if (waitpid(p->far.server, &status, WNOHANG) == p->far.server) {
			p->far.server = 0;
			return us_err_new(US_ERR_OS, "the NFS server ended (ganesha.nfsd, %s %d)",
					  WIFSIGNALED(status) ? "signal" : "status",
					  WIFSIGNALED(status) ? WTERMSIG(status)
							      : WEXITSTATUS(status));
		}
		if (!sigpending(&held) &&
		    !sigisemptyset(&held)) /* the next machine is ended by it */
			return us_err_os(EINTR, "waiting for the NFS server");
		nanosleep(&tick, NULL);
	}
	return us_err_new(US_ERR_OS, "the NFS server (ganesha.nfsd) does not listen after %d s",
			  UP_SECONDS);
}

static struct us_err *start(struct us_play *p)
{
	const char *program = us_vm_find_program("ganesha.nfsd", p->pool), *relay;
	const struct us_target_spec *spec = &p->far.target.spec;
	const char *recovery = us_far_path(p, "recovery");

	if (!program)
		return us_err_new(US_ERR_NOT_FOUND,
				  "no NFS server is installed (nfs-ganesha, nfs-ganesha-vfs)");
	if (geteuid())
		return us_err_new(US_ERR_DENIED, "an NFS server needs root");
	if (!recovery)
		return us_err_nomem();
	if (mkdir(recovery, 0700))
		return us_err_os(errno, "making %s", recovery);
	US_TRY(us_far_program(p, &relay));
	US_TRY(configure(p));
	US_TRY(run(p, program));
	US_TRY(wait_for(p));
	p->far.port = us_far_port(p, "2049");
	p->far.command = us_pool_format(p->pool, "%s relay %d --net /proc/%d/ns/net", relay, PORT,
					(int)p->far.server);
	p->far.saved = us_pool_format(p->pool, "%s/%s", p->far.saved, spec->path);
	return p->far.command && p->far.saved ? NULL : us_err_nomem();
}

const struct us_far_kind us_far_nfs = {
	.server = "this machine's NFS-Ganesha",
	.proof = "",
	.only_tls = true,
	.reached = "an export is mounted by NFS version 4",
	.written = "",
	.start = start,
};
