/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An SSH server: OpenSSH's client carries SFTP, so the dump is written at any offset, brought to
 * the disk there (where the server can) and renamed at the end. The host's key has to be known,
 * nobody is asked anything, and no configuration but ours is read. What ssh says when it fails is
 * turned into the reason and the remedy.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "target/net-int.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#define FRONT      512 /* bytes of the dump that are compared at the end */
#define FULL_BYTES (1u << 20)

struct ssh {
	struct us_program program;
	struct us_sftp *sftp;
	struct us_sftp_handle file; /* of the dump */
	bool open;
	char *folder; /* of the crash */
	struct us_sink sink;
	uint8_t front[FRONT];
	size_t n_front;
};

static struct ssh *ssh_of(const struct us_target *t)
{
	return t->data;
}

/* ---- why it did not work ---- */

static const struct {
	const char *said;
	enum us_err_code code;
	const char *why;
} reasons[] = {
	{ "REMOTE HOST IDENTIFICATION HAS CHANGED", US_ERR_DENIED,
	  "the host's key is not the one that is pinned in the known-hosts file: either the host was "
	  "installed anew, or somebody is in between" },
	{ "host key is known for", US_ERR_DENIED,
	  "the host's key is not in the known-hosts file: put it there (ssh-keyscan HOST), after a "
	  "look at its fingerprint" },
	{ "Host key verification failed", US_ERR_DENIED, "the host's key is not the pinned one" },
	{ "Permission denied", US_ERR_DENIED,
	  "the key is refused: put the identity's public half into ~/.ssh/authorized_keys there" },
	{ "Too many authentication failures", US_ERR_DENIED, "the key is refused" },
	{ "Connection refused", US_ERR_NOT_FOUND, "nothing listens at that port" },
	{ "No route to host", US_ERR_NOT_FOUND, "there is no way to that host" },
	{ "Network is unreachable", US_ERR_NOT_FOUND, "there is no way to that network" },
	{ "Could not resolve hostname", US_ERR_NOT_FOUND, "the host's name is not known" },
	{ "timed out", US_ERR_NOT_FOUND, "the host does not answer" },
	{ "subsystem request failed", US_ERR_UNSUPPORTED,
	  "the server offers no SFTP (Subsystem sftp in its sshd_config)" },
	{ "No user exists", US_ERR_NOT_FOUND, "this system has no /etc/passwd" },
};

/* err with what ssh said, where ssh is why. */
static struct us_err *explain(const struct us_target *t, struct us_err *err, const char *doing)
{
	const struct us_program *p = &ssh_of(t)->program;
	const char *said = p->said;

	if (err->os_errno != EPIPE)
		return us_err_wrap(err, "%s: %s", t->spec.text, doing);
	us_err_free(err);
	for (size_t i = 0; i < us_array_size(reasons); i++)
		if (strstr(said, reasons[i].said))
			return us_err_new(reasons[i].code, "%s: %s (identity %s, known-hosts %s)",
					  t->spec.text, reasons[i].why, t->spec.identity,
					  t->spec.known_hosts);
	while (strchr(said, '\n') && strchr(said, '\n')[1])
		said = strchr(said, '\n') + 1;
	return us_err_new(US_ERR_OS, "%s: %s: ssh has ended%s%.*s", t->spec.text, doing,
			  *said ? ": " : "", (int)strcspn(said, "\r\n"), said);
}

#define SSH_TRY(t, doing, expr)                                                                    \
	do {                                                                                       \
		struct us_err *ssh_err_ = (expr);                                                  \
		if (ssh_err_)                                                                      \
			return explain(t, ssh_err_, doing);                                        \
	} while (0)

/* ---- the connection ---- */

static struct us_err *send_program(void *data, const void *p, size_t n)
{
	return us_program_send(data, p, n);
}

static struct us_err *receive_program(void *data, void *p, size_t n)
{
	return us_program_receive(data, p, n);
}

