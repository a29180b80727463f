/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the reservation has to hold, by parts. The kernel's part is read from its image; what every
 * capture kernel has in use when /init starts was measured with Debian's kernels 6.1, 6.12 and 7.3
 * (one CPU, the command line of words.c, 64 to 128 MiB); modules, program and image are counted.
 * Where this very set was rehearsed, what it used then takes the place of the estimate. It decides
 * nothing: arm.c refuses what cannot work.
 */
#include "crash/arm-int.h"

#include "base/text.h"

#include <string.h>

#define MIB      UINT64_C(0x100000)
#define ROUND_TO (8 * MIB)

/* Reserved by the kernel for itself before it counts its memory, beside its image: hash tables, low
 * memory, log buffer. Measured: 1.3 to 1.7 MiB. */
#define EARLY_BYTES (7 * MIB / 4)
/* struct page (a 64th), and what grows with memory while it runs: as much again. */
#define BY_SIZE 32
/* On x86_64 struct page comes for whole sections of 128 MiB (Linux 6.12 arch/x86/include/asm/
 * sparsemem.h): a reservation that lies across the border of two pays for both. */
#define SECTION       (128 * MIB)
#define SECTION_BYTES (SECTION / 64)
/* For its first thread a dump needs this much, and this much more for each further one. */
#define DUMP_BYTES (5 * MIB)
#define JOB_BYTES  (3 * MIB / 2)
/* Bounce buffers, which a guest with encrypted memory needs for its devices (Linux 6.12
 * arch/x86/mm/mem_encrypt_amd.c, kernel/dma/swiotlb.c: IO_TLB_DEFAULT_SIZE at least). */
#define BOUNCE_BYTES (64 * MIB)
#define NET_BYTES    (8 * MIB) /* addresses, sockets, one card's rings, ssh or curl at work */
#define MARGIN       (8 * MIB)
#define SMALL_FILES  65536 /* recipe, manifest, names */

/* In use when /init starts, beside what is above. */
static const struct {
	unsigned int since[2];
	uint64_t bytes;
} in_use[] = {
	{ { 7, 0 }, 22 * MIB }, /* it asks for large pieces, which must lie in one */
	{ { 6, 2 }, 27 * MIB / 2 },
	{ { 0 }, 11 * MIB },
};

/* Network cards whose queues take more than a little: published figures of kdump-utils. */
static const struct {
	const char *module;
	uint64_t bytes;
} thirsty[] = {
	{ "mlx5_core", 124 * MIB },
};

struct sizing {
	struct us_crash_need need;
	struct us_texts why;
};

static uint64_t kernel_part(const struct us_image *kernel, uint64_t *ret_starting,
			    const char **ret_from)
{
	uint64_t bytes;

	if (us_crash_resident(kernel->vmlinux, &bytes, ret_starting)) {
		*ret_from = "the sections of its vmlinux that stay in memory";
		return bytes;
	}
	*ret_from = "its header, which asks for this much to start in";
	*ret_starting = kernel->run_bytes ? kernel->run_bytes : kernel->image_size;
	return *ret_starting;
}

static uint64_t base_part(const struct us_image *kernel)
{
	for (size_t i = 0; i < us_array_size(in_use) - 1; i++)
		if (kernel->release &&
		    us_release_at_least(kernel->release, in_use[i].since[0], in_use[i].since[1]))
			return EARLY_BYTES + in_use[i].bytes;
	return EARLY_BYTES + in_use[us_array_size(in_use) - 1].bytes;
}

/* Bytes of the modules in the image, packed as they are there: what no other file takes. */
static uint64_t module_files(const struct us_capture_image *image)
{
	uint64_t others = SMALL_FILES;

	for (size_t i = 0; i < image->n_files; i++)
		if (strncmp(image->files[i].path, "/m/", 3))
			others += image->files[i].bytes;
	return image->recipe->n_modules && image->unpacked_bytes > others
		       ? image->unpacked_bytes - others
		       : 0;
}

/* As they are loaded. */
static uint64_t module_bytes(const struct us_capture_image *image)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < image->recipe->n_modules; i++)
		bytes += image->recipe->modules[i].bytes;
	return bytes;
}

