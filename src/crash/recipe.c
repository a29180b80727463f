/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recipe as text: one statement a line, "WORD KEY=VALUE KEY=VALUE...", driven by one table of
 * keys for each statement. A value with anything but plain characters stands in double quotes,
 * where \xHH is a byte and \\ and \" are themselves. A key that is not known is an error: program
 * and recipe are of one build. Names that refer to devices are looked up here, so that who follows
 * the recipe meets no unknown one.
 */
#include "crash/recipe.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define LINE_MOST 65536u
#define LIST_MOST 4096u
#define MARK_MOST 64u

enum type { TEXT, U32, U64, INT, BOOL, LIST, MARKS, KIND };

struct field {
	const char *key;
	enum type type;
	size_t at;
	const char *const *names; /* KIND: NULL-terminated */
};

static const char *const device_kinds[] = { "found", "dm", "md", NULL };
static const char *const target_kinds[] = { "dir", "raw", "nfs", "ssh", "http", "s3", NULL };

#define F(struct_, key, type, field)                                                               \
	{                                                                                          \
		key, type, offsetof(struct struct_, field), NULL                                   \
	}

static const struct field recipe_fields[] = {
	F(us_recipe, "host", TEXT, host_tag),
	F(us_recipe, "armed", TEXT, armed_release),
	F(us_recipe, "capture", TEXT, capture_release),
	F(us_recipe, "level", U32, level),
	F(us_recipe, "jobs", U32, jobs),
	F(us_recipe, "codec", TEXT, codec),
	F(us_recipe, "max-crashes", U32, keep.max_crashes),
	F(us_recipe, "max-bytes", U64, keep.max_bytes),
	F(us_recipe, "min-free", U64, keep.min_free),
	F(us_recipe, "prune", BOOL, keep.may_prune),
	F(us_recipe, "pre", TEXT, pre),
	F(us_recipe, "post", TEXT, post),
	F(us_recipe, "hook-budget", U32, hook_budget_s),
	F(us_recipe, "budget", U32, budget_s),
	F(us_recipe, "final", TEXT, final),
	F(us_recipe, "watchdog", TEXT, watchdog),
	F(us_recipe, "webhook", TEXT, webhook),
	F(us_recipe, "fence-nodes", TEXT, fence_nodes),
	F(us_recipe, "fence-port", U32, fence_port),
	{ 0 },
};
static const struct field module_fields[] = {
	F(us_recipe_module, "file", TEXT, file),
	F(us_recipe_module, "bytes", U64, bytes),
	F(us_recipe_module, "params", TEXT, params),
	F(us_recipe_module, "feature", TEXT, feature),
	F(us_recipe_module, "target", INT, target),
	F(us_recipe_module, "budget", U32, budget_s),
	{ 0 },
};
static const struct field device_fields[] = {
	F(us_recipe_device, "name", TEXT, name),
	{ "kind", KIND, offsetof(struct us_recipe_device, kind), device_kinds },
	F(us_recipe_device, "bytes", U64, bytes),
	F(us_recipe_device, "mark", MARKS, marks),
	F(us_recipe_device, "table", LIST, table),
	F(us_recipe_device, "uuid", TEXT, uuid),
	F(us_recipe_device, "member", LIST, members),
	F(us_recipe_device, "md-major", U32, md_major),
	F(us_recipe_device, "md-minor", U32, md_minor),
	F(us_recipe_device, "lvm-pv", TEXT, lvm_pv),
	F(us_recipe_device, "lvm-lv", TEXT, lvm_lv),
	F(us_recipe_device, "lvm-hash", TEXT, lvm_hash),
	F(us_recipe_device, "keys", BOOL, needs_keys),
	{ 0 },
};
static const struct field net_fields[] = {
	F(us_recipe_net, "mac", TEXT, mac),
	F(us_recipe_net, "address", TEXT, address),
	F(us_recipe_net, "gateway", TEXT, gateway),
	F(us_recipe_net, "nameserver", LIST, nameservers),
	F(us_recipe_net, "name", TEXT, name),
	F(us_recipe_net, "vlan", U32, vlan),
	{ 0 },
};
static const struct field target_fields[] = {
	{ "kind", KIND, offsetof(struct us_recipe_target, spec.kind), target_kinds },
	F(us_recipe_target, "text", TEXT, spec.text),
	F(us_recipe_target, "path", TEXT, spec.path),
	F(us_recipe_target, "host", TEXT, spec.host),
	F(us_recipe_target, "port", TEXT, spec.port),
	F(us_recipe_target, "user", TEXT, spec.user),
	F(us_recipe_target, "address", TEXT, spec.address),
	F(us_recipe_target, "share", TEXT, spec.share),
	F(us_recipe_target, "options", TEXT, spec.options),
	F(us_recipe_target, "identity", TEXT, spec.identity),
	F(us_recipe_target, "known-hosts", TEXT, spec.known_hosts),
	F(us_recipe_target, "tls", BOOL, spec.tls),
	F(us_recipe_target, "region", TEXT, spec.region),
	F(us_recipe_target, "credentials", TEXT, spec.credentials),
	F(us_recipe_target, "ca", TEXT, spec.ca),
	F(us_recipe_target, "force", BOOL, spec.force),
	F(us_recipe_target, "budget", U32, spec.budget_s),
	F(us_recipe_target, "device", TEXT, device),
	F(us_recipe_target, "fs", TEXT, fs),
	F(us_recipe_target, "fs-options", TEXT, fs_options),
	F(us_recipe_target, "network", BOOL, network),
	{ 0 },
};