static struct us_err *start(struct us_target *t, struct ssh *s)
{
	struct us_pool *pool = &t->pool;
	const char *known = us_pool_format(pool, "UserKnownHostsFile=\"%s\"", t->spec.known_hosts);
	const char *argv[] = { "ssh",        "-F",
			       "none",       "-T",
			       "-x",         "-a",
			       "-i",         t->spec.identity,
			       "-p",         t->spec.port ? t->spec.port : "22",
			       "-l",         t->spec.user ? t->spec.user : "root",
			       "-o",         "BatchMode=yes",
			       "-o",         "IdentitiesOnly=yes",
			       "-o",         "IdentityAgent=none",
			       "-o",         "PreferredAuthentications=publickey",
			       "-o",         "StrictHostKeyChecking=yes",
			       "-o",         "UpdateHostKeys=no",
			       "-o",         "CheckHostIP=no",
			       "-o",         "GlobalKnownHostsFile=/dev/null",
			       "-o",         known,
			       "-o",         "ConnectTimeout=20",
			       "-o",         "ServerAliveInterval=15",
			       "-o",         "ServerAliveCountMax=4",
			       "-o",         "EscapeChar=none",
			       "-o",         "LogLevel=ERROR",
			       "-s",         "--",
			       t->spec.host, "sftp",
			       NULL };

	if (!known)
		return us_err_nomem();
	return us_program_start(argv, t->deadline_ns, &s->program);
}

/* What can be told without asking anybody. */
static struct us_err *look_at_files(const struct us_target *t)
{
	if (access(t->spec.identity, R_OK))
		return us_err_os(errno,
				 "%s: the key %s (ssh-keygen -t ed25519 -N '' -f %s makes one)",
				 t->spec.text, t->spec.identity, t->spec.identity);
	if (access(t->spec.known_hosts, R_OK))
		return us_err_os(errno, "%s: the host keys %s (ssh-keyscan -p %s %s writes them)",
				 t->spec.text, t->spec.known_hosts,
				 t->spec.port ? t->spec.port : "22", t->spec.host);
	return NULL;
}

/* The target's own directory, and those on the way to it. */
static struct us_err *make_folders(struct us_target *t, struct ssh *s)
{
	_us_free_ char *path = NULL;
	struct us_sftp_attrs attrs;
	struct us_err *err = us_sftp_stat(s->sftp, t->spec.path, &attrs);

	if (!err && attrs.has_mode && !S_ISDIR(attrs.mode))
		return us_err_new(US_ERR_USAGE, "%s: that is no directory there", t->spec.text);
	if (!err || err->code != US_ERR_NOT_FOUND)
		return err ? explain(t, err, "looking at the directory") : NULL;
	us_err_free(err);
	US_TRY(us_text_format(&path, "%s", t->spec.path));
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		us_err_free(us_sftp_mkdir(s->sftp, path, 0700));
		*p = '/';
	}
	SSH_TRY(t, "making the directory", us_sftp_mkdir(s->sftp, path, 0700));
	return NULL;
}

static struct us_err *ssh_open(struct us_target *t)
{
	struct ssh *s = us_pool_alloc(&t->pool, sizeof(*s));
	struct us_sftp_io io = { .send = send_program, .receive = receive_program };

	if (!s)
		return us_err_nomem();
	t->data = s;
	US_TRY(look_at_files(t));
	US_TRY(start(t, s));
	io.data = &s->program;
	SSH_TRY(t, "connecting", us_sftp_new(&io, &s->sftp));
	return make_folders(t, s);
}

static void ssh_close(struct us_target *t)
{
	struct ssh *s = ssh_of(t);

	if (!s)
		return;
	us_sftp_free(s->sftp);
	us_program_end(&s->program);
	free(s->folder);
}

static struct us_err *ssh_free_bytes(struct us_target *t, uint64_t *ret)
{
	SSH_TRY(t, "asking for its room", us_sftp_free_bytes(ssh_of(t)->sftp, t->spec.path, ret));
	return NULL;
}

