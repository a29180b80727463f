/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file: lines "key = value", "#" begins a comment at the start of a line or after
 * white space. One table has each key's name, type, default and help; the sample file and the
 * manual page are made from it, and the defaults are read by the same code as a file's values. It
 * does not look whether a program, kernel or target named here is there: arming does.
 */
#include "crash/crash.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "dump/dump.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE    65536
#define MAX_VALUE   4096
#define MAX_TARGETS 16
#define MAX_WORDS   128

enum type { TARGET, NUMBER, SIZE, SECONDS, YESNO, CHOICE, TEXT, WORDS };

struct reading {
	struct us_crash_config *config;
	struct us_target_spec *targets;
};

struct key {
	struct us_crash_key k;
	enum type type;
	size_t offset; /* of the field; TARGET has none */
	uint64_t min, max;
	/* TEXT and WORDS: NULL = anything; else why value is none, NULL if it is one */
	const char *(*refuse)(const char *value);
};

/* ---- what a text has to be; "" stands for "none" and is not asked ---- */

static const char *no_path(const char *value)
{
	return value[0] == '/' ? NULL : "it is no absolute path";
}

static const char *no_kernel(const char *value)
{
	return strcmp(value, "running") && no_path(value)
		       ? "it is neither \"running\" nor an absolute path"
		       : NULL;
}

static const char *no_codec(const char *value)
{
	enum us_page_codec codec;
	int level;

	return us_page_codec_parse(value, &codec, &level)
		       ? NULL
		       : "it is none of auto, none, zlib, lzo, snappy, zstd, or is not built in";
}

static const char *no_watchdog(const char *value)
{
	return strcmp(value, "auto") && strcmp(value, "no") && strncmp(value, "/dev/", 5)
		       ? "it is none of auto, no, /dev/NAME"
		       : NULL;
}

static const char *no_url(const char *value)
{
	const char *host = !strncmp(value, "http://", 7)    ? value + 7
			   : !strncmp(value, "https://", 8) ? value + 8
							    : "";

	return *host && *host != '/' && !strpbrk(value, " \t\"")
		       ? NULL
		       : "it is no http://HOST... or https://HOST...";
}

static const char *no_module(const char *value)
{
	for (; *value; value++)
		if (!isalnum((unsigned char)*value) && !strchr("_-", *value))
			return "a module's name has letters, digits, _ and - only";
	return NULL;
}

static const char *no_hosts(const char *value)
{
	for (; *value; value++)
		if (!isalnum((unsigned char)*value) && !strchr(" .:_-%", *value))
			return "it is no list of hosts' names or addresses";
	return NULL;
}

static const char *no_policy(const char *value)
{
	static const char says[] = "it is warn:MAJOR[.MINOR] or block:MAJOR[.MINOR], then releases "
				   "after commas";
	const char *p = !strncmp(value, "warn:", 5)    ? value + 5
			: !strncmp(value, "block:", 6) ? value + 6
						       : "";
	size_t n = strspn(p, "0123456789");

	if (!n)
		return says;
	p += n;
	if (*p == '.') {
		n = strspn(++p, "0123456789");
		if (!n)
			return says;
		p += n;
	}
	return *p && *p != ',' ? says : NULL;
}

/* ---- the table ---- */

#define FIELD(name) offsetof(struct us_crash_config, name)

