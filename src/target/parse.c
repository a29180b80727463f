/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target in words, as target.h has them, to its values and back; and what each kind needs in the
 * capture image. URLs are those of RFC 3986 as far as a target has them: scheme, user, host (IPv6
 * in brackets), port, path. A password in one is refused: it would stand in reports.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "target/target-int.h"

#include <arpa/inet.h>
#include <string.h>

#define BUDGET_S     600
#define BUDGET_MAX_S 86400

static const char *const kind_names[US_TARGET_KINDS] = {
	[US_TARGET_DIR] = "directory", [US_TARGET_RAW] = "raw partition", [US_TARGET_NFS] = "NFS",
	[US_TARGET_SSH] = "SSH",       [US_TARGET_HTTP] = "HTTP",         [US_TARGET_S3] = "S3",
};

const char *us_target_kind_name(enum us_target_kind kind)
{
	return kind < US_TARGET_KINDS ? kind_names[kind] : "unknown";
}

bool us_target_name_ok(const char *name)
{
	return *name && *name != '.' && strlen(name) < 200 &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789._+-")];
}

/* ---- words ---- */

/* The next word of *at, unquoted; NULL in *ret at the end. */
static struct us_err *next_word(const char **at, struct us_pool *pool, char **ret)
{
	const char *p = *at + strspn(*at, " \t\n");
	char *word = us_pool_strdup(pool, p);
	bool quoted = false;
	size_t n = 0;

	if (!word)
		return us_err_nomem();
	*ret = *p ? word : NULL;
	for (; *p && (quoted || !strchr(" \t\n", *p)); p++) {
		if (*p == '"') {
			quoted = !quoted;
			continue;
		}
		if (quoted && *p == '\\' && p[1])
			p++;
		word[n++] = *p;
	}
	word[n] = 0;
	*at = p;
	if (quoted)
		return us_err_new(US_ERR_USAGE, "\"%s: the quotation mark is not closed", word);
	return NULL;
}

static void put_word(struct us_text *text, const char *key, const char *value)
{
	bool quote = !*value || value[strcspn(value, " \t\n\"\\")];

	us_text_add(text, "%s%s%s%s", text->n ? " " : "", key, *key ? "=" : "", quote ? "\"" : "");
	for (; *value; value++)
		us_text_add(text, "%s%c", quote && strchr("\"\\", *value) ? "\\" : "", *value);
	if (quote)
		us_text_put(text, "\"", 1);
}

/* ---- the place ---- */

static struct us_err *bad_url(const char *url, const char *why)
{
	return us_err_new(US_ERR_USAGE, "target %s: %s", url, why);
}

static bool port_ok(const char *s)
{
	uint64_t port;

	return us_text_u64(s, 10, &port) && port >= 1 && port <= 65535;
}

/* [user@]host[:port] of url, up to end. */
static struct us_err *parse_authority(const char *url, const char *p, size_t n,
				      struct us_pool *pool, struct us_target_spec *spec)
{
	char *text = us_pool_strndup(pool, p, n), *host = text, *at, *port;
	unsigned char raw[16];

	if (!text)
		return us_err_nomem();
	at = strrchr(text, '@');
	if (at) {
		*at = 0;
		host = at + 1;
		spec->user = text;
		if (strchr(text, ':'))
			return us_err_new(US_ERR_USAGE,
					  "target of %s: a password has no place "
					  "in a URL, credentials=FILE takes it",
					  host);
		if (*text == '-' || !us_target_name_ok(text))
			return bad_url(url, "the user's name has characters that none has");
	}
	port = *host == '[' ? strchr(host, ']') : host;
	if (!port || (*port == ']' && port[1] && port[1] != ':'))
		return bad_url(url, "the address has no closing bracket where it ends");
	port = strchr(port, ':');
	if (port) {
		*port++ = 0;
		if (!port_ok(port))
			return bad_url(url, "the port is no number from 1 to 65535");
		spec->port = port;
	}
	if (*host == '[') {
		host++;
		host[strcspn(host, "]")] = 0;
		if (inet_pton(AF_INET6, host, raw) != 1)
			return bad_url(url, "no IPv6 address stands in the brackets");
	} else if (host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789.-_")] ||
		   *host == '-') {
		return bad_url(url, "the host's name has characters that none has");
	}
	if (!*host)
		return bad_url(url, "it names no host");
	spec->host = host;
	return NULL;
}

static bool has_dots(const char *path)
{
	for (const char *p = path; p; p = strchr(p, '/')) {
		p += strspn(p, "/");
		if (!strncmp(p, "..", 2) && (!p[2] || p[2] == '/'))
			return true;
	}
	return false;
}