/* SFTP has no word for a full disk: a write that fails on one is told by the room that is left. */
static struct us_err *write_error(struct us_target *t, struct us_err *err, const char *doing)
{
	uint64_t room = UINT64_MAX;

	if (err->code != US_ERR_REFUSED)
		return explain(t, err, doing);
	us_err_free(us_sftp_free_bytes(ssh_of(t)->sftp, t->spec.path, &room));
	if (room >= FULL_BYTES)
		return explain(t, err, doing);
	us_err_free(err);
	return us_err_new(US_ERR_NO_ROOM, "%s: no space is left there (%" PRIu64 " bytes)",
			  t->spec.text, room);
}

/* ---- small files ---- */

static struct us_err *join(char **ret, const struct us_target *t, const char *crash,
			   const char *name)
{
	return us_text_format(ret, "%s/%s%s%s", t->spec.path, crash, *name ? "/" : "", name);
}

static struct us_err *make_crash(struct us_target *t, const char *crash)
{
	_us_free_ char *path = NULL;
	struct us_sftp_attrs attrs;
	struct us_err *err;

	US_TRY(join(&path, t, crash, ""));
	err = us_sftp_mkdir(ssh_of(t)->sftp, path, 0700);
	if (!err)
		return NULL;
	if (err->code == US_ERR_REFUSED) { /* likely it is there */
		us_err_free(err);
		err = us_sftp_stat(ssh_of(t)->sftp, path, &attrs);
	}
	return err ? explain(t, err, "making the crash's directory") : NULL;
}

static struct us_err *write_file(struct us_target *t, const char *path, struct us_bytes bytes)
{
	struct us_sftp *sftp = ssh_of(t)->sftp;
	struct us_sftp_handle file;
	struct us_err *err;
	bool synced;

	SSH_TRY(t, path,
		us_sftp_open(sftp, path, US_SFTP_WRITE | US_SFTP_CREATE | US_SFTP_TRUNC, 0600,
			     &file));
	err = us_sftp_write(sftp, &file, 0, bytes);
	if (!err)
		err = us_sftp_settle(sftp);
	if (!err)
		err = us_sftp_fsync(sftp, &file, &synced);
	if (err) {
		us_err_free(us_sftp_settle(sftp));
		us_err_free(us_sftp_close(sftp, &file));
		return write_error(t, err, "writing");
	}
	SSH_TRY(t, "writing", us_sftp_close(sftp, &file));
	return NULL;
}

static struct us_err *ssh_put(struct us_target *t, const char *crash, const char *name,
			      struct us_bytes bytes)
{
	_us_free_ char *path = NULL, *beside = NULL;
	struct us_err *err;

	US_TRY(make_crash(t, crash));
	US_TRY(join(&path, t, crash, name));
	US_TRY(us_text_format(&beside, "%s.new", path));
	err = write_file(t, beside, bytes);
	if (err) {
		us_err_free(us_sftp_remove(ssh_of(t)->sftp, beside));
		return err;
	}
	SSH_TRY(t, "renaming", us_sftp_rename(ssh_of(t)->sftp, beside, path));
	return NULL;
}

static struct us_err *read_front(struct us_target *t, const char *path, size_t max,
				 struct us_blob *ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_sftp *sftp = ssh_of(t)->sftp;
	struct us_sftp_attrs attrs = { 0 };
	struct us_sftp_handle file;
	struct us_err *err;
	size_t n = 0;

	SSH_TRY(t, path, us_sftp_stat(sftp, path, &attrs));
	US_TRY(us_blob_new(attrs.has_size && attrs.size < max ? (size_t)attrs.size : max, &blob));
	SSH_TRY(t, path, us_sftp_open(sftp, path, US_SFTP_READ, 0, &file));
	err = us_sftp_read(sftp, &file, 0, blob.p, blob.n, &n);
	if (err)
		return explain(t, err, path);
	SSH_TRY(t, path, us_sftp_close(sftp, &file));
	blob.n = n;
	*ret = us_blob_steal(&blob);
	return NULL;
}

