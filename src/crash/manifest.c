/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a capture image was made from, as lines "KIND<tab>NAME<tab>VALUE": files with their hashes,
 * devices, interfaces, targets, releases, the configuration. Whether an image is stale is a
 * comparison of what these lines say with what is so now; dates are never looked at.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "crash/build-int.h"
#include "crash/walk-int.h"

#include <openssl/evp.h>
#include <string.h>

#define LINES_MAX 8192

struct line {
	const char *kind, *name, *value;
};
struct lines {
	struct us_pool *pool;
	struct line *all;
	size_t n;
};

struct us_err *us_manifest_hash(struct us_bytes bytes, char ret[65])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (!EVP_Digest(bytes.p, bytes.n, hash, &n, EVP_sha256(), NULL) || n != 32)
		return us_err_new(US_ERR_UNSUPPORTED, "SHA-256 is not available");
	for (unsigned int i = 0; i < n; i++)
		snprintf(ret + (size_t)i * 2, 3, "%02x", hash[i]);
	return NULL;
}

static struct us_err *line_add(struct lines *lines, const char *kind, const char *name,
			       const char *fmt, ...) us_must_check us_printf(4, 5);
static struct us_err *line_add(struct lines *lines, const char *kind, const char *name,
			       const char *fmt, ...)
{
	_us_text_deinit_ struct us_text text = { 0 };
	struct line *line = &lines->all[lines->n];
	va_list ap;

	if (lines->n == LINES_MAX)
		return us_err_new(US_ERR_NO_ROOM, "a manifest of more than %d lines", LINES_MAX);
	va_start(ap, fmt);
	us_text_vadd(&text, fmt, ap);
	va_end(ap);
	line->kind = kind;
	line->name = us_pool_strdup(lines->pool, name);
	char *value = us_pool_strdup(lines->pool, text.s ? text.s : "");
	if (text.failed || !line->name || !value)
		return us_err_nomem();
	for (char *p = value; *p; p++) /* one line each */
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	line->value = value;
	lines->n++;
	return NULL;
}

static void add_word(struct us_text *text, const char *what, const char *value)
{
	if (value && *value)
		us_text_add(text, ", %s %s", what, value);
}

/* ---- how a device is called: by what stands on it, since names and numbers change ---- */
static const struct {
	const char *magic, *what;
	size_t n;
} magics[] = {
	{ "\x53\xef", "ext file system", 2 },
	{ "XFSB", "xfs file system", 4 },
	{ "_BHRfS_M", "btrfs file system", 8 },
	{ "LABELONE", "LVM physical volume", 8 },
	{ "LUKS\xba\xbe", "LUKS volume", 6 },
	{ "\xfc\x4e\x2b\xa9", "md member", 4 },
	{ "EFI PART", "disk", 8 },
	{ "\x55\xaa", "disk", 2 },
	{ "UNDERSTUDY-RAW", "raw partition", 14 },
};

/* As blkid writes it: 16 bytes as a UUID, text as text. */
static void add_id(struct us_text *text, struct us_bytes id)
{
	bool printable = id.n > 16;

	for (size_t i = 0; i < id.n && printable; i++)
		printable = (id.p[i] >= 0x20 && id.p[i] < 0x7f) || (!id.p[i] && i > 16);
	if (printable) {
		us_text_add(text, "%.*s", (int)id.n, (const char *)id.p);
		return;
	}
	for (size_t i = 0; i < id.n; i++)
		us_text_add(text, "%s%02x",
			    id.n == 16 && (i == 4 || i == 6 || i == 8 || i == 10) ? "-" : "",
			    id.p[i]);
}

static const struct us_recipe_device *device_by(const struct us_walk_result *walk, const char *name,
						size_t n)
{
	for (size_t i = 0; i < walk->n_devices; i++)
		if (strlen(walk->devices[i].name) == n && !memcmp(walk->devices[i].name, name, n))
			return &walk->devices[i];
	return NULL;
}

