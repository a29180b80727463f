/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy report: what happened in a crash, from a dump and from what the capture left beside it
 * (log.txt, state.txt), or from that alone. A part that cannot be had costs itself only and is said.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cmd/cmd-int.h"
#include "crash/crash.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define KEEP_LINES  500
#define UNKNOWN_MAX 16
#define STACK_MAX   48
#define SYMBOL_MAX  160
#define LEVEL_NONE  8

struct opts {
	bool json, verbose, quick;
	const char *html;
};

static const struct us_option options[] = {
	{ 0, "html", US_OPT_FILE, "FILE.html", "Write one HTML page with pictures, too",
	  offsetof(struct opts, html) },
	{ 0, "quick", US_OPT_FLAG, NULL, "Do not look at the use of memory, page by page",
	  offsetof(struct opts, quick) },
	{ 'v', "verbose", US_OPT_FLAG, NULL, "Show all registers and more of the log",
	  offsetof(struct opts, verbose) },
	US_OPTION_JSON,
	{ 0 },
};

/* The last lines of a log, in a ring. */
struct tail {
	struct us_story_line lines[KEEP_LINES];
	uint64_t n; /* that were said */
};

struct telling {
	struct us_seen seen;
	struct us_panic panic; /* of log.txt */
	struct us_crash_words words;
	struct us_kernel kernel;
	struct us_capture_state state;
	struct tail tail;
	struct us_pool pool;
	const char *unknown[UNKNOWN_MAX + 1];
	size_t n_unknown;
	char *signature;
	struct us_story story;
	bool has_dump;
};

static void tail_deinit(struct tail *t)
{
	for (size_t i = 0; i < KEEP_LINES; i++)
		free((char *)t->lines[i].text);
}

static void telling_free(struct telling **p)
{
	struct telling *t = *p;

	if (!t)
		return;
	us_kernel_deinit(&t->kernel);
	us_seen_deinit(&t->seen);
	us_panic_deinit(&t->panic);
	us_crash_words_deinit(&t->words);
	us_capture_state_deinit(&t->state);
	tail_deinit(&t->tail);
	us_pool_deinit(&t->pool);
	free(t->signature);
	free(t);
}

/* err is consumed; NULL is nothing unknown. */
static void unknown(struct telling *t, const char *what, struct us_err *err)
{
	const char *words = err ? us_pool_format(&t->pool, "%s: %s", what, err->text) : NULL;

	if (words && t->n_unknown < UNKNOWN_MAX)
		t->unknown[t->n_unknown++] = words;
	us_err_free(err);
}

/* ---- the log, of memory or of a file ---- */

static struct us_err *keep_line(struct telling *t, const char *text, size_t n, uint64_t ns,
				uint8_t level)
{
	struct us_story_line *line = &t->tail.lines[t->tail.n % KEEP_LINES];
	const struct us_panic *panic = t->words.panic;
	char *copy = n ? strndup(text, n) : strdup("");

	if (!copy)
		return us_err_nomem();
	for (char *c = copy; *c; c++)
		if (iscntrl((unsigned char)*c) && *c != '\t')
			*c = '?';
	free((char *)line->text);
	*line = (struct us_story_line){ .ns = ns, .level = level, .text = copy };
	t->tail.n++;
	/* words before the first complaint are about something else */
	return ns >= panic->cause_ns ? us_crash_line(&t->words, copy) : NULL;
}

static struct us_err *keep_record(void *data, const struct us_log_record *record)
{
	size_t left = record->text.n;
	const char *text = left ? (const char *)record->text.p : "";

	do {
		const char *end = left ? memchr(text, '\n', left) : NULL;
		size_t n = end ? (size_t)(end - text) : left;

		US_TRY(keep_line(data, text, n, record->ns, record->level));
		text += n + !!end;
		left -= n + !!end;
	} while (left);
	return NULL;
}

/* "<4>[    1.234567][  T12] words": level and caller need not be there. False: it has no time. */
static bool take_prefix(struct us_bytes *line, uint64_t *ret_ns, uint8_t *ret_level)
{
	_us_free_ char *s = strndup((const char *)line->p, line->n < 80 ? line->n : 80);
	unsigned long long seconds, micros;
	int level = LEVEL_NONE, skip = 0, n = 0;

	if (!s)
		return false;
	if (sscanf(s, "<%d>%n", &level, &skip) != 1 || !skip)
		level = LEVEL_NONE, skip = 0;
	if (sscanf(s + skip, "[%llu.%6llu]%n", &seconds, &micros, &n) != 2 || !n)
		return false;
	skip += n;
	n = 0;
	if (sscanf(s + skip, "[%*[ CT0-9]]%n", &n) == 0 && n)
		skip += n;
	skip += s[skip] == ' ';
	*ret_ns = seconds * 1000000000 + micros * 1000;
	*ret_level = level < 0 || level > LEVEL_NONE ? LEVEL_NONE : (uint8_t)(level & 7);
	if (level == LEVEL_NONE)
		*ret_level = LEVEL_NONE;
	*line = us_bytes_clip(*line, (uint64_t)skip, line->n);
	return true;
}

