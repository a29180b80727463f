/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel log between two moments, from /dev/kmsg (Documentation/ABI/testing/dev-kmsg): one
 * record a read, "priority,sequence,time,flags;text", then lines " KEY=value". Only lines that can
 * explain a kexec call are kept. Without permission nothing is yielded and the reason is kept.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct us_kmsg {
	int fd; /* -1: not readable */
	struct us_pool pool;
	const char *missing;
};

struct us_err *us_kmsg_mark(struct us_kmsg **ret)
{
	struct us_kmsg *mark = calloc(1, sizeof(*mark));

	if (!mark)
		return us_err_nomem();
	mark->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (mark->fd < 0 && (errno == EPERM || errno == EACCES))
		mark->missing = "/dev/kmsg: readable by root only";
	else if (mark->fd < 0 || lseek(mark->fd, 0, SEEK_END) < 0)
		mark->missing = us_host_say(&mark->pool, "/dev/kmsg: %s", strerror(errno));
	*ret = mark;
	return NULL;
}

const char *us_kmsg_missing(const struct us_kmsg *mark)
{
	return mark->missing;
}

/* Does the line speak of what a kexec call runs into? */
static bool speaks_of_kexec(struct us_bytes line)
{
	static const char *const words[] = { "kexec",   "Lockdown",  "ima:",      "PEFILE", "crash",
					     "Kdump",   "kdump",     "integrity", "PKCS#7", "X.509",
					     "keyring", "purgatory", "segment" };

	for (size_t i = 0; i < us_array_size(words); i++)
		if (us_bytes_find(line, 0, words[i], strlen(words[i])) != SIZE_MAX)
			return true;
	return false;
}

/* The text of one record, or nothing. */
static struct us_bytes record_text(struct us_bytes record)
{
	size_t semicolon = us_bytes_find(record, 0, ";", 1);
	struct us_bytes line = { 0 };

	if (semicolon == SIZE_MAX)
		return line;
	record = us_bytes_clip(record, semicolon + 1, record.n);
	us_line_next(&record, &line);
	return line;
}

struct us_err *us_kmsg_since(struct us_kmsg *mark, char **ret)
{
	_us_text_deinit_ struct us_text text = { 0 };
	char record[8192];

	for (; !mark->missing;) {
		ssize_t n = read(mark->fd, record, sizeof(record));
		struct us_bytes line;

		if (n < 0 && (errno == EINTR || errno == EPIPE)) /* EPIPE: some were overwritten */
			continue;
		if (n <= 0)
			break;
		line = record_text(us_bytes_of(record, (size_t)n));
		if (!speaks_of_kexec(line))
			continue;
		us_text_add(&text, "%s", text.n ? "\n" : "");
		us_text_put(&text, line.p, line.n);
	}
	return us_text_take(&text, ret);
}

void us_kmsg_free(struct us_kmsg *mark)
{
	if (!mark)
		return;
	if (mark->fd >= 0)
		close(mark->fd);
	us_pool_deinit(&mark->pool);
	free(mark);
}