static void add_device(struct us_text *text, const struct us_walk_result *walk,
		       const struct us_recipe_device *d)
{
	const struct us_recipe_device *member =
		d->kind == US_DEVICE_MD && d->members
			? device_by(walk, d->members[0], strlen(d->members[0]))
			: NULL;
	const char *what = "device";

	if (d->kind == US_DEVICE_DM) {
		us_text_add(text, "/dev/mapper/%s", d->name);
	} else if (member && member->n_marks > 1) { /* the array's identifier, not the member's */
		us_text_add(text, "md array ");
		add_id(text, member->marks[1].bytes);
	} else if (d->n_marks) {
		for (size_t i = 0; i < us_array_size(magics); i++)
			if (us_bytes_match(d->marks[0].bytes, 0, magics[i].magic, magics[i].n)) {
				what = magics[i].what;
				break;
			}
		us_text_add(text, "%s ", what);
		add_id(text, d->marks[d->n_marks - 1].bytes);
	}
}

/* A table's line with devices in words in place of ${NAME}. */
static void add_table_line(struct us_text *text, const struct us_walk_result *walk, const char *line)
{
	us_text_add(text, ", table ");
	while (*line) {
		const char *name = strstr(line, "${"), *end = name ? strchr(name, '}') : NULL;
		const struct us_recipe_device *d =
			end ? device_by(walk, name + 2, (size_t)(end - name - 2)) : NULL;

		if (!d)
			break;
		us_text_put(text, line, (size_t)(name - line));
		us_text_add(text, "(");
		add_device(text, walk, d);
		us_text_add(text, ")");
		line = end + 1;
	}
	us_text_add(text, "%s", line);
}

static struct us_err *device_line(struct lines *lines, const struct us_walk_result *walk,
				  const struct us_recipe_device *d)
{
	_us_text_deinit_ struct us_text name = { 0 }, text = { 0 };

	add_device(&name, walk, d);
	us_text_add(&text, "%" PRIu64 " bytes", d->bytes);
	for (const char *const *line = d->table; line && *line; line++)
		add_table_line(&text, walk, *line);
	for (const char *const *m = d->members; m && *m; m++) {
		const struct us_recipe_device *member = device_by(walk, *m, strlen(*m));

		us_text_add(&text, ", on ");
		if (member)
			add_device(&text, walk, member);
	}
	add_word(&text, "uuid", d->uuid);
	add_word(&text, "extents", d->lvm_hash);
	if (text.failed || name.failed)
		return us_err_nomem();
	return line_add(lines, "device", name.s ? name.s : d->name, "%s", text.s);
}

static struct us_err *net_line(struct lines *lines, const struct us_recipe_net *net)
{
	_us_text_deinit_ struct us_text name = { 0 }, text = { 0 };

	us_text_add(&name, "%s with address %s", net->mac ? net->mac : "",
		    net->address ? net->address : "");
	us_text_add(&text, "gateway %s", net->gateway ? net->gateway : "none");
	if (net->vlan)
		us_text_add(&text, ", VLAN %u", net->vlan);
	return name.failed || text.failed ? us_err_nomem()
					  : line_add(lines, "network card", name.s, "%s", text.s);
}

static struct us_err *target_line(struct lines *lines, const struct us_walk_result *walk, size_t i)
{
	const struct us_recipe_target *t = &walk->targets[i];
	const struct us_recipe_device *d =
		t->device ? device_by(walk, t->device, strlen(t->device)) : NULL;
	_us_text_deinit_ struct us_text text = { 0 };

	us_text_add(&text, "%s", us_target_kind_name(t->spec.kind));
	if (walk->problems[i]) {
		us_text_add(&text, " that cannot be used: %s", walk->problems[i]);
	} else {
		if (d) {
			us_text_add(&text, " on ");
			add_device(&text, walk, d);
		}
		add_word(&text, "path", t->spec.path);
		add_word(&text, "options", t->fs_options);
	}
	return text.failed ? us_err_nomem() : line_add(lines, "target", t->spec.text, "%s", text.s);
}

/* The lines that are no files. */
static struct us_err *facts_lines(const struct us_manifest_facts *facts, struct lines *lines)
{
	const struct us_walk_result *walk = facts->walk;