static struct us_err *each_line(struct us_bytes text, us_log_fn fn, void *data, uint64_t *ret_n)
{
	struct us_log_record record = { .level = LEVEL_NONE };

	while (text.n) {
		const uint8_t *end = memchr(text.p, '\n', text.n);
		size_t bytes = end ? (size_t)(end - text.p) : text.n;

		record.text = us_bytes_of(text.p, bytes);
		(void)take_prefix(&record.text, &record.ns, &record.level);
		US_TRY(fn(data, &record));
		record.seq++;
		text = us_bytes_clip(text, bytes + !!end, text.n);
	}
	*ret_n = record.seq;
	return NULL;
}

/* The word behind "Linux version " in a log. */
static const char *release_in(struct us_pool *pool, struct us_bytes text)
{
	static const char said[] = "Linux version ";
	size_t at = us_bytes_find(text, 0, said, sizeof(said) - 1), n = 0;
	const char *from;

	if (at == SIZE_MAX)
		return NULL;
	at += sizeof(said) - 1;
	from = (const char *)text.p + at;
	while (at + n < text.n && n < 65 && isgraph((unsigned char)from[n]))
		n++;
	return n ? us_pool_strndup(pool, from, n) : NULL;
}

static struct us_err *log_of_text(struct telling *t, struct us_bytes text)
{
	uint64_t n;

	US_TRY(each_line(text, us_panic_look, &t->panic, &n));
	t->words.panic = &t->panic;
	US_TRY(each_line(text, keep_record, t, &n));
	if (!t->words.release)
		t->words.release = release_in(&t->pool, text);
	t->story.log = (struct us_log_stats){ .records = n };
	t->story.has_log = true;
	return NULL;
}

/* ---- the dump ---- */

static const char *filled(const char *s)
{
	return s && *s ? s : NULL;
}

/* Where a call returns to: if it never does, that may be the next function's first byte. */
static bool return_name(struct us_symbols *symbols, uint64_t virt, char name[SYMBOL_MAX])
{
	char call[SYMBOL_MAX], *plus, *end;
	unsigned long long offset;

	if (!us_symbols_at(symbols, virt - 1, call, sizeof(call)))
		return false;
	plus = strstr(call, "+0x");
	if (!plus)
		return false;
	*plus = 0;
	offset = strtoull(plus + 3, &end, 16);
	return snprintf(name, SYMBOL_MAX, "%s+0x%llx%s", call, offset + 1, end) < SYMBOL_MAX;
}

/* The stack of the CPU that took the dump: the one whose task panicked, else the first. */
static struct us_err *look_stack(struct telling *t)
{
	const struct us_vmcore *core = t->seen.opened.core;
	const char **names = us_pool_array(&t->pool, STACK_MAX, sizeof(*names));
	uint64_t found[STACK_MAX];
	struct us_cpu cpu, own = { 0 };
	bool any = false;
	size_t n;

	if (!names)
		return us_err_nomem();
	for (size_t i = 0; i < core->n_notes; i++) {
		if (!us_vmcore_cpu(core, &core->notes[i], &cpu))
			continue;
		if (!any || (t->seen.panic.has_cpu && cpu.pid == t->seen.panic.pid))
			own = cpu;
		any = true;
	}
	if (!any)
		return us_err_new(US_ERR_NOT_FOUND, "the dump has no registers");
	if (!t->seen.info.symbols)
		return us_err_new(US_ERR_NOT_FOUND, "the dump gives no names of functions");
	n = us_symbols_stack(t->seen.info.symbols, own.regs[own.sp], found, STACK_MAX);
	for (size_t i = 0; i < n; i++) {
		char name[SYMBOL_MAX];

		if (!return_name(t->seen.info.symbols, found[i], name))
			continue;
		names[t->story.n_stack] = us_pool_strdup(&t->pool, name);
		if (!names[t->story.n_stack++])
			return us_err_nomem();
	}
	t->story.stack = names;
	return n ? NULL : us_err_new(US_ERR_NOT_FOUND, "no return address can be read there");
}

static struct us_err *look_dump(struct telling *t, const struct opts *o, char **paths, size_t n,
				struct us_progress *progress)
{
	unsigned int wish =
		(o->quick ? US_SEE_QUICK : 0) | (o->html && !o->quick ? US_SEE_PICTURE : 0);
	struct us_seen *seen = &t->seen;
	struct us_log_stats stats;