enum { S_RECIPE, S_MODULE, S_DEVICE, S_NET, S_TARGET, S_COUNT };

/* Where the recipe has the list and its length; the first statement is the recipe itself. */
static const struct statement {
	const char *word;
	const struct field *fields;
	size_t bytes, list_at, n_at;
} statements[S_COUNT] = {
	{ "recipe", recipe_fields, 0, 0, 0 },
#define S(word, type, list)                                                                        \
	{                                                                                          \
#word, word##_fields, sizeof(struct type), offsetof(struct us_recipe, list),       \
			offsetof(struct us_recipe, n_##list)                                       \
	}
	S(module, us_recipe_module, modules), S(device, us_recipe_device, devices),
	S(net, us_recipe_net, nets),          S(target, us_recipe_target, targets),
};

/* ---- writing ---- */

static bool is_plain(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || *s == '"' || *s == '\\')
			return false;
	return true;
}

static void put_value(struct us_text *t, const char *key, const char *value)
{
	us_text_add(t, " %s=", key);
	if (is_plain(value)) {
		us_text_add(t, "%s", value);
		return;
	}
	us_text_put(t, "\"", 1);
	for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
		if (*p == '"' || *p == '\\')
			us_text_add(t, "\\%c", *p);
		else if (*p < ' ' || *p > '~')
			us_text_add(t, "\\x%02x", *p);
		else
			us_text_put(t, p, 1);
	}
	us_text_put(t, "\"", 1);
}

static void put_marks(struct us_text *t, const char *key, const struct us_recipe_mark *marks,
		      size_t n)
{
	for (size_t i = 0; i < n; i++) {
		us_text_add(t, " %s=%" PRIu64 ":", key, marks[i].at);
		for (size_t k = 0; k < marks[i].bytes.n; k++)
			us_text_add(t, "%02x", marks[i].bytes.p[k]);
	}
}

static void put_field(struct us_text *t, const struct field *f, const void *record)
{
	const void *p = (const char *)record + f->at;
	const struct us_recipe_device *device = record;

	switch (f->type) {
	case TEXT: /* only here a pointer stands at p */
		if (*(const char *const *)p)
			put_value(t, f->key, *(const char *const *)p);
		break;
	case U32:
		if (*(const unsigned int *)p)
			us_text_add(t, " %s=%u", f->key, *(const unsigned int *)p);
		break;
	case U64:
		if (*(const uint64_t *)p)
			us_text_add(t, " %s=%" PRIu64, f->key, *(const uint64_t *)p);
		break;
	case INT:
		us_text_add(t, " %s=%d", f->key, *(const int *)p);
		break;
	case BOOL:
		if (*(const bool *)p)
			us_text_add(t, " %s=yes", f->key);
		break;
	case KIND:
		us_text_add(t, " %s=%s", f->key, f->names[*(const unsigned int *)p]);
		break;
	case MARKS:
		put_marks(t, f->key, device->marks, device->n_marks);
		break;
	case LIST:
		for (const char *const *v = *(const char *const *const *)p; v && *v; v++)
			put_value(t, f->key, *v);
		break;
	}
}

static void put_statement(struct us_text *t, const struct statement *s, const void *record)
{
	us_text_add(t, "%s", s->word);
	for (const struct field *f = s->fields; f->key; f++)
		put_field(t, f, record);
	us_text_put(t, "\n", 1);
}

struct us_err *us_recipe_write(const struct us_recipe *recipe, char **ret)
{
	_us_text_deinit_ struct us_text t = { 0 };

