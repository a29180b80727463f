/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kexec_file_load(2) will do on x86_64, computed from the rules of its own loader: sizes,
 * order and search of bzImage64_load() and crash_load_segments() (Linux 6.12 arch/x86/kernel) and
 * of kexec_locate_mem_hole() (kernel/kexec_file.c); before Linux 6.8 the search went from the
 * lowest RAM range up and did not look at pref_address. The kernel decides; this says beforehand
 * whether it can find room. Other architectures' loaders are not predicted.
 */
#include "load/load-int.h"

#include <string.h>

#define MIN_PURGATORY_ADDR 0x3000
#define MIN_INITRD_ADDR    (16 * US_MIB)
#define PURGATORY_BYTES    0x5000 /* sections of arch/x86/purgatory/purgatory.ro and its stack */
#define ELFCOREHDR_WORD    30     /* MAX_ELFCOREHDR_STR_LEN */
#define EFI_NODE_BYTES     112
#define IMA_NODE_BYTES     32
#define RNG_NODE_BYTES     48
#define EFI_DESC_BYTES     48 /* what firmware and the kernel use; at least 40 */

struct forecast {
	struct us_map ranges; /* System RAM as the kernel walks it */
	bool known;           /* the memory map is */
	bool from_top;        /* 6.8 and later */
	struct us_range elfcorehdr, params, initrd;
};

static bool configured(const struct us_host *host, const char *symbol, bool otherwise)
{
	enum us_tri set = us_kconfig_builtin(host->kconfig, symbol);

	return set == US_UNKNOWN ? otherwise : set == US_YES;
}

static struct us_err *search(struct us_build *b, const struct forecast *f, struct us_wish wish,
			     struct us_range *ret, uint64_t *ret_largest)
{
	for (size_t i = 0; !f->from_top && i < f->ranges.n; i++) {
		struct us_range r = f->ranges.entries[i].range;
		struct us_wish inside = wish;
		_us_err_free_ struct us_err *err = NULL;

		inside.min = r.start > wish.min ? r.start : wish.min;
		inside.max = us_range_end(r) < wish.max ? us_range_end(r) : wish.max;
		err = us_map_place(&b->ram, &inside, ret, NULL);
		if (!err)
			return NULL;
	}
	return us_map_place(&b->ram, &wish, ret, ret_largest);
}

static struct us_err *expect(struct us_build *b, const struct forecast *f,
			     struct us_segment segment, struct us_wish wish, struct us_range *ret)
{
	const char *what = us_segment_role_name(segment.role);
	_us_err_free_ struct us_err *err = NULL;
	uint64_t largest = 0;

	wish.max = UINT64_MAX;
	wish.align = wish.align > US_PAGE ? wish.align : US_PAGE;
	if (!us_align_up(wish.size, US_PAGE, &wish.size) || !wish.size ||
	    (wish.align & (wish.align - 1)))
		return us_err_new(US_ERR_BAD_DATA, "%s: its size or alignment makes no sense", what);
	segment.dest.size = wish.size;
	segment.why = "the kernel will choose; the memory map cannot be read to foresee it";
	if (f->known) {
		err = search(b, f, wish, &segment.dest, &largest);
		if (err && err->code != US_ERR_NO_ROOM)
			return us_err_wrap(us_err_new(err->code, "%s", err->text), "%s", what);
		segment.why = err ? "no room" : "the kernel will choose; foreseen by its rules";
	}
	if (err)
		US_TRY(us_build_no_room(b, wish.size > largest ? wish.size - largest : wish.align,
					"%s: %s", what, err->text));
	else if (f->known)
		US_TRY(us_map_cut(&b->ram, segment.dest));
	*ret = segment.dest;
	return us_build_segment(b, &segment);
}

/* The reservation, or all RAM. */
static struct us_err *memory(struct us_build *b, struct forecast *f)
{
	const struct us_host *host = b->host;

