/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far end of an NFS target, without a machine: what the guest's command answers, who else
 * reaches the server, and what is left of it. RFC 5531 for the call.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "rehearse/far-int.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct acted {
	struct us_pool pool;
	struct us_recipe_net net;
	struct us_recipe_target target;
	struct us_recipe recipe;
	struct us_stage stage;
	struct us_rehearse_wish wish;
	struct us_play play;
};

static void set_up(struct acted *a, const char *target)
{
	const char *dir;

	*a = (struct acted){ .net = { .name = "eth0", .mac = "52:54:00:12:34:56" } };
	assert_null(us_file_temporary("/tmp", "understudy-far", &a->pool, &dir));
	assert_null(us_target_parse(target, &a->pool, &a->target.spec));
	a->recipe.nets = &a->net;
	a->recipe.targets = &a->target;
	a->recipe.n_nets = a->recipe.n_targets = 1;
	a->stage.recipe = &a->recipe;
	a->stage.image = us_bytes_of("image", 5);
	a->stage.far = us_far_kind(a->target.spec.kind);
	a->play.stage = &a->stage;
	a->play.wish = &a->wish;
	a->play.pool = &a->pool;
	a->play.dir = dir;
}

static size_t entries(const char *dir)
{
	_us_closedir_ DIR *d = opendir(dir);
	const struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d)))
		n += *e->d_name != '.';
	return n;
}

/* Nothing is left in the folder of the rehearsal. */
static void tear_down(struct acted *a)
{
	assert_int_equal(entries(a->play.dir), 0);
	assert_int_equal(rmdir(a->play.dir), 0);
	us_pool_deinit(&a->pool);
}

static bool answers_here(uint16_t port)
{
	_us_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return !connect(fd, (struct sockaddr *)&to, sizeof(to));
}

/* The procedure that does nothing, of NFS version 4, to the command as QEMU starts it. */
static void call_nothing(const char *command, uint32_t reply[7])
{
	static const uint32_t call[] = { 0x80000028, 7, 0, 2, 100003, 4, 0, 0, 0, 0, 0 };

	uint32_t words[us_array_size(call)];
	char line[4096];
	int fds[2];
	pid_t pid;

	for (size_t i = 0; i < us_array_size(call); i++)
		words[i] = htonl(call[i]);
	snprintf(line, sizeof(line), "exec %s", command);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	pid = fork();
	if (!pid) {
		dup2(fds[1], 0);
		dup2(fds[1], 1);
		execl("/bin/sh", "sh", "-c", line, NULL);
		_exit(127);
	}
	close(fds[1]);
	assert_int_equal(write(fds[0], words, sizeof(words)), sizeof(words));
	assert_int_equal(recv(fds[0], reply, 28, MSG_WAITALL), 28);
	for (size_t i = 0; i < 7; i++)
		reply[i] = ntohl(reply[i]);
	close(fds[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* False: not where this test runs, as a rehearsal would find, too. */
static bool can_serve_nfs(struct acted *a)
{
	struct us_err *err;

	if (geteuid() || access("/usr/bin/ganesha.nfsd", X_OK))
		return false;
	set_up(a, "nfs://192.0.2.7/srv/crash");
	err = us_far_make(&a->play);
	if (!err)
		return true;
	print_message("%s\n", err->text);
	if (!strstr(err->text, "in a network of its own") && !strstr(err->text, "is missing"))
		fail();
	us_err_free(err);
	tear_down(a);
	return false;
}

static void an_nfs_server_is_for_the_guest_alone(void **state)
{
	static const uint32_t fine[7] = { 0x80000018, 7, 1, 0, 0, 0, 0 };
	uint32_t reply[7];
	unsigned int port = 0;
	struct acted a;
	pid_t server;

	(void)state;
	if (!can_serve_nfs(&a))
		skip();
	call_nothing(a.play.far.command, reply);
	assert_memory_equal(reply, fine, sizeof(fine));
	assert_int_equal(sscanf(strstr(a.play.far.command, " relay "), " relay %u", &port), 1);
	assert_false(answers_here((uint16_t)port));
	server = a.play.far.server;
	us_far_remove(&a.play);
	assert_int_equal(kill(server, 0), -1);
	tear_down(&a);
}

static void a_signal_ends_the_wait_for_a_server(void **state)
{
	sigset_t set, before;
	struct acted a;

	(void)state;
	if (!can_serve_nfs(&a))
		skip();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &before);
	raise(SIGTERM);
	_us_err_free_ struct us_err *err = us_far_make(&a.play);
	assert_int_equal(sigwaitinfo(&set, NULL), SIGTERM);
	sigprocmask(SIG_SETMASK, &before, NULL);
	assert_non_null(err);
	assert_int_equal(err->os_errno, EINTR);
	tear_down(&a);
}

static void a_server_that_cannot_be_had_leaves_nothing(void **state)
{
	struct acted a;

	(void)state;
	set_up(&a, "nfs://192.0.2.7/srv/crash options=sec=krb5p");
	_us_err_free_ struct us_err *err = us_far_make(&a.play);
	assert_non_null(err);
	assert_null(a.play.far.folder);
	tear_down(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_nfs_server_is_for_the_guest_alone),
		cmocka_unit_test(a_signal_ends_the_wait_for_a_server),
		cmocka_unit_test(a_server_that_cannot_be_had_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
