/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's side of HTTP/1.1 (RFC 9110, 9112) for one connection: heads, bodies by length or in
 * chunks, ranges, refusals in words. Strict where it may be: lines end in CRLF, nothing is folded,
 * what says the body's length says it once. No pipelined answers out of order, no trailers' values,
 * no absolute-form targets.
 */
#include "base/cleanup.h"
#include "target/far-int.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define QUERY_MAX  32u
#define PATH_MOST  1024u
#define DRAIN_MOST (1u << 20) /* of a body that nobody wanted; more is not waited for */
#define PIECE      (64u << 10)

static const struct {
	unsigned int status;
	const char *name;
} codes[] = {
	[US_FAR_BAD_REQUEST] = { 400, "InvalidRequest" },
	[US_FAR_INVALID_URI] = { 400, "InvalidURI" },
	[US_FAR_INVALID_ARGUMENT] = { 400, "InvalidArgument" },
	[US_FAR_MALFORMED_XML] = { 400, "MalformedXML" },
	[US_FAR_INVALID_PART] = { 400, "InvalidPart" },
	[US_FAR_INVALID_PART_ORDER] = { 400, "InvalidPartOrder" },
	[US_FAR_ENTITY_TOO_SMALL] = { 400, "EntityTooSmall" },
	[US_FAR_SHA256_MISMATCH] = { 400, "XAmzContentSHA256Mismatch" },
	[US_FAR_AUTHORIZATION_MALFORMED] = { 400, "AuthorizationHeaderMalformed" },
	[US_FAR_INVALID_TOKEN] = { 400, "InvalidToken" },
	[US_FAR_UNAUTHORIZED] = { 401, "Unauthorized" },
	[US_FAR_ACCESS_DENIED] = { 403, "AccessDenied" },
	[US_FAR_INVALID_ACCESS_KEY] = { 403, "InvalidAccessKeyId" },
	[US_FAR_SIGNATURE_DIFFERS] = { 403, "SignatureDoesNotMatch" },
	[US_FAR_CLOCK_SKEWED] = { 403, "RequestTimeTooSkewed" },
	[US_FAR_NO_SUCH_FILE] = { 404, "NotFound" },
	[US_FAR_NO_SUCH_BUCKET] = { 404, "NoSuchBucket" },
	[US_FAR_NO_SUCH_KEY] = { 404, "NoSuchKey" },
	[US_FAR_NO_SUCH_UPLOAD] = { 404, "NoSuchUpload" },
	[US_FAR_METHOD_NOT_ALLOWED] = { 405, "MethodNotAllowed" },
	[US_FAR_CONFLICT] = { 409, "Conflict" },
	[US_FAR_LENGTH_REQUIRED] = { 411, "MissingContentLength" },
	[US_FAR_TOO_LARGE] = { 413, "EntityTooLarge" },
	[US_FAR_INVALID_RANGE] = { 416, "InvalidRange" },
	[US_FAR_HEAD_TOO_LARGE] = { 431, "RequestHeaderSectionTooLarge" },
	[US_FAR_INTERNAL] = { 500, "InternalError" },
	[US_FAR_NOT_IMPLEMENTED] = { 501, "NotImplemented" },
	[US_FAR_VERSION] = { 505, "HTTPVersionNotSupported" },
	[US_FAR_FULL] = { 507, "XMinioStorageFull" }, /* S3 is never full; this is what is known */
};

struct us_err *us_far_refuse(struct us_far_conn *c, enum us_far_code code, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->r.refused = code;
	return us_err_new(US_ERR_REFUSED, "%s", text);
}

/* ---- reading ---- */

/* More bytes into the buffer; *ret_end: there are none. */
static struct us_err *read_more(struct us_far_conn *c, bool *ret_end)
{
	size_t got = 0;
	struct us_err *err;

	memmove(c->buf, c->buf + c->from, c->n - c->from);
	c->n -= c->from;
	c->from = 0;
	if (c->n == sizeof(c->buf))
		return us_far_refuse(c, US_FAR_HEAD_TOO_LARGE, "more than %u bytes without an end",
				     US_FAR_HEAD_MAX);
	err = c->io.read(c->io.data, c->buf + c->n, sizeof(c->buf) - c->n, &got);
	if (err) {
		c->lost = true;
		return err;
	}
	c->n += got;
	*ret_end = !got;
	return NULL;
}

