/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * $(shell,...) with a toolchain: the text is run by /bin/sh with the variables that the kernel's
 * Makefile exports (Linux 6.12: Makefile, "export"), and says what it would say under make O=. The
 * working directory is an empty folder of our own, as make's O= is: nothing is written to the tree.
 */
#include "kconfig/parse-int.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MAX 4095 /* bytes that conf takes */

extern char **environ;

/* As in the Makefile; $P: the prefix. */
static const struct {
	const char *name, *value;
	bool prefixed;
} tools[] = {
	{ "CC", "gcc", true },
	{ "LD", "ld", true },
	{ "AR", "ar", true },
	{ "NM", "nm", true },
	{ "OBJCOPY", "objcopy", true },
	{ "OBJDUMP", "objdump", true },
	{ "READELF", "readelf", true },
	{ "STRIP", "strip", true },
	{ "HOSTCC", "gcc", false },
	{ "HOSTCXX", "g++", false },
	{ "RUSTC", "rustc", false },
	{ "BINDGEN", "bindgen", false },
	{ "PAHOLE", "pahole", false },
	{ "PYTHON3", "python3", false },
	{ "PERL", "perl", false },
	{ "AWK", "awk", false },
	{ "CONFIG_SHELL", "/bin/sh", false },
	{ "CLANG_FLAGS", "", false },
	{ "LLVM", "", false },
};

/* What the Makefile asks the tools themselves. */
static const struct {
	const char *name, *command;
} asked[] = {
	{ "CC_VERSION_TEXT", "LC_ALL=C $CC --version 2>/dev/null | head -n 1 | tr -d '#'" },
	{ "RUSTC_VERSION_TEXT", "$RUSTC --version 2>/dev/null | tr -d '#'" },
	{ "PAHOLE_VERSION",
	  "[ ! -e $srctree/scripts/pahole-version.sh ] || $srctree/scripts/pahole-version.sh $PAHOLE" },
	{ "RUSTC_LLVM_VERSION", "[ ! -e $srctree/scripts/rustc-llvm-version.sh ] || "
				"$srctree/scripts/rustc-llvm-version.sh $RUSTC" },
};

static struct us_err *set(struct us_kmacro *m, const char *name, const char *value)
{
	name = us_pool_strdup(&m->pool, name);
	if (!name || !value)
		return us_err_nomem();
	return us_kmap_put(&m->environment, name, strlen(name), (void *)(uintptr_t)value);
}

/* The commands' environment: ours, and on top of it what the tree's make would export. */
static struct us_err *export(struct us_kmacro *m)
{
	struct us_kvec env = { 0 };
	struct us_err *err = NULL;
	void *all = NULL;
	size_t n;

	for (char **e = environ; *e && !err; e++) {
		if (!us_kmap_get(&m->environment, *e, strcspn(*e, "=")))
			err = us_kvec_push_pointer(&env, us_pool_strdup(&m->pool, *e));
	}
	for (size_t i = 0; i < m->environment.cap && !err; i++) {
		const struct us_kmap_slot *slot = &m->environment.slots[i];

		if (slot->key)
			err = us_kvec_push_pointer(&env, us_pool_format(&m->pool, "%s=%s", slot->key,
									(const char *)slot->value));
	}
	if (!err)
		err = us_kvec_push_pointer(&env, NULL);
	if (!err)
		err = us_kvec_move(&env, sizeof(char *), &m->pool, &all, &n);
	us_kvec_deinit(&env);
	if (!err)
		m->run_env = all;
	return err;
}

/* A relative path is one from the top of the tree, as make takes it there, or else from here. */
static struct us_err *find_toolchain(struct us_kmacro *m, const char *srctree, const char **prefix)
{
	const char *const folders[] = { srctree, "." };

	if (!strchr(*prefix, '/') || **prefix == '/')
		return NULL;
	for (size_t i = 0; i < us_array_size(folders); i++) {
		_us_free_ char *top = realpath(folders[i], NULL);
		const char *there = top ? us_pool_format(&m->pool, "%s/%s", top, *prefix) : NULL;
		const char *compiler = there ? us_pool_format(&m->pool, "%sgcc", there) : NULL;

		if (!compiler)
			return top ? us_err_nomem() : us_err_os(errno, "%s", folders[i]);
		if (access(compiler, X_OK))
			continue;
		*prefix = there;
		return NULL;
	}
	return us_err_new(
		US_ERR_USAGE,
		"there is no compiler %sgcc, neither from the top of the tree nor from here",
		*prefix);
}