	put_statement(&t, &statements[S_RECIPE], recipe);
	for (size_t i = S_RECIPE + 1; i < S_COUNT; i++) {
		const struct statement *s = &statements[i];
		const char *list = *(const char *const *)((const char *)recipe + s->list_at);
		size_t n = *(const size_t *)((const char *)recipe + s->n_at);

		for (size_t k = 0; k < n; k++)
			put_statement(&t, s, list + k * s->bytes);
	}
	return us_text_take(&t, ret);
}

/* ---- reading ---- */

struct reader {
	struct us_recipe *recipe;
	struct us_pool *pool;
	size_t line;
};

static struct us_err *bad(const struct reader *r, const char *fmt, ...)
	us_must_check us_printf(2, 3);
static struct us_err *bad(const struct reader *r, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	return us_err_new(US_ERR_BAD_DATA, "the recipe, line %zu: %s", r->line,
			  t.s && !t.failed ? t.s : "");
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One byte behind "\x"; -1 if it is none, or is NUL. */
static int hex_byte(const char *p)
{
	int high = hex_digit(p[0]), low = high < 0 ? -1 : hex_digit(p[1]);

	return low < 0 || !(high | low) ? -1 : high * 16 + low;
}

/* The quotes of the value at *at taken away, in place; *at is behind it. False: no end. */
static bool unquote(char **at)
{
	char *from = *at + 1, *to = *at;
	int byte;

	for (; *from && *from != '"'; from++) {
		if (*from != '\\') {
			*to++ = *from;
			continue;
		}
		from++;
		if (*from == 'x') {
			byte = hex_byte(from + 1);
			if (byte < 0)
				return false;
			*to++ = (char)byte;
			from += 2;
		} else if (*from == '"' || *from == '\\') {
			*to++ = *from;
		} else {
			return false;
		}
	}
	if (*from != '"')
		return false;
	*to = 0;
	*at = from + 1;
	return true;
}

/* The next KEY=VALUE of a line; *ret_key NULL at its end. */
static struct us_err *next_pair(const struct reader *r, char **at, char **ret_key, char **ret_value)
{
	char *key = *at + strspn(*at, " "), *value, *end;

	*ret_key = NULL;
	if (!*key)
		return NULL;
	value = key + strcspn(key, "= ");
	if (*value != '=')
		return bad(r, "\"%s\" has no value", key);
	*value++ = 0;
	end = value;
	if (*value == '"') {
		if (!unquote(&end) || (*end && *end != ' '))
			return bad(r, "the value of %s is not well quoted", key);
	} else {
		end = value + strcspn(value, " ");
	}
	*at = end + (*end == ' ');
	*end = 0;
	*ret_key = key;
	*ret_value = value;
	return NULL;
}

static struct us_err *add_to_list(const struct reader *r, const char *const **list,
				  const char *value)
{
	const char **more;
	size_t n = 0;

	while (*list && (*list)[n])
		n++;
	if (n == LIST_MOST)
		return bad(r, "a list of more than %u", LIST_MOST);
	/* doubled now and then: the pool gives nothing back */
	if (!n || !(n & (n - 1))) {
		more = us_pool_array(r->pool, n ? 2 * n + 1 : 2, sizeof(*more));
		if (!more)
			return us_err_nomem();
		if (n)
			memcpy(more, *list, n * sizeof(*more));
		*list = more;
	}
	((const char **)*list)[n] = value;
	return NULL;
}

static struct us_err *add_mark(const struct reader *r, struct us_recipe_device *d, const char *value)
{
	const char *colon = strchr(value, ':');
	size_t digits = colon ? strlen(colon + 1) : 0, n = digits / 2;
	struct us_recipe_mark *marks, mark = { 0 };
	_us_free_ char *at = colon ? strndup(value, (size_t)(colon - value)) : NULL;
	uint8_t *bytes;

	if (!at || !us_text_u64(at, 10, &mark.at) || !n || digits % 2 || n > MARK_MOST ||
	    d->n_marks == MARK_MOST)
		return bad(r, "\"%s\" is no mark (AT:BYTES in hexadecimal)", value);
	marks = us_pool_array(r->pool, d->n_marks + 1, sizeof(*marks));
	bytes = us_pool_alloc(r->pool, n);
	if (!marks || !bytes)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(colon[1 + 2 * i]), low = hex_digit(colon[2 + 2 * i]);

		if (high < 0 || low < 0)
			return bad(r, "\"%s\" is no mark (AT:BYTES in hexadecimal)", value);
		bytes[i] = (uint8_t)(high * 16 + low);
	}
	if (d->n_marks)
		memcpy(marks, d->marks, d->n_marks * sizeof(*marks));
	mark.bytes = us_bytes_of(bytes, n);
	marks[d->n_marks++] = mark;
	d->marks = marks;
	return NULL;
}

