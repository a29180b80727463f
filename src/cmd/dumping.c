/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What dump and convert share: words -> a wish, open, write, report. Where the kernel in the dump
 * cannot be understood its pages cannot be told apart: then all of them are kept and the report
 * says so, for a large dump is better than none.
 */
#include "cmd/cmd-int.h"

#include "base/text.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LEVEL_ALL     31
#define LEVEL_KERNEL  (LEVEL_ALL & ~US_DUMP_ZERO) /* bits that need to know the kernel */
#define JOBS_MOST     1024
#define DEADLINE_MOST (30 * 86400)

static struct us_err *number(const char *word, const char *value, uint64_t least, uint64_t most,
			     uint64_t *ret) us_must_check;
static struct us_err *number(const char *word, const char *value, uint64_t least, uint64_t most,
			     uint64_t *ret)
{
	uint64_t v;

	if (!us_text_u64(value, 10, &v) || v < least || v > most)
		return us_err_new(US_ERR_USAGE, "%s: \"%s\" is no number from %llu to %llu", word,
				  value, (unsigned long long)least, (unsigned long long)most);
	*ret = v;
	return NULL;
}

/* "free,zero,user" -> bits */
static struct us_err *classes(const char *words, unsigned int *ret)
{
	static const struct {
		const char *name;
		unsigned int bits;
	} names[] = {
		{ "free", US_DUMP_FREE },
		{ "zero", US_DUMP_ZERO },
		{ "cache", US_DUMP_CACHE },
		{ "cache-private", US_DUMP_CACHE_PRIVATE | US_DUMP_CACHE },
		{ "user", US_DUMP_USER },
		{ "all", LEVEL_ALL },
		{ "none", 0 },
	};
	unsigned int level = 0;

	for (const char *w = words; *w;) {
		size_t n = strcspn(w, ","), i = 0;

		while (i < us_array_size(names) &&
		       (strlen(names[i].name) != n || strncmp(names[i].name, w, n)))
			i++;
		if (i == us_array_size(names))
			return us_err_new(US_ERR_USAGE,
					  "--exclude: there is no class \"%.*s\" (free, zero, "
					  "cache, cache-private, user, all, none)",
					  (int)n, w);
		level |= names[i].bits;
		w += n + (w[n] == ',');
	}
	*ret = level;
	return NULL;
}

static struct us_err *level_of(const struct us_dump_ask *ask, unsigned int *ret)
{
	uint64_t v = ask->convert ? 0 : LEVEL_ALL;

	if (ask->level && ask->exclude)
		return us_err_new(US_ERR_USAGE, "--level and --exclude say the same: give one");
	if (ask->exclude)
		return classes(ask->exclude, ret);
	if (ask->level)
		US_TRY(number("--level", ask->level, 0, LEVEL_ALL, &v));
	*ret = (unsigned int)v;
	return NULL;
}

static struct us_err *format_of(const char *word, bool streams, enum us_dump_format *ret)
{
	static const struct {
		const char *name;
		enum us_dump_format format;
	} names[] = { { "kdump", US_DUMP_KDUMP }, { "elf", US_DUMP_ELF }, { "flat", US_DUMP_FLAT } };

	if (!word) {
		*ret = streams ? US_DUMP_FLAT : US_DUMP_KDUMP;
		return NULL;
	}
	if (streams && !strcmp(word, "kdump"))
		return us_err_new(US_ERR_USAGE,
				  "--format kdump needs a file that can be written out of order; "
				  "use flat to stream it");
	for (size_t i = 0; i < us_array_size(names); i++)
		if (!strcmp(names[i].name, word)) {
			*ret = names[i].format;
			return NULL;
		}
	return us_err_new(US_ERR_USAGE, "--format: there is no format \"%s\" (kdump, elf, flat)",
			  word);
}

static struct us_err *wish_of(const struct us_dump_ask *ask, bool streams, struct us_dump_wish *ret)
{
	struct us_dump_wish w = {
		.codec = US_PAGE_LZO,
		.limit = ask->limit,
		.estimate = ask->estimate,
		.no_sync = ask->no_sync,
		.overwrite = ask->force,
		.stored = ask->convert && !ask->codec,
	};
	uint64_t v = 0;

