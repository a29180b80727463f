/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HTTP servers that take PUT, and object stores of the S3 kind, both by understudy-http. Over HTTP
 * the dump goes as one stream of unknown length (flattened); to an object store in parts, its front
 * last, so that the object is the plain file. HTTP has no lists, so what is saved there cannot be
 * listed or pruned.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "target/helper-int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FRONT      512u /* bytes of the dump that are compared at the end */
#define ANSWER_MS  500
#define HEAD_BYTES (5u << 20) /* what is last is a part of its own, and such have a least size */

struct web {
	struct us_helper helper;
	struct us_sink sink;
	char *name; /* of the dump */
	bool begun, answered, head;
	uint8_t front[FRONT];
	size_t n_front;
};

static struct web *web_of(const struct us_target *t)
{
	return t->data;
}

static struct us_bytes bytes_of(const char *s)
{
	return us_bytes_of(s, strlen(s));
}

/* err with the target's name, and what the helper said where it has died. */
static struct us_err *explain(const struct us_target *t, struct us_err *err, const char *doing)
{
	const struct us_program *p = &web_of(t)->helper.program;

	if (err->os_errno == EPIPE && p->n_said)
		err = us_err_wrap(err, "%.*s", (int)strcspn(p->said, "\n"), p->said);
	return us_err_wrap(err, "%s: %s", t->spec.text, doing);
}

#define WEB_TRY(t, doing, expr)                                                                    \
	do {                                                                                       \
		struct us_err *web_err_ = (expr);                                                  \
		if (web_err_)                                                                      \
			return explain(t, web_err_, doing);                                        \
	} while (0)

static struct us_err *open_helper(struct us_target *t, const char *words)
{
	_us_text_deinit_ struct us_text text = { 0 };
	struct web *w = web_of(t);
	uint64_t now = us_target_now_ns(), ms = 0;

	if (t->deadline_ns)
		ms = t->deadline_ns > now ? (t->deadline_ns - now) / 1000000 : 0;
	if (t->deadline_ns) /* it says why in time to be heard */
		ms = ms / 10 < ANSWER_MS ? ms - ms / 10 + 1 : ms - ANSWER_MS;
	us_text_add(&text, "%s", words);
	us_text_put(&text, "", 1);
	us_text_add(&text, "%" PRIu64, ms);
	if (text.failed)
		return us_err_nomem();
	US_TRY(us_helper_start(t->deadline_ns, &w->helper));
	return us_helper_ask(&w->helper, US_HTTP_OPEN, us_bytes_of(text.s, text.n), bytes_of(""),
			     NULL);
}

static struct us_err *web_open(struct us_target *t)
{
	struct web *w = us_pool_alloc(&t->pool, sizeof(*w));
	const char *words;

	if (!w)
		return us_err_nomem();
	t->data = w;
	w->helper.program.fd = w->helper.program.err_fd = -1;
	US_TRY(us_target_words(&t->spec, &t->pool, &words));
	WEB_TRY(t, "beginning", open_helper(t, words));
	return NULL;
}

static void web_close(struct us_target *t)
{
	struct web *w = web_of(t);

	if (!w)
		return;
	us_helper_end(&w->helper);
	free(w->name);
}

/* ---- small files ---- */

static struct us_err *web_put(struct us_target *t, const char *crash, const char *name,
			      struct us_bytes bytes)
{
	_us_free_ char *path = NULL;

	US_TRY(us_text_format(&path, "%s/%s", crash, name));
	WEB_TRY(t, path,
		us_helper_ask(&web_of(t)->helper, US_HTTP_PUT, us_bytes_of(path, strlen(path) + 1),
			      bytes, NULL));
	return NULL;
}

static struct us_err *get(struct us_target *t, const char *path, size_t max, struct us_blob *ret)
{
	char most[24];
	int n = snprintf(most, sizeof(most), "%zu", max ? max : 1);

	WEB_TRY(t, path,
		us_helper_ask(&web_of(t)->helper, US_HTTP_GET, us_bytes_of(most, (size_t)n + 1),
			      bytes_of(path), ret));
	return NULL;
}

static struct us_err *web_get(struct us_target *t, const char *crash, const char *name, size_t max,
			      struct us_blob *ret)
{
	_us_free_ char *path = NULL;

	US_TRY(us_text_format(&path, "%s/%s", crash, name));
	return get(t, path, max, ret);
}

/* ---- the dump ---- */

