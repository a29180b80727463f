/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules about the memory reserved by crashkernel=: is it there, is it large enough to load into and
 * to run in, is some of it below 4 GiB, were its words understood. Linux 6.12
 * kernel/crash_reserve.c, kernel/crash_core.c; Documentation/admin-guide/kdump/kdump.rst. What a
 * capture kernel needs while it runs is an estimate and never blocks.
 */
#include "check/check-int.h"
#include "base/text.h"

#include <string.h>

#define MIB   UINT64_C(0x100000)
#define GIB_4 UINT64_C(0x100000000)
/* purgatory, boot parameters, control pages, page tables */
#define SMALL_PARTS MIB
/* what Linux reserves below 4 GiB by itself: max(swiotlb + 8 MiB, 256 MiB) */
#define DEFAULT_LOW (256 * MIB)
/* user space, drivers and caches of a small capture system */
#define RUNTIME_BYTES (64 * MIB)

static const char *shown(const struct us_host *host)
{
	return us_known(host->crashkernel.o) && *host->crashkernel.v ? host->crashkernel.v
								     : "no crashkernel=";
}

static enum us_result reservation_missing(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;

	if (!us_known(host->crash_size.o) && !host->n_crash)
		return us_missing(d, host->crash_size.o);
	us_fact(d, "%zu reserved ranges, kexec_crash_size = %" PRIu64 ", with %s", host->n_crash,
		host->crash_size.v, shown(host));
	us_read(d, "%s; %s", us_path(host->crash_size.o), us_path(host->crashkernel.o));
	if (us_known(host->crashkernel.o) && *host->crashkernel.v)
		us_remedy(d,
			  strchr(host->crashkernel.v, '@')
				  ? "Take the address (@...) off %s: that place was not free"
				  : "Reserve less or elsewhere than %s, which the kernel could "
				    "not do; its boot messages name the reason",
			  host->crashkernel.v);
	return us_fail_if(host->n_crash == 0 && host->crash_size.v == 0);
}

/* Which kinds of words there are. */
struct words {
	bool plain, split, cma;
	uint64_t size; /* of the last plain word; 0 for a list of ranges */
};

static uint64_t plain_size(const char *word, bool *ret_plain)
{
	const char *value = strchr(word, '='), *end;
	uint64_t size = 0;

	*ret_plain = true;
	return us_text_memsize(value ? value + 1 : word, &end, &size) && (!*end || *end == '@')
		       ? size
		       : 0;
}

static struct words sort_words(const char *s)
{
	struct words w = { 0 };
	char word[128];

	while (*s) {
		size_t n = strcspn(s, " \t\n");

		if (n > 0 && n < sizeof(word)) {
			memcpy(word, s, n);
			word[n] = '\0';
			if (strstr(word, ",high") || strstr(word, ",low"))
				w.split = true;
			else if (strstr(word, ",cma"))
				w.cma = true;
			else
				w.size = plain_size(word, &w.plain);
		}
		s += n;
		s += strspn(s, " \t\n");
	}
	return w;
}

/* kexec_crash_size is the sum of both ranges since Linux 6.9, the main one alone before. */
static bool is_sum(const struct us_host *host)
{
	return us_release_before(host->release.v, 6, 9) != US_YES;
}

/* Only one range, the size that a plain word asked for: then it lies below 4 GiB. */
static bool is_one_range(const struct us_host *host)
{
	struct words w = sort_words(host->crashkernel.v);

	return is_sum(host) && w.size && w.size == host->crash_size.v;
}

/* The range that images are loaded into: the highest one; a lower one is for devices only. 0 if its
 * size is not known. */
static uint64_t main_bytes(const struct us_host *host)
{
	if (host->n_crash)
		return host->crash[host->n_crash - 1].size;
	return is_one_range(host) || !is_sum(host) ? host->crash_size.v : 0;
}

static uint64_t load_bytes(const struct us_case *c)
{
	const struct us_host *host = c->host;
	uint64_t need = us_run_bytes(c->image) + SMALL_PARTS;

	need += c->initrd ? c->initrd->bytes.n : 0;
	need += us_known(host->elfcorehdr_size.o) ? host->elfcorehdr_size.v : 0;
	return need;
}

static bool has_crash_memory(const struct us_host *host)
{
	return host->n_crash > 0 || (us_known(host->crash_size.o) && host->crash_size.v > 0);
}

static enum us_result too_small(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;
	uint64_t need = load_bytes(c), have = main_bytes(host);
	char a[US_TEXT_SIZE_MAX], b[US_TEXT_SIZE_MAX];

	if (!has_crash_memory(host))
		return US_NOT_APPLICABLE; /* reservation.missing says it */
	us_read(d, "%s; %s", host->n_crash ? us_path(host->map_from) : us_path(host->crash_size.o),
		c->image->path);
	us_remedy(d, "Reserve more than %s: this image and initrd alone need %s", shown(host),
		  us_text_size(need, a));
	if (have) {
		us_fact(d, "image, initrd and tables need %s, the reservation has %s",
			us_text_size(need, a), us_text_size(have, b));
		return us_fail_if(need > have);
	}
	/* only the sum of both ranges is known */
	us_fact(d, "image, initrd and tables need %s, all reservations together have %s",
		us_text_size(need, a), us_text_size(host->crash_size.v, b));
	if (need > host->crash_size.v)
		return US_FAIL;
	if (need + DEFAULT_LOW <= host->crash_size.v)
		return US_PASS;
	return us_missing(d, host->map_from);
}