	US_TRY(level_of(ask, &w.level));
	US_TRY(format_of(ask->format, streams, &w.format));
	if (ask->codec && !us_page_codec_parse(ask->codec, &w.codec, &w.codec_level))
		return us_err_new(US_ERR_USAGE,
				  "--codec: there is no codec \"%s\" here (none, lzo, zlib[:1-12], "
				  "snappy, zstd[:LEVEL], auto)",
				  ask->codec);
	if (ask->codec && w.format == US_DUMP_ELF && w.codec != US_PAGE_RAW)
		return us_err_new(US_ERR_USAGE, "--codec: pages of an ELF core are not packed");
	if (ask->jobs)
		US_TRY(number("--jobs", ask->jobs, 1, JOBS_MOST, &v));
	w.jobs = (unsigned int)v;
	v = 0;
	if (ask->deadline)
		US_TRY(number("--deadline", ask->deadline, 1, DEADLINE_MOST, &v));
	w.deadline_s = (unsigned int)v;
	*ret = w;
	return NULL;
}

static struct us_err *progress_fd_of(const char *word, int *ret)
{
	uint64_t v = 0;

	if (!word)
		return NULL;
	US_TRY(number("--progress-fd", word, 0, INT32_MAX, &v));
	if (fcntl((int)v, F_GETFL) < 0)
		return us_err_new(US_ERR_USAGE, "--progress-fd: descriptor %s is not open", word);
	*ret = (int)v;
	return NULL;
}

unsigned int us_dumping_level(const struct us_opened *opened, unsigned int level,
			      const struct us_err **ret_blind)
{
	*ret_blind = level & LEVEL_KERNEL ? opened->layout_problem : NULL;
	return *ret_blind ? level & ~(unsigned int)LEVEL_KERNEL : level;
}

/* The end: what was written, in words or as JSON; a stream has standard output for itself. */
static int finish(const struct us_dump_ask *ask, const struct us_dump_report *report, bool streams)
{
	FILE *f = streams ? stderr : stdout;
	struct us_err *err;
	struct us_out out;

	if (!ask->json) {
		us_out_init(f, &out);
		us_report_dump(&out, report);
		return report->exit;
	}
	err = us_json_print(f, us_json_dump(report));
	return err ? us_cmd_fail(err, false) : report->exit;
}

static struct us_err *write_it(const struct us_dump_report *r, const struct us_layout *layout,
			       int progress_fd, struct us_dump_result *result) us_must_check;
static struct us_err *write_it(const struct us_dump_report *r, const struct us_layout *layout,
			       int progress_fd, struct us_dump_result *result)
{
	struct us_progress_line line;
	struct us_err *err;

	us_progress_line_init(&line, stderr);
	line.fd = progress_fd;
	err = us_dump_write(r->core, layout, r->wish, r->path ? r->path : "-", STDOUT_FILENO,
			    &line.p, result);
	us_progress_line_end(&line);
	return err;
}

int us_dumping_do(const struct us_dump_ask *ask, int argc, char **argv)
{
	size_t n_in = (size_t)argc - (ask->estimate ? 0 : 1);
	const char *path = ask->estimate || !argc ? NULL : argv[argc - 1];
	bool streams = path && !strcmp(path, "-");
	_us_dump_result_free_ struct us_dump_result result = { 0 };
	_us_opened_deinit_ struct us_opened in = { 0 };
	struct us_dump_wish wish = { 0 };
	int progress_fd = -1;
	struct us_err *err;

	if (!n_in)
		return us_cmd_fail(us_err_new(US_ERR_USAGE, "from where, and to where? (IN... OUT)"),
				   ask->json);
	err = wish_of(ask, streams, &wish);
	if (!err)
		err = progress_fd_of(ask->progress_fd, &progress_fd);
	if (!err && streams && isatty(STDOUT_FILENO))
		err = us_err_new(US_ERR_USAGE,
				 "a dump is nothing for a terminal: pipe it somewhere");
	if (!err)
		err = us_opened_open(argv, n_in, &in);
	if (err)
		return us_cmd_fail(err, ask->json);

	struct us_dump_report report = {
		.core = in.core, .wish = &wish, .result = &result, .path = path
	};

	report.level = wish.level;
	wish.level = us_dumping_level(&in, wish.level, &report.blind);
	err = write_it(&report, in.layout, progress_fd, &result);
	if (err)
		return us_cmd_fail(err, ask->json);
	report.exit = result.complete ? US_EXIT_OK : US_EXIT_BLOCKED;
	return finish(ask, &report, streams);
}
