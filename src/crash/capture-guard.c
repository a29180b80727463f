/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may hang is done by a child process: a system call into a dead device or driver sleeps where
 * no signal reaches it, and a process that does that is left behind. The child's error comes back
 * through a pipe as code, errno and text; its end is seen by the pipe's.
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define TICK_MS  100
#define DYING_NS UINT64_C(500000000) /* after its answer, or SIGKILL */
#define LOOK_NS  50000               /* at first; then ever longer */

struct answer {
	int32_t failed, code, os_errno;
	char text[500];
};

static void answer(int fd, struct us_err *err)
{
	struct answer a = { 0 };

	if (err) {
		a.failed = 1;
		a.code = (int32_t)err->code;
		a.os_errno = err->os_errno;
		strncpy(a.text, err->text, sizeof(a.text) - 1);
	}
	(void)!write(fd, &a, sizeof(a));
}

void us_capture_oom_score(const struct us_capture *c, int score)
{
	_us_close_ int fd =
		c->wish->pid1 ? open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC) : -1;

	if (fd >= 0)
		(void)!dprintf(fd, "%d", score);
}

static _Noreturn void be_child(struct us_capture *c, int fd, us_guard_fn fn, void *data)
{
	signal(SIGPIPE, SIG_IGN);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	us_capture_oom_score(c, 500);
	c->tick = NULL;
	answer(fd, fn(c, data));
	_exit(0);
}

/* True when the descriptor has something to read or is at its end. */
static bool wait_for(struct us_capture *c, int fd, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		uint64_t now = us_capture_now_ns(), left;
		int n;

		if (c->tick)
			c->tick(c);
		if (now >= deadline_ns)
			return false;
		left = (deadline_ns - now) / 1000000 + 1;
		n = poll(&p, 1,
			 c->tick && left > TICK_MS ? TICK_MS : (int)(left > 60000 ? 60000 : left));
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

/* It goes within microseconds after its answer, so it is looked for at once and then ever less. */
static bool is_gone(pid_t pid, int *ret_status)
{
	for (uint64_t waited = 0, ns = LOOK_NS; waited < DYING_NS; waited += ns, ns += ns / 2) {
		const struct timespec pause = { .tv_nsec = (long)ns };
		pid_t got = waitpid(pid, ret_status, WNOHANG);

		if (got == pid || (got < 0 && errno == ECHILD))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static struct us_err *give_up(struct us_capture *c, pid_t pid, const char *what)
{
	int status;

	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	us_capture_note(c, "abandoned", "%s: it took too long%s", what,
			is_gone(pid, &status) ? "" : ", and does not end");
	return us_err_os(ETIMEDOUT, "%s", what);
}

static const char died[] = ": it died";

bool us_guard_died(const struct us_err *err)
{
	return err->code == US_ERR_OS && !err->os_errno && strstr(err->text, died);
}

static struct us_err *end_of(pid_t pid, const char *what, const struct answer *a, ssize_t n)
{
	struct us_err *err;
	int status = 0;

	if (!is_gone(pid, &status))
		kill(-pid, SIGKILL);
	if (n != sizeof(*a))
		return us_err_new(US_ERR_OS, "%s%s%s%s", what, died,
				  WIFSIGNALED(status) ? " of a signal: " : "",
				  WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
	if (!a->failed)
		return NULL;
	if (a->code == US_ERR_NOMEM)
		return us_err_nomem();
	/* the errno's words are in the text already */
	err = us_err_new((enum us_err_code)a->code, "%s", a->text);
	if (err->code != US_ERR_NOMEM)
		err->os_errno = a->os_errno;
	return err;
}

struct us_err *us_guard(struct us_capture *c, const char *what, uint64_t deadline_ns,
			us_guard_fn fn, void *data)
{
	_us_close_ int in = -1, out = -1;
	struct answer a;
	int fds[2];
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return us_err_os(errno, "making a pipe");
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return us_err_os(errno, "making a process for %s", what);
	if (!pid) {
		close(in);
		be_child(c, out, fn, data);
	}
	us_closep(&out);
	out = -1;
	c->child = pid;
	setpgid(pid, pid);
	if (!wait_for(c, in, deadline_ns))
		return give_up(c, pid, what);
	n = read(in, &a, sizeof(a));
	a.text[sizeof(a.text) - 1] = 0;
	return end_of(pid, what, &a, n);
}

static struct us_err *run_program(struct us_capture *c, void *data)
{
	const char *const *words = data;
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return us_err_os(errno, "making a process");
	if (!pid) {
		if (c->console >= 0) {
			dup2(c->console, 1);
			dup2(c->console, 2);
		}
		signal(SIGPIPE, SIG_DFL);
		execv(words[0], (char *const *)words);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return us_err_os(errno, "waiting for %s", words[0]);
	if (WIFSIGNALED(status))
		return us_err_new(US_ERR_OS, "%s was ended by a signal: %s", words[0],
				  strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return us_err_new(US_ERR_OS, "%s ended with status %d", words[0],
				  WEXITSTATUS(status));
	return NULL;
}

struct us_err *us_guard_program(struct us_capture *c, const char *const *words, uint64_t deadline_ns)
{
	return us_guard(c, words[0], deadline_ns, run_program, (void *)words);
}
