/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An SFTP client: version 3 (draft-ietf-secsh-filexfer-02) with OpenSSH's extensions posix-rename,
 * fsync and statvfs (PROTOCOL of OpenSSH 9.2, section 4) where the server has them. Writes are sent
 * ahead of their answers; every other request waits for its own. Nothing is believed of an answer:
 * lengths stay inside it, ids must be ours. It knows nothing of processes and time.
 */
#include "base/cleanup.h"
#include "target/net-int.h"

#include <endian.h>
#include <string.h>
#include <sys/stat.h>

#define PACKET_MAX (256u * 1024 + 1024)
#define DATA_MAX   (32u * 1024) /* in one packet: every server takes that */
#define AHEAD_MAX  64           /* requests without an answer */
#define LIST_MAX   100000u      /* names of a directory */
#define PATH_BYTES 4096u

enum {
	INIT = 1,
	VERSION = 2,
	OPEN = 3,
	CLOSE = 4,
	READ = 5,
	WRITE = 6,
	OPENDIR = 11,
	READDIR = 12,
	REMOVE = 13,
	MKDIR = 14,
	RMDIR = 15,
	STAT = 17,
	RENAME = 18,
	STATUS = 101,
	HANDLE = 102,
	DATA = 103,
	NAME = 104,
	ATTRS = 105,
	EXTENDED = 200,
	EXTENDED_REPLY = 201,
};

enum { OK = 0, END_OF_FILE = 1, NO_SUCH_FILE = 2, PERMISSION_DENIED = 3, OP_UNSUPPORTED = 8 };

#define ATTR_SIZE        0x1u
#define ATTR_UIDGID      0x2u
#define ATTR_PERMISSIONS 0x4u
#define ATTR_ACMODTIME   0x8u
#define ATTR_EXTENDED    0x80000000u

static const char *const extensions[] = { "posix-rename@openssh.com", "fsync@openssh.com",
					  "statvfs@openssh.com" };
enum { POSIX_RENAME, FSYNC, STATVFS };

struct us_sftp {
	struct us_sftp_io io;
	uint32_t next_id;
	unsigned int ahead;  /* writes without an answer */
	struct us_err *late; /* the first of them that failed */
	bool broken, has[3];
	uint8_t *buf; /* the answer */
};

/* ---- building a request ---- */

struct request {
	uint8_t bytes[4096 + 2 * PATH_BYTES];
	size_t n;
	bool too_long;
};

static void put_raw(struct request *r, const void *p, size_t n)
{
	if (n > sizeof(r->bytes) - r->n) {
		r->too_long = true;
		return;
	}
	memcpy(r->bytes + r->n, p, n);
	r->n += n;
}

static void put_u32(struct request *r, uint32_t v)
{
	v = htobe32(v);
	put_raw(r, &v, 4);
}

static void put_u64(struct request *r, uint64_t v)
{
	v = htobe64(v);
	put_raw(r, &v, 8);
}

static void put_string(struct request *r, const void *p, size_t n)
{
	put_u32(r, (uint32_t)n);
	put_raw(r, p, n);
}

static void put_text(struct request *r, const char *s)
{
	put_string(r, s, strlen(s));
}

static void put_handle(struct request *r, const struct us_sftp_handle *handle)
{
	put_string(r, handle->bytes, handle->n);
}

static void begin(struct us_sftp *s, struct request *r, uint8_t type)
{
	r->n = 4;
	r->too_long = false;
	put_raw(r, &type, 1);
	put_u32(r, s->next_id++);
}

/* Its length, then itself, then more bytes that belong to it. */
static struct us_err *send_request(struct us_sftp *s, struct request *r, struct us_bytes more)
{
	uint32_t n = htobe32((uint32_t)(r->n - 4 + more.n));
	struct us_err *err;

	if (r->too_long)
		return us_err_new(US_ERR_USAGE, "SFTP: a name is too long");
	if (s->broken)
		return us_err_new(US_ERR_BAD_DATA, "SFTP: the stream is broken");
	memcpy(r->bytes, &n, 4);
	err = s->io.send(s->io.data, r->bytes, r->n);
	if (!err && more.n)
		err = s->io.send(s->io.data, more.p, more.n);
	if (err)
		s->broken = true;
	return err;
}

/* ---- reading an answer ---- */

