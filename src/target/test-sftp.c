/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of sftp.c against a server of a few lines, which can be made to lie. */
#include "base/cleanup.h"
#include "target/net-int.h"

#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define FILE_MAX (4u << 20)

struct server {
	uint8_t *in, *out, *file;
	size_t n_in, n_out, read; /* out from read on is not read yet */
	size_t file_bytes;
	unsigned int listed, writes, unanswered, most_unanswered;
	bool old;                /* no extensions */
	unsigned int fail_write; /* the n-th one, 1 = first */
	bool wrong_id, short_reads;
	uint32_t lie_length;
	bool renamed_by_extension, removed, synced;
};

static void put(struct server *s, const void *p, size_t n)
{
	memcpy(s->out + s->n_out, p, n);
	s->n_out += n;
}

static void put_u32(struct server *s, uint32_t v)
{
	v = htobe32(v);
	put(s, &v, 4);
}

static void put_text(struct server *s, const char *text)
{
	put_u32(s, (uint32_t)strlen(text));
	put(s, text, strlen(text));
}

/* The length is set when the packet is whole. */
static size_t begin(struct server *s, uint8_t type)
{
	size_t at = s->n_out;

	put_u32(s, 0);
	put(s, &type, 1);
	return at;
}

static void end(struct server *s, size_t at)
{
	uint32_t n = htobe32(s->lie_length ? s->lie_length : (uint32_t)(s->n_out - at - 4));

	memcpy(s->out + at, &n, 4);
}

static void status(struct server *s, uint32_t id, uint32_t code)
{
	size_t at = begin(s, 101);

	put_u32(s, id);
	put_u32(s, code);
	put_text(s, "because");
	put_text(s, "");
	end(s, at);
}

static void attributes(struct server *s)
{
	put_u32(s, 1 | 4);
	put_u32(s, 0);
	put_u32(s, (uint32_t)s->file_bytes);
	put_u32(s, S_IFREG | 0600);
}

static void answer_version(struct server *s)
{
	size_t at = begin(s, 2);

	put_u32(s, 3);
	if (!s->old) {
		put_text(s, "posix-rename@openssh.com");
		put_text(s, "1");
		put_text(s, "fsync@openssh.com");
		put_text(s, "1");
		put_text(s, "statvfs@openssh.com");
		put_text(s, "2");
	}
	end(s, at);
}

static uint32_t word(struct us_bytes b, size_t at)
{
	uint32_t v = 0;

	assert_true(us_be32(b, at, &v));
	return v;
}

static void answer_write(struct server *s, uint32_t id, struct us_bytes b)
{
	uint64_t at = 0;
	uint32_t n;

	assert_true(us_be64(b, 5, &at));
	n = word(b, 13);
	assert_int_equal(b.n, 17 + n);
	assert_true(n <= 32768 && at + n <= FILE_MAX);
	s->writes++;
	if (s->writes == s->fail_write) {
		status(s, id, 4);
		return;
	}
	memcpy(s->file + at, b.p + 17, n);
	if (at + n > s->file_bytes)
		s->file_bytes = at + n;
	status(s, id, 0);
}

static void answer_read(struct server *s, uint32_t id, struct us_bytes b)
{
	uint64_t from = 0;
	uint32_t n = word(b, 13);
	size_t at;

	assert_true(us_be64(b, 5, &from));
	if (from >= s->file_bytes) {
		status(s, id, 1);
		return;
	}
	n = n < s->file_bytes - from ? n : (uint32_t)(s->file_bytes - from);
	if (s->short_reads && n > 7)
		n = 7;
	at = begin(s, 103);
	put_u32(s, id);
	put_u32(s, n);
	put(s, s->file + from, n);
	end(s, at);
}

static void answer_names(struct server *s, uint32_t id)
{
	static const char *const names[] = { ".", "..", "one", "two" };
	size_t at;

	if (s->listed++) {
		status(s, id, 1);
		return;
	}
	at = begin(s, 104);
	put_u32(s, id);
	put_u32(s, us_array_size(names));
	for (size_t i = 0; i < us_array_size(names); i++) {
		put_text(s, names[i]);
		put_text(s, "as ls has it");
		attributes(s);
	}
	end(s, at);
}

