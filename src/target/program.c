/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another program (ssh, understudy-http) as a partner: its standard input and output are one
 * socket, what it writes to standard error is kept for messages, and every wait has the target's
 * deadline. Nothing here blocks without one; a program that does not end is killed.
 */
#include "base/cleanup.h"
#include "target/net-int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#define SOCKET_BYTES (1 << 20)
#define END_MS       500

uint64_t us_target_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct us_err *spawn(const char *const *argv, int in_out, int err_fd, pid_t *ret)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none;
	int failed;

	sigemptyset(&none);
	if (posix_spawn_file_actions_init(&files))
		return us_err_nomem();
	if (posix_spawnattr_init(&attr)) {
		posix_spawn_file_actions_destroy(&files);
		return us_err_nomem();
	}
	failed = posix_spawn_file_actions_adddup2(&files, in_out, 0) ||
		 posix_spawn_file_actions_adddup2(&files, in_out, 1) ||
		 posix_spawn_file_actions_adddup2(&files, err_fd, 2) ||
		 posix_spawnattr_setsigmask(&attr, &none) || posix_spawnattr_setpgroup(&attr, 0) ||
		 posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	failed = failed ? ENOMEM
			: posix_spawnp(ret, argv[0], &files, &attr, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return failed ? us_err_os(failed, "starting %s", argv[0]) : NULL;
}

struct us_err *us_program_start(const char *const *argv, uint64_t deadline_ns,
				struct us_program *ret)
{
	_us_close_ int ours = -1, theirs = -1, err_ours = -1, err_theirs = -1;
	struct us_program program = { .deadline_ns = deadline_ns };
	const int size = SOCKET_BYTES;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return us_err_os(errno, "a socket for %s", argv[0]);
	ours = pair[0];
	theirs = pair[1];
	if (pipe2(pair, O_CLOEXEC))
		return us_err_os(errno, "a pipe for %s", argv[0]);
	err_ours = pair[0];
	err_theirs = pair[1];
	if (fcntl(ours, F_SETFL, O_NONBLOCK) || fcntl(err_ours, F_SETFL, O_NONBLOCK))
		return us_err_os(errno, "the pipe of %s", argv[0]);
	(void)!setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	US_TRY(spawn(argv, theirs, err_theirs, &program.pid));
	program.fd = us_steal_fd(&ours);
	program.err_fd = us_steal_fd(&err_ours);
	*ret = program;
	return NULL;
}

/* What it says is kept, the older half goes if it is much. */
static void hear(struct us_program *p)
{
	ssize_t got;

	if (p->err_fd < 0)
		return;
	do {
		if (p->n_said == sizeof(p->said) - 1) {
			memmove(p->said, p->said + sizeof(p->said) / 2, sizeof(p->said) / 2);
			p->n_said -= sizeof(p->said) / 2;
		}
		got = read(p->err_fd, p->said + p->n_said, sizeof(p->said) - 1 - p->n_said);
		if (got > 0)
			p->n_said += (size_t)got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	p->said[p->n_said] = 0;
	if (!got) {
		close(p->err_fd);
		p->err_fd = -1;
	}
}

/* Until fd can do that or the deadline is over. */
static struct us_err *wait_for(struct us_program *p, short events)
{
	for (;;) {
		struct pollfd fds[] = { { .fd = p->fd, .events = events },
					{ .fd = p->err_fd, .events = POLLIN } };
		uint64_t now = us_target_now_ns(), left = 1000;

		if (p->deadline_ns && now >= p->deadline_ns)
			return us_err_os(ETIMEDOUT, "no answer in time");
		if (p->deadline_ns && (p->deadline_ns - now) / 1000000 < left)
			left = (p->deadline_ns - now) / 1000000 + 1;
		if (poll(fds, p->err_fd < 0 ? 1 : 2, (int)left) < 0 && errno != EINTR)
			return us_err_os(errno, "waiting for an answer");
		if (fds[1].revents)
			hear(p);
		if (fds[0].revents)
			return NULL;
	}
}

/* The far end is closed: its last words are on their way. */
static struct us_err *gone(struct us_program *p)
{
	struct pollfd fd = { .fd = p->err_fd, .events = POLLIN };

	for (int i = 0; i < 10 && p->err_fd >= 0; i++) {
		if (poll(&fd, 1, 100) < 0)
			break;
		hear(p);
	}
	return us_err_os(EPIPE, "the connection has ended");
}

struct us_err *us_program_send(struct us_program *p, const void *bytes, size_t n)
{
	const uint8_t *from = bytes;

	while (n) {
		ssize_t put = send(p->fd, from, n, MSG_NOSIGNAL);

		if (put > 0) {
			from += put;
			n -= (size_t)put;
			continue;
		}
		if (put < 0 && (errno == EPIPE || errno == ECONNRESET))
			return gone(p);
		if (put < 0 && errno != EAGAIN && errno != EINTR)
			return us_err_os(errno, "sending");
		US_TRY(wait_for(p, POLLOUT));
	}
	return NULL;
}

struct us_err *us_program_receive(struct us_program *p, void *bytes, size_t n)
{
	uint8_t *to = bytes;

	while (n) {
		ssize_t got = recv(p->fd, to, n, 0);

		if (got > 0) {
			to += got;
			n -= (size_t)got;
			continue;
		}
		if (!got || errno == ECONNRESET)
			return gone(p);
		if (errno != EAGAIN && errno != EINTR)
			return us_err_os(errno, "receiving");
		US_TRY(wait_for(p, POLLIN));
	}
	return NULL;
}

void us_program_end(struct us_program *p)
{
	if (p->pid <= 0)
		return;
	close(p->fd);
	for (int ms = 0; ms < END_MS; ms += 10) {
		if (waitpid(p->pid, NULL, WNOHANG)) {
			p->pid = 0;
			break;
		}
		usleep(10000);
	}
	if (p->pid) {
		kill(-p->pid, SIGKILL);
		/* one that hangs in the kernel is left behind */
		for (int ms = 0; ms < END_MS && !waitpid(p->pid, NULL, WNOHANG); ms += 10)
			usleep(10000);
	}
	if (p->err_fd >= 0)
		close(p->err_fd);
	*p = (struct us_program){ .fd = -1, .err_fd = -1 };
}