	US_TRY(line_add(lines, "running kernel", "release", "%s", facts->host->release.v));
	US_TRY(line_add(lines, "capture kernel", "release", "%s", facts->capture_release));
	US_TRY(line_add(lines, "modules", "directory", "%s", facts->modules_dir));
	US_TRY(line_add(lines, "configuration", "path", "%s",
			facts->config->path ? facts->config->path : ""));
	for (size_t i = 0; i < walk->n_devices; i++)
		US_TRY(device_line(lines, walk, &walk->devices[i]));
	for (size_t i = 0; i < walk->n_nets; i++)
		US_TRY(net_line(lines, &walk->nets[i]));
	for (size_t i = 0; i < walk->n_targets; i++)
		US_TRY(target_line(lines, walk, i));
	for (size_t i = 0; i < walk->n_modules; i++)
		US_TRY(line_add(lines, "module", walk->modules[i].name, "wanted"));
	for (const char *const *host = walk->hosts; host && *host; host++)
		US_TRY(line_add(lines, "address", *host, "wanted"));
	return NULL;
}

static struct us_err *lines_init(struct us_pool *pool, struct lines *ret)
{
	ret->pool = pool;
	ret->n = 0;
	ret->all = us_pool_array(pool, LINES_MAX, sizeof(*ret->all));
	return ret->all ? NULL : us_err_nomem();
}

struct us_err *us_manifest_write(const struct us_manifest_facts *facts,
				 const struct us_capture_file *files, size_t n_files,
				 struct us_pool *pool, const char **ret)
{
	_us_text_deinit_ struct us_text text = { 0 };
	struct lines lines;

	US_TRY(lines_init(pool, &lines));
	for (size_t i = 0; i < n_files; i++)
		if (files[i].source)
			US_TRY(line_add(&lines, "file", files[i].source, "%s %" PRIu64 " %s",
					files[i].hash, files[i].bytes, files[i].path));
	US_TRY(facts_lines(facts, &lines));
	for (size_t i = 0; i < lines.n; i++)
		us_text_add(&text, "%s\t%s\t%s\n", lines.all[i].kind, lines.all[i].name,
			    lines.all[i].value);
	*ret = text.failed ? NULL : us_pool_strdup(pool, text.s ? text.s : "");
	return *ret ? NULL : us_err_nomem();
}

/* ---- is it stale? ---- */
static struct us_err *parse(const char *manifest, struct us_pool *pool, struct lines *ret)
{
	char *text = us_pool_strdup(pool, manifest);
	size_t number = 0;

	US_TRY(lines_init(pool, ret));
	if (!text)
		return us_err_nomem();
	for (char *line; (line = strtok_r(text, "\n", &text));) {
		char *name = strchr(line, '\t'), *value = name ? strchr(name + 1, '\t') : NULL;

		number++;
		if (!value || ret->n == LINES_MAX)
			return us_err_new(US_ERR_BAD_DATA,
					  "manifest, line %zu: no kind, name, value", number);
		*name = *value = '\0';
		ret->all[ret->n++] = (struct line){ line, name + 1, value + 1 };
	}
	return NULL;
}

static const struct line *find(const struct lines *lines, const struct line *like)
{
	for (size_t i = 0; i < lines->n; i++)
		if (!strcmp(lines->all[i].kind, like->kind) &&
		    !strcmp(lines->all[i].name, like->name))
			return &lines->all[i];
	return NULL;
}

struct changes {
	struct us_pool *pool;
	const char **all;
	size_t n;
};

static struct us_err *change_add(struct changes *changes, const char *fmt, ...)
	us_must_check us_printf(2, 3);
static struct us_err *change_add(struct changes *changes, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text text = { 0 };
	va_list ap;

	if (changes->n == LINES_MAX)
		return NULL;
	va_start(ap, fmt);
	us_text_vadd(&text, fmt, ap);
	va_end(ap);
	changes->all[changes->n] = text.failed ? NULL : us_pool_strdup(changes->pool, text.s);
	return changes->all[changes->n++] ? NULL : us_err_nomem();
}

const char *us_manifest_path(const struct us_host *host, const char *path)
{
	size_t n = strlen(host->root);

	while (n && host->root[n - 1] == '/')
		n--;
	return !strncmp(path, host->root, n) && path[n] == '/' ? path + n : path;
}

/* A file of the machine; what is not below a recorded machine's root (our own program) is here. */
static struct us_err *file_compare(const struct us_host *host, const struct line *line,
				   struct changes *changes)
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	const char *there = us_pool_format(changes->pool, "%s%s", host->root, line->name);
	char hash[65];

	if (!there)
		return us_err_nomem();
	_us_err_free_ struct us_err *err =
		us_file_map(access(there, F_OK) ? line->name : there, &file);

	if (err && err->code == US_ERR_NOT_FOUND)
		return change_add(changes, "%s is gone", line->name);
	if (err)
		return change_add(changes, "%s: %s", line->name, err->text);
	US_TRY(us_manifest_hash(us_blob_bytes(&file), hash));
	return strncmp(line->value, hash, 64) != 0
		       ? change_add(changes, "%s has changed", line->name)
		       : NULL;
}