static struct us_err *take_number(const struct reader *r, const struct field *f, void *p,
				  const char *value)
{
	uint64_t most = f->type == U64 ? UINT64_MAX : f->type == U32 ? UINT32_MAX : INT32_MAX;
	bool minus = f->type == INT && *value == '-';
	uint64_t v;

	if (minus)
		most = -US_RECIPE_LAST;
	if (!us_text_u64(value + minus, 10, &v) || v > most)
		return bad(r, "%s: \"%s\" is no number that fits", f->key, value);
	if (f->type == U64)
		*(uint64_t *)p = v;
	else if (f->type == U32)
		*(unsigned int *)p = (unsigned int)v;
	else
		*(int *)p = minus ? -(int)v : (int)v;
	return NULL;
}

static struct us_err *take_kind(const struct reader *r, const struct field *f, void *p,
				const char *value)
{
	for (unsigned int i = 0; f->names[i]; i++)
		if (!strcmp(f->names[i], value)) {
			*(unsigned int *)p = i;
			return NULL;
		}
	return bad(r, "%s: there is no \"%s\"", f->key, value);
}

static struct us_err *take_pair(const struct reader *r, const struct statement *s, void *record,
				const char *key, const char *value)
{
	const struct field *f = s->fields;
	void *p;

	while (f->key && strcmp(f->key, key))
		f++;
	if (!f->key)
		return bad(r, "%s has no \"%s\"", s->word, key);
	p = (char *)record + f->at;
	switch (f->type) {
	case TEXT:
		*(const char **)p = value;
		return NULL;
	case BOOL:
		*(bool *)p = !strcmp(value, "yes");
		return *(bool *)p ? NULL : bad(r, "%s is yes or not there", key);
	case KIND:
		return take_kind(r, f, p, value);
	case MARKS:
		return add_mark(r, record, value);
	case LIST:
		return add_to_list(r, p, value);
	default:
		return take_number(r, f, p, value);
	}
}

static const struct statement *statement_of(const char *line)
{
	for (size_t i = 0; i < S_COUNT; i++) {
		size_t n = strlen(statements[i].word);

		if (!strncmp(line, statements[i].word, n) && (!line[n] || line[n] == ' '))
			return &statements[i];
	}
	return NULL;
}

static bool is_empty(const char *line)
{
	return !*line || *line == '#';
}

static void *record_of(struct us_recipe *recipe, const struct statement *s, size_t i)
{
	return s == statements ? (void *)recipe
			       : *(char **)((char *)recipe + s->list_at) + i * s->bytes;
}

/* How many of each there are, so that each list is one array. */
static struct us_err *make_lists(struct reader *r, const char *text)
{
	size_t counts[S_COUNT] = { 0 };

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t n = strcspn(line, " \n");

		for (size_t i = 0; i < S_COUNT; i++)
			counts[i] += n == strlen(statements[i].word) &&
				     !strncmp(line, statements[i].word, n);
	}
	for (size_t i = S_RECIPE + 1; i < S_COUNT; i++) {
		void *list = us_pool_array(r->pool, counts[i] + 1, statements[i].bytes);

		if (!list)
			return us_err_nomem();
		*(void **)((char *)r->recipe + statements[i].list_at) = list;
	}
	return NULL;
}

static struct us_err *take_line(struct reader *r, char *line)
{
	const struct statement *s = statement_of(line);
	char *at, *key, *value;
	size_t *n;
	void *record;

	if (!s)
		return bad(r, "there is no statement \"%.40s\"", line);
	n = s == statements ? NULL : (size_t *)((char *)r->recipe + s->n_at);
	record = record_of(r->recipe, s, n ? *n : 0);
	if (s == &statements[S_MODULE])
		((struct us_recipe_module *)record)->target = -1;
	at = line + strlen(s->word);
	for (;;) {
		US_TRY(next_pair(r, &at, &key, &value));
		if (!key)
			break;
		US_TRY(take_pair(r, s, record, key, value));
	}
	if (n)
		++*n;
	return NULL;
}

/* ---- what has to hold between the statements ---- */

static bool has_device(const struct us_recipe *recipe, size_t before, const char *name, size_t n)
{
	for (size_t i = 0; i < before; i++)
		if (strlen(recipe->devices[i].name) == n &&
		    !strncmp(recipe->devices[i].name, name, n))
			return true;
	return false;
}

