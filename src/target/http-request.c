/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One HTTP request by libcurl (HTTP/1.1, certificates checked, no proxies, no redirects), signed
 * where the target is an object store. What may pass (a lost connection, 429, 5xx) is tried again
 * with growing pauses while there is time; a body that cannot be sent twice is not.
 */
#include "base/cleanup.h"
#include "target/web-int.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define TRIES       5
#define PAUSE_MS    300
#define CONNECT_S   20L
#define STALLED_S   60L
#define ANSWER_MOST (64u << 20)

/* ---- the target ---- */

struct us_err *us_web_open(struct us_web *web, const char *words, uint64_t deadline_ns)
{
	us_web_deinit(web);
	web->deadline_ns = deadline_ns;
	US_TRY(us_target_parse(words, &web->pool, &web->spec));
	if (web->spec.credentials)
		US_TRY(us_credentials_read(web->spec.credentials, web->spec.kind, &web->pool,
					   &web->credentials));
	web->curl = curl_easy_init();
	return web->curl ? NULL : us_err_nomem();
}

void us_web_deinit(struct us_web *web)
{
	if (web->curl)
		curl_easy_cleanup(web->curl);
	us_pool_deinit(&web->pool);
	*web = (struct us_web){ 0 };
}

void us_web_answer_deinit(struct us_web_answer *answer)
{
	us_blob_deinit(&answer->body);
}

/* ---- the URL ---- */

/* The bucket is part of the host's name at Amazon, of the path elsewhere. */
static bool bucket_in_host(const struct us_target_spec *s)
{
	size_t n = strlen(s->host);

	return s->kind == US_TARGET_S3 && n > 14 && !strcmp(s->host + n - 14, ".amazonaws.com") &&
	       !strchr(s->share, '.');
}

static void put_host(struct us_text *text, const struct us_target_spec *s)
{
	if (bucket_in_host(s))
		us_text_add(text, "%s.", s->share);
	us_text_add(text, strchr(s->host, ':') ? "[%s]" : "%s", s->host);
	if (s->port && strcmp(s->port, s->tls ? "443" : "80") != 0)
		us_text_add(text, ":%s", s->port);
}

static void put_path(struct us_text *text, const struct us_web *web, const char *name)
{
	const struct us_target_spec *s = &web->spec;

	us_text_add(text, "/");
	if (s->kind == US_TARGET_HTTP) {
		us_sigv4_encode(text, s->path + strspn(s->path, "/"), true);
		us_text_add(text, text->s[text->n - 1] == '/' ? "" : "/");
	} else {
		us_sigv4_encode(text, bucket_in_host(s) ? "" : s->share, false);
		us_text_add(text, !*name || bucket_in_host(s) ? "" : "/");
		if (*name && *s->path) { /* a prefix; its last slash may be written or not */
			us_sigv4_encode(text, s->path, true);
			us_text_add(text, text->s[text->n - 1] == '/' ? "" : "/");
		}
	}
	us_sigv4_encode(text, name, true);
}

/* ---- headers ---- */

struct call {
	struct us_web *web;
	const struct us_web_request *request;
	struct us_web_answer *answer;
	struct curl_slist *headers;
	size_t sent, cap;
	bool no_memory, pulled;
};

static void add_header(struct call *c, const char *name, const char *value)
{
	_us_free_ char *line = NULL;
	struct curl_slist *more;

	if (asprintf(&line, "%s%s%s", name, *value ? ": " : ":", value) < 0) {
		line = NULL;
		c->no_memory = true;
		return;
	}
	more = curl_slist_append(c->headers, line);
	if (more)
		c->headers = more;
	else
		c->no_memory = true;
}