static struct us_err *parse_nfs(const char *url, char *path, struct us_target_spec *spec)
{
	char *dir = strstr(path + 1, "//");

	if (!path[1])
		return bad_url(url, "it names no export: nfs://host/export");
	if (spec->user)
		return bad_url(url, "NFS takes no user");
	if (dir) {
		*dir = 0;
		dir += 1 + strspn(dir + 1, "/");
	}
	spec->share = path;
	spec->path = dir ? dir : "";
	return NULL;
}

static struct us_err *parse_s3(const char *url, char *path, struct us_pool *pool,
			       struct us_target_spec *spec)
{
	if (spec->user || spec->port)
		return bad_url(url, "s3://BUCKET/PREFIX, and the server as endpoint=");
	spec->share = spec->host;
	spec->host = NULL;
	spec->tls = true;
	spec->region = "us-east-1";
	spec->path = us_pool_strdup(pool, path + strspn(path, "/"));
	return spec->path ? NULL : us_err_nomem();
}

static const struct {
	const char *start;
	enum us_target_kind kind;
	bool tls;
} schemes[] = {
	{ "nfs://", US_TARGET_NFS, false },   { "ssh://", US_TARGET_SSH, false },
	{ "sftp://", US_TARGET_SSH, false },  { "http://", US_TARGET_HTTP, false },
	{ "https://", US_TARGET_HTTP, true }, { "s3://", US_TARGET_S3, false },
};

static struct us_err *parse_url(const char *url, size_t scheme, struct us_pool *pool,
				struct us_target_spec *spec)
{
	const char *authority = url + strlen(schemes[scheme].start);
	size_t n = strcspn(authority, "/");
	char *path = us_pool_strdup(pool, authority[n] ? authority + n : "/");

	if (!path)
		return us_err_nomem();
	spec->kind = schemes[scheme].kind;
	spec->tls = schemes[scheme].tls;
	US_TRY(parse_authority(url, authority, n, pool, spec));
	if (has_dots(path))
		return bad_url(url, "the path has \"..\" in it");
	if (spec->kind == US_TARGET_NFS)
		return parse_nfs(url, path, spec);
	if (spec->kind == US_TARGET_S3)
		return parse_s3(url, path, pool, spec);
	spec->path = path;
	if (spec->kind == US_TARGET_SSH) {
		spec->identity = US_TARGET_IDENTITY;
		spec->known_hosts = US_TARGET_KNOWN_HOSTS;
	}
	if (spec->kind == US_TARGET_HTTP && spec->user)
		return bad_url(url, "HTTP takes credentials=FILE instead of a user");
	return NULL;
}

static struct us_err *parse_place(const char *word, struct us_pool *pool,
				  struct us_target_spec *spec)
{
	spec->text = word;
	for (size_t i = 0; i < us_array_size(schemes); i++)
		if (!strncmp(word, schemes[i].start, strlen(schemes[i].start)))
			return parse_url(word, i, pool, spec);
	spec->kind = US_TARGET_DIR;
	spec->path = word;
	if (!strncmp(word, "raw:", 4)) {
		spec->kind = US_TARGET_RAW;
		spec->path = word + 4;
	}
	if (*spec->path != '/')
		return us_err_new(US_ERR_USAGE,
				  "target %s: neither an absolute path nor raw:, nfs://, ssh://, "
				  "http://, https:// or s3://",
				  word);
	if (has_dots(spec->path))
		return bad_url(word, "the path has \"..\" in it");
	return NULL;
}

/* ---- the words behind it ---- */

static struct us_err *set_budget(struct us_target_spec *spec, const char *value,
				 struct us_pool *pool)
{
	size_t digits = strspn(value, "0123456789");
	char *number = us_pool_strndup(pool, value, digits);
	uint64_t s, unit = 1;

	if (!number)
		return us_err_nomem();
	if (!strcmp(value + digits, "m") || !strcmp(value + digits, "min"))
		unit = 60;
	else if (value[digits] && strcmp(value + digits, "s") != 0)
		digits = 0;
	if (!digits || !us_text_u64(number, 10, &s) || !s || s > BUDGET_MAX_S / unit)
		return us_err_new(US_ERR_USAGE, "budget=%s: not a time from 1s to %us", value,
				  BUDGET_MAX_S);
	spec->budget_s = (unsigned int)(s * unit);
	return NULL;
}