/* Lines that cannot be compared before the network is up. */
static bool waits_for_network(const struct line *line)
{
	static const enum us_target_kind local[] = { US_TARGET_DIR, US_TARGET_RAW };

	static const char *const kinds[] = { "network card", "address", "module" };

	for (size_t i = 0; i < us_array_size(kinds); i++)
		if (!strcmp(line->kind, kinds[i]))
			return true;
	if (strcmp(line->kind, "target") != 0)
		return false;
	for (size_t i = 0; i < us_array_size(local); i++) {
		const char *name = us_target_kind_name(local[i]);

		if (!strncmp(line->value, name, strlen(name)))
			return false;
	}
	return true;
}

static struct us_err *compare(const struct us_host *host, const struct lines *then,
			      const struct lines *now, bool early, struct changes *changes)
{
	for (size_t i = 0; i < then->n; i++) {
		const struct line *old = &then->all[i], *line = find(now, old);

		if (early && waits_for_network(old))
			continue;
		if (!strcmp(old->kind, "file")) {
			US_TRY(file_compare(host, old, changes));
			continue;
		}
		if (!line)
			US_TRY(change_add(changes, "%s %s is no longer needed (%s)", old->kind,
					  old->name, old->value));
		else if (strcmp(line->value, old->value) != 0)
			US_TRY(change_add(changes, "%s %s: was %s, is %s", old->kind, old->name,
					  old->value, line->value));
	}
	for (size_t i = 0; i < now->n; i++)
		if (!find(then, &now->all[i]) && !(early && waits_for_network(&now->all[i])))
			US_TRY(change_add(changes, "%s %s is new (%s)", now->all[i].kind,
					  now->all[i].name, now->all[i].value));
	return NULL;
}

static const char *value_of(const struct lines *lines, const char *kind, const char *name)
{
	const struct line *line = find(lines, &(struct line){ kind, name, NULL });

	return line ? line->value : "";
}

static struct us_err *not_yet(void *data, const char *host, struct us_pool *pool,
			      const char *const **ret)
{
	(void)data, (void)pool, (void)ret;
	return us_err_new(US_ERR_NOT_FOUND, "the name %s: the network is not up yet", host);
}

struct us_err *us_manifest_stale_with(const struct us_host *host,
				      const struct us_walk_sources *sources, const char *manifest,
				      bool early, struct us_pool *pool, const char *const **ret)
{
	_us_crash_config_free_ struct us_crash_config *config = NULL;
	struct us_walk_result *walk = NULL;
	struct changes changes = { .pool = pool };
	struct us_walk_sources asked = *sources;
	struct lines then, now;

	if (early) /* a name server would be waited for */
		asked.resolve = not_yet;
	US_TRY(parse(manifest, pool, &then));
	US_TRY(lines_init(pool, &now));
	changes.all = us_pool_array(pool, LINES_MAX + 1, sizeof(*changes.all));
	if (!changes.all)
		return us_err_nomem();
	const char *path = value_of(&then, "configuration", "path");
	US_TRY(us_crash_config_read(host->root_fd, *path ? path : NULL, &config));
	US_TRY(us_walk_with(host, config, &asked, &walk));
	struct us_manifest_facts facts = {
		.walk = walk,
		.config = config,
		.host = host,
		.capture_release = value_of(&then, "capture kernel", "release"),
		.modules_dir = value_of(&then, "modules", "directory"),
	};
	struct us_err *err = facts_lines(&facts, &now);
	if (!err)
		err = compare(host, &then, &now, early, &changes);
	us_walk_result_free(walk);
	if (err)
		return err;
	*ret = changes.all;
	return NULL;
}

struct us_err *us_manifest_stale(const struct us_host *host, const char *manifest, bool early,
				 struct us_pool *pool, const char *const **ret)
{
	const struct us_walk_sources sources = us_walk_sources_of(host);
	struct us_err *err = us_manifest_stale_with(host, &sources, manifest, early, pool, ret);

	return err ? us_err_wrap(err, "what is armed and what is so now") : NULL;
}
