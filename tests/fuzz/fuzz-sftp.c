/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an SFTP server answers: a session whose requests are always the same. */
#include "fuzz.h"

#include "base/cleanup.h"
#include "target/net-int.h"

#include <string.h>

struct stream {
	struct us_bytes left;
};

static struct us_err *send_nothing(void *data, const void *p, size_t n)
{
	(void)data;
	(void)p;
	(void)n;
	return NULL;
}

static struct us_err *receive(void *data, void *p, size_t n)
{
	struct stream *s = data;

	if (n > s->left.n)
		return us_err_new(US_ERR_OS, "the end");
	memcpy(p, s->left.p, n);
	s->left = us_bytes_of(s->left.p + n, s->left.n - n);
	return NULL;
}

static struct us_err *session(struct us_sftp *sftp)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_sftp_handle file;
	struct us_sftp_attrs attrs;
	struct us_sftp_name *names;
	uint8_t bytes[100] = { 0 };
	uint64_t room;
	size_t n;
	bool synced;

	US_TRY(us_sftp_open(sftp, "f", US_SFTP_READ | US_SFTP_WRITE, 0600, &file));
	US_TRY(us_sftp_write(sftp, &file, 0, us_bytes_of(bytes, sizeof(bytes))));
	US_TRY(us_sftp_read(sftp, &file, 0, bytes, sizeof(bytes), &n));
	US_TRY(us_sftp_fsync(sftp, &file, &synced));
	US_TRY(us_sftp_close(sftp, &file));
	US_TRY(us_sftp_stat(sftp, "f", &attrs));
	US_TRY(us_sftp_free_bytes(sftp, "f", &room));
	US_TRY(us_sftp_list(sftp, "d", &pool, &names, &n));
	return us_sftp_rename(sftp, "f", "g");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream stream = { .left = us_bytes_of(data, size) };
	const struct us_sftp_io io = { .send = send_nothing, .receive = receive, .data = &stream };
	struct us_sftp *sftp = NULL;
	struct us_err *err = us_sftp_new(&io, &sftp);

	if (!err)
		err = session(sftp);
	us_err_free(err);
	us_sftp_free(sftp);
	return 0;
}