	US_TRY(us_seen_look(paths, n, wish, progress, seen));
	t->has_dump = true;
	t->story.info = &seen->info;
	t->story.picture = seen->info.scan ? seen->picture : NULL;
	t->words.panic = &seen->panic;
	t->words.release = filled(seen->opened.core->release);
	t->words.nodename = filled(seen->opened.core->uts[1]);
	if (t->words.nodename && !strcmp(t->words.nodename, "(none)"))
		t->words.nodename = NULL; /* a machine without a name */
	t->words.crash_time = seen->opened.core->crash_time;
	if (seen->scan_problem)
		unknown(t, "memory by class",
			us_err_new(US_ERR_NOT_FOUND, "%s", seen->scan_problem->text));
	if (seen->log_problem || !seen->opened.layout)
		return NULL;
	t->story.has_log = true;
	t->story.log = seen->log;
	US_TRY(us_vmcore_log(seen->opened.core, seen->opened.layout, keep_record, t, &stats));
	unknown(t, "taint, modules and tasks by memory",
		us_kernel_look(seen->opened.core, seen->opened.layout, &t->kernel));
	t->story.kernel = t->kernel.notes ? &t->kernel : NULL;
	for (const char *const *note = t->kernel.notes; note && *note; note++)
		unknown(t, "by memory", us_err_new(US_ERR_NOT_FOUND, "%s", *note));
	unknown(t, "stack", look_stack(t));
	return NULL;
}

/* ---- what lies beside it ---- */

enum part { PART_DUMP, PART_LOG, PART_STATE, PARTS };

/* Names in a saved crash, the best first; what ends in '*' is a beginning. */
static const char *const names[PARTS][5] = {
	[PART_DUMP] = { "dump", "dump.incomplete", "vmcore", "vmcore-incomplete", "dump.*" },
	[PART_LOG] = { "log.txt", "vmcore-dmesg.txt", "dmesg.txt", "dmesg.*" },
	[PART_STATE] = { "state.txt" },
};

static bool is_called(const char *name, const char *pattern)
{
	size_t n = strcspn(pattern, "*");

	return pattern[n] ? !strncmp(name, pattern, n) : !strcmp(name, pattern);
}

static struct us_err *find_parts(const char *folder, struct us_pool *pool, const char *ret[PARTS])
{
	_us_closedir_ DIR *dir = opendir(folder);
	size_t rank[PARTS] = { SIZE_MAX, SIZE_MAX, SIZE_MAX };
	struct dirent *entry;

	if (!dir)
		return us_err_os(errno, "opening %s", folder);
	while ((entry = readdir(dir)))
		for (size_t part = 0; part < PARTS; part++)
			for (size_t i = 0; i < us_array_size(names[part]) && i < rank[part]; i++) {
				if (!names[part][i] || !is_called(entry->d_name, names[part][i]))
					continue;
				ret[part] = us_pool_format(pool, "%s/%s", folder, entry->d_name);
				if (!ret[part])
					return us_err_nomem();
				rank[part] = i;
			}
	return NULL;
}

static struct us_err *take_log(struct telling *t, const char *path)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };

	US_TRY(us_file_map(path, &blob));
	return log_of_text(t, us_blob_bytes(&blob));
}

static struct us_err *take_state(struct telling *t, const char *path)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_timeline *line = &t->story.capture;
	const char *total;

	US_TRY(us_file_map(path, &blob));
	US_TRY(us_capture_state_parse(us_blob_bytes(&blob), &t->state));
	US_TRY(us_cmd_timeline(&t->state, &t->pool, line));
	total = us_capture_state_text(&t->state, "memory_total", 0);
	if (total)
		(void)us_text_u64(total, 10, &line->total_bytes);
	t->story.state_keys = t->state.keys;
	t->story.state_values = t->state.values;
	t->story.n_state = t->state.n;
	return NULL;
}

/* "20260102-030405-6.12.0" says when; so does a name of a folder. */
static uint64_t time_of_name(const char *name)
{
	struct tm tm = { 0 };
	const char *end = name ? strptime(name, "%Y%m%d-%H%M%S-", &tm) : NULL;
	time_t when = end ? timegm(&tm) : 0;

	return when > 0 ? (uint64_t)when : 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The folder in which the other parts of a saved crash lie: NULL if path is no such part. */
static char *folder_of(struct us_pool *pool, const char *path)
{
	size_t n = strlen(path);
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		while (n > 1 && path[n - 1] == '/')
			n--;
		return us_pool_strndup(pool, path, n);
	}
	n = (size_t)(base_name(path) - path);
	for (size_t part = 0; part < PARTS; part++)
		for (size_t i = 0; i < us_array_size(names[part]); i++)
			if (names[part][i] && is_called(base_name(path), names[part][i]))
				return n ? us_pool_strndup(pool, path, n > 1 ? n - 1 : 1)
					 : us_pool_strdup(pool, ".");
	return NULL;
}