	f->known = host->map.n != 0;
	if (b->wanted->purpose == US_CRASH && host->n_crash) {
		b->crash = host->crash[host->n_crash - 1];
		US_TRY(us_map_set(&f->ranges, b->crash, US_MEM_RAM));
	} else if (b->wanted->purpose == US_CRASH) {
		bool none = f->known || (us_known(host->crash_size.o) && !host->crash_size.v);

		f->known = false;
		if (none)
			US_TRY(us_build_no_room(
				b, 0, "no memory is reserved for a crash kernel (%s)",
				host->crash_size.o.path ? host->crash_size.o.path : "/proc/iomem"));
	} else {
		US_TRY(us_system_ram(host, &f->ranges));
	}
	return us_map_copy(&f->ranges, &b->ram);
}

static struct us_err *expect_elfcorehdr(struct us_build *b, struct forecast *f)
{
	uint64_t bytes;

	if (b->wanted->purpose != US_CRASH)
		return NULL;
	US_TRY(us_elfcorehdr_size(b->host, &bytes));
	US_TRY(expect(b, f, (struct us_segment){ .role = US_SEG_ELFCOREHDR },
		      (struct us_wish){ .size = bytes, .bottom_up = true }, &f->elfcorehdr));
	f->elfcorehdr.size = bytes; /* what the memory map leaves out is not rounded */
	return NULL;
}

/* Offsets in the kernel's own boot_params segment. */
struct page {
	uint64_t efi_node, rng_node, bytes;
};

static struct page page_of(const struct us_build *b)
{
	const struct us_host *host = b->host;
	uint64_t efi_map = b->plan->handover.efi ? host->n_efi_regions * EFI_DESC_BYTES : 0;
	uint64_t words = 4096 + strlen(b->wanted->cmdline) + 1 + ELFCOREHDR_WORD;
	bool ima = configured(host, "IMA_KEXEC", false);
	struct page p;

	p.efi_node = ((words + 15) & ~15ull) + ((efi_map + 15) & ~15ull);
	p.rng_node = p.efi_node + (configured(host, "EFI", true) ? EFI_NODE_BYTES : 0) +
		     (ima ? IMA_NODE_BYTES : 0);
	p.bytes = p.efi_node + EFI_NODE_BYTES + RNG_NODE_BYTES + (ima ? IMA_NODE_BYTES : 0);
	return p;
}

static struct us_err *expect_kernel(struct us_build *b, const struct forecast *f)
{
	const struct us_setup *s = &b->image->setup;
	struct us_segment kernel = { .role = US_SEG_KERNEL, .hashed = true };
	struct us_wish wish = { .size = s->init_size ? s->init_size : s->kernel_bytes,
				.align = s->kernel_alignment,
				.min = US_MIB };
	struct us_range at;

	if (f->from_top && s->pref_address > US_MIB)
		wish.min = s->pref_address;
	kernel.bytes = us_bytes_clip(b->image->kernel, s->kernel_offset,
				     b->image->kernel.n); /* a signature behind it goes along */
	return expect(b, f, kernel, wish, &at);
}

static struct us_err *expect_initrd(struct us_build *b, struct forecast *f)
{
	if (!b->initrd || !b->initrd->bytes.n)
		return NULL;
	US_TRY(expect(b, f,
		      (struct us_segment){
			      .role = US_SEG_INITRD, .bytes = b->initrd->bytes, .hashed = true },
		      (struct us_wish){ .size = b->initrd->bytes.n, .min = MIN_INITRD_ADDR },
		      &f->initrd));
	f->initrd.size = b->initrd->bytes.n;
	return NULL;
}