static struct us_err *set_endpoint(struct us_target_spec *spec, const char *value,
				   struct us_pool *pool)
{
	bool tls = !strncmp(value, "https://", 8);
	const char *authority = value + (tls ? 8 : 7);
	size_t n;

	if (!tls && strncmp(value, "http://", 7) != 0)
		return us_err_new(US_ERR_USAGE, "endpoint=%s: not http://... or https://...", value);
	n = strcspn(authority, "/");
	if (authority[n] && authority[n + 1])
		return us_err_new(US_ERR_USAGE, "endpoint=%s: a path has no place in it", value);
	US_TRY(parse_authority(value, authority, n, pool, spec));
	spec->tls = tls;
	return spec->user
		       ? us_err_new(US_ERR_USAGE, "endpoint=%s: a user has no place in it", value)
		       : NULL;
}

static struct us_err *set_address(struct us_target_spec *spec, const char *value,
				  struct us_pool *pool)
{
	unsigned char raw[16];

	(void)pool;
	if (inet_pton(AF_INET, value, raw) != 1 && inet_pton(AF_INET6, value, raw) != 1)
		return us_err_new(US_ERR_USAGE, "address=%s: not an IP address", value);
	spec->address = value;
	return NULL;
}

#define NFS       (1u << US_TARGET_NFS)
#define SSH       (1u << US_TARGET_SSH)
#define HTTP      (1u << US_TARGET_HTTP)
#define S3        (1u << US_TARGET_S3)
#define ALL       ((1u << US_TARGET_KINDS) - 1)
#define AT(field) offsetof(struct us_target_spec, field)

/* In the order in which us_target_words() writes them. */
static const struct {
	const char *key;
	unsigned int kinds;
	size_t at; /* of a text; with set: not used */
	bool file;
	struct us_err *(*set)(struct us_target_spec *spec, const char *value, struct us_pool *pool);
} keys[] = {
	{ "budget", ALL, 0, false, set_budget },
	{ "address", NFS | SSH | HTTP | S3, 0, false, set_address },
	{ "endpoint", S3, 0, false, set_endpoint },
	{ "identity", SSH, AT(identity), true, NULL },
	{ "known-hosts", SSH, AT(known_hosts), true, NULL },
	{ "options", NFS, AT(options), false, NULL },
	{ "region", S3, AT(region), false, NULL },
	{ "credentials", HTTP | S3, AT(credentials), true, NULL },
	{ "ca", HTTP | S3, AT(ca), true, NULL },
};

static const char **text_of(struct us_target_spec *spec, size_t key)
{
	return (const char **)((char *)spec + keys[key].at);
}

static struct us_err *parse_option(char *word, struct us_pool *pool, struct us_target_spec *spec)
{
	char *value = strchr(word, '=');

	if (!value || !value[1])
		return us_err_new(US_ERR_USAGE, "target %s: \"%s\" is no KEY=VALUE", spec->text,
				  word);
	*value++ = 0;
	for (size_t i = 0; i < us_array_size(keys); i++) {
		if (strcmp(word, keys[i].key) != 0)
			continue;
		if (!(keys[i].kinds >> spec->kind & 1))
			return us_err_new(US_ERR_USAGE,
					  "target %s: a target of kind %s takes no "
					  "%s=",
					  spec->text, us_target_kind_name(spec->kind), word);
		if (keys[i].file && *value != '/')
			return us_err_new(US_ERR_USAGE, "target %s: %s=%s is no absolute path",
					  spec->text, word, value);
		if (keys[i].set)
			return keys[i].set(spec, value, pool);
		*text_of(spec, i) = value;
		return NULL;
	}
	return us_err_new(US_ERR_USAGE, "target %s: %s= is not known", spec->text, word);
}

/* An object store without an endpoint is Amazon's. */
static struct us_err *settle_s3(struct us_target_spec *spec, struct us_pool *pool)
{
	if (!spec->credentials)
		return us_err_new(US_ERR_USAGE,
				  "target %s: an object store needs credentials=FILE "
				  "(a line \"ACCESS_KEY SECRET\")",
				  spec->text);
	if (!us_target_name_ok(spec->region))
		return us_err_new(US_ERR_USAGE, "target %s: region=%s is none", spec->text,
				  spec->region);
	if (spec->host)
		return NULL;
	spec->host = us_pool_format(pool, "s3.%s.amazonaws.com", spec->region);
	return spec->host ? NULL : us_err_nomem();
}

struct us_err *us_target_parse(const char *words, struct us_pool *pool, struct us_target_spec *ret)
{
	struct us_target_spec spec = { .budget_s = BUDGET_S };
	char *word;