static struct us_err *need_more(struct us_far_conn *c)
{
	bool end;

	US_TRY(read_more(c, &end));
	if (!end)
		return NULL;
	c->lost = true;
	return us_err_new(US_ERR_BAD_DATA, "the connection ended within a request");
}

/* What stands before the mark, which is passed over; good until more is read. */
static struct us_err *until(struct us_far_conn *c, const char *mark, struct us_bytes *ret)
{
	size_t len = strlen(mark), seen = 0;

	for (;;) {
		struct us_bytes b = us_bytes_of(c->buf + c->from, c->n - c->from);
		size_t at = us_bytes_find(b, seen, mark, len);

		if (at != SIZE_MAX) {
			*ret = us_bytes_of(b.p, at);
			c->from += at + len;
			return NULL;
		}
		seen = b.n > len ? b.n - len : 0;
		US_TRY(need_more(c));
	}
}

/* ---- the head ---- */

static const char *find(const struct us_sigv4_header *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return list[i].value;
	return NULL;
}

const char *us_far_header(const struct us_far_conn *c, const char *name)
{
	return find(c->r.headers, c->r.n_headers, name);
}

const char *us_far_query(const struct us_far_conn *c, const char *name)
{
	return find(c->r.query, c->r.n_query, name);
}

/* Percent-decoded in place. */
static bool decode(char *s)
{
	char *to = s;

	for (; *s; s++) {
		char hex[3] = "";
		uint64_t byte;

		if (*s != '%') {
			*to++ = *s;
			continue;
		}
		if (!isxdigit((unsigned char)s[1]) || !isxdigit((unsigned char)s[2]))
			return false;
		memcpy(hex, s + 1, 2);
		if (!us_text_u64(hex, 16, &byte) || !byte)
			return false;
		*to++ = (char)byte;
		s += 2;
	}
	*to = 0;
	return true;
}

static struct us_err *take_path(struct us_far_conn *c, char *path)
{
	if (*path != '/' || !decode(path) || strlen(path) > PATH_MOST)
		return us_far_refuse(c, US_FAR_INVALID_URI, "the path is none of ours");
	for (const char *part = path + 1;;) {
		size_t n = strcspn(part, "/");

		if ((!n && part[n]) || (n == 1 && *part == '.') ||
		    (n == 2 && !strncmp(part, "..", 2)))
			return us_far_refuse(c, US_FAR_INVALID_URI,
					     "a part of the path is empty, \".\" or \"..\"");
		if (!part[n])
			break;
		part += n + 1;
	}
	c->r.path = path;
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct us_sigv4_header *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->value, y->value);
}

static struct us_err *take_query(struct us_far_conn *c, char *query)
{
	struct us_far_request *r = &c->r;
	char *word;

	r->query = us_pool_array(&r->pool, QUERY_MAX, sizeof(*r->query));
	if (!r->query)
		return us_err_nomem();
	while ((word = strsep(&query, "&"))) {
		char *value = strchr(word, '=');

		if (!*word)
			continue;
		if (value)
			*value++ = 0;
		if (r->n_query == QUERY_MAX || !decode(word) || (value && !decode(value)))
			return us_far_refuse(c, US_FAR_INVALID_URI, "what follows \"?\"");
		r->query[r->n_query++] = (struct us_sigv4_header){ word, value ? value : "" };
	}
	qsort(r->query, r->n_query, sizeof(*r->query), by_name);
	return NULL;
}

static struct us_err *take_first_line(struct us_far_conn *c, char *line)
{
	char *target, *query;

	c->r.method = strsep(&line, " ");
	target = strsep(&line, " ");
	if (!*c->r.method || !target || !line)
		return us_far_refuse(c, US_FAR_BAD_REQUEST, "no request line");
	if (strcmp(line, "HTTP/1.1") != 0 && strcmp(line, "HTTP/1.0") != 0)
		return us_far_refuse(c, US_FAR_VERSION, "HTTP/1.1 is spoken here");
	c->close = line[7] == '0';
	query = target;
	target = strsep(&query, "?");
	US_TRY(take_path(c, target));
	return query ? take_query(c, query) : NULL;
}