struct answer {
	uint8_t type;
	uint32_t id;
	struct us_bytes body; /* behind the id */
	size_t at;            /* read so far */
};

static struct us_err *bad(struct us_sftp *s, const char *what)
{
	s->broken = true;
	return us_err_new(US_ERR_BAD_DATA, "SFTP: an answer %s", what);
}

static bool get_u32(struct answer *a, uint32_t *ret)
{
	if (!us_be32(a->body, a->at, ret))
		return false;
	a->at += 4;
	return true;
}

static bool get_u64(struct answer *a, uint64_t *ret)
{
	if (!us_be64(a->body, a->at, ret))
		return false;
	a->at += 8;
	return true;
}

static bool get_string(struct answer *a, struct us_bytes *ret)
{
	uint32_t n;

	if (!get_u32(a, &n) || !us_bytes_has(a->body, a->at, n))
		return false;
	*ret = us_bytes_of(a->body.p + a->at, n);
	a->at += n;
	return true;
}

static bool get_attrs(struct answer *a, struct us_sftp_attrs *ret)
{
	struct us_sftp_attrs attrs = { 0 };
	struct us_bytes text;
	uint32_t flags, skip, n;

	if (!get_u32(a, &flags))
		return false;
	attrs.has_size = flags & ATTR_SIZE;
	attrs.has_mode = flags & ATTR_PERMISSIONS;
	if ((attrs.has_size && !get_u64(a, &attrs.size)) ||
	    (flags & ATTR_UIDGID && (!get_u32(a, &skip) || !get_u32(a, &skip))) ||
	    (attrs.has_mode && !get_u32(a, &attrs.mode)) ||
	    (flags & ATTR_ACMODTIME && (!get_u32(a, &skip) || !get_u32(a, &skip))))
		return false;
	if (flags & ATTR_EXTENDED) {
		if (!get_u32(a, &n))
			return false;
		while (n--)
			if (!get_string(a, &text) || !get_string(a, &text))
				return false;
	}
	*ret = attrs;
	return true;
}

/* One packet: type and what follows it. */
static struct us_err *receive_packet(struct us_sftp *s, uint8_t *ret_type, struct us_bytes *ret)
{
	uint32_t n;
	struct us_err *err = s->io.receive(s->io.data, &n, 4);

	if (!err) {
		n = be32toh(n);
		if (n < 1 || n > PACKET_MAX)
			return bad(s, n ? "is too long" : "is empty");
		err = s->io.receive(s->io.data, s->buf, n);
	}
	if (err) {
		s->broken = true;
		return err;
	}
	*ret_type = s->buf[0];
	*ret = us_bytes_of(s->buf + 1, n - 1);
	return NULL;
}

static struct us_err *receive_answer(struct us_sftp *s, struct answer *ret)
{
	struct answer a = { 0 };

	US_TRY(receive_packet(s, &a.type, &a.body));
	if (!get_u32(&a, &a.id))
		return bad(s, "has no id");
	*ret = a;
	return NULL;
}

static struct us_err *status_error(struct us_sftp *s, struct answer *a)
{
	static const struct {
		uint32_t code;
		enum us_err_code err;
		const char *text;
	} codes[] = {
		{ END_OF_FILE, US_ERR_NOT_FOUND, "end of file" },
		{ NO_SUCH_FILE, US_ERR_NOT_FOUND, "no such file" },
		{ PERMISSION_DENIED, US_ERR_DENIED, "permission denied" },
		{ OP_UNSUPPORTED, US_ERR_UNSUPPORTED, "the server cannot do that" },
	};
	struct us_bytes text = { 0 };
	uint32_t code;

	if (a->type != STATUS)
		return bad(s, "is of another kind than the request");
	if (!get_u32(a, &code))
		return bad(s, "is cut");
	if (code == OK)
		return NULL;
	for (size_t i = 0; i < us_array_size(codes); i++)
		if (codes[i].code == code)
			return us_err_new(codes[i].err, "%s", codes[i].text);
	if (!get_string(a, &text))
		text.n = 0;
	return us_err_new(US_ERR_REFUSED, "the server says \"%.*s\" (status %u)",
			  (int)(text.n < 100 ? text.n : 100), (const char *)text.p, code);
}