/* The helper answers an upload once: in its midst if it is in vain. */
static struct us_err *settle(struct us_target *t, const char *doing)
{
	web_of(t)->answered = true;
	WEB_TRY(t, doing, us_helper_receive(&web_of(t)->helper, NULL));
	return NULL;
}

static struct us_err *sink_write(struct us_sink *sink, uint64_t at, struct us_bytes bytes)
{
	struct us_target *t = sink->data;
	struct web *w = web_of(t);

	if (at < FRONT) {
		size_t n = bytes.n < FRONT - at ? bytes.n : (size_t)(FRONT - at);

		memcpy(w->front + at, bytes.p, n);
		if (at + n > w->n_front)
			w->n_front = at + n;
	}
	if (sink->order == US_SINK_HEAD_LAST && !at) {
		WEB_TRY(t, "sending the dump",
			us_helper_send(&w->helper, US_HTTP_HEAD, bytes_of(""), bytes_of("")));
		w->head = true;
	}
	while (bytes.n) {
		size_t n = bytes.n < US_HTTP_DATA_MAX ? bytes.n : US_HTTP_DATA_MAX;

		if (w->answered)
			return us_err_new(US_ERR_OS, "%s: the upload has failed", t->spec.text);
		if (us_helper_has_answer(&w->helper)) {
			US_TRY(settle(t, "sending the dump"));
			return us_err_new(US_ERR_BAD_DATA, "%s: the upload ended too early",
					  t->spec.text);
		}
		WEB_TRY(t, "sending the dump",
			us_helper_send(&w->helper, US_HTTP_DATA, us_bytes_of(bytes.p, n),
				       bytes_of("")));
		bytes = us_bytes_of(bytes.p + n, bytes.n - n);
	}
	return NULL;
}

static struct us_err *web_dump_begin(struct us_target *t, const char *crash, const char **ret_path,
				     struct us_sink **ret_sink)
{
	struct web *w = web_of(t);

	(void)ret_path;
	free(us_steal(&w->name));
	US_TRY(us_text_format(&w->name, "%s/dump", crash));
	WEB_TRY(t, "beginning the dump",
		us_helper_send(&w->helper, US_HTTP_BEGIN, us_bytes_of(w->name, strlen(w->name)),
			       bytes_of("")));
	w->begun = true;
	w->answered = w->head = false;
	w->n_front = 0;
	w->sink = (struct us_sink){ .write = sink_write,
				    .order = t->spec.kind == US_TARGET_S3 ? US_SINK_HEAD_LAST
									  : US_SINK_STREAM,
				    .head_bytes = t->spec.kind == US_TARGET_S3 ? HEAD_BYTES : 0,
				    .data = t };
	*ret_sink = &w->sink;
	return NULL;
}

static struct us_err *compare_front(struct us_target *t)
{
	_us_blob_deinit_ struct us_blob back = { 0 };
	struct web *w = web_of(t);

	US_TRY(get(t, w->name, w->n_front, &back));
	if (back.n != w->n_front || memcmp(back.p, w->front, back.n) != 0)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: the dump reads back other than it was written",
				  t->spec.text);
	return NULL;
}

static struct us_err *web_dump_end(struct us_target *t, bool finished, struct us_pool *pool,
				   const char **ret_where)
{
	struct web *w = web_of(t);
	const char *slash = "";

	if (!w->begun)
		return us_err_new(US_ERR_USAGE, "%s: no dump was begun", t->spec.text);
	w->begun = false;
	WEB_TRY(t, "ending the dump",
		us_helper_send(&w->helper, finished ? US_HTTP_FINISH : US_HTTP_ABORT, bytes_of(""),
			       bytes_of("")));
	if (w->answered && finished)
		return us_err_new(US_ERR_OS, "%s: the upload has failed", t->spec.text);
	if (!w->answered) {
		struct us_err *err = settle(t, "ending the dump");

		if (finished && err)
			return err;
		us_err_free(err); /* nothing is there, as was wanted */
	}
	if (finished)
		US_TRY(compare_front(t));
	if (!*t->spec.text || t->spec.text[strlen(t->spec.text) - 1] != '/')
		slash = "/";
	*ret_where = finished ? us_pool_format(pool, "%s%s%s", t->spec.text, slash, w->name)
			      : us_pool_strdup(pool, "nowhere: the upload was given up");
	return *ret_where ? NULL : us_err_nomem();
}