static uint64_t network_part(const struct us_capture_image *image)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < image->recipe->n_targets; i++)
		if (image->recipe->targets[i].network)
			bytes = NET_BYTES;
	for (size_t m = 0; bytes && m < image->recipe->n_modules; m++)
		for (size_t i = 0; i < us_array_size(thirsty); i++)
			if (strstr(image->recipe->modules[m].file, thirsty[i].module))
				bytes += thirsty[i].bytes;
	return bytes;
}

/* Threads that pack. With "auto" there is one more for a stream: one waits for its turn to write
 * (dump/copy.c). */
static unsigned int threads(const struct us_crash_config *config,
			    const struct us_capture_image *image)
{
	unsigned int n = config->jobs ? config->jobs : config->cpus;
	bool more = false;

	for (size_t i = 0; i < image->recipe->n_targets; i++) {
		enum us_target_kind kind = image->recipe->targets[i].spec.kind;

		more |= kind == US_TARGET_HTTP || kind == US_TARGET_S3;
	}
	return (n ? n : 1) + (more && !strcmp(config->codec, "auto"));
}

static uint64_t bounce_part(const struct us_host *host)
{
	return host->sme_active.v == US_YES || host->sev_guest.v == US_YES ||
			       host->tdx_guest.v == US_YES
		       ? BOUNCE_BYTES
		       : 0;
}