/* The answer to one of the writes that were sent ahead. */
static struct us_err *receive_ahead(struct us_sftp *s)
{
	struct us_err *err;
	struct answer a;

	US_TRY(receive_answer(s, &a));
	if (a.id - (s->next_id - 2 * AHEAD_MAX) > 2 * AHEAD_MAX)
		return bad(s, "is to no request");
	s->ahead--;
	err = status_error(s, &a);
	if (s->broken)
		return err;
	if (err && s->late) {
		us_err_free(err);
		err = NULL;
	}
	if (err)
		s->late = err;
	return NULL;
}

struct us_err *us_sftp_settle(struct us_sftp *s)
{
	while (s->ahead)
		US_TRY(receive_ahead(s));
	return us_steal(&s->late);
}

/* Send r and wait for its own answer. */
static struct us_err *ask(struct us_sftp *s, struct request *r, struct answer *ret)
{
	uint32_t id = s->next_id - 1;
	struct us_err *late = us_sftp_settle(s);

	if (late)
		return late;
	US_TRY(send_request(s, r, us_bytes_of(NULL, 0)));
	US_TRY(receive_answer(s, ret));
	return ret->id == id ? NULL : bad(s, "is to another request");
}

static struct us_err *ask_status(struct us_sftp *s, struct request *r)
{
	struct answer a;

	US_TRY(ask(s, r, &a));
	return status_error(s, &a);
}

static struct us_err *ask_handle(struct us_sftp *s, struct request *r, struct us_sftp_handle *ret)
{
	struct us_sftp_handle handle = { 0 };
	struct us_bytes bytes;
	struct answer a;

	US_TRY(ask(s, r, &a));
	if (a.type != HANDLE) {
		struct us_err *err = status_error(s, &a);

		return err ? err : bad(s, "gives no handle");
	}
	if (!get_string(&a, &bytes) || !bytes.n || bytes.n > sizeof(handle.bytes))
		return bad(s, "gives no handle");
	memcpy(handle.bytes, bytes.p, bytes.n);
	handle.n = (uint32_t)bytes.n;
	*ret = handle;
	return NULL;
}

/* ---- the beginning ---- */

static struct us_err *greet(struct us_sftp *s)
{
	const uint8_t hello[] = { 0, 0, 0, 5, INIT, 0, 0, 0, 3 };
	struct us_bytes name, value;
	struct answer a = { 0 };
	uint32_t version;

	US_TRY(s->io.send(s->io.data, hello, sizeof(hello)));
	US_TRY(receive_packet(s, &a.type, &a.body));
	if (a.type != VERSION || !get_u32(&a, &version))
		return bad(s, "to the greeting is no version: is there more in the login of that "
			      "user than SFTP?");
	if (version != 3)
		return us_err_new(US_ERR_UNSUPPORTED, "SFTP: the server has version %u, not 3",
				  version);
	while (a.at < a.body.n) {
		if (!get_string(&a, &name) || !get_string(&a, &value))
			return bad(s, "to the greeting is cut");
		for (size_t i = 0; i < us_array_size(extensions); i++)
			if (us_bytes_equal(name, us_bytes_of(extensions[i], strlen(extensions[i]))))
				s->has[i] = true;
	}
	return NULL;
}

struct us_err *us_sftp_new(const struct us_sftp_io *io, struct us_sftp **ret)
{
	struct us_sftp *s = calloc(1, sizeof(*s));
	struct us_err *err;

	if (!s)
		return us_err_nomem();
	s->io = *io;
	s->buf = malloc(PACKET_MAX);
	err = s->buf ? greet(s) : us_err_nomem();
	if (err) {
		us_sftp_free(s);
		return err;
	}
	*ret = s;
	return NULL;
}

void us_sftp_free(struct us_sftp *s)
{
	if (!s)
		return;
	us_err_free(s->late);
	free(s->buf);
	free(s);
}

/* ---- files ---- */

struct us_err *us_sftp_open(struct us_sftp *s, const char *path, uint32_t flags, uint32_t mode,
			    struct us_sftp_handle *ret)
{
	struct request r;

	begin(s, &r, OPEN);
	put_text(&r, path);
	put_u32(&r, flags);
	put_u32(&r, ATTR_PERMISSIONS);
	put_u32(&r, mode);
	return ask_handle(s, &r, ret);
}

