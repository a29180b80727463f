/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The purgatory's blob with its parameters (purgatory/purgatory.h). What it will compare is hashed
 * only when a plan is committed: a verdict needs no digest. Segments that the running kernel
 * rewrites after loading (elfcorehdr with hotplug) are left out by their mark.
 */
#include "load/load-int.h"
#include "purgatory/purgatory.h"

#include <string.h>

#define VGA_TEXT_MODE 1 /* screen_info.orig_video_isVGA, VIDEO_TYPE_VGAC is 0x22 */
#define VIDEO_IS_VGA  0x0f

static uint32_t flags_for(const struct us_build *b)
{
	uint32_t flags = US_PURGATORY_SERIAL;
	uint8_t video = 0;

	if (!b->wanted->no_checks)
		flags |= US_PURGATORY_CHECK;
	if (us_u8(b->host->boot_params, VIDEO_IS_VGA, &video) && video == VGA_TEXT_MODE)
		flags |= US_PURGATORY_VGA;
	return flags;
}

struct us_err *us_purgatory_make(struct us_build *b, uint64_t entry, uint64_t boot_params,
				 struct us_bytes *ret)
{
	struct us_purgatory_params params = {
		.magic = US_PURGATORY_MAGIC,
		.entry = entry,
		.boot_params = boot_params,
		.flags = flags_for(b),
	};
	size_t n;
	const uint8_t *blob = us_purgatory_blob(&n);
	uint8_t *p;

	if (!n)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "this build of understudy has no code to run between two kernels "
				  "on this architecture, so it cannot use kexec_load");
	for (size_t i = 0; i < b->plan->n_segments; i++) {
		const struct us_segment *s = &b->plan->segments[i];

		if (s->hashed)
			params.regions[params.n_regions++] =
				(struct us_purgatory_region){ s->dest.start, s->bytes.n };
	}
	p = us_pool_alloc(&b->plan->pool, n);
	if (!p)
		return us_err_nomem();
	memcpy(p, blob, n);
	memcpy(p + US_PURGATORY_PARAMS_OFFSET, &params, sizeof(params));
	*ret = us_bytes_of(p, n);
	return NULL;
}

void us_purgatory_seal(uint8_t *blob, const struct us_kexec_segment *segments, size_t n)
{
	struct us_purgatory_params params;
	struct us_sha256 sha;

	memcpy(&params, blob + US_PURGATORY_PARAMS_OFFSET, sizeof(params));
	if (!(params.flags & US_PURGATORY_CHECK))
		return;
	us_sha256_init(&sha, us_sha256_cpu_is_fast());
	for (uint32_t r = 0; r < params.n_regions; r++)
		for (size_t i = 0; i < n; i++)
			if (segments[i].mem == params.regions[r].start)
				us_sha256_add(&sha, segments[i].buf, segments[i].bufsz);
	us_sha256_end(&sha, params.digest);
	memcpy(blob + US_PURGATORY_PARAMS_OFFSET, &params, sizeof(params));
}