static void answer_extended(struct server *s, uint32_t id, struct us_bytes b)
{
	struct us_bytes name = us_bytes_of(b.p + 4, word(b, 0));
	size_t at;

	if (name.n == 24) {
		s->renamed_by_extension = true;
		status(s, id, 0);
	} else if (name.n == 17) {
		s->synced = true;
		status(s, id, 0);
	} else {
		at = begin(s, 201);
		put_u32(s, id);
		for (uint32_t i = 0; i < 11; i++) { /* block, fragment, blocks, free, available */
			put_u32(s, 0);
			put_u32(s, i == 1 ? 4096 : i == 4 ? 10 : 77);
		}
		end(s, at);
	}
}

static void answer(struct server *s, uint8_t type, struct us_bytes b)
{
	uint32_t id = type == 1 ? 0 : word(b, 0) + (s->wrong_id ? 7000 : 0);
	struct us_bytes rest = us_bytes_of(b.p + 4, b.n - 4);
	size_t at;

	switch (type) {
	case 1:
		answer_version(s);
		break;
	case 3:
	case 11:
		at = begin(s, 102);
		put_u32(s, id);
		put_text(s, "h");
		end(s, at);
		break;
	case 5:
		answer_read(s, id, rest);
		break;
	case 6:
		answer_write(s, id, rest);
		break;
	case 12:
		answer_names(s, id);
		break;
	case 17:
		at = begin(s, 105);
		put_u32(s, id);
		attributes(s);
		end(s, at);
		break;
	case 200:
		answer_extended(s, id, rest);
		break;
	default:
		s->removed |= type == 13;
		status(s, id, type == 15 ? 3 : 0);
	}
}

static struct us_err *take(void *data, const void *p, size_t n)
{
	struct server *s = data;

	memcpy(s->in + s->n_in, p, n);
	s->n_in += n;
	while (s->n_in >= 4) {
		uint32_t length = word(us_bytes_of(s->in, s->n_in), 0);

		if (s->n_in < 4 + (size_t)length)
			break;
		answer(s, s->in[4], us_bytes_of(s->in + 5, length - 1));
		s->unanswered++;
		if (s->unanswered > s->most_unanswered)
			s->most_unanswered = s->unanswered;
		memmove(s->in, s->in + 4 + length, s->n_in - 4 - length);
		s->n_in -= 4 + length;
	}
	return NULL;
}

static struct us_err *give(void *data, void *p, size_t n)
{
	struct server *s = data;

	if (s->n_out - s->read < n)
		return us_err_new(US_ERR_OS, "the stream has ended");
	if (n == 4)
		s->unanswered--;
	memcpy(p, s->out + s->read, n);
	s->read += n;
	if (s->read == s->n_out)
		s->read = s->n_out = 0;
	return NULL;
}

static int setup(void **state)
{
	struct server *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->in = malloc(FILE_MAX);
	s->out = malloc(FILE_MAX);
	s->file = calloc(1, FILE_MAX);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct server *s = *state;

	free(s->in);
	free(s->out);
	free(s->file);
	free(s);
	return 0;
}

static struct us_sftp *connected(struct server *s)
{
	const struct us_sftp_io io = { .send = take, .receive = give, .data = s };
	struct us_sftp *sftp = NULL;

	assert_null(us_sftp_new(&io, &sftp));
	return sftp;
}

static struct us_sftp_handle opened(struct us_sftp *sftp)
{
	struct us_sftp_handle file;

	assert_null(us_sftp_open(sftp, "f", US_SFTP_READ | US_SFTP_WRITE, 0600, &file));
	assert_int_equal(file.n, 1);
	return file;
}