struct us_err *us_sftp_close(struct us_sftp *s, const struct us_sftp_handle *handle)
{
	struct request r;

	begin(s, &r, CLOSE);
	put_handle(&r, handle);
	return ask_status(s, &r);
}

struct us_err *us_sftp_write(struct us_sftp *s, const struct us_sftp_handle *handle, uint64_t at,
			     struct us_bytes bytes)
{
	struct request r;

	while (bytes.n) {
		size_t n = bytes.n < DATA_MAX ? bytes.n : DATA_MAX;

		while (s->ahead >= AHEAD_MAX)
			US_TRY(receive_ahead(s));
		if (s->late)
			return us_sftp_settle(s);
		begin(s, &r, WRITE);
		put_handle(&r, handle);
		put_u64(&r, at);
		put_u32(&r, (uint32_t)n);
		US_TRY(send_request(s, &r, us_bytes_of(bytes.p, n)));
		s->ahead++;
		at += n;
		bytes = us_bytes_of(bytes.p + n, bytes.n - n);
	}
	return NULL;
}

/* One answer of a READ: a server may give less than was asked for. */
static struct us_err *read_some(struct us_sftp *s, const struct us_sftp_handle *handle, uint64_t at,
				uint8_t *p, size_t n, size_t *ret_n)
{
	struct us_bytes data;
	struct request r;
	struct answer a;

	begin(s, &r, READ);
	put_handle(&r, handle);
	put_u64(&r, at);
	put_u32(&r, (uint32_t)(n < DATA_MAX ? n : DATA_MAX));
	US_TRY(ask(s, &r, &a));
	if (a.type == STATUS) {
		struct us_err *err = status_error(s, &a);

		if (err && err->code != US_ERR_NOT_FOUND)
			return err;
		us_err_free(err);
		*ret_n = 0;
		return NULL;
	}
	if (a.type != DATA || !get_string(&a, &data) || !data.n || data.n > n)
		return bad(s, "has not the data that was asked for");
	memcpy(p, data.p, data.n);
	*ret_n = data.n;
	return NULL;
}

struct us_err *us_sftp_read(struct us_sftp *s, const struct us_sftp_handle *handle, uint64_t at,
			    void *p, size_t n, size_t *ret_n)
{
	size_t done = 0, got = 1;

	while (done < n && got) {
		US_TRY(read_some(s, handle, at + done, (uint8_t *)p + done, n - done, &got));
		done += got;
	}
	*ret_n = done;
	return NULL;
}

struct us_err *us_sftp_fsync(struct us_sftp *s, const struct us_sftp_handle *handle, bool *ret_done)
{
	struct request r;

	*ret_done = false;
	if (!s->has[FSYNC])
		return us_sftp_settle(s);
	begin(s, &r, EXTENDED);
	put_text(&r, extensions[FSYNC]);
	put_handle(&r, handle);
	US_TRY(ask_status(s, &r));
	*ret_done = true;
	return NULL;
}

/* ---- names ---- */

static struct us_err *path_request(struct us_sftp *s, uint8_t type, const char *path)
{
	struct request r;

	begin(s, &r, type);
	put_text(&r, path);
	return ask_status(s, &r);
}

struct us_err *us_sftp_remove(struct us_sftp *s, const char *path)
{
	return path_request(s, REMOVE, path);
}

struct us_err *us_sftp_rmdir(struct us_sftp *s, const char *path)
{
	return path_request(s, RMDIR, path);
}

struct us_err *us_sftp_mkdir(struct us_sftp *s, const char *path, uint32_t mode)
{
	struct request r;

	begin(s, &r, MKDIR);
	put_text(&r, path);
	put_u32(&r, ATTR_PERMISSIONS);
	put_u32(&r, mode);
	return ask_status(s, &r);
}

struct us_err *us_sftp_stat(struct us_sftp *s, const char *path, struct us_sftp_attrs *ret)
{
	struct request r;
	struct answer a;

	begin(s, &r, STAT);
	put_text(&r, path);
	US_TRY(ask(s, &r, &a));
	if (a.type == ATTRS)
		return get_attrs(&a, ret) ? NULL : bad(s, "has attributes that are cut");
	US_TRY(status_error(s, &a));
	return bad(s, "has no attributes");
}

struct us_err *us_sftp_rename(struct us_sftp *s, const char *from, const char *to)
{
	struct request r;