/* What sections cost that a reservation of this size would not touch if it lay elsewhere. */
static uint64_t border_part(const struct us_host *host, const struct us_image *kernel)
{
	uint64_t bytes = 0;

	if (!kernel->arch || kernel->arch->id != US_ARCH_X86_64)
		return 0;
	for (size_t i = 0; i < host->n_crash; i++) {
		const struct us_range *r = &host->crash[i];
		uint64_t touched = (us_range_end(*r) + SECTION - 1) / SECTION - r->start / SECTION;

		bytes += (touched - (r->size + SECTION - 1) / SECTION) * SECTION_BYTES;
	}
	return bytes;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct us_err *tell(struct sizing *s, const struct us_host *host, const char *kernel_from,
			   uint64_t by_size, uint64_t files, unsigned int jobs)
{
	const struct us_crash_need *n = &s->need;
	char a[US_TEXT_SIZE_MAX], b[US_TEXT_SIZE_MAX], c[US_TEXT_SIZE_MAX];

	US_TRY(us_texts_add(&s->why, "the kernel's image: %s, by %s", us_text_size(n->kernel, a),
			    kernel_from));
	US_TRY(us_texts_add(&s->why,
			    "in use when /init starts: %s, of that %s by the size of the memory; "
			    "measured with Debian's kernels",
			    us_text_size(n->base, a), us_text_size(by_size, b)));
	US_TRY(us_texts_add(&s->why,
			    "the image: %s packed and %s unpacked, of which %s are packed "
			    "modules that are deleted once they are loaded",
			    us_text_size(n->image_packed, a), us_text_size(n->image_unpacked, b),
			    us_text_size(files, c)));
	US_TRY(us_texts_add(&s->why, "modules in use: %s; dumping with %u thread%s: %s",
			    us_text_size(n->modules, a), jobs, jobs == 1 ? "" : "s",
			    us_text_size(n->dumping, b)));
	if (bounce_part(host))
		US_TRY(us_texts_add(&s->why,
				    "of what is in use, %s are bounce buffers for devices, since "
				    "memory is encrypted",
				    us_text_size(bounce_part(host), a)));
	if (n->network)
		US_TRY(us_texts_add(&s->why, "network: %s", us_text_size(n->network, a)));
	if (n->border)
		US_TRY(us_texts_add(&s->why,
				    "where the reservation lies: %s, since it crosses a border "
				    "that is there at each 128 MiB, and struct page comes for "
				    "both sides",
				    us_text_size(n->border, a)));
	return NULL;
}

/* What is needed at the worst of two moments: when the image is unpacked and the kernel has not
 * freed what it needs for starting only, and while dumping. */
static struct us_err *estimate(struct sizing *s, const struct us_host *host,
			       const struct us_crash_config *config, const struct us_image *kernel,
			       const struct us_capture_image *image)
{
	struct us_crash_need *n = &s->need;
	uint64_t files = module_files(image), program = image->unpacked_bytes - files, peak,
		 by_size;
	unsigned int jobs = threads(config, image);
	uint64_t starting;
	const char *from;

	n->border = border_part(host, kernel);
	n->kernel = kernel_part(kernel, &starting, &from);
	n->base = base_part(kernel) +
		  (us_known(host->elfcorehdr_size.o) ? host->elfcorehdr_size.v : 0);
	n->image_packed = image->bytes.n;
	n->image_unpacked = image->unpacked_bytes;
	/* sections in pages of their own, symbol tables, and what drivers take for their devices */
	n->modules = module_bytes(image) * 7 / 5;
	n->dumping = DUMP_BYTES + JOB_BYTES * (jobs - 1);
	n->network = network_part(image);
	peak = n->base + larger(starting + n->image_packed + n->image_unpacked,
				n->kernel + program + n->modules + n->dumping + n->network);
	by_size = peak / (BY_SIZE - 1);
	if (kernel->caps[US_CAP_KASAN].v == US_YES)
		by_size += peak / 7; /* its shadow is an eighth of all */
	n->base += by_size;
	n->total = peak + by_size + n->border;
	n->margin = MARGIN;
	return tell(s, host, from, by_size, files, jobs);
}

static struct us_err *by_rehearsal(struct sizing *s, const struct us_crash_rehearsed *run)
{
	char a[US_TEXT_SIZE_MAX], b[US_TEXT_SIZE_MAX];

	s->need.measured = true;
	s->need.total = run->reserved - run->available + s->need.border;
	s->need.margin = larger(MARGIN / 2, s->need.total / 10);
	return us_texts_add(&s->why,
			    "measured instead: the rehearsal of %s with %s had %s left at its "
			    "lowest",
			    run->at, us_text_size(run->reserved, a),
			    us_text_size(run->available, b));
}

/* Words for the boot loader, and what speaks for them. */
static struct us_err *advise(struct sizing *s, const struct us_host *host, struct us_pool *pool)
{
	struct us_crash_need *n = &s->need;
	char a[US_TEXT_SIZE_MAX];

	/* the margin is for the border, too: nobody knows where the next reservation will lie */
	n->recommended = (n->total - n->border + n->margin + ROUND_TO - 1) / ROUND_TO * ROUND_TO;
	n->parameter = us_pool_format(pool, "crashkernel=%" PRIu64 "M", n->recommended / MIB);
	if (!n->parameter)
		return us_err_nomem();
	US_TRY(us_texts_add(&s->why, "margin: %s", us_text_size(n->margin, a)));
	if (strstr(host->crashkernel.v, ",high"))
		US_TRY(us_texts_add(
			&s->why,
			"without \",high\" all of it lies below 4 GiB where devices reach it; "
			"\",high\" reserves 256 MiB more down there, unless \",low\" says less"));
	if (strstr(host->crashkernel.v, ",cma"))
		US_TRY(us_texts_add(&s->why, "the part with \",cma\" is not counted: it is not "
					     "there before the capture kernel runs"));
	return NULL;
}

struct us_err *us_crash_size(const struct us_host *host, const struct us_crash_config *config,
			     const struct us_image *kernel, const struct us_capture_image *image,
			     const struct us_crash_rehearsed *measured, struct us_pool *pool,
			     struct us_crash_need *ret)
{
	struct sizing s = { .why = { .pool = pool } };

	s.need.reserved = us_known(host->crash_size.o) ? host->crash_size.v : 0;
	US_TRY(estimate(&s, host, config, kernel, image));
	if (measured && measured->passed && measured->available < measured->reserved)
		US_TRY(by_rehearsal(&s, measured));
	US_TRY(advise(&s, host, pool));
	s.need.why = s.why.v;
	*ret = s.need;
	return NULL;
}