static struct us_err *take_header(struct us_far_conn *c, char *line)
{
	static const char *const single[] = { "authorization", "content-length", "host", "range",
					      "transfer-encoding" };
	static const char token[] = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
	struct us_far_request *r = &c->r;
	char *value = strchr(line, ':');

	if (!value)
		return us_far_refuse(c, US_FAR_BAD_REQUEST, "a header without a colon");
	*value++ = 0;
	for (char *p = line; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (!*line || line[strspn(line, token)])
		return us_far_refuse(c, US_FAR_BAD_REQUEST, "the name of a header");
	for (size_t i = 0; i < us_array_size(single); i++)
		if (!strcmp(line, single[i]) && us_far_header(c, line))
			return us_far_refuse(c, US_FAR_BAD_REQUEST, "%s comes twice", single[i]);
	if (r->n_headers == US_FAR_HEADERS_MAX)
		return us_far_refuse(c, US_FAR_HEAD_TOO_LARGE, "more than %u headers",
				     US_FAR_HEADERS_MAX);
	r->headers[r->n_headers++] = (struct us_sigv4_header){ line, us_text_strip(value) };
	return NULL;
}

/* How the body comes, and what follows it. */
static struct us_err *take_framing(struct us_far_conn *c)
{
	const char *length = us_far_header(c, "content-length"), *says;
	const char *coding = us_far_header(c, "transfer-encoding");
	struct us_far_request *r = &c->r;

	if (!c->close && !us_far_header(c, "host"))
		return us_far_refuse(c, US_FAR_BAD_REQUEST, "no Host");
	if (coding && strcasecmp(coding, "chunked") != 0)
		return us_far_refuse(c, US_FAR_NOT_IMPLEMENTED, "another coding than chunked");
	if (length &&
	    (coding || length[strspn(length, "0123456789")] || !us_text_u64(length, 10, &r->left)))
		return us_far_refuse(c, US_FAR_BAD_REQUEST, "Content-Length");
	if (!length && !coding && !strcmp(r->method, "PUT"))
		return us_far_refuse(c, US_FAR_LENGTH_REQUIRED, "no Content-Length");
	r->chunked = coding;
	says = us_far_header(c, "expect");
	r->expects = says && !strcasecmp(says, "100-continue") && (coding || r->left);
	says = us_far_header(c, "connection");
	c->close |= says && !strcasecmp(says, "close");
	return NULL;
}

static bool has_control(const char *line)
{
	for (; *line; line++)
		if (iscntrl((unsigned char)*line) && *line != '\t')
			return true;
	return false;
}

static struct us_err *take_head(struct us_far_conn *c, struct us_bytes head)
{
	struct us_far_request *r = &c->r;
	char *text = us_pool_strndup(&r->pool, (const char *)head.p, head.n);

	r->headers = us_pool_array(&r->pool, US_FAR_HEADERS_MAX, sizeof(*r->headers));
	if (!text || !r->headers)
		return us_err_nomem();
	if (strlen(text) != head.n)
		return us_far_refuse(c, US_FAR_BAD_REQUEST, "a NUL in the head");
	for (char *line = text, *next; line; line = next) {
		next = strstr(line, "\r\n");
		if (next) {
			*next = 0;
			next += 2;
		}
		if (has_control(line))
			return us_far_refuse(c, US_FAR_BAD_REQUEST, "a control character");
		US_TRY(line == text ? take_first_line(c, line) : take_header(c, line));
	}
	return take_framing(c);
}

/* ---- the body ---- */

static struct us_err *next_chunk(struct us_far_conn *c)
{
	struct us_far_request *r = &c->r;
	struct us_bytes line;
	char hex[17] = "";
	size_t n = 0;

