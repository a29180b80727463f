/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is noted about arming, below US_CRASH_STATE_DIR (of a recorded machine: below its root): the
 * set itself as us_armed_save() keeps it, armed/noted with "KEY=VALUE" lines about it, its
 * manifest, and rehearsals, one line each. Whether the loaded image is the noted one no kernel
 * tells: it is if it was noted in this boot and nobody has told of another load since.
 */
#include "crash/arm-int.h"
#include "crash/build-int.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define NOTED_MOST      (64 * 1024)
#define REHEARSALS_MOST (1 << 20)
#define REHEARSALS_KEPT 100

struct us_err *us_texts_add(struct us_texts *texts, const char *fmt, ...)
{
	const char **v = us_pool_array(texts->pool, texts->n + 2, sizeof(*v));
	_us_text_deinit_ struct us_text text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&text, fmt, ap);
	va_end(ap);
	if (!v || text.failed || !text.s)
		return us_err_nomem();
	if (texts->n)
		memcpy(v, texts->v, texts->n * sizeof(*v));
	v[texts->n] = us_pool_strdup(texts->pool, text.s);
	if (!v[texts->n])
		return us_err_nomem();
	texts->v = v;
	texts->n++;
	return NULL;
}

struct us_err *us_crash_path(const struct us_host *host, struct us_pool *pool, const char *path,
			     const char **ret)
{
	*ret = us_pool_format(pool, "%s%s", host->live ? "" : host->root, path);
	return *ret ? NULL : us_err_nomem();
}

const char *us_crash_boot_id(const struct us_host *host, struct us_pool *pool)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	_us_err_free_ struct us_err *err =
		us_file_read_at(host->root_fd, "/proc/sys/kernel/random/boot_id", 64, &text);

	return err ? NULL : us_pool_strdup(pool, us_text_strip((char *)text.p));
}

/* ---- the set that was armed last ---- */

static const struct {
	const char *key;
	size_t offset; /* of a text in struct us_noted */
} keys[] = {
	{ "boot_id", offsetof(struct us_noted, boot_id) },
	{ "set", offsetof(struct us_noted, set) },
	{ "loaded", offsetof(struct us_noted, loaded) },
	{ "at", offsetof(struct us_noted, at) },
	{ "running", offsetof(struct us_noted, running) },
	{ "capture", offsetof(struct us_noted, capture) },
	{ "kernel", offsetof(struct us_noted, kernel) },
	{ "kernel_hash", offsetof(struct us_noted, kernel_hash) },
	{ "cmdline", offsetof(struct us_noted, cmdline) },
};

/* The value of key in "KEY=VALUE" lines; NULL if there is none. */
static const char *line_of(struct us_pool *pool, const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, n) && line[n] == '=')
			return us_pool_strndup(pool, line + n + 1, strcspn(line + n + 1, "\n"));
	}
	return NULL;
}

struct us_err *us_noted_read(const struct us_host *host, struct us_noted *ret)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	const char *need;

	US_TRY(us_file_read_at(host->root_fd, US_CRASH_STATE_DIR "/armed/noted", NOTED_MOST, &text));
	*ret = (struct us_noted){ 0 };
	for (size_t i = 0; i < us_array_size(keys); i++)
		*(const char **)(void *)((char *)ret + keys[i].offset) =
			line_of(&ret->pool, (const char *)text.p, keys[i].key);
	need = line_of(&ret->pool, (const char *)text.p, "need");
	if (need && !us_text_u64(need, 10, &ret->need))
		ret->need = 0;
	return NULL;
}

void us_noted_deinit(struct us_noted *noted)
{
	us_pool_deinit(&noted->pool);
	*noted = (struct us_noted){ 0 };
}

struct us_err *us_crash_state_dir(const struct us_host *host, struct us_pool *pool, const char **ret)
{
	US_TRY(us_crash_path(host, pool, US_CRASH_STATE_DIR, ret));
	return us_file_folders(*ret, 0755, 0700);
}

struct us_err *us_crash_lock(const struct us_host *host, int *ret_fd)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	_us_close_ int fd = -1;
	const char *dir, *path;

	US_TRY(us_crash_state_dir(host, &pool, &dir));
	path = us_pool_format(&pool, "%s/lock", dir);
	if (!path)
		return us_err_nomem();
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return us_err_os(errno, "creating %s", path);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return us_err_os(errno, "locking %s", path);
	*ret_fd = us_steal_fd(&fd);
	return NULL;
}

