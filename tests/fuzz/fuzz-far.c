/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client says to the server of a rehearsal: heads, queries, ranges, chunks. */
#include "fuzz.h"

#include "base/cleanup.h"
#include "target/far-int.h"

#include <fcntl.h>
#include <string.h>

#define STEP 1500 /* as a network cuts it */

static struct us_err *read_bytes(void *data, void *p, size_t n, size_t *ret)
{
	struct us_bytes *left = data;

	n = n < STEP ? n : STEP;
	n = n < left->n ? n : left->n;
	if (n)
		memcpy(p, left->p, n);
	*left = us_bytes_of(left->p + n, left->n - n);
	*ret = n;
	return NULL;
}

static struct us_err *write_nothing(void *data, struct us_bytes bytes)
{
	(void)data;
	MUST(bytes.n && bytes.p);
	return NULL;
}

static struct us_err *handle(void *data, struct us_far_conn *c)
{
	_us_close_ int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct us_bytes bytes;
	uint64_t total = 0;

	(void)data;
	MUST(*c->r.path == '/' && !strstr(c->r.path, "//") && !strstr(c->r.path, "/../"));
	MUST(c->r.n_headers <= US_FAR_HEADERS_MAX);
	do {
		US_TRY(us_far_body(c, &bytes));
		total += bytes.n;
	} while (bytes.n);
	MUST(!c->r.left && !c->r.chunked);
	if (us_far_query(c, "refuse"))
		return us_far_refuse(c, US_FAR_NO_SUCH_KEY, "<%s>", c->r.path);
	if (!strcmp(c->r.method, "GET"))
		return us_far_answer_file(c, zeros, total + 100, "");
	return us_far_answer(c, 200, "", us_bytes_of("", 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct us_bytes left = us_bytes_of(data, size);
	struct us_far_conn *c = calloc(1, sizeof(*c));

	MUST(c);
	c->io = (struct us_far_io){ read_bytes, write_nothing, &left };
	c->xml = size % 2;
	us_err_free(us_far_serve(c, handle, NULL));
	free(c);
	return 0;
}