static enum us_result tight(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;
	uint64_t packed = c->initrd ? c->initrd->bytes.n : 0;
	uint64_t unpacked = c->initrd ? c->initrd->unpacked_bytes : 0, have = 0, need;
	char a[US_TEXT_SIZE_MAX], b[US_TEXT_SIZE_MAX];

	if (!has_crash_memory(host))
		return US_NOT_APPLICABLE;
	for (size_t i = 0; i < host->n_crash; i++)
		have += host->crash[i].size;
	if (!have)
		have = host->crash_size.v;
	if (c->need_bytes) {
		us_fact(d, "the capture needs about %s; reserved are %s",
			us_text_size(c->need_bytes, a), us_text_size(have, b));
		us_read(d, "%s; %s", us_path(host->crash_size.o), c->image->path);
		return us_fail_if(c->need_bytes > have);
	}
	if (packed && !unpacked)
		unpacked = 3 * packed;
	/* struct page and the like take a 64th */
	need = us_run_bytes(c->image) + packed + unpacked + RUNTIME_BYTES + have / 64;
	if (c->image->caps[US_CAP_KASAN].v == US_YES)
		need += have / 8;
	us_fact(d,
		"kernel, initrd packed and unpacked, and %s to work in come to about %s; reserved "
		"are %s",
		us_text_size(RUNTIME_BYTES, a), us_text_size(need, b),
		us_text_size(have, (char[US_TEXT_SIZE_MAX]){ 0 }));
	us_read(d, "%s; %s", us_path(host->crash_size.o), c->image->path);
	return us_fail_if(need > have);
}

static enum us_result no_low_memory(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;

	if (!has_crash_memory(host))
		return US_NOT_APPLICABLE;
	if (!host->n_crash && is_one_range(host))
		return US_PASS;
	if (!host->n_crash)
		return us_missing(d, host->map_from);
	us_fact(d, "the lowest reserved range starts at 0x%" PRIx64, host->crash[0].start);
	us_read(d, "%s", us_path(host->map_from));
	return us_fail_if(host->crash[0].start >= GIB_4);
}

static enum us_result words_ignored(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_str *f = &c->host->crashkernel;
	struct words w = sort_words(f->v);

	if (!us_known(f->o))
		return us_missing(d, f->o);
	us_fact(d, "%s", shown(c->host));
	us_read(d, "%s", us_path(f->o));
	return us_fail_if(w.plain && w.split);
}

static enum us_result cma(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_str *f = &c->host->crashkernel;

	if (!us_known(f->o))
		return us_missing(d, f->o);
	us_fact(d, "%s", shown(c->host));
	us_read(d, "%s", us_path(f->o));
	return us_fail_if(sort_words(f->v).cma);
}

static const struct us_rule rules[] = {
	{
		.id = "reservation.missing",
		.severity = US_BLOCK,
		.when = US_ON_CRASH,
		.role = US_ROLE_PANIC,
		.needs = US_NEEDS_HOST,
		.says = "No memory is reserved for a crash kernel",
		.fix = "Add crashkernel=256M (or more) to this kernel's command line and reboot",
		.see = "Documentation/admin-guide/kdump/kdump.rst; EADDRNOTAVAIL",
		.test = reservation_missing,
	},
	{
		.id = "reservation.too-small",
		.severity = US_BLOCK,
		.when = US_ON_CRASH,
		.role = US_ROLE_PANIC,
		.needs = US_NEEDS_HOST | US_NEEDS_IMAGE,
		.unknown_ok = true,
		.says = "The image does not fit into the memory reserved for a crash kernel",
		.fix = "Reserve more by crashkernel= and reboot, or use a smaller image or initrd",
		.see = "kernel/kexec_file.c (Linux 6.12): EADDRNOTAVAIL, without a message",
		.test = too_small,
	},
	{
		.id = "reservation.tight",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.needs = US_NEEDS_HOST | US_NEEDS_IMAGE,
		.says = "The capture kernel will probably run out of memory (an estimate)",
		.fix = "Reserve more by crashkernel= and reboot, or use a smaller initrd",
		.see = "Documentation/admin-guide/kdump/kdump.rst",
		.test = tight,
	},
	{
		.id = "reservation.no-low-memory",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.arch = US_X86,
		.needs = US_NEEDS_HOST,
		.says = "No memory below 4 GiB is reserved: devices that reach no further, and the "
			"bounce buffers for them, will not work in the capture kernel",
		.fix = "Add crashkernel=256M,low",
		.see = "kernel/crash_reserve.c (Linux 6.12); "
		       "Documentation/admin-guide/kernel-parameters.txt: crashkernel=size,low",
		.test = no_low_memory,
	},
	{
		.id = "reservation.words-ignored",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_PANIC,
		.needs = US_NEEDS_HOST,
		.says = "crashkernel=...,high and ...,low are read only when there is no plain "
			"crashkernel=",
		.fix = "Keep either the plain word or the ,high and ,low pair",
		.see = "kernel/crash_reserve.c (Linux 6.12): parse_crashkernel()",
		.test = words_ignored,
	},
	{
		.id = "reservation.cma",
		.severity = US_NOTE,
		.when = US_ON_CRASH,
		.role = US_ROLE_PANIC,
		.needs = US_NEEDS_HOST,
		.says = "Part of the reservation is shared with user space (,cma): those pages are not "
			"in a dump, and devices may still write into them",
		.fix = "Reserve without ,cma if user pages matter",
		.see = "Documentation/admin-guide/kdump/kdump.rst (Linux 6.17)",
		.test = cma,
	},
};

const struct us_rule_table us_rules_reservation = US_RULE_TABLE(rules);
