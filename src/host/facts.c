/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts that are one number or one word in one file of /proc or /sys. A file that is missing or
 * holds something else makes the fact unknown, with the reason.
 */
#include "host/host-int.h"

#include "base/text.h"

#include <string.h>

struct us_fact_tri us_fact_tri_known(const char *path, bool yes)
{
	return (struct us_fact_tri){ .o.path = path, .v = us_tri_of(yes) };
}

struct us_fact_tri us_fact_tri_unknown(const char *path, const char *missing)
{
	return (struct us_fact_tri){ .o = { path, missing }, .v = US_UNKNOWN };
}

struct us_fact_u64 us_fact_u64_known(const char *path, uint64_t v)
{
	return (struct us_fact_u64){ .o.path = path, .v = v };
}

struct us_fact_u64 us_fact_u64_unknown(const char *path, const char *missing)
{
	return (struct us_fact_u64){ .o = { path, missing } };
}

static struct us_fact_u64 number(struct us_host *host, const struct us_blob *blob,
				 struct us_origin from, int base)
{
	struct us_fact_u64 fact = { .o = from };

	if (!us_text_u64((const char *)blob->p, base, &fact.v))
		fact.o.missing = us_host_say(&host->pool, "it holds no number: \"%.40s\"",
					     us_text_strip((char *)blob->p));
	return fact;
}

struct us_fact_u64 us_fact_u64_of(struct us_host *host, enum us_host_file file, int base)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_origin from;

	if (!us_host_read(host, &host->pool, file, NULL, &blob, &from))
		return (struct us_fact_u64){ .o = from };
	return number(host, &blob, from, base);
}

struct us_fact_u64 us_fact_u64_either(struct us_host *host, enum us_host_file file, int base)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_origin from;

	if (!us_host_read_either(host, &host->pool, file, &blob, &from))
		return (struct us_fact_u64){ .o = from };
	return number(host, &blob, from, base);
}

struct us_fact_tri us_fact_yes_no_of(struct us_host *host, enum us_host_file file)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_origin from;
	const char *word;

	if (!us_host_read(host, &host->pool, file, NULL, &blob, &from))
		return us_fact_tri_unknown(from.path, from.missing);
	word = us_text_strip((char *)blob.p);
	if (strcmp(word, "1") == 0 || strcmp(word, "Y") == 0)
		return us_fact_tri_known(from.path, true);
	if (strcmp(word, "0") == 0 || strcmp(word, "N") == 0)
		return us_fact_tri_known(from.path, false);
	return us_fact_tri_unknown(from.path,
				   us_host_say(&host->pool, "neither yes nor no: \"%.40s\"", word));
}

struct us_fact_str us_fact_str_of(struct us_host *host, enum us_host_file file)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_fact_str fact = { .v = "" };

	if (!us_host_read(host, &host->pool, file, NULL, &blob, &fact.o))
		return fact;
	fact.v = us_pool_strdup(&host->pool, us_text_strip((char *)blob.p));
	if (!fact.v) {
		fact.v = "";
		fact.o.missing = "out of memory";
	}
	return fact;
}