	if (r->in_chunks) { /* the end of the last one's line */
		US_TRY(until(c, "\r\n", &line));
		if (line.n)
			return us_far_refuse(c, US_FAR_BAD_REQUEST,
					     "a chunk is longer than it says");
	}
	r->in_chunks = true;
	US_TRY(until(c, "\r\n", &line));
	while (n < line.n && isxdigit(line.p[n]))
		n++;
	if (!n || n >= sizeof(hex) || (n < line.n && !strchr("; \t", line.p[n])))
		return us_far_refuse(c, US_FAR_BAD_REQUEST, "a chunk without a size");
	memcpy(hex, line.p, n);
	if (!us_text_u64(hex, 16, &r->left))
		return us_far_refuse(c, US_FAR_BAD_REQUEST, "the size of a chunk");
	if (r->left)
		return NULL;
	for (n = 0; n < US_FAR_HEADERS_MAX; n++) {
		US_TRY(until(c, "\r\n", &line));
		if (!line.n) {
			r->chunked = false;
			return NULL;
		}
	}
	return us_far_refuse(c, US_FAR_HEAD_TOO_LARGE, "trailers without an end");
}

static struct us_err *send_text(struct us_far_conn *c, const char *s, size_t n)
{
	struct us_err *err = c->io.write(c->io.data, us_bytes_of(s, n));

	c->lost |= !!err;
	return err;
}

struct us_err *us_far_body(struct us_far_conn *c, struct us_bytes *ret)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct us_far_request *r = &c->r;
	size_t n;

	if (r->expects)
		US_TRY(send_text(c, go_on, sizeof(go_on) - 1));
	r->expects = false;
	if (r->chunked && !r->left)
		US_TRY(next_chunk(c));
	if (r->left && c->from == c->n)
		US_TRY(need_more(c));
	n = c->n - c->from < r->left ? c->n - c->from : (size_t)r->left;
	*ret = us_bytes_of(c->buf + c->from, n);
	c->from += n;
	r->left -= n;
	return NULL;
}

/* The rest of a body, so that the next request can follow; if that is too much, none will. */
static struct us_err *drain(struct us_far_conn *c)
{
	const struct us_far_request *r = &c->r;
	struct us_bytes bytes;

	c->close |= r->expects || r->chunked || r->left > DRAIN_MOST;
	while (!c->close && r->left)
		US_TRY(us_far_body(c, &bytes));
	return NULL;
}

/* ---- answers ---- */

static struct us_err *send_head(struct us_far_conn *c, unsigned int status, const char *why,
				const char *headers, uint64_t length)
{
	_us_text_deinit_ struct us_text text = { 0 };
	time_t now = time(NULL);
	char date[40];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	us_text_add(&text, "HTTP/1.1 %u %s\r\nDate: %s\r\n%s%s", status, why, date, headers,
		    c->close ? "Connection: close\r\n" : "");
	if (status != 204)
		us_text_add(&text, "Content-Length: %" PRIu64 "\r\n", length);
	us_text_add(&text, "\r\n");
	if (text.failed)
		return us_err_nomem();
	c->r.answered = true;
	return send_text(c, text.s, text.n);
}

static struct us_err *answer(struct us_far_conn *c, unsigned int status, const char *why,
			     const char *headers, struct us_bytes body)
{
	US_TRY(send_head(c, status, why, headers, body.n));
	if (!body.n || (c->r.method && !strcmp(c->r.method, "HEAD")))
		return NULL;
	return send_text(c, (const char *)body.p, body.n);
}

struct us_err *us_far_answer(struct us_far_conn *c, unsigned int status, const char *headers,
			     struct us_bytes body)
{
	US_TRY(drain(c));
	return answer(c, status, "OK", headers, body);
}

/* "bytes=A-B", "bytes=A-", "bytes=-N"; what is none of these is as if it were not there. */
static bool take_range(const char *s, uint64_t size, uint64_t *ret_from, uint64_t *ret_end)
{
	char first[24] = "", last[24] = "";
	uint64_t a = 0, b = UINT64_MAX - 1;
	int n = 0;

	if (!s || strncmp(s, "bytes=", 6) != 0)
		return false;
	s += 6;
	n += (int)strspn(s, "0123456789");
	if (n > 20 || s[n] != '-' || strlen(s + n + 1) > 20 ||
	    s[n + 1 + (int)strspn(s + n + 1, "0123456789")] || (!n && !s[1]))
		return false;
	memcpy(first, s, (size_t)n);
	strcpy(last, s + n + 1);
	if ((*first && !us_text_u64(first, 10, &a)) || (*last && !us_text_u64(last, 10, &b)) ||
	    (*first && a > b))
		return false;
	if (!*first) {
		a = b < size ? size - b : 0;
		b = UINT64_MAX - 1;
	}
	*ret_from = a;
	*ret_end = b < size ? b + 1 : size;
	return true;
}

