/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What PID 1 does besides saving: the kernel's own file systems, kernel modules in the recipe's
 * order, the watchdog, the last words where no target took them, and the end. Whatever fails here
 * is said and survived.
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/reboot.h>
#include <linux/watchdog.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#define MODULE_SECONDS   20
#define FINISH_SECONDS   10
#define WATCHDOG_SECONDS 60
#define PET_NS           UINT64_C(1000000000)
#define WORDS_MOST       (16u << 10) /* of the log, to the console */
#define PSTORE_MOST      (32u << 10)
#define KMSG_MOST        (8u << 10) /* of pstore.kmsg_bytes, which is 10 KiB */
#define RECORD_MOST      900        /* of a line of the kernel's log */
#define HELD_LEAST       512        /* KiB of pages that the kernel keeps free */
#define HELD_MOST        4096

static void set_number(const char *path, uint64_t number)
{
	_us_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!dprintf(fd, "%" PRIu64, number);
}

/* What the kernel keeps free for drivers that cannot wait, in place of its own choice, which
 * words.c leaves out; and no more of it when its memory becomes a mixture (Linux 5.0: 2 MiB). */
static void hold_memory_back(void)
{
	struct sysinfo info;
	uint64_t kb;

	if (sysinfo(&info))
		return;
	kb = (uint64_t)info.totalram * info.mem_unit / 1024 / 128;
	set_number("/proc/sys/vm/watermark_boost_factor", 0);
	set_number("/proc/sys/vm/min_free_kbytes", kb < HELD_LEAST  ? HELD_LEAST
						   : kb > HELD_MOST ? HELD_MOST
								    : kb);
}

void us_capture_mount_kernel(struct us_capture *c)
{
	static const struct {
		const char *type, *at;
	} mounts[] = { { "proc", "/proc" }, { "sysfs", "/sys" }, { "devtmpfs", "/dev" } };
	const unsigned long flags = MS_NOSUID | MS_NOEXEC;

	for (size_t i = 0; i < us_array_size(mounts); i++) {
		mkdir(mounts[i].at, 0755);
		if (mount(mounts[i].type, mounts[i].at, mounts[i].type, flags, NULL) &&
		    errno != EBUSY)
			us_capture_say(c, "mounting %s: %s", mounts[i].at, strerror(errno));
	}
	if (c->console < 0)
		c->console = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	mkdir("/run", 0700);
	hold_memory_back();
}