static struct us_err *ssh_get(struct us_target *t, const char *crash, const char *name, size_t max,
			      struct us_blob *ret)
{
	_us_free_ char *path = NULL;

	US_TRY(join(&path, t, crash, name));
	return read_front(t, path, max, ret);
}

/* ---- the dump ---- */

static struct us_err *sink_write(struct us_sink *sink, uint64_t at, struct us_bytes bytes)
{
	struct us_target *t = sink->data;
	struct ssh *s = ssh_of(t);
	struct us_err *err;

	if (at < FRONT) {
		size_t n = bytes.n < FRONT - at ? bytes.n : (size_t)(FRONT - at);

		memcpy(s->front + at, bytes.p, n);
		if (at + n > s->n_front)
			s->n_front = at + n;
	}
	err = us_sftp_write(s->sftp, &s->file, at, bytes);
	return err ? write_error(t, err, "writing the dump") : NULL;
}

static struct us_err *sink_settle(struct us_sink *sink)
{
	struct us_target *t = sink->data;
	struct us_err *err = us_sftp_settle(ssh_of(t)->sftp);

	return err ? write_error(t, err, "writing the dump") : NULL;
}

static struct us_err *sink_read(struct us_sink *sink, uint64_t at, void *p, size_t n)
{
	struct us_target *t = sink->data;
	struct ssh *s = ssh_of(t);
	size_t got = 0;

	US_TRY(sink_settle(sink));
	SSH_TRY(t, "reading back", us_sftp_read(s->sftp, &s->file, at, p, n, &got));
	if (got < n)
		return us_err_new(US_ERR_BAD_DATA, "%s: the dump ends at 0x%" PRIx64 " there",
				  t->spec.text, at + got);
	return NULL;
}

static struct us_err *ssh_dump_begin(struct us_target *t, const char *crash, const char **ret_path,
				     struct us_sink **ret_sink)
{
	struct ssh *s = ssh_of(t);
	_us_free_ char *path = NULL;

	(void)ret_path;
	US_TRY(make_crash(t, crash));
	free(us_steal(&s->folder));
	US_TRY(join(&s->folder, t, crash, ""));
	US_TRY(us_text_format(&path, "%s/dump" US_TARGET_PARTIAL, s->folder));
	SSH_TRY(t, "creating the dump",
		us_sftp_open(s->sftp, path,
			     US_SFTP_READ | US_SFTP_WRITE | US_SFTP_CREATE | US_SFTP_TRUNC, 0600,
			     &s->file));
	s->open = true;
	s->n_front = 0;
	s->sink = (struct us_sink){ .write = sink_write,
				    .settle = sink_settle,
				    .read = sink_read,
				    .order = US_SINK_ANY,
				    .data = t };
	*ret_sink = &s->sink;
	return NULL;
}

static struct us_err *name_it(struct us_target *t, const char *from, const char *to)
{
	_us_blob_deinit_ struct us_blob back = { 0 };
	struct ssh *s = ssh_of(t);

	SSH_TRY(t, "giving the dump its name", us_sftp_rename(s->sftp, from, to));
	US_TRY(read_front(t, to, s->n_front, &back));
	if (back.n != s->n_front || memcmp(back.p, s->front, back.n) != 0)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: the dump reads back other than it was written",
				  t->spec.text);
	return NULL;
}