struct us_err *us_far_answer_file(struct us_far_conn *c, int fd, uint64_t size, const char *headers)
{
	uint64_t from = 0, end = size;
	_us_text_deinit_ struct us_text text = { 0 };
	bool part = take_range(us_far_header(c, "range"), size, &from, &end);
	uint8_t piece[PIECE];

	if (part && from >= end)
		return us_far_refuse(c, US_FAR_INVALID_RANGE, "it has %" PRIu64 " bytes", size);
	us_text_add(&text, "%sAccept-Ranges: bytes\r\n", headers);
	if (part)
		us_text_add(&text, "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
			    from, end - 1, size);
	if (text.failed)
		return us_err_nomem();
	US_TRY(drain(c));
	US_TRY(send_head(c, part ? 206 : 200, "OK", text.s, end - from));
	while (from < end && strcmp(c->r.method, "HEAD") != 0) {
		size_t n = end - from < sizeof(piece) ? (size_t)(end - from) : sizeof(piece);
		ssize_t got = pread(fd, piece, n, (off_t)from);

		if (got <= 0) {
			c->lost = true;
			return us_err_new(US_ERR_OS, "the file ends at 0x%" PRIx64, from);
		}
		US_TRY(send_text(c, (const char *)piece, (size_t)got));
		from += (size_t)got;
	}
	return NULL;
}

void us_far_xml(struct us_text *text, const char *s)
{
	for (; *s; s++)
		if (strchr("<>&\"'", *s) || iscntrl((unsigned char)*s))
			us_text_add(text, "&#%d;", *s);
		else
			us_text_put(text, s, 1);
}

static struct us_err *answer_refusal(struct us_far_conn *c, const struct us_err *err)
{
	_us_text_deinit_ struct us_text text = { 0 };
	const char *type =
		c->xml ? "Content-Type: application/xml\r\n" : "Content-Type: text/plain\r\n";

	if (!c->r.refused)
		c->r.refused = err->code == US_ERR_NO_ROOM ? US_FAR_FULL : US_FAR_INTERNAL;
	if (c->r.refused == US_FAR_UNAUTHORIZED)
		type = "Content-Type: text/plain\r\nWWW-Authenticate: Basic realm=\"rehearsal\"\r\n";
	if (c->xml)
		us_text_add(&text,
			    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
			    "<Error><Code>%s</Code><Message>",
			    codes[c->r.refused].name);
	if (c->xml)
		us_far_xml(&text, err->text);
	else
		us_text_add(&text, "%s", err->text);
	us_text_add(&text, c->xml ? "</Message></Error>\n" : "\n");
	if (text.failed)
		return us_err_nomem();
	return answer(c, codes[c->r.refused].status, codes[c->r.refused].name, type,
		      us_bytes_of(text.s, text.n));
}

static struct us_err *refuse(struct us_far_conn *c, struct us_err *err)
{
	const struct us_far_request *r = &c->r;
	struct us_err *told;

	c->close |= r->expects || r->chunked || r->left || !r->path;
	told = answer_refusal(c, err);
	err = us_err_wrap(err, "%s %s: %s", r->method && *r->method ? r->method : "a request",
			  r->path ? r->path : "", codes[r->refused].name);
	if (c->tell)
		c->tell(c->tell_data, err);
	us_err_free(err);
	return told;
}

/* ---- requests ---- */

static struct us_err *serve_one(struct us_far_conn *c,
				struct us_err *(*handle)(void *data, struct us_far_conn *c),
				void *data)
{
	struct us_bytes head;
	struct us_err *err = until(c, "\r\n\r\n", &head);

	if (!err)
		err = take_head(c, head);
	if (!err)
		err = handle(data, c);
	if (!err || c->lost || c->r.answered)
		return err;
	return refuse(c, err);
}

struct us_err *us_far_serve(struct us_far_conn *c,
			    struct us_err *(*handle)(void *data, struct us_far_conn *c), void *data)
{
	struct us_err *err = NULL;
	bool end = false;

	while (!err && !c->close) {
		if (c->from == c->n)
			err = read_more(c, &end);
		if (err || end)
			break;
		err = serve_one(c, handle, data);
		us_pool_deinit(&c->r.pool);
		c->r = (struct us_far_request){ 0 };
	}
	return err;
}