void us_capture_watchdog_open(struct us_capture *c)
{
	int seconds = WATCHDOG_SECONDS;

	if (!c->recipe->watchdog || c->watchdog >= 0)
		return;
	c->watchdog = open(c->recipe->watchdog, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (c->watchdog < 0)
		return; /* its module may come later: asked again with each tick */
	if (ioctl(c->watchdog, WDIOC_SETTIMEOUT, &seconds))
		us_capture_say(c, "the watchdog keeps its time-out: %s", strerror(errno));
	us_capture_note(c, "watchdog", "%s, %d s", c->recipe->watchdog, seconds);
}

void us_capture_watchdog_pet(struct us_capture *c)
{
	uint64_t now = us_capture_now_ns();

	if (now < c->petted_ns + PET_NS)
		return;
	c->petted_ns = now;
	us_capture_watchdog_open(c);
	if (c->watchdog >= 0)
		(void)!write(c->watchdog, "", 1);
}

/* ---- modules ---- */

static struct us_err *load_module(struct us_capture *c, void *data)
{
	(void)c;
	return us_module_insert(data);
}

void us_capture_load_modules(struct us_capture *c, int target)
{
	for (size_t i = 0; i < c->recipe->n_modules; i++) {
		const struct us_recipe_module *m = &c->recipe->modules[i];
		unsigned int budget = m->budget_s ? m->budget_s : MODULE_SECONDS;
		_us_err_free_ struct us_err *err = NULL;

		if (m->target != target || (!c->wish->pid1 && access(m->file, F_OK)))
			continue; /* by hand, on a machine that has its drivers already */
		err = us_guard(c, m->file, us_capture_until(c, budget), load_module, (void *)m);
		if (err && !(err->code == US_ERR_OS && err->os_errno == ETIMEDOUT))
			us_capture_note(c, "module", "%s", err->text);
		if (c->wish->pid1)
			unlink(m->file); /* its memory is wanted */
	}
}

/* ---- the last words ---- */

static struct us_bytes tail_of(struct us_bytes b, size_t most)
{
	return b.n > most ? us_bytes_of(b.p + (b.n - most), most) : b;
}

/* What takes the kernel's log in a panic: "erst", "efi", "ramoops"; false: nothing does. */
static bool find_store(char name[32])
{
	_us_close_ int fd = open("/sys/module/pstore/parameters/backend", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, name, 31);

	if (n <= 0)
		return false;
	name[n] = 0;
	name[strcspn(name, "\n")] = 0;
	return *name && *name != '(';
}

/* Most kernels have no /dev/pmsg0 (PSTORE_PMSG), but their own log goes to pstore in a panic: the
 * crashed kernel's is put there, and PID 1 ends in one. */
static struct us_err *put_kmsg(struct us_capture *c, struct us_bytes log, const char *store)
{
	_us_close_ int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	static const char last[] = "<6>understudy: the end of the log of the kernel that crashed";
	const struct us_bytes end = tail_of(log, KMSG_MOST);

	if (fd < 0)
		return us_err_os(errno, "/dev/kmsg");
	for (size_t at = 0, n; at < end.n; at += n + 1) {
		const uint8_t *newline = memchr(end.p + at, '\n', end.n - at);
		char line[RECORD_MOST];
		int most;

		n = newline ? (size_t)(newline - end.p) - at : end.n - at;
		/* 6: not for the console */
		most = snprintf(line, sizeof(line), "<6>%.*s", (int)n, (const char *)end.p + at);
		if (write(fd, line, most < (int)sizeof(line) ? (size_t)most : sizeof(line) - 1) < 0)
			return us_err_os(errno, "/dev/kmsg");
	}
	(void)!write(fd, last, sizeof(last) - 1);
	c->shared->panics = true;
	us_capture_note(c, "pstore", "the last %zu bytes of the log go to %s by a panic", end.n,
			store);
	return NULL;
}

static struct us_err *put_pstore(struct us_capture *c, void *data)
{
	const struct us_bytes *log = data;
	const char *final = c->recipe->final ? c->recipe->final : "reboot";
	_us_close_ int fd = open("/dev/pmsg0", O_WRONLY | O_CLOEXEC);
	char store[32];

	if (fd < 0 && c->wish->pid1 && !strcmp(final, "reboot") && find_store(store))
		return put_kmsg(c, *log, store);
	if (fd < 0)
		return us_err_os(errno, "/dev/pmsg0");
	if (write(fd, log->p, log->n) < 0)
		return us_err_os(errno, "/dev/pmsg0");
	us_capture_note(c, "pstore", "the last %zu bytes of the log are in /dev/pmsg0", log->n);
	return NULL;
}

void us_capture_last_words(struct us_capture *c, struct us_bytes log)
{
	struct us_bytes end = tail_of(log, PSTORE_MOST);
	_us_err_free_ struct us_err *err = NULL;

	if (!log.n)
		return;
	us_capture_load_modules(c, US_RECIPE_LAST);
	err = us_guard(c, "pstore", us_capture_until(c, FINISH_SECONDS), put_pstore, &end);
	if (err)
		us_capture_say(c, "no pstore: %s", err->text);
	us_capture_say(c, "the end of the crashed kernel's log:");
	end = tail_of(log, WORDS_MOST);
	us_capture_console(c, end.p, end.n);
	us_capture_say(c, "that was its end");
}

/* ---- the end ---- */

static struct us_err *end_machine(struct us_capture *c, void *data)
{
	const char *word = c->recipe && c->recipe->final ? c->recipe->final : "reboot";
	int how = !strcmp(word, "poweroff") ? RB_POWER_OFF
		  : !strcmp(word, "halt")   ? RB_HALT_SYSTEM
					    : RB_AUTOBOOT;

	(void)data;
	if (reboot(how))
		return us_err_os(errno, "%s", word);
	return NULL;
}

static struct us_err *end_hard(struct us_capture *c, void *data)
{
	_us_close_ int fd = open("/proc/sysrq-trigger", O_WRONLY);

	(void)c;
	(void)data;
	if (fd < 0 || write(fd, "b", 1) != 1)
		return us_err_os(errno, "/proc/sysrq-trigger");
	return NULL;
}

void us_capture_finish(struct us_capture *c)
{
	struct us_err *err;

	c->deadline_ns = 0;
	if (c->shared->panics) {
		us_capture_say(c, "the end: a panic, for pstore");
		_exit(1);
	}
	us_capture_say(c, "the end: %s",
		       c->recipe && c->recipe->final ? c->recipe->final : "reboot");
	err = us_guard(c, "the end", us_capture_until(c, FINISH_SECONDS), end_machine, NULL);
	us_err_free(err);
	err = us_guard(c, "the hard end", us_capture_until(c, FINISH_SECONDS), end_hard, NULL);
	us_err_free(err);
	/* PID 1 that ends is a panic, and panic= starts the machine anew */
	_exit(1);
}