static const struct key keys[] = {
	{ { "target", "TARGET", "/var/crash",
	    "Where dumps go, in order of preference: the key may be repeated, and the first target "
	    "that holds gets the dump. /DIRECTORY, raw:/DEVICE, nfs://HOST/EXPORT, "
	    "ssh://USER@HOST/DIRECTORY, http://HOST/PREFIX/, https://HOST/PREFIX/ or "
	    "s3://BUCKET/PREFIX, followed by words such as budget=600s" },
	  TARGET },
	{ { "kernel", "running|FILE", "running",
	    "The capture kernel: the one that runs, or an image of another, proven one" },
	  TEXT,
	  FIELD(kernel),
	  .refuse = no_kernel },
	{ { "modules", "DIRECTORY", "",
	    "The capture kernel's modules; by default those of its release in /lib/modules" },
	  TEXT,
	  FIELD(modules),
	  .refuse = no_path },
	{ { "kernel-config", "FILE", "",
	    "The capture kernel's .config; by default it is looked for in the image and beside it" },
	  TEXT,
	  FIELD(config),
	  .refuse = no_path },
	{ { "level", "0-31", "31",
	    "Pages that are left out, the sum of 1 (zero pages), 2 (cache), 4 (private cache), "
	    "8 (user memory), 16 (free pages)" },
	  NUMBER,
	  FIELD(level),
	  0,
	  31 },
	{ { "codec", "auto|none|zlib|lzo|snappy|zstd", "auto",
	    "How pages are packed; auto chooses by the machine. The capture program is small: "
	    "none, lzo and zstd to level 3; for any other it takes auto, and says so" },
	  TEXT,
	  FIELD(codec),
	  .refuse = no_codec },
	{ { "jobs", "N", "0",
	    "Threads that pack pages; 0 is one for each CPU of the capture kernel" },
	  NUMBER,
	  FIELD(jobs),
	  0,
	  1024 },
	{ { "cpus", "N", "1",
	    "CPUs that the capture kernel uses (nr_cpus=); each takes memory of the reservation" },
	  NUMBER,
	  FIELD(cpus),
	  1,
	  8192 },
	{ { "append", "WORDS", "", "Words added to the capture kernel's command line" },
	  TEXT,
	  FIELD(append) },
	{ { "call", "auto|file|load", "auto",
	    "The system call that loads it: kexec_file_load(2) where it exists, or one by name" },
	  CHOICE,
	  FIELD(call) },
	{ { "prune", "yes|no", "no",
	    "May the oldest saved crashes be deleted, to keep the limits below and to make room" },
	  YESNO,
	  FIELD(keep.may_prune) },
	{ { "max-crashes", "N", "0", "Saved crashes to keep on a target; 0 is any number" },
	  NUMBER,
	  FIELD(keep.max_crashes),
	  0,
	  100000 },
	{ { "max-bytes", "BYTES", "0", "Room for all saved crashes of a target; 0 is no limit" },
	  SIZE,
	  FIELD(keep.max_bytes),
	  0,
	  UINT64_MAX },
	{ { "min-free", "BYTES", "0", "Room that saved crashes leave free on a target" },
	  SIZE,
	  FIELD(keep.min_free),
	  0,
	  UINT64_MAX },
	{ { "pre", "PROGRAM", "",
	    "A program that the capture kernel runs when the log is saved, before the dump" },
	  TEXT,
	  FIELD(pre),
	  .refuse = no_path },
	{ { "post", "PROGRAM", "", "A program that the capture kernel runs when all is saved" },
	  TEXT,
	  FIELD(post),
	  .refuse = no_path },
	{ { "extra-modules", "NAMES", "",
	    "Modules to load in the capture kernel beside those that are found to be needed; the "
	    "key may be repeated" },
	  WORDS,
	  FIELD(extra_modules),
	  .refuse = no_module },
	{ { "extra-programs", "FILES", "",
	    "Programs to put in the capture image with their libraries, for the hooks; the key "
	    "may be repeated" },
	  WORDS,
	  FIELD(extra_programs),
	  .refuse = no_path },
	{ { "budget", "SECONDS", "1h",
	    "Time for all of the capture; then the machine is started anew" },
	  SECONDS,
	  FIELD(budget_s),
	  10,
	  604800 },
	{ { "hook-budget", "SECONDS", "60s", "Time for each hook program; then it is ended" },
	  SECONDS,
	  FIELD(hook_budget_s),
	  1,
	  86400 },
	{ { "module-budget", "SECONDS", "20s",
	    "Time for a module to load; then the capture goes on without it" },
	  SECONDS,
	  FIELD(module_budget_s),
	  1,
	  3600 },
	{ { "final", "reboot|poweroff|halt", "reboot", "What the capture kernel does at the end" },
	  CHOICE,
	  FIELD(final) },
	{ { "watchdog", "auto|no|DEVICE", "auto",
	    "The watchdog that restarts a capture kernel that hangs; auto takes the machine's own" },
	  TEXT,
	  FIELD(watchdog),
	  .refuse = no_watchdog },
	{ { "webhook", "URL", "", "A crash is told to this address by HTTP POST, as JSON" },
	  TEXT,
	  FIELD(webhook),
	  .refuse = no_url },
	{ { "fence-nodes", "HOSTS", "",
	    "Hosts of a cluster that are told by fence_kdump packets that this one is saving a dump" },
	  TEXT,
	  FIELD(fence_nodes),
	  .refuse = no_hosts },
	{ { "fence-port", "PORT", "7410", "The port that fence_kdump packets go to" },
	  NUMBER,
	  FIELD(fence_port),
	  1,
	  65535 },
	{ { "policy", "POLICY", "",
	    "How far apart the two kernels may be: warn:MAJOR[.MINOR] or block:MAJOR[.MINOR], then "
	    "releases allowed in any case after commas" },
	  TEXT,
	  FIELD(policy),
	  .refuse = no_policy },
};

