/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usage: target SECONDS TARGET put CRASH NAME FILE | get CRASH NAME | dump CRASH CORE [give-up] |
 *        list | remove CRASH | probe BYTES | free
 *
 * The functions of target/target.h one at a time, for tests with real servers. An error is written
 * to standard error and ends it with 1 + its code.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "dump/dump.h"
#include "target/target.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct us_err *put(struct us_target *t, char **argv)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };

	US_TRY(us_file_map(argv[2], &blob));
	return us_target_put(t, argv[0], argv[1], us_blob_bytes(&blob));
}

static struct us_err *get(struct us_target *t, char **argv)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };

	US_TRY(us_target_get(t, argv[0], argv[1], 1u << 30, &blob));
	fwrite(blob.p, 1, blob.n, stdout);
	return NULL;
}

static struct us_err *write_dump(struct us_target *t, const char *crash,
				 const struct us_vmcore *core, struct us_dump_result *r)
{
	struct us_dump_wish wish = { .codec = US_PAGE_LZO,
				     .level = US_DUMP_ZERO,
				     .overwrite = true };
	struct us_sink *sink;
	struct us_err *err;
	const char *path;

	US_TRY(us_target_dump_begin(t, crash, &path, &sink));
	if (path)
		return us_dump_write(core, NULL, &wish, path, -1, NULL, r);
	wish.format = sink->order == US_SINK_STREAM ? US_DUMP_FLAT : US_DUMP_KDUMP;
	err = us_dump_to(core, NULL, &wish, sink, NULL, r);
	if (!err || err->code != US_ERR_NO_ROOM || sink->order != US_SINK_HEAD_LAST)
		return err;
	us_err_free(err);
	wish.format = US_DUMP_FLAT;
	return us_dump_to(core, NULL, &wish, sink, NULL, r);
}

static struct us_err *dump(struct us_target *t, char **argv)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_vmcore *core = NULL;
	struct us_dump_result r = { 0 };
	const char *const path = argv[1], *where = "";
	struct us_err *err = us_vmcore_open(&path, 1, &core);

	if (!err)
		err = write_dump(t, argv[0], core, &r);
	us_vmcore_free(core);
	if (err)
		return err;
	err = us_target_dump_end(t, !argv[2], &pool, &where);
	if (!err)
		printf("%s\n%" PRIu64 " bytes, %s, %.3f s\n", where, r.bytes_out,
		       r.complete ? "complete" : r.stopped, r.seconds);
	us_dump_result_deinit(&r);
	return err;
}

static struct us_err *list(struct us_target *t, char **argv)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_saved *saved;
	size_t n;

	(void)argv;
	US_TRY(us_target_list(t, &pool, &saved, &n));
	for (size_t i = 0; i < n; i++)
		printf("%s %" PRIu64 "%s%s%s\n", saved[i].crash, saved[i].bytes,
		       saved[i].has_dump ? " dump" : "", saved[i].incomplete ? " incomplete" : "",
		       saved[i].has_log ? " log" : "");
	return NULL;
}

static struct us_err *drop(struct us_target *t, char **argv)
{
	return us_target_remove(t, argv[0]);
}

static struct us_err *probe(struct us_target *t, char **argv)
{
	struct us_probe p = { 0 };

	US_TRY(us_target_probe(t, strtoul(argv[0], NULL, 10), &p));
	for (const char *const *step = p.steps; *step; step++)
		printf("%s\n", *step);
	us_probe_deinit(&p);
	return NULL;
}

static struct us_err *room(struct us_target *t, char **argv)
{
	uint64_t bytes;

	(void)argv;
	US_TRY(us_target_free_bytes(t, &bytes));
	printf("%" PRIu64 "\n", bytes);
	return NULL;
}

static const struct {
	const char *name;
	int args;
	struct us_err *(*run)(struct us_target *t, char **argv);
} verbs[] = {
	{ "put", 3, put },     { "get", 2, get },     { "dump", 2, dump }, { "list", 0, list },
	{ "remove", 1, drop }, { "probe", 1, probe }, { "free", 0, room },
};

static struct us_err *run(char **argv, int n)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	_us_target_close_ struct us_target *t = NULL;
	struct us_target_spec spec;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	US_TRY(us_target_parse(argv[1], &pool, &spec));
	US_TRY(us_target_open(
		&spec, "", ((uint64_t)now.tv_sec + strtoul(argv[0], NULL, 10)) * 1000000000u, &t));
	for (size_t i = 0; i < us_array_size(verbs); i++)
		if (!strcmp(verbs[i].name, argv[2]) && n >= 3 + verbs[i].args)
			return verbs[i].run(t, argv + 3);
	return us_err_new(US_ERR_USAGE, "%s is not known, or lacks words", argv[2]);
}

int main(int argc, char **argv)
{
	_us_err_free_ struct us_err *err =
		argc < 4 ? us_err_new(US_ERR_USAGE, "see the source") : run(argv + 1, argc - 1);

	if (!err)
		return 0;
	fprintf(stderr, "target: %s\n", err->text);
	return 1 + (int)err->code;
}