static struct us_err *write_below(const struct us_host *host, const char *name, const char *text)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *dir, *path;

	US_TRY(us_crash_state_dir(host, &pool, &dir));
	path = us_pool_format(&pool, "%s/%s", dir, name);
	return path ? us_file_replace(path, us_bytes_of(text, strlen(text))) : us_err_nomem();
}

static const char *utc_now(struct us_pool *pool)
{
	char text[32];
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return us_pool_strdup(pool, text);
}

struct us_err *us_noted_write(const struct us_host *host, const struct us_noted *noted)
{
	_us_text_deinit_ struct us_text text = { 0 };
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_noted whole = *noted;

	if (!whole.at)
		whole.at = utc_now(&pool);
	for (size_t i = 0; i < us_array_size(keys); i++) {
		const void *field = (const char *)&whole + keys[i].offset;
		const char *value = *(const char *const *)field;

		if (value)
			us_text_add(&text, "%s=%s\n", keys[i].key, value);
	}
	us_text_add(&text, "need=%" PRIu64 "\n", whole.need);
	if (text.failed)
		return us_err_nomem();
	return write_below(host, "armed/noted", text.s);
}

struct us_err *us_noted_manifest_write(const struct us_host *host, const char *manifest)
{
	return write_below(host, "armed/manifest", manifest);
}

struct us_err *us_noted_manifest_read(const struct us_host *host, struct us_pool *pool,
				      const char **ret)
{
	_us_blob_deinit_ struct us_blob text = { 0 };

	US_TRY(us_file_read_at(host->root_fd, US_CRASH_STATE_DIR "/armed/manifest", 16 << 20,
			       &text));
	*ret = us_pool_strdup(pool, (const char *)text.p);
	return *ret ? NULL : us_err_nomem();
}

void us_crash_forget_loaded(const struct us_host *host)
{
	_us_err_free_ struct us_err *err = NULL;
	struct us_noted noted = { 0 };

	err = us_noted_read(host, &noted);
	if (!err && noted.boot_id) {
		noted.boot_id = NULL;
		err = us_noted_write(host, &noted);
	}
	us_noted_deinit(&noted);
}

/* ---- what has changed since ---- */

/* Hash of a file of this machine, or why it cannot be read. */
static struct us_err *hash_of(const struct us_host *host, struct us_pool *pool, const char *path,
			      char ret[65])
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	const char *full;

	US_TRY(us_crash_path(host, pool, path, &full));
	US_TRY(us_file_map(full, &file));
	return us_manifest_hash(us_blob_bytes(&file), ret);
}

static struct us_err *compare_file(const struct us_host *host, struct us_texts *changes,
				   const char *what, const char *path, const char *hash)
{
	char now[65];
	struct us_err *err = hash_of(host, changes->pool, path, now);

	if (!err)
		return hash && !strcmp(hash, now)
			       ? NULL
			       : us_texts_add(changes, "%s %s has changed", what, path);
	if (err->code == US_ERR_NOMEM)
		return err;
	us_err_free(err);
	return us_texts_add(changes, "%s %s cannot be read any more", what, path);
}

struct us_err *us_noted_stale(const struct us_host *host, const struct us_noted *noted, bool early,
			      struct us_pool *pool, const char *const **ret)
{
	static const char *const none[] = { NULL };
	struct us_texts changes = { .pool = pool };
	const char *manifest, *const *stale = none;
	_us_err_free_ struct us_err *err = NULL;

	if (noted->kernel)
		US_TRY(compare_file(host, &changes, "the capture kernel", noted->kernel,
				    noted->kernel_hash));
	err = us_noted_manifest_read(host, pool, &manifest);
	if (!err)
		err = us_manifest_stale(host, manifest, early, pool, &stale);
	for (; !err && *stale; stale++)
		err = us_texts_add(&changes, "%s", *stale);
	if (err && err->code == US_ERR_NOMEM)
		return us_steal(&err);
	if (err)
		US_TRY(us_texts_add(&changes, "the image cannot be compared: %s", err->text));
	*ret = changes.n ? changes.v : none;
	return NULL;
}

bool us_noted_is_loaded(const struct us_host *host, const struct us_noted *noted)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *boot_id = us_crash_boot_id(host, &pool);

	return us_known(host->crash_loaded.o) && host->crash_loaded.v && boot_id &&
	       noted->boot_id && !strcmp(boot_id, noted->boot_id);
}