const struct us_crash_key *us_crash_key_at(size_t i)
{
	return i < us_array_size(keys) ? &keys[i].k : NULL;
}

/* ---- values ---- */

#define TARGET_OF(type, reading, key) ((type *)(void *)((char *)(reading)->config + (key)->offset))

static struct us_err *bad(const char *why)
{
	return us_err_new(US_ERR_BAD_DATA, "%s", why);
}

/* "90", "90s", "15m", "2h", "1d". */
static bool read_seconds(const char *value, uint64_t *ret)
{
	static const struct {
		char letter;
		uint64_t s;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t n = strspn(value, "0123456789");
	char digits[16];
	uint64_t v;

	if (!n || n >= sizeof(digits) || (value[n] && value[n + 1]))
		return false;
	memcpy(digits, value, n);
	digits[n] = '\0';
	if (!us_text_u64(digits, 10, &v))
		return false;
	for (size_t i = 0; i < us_array_size(units); i++)
		if (!value[n] || value[n] == units[i].letter)
			return us_mul(v, units[i].s, ret);
	return false;
}

static struct us_err *set_number(struct reading *r, const struct key *key, const char *value)
{
	const char *end = "";
	uint64_t v = 0;
	bool ok = key->type == SECONDS ? read_seconds(value, &v)
		  : key->type == SIZE  ? us_text_memsize(value, &end, &v) && !*end
				       : us_text_u64(value, 10, &v);

	if (!ok)
		return bad(key->type == SECONDS ? "it is no time: a number with s, m, h or d"
			   : key->type == SIZE
				   ? "it is no number of bytes, which may end in K, M, G or T"
				   : "it is no number");
	if (v < key->min || v > key->max)
		return us_err_new(US_ERR_BAD_DATA, "it is not from %llu to %llu%s",
				  (unsigned long long)key->min, (unsigned long long)key->max,
				  key->type == SECONDS ? " seconds" : "");
	if (key->type == SIZE)
		*TARGET_OF(uint64_t, r, key) = v;
	else
		*TARGET_OF(unsigned int, r, key) = (unsigned int)v;
	return NULL;
}

static struct us_err *set_yesno(struct reading *r, const struct key *key, const char *value)
{
	bool yes = !strcmp(value, "yes");

	if (!yes && strcmp(value, "no"))
		return bad("it is neither yes nor no");
	*TARGET_OF(bool, r, key) = yes;
	return NULL;
}

static struct us_err *set_text(struct reading *r, const struct key *key, const char *value)
{
	const char *why = key->refuse && *value ? key->refuse(value) : NULL;
	const char *copy;

	if (why)
		return bad(why);
	copy = us_pool_strdup(&r->config->pool, value);
	if (!copy)
		return us_err_nomem();
	*TARGET_OF(const char *, r, key) = copy;
	return NULL;
}

static struct us_err *set_choice(struct reading *r, const struct key *key, const char *value)
{
	size_t n = strlen(value);

	for (const char *c = key->k.values; c; c = strchr(c, '|')) {
		c += *c == '|';
		if (n && !strncmp(c, value, n) && (!c[n] || c[n] == '|'))
			return set_text(r, key, value);
	}
	return us_err_new(US_ERR_BAD_DATA, "it is none of %s", key->k.values);
}

static struct us_err *set_words(struct reading *r, const struct key *key, const char *value)
{
	const char **list = *TARGET_OF(const char **, r, key);
	size_t n = 0, len;

	if (!list) {
		list = us_pool_array(&r->config->pool, MAX_WORDS + 1, sizeof(*list));
		if (!list)
			return us_err_nomem();
		*TARGET_OF(const char **, r, key) = list;
	}
	while (list[n])
		n++;
	for (;; value += len) {
		const char *why;

		value += strspn(value, " \t,");
		len = strcspn(value, " \t,");
		if (!len)
			return NULL;
		if (n == MAX_WORDS)
			return us_err_new(US_ERR_BAD_DATA, "there are more than %d", MAX_WORDS);
		list[n] = us_pool_strndup(&r->config->pool, value, len);
		if (!list[n])
			return us_err_nomem();
		why = key->refuse(list[n]);
		if (why)
			return us_err_new(US_ERR_BAD_DATA, "%s: %s", list[n], why);
		n++;
	}
}

static struct us_err *set_target(struct reading *r, const struct key *key, const char *value)
{
	struct us_crash_config *c = r->config;
	struct us_err *err;

	(void)key;
	if (c->n_targets == MAX_TARGETS)
		return us_err_new(US_ERR_BAD_DATA, "there are more than %d targets", MAX_TARGETS);
	err = us_target_parse(value, &c->pool, &r->targets[c->n_targets]);
	if (err && err->code == US_ERR_USAGE) /* whose words: here a file's */
		err->code = US_ERR_BAD_DATA;
	if (err)
		return err;
	c->n_targets++;
	return NULL;
}

static struct us_err *set(struct reading *r, const struct key *key, const char *value)
{
	static struct us_err *(*const setters[])(struct reading *, const struct key *,
						 const char *) = {
		[TARGET] = set_target,  [NUMBER] = set_number, [SIZE] = set_number,
		[SECONDS] = set_number, [YESNO] = set_yesno,   [CHOICE] = set_choice,
		[TEXT] = set_text,      [WORDS] = set_words,
	};

	return setters[key->type](r, key, value);
}

/* ---- lines ---- */

/* Letters to change, add or leave out to make b of a (Levenshtein); names are short. */
static size_t distance(const char *a, const char *b)
{
	size_t row[64], n = strlen(b);

	if (n >= us_array_size(row) || strlen(a) >= us_array_size(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t best = diagonal + (tolower((unsigned char)a[i]) != b[j] &&
						  !(a[i] == '_' && b[j] == '-'));

			diagonal = row[j + 1];
			best = best < diagonal + 1 ? best : diagonal + 1;
			row[j + 1] = best < row[j] + 1 ? best : row[j] + 1;
		}
	}
	return row[n];
}

static struct us_err *unknown_key(const char *name)
{
	size_t best = SIZE_MAX;
	const char *near = "";

	for (size_t i = 0; i < us_array_size(keys); i++) {
		size_t d = distance(name, keys[i].k.name);

		if (d < best) {
			best = d;
			near = keys[i].k.name;
		}
	}
	if (best <= 1 + strlen(near) / 3)
		return us_err_new(US_ERR_BAD_DATA,
				  "there is no key \"%.64s\"; did you mean \"%s\"?", name, near);
	return us_err_new(US_ERR_BAD_DATA,
			  "there is no key \"%.64s\" (understudy.conf(5) lists them)", name);
}

static void cut_comment(char *line)
{
	for (char *c = line; *c; c++)
		if (*c == '#' && (c == line || isspace((unsigned char)c[-1]))) {
			*c = '\0';
			return;
		}
}

static const struct key *find(const char *name)
{
	for (size_t i = 0; i < us_array_size(keys); i++)
		if (!strcmp(keys[i].k.name, name))
			return &keys[i];
	return NULL;
}

static struct us_err *read_line(struct reading *r, char *line, size_t number, size_t *seen)
{
	const struct key *key;
	char *equals, *value;
	struct us_err *err;

	cut_comment(line);
	line = us_text_strip(line);
	if (!*line)
		return NULL;
	equals = strchr(line, '=');
	if (!equals)
		return us_err_new(US_ERR_BAD_DATA, "\"%.64s\" is not KEY = VALUE", line);
	*equals = '\0';
	line = us_text_strip(line);
	value = us_text_strip(equals + 1);
	key = find(line);
	if (!key)
		return unknown_key(line);
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < ' ' && *c != '\t')
			return us_err_new(US_ERR_BAD_DATA, "%s: a control character", line);
	if (seen[key - keys] && key->type != TARGET && key->type != WORDS)
		return us_err_new(US_ERR_BAD_DATA, "%s: it stands on line %zu already", line,
				  seen[key - keys]);
	seen[key - keys] = number;
	if (!*value && *key->k.fallback)
		return us_err_new(US_ERR_BAD_DATA, "%s: it has no value: %s", line, key->k.values);
	if (strlen(value) > MAX_VALUE)
		return us_err_new(US_ERR_BAD_DATA, "%s: it is longer than %d", line, MAX_VALUE);
	err = set(r, key, value);
	if (!err || key->type == TARGET) /* whose errors name it */
		return err;
	return us_err_wrap(err, "%s = %.128s", line, value);
}