static struct us_err *sign(struct call *c, const char *host, const char *path)
{
	const struct us_web *web = c->web;
	const struct us_credentials *mine = &web->credentials;
	const struct us_sigv4_key key = { mine->access, mine->secret, web->spec.region, "s3" };
	char hash[US_SHA256_HEX] = "UNSIGNED-PAYLOAD", date[32];
	time_t now = time(NULL) + (time_t)web->skew_s;
	struct us_sigv4_header headers[] = { { "host", host },
					     { "x-amz-content-sha256", hash },
					     { "x-amz-date", date },
					     { "x-amz-security-token", mine->token } };
	struct us_sigv4_request r = { .method = c->request->method,
				      .path = path,
				      .query = c->request->query,
				      .headers = headers,
				      .n_headers = mine->token ? 4 : 3,
				      .payload = hash,
				      .amz_date = date };
	_us_free_ char *authorization = NULL;
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &tm);
	if (!web->spec.tls) /* nothing else would vouch for the bytes */
		us_sha256_hex(c->request->body, hash);
	US_TRY(us_sigv4_sign(&key, &r, &authorization));
	for (size_t i = 1; i < r.n_headers; i++)
		add_header(c, headers[i].name, headers[i].value);
	add_header(c, "Authorization", authorization);
	return NULL;
}

/* ---- what libcurl calls ---- */

static size_t take_body(char *p, size_t size, size_t n, void *data)
{
	struct call *c = data;
	struct us_blob *b = &c->answer->body;
	size_t most = c->request->most ? c->request->most : ANSWER_MOST;

	n *= size;
	if (n > most - b->n)
		n = most - b->n;
	if (b->n + n + 1 > c->cap) {
		size_t cap = (b->n + n + 1) * 2;
		uint8_t *more = realloc(b->p, cap);

		if (!more)
			return 0;
		b->p = more;
		c->cap = cap;
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = 0;
	return n;
}

static void take_value(const char *line, size_t n, const char *name, char *to, size_t room)
{
	size_t skip = strlen(name);

	if (n <= skip || strncasecmp(line, name, skip) != 0)
		return;
	for (line += skip, n -= skip; n && (*line == ' ' || *line == '\t'); line++)
		n--;
	while (n && (line[n - 1] == '\r' || line[n - 1] == '\n'))
		n--;
	n = n < room ? n : room - 1;
	memcpy(to, line, n);
	to[n] = 0;
}

static size_t take_header(char *p, size_t size, size_t n, void *data)
{
	struct us_web_answer *a = ((struct call *)data)->answer;

	take_value(p, size * n, "etag:", a->etag, sizeof(a->etag));
	take_value(p, size * n, "date:", a->date, sizeof(a->date));
	take_value(p, size * n, "location:", a->location, sizeof(a->location));
	return size * n;
}

static size_t give_body(char *p, size_t size, size_t n, void *data)
{
	struct call *c = data;
	size_t left = c->request->body.n - c->sent;

	n *= size;
	if (c->request->pull) {
		c->pulled = true;
		n = c->request->pull(c->request->pull_data, p, n);
		return n == SIZE_MAX ? CURL_READFUNC_ABORT : n;
	}
	n = n < left ? n : left;
	if (n)
		memcpy(p, c->request->body.p + c->sent, n);
	c->sent += n;
	return n;
}

static int seek_body(void *data, curl_off_t offset, int origin)
{
	struct call *c = data;

	if (c->request->pull || origin != SEEK_SET || offset < 0 ||
	    (size_t)offset > c->request->body.n)
		return CURL_SEEKFUNC_CANTSEEK;
	c->sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* ---- one try ---- */

static long left_ms(const struct us_web *web)
{
	uint64_t now = us_target_now_ns();

	if (!web->deadline_ns)
		return 0;
	return now >= web->deadline_ns ? -1 : (long)((web->deadline_ns - now) / 1000000) + 1;
}

static void set_body(struct call *c, CURL *curl)
{
	const struct us_web_request *r = c->request;

	curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_body);
	curl_easy_setopt(curl, CURLOPT_READDATA, c);
	curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, seek_body);
	curl_easy_setopt(curl, CURLOPT_SEEKDATA, c);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
	if (!r->pull) {
		curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)r->body.n);
		add_header(c, "Expect", "");
	}
}