static struct us_err *expect_handover(struct us_build *b, const struct forecast *f,
				      const struct page *page)
{
	struct us_handover *h = &b->plan->handover;

	if (b->wanted->purpose == US_CRASH) {
		US_TRY(us_build_text(b, &h->cmdline, "elfcorehdr=0x%" PRIx64 " %s",
				     f->elfcorehdr.start, b->wanted->cmdline));
		US_TRY(us_e820_crash(b, f->elfcorehdr));
	} else {
		h->cmdline = b->plan->cmdline;
		US_TRY(us_e820_reboot(b));
	}
	if (h->n_e820 > US_E820_IN_PAGE_MAX) {
		US_TRY(us_build_note(b,
				     "the memory map has %zu entries and kexec_file_load hands over "
				     "the first %d",
				     h->n_e820, US_E820_IN_PAGE_MAX));
		h->n_e820 = US_E820_IN_PAGE_MAX;
	}
	h->cmdline_addr = f->params.start + (f->params.start ? 4096 : 0);
	h->setup_data_addr = f->params.start ? f->params.start + page->rng_node : 0;
	h->initrd_addr = f->initrd.start;
	h->initrd_bytes = f->initrd.size;
	h->acpi_rsdp = us_known(b->host->acpi_rsdp.o) ? b->host->acpi_rsdp.v : 0;
	h->type_of_loader = 0xd0;
	return NULL;
}

/* Where only the size of the reservation is known (without privilege), compare sums. */
static struct us_err *check_sum(struct us_build *b, const struct forecast *f)
{
	const struct us_host *host = b->host;
	uint64_t total = 0;

	for (size_t i = 0; i < b->plan->n_segments; i++)
		total += b->plan->segments[i].dest.size;
	if (b->wanted->purpose == US_CRASH && !f->known && us_known(host->crash_size.o) &&
	    total > host->crash_size.v)
		US_TRY(us_build_no_room(b, total - host->crash_size.v,
					"all segments need 0x%" PRIx64 " bytes, 0x%" PRIx64
					" are reserved (%s)",
					total, host->crash_size.v, host->crash_size.o.path));
	if (us_known(host->total_ram.o) && total > host->total_ram.v / 2)
		US_TRY(us_build_no_room(b, total - host->total_ram.v / 2,
					"all segments need 0x%" PRIx64 " bytes; the kernel takes at "
					"most half of the memory, 0x%" PRIx64,
					total, host->total_ram.v / 2));
	return NULL;
}

static struct us_err *foresee(struct us_build *b, struct forecast *f)
{
	struct us_range at;
	struct page page;

	b->plan->handover.efi = b->host->efi.v == US_YES && b->host->n_efi_regions;
	page = page_of(b);
	US_TRY(memory(b, f));
	US_TRY(expect_elfcorehdr(b, f));
	US_TRY(expect(b, f, (struct us_segment){ .role = US_SEG_PURGATORY },
		      (struct us_wish){ .size = PURGATORY_BYTES, .min = MIN_PURGATORY_ADDR }, &at));
	b->plan->entry = at.start;
	US_TRY(expect(b, f, (struct us_segment){ .role = US_SEG_BOOT_PARAMS, .hashed = true },
		      (struct us_wish){ .size = page.bytes, .min = MIN_PURGATORY_ADDR },
		      &f->params));
	US_TRY(expect_kernel(b, f));
	US_TRY(expect_initrd(b, f));
	US_TRY(check_sum(b, f));
	return expect_handover(b, f, &page);
}

struct us_err *us_plan_predict(struct us_build *b)
{
	const char *release = b->host->release.v;
	struct forecast f = { .from_top = !*release || us_release_at_least(release, 6, 8) };
	struct us_err *err;

	b->plan->predicted = true;
	if (b->image->kind != US_IMAGE_BZIMAGE) {
		b->plan->handover.cmdline = b->plan->cmdline;
		return us_build_note(b,
				     "where the kernel will put this image is not foreseen: only "
				     "its x86 loader's rules are known here");
	}
	err = foresee(b, &f);
	us_map_deinit(&f.ranges);
	return err;
}