/* Each ${NAME} of a table is a device that comes before it. */
static struct us_err *check_table(const struct us_recipe *recipe, size_t device)
{
	const struct us_recipe_device *d = &recipe->devices[device];

	for (const char *const *line = d->table; line && *line; line++)
		for (const char *p = strstr(*line, "${"); p; p = strstr(p, "${")) {
			size_t n = strcspn(p + 2, "}");

			if (p[2 + n] != '}' || !has_device(recipe, device, p + 2, n))
				return us_err_new(US_ERR_BAD_DATA,
						  "the recipe: device %s lies on \"%.*s\", which is "
						  "not known before it",
						  d->name, (int)n, p + 2);
			p += 2 + n;
		}
	return NULL;
}

static struct us_err *check_device(const struct us_recipe *recipe, size_t i)
{
	const struct us_recipe_device *d = &recipe->devices[i];
	const char *lacks = NULL;

	if (!d->name || !*d->name)
		return us_err_new(US_ERR_BAD_DATA, "the recipe: a device has no name");
	if (d->kind == US_DEVICE_FOUND && !d->n_marks)
		lacks = "marks";
	else if (d->kind == US_DEVICE_DM && (!d->table || !d->table[0]))
		lacks = "table";
	else if (d->kind == US_DEVICE_MD && (!d->members || !d->members[0]))
		lacks = "members";
	else if (d->lvm_pv && (!d->lvm_lv || !d->lvm_hash))
		lacks = "lvm-lv and lvm-hash";
	if (lacks)
		return us_err_new(US_ERR_BAD_DATA, "the recipe: device %s has no %s", d->name,
				  lacks);
	for (const char *const *m = d->members; m && *m; m++)
		if (!has_device(recipe, i, *m, strlen(*m)))
			return us_err_new(
				US_ERR_BAD_DATA,
				"the recipe: device %s has the member \"%s\", which is not "
				"known before it",
				d->name, *m);
	if (d->lvm_pv && !has_device(recipe, i, d->lvm_pv, strlen(d->lvm_pv)))
		return us_err_new(US_ERR_BAD_DATA, "the recipe: %s: there is no device %s", d->name,
				  d->lvm_pv);
	return check_table(recipe, i);
}

static struct us_err *check(const struct us_recipe *recipe)
{
	for (size_t i = 0; i < recipe->n_modules; i++)
		if (!recipe->modules[i].file || recipe->modules[i].file[0] != '/')
			return us_err_new(US_ERR_BAD_DATA, "the recipe: a module has no file");
	for (size_t i = 0; i < recipe->n_devices; i++)
		US_TRY(check_device(recipe, i));
	for (size_t i = 0; i < recipe->n_targets; i++) {
		const struct us_recipe_target *t = &recipe->targets[i];

		if (!t->spec.text)
			return us_err_new(US_ERR_BAD_DATA, "the recipe: a target has no text");
		if (t->device &&
		    !has_device(recipe, recipe->n_devices, t->device, strlen(t->device)))
			return us_err_new(US_ERR_BAD_DATA,
					  "the recipe: target %s: there is no device %s",
					  t->spec.text, t->device);
		if ((t->spec.kind == US_TARGET_DIR && (!t->device != !t->fs || !t->spec.path)) ||
		    (t->spec.kind == US_TARGET_RAW && !t->device))
			return us_err_new(US_ERR_BAD_DATA,
					  "the recipe: target %s has no device, file system or path",
					  t->spec.text);
	}
	return NULL;
}

struct us_err *us_recipe_parse(struct us_bytes text, struct us_recipe **ret)
{
	_us_recipe_free_ struct us_recipe *recipe = calloc(1, sizeof(*recipe));
	struct reader r = { .recipe = recipe };
	char *copy, *line;

	if (!recipe)
		return us_err_nomem();
	r.pool = &recipe->pool;
	copy = us_pool_strndup(r.pool, (const char *)text.p, text.n);
	if (!copy)
		return us_err_nomem();
	US_TRY(make_lists(&r, copy));
	while ((line = strsep(&copy, "\n"))) {
		r.line++;
		if (strlen(line) > LINE_MOST)
			return bad(&r, "it is too long");
		if (!is_empty(line))
			US_TRY(take_line(&r, line));
	}
	US_TRY(check(recipe));
	*ret = us_steal(&recipe);
	return NULL;
}

void us_recipe_free(struct us_recipe *recipe)
{
	if (!recipe)
		return;
	us_pool_deinit(&recipe->pool);
	free(recipe);
}