static void set_always(struct call *c, CURL *curl, const char *url)
{
	const struct us_target_spec *s = &c->web->spec;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "understudy/" US_VERSION);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, c->request->method);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, c);
	if (!c->request->pull) { /* whoever pulls may pause */
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALLED_S);
	}
	if (s->ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, s->ca);
}

static struct us_err *prepare(struct call *c, struct us_text *url, struct curl_slist **ret_resolve)
{
	const struct us_target_spec *s = &c->web->spec;
	_us_text_deinit_ struct us_text host = { 0 }, path = { 0 };
	CURL *curl = c->web->curl;

	curl_easy_reset(curl);
	if (c->request->url) {
		us_text_add(url, "%s", c->request->url);
	} else {
		put_host(&host, s);
		put_path(&path, c->web, c->request->name);
		if (host.failed || path.failed)
			return us_err_nomem();
		us_text_add(url, "http%s://%s%s%s%s", s->tls ? "s" : "", host.s, path.s,
			    *c->request->query ? "?" : "", c->request->query);
		add_header(c, "Host", host.s);
		if (s->kind == US_TARGET_S3)
			US_TRY(sign(c, host.s, path.s));
		else if (c->web->credentials.authorization)
			add_header(c, "Authorization", c->web->credentials.authorization);
	}
	if (url->failed)
		return us_err_nomem();
	set_always(c, curl, url->s);
	if (s->host && s->address) {
		_us_free_ char *line = NULL;

		US_TRY(us_text_format(&line, "%s%s%s:%s:%s", bucket_in_host(s) ? s->share : "",
				      bucket_in_host(s) ? "." : "", s->host,
				      s->port  ? s->port
				      : s->tls ? "443"
					       : "80",
				      s->address));
		*ret_resolve = curl_slist_append(NULL, line);
		curl_easy_setopt(curl, CURLOPT_RESOLVE, *ret_resolve);
	}
	if (c->request->type)
		add_header(c, "Content-Type", c->request->type);
	if (c->request->has_body || c->request->pull)
		set_body(c, curl);
	if (c->request->most) {
		char range[32];

		snprintf(range, sizeof(range), "0-%zu", c->request->most - 1);
		curl_easy_setopt(curl, CURLOPT_RANGE, range);
	}
	return c->no_memory ? us_err_nomem() : NULL;
}

static struct us_err *curl_error(const struct us_web *web, CURLcode code, const char *said)
{
	static const struct {
		CURLcode curl;
		enum us_err_code code;
		int os_errno;
		const char *why;
	} reasons[] = {
		{ CURLE_COULDNT_CONNECT, US_ERR_NOT_FOUND, ECONNREFUSED,
		  "nothing answers at that host and port" },
		{ CURLE_COULDNT_RESOLVE_HOST, US_ERR_NOT_FOUND, 0, "the host's name is not known" },
		{ CURLE_PEER_FAILED_VERIFICATION, US_ERR_DENIED, 0,
		  "the server's certificate is not trusted (ca=FILE names who has signed it)" },
		{ CURLE_SSL_CACERT_BADFILE, US_ERR_NOT_FOUND, 0, "the file of ca= cannot be read" },
		{ CURLE_OPERATION_TIMEDOUT, US_ERR_OS, ETIMEDOUT, "no answer in time" },
	};

	for (size_t i = 0; i < us_array_size(reasons); i++)
		if (reasons[i].curl == code) {
			struct us_err *err = us_err_new(reasons[i].code, "%s: %s", reasons[i].why,
							*said ? said : curl_easy_strerror(code));

			if (err->code != US_ERR_NOMEM)
				err->os_errno = reasons[i].os_errno;
			return err;
		}
	(void)web;
	return us_err_new(US_ERR_OS, "%s", *said ? said : curl_easy_strerror(code));
}

static bool passes_by(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_SEND_ERROR ||
	       code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING ||
	       code == CURLE_PARTIAL_FILE || code == CURLE_OPERATION_TIMEDOUT;
}