/* A limit that nothing enforces would be believed. */
static struct us_err *check_limits(const struct us_crash_config *c, const char *path,
				   const size_t *seen)
{
	const struct {
		const char *name;
		uint64_t value;
	} limits[] = { { "max-crashes", c->keep.max_crashes },
		       { "max-bytes", c->keep.max_bytes },
		       { "min-free", c->keep.min_free } };

	if (seen[find("prune") - keys])
		return NULL;
	for (size_t i = 0; i < us_array_size(limits); i++)
		if (limits[i].value)
			return us_err_new(US_ERR_BAD_DATA,
					  "%s:%zu: %s: nothing is deleted to keep this limit unless "
					  "\"prune = yes\" says so; say prune = yes or prune = no",
					  path, seen[find(limits[i].name) - keys], limits[i].name);
	return NULL;
}

static struct us_err *read_lines(struct reading *r, char *line, const char *path)
{
	size_t seen[us_array_size(keys)] = { 0 };
	char *end;

	for (size_t number = 1; line; number++, line = end) {
		struct us_err *err;

		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		err = read_line(r, line, number, seen);
		if (err)
			return us_err_wrap(err, "%s:%zu", path, number);
	}
	return check_limits(r->config, path, seen);
}

static struct us_err *begin(struct reading *r)
{
	r->config = calloc(1, sizeof(*r->config));
	if (!r->config)
		return us_err_nomem();
	r->targets = us_pool_array(&r->config->pool, MAX_TARGETS, sizeof(*r->targets));
	if (!r->targets)
		return us_err_nomem();
	r->config->targets = r->targets;
	for (size_t i = 0; i < us_array_size(keys); i++)
		if (keys[i].type != TARGET)
			US_TRY(set(r, &keys[i], keys[i].k.fallback));
	return NULL;
}

