/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What both log walkers need: memory that may have holes, numbers of either byte order, and the
 * table of sizes and offsets from vmcoreinfo (Linux 6.12 kernel/printk/printk.c:
 * log_buf_vmcoreinfo_setup). It knows neither form of the log.
 */
#include "vmcore/log-int.h"

#include <string.h>

static const uint8_t *page_at(const struct us_log_source *source, struct us_log_page *page,
			      uint64_t virt)
{
	uint64_t start = us_align_down(virt, US_LOG_PAGE);

	if (!page->tried || page->virt != start) {
		_us_err_free_ struct us_err *err =
			source->read(source->data, start, page->bytes, US_LOG_PAGE);

		page->virt = start;
		page->tried = true;
		page->ok = !err;
	}
	return page->ok ? page->bytes : NULL;
}

size_t us_log_fetch(const struct us_log_source *source, struct us_log_page *page, uint64_t virt,
		    void *buf, size_t n)
{
	uint64_t end;
	size_t done = 0;

	if (!us_add(virt, (uint64_t)n, &end))
		return 0;
	while (done < n) {
		size_t at = (virt + done) % US_LOG_PAGE, take = US_LOG_PAGE - at;
		const uint8_t *bytes = page_at(source, page, virt + done);

		if (!bytes)
			break;
		if (take > n - done)
			take = n - done;
		memcpy((uint8_t *)buf + done, bytes + at, take);
		done += take;
	}
	return done;
}

uint64_t us_log_number(const struct us_log_source *source, const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[source->big_endian ? i : n - 1 - i];
	return v;
}

struct us_err *us_log_value(const struct us_log_source *source, uint64_t virt, size_t n,
			    const char *what, uint64_t *ret)
{
	uint8_t buf[sizeof(uint64_t)];
	struct us_err *err = source->read(source->data, virt, buf, n);

	if (err)
		return us_err_wrap(err, "the kernel log: %s at 0x%" PRIx64, what, virt);
	*ret = us_log_number(source, buf, n);
	return NULL;
}

struct us_err *us_log_keys(const struct us_vmcoreinfo *info, const struct us_log_key *keys,
			   size_t n, void *table)
{
	for (size_t i = 0; i < n; i++) {
		const struct us_log_key *key = &keys[i];
		uint32_t *place = (void *)((char *)table + key->offset);
		int64_t v;

		if (!us_vmcoreinfo_number(info, key->kind, key->name, &v)) {
			if (key->optional)
				continue;
			return us_err_new(US_ERR_NOT_FOUND,
					  "the kernel log: vmcoreinfo has no %s(%s)", key->kind,
					  key->name);
		}
		if (v < 0 || v > US_LOG_FIELD_MAX)
			return us_err_new(US_ERR_BAD_DATA,
					  "the kernel log: vmcoreinfo's %s(%s) is %" PRId64,
					  key->kind, key->name, v);
		*place = (uint32_t)v;
	}
	return NULL;
}

struct us_err *us_log_walk(const struct us_log_source *source, us_log_fn fn, void *data,
			   struct us_log_stats *ret)
{
	struct us_log_stats stats = { 0 };
	uint64_t symbol;

	if (us_vmcoreinfo_symbol(source->info, "prb", &symbol))
		US_TRY(us_log_ring(source, fn, data, &stats));
	else if (us_vmcoreinfo_symbol(source->info, "log_buf", &symbol))
		US_TRY(us_log_records(source, fn, data, &stats));
	else
		return us_err_new(US_ERR_NOT_FOUND, "vmcoreinfo has neither SYMBOL(prb) nor "
						    "SYMBOL(log_buf): the kernel log is nowhere");
	*ret = stats;
	return NULL;
}