static struct us_err *ssh_dump_end(struct us_target *t, bool finished, struct us_pool *pool,
				   const char **ret_where)
{
	struct ssh *s = ssh_of(t);
	_us_free_ char *from = NULL, *to = NULL;
	struct us_err *err = us_sftp_settle(s->sftp);
	bool synced;

	if (!s->open)
		return us_err_new(US_ERR_USAGE, "%s: no dump was begun", t->spec.text);
	s->open = false;
	if (!err)
		err = us_sftp_fsync(s->sftp, &s->file, &synced);
	if (err) {
		us_err_free(us_sftp_close(s->sftp, &s->file));
		return write_error(t, err, "bringing the dump to the disk");
	}
	SSH_TRY(t, "closing the dump", us_sftp_close(s->sftp, &s->file));
	US_TRY(us_text_format(&from, "%s/dump" US_TARGET_PARTIAL, s->folder));
	US_TRY(us_text_format(&to, "%s/dump", s->folder));
	if (finished)
		US_TRY(name_it(t, from, to));
	*ret_where = us_pool_format(pool, "%s%s%s:%s", t->spec.user ? t->spec.user : "",
				    t->spec.user ? "@" : "", t->spec.host, finished ? to : from);
	return *ret_where ? NULL : us_err_nomem();
}

/* ---- what is saved ---- */

static struct us_err *measure(struct us_target *t, struct us_pool *pool, const char *crash,
			      struct us_saved *ret)
{
	struct us_saved saved = { .crash = crash };
	_us_free_ char *path = NULL;
	struct us_sftp_name *names;
	bool partial = false;
	size_t n;

	US_TRY(join(&path, t, crash, ""));
	SSH_TRY(t, path, us_sftp_list(ssh_of(t)->sftp, path, pool, &names, &n));
	for (size_t i = 0; i < n; i++) {
		if (!us_add(saved.bytes, names[i].attrs.size, &saved.bytes))
			saved.bytes = UINT64_MAX;
		saved.has_dump |= !strcmp(names[i].name, "dump");
		saved.has_log |= !strcmp(names[i].name, "log.txt");
		partial |= !strcmp(names[i].name, "dump" US_TARGET_PARTIAL);
	}
	saved.incomplete = partial && !saved.has_dump;
	*ret = saved;
	return NULL;
}

static struct us_err *ssh_list(struct us_target *t, struct us_pool *pool,
			       const struct us_saved **ret, size_t *ret_n)
{
	struct us_sftp_name *names;
	struct us_saved *saved;
	size_t n, found = 0;

	SSH_TRY(t, "listing", us_sftp_list(ssh_of(t)->sftp, t->spec.path, pool, &names, &n));
	saved = us_pool_array(pool, n + 1, sizeof(*saved));
	if (!saved)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++)
		if (us_target_is_crash(names[i].name) && us_target_name_ok(names[i].name) &&
		    (!names[i].attrs.has_mode || S_ISDIR(names[i].attrs.mode)))
			US_TRY(measure(t, pool, names[i].name, &saved[found++]));
	*ret = saved;
	*ret_n = found;
	return NULL;
}

static struct us_err *ssh_remove(struct us_target *t, const char *crash)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_sftp *sftp = ssh_of(t)->sftp;
	_us_free_ char *folder = NULL;
	struct us_sftp_name *names;
	size_t n;

	US_TRY(join(&folder, t, crash, ""));
	SSH_TRY(t, folder, us_sftp_list(sftp, folder, &pool, &names, &n));
	for (size_t i = 0; i < n; i++) {
		_us_free_ char *path = NULL;

		if (strchr(names[i].name, '/'))
			return us_err_new(US_ERR_BAD_DATA, "%s: a name with a slash in %s",
					  t->spec.text, folder);
		US_TRY(us_text_format(&path, "%s/%s", folder, names[i].name));
		SSH_TRY(t, path, us_sftp_remove(sftp, path));
	}
	SSH_TRY(t, folder, us_sftp_rmdir(sftp, folder));
	return NULL;
}

const struct us_target_ops us_target_ssh = {
	.open = ssh_open,
	.close = ssh_close,
	.free_bytes = ssh_free_bytes,
	.put = ssh_put,
	.get = ssh_get,
	.dump_begin = ssh_dump_begin,
	.dump_end = ssh_dump_end,
	.list = ssh_list,
	.remove = ssh_remove,
};