struct us_err *us_crash_config_parse(struct us_bytes text, const char *path,
				     struct us_crash_config **ret)
{
	_us_crash_config_free_ struct us_crash_config *config = NULL;
	struct reading r = { 0 };
	_us_free_ char *copy = NULL;
	struct us_err *err = begin(&r);

	config = r.config;
	if (err)
		return err;
	if (text.n && memchr(text.p, 0, text.n))
		return us_err_new(US_ERR_BAD_DATA, "%s: a zero byte: it is no text", path);
	copy = strndup(text.n ? (const char *)text.p : "", text.n);
	config->path = us_pool_strdup(&config->pool, path);
	if (!copy || !config->path)
		return us_err_nomem();
	US_TRY(read_lines(&r, copy, path));
	if (!config->n_targets)
		US_TRY(set(&r, find("target"), find("target")->k.fallback));
	*ret = us_steal(&config);
	return NULL;
}

struct us_err *us_crash_config_read(int root_fd, const char *path, struct us_crash_config **ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	bool is_default = !path || !strcmp(path, US_CRASH_CONFIG);
	struct us_err *err;

	if (!path)
		path = US_CRASH_CONFIG;
	err = us_file_read_at(path[0] == '/' ? root_fd : AT_FDCWD, path, MAX_FILE, &blob);
	if (err && is_default && err->code == US_ERR_NOT_FOUND) {
		us_err_free(err);
		US_TRY(us_crash_config_parse(us_bytes_of(NULL, 0), "", ret));
		(*ret)->path = NULL;
		return NULL;
	}
	if (err)
		return us_err_wrap(err, "reading the configuration");
	return us_crash_config_parse(us_blob_bytes(&blob), path, ret);
}

void us_crash_config_free(struct us_crash_config *config)
{
	if (!config)
		return;
	us_pool_deinit(&config->pool);
	free(config);
}