struct us_err *us_kmacro_run_open(struct us_kmacro *m, const char *directory, const char *prefix)
{
	_us_free_ char *srctree = realpath(directory, NULL);

	if (!srctree)
		return us_err_os(errno, "%s", directory);
	US_TRY(find_toolchain(m, srctree, &prefix));
	US_TRY(us_file_temporary("/tmp", "understudy", &m->pool, &m->run_in));
	US_TRY(set(m, "srctree", us_pool_strdup(&m->pool, srctree)));
	US_TRY(set(m, "objtree", "."));
	US_TRY(set(m, "CROSS_COMPILE", prefix));
	for (size_t i = 0; i < us_array_size(tools); i++)
		US_TRY(set(m, tools[i].name,
			   us_pool_format(&m->pool, "%s%s", tools[i].prefixed ? prefix : "",
					  tools[i].value)));
	for (size_t i = 0; i < us_array_size(asked); i++) {
		_us_text_deinit_ struct us_text said = { 0 };

		US_TRY(export(m));
		US_TRY(us_kmacro_run(m, asked[i].command, &said));
		US_TRY(set(m, asked[i].name, us_pool_strndup(&m->pool, said.s, said.n)));
	}
	return export(m);
}

void us_kmacro_run_close(struct us_kmacro *m)
{
	_us_text_deinit_ struct us_text said = { 0 };

	if (!m->run_in)
		return;
	/* probes that were interrupted leave files behind */
	us_err_free(us_kmacro_run(m, "rm -rf .tmp_* *", &said));
	(void)rmdir(m->run_in);
	m->run_in = NULL;
}

/* All that comes through fd; what is beyond the end is read and thrown away. */
static struct us_err *read_answer(int fd, char *buf, size_t *ret_n)
{
	char more[512];
	ssize_t got;
	size_t n = 0;

	do {
		got = n < ANSWER_MAX ? read(fd, buf + n, ANSWER_MAX - n)
				     : read(fd, more, sizeof(more));
		if (got > 0 && n < ANSWER_MAX)
			n += got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	*ret_n = n;
	return got < 0 ? us_err_os(errno, "reading what a command says") : NULL;
}

static struct us_err *start(struct us_kmacro *m, const char *command, int out, pid_t *ret)
{
	const char *const argv[] = { "sh", "-c", command, NULL };
	posix_spawn_file_actions_t actions;
	int failed;

	if (posix_spawn_file_actions_init(&actions))
		return us_err_nomem();
	failed = posix_spawn_file_actions_addchdir_np(&actions, m->run_in);
	if (!failed)
		failed = posix_spawn_file_actions_adddup2(&actions, out, 1);
	if (!failed) /* not before the pipe has its place: it may be 0 itself */
		failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (!failed) /* what a probe complains about is for nobody */
		failed = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	if (!failed)
		failed = posix_spawn(ret, "/bin/sh", &actions, NULL, (char **)(uintptr_t)argv,
				     (char **)(uintptr_t)m->run_env);
	posix_spawn_file_actions_destroy(&actions);
	return failed ? us_err_os(failed, "starting /bin/sh") : NULL;
}

struct us_err *us_kmacro_run(struct us_kmacro *m, const char *command, struct us_text *out)
{
	char answer[ANSWER_MAX];
	struct us_err *err;
	int pipes[2];
	size_t n = 0;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return us_err_os(errno, "pipe");
	err = start(m, command, pipes[1], &pid);
	close(pipes[1]);
	if (!err) {
		err = read_answer(pipes[0], answer, &n);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(pipes[0]);
	while (n && answer[n - 1] == '\n')
		n--;
	for (size_t i = 0; i < n; i++) {
		if (answer[i] == '\n')
			answer[i] = ' ';
	}
	us_text_put(out, answer, strnlen(answer, n));
	return err;
}