	if (!s->has[POSIX_RENAME])
		us_err_free(us_sftp_remove(s, to)); /* RENAME does not replace */
	begin(s, &r, s->has[POSIX_RENAME] ? EXTENDED : RENAME);
	if (s->has[POSIX_RENAME])
		put_text(&r, extensions[POSIX_RENAME]);
	put_text(&r, from);
	put_text(&r, to);
	return ask_status(s, &r);
}

struct us_err *us_sftp_free_bytes(struct us_sftp *s, const char *path, uint64_t *ret)
{
	uint64_t block, skip, fragment, blocks, free_blocks, available, bytes;
	struct request r;
	struct answer a;

	if (!s->has[STATVFS])
		return us_err_new(US_ERR_UNSUPPORTED, "the server does not tell how much is free");
	begin(s, &r, EXTENDED);
	put_text(&r, extensions[STATVFS]);
	put_text(&r, path);
	US_TRY(ask(s, &r, &a));
	if (a.type != EXTENDED_REPLY) {
		US_TRY(status_error(s, &a));
		return bad(s, "has no numbers");
	}
	if (!get_u64(&a, &block) || !get_u64(&a, &fragment) || !get_u64(&a, &blocks) ||
	    !get_u64(&a, &free_blocks) || !get_u64(&a, &available) || !get_u64(&a, &skip))
		return bad(s, "has too few numbers");
	if (!us_mul(available, fragment, &bytes))
		bytes = UINT64_MAX;
	*ret = bytes;
	return NULL;
}

struct listing {
	struct us_pool *pool;
	struct us_sftp_name *names;
	size_t n, cap;
};

static struct us_err *list_names(struct us_sftp *s, struct answer *a, struct listing *l)
{
	struct us_bytes name, text;
	uint32_t count;

	if (!get_u32(a, &count))
		return bad(s, "has no number of names");
	for (; count; count--) {
		struct us_sftp_name *to;

		if (l->n == l->cap) {
			size_t cap = l->cap ? l->cap * 2 : 64;
			struct us_sftp_name *more = us_pool_array(l->pool, cap, sizeof(*more));

			if (!more)
				return us_err_nomem();
			if (l->n)
				memcpy(more, l->names, l->n * sizeof(*more));
			l->names = more;
			l->cap = cap;
		}
		to = &l->names[l->n];
		if (!get_string(a, &name) || !get_string(a, &text) || !get_attrs(a, &to->attrs))
			return bad(s, "has names that are cut");
		if (l->n == LIST_MAX)
			return us_err_new(US_ERR_UNSUPPORTED, "SFTP: too many names");
		to->name = us_pool_strndup(l->pool, (const char *)name.p, name.n);
		if (!to->name)
			return us_err_nomem();
		if (strcmp(to->name, ".") != 0 && strcmp(to->name, "..") != 0)
			l->n++;
	}
	return NULL;
}

static struct us_err *list_all(struct us_sftp *s, const struct us_sftp_handle *handle,
			       struct listing *l)
{
	for (;;) {
		struct us_err *err;
		struct request r;
		struct answer a;

		begin(s, &r, READDIR);
		put_handle(&r, handle);
		US_TRY(ask(s, &r, &a));
		if (a.type == NAME) {
			size_t was = a.body.n;

			US_TRY(list_names(s, &a, l));
			if (was <= 8)
				return bad(s, "lists no name and no end");
			continue;
		}
		err = status_error(s, &a);
		if (!err)
			return bad(s, "lists nothing");
		if (err->code != US_ERR_NOT_FOUND)
			return err;
		us_err_free(err);
		return NULL;
	}
}

struct us_err *us_sftp_list(struct us_sftp *s, const char *path, struct us_pool *pool,
			    struct us_sftp_name **ret, size_t *ret_n)
{
	struct listing l = { .pool = pool };
	struct us_sftp_handle handle;
	struct us_err *err;
	struct request r;

	begin(s, &r, OPENDIR);
	put_text(&r, path);
	US_TRY(ask_handle(s, &r, &handle));
	err = list_all(s, &handle, &l);
	if (err)
		return err;
	US_TRY(us_sftp_close(s, &handle));
	*ret = l.names;
	*ret_n = l.n;
	return NULL;
}