struct us_err *us_crash_kept_read(const struct us_host *host, const char *run_dir,
				  const struct us_arming *arming, struct us_crash_kept *ret)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_noted noted = { 0 };
	_us_err_free_ struct us_err *err = NULL;
	const char *dir = run_dir;
	bool ours;

	if (!us_known(host->crash_loaded.o) || !host->crash_loaded.v)
		return NULL;
	err = us_noted_read(host, &noted);
	ours = !err && us_noted_is_loaded(host, &noted);
	us_noted_deinit(&noted);
	if (ours)
		US_TRY(us_crash_path(host, &pool, US_CRASH_STATE_DIR, &dir));
	return us_armed_load(dir, host, arming ? arming->kernel : NULL,
			     arming ? arming->kernel_hash : NULL, &ret->plan, &ret->image,
			     &ret->initrd);
}

void us_crash_kept_deinit(struct us_crash_kept *kept)
{
	us_plan_free(kept->plan);
	us_initrd_free(kept->initrd);
	us_image_free(kept->image);
	*kept = (struct us_crash_kept){ 0 };
}

/* ---- rehearsals: "SET AT RUNNING CAPTURE PASSED RESERVED AVAILABLE SECONDS RESULT..." ---- */

static const char *word(char **rest)
{
	const char *w = *rest ? strsep(rest, " ") : NULL;

	return w && *w ? w : NULL;
}

static bool number(char **rest, uint64_t *ret)
{
	const char *w = word(rest);

	return w && us_text_u64(w, 10, ret);
}

static bool read_line(char *line, struct us_crash_rehearsed *ret)
{
	uint64_t passed = 0;

	ret->set = word(&line);
	ret->at = word(&line);
	ret->running = word(&line);
	ret->capture = word(&line);
	if (!ret->capture || !number(&line, &passed) || !number(&line, &ret->reserved) ||
	    !number(&line, &ret->available) || !number(&line, &ret->seconds))
		return false;
	ret->passed = passed == 1;
	ret->result = line ? line : "";
	return true;
}

static size_t lines_in(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static struct us_err *read_rehearsals(const struct us_host *host, struct us_pool *pool, char **ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_err *err = us_file_read_at(host->root_fd, US_CRASH_STATE_DIR "/rehearsals",
					     REHEARSALS_MOST, &blob);

	if (err && err->code == US_ERR_NOT_FOUND) {
		us_err_free(err);
		err = NULL;
	}
	if (err)
		return err;
	*ret = us_pool_strdup(pool, blob.p ? (const char *)blob.p : "");
	return *ret ? NULL : us_err_nomem();
}

struct us_err *us_crash_rehearsed_read(const struct us_host *host, struct us_pool *pool,
				       const struct us_crash_rehearsed **ret, size_t *ret_n)
{
	struct us_crash_rehearsed *list;
	char *text, *line;
	size_t n = 0;

	US_TRY(read_rehearsals(host, pool, &text));
	list = us_pool_array(pool, lines_in(text) + 1, sizeof(*list));
	if (!list)
		return us_err_nomem();
	while ((line = strsep(&text, "\n")))
		if (read_line(line, &list[n]))
			n++;
	*ret = list;
	*ret_n = n;
	return NULL;
}

static const char *or_dash(const char *s)
{
	return s && *s ? s : "-";
}

struct us_err *us_crash_rehearsed_note(const struct us_host *host,
				       const struct us_crash_rehearsed *run)
{
	_us_text_deinit_ struct us_text text = { 0 };
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *at = run->at ? run->at : utc_now(&pool), *result = run->result;
	char *old;
	size_t n;

	US_TRY(read_rehearsals(host, &pool, &old));
	for (n = lines_in(old); n >= REHEARSALS_KEPT; n--)
		old = strchr(old, '\n') + 1;
	us_text_add(&text, "%s%s %s %s %s %d %" PRIu64 " %" PRIu64 " %" PRIu64 " ", old,
		    or_dash(run->set), or_dash(at), or_dash(run->running), or_dash(run->capture),
		    run->passed ? 1 : 0, run->reserved, run->available, run->seconds);
	for (; result && *result; result++)
		us_text_add(&text, "%c", *result == '\n' ? ' ' : *result);
	us_text_add(&text, "\n");
	return text.failed ? us_err_nomem() : write_below(host, "rehearsals", text.s);
}
