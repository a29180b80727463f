/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel log and a symbol table: vmcoreinfo up to the first zero byte, then the memory from BASE
 * on; nothing else can be read. Big-endian if the text says so first. tests/fixtures/dumps/logs.py
 * makes the seeds.
 */
#include "fuzz.h"

#include "vmcore/log-int.h"

#include <string.h>

#define BASE        UINT64_C(0xffffffff82000000)
#define RECORDS_MAX 100000 /* a large ring of nothing takes long and finds nothing */

static struct us_err *read_memory(void *data, uint64_t virt, void *buf, size_t n)
{
	const struct us_bytes *memory = data;

	if (virt < BASE || virt - BASE >= memory->n || n > US_LOG_PAGE)
		return us_err_new(US_ERR_NOT_FOUND, "0x%" PRIx64 " is not there", virt);
	memset(buf, 0, n);
	if (n > memory->n - (virt - BASE))
		n = memory->n - (virt - BASE);
	memcpy(buf, memory->p + (virt - BASE), n);
	return NULL;
}

static struct us_err *take(void *data, const struct us_log_record *record)
{
	uint64_t *n = data;
	uint64_t sum = 0;

	MUST(record->level < 8 && record->text.n <= UINT16_MAX);
	for (size_t i = 0; i < record->text.n; i++)
		sum += record->text.p[i];
	MUST(sum <= UINT64_C(255) * record->text.n);
	++*n;
	return *n > RECORDS_MAX ? us_err_new(US_ERR_UNSUPPORTED, "enough") : NULL;
}

static void name_some(const struct us_log_source *source)
{
	struct us_symbols *symbols = NULL;
	_us_err_free_ struct us_err *err = us_symbols_of(source, &symbols);
	char name[64];

	MUST(!err == !!symbols);
	for (uint64_t virt = BASE - 0x1000000; symbols && virt < BASE + 0x10000; virt += 0x8123)
		MUST(!us_symbols_at(symbols, virt, name, sizeof(name)) || strstr(name, "+0x"));
	us_symbols_free(symbols);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
	size_t text = zero ? (size_t)(zero - data) : size;
	struct us_bytes memory = us_bytes_clip(us_bytes_of(data, size), text + 1, SIZE_MAX);
	struct us_bytes words = us_bytes_clip(us_bytes_of(data, size), 0, text);
	struct us_log_source source = { .read = read_memory, .data = &memory };
	struct us_log_stats stats = { 0 };
	_us_pool_deinit_ struct us_pool pool = { 0 };
	_us_err_free_ struct us_err *err = us_vmcoreinfo_parse(words, &pool, &source.info);
	uint64_t n = 0;

	if (err)
		return 0;
	source.big_endian = us_bytes_match(words, 0, "BIG", 3);
	err = us_log_walk(&source, take, &n, &stats);
	MUST(err || stats.records == n);
	name_some(&source);
	return 0;
}
