/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for the parsers of host/: the first byte chooses one, the rest is its text. Beyond
 * not crashing: maps stay sorted and apart, words and what is found stay inside their text.
 */
#include "fuzz.h"

#include "host/host-int.h"

#include <stdlib.h>
#include <string.h>

static void fuzz_iomem(struct us_bytes text)
{
	_us_iomem_deinit_ struct us_iomem iomem = { 0 };
	_us_err_free_ struct us_err *err = us_iomem_parse(text, &iomem);

	for (size_t i = 1; !err && i < iomem.map.n; i++)
		MUST(us_range_end(iomem.map.entries[i - 1].range) <=
		     iomem.map.entries[i].range.start);
	MUST(err || iomem.n_crash <= us_array_size(iomem.crash));
}

static void fuzz_keys(struct us_bytes text)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_host_key *keys = NULL;
	size_t n = 0;
	_us_err_free_ struct us_err *err = us_keys_parse(&pool, text, &keys, &n);

	for (size_t i = 0; !err && i < n; i++)
		MUST(strspn(keys[i].key_id, "0123456789abcdefABCDEF") == strlen(keys[i].key_id));
}

static void fuzz_kcore(struct us_bytes text, bool as_text)
{
	struct us_kcore_load *loads = NULL;
	struct us_range notes;
	size_t n = 0;
	_us_err_free_ struct us_err *err =
		as_text ? us_kcore_parse_text(text, &loads, &n)
			: us_kcore_parse_phdrs(text, 56, &loads, &n, &notes);

	MUST(err || n <= text.n);
	free(loads);
}

static void fuzz_values(struct us_bytes text)
{
	struct us_bytes found = { 0 };
	uint64_t v;

	if (us_notes_vmcoreinfo(text, &found))
		MUST(found.p >= text.p && found.n <= text.n);
	if (us_vmcoreinfo_get(text, "NUMBER(pgtable_l5_enabled)", &found))
		MUST(found.n < text.n);
	if (us_bracketed(text, &found))
		MUST(found.n + 2 <= text.n);
	us_cpulist_count(text, &v);
	us_kallsyms_find(text, "_text", &v);
	us_field_u64(text, "MemTotal:", 10, &v);
	MUST(us_cpuinfo_parse(text).cpus <= text.n);
}

static void fuzz_cmdline(struct us_bytes text)
{
	_us_scrubber_free_ struct us_scrubber *scrubber = NULL;
	_us_blob_deinit_ struct us_blob line = { 0 }, clean = { 0 };
	struct us_cmdline_word word;
	const char *at;

	MUST(!us_blob_new(text.n + 1, &line) && !us_scrubber_new(&scrubber));
	if (text.n)
		memcpy(line.p, text.p, text.n);
	at = (const char *)line.p;
	while (us_cmdline_next(&at, &word)) {
		MUST(word.n && word.p + word.n <= (const char *)line.p + text.n);
		us_cmdline_is(&word, "crashkernel");
	}
	line.n = text.n;
	for (enum us_scrub how = US_SCRUB_TEXT; how < US_SCRUB_MADE; how++) {
		us_blob_deinit(&clean);
		MUST(!us_scrub(scrubber, how, us_blob_bytes(&line), &clean));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct us_bytes text = us_bytes_of(data + !!size, size - !!size);

	switch (size ? data[0] : 0) {
	case 'i':
		fuzz_iomem(text);
		break;
	case 'k':
		fuzz_keys(text);
		break;
	case 'p':
		fuzz_kcore(text, false);
		break;
	case 't':
		fuzz_kcore(text, true);
		break;
	case 'v':
		fuzz_values(text);
		break;
	default:
		fuzz_cmdline(text);
	}
	return 0;
}