static struct us_err *gather(struct telling *t, const struct opts *o, char **paths, size_t n,
			     struct us_progress *progress)
{
	const char *parts[PARTS] = { 0 };
	const char *folder = folder_of(&t->pool, paths[0]);
	struct stat st;
	bool is_folder = !stat(paths[0], &st) && S_ISDIR(st.st_mode);

	t->words.panic = &t->panic;
	if (folder)
		US_TRY(find_parts(folder, &t->pool, parts));
	if (!is_folder && parts[PART_LOG] &&
	    is_called(base_name(paths[0]), base_name(parts[PART_LOG])))
		parts[PART_DUMP] = NULL; /* the log itself was asked for */
	else if (!is_folder)
		US_TRY(look_dump(t, o, paths, n, progress));
	else if (parts[PART_DUMP])
		unknown(t, "dump", look_dump(t, o, (char **)&parts[PART_DUMP], 1, progress));
	else
		unknown(t, "dump", us_err_new(US_ERR_NOT_FOUND, "there is none in %s", folder));
	if (!t->story.has_log && parts[PART_LOG])
		unknown(t, "log", take_log(t, parts[PART_LOG]));
	else if (!t->story.has_log)
		unknown(t, "log",
			us_err_new(US_ERR_NOT_FOUND, "%s",
				   t->seen.log_problem ? t->seen.log_problem->text
						       : "there is none"));
	if (parts[PART_STATE])
		unknown(t, "capture", take_state(t, parts[PART_STATE]));
	if (!t->words.crash_time)
		t->words.crash_time = time_of_name(us_capture_state_text(&t->state, "crash", 0));
	if (!t->words.crash_time && folder)
		t->words.crash_time = time_of_name(base_name(folder));
	return NULL;
}

/* The story is what was gathered, the ring of lines put straight. */
static struct us_err *finish(struct telling *t, const char *path)
{
	struct us_story *s = &t->story;
	size_t n = t->tail.n < KEEP_LINES ? (size_t)t->tail.n : KEEP_LINES;
	struct us_story_line *lines = us_pool_array(&t->pool, n + 1, sizeof(*lines));

	if (!lines)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++)
		lines[i] = t->tail.lines[(t->tail.n - n + i) % KEEP_LINES];
	s->path = path;
	s->words = &t->words;
	s->lines = lines;
	s->n_lines = n;
	if (t->words.panic->panic || t->words.panic->cause)
		US_TRY(us_crash_signature(t->words.panic, &t->signature));
	s->signature = t->signature;
	s->unknown = t->unknown;
	s->exit = US_EXIT_OK;
	if (!s->has_log)
		s->exit = US_EXIT_UNKNOWN;
	else if (t->has_dump && (t->seen.info.core->incomplete || t->seen.info.states[US_PAGE_LOST]))
		s->exit = US_EXIT_BLOCKED;
	t->seen.info.exit = s->exit;
	return NULL;
}

static struct us_err *write_page(const char *path, const struct us_story *story)
{
	_us_fclose_ FILE *f = NULL;

	US_TRY(us_file_private(path, &f));
	US_TRY(us_html_story(f, story));
	return fflush(f) ? us_err_os(errno, "writing %s", path) : NULL;
}

static int run(void *opts, int argc, char **argv)
{
	__attribute__((cleanup(telling_free))) struct telling *t = calloc(1, sizeof(*t));
	struct us_progress_line line;
	const struct opts *o = opts;
	struct us_err *err;
	struct us_out out;

	if (!t)
		return us_cmd_fail(us_err_nomem(), o->json);
	us_progress_line_init(&line, stderr);
	err = gather(t, o, argv, (size_t)argc, &line.p);
	us_progress_line_end(&line);
	if (!err)
		err = finish(t, argv[0]);
	if (!err && o->html)
		err = write_page(o->html, &t->story);
	if (err)
		return us_cmd_fail(err, o->json);
	if (o->json)
		return us_cmd_json(us_json_story(&t->story), t->story.exit);
	us_out_init(stdout, &out);
	out.verbose = o->verbose;
	us_report_story(&out, &t->story);
	return t->story.exit;
}

const struct us_cmd us_cmd_report = {
	.name = "report",
	.args = "DUMP|DIR",
	.brief = "Tell what happened in a crash, from its dump or from what was saved of it",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