static struct us_err *status_error(struct us_web *web, const struct us_web_answer *a,
				   bool *ret_again)
{
	static const struct {
		long status;
		enum us_err_code code;
		const char *why;
	} reasons[] = {
		{ 401, US_ERR_DENIED, "the server wants to know who we are (credentials=FILE)" },
		{ 403, US_ERR_DENIED, "the server does not let us do that (credentials=FILE)" },
		{ 404, US_ERR_NOT_FOUND, "no such place there" },
		{ 405, US_ERR_UNSUPPORTED, "the server does not take PUT, GET or DELETE there" },
		{ 409, US_ERR_NOT_FOUND, "the folder is not there, and the server makes none" },
		{ 413, US_ERR_NO_ROOM, "that is more than the server takes" },
		{ 507, US_ERR_NO_ROOM, "no space is left there" },
	};

	*ret_again = a->status == 429 || (a->status >= 500 && a->status != 501 && a->status != 507);
	if (web->spec.host && web->spec.kind == US_TARGET_S3)
		return us_s3_error(web, a, ret_again);
	if (a->status >= 300 && a->status < 400)
		return us_err_new(US_ERR_UNSUPPORTED, "it has moved to %s (status %ld)",
				  *a->location ? a->location : "another place", a->status);
	for (size_t i = 0; i < us_array_size(reasons); i++)
		if (reasons[i].status == a->status)
			return us_err_new(reasons[i].code, "%s (status %ld)", reasons[i].why,
					  a->status);
	return us_err_new(US_ERR_OS, "the server answers with status %ld", a->status);
}

static struct us_err *try_once(struct us_web *web, const struct us_web_request *request,
			       struct us_web_answer *ret, bool *ret_again)
{
	struct call c = { .web = web, .request = request, .answer = ret };
	_us_text_deinit_ struct us_text url = { 0 };
	char said[CURL_ERROR_SIZE] = "";
	struct curl_slist *resolve = NULL;
	struct us_err *err = prepare(&c, &url, &resolve);
	long ms = left_ms(web);
	CURLcode code = CURLE_OK;

	*ret_again = false;
	if (!err && ms < 0)
		err = us_err_os(ETIMEDOUT, "no time is left");
	if (!err) {
		curl_easy_setopt(web->curl, CURLOPT_TIMEOUT_MS, ms);
		curl_easy_setopt(web->curl, CURLOPT_HTTPHEADER, c.headers);
		curl_easy_setopt(web->curl, CURLOPT_ERRORBUFFER, said);
		code = curl_easy_perform(web->curl);
		curl_easy_getinfo(web->curl, CURLINFO_RESPONSE_CODE, &ret->status);
		if (code == CURLE_WRITE_ERROR && request->most && ret->body.n == request->most)
			code = CURLE_OK; /* it sent more than was asked for */
		if (ret->status >= 300 || (code == CURLE_OK && ret->status < 200))
			err = status_error(web, ret, ret_again);
		else if (code != CURLE_OK) {
			err = curl_error(web, code, said);
			*ret_again = passes_by(code);
		}
	}
	curl_slist_free_all(c.headers);
	curl_slist_free_all(resolve);
	if (c.pulled)
		*ret_again = false;
	return err;
}

/* False if there is no time for it. */
static bool pause_ms(const struct us_web *web, long ms)
{
	long left = left_ms(web);

	if (left && left <= ms)
		return false;
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
	return true;
}

struct us_err *us_web_do(struct us_web *web, const struct us_web_request *request,
			 struct us_web_answer *ret)
{
	for (unsigned int i = 1;; i++) {
		_us_web_answer_deinit_ struct us_web_answer answer = { 0 };
		bool again;
		struct us_err *err = try_once(web, request, &answer, &again);

		if (!err) {
			*ret = answer;
			answer = (struct us_web_answer){ 0 };
			return NULL;
		}
		if (!again || i == TRIES || !pause_ms(web, PAUSE_MS << (i - 1)))
			return err;
		us_err_free(err);
	}
}