static struct us_err *delete (struct us_target *t, const char *path)
{
	WEB_TRY(t, path,
		us_helper_ask(&web_of(t)->helper, US_HTTP_DELETE, bytes_of(path), bytes_of(""),
			      NULL));
	return NULL;
}

/* Only what we name ourselves: there is no list. */
static struct us_err *http_remove(struct us_target *t, const char *crash)
{
	static const char *const names[] = { "log.txt", "state.txt", "report.txt", "dump", "probe" };

	for (size_t i = 0; i < us_array_size(names); i++) {
		_us_free_ char *path = NULL;
		struct us_err *err;

		US_TRY(us_text_format(&path, "%s/%s", crash, names[i]));
		err = delete (t, path);
		if (err && err->code != US_ERR_NOT_FOUND)
			return err;
		us_err_free(err);
	}
	return NULL;
}

/* ---- lists of an object store ---- */

struct object {
	const char *crash, *name; /* "CRASH/NAME" taken apart */
	uint64_t bytes;
};

/* The next line "BYTES CRASH/NAME" of *at false at the end. */
static bool next_object(char **at, struct object *ret)
{
	char *line;

	while ((line = strsep(at, "\n"))) {
		char *key = strchr(line, ' '), *slash;

		if (!key)
			continue;
		*key++ = 0;
		slash = strchr(key, '/');
		if (!slash || !us_text_u64(line, 10, &ret->bytes))
			continue;
		*slash = 0;
		ret->crash = key;
		ret->name = slash + 1;
		return true;
	}
	return false;
}

static struct us_err *list_objects(struct us_target *t, struct us_pool *pool, char **ret)
{
	struct us_blob blob = { 0 };
	struct us_bytes bytes;

	WEB_TRY(t, "listing",
		us_helper_ask(&web_of(t)->helper, US_HTTP_LIST, bytes_of(""), bytes_of(""), &blob));
	US_TRY(us_pool_adopt(pool, &blob, &bytes));
	*ret = (char *)(uintptr_t)bytes.p;
	return NULL;
}

static struct us_err *s3_list(struct us_target *t, struct us_pool *pool,
			      const struct us_saved **ret, size_t *ret_n)
{
	struct us_saved *saved = NULL, *s = NULL;
	struct object o;
	size_t n = 0, room = 0;
	char *at;

	US_TRY(list_objects(t, pool, &at));
	while (next_object(&at, &o)) {
		if (!us_target_is_crash(o.crash) || !us_target_name_ok(o.crash))
			continue;
		if (!s || strcmp(s->crash, o.crash) != 0) { /* a store lists by name */
			if (n == room) {
				struct us_saved *more =
					us_pool_array(pool, room ? room * 2 : 16, sizeof(*more));

				if (!more)
					return us_err_nomem();
				if (n)
					memcpy(more, saved, n * sizeof(*more));
				saved = more;
				room = room ? room * 2 : 16;
			}
			s = &saved[n++];
			*s = (struct us_saved){ .crash = o.crash };
		}
		if (!us_add(s->bytes, o.bytes, &s->bytes))
			s->bytes = UINT64_MAX;
		s->has_dump |= !strcmp(o.name, "dump");
		s->has_log |= !strcmp(o.name, "log.txt");
	}
	*ret = saved;
	*ret_n = n;
	return NULL;
}

static struct us_err *s3_remove(struct us_target *t, const char *crash)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	bool found = false;
	struct object o;
	char *at;

	US_TRY(list_objects(t, &pool, &at));
	while (next_object(&at, &o)) {
		_us_free_ char *path = NULL;

		if (strcmp(o.crash, crash) != 0)
			continue;
		US_TRY(us_text_format(&path, "%s/%s", crash, o.name));
		US_TRY(delete (t, path));
		found = true;
	}
	return found ? NULL
		     : us_err_new(US_ERR_NOT_FOUND, "%s: no crash %s is there", t->spec.text, crash);
}

const struct us_target_ops us_target_http = {
	.open = web_open,
	.close = web_close,
	.put = web_put,
	.get = web_get,
	.dump_begin = web_dump_begin,
	.dump_end = web_dump_end,
	.remove = http_remove,
};

const struct us_target_ops us_target_s3 = {
	.open = web_open,
	.close = web_close,
	.put = web_put,
	.get = web_get,
	.dump_begin = web_dump_begin,
	.dump_end = web_dump_end,
	.list = s3_list,
	.remove = s3_remove,
};