static void test_bytes_arrive_and_come_back(void **state)
{
	struct server *s = *state;
	struct us_sftp *sftp = connected(s);
	struct us_sftp_handle file = opened(sftp);
	struct us_sftp_attrs attrs;
	uint8_t *bytes = malloc(FILE_MAX), *back = malloc(FILE_MAX);
	size_t n;

	for (size_t i = 0; i < FILE_MAX - 100; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	assert_null(us_sftp_write(sftp, &file, 0, us_bytes_of(bytes, FILE_MAX - 100)));
	assert_true(s->most_unanswered > 32 && s->most_unanswered <= 64);
	assert_null(us_sftp_settle(sftp));
	assert_int_equal(s->unanswered, 0);
	assert_memory_equal(s->file, bytes, FILE_MAX - 100);
	assert_null(us_sftp_stat(sftp, "f", &attrs));
	assert_int_equal(attrs.size, FILE_MAX - 100);
	assert_null(us_sftp_read(sftp, &file, 0, back, FILE_MAX, &n));
	assert_int_equal(n, FILE_MAX - 100);
	assert_memory_equal(back, bytes, n);
	s->short_reads = true;
	assert_null(us_sftp_read(sftp, &file, 5, back, 100, &n));
	assert_int_equal(n, 100);
	assert_memory_equal(back, bytes + 5, n);
	assert_null(us_sftp_close(sftp, &file));
	us_sftp_free(sftp);
	free(bytes);
	free(back);
}

static void test_a_write_that_fails_is_told_later(void **state)
{
	struct server *s = *state;
	struct us_sftp *sftp = connected(s);
	struct us_sftp_handle file = opened(sftp);
	uint8_t bytes[200000] = { 0 };
	struct us_err *err;

	s->fail_write = 3;
	err = us_sftp_write(sftp, &file, 0, us_bytes_of(bytes, sizeof(bytes)));
	if (!err)
		err = us_sftp_settle(sftp);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_REFUSED);
	assert_non_null(strstr(err->text, "because"));
	us_err_free(err);
	assert_null(us_sftp_settle(sftp)); /* once */
	assert_null(us_sftp_close(sftp, &file));
	us_sftp_free(sftp);
}

static void test_names_and_room(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct server *s = *state;
	struct us_sftp *sftp = connected(s);
	struct us_sftp_handle file = opened(sftp);
	struct us_sftp_name *names;
	uint64_t room;
	size_t n;
	bool synced;
	struct us_err *err;

	assert_null(us_sftp_list(sftp, "d", &pool, &names, &n));
	assert_int_equal(n, 2);
	assert_string_equal(names[0].name, "one");
	assert_true(S_ISREG(names[1].attrs.mode));
	assert_null(us_sftp_free_bytes(sftp, "d", &room));
	assert_int_equal(room, 40960);
	assert_null(us_sftp_fsync(sftp, &file, &synced));
	assert_true(synced && s->synced);
	assert_null(us_sftp_rename(sftp, "a", "b"));
	assert_true(s->renamed_by_extension && !s->removed);
	err = us_sftp_rmdir(sftp, "d");
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_DENIED);
	us_err_free(err);
	us_sftp_free(sftp);
}

static void test_an_old_server_does_as_well(void **state)
{
	struct server *s = *state;
	struct us_sftp_handle file;
	struct us_sftp *sftp;
	struct us_err *err;
	uint64_t room;
	bool synced = true;

	s->old = true;
	sftp = connected(s);
	file = opened(sftp);
	assert_null(us_sftp_fsync(sftp, &file, &synced));
	assert_false(synced);
	assert_null(us_sftp_rename(sftp, "a", "b"));
	assert_true(s->removed && !s->renamed_by_extension);
	err = us_sftp_free_bytes(sftp, "d", &room);
	assert_int_equal(err->code, US_ERR_UNSUPPORTED);
	us_err_free(err);
	us_sftp_free(sftp);
}

static void lies(struct us_sftp *sftp, const char *because)
{
	struct us_sftp_handle file;
	struct us_err *err = us_sftp_open(sftp, "f", US_SFTP_READ, 0600, &file);

	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_BAD_DATA);
	if (!strstr(err->text, because))
		fail_msg("%s", err->text);
	us_err_free(err);
	err = us_sftp_open(sftp, "f", US_SFTP_READ, 0600, &file); /* nothing goes any more */
	assert_non_null(err);
	us_err_free(err);
	us_sftp_free(sftp);
}

static void test_answers_are_not_believed(void **state)
{
	struct server *s = *state;
	struct us_sftp *sftp = connected(s);

	s->wrong_id = true;
	lies(sftp, "another request");
	s->wrong_id = false;
	s->read = s->n_out = 0;
	sftp = connected(s);
	s->lie_length = 0x7fffffff;
	lies(sftp, "too long");
	s->lie_length = 0;
	s->read = s->n_out = 0;
	sftp = connected(s);
	s->lie_length = 3;
	lies(sftp, "no id");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bytes_arrive_and_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_write_that_fails_is_told_later, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_names_and_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_old_server_does_as_well, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_are_not_believed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