	US_TRY(next_word(&words, pool, &word));
	if (!word)
		return us_err_new(US_ERR_USAGE, "a target is missing");
	US_TRY(parse_place(word, pool, &spec));
	for (;;) {
		US_TRY(next_word(&words, pool, &word));
		if (!word)
			break;
		US_TRY(parse_option(word, pool, &spec));
	}
	if (spec.kind == US_TARGET_S3)
		US_TRY(settle_s3(&spec, pool));
	*ret = spec;
	return NULL;
}

/* ---- back to words ---- */

static void put_authority(struct us_text *text, const struct us_target_spec *spec)
{
	bool v6 = strchr(spec->host, ':');

	if (spec->user)
		us_text_add(text, "%s@", spec->user);
	us_text_add(text, v6 ? "[%s]" : "%s", spec->host);
	if (spec->port)
		us_text_add(text, ":%s", spec->port);
}

static void put_place(struct us_text *text, const struct us_target_spec *spec)
{
	_us_text_deinit_ struct us_text place = { 0 };

	switch (spec->kind) {
	case US_TARGET_RAW:
		us_text_add(&place, "raw:%s", spec->path);
		break;
	case US_TARGET_NFS:
		us_text_add(&place, "nfs://");
		put_authority(&place, spec);
		us_text_add(&place, "%s%s%s", spec->share, *spec->path ? "//" : "", spec->path);
		break;
	case US_TARGET_SSH:
	case US_TARGET_HTTP:
		us_text_add(&place, spec->kind == US_TARGET_SSH ? "ssh://" : "http%s://",
			    spec->tls ? "s" : "");
		put_authority(&place, spec);
		us_text_add(&place, "%s", spec->path);
		break;
	case US_TARGET_S3:
		us_text_add(&place, "s3://%s/%s", spec->share, spec->path);
		break;
	default:
		us_text_add(&place, "%s", spec->path);
	}
	text->failed |= place.failed;
	put_word(text, "", place.s ? place.s : "");
}

struct us_err *us_target_words(const struct us_target_spec *spec, struct us_pool *pool,
			       const char **ret)
{
	_us_text_deinit_ struct us_text text = { 0 }, endpoint = { 0 };
	struct us_target_spec copy = *spec;

	put_place(&text, spec);
	us_text_add(&text, " budget=%us", spec->budget_s);
	if (spec->address)
		put_word(&text, "address", spec->address);
	if (spec->kind == US_TARGET_S3) {
		us_text_add(&endpoint, "http%s://", spec->tls ? "s" : "");
		put_authority(&endpoint, spec);
		if (!endpoint.failed)
			put_word(&text, "endpoint", endpoint.s);
	}
	for (size_t i = 0; i < us_array_size(keys); i++)
		if (!keys[i].set && keys[i].kinds >> spec->kind & 1 && *text_of(&copy, i) &&
		    **text_of(&copy, i))
			put_word(&text, keys[i].key, *text_of(&copy, i));
	if (text.failed || endpoint.failed)
		return us_err_nomem();
	*ret = us_pool_strdup(pool, text.s);
	return *ret ? NULL : us_err_nomem();
}

/* ---- what the capture image has to hold ---- */

static const char *const no_names[] = { NULL };
static const char *const nfs_modules[] = { "nfsv4", NULL };
static const char *const ssh_programs[] = { "ssh", NULL };
static const char *const http_programs[] = { "understudy-http", NULL };

struct us_err *us_target_needs(const struct us_target_spec *spec, struct us_pool *pool,
			       struct us_target_needs *ret)
{
	struct us_target_needs needs = { .modules = no_names,
					 .programs = no_names,
					 .network = spec->kind >= US_TARGET_NFS };
	const char **files = us_pool_array(pool, 6, sizeof(*files));
	size_t n = 0;

	if (!files)
		return us_err_nomem();
	if (spec->kind == US_TARGET_NFS)
		needs.modules = nfs_modules;
	if (spec->kind == US_TARGET_SSH)
		needs.programs = ssh_programs;
	if (spec->kind == US_TARGET_HTTP || spec->kind == US_TARGET_S3)
		needs.programs = http_programs;
	if (spec->identity)
		files[n++] = spec->identity;
	if (spec->known_hosts)
		files[n++] = spec->known_hosts;
	if (spec->credentials)
		files[n++] = spec->credentials;
	if (spec->ca)
		files[n++] = spec->ca;
	else if (spec->tls)
		files[n++] = "/etc/ssl/certs/ca-certificates.crt";
	needs.files = files;
	*ret = needs;
	return NULL;
}
