/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Physical memory as it is, without any header: offset 0 of the file is physical address 0 (QEMU's
 * pmemsave and file-backed guests, dd of a memory device). What a header would tell is in the
 * memory itself: the kernel keeps its VMCOREINFO note ready (Linux 6.12 kernel/vmcore_info.c:
 * update_vmcoreinfo_note). A copy of another kernel's note, in some file's cache, is told apart by
 * the utsname that the note leads to. x86_64 and arm64; images that squeeze holes out are not
 * understood above the first hole.
 */
#include "vmcore/elf-int.h"

#include "base/text.h"

#include <string.h>

#define TEXT_MAX    65536
#define NOTE_HEADER 12u
#define NAME        "VMCOREINFO\0\0" /* with its padding */
#define NAME_BYTES  12u
#define MARK        NAME "OSRELEASE="
#define MARK_BYTES  (sizeof(MARK) - 1)
#define RELEASE_AT  130 /* in struct new_utsname: the third of its fields of 65 bytes */
#define IMAGE_BASE  0xffffffff80000000ull
#define RANGE_MIN   (1u << 20)
#define X86_PAGE    4096u

/* Where the kernel image's address virt is in the file; by what the note says of either
 * architecture. */
static const struct us_arch *find_place(const struct us_vmcoreinfo *info, uint64_t virt,
					uint64_t *ret)
{
	int64_t offset;

	if (us_vmcoreinfo_number(info, "NUMBER", "phys_base", &offset)) {
		*ret = virt - IMAGE_BASE + (uint64_t)offset;
		return us_arch_by_id(US_ARCH_X86_64);
	}
	if (us_vmcoreinfo_number(info, "NUMBER", "kimage_voffset", &offset)) {
		*ret = virt - (uint64_t)offset;
		return us_arch_by_id(US_ARCH_ARM64);
	}
	return NULL;
}

/* The architecture, if this note is that of the kernel in this memory. */
static const struct us_arch *check(struct us_bytes memory, struct us_bytes text)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_vmcoreinfo *info = NULL;
	_us_err_free_ struct us_err *err = us_vmcoreinfo_parse(text, &pool, &info);
	const struct us_arch *arch;
	const char *release;
	uint64_t uts, at;
	int64_t offset;

	if (err)
		return NULL;
	release = us_vmcoreinfo_text(info, "OSRELEASE");
	if (!release || !us_vmcoreinfo_symbol(info, "init_uts_ns", &uts) ||
	    !us_vmcoreinfo_number(info, "OFFSET", "uts_namespace.name", &offset))
		return NULL;
	arch = find_place(info, uts + (uint64_t)offset, &at);
	return arch && us_bytes_match(memory, at, "Linux", 6) &&
			       us_add(at, (uint64_t)RELEASE_AT, &at) &&
			       us_bytes_match(memory, at, release, strlen(release) + 1)
		       ? arch
		       : NULL;
}

/* The whole note, from its header on. */
static const struct us_arch *find_note(struct us_bytes memory, struct us_bytes *ret)
{
	size_t at = NOTE_HEADER;

	while ((at = us_bytes_find(memory, at, MARK, MARK_BYTES)) != SIZE_MAX) {
		uint32_t bytes = us_get32(memory, at - NOTE_HEADER + 4, false);
		const struct us_arch *arch = NULL;

		if (us_get32(memory, at - NOTE_HEADER, false) == NAME_BYTES - 1 &&
		    bytes <= TEXT_MAX && us_bytes_has(memory, at + NAME_BYTES, bytes))
			arch = check(memory, us_bytes_of(memory.p + at + NAME_BYTES, bytes));
		if (arch) {
			*ret = us_bytes_clip(memory, at - NOTE_HEADER,
					     NOTE_HEADER + NAME_BYTES + ((bytes + 3u) & ~3u));
			return arch;
		}
		at++;
	}
	return NULL;
}

struct us_err *us_raw_open(struct us_vmcore *core, struct us_store *store, bool *ret)
{
	struct us_bytes memory = us_store_view(store, 0, store->bytes), notes;
	const struct us_arch *arch = memory.n == store->bytes && memory.n >= RANGE_MIN
					     ? find_note(memory, &notes)
					     : NULL;
	struct elf_core *raw;
	struct us_vmcore_load *load;
	struct us_range *ram;
	struct us_piece piece;

	*ret = arch != NULL;
	if (!arch)
		return NULL;
	raw = us_pool_alloc(&core->pool, sizeof(*raw));
	load = us_pool_alloc(&core->pool, sizeof(*load));
	ram = us_pool_alloc(&core->pool, sizeof(*ram));
	if (!raw || !load || !ram)
		return us_err_nomem();
	raw->store = *store;
	core->data = raw;
	core->ops = &us_elf_ops;
	core->format = US_VMCORE_RAW;
	core->arch = arch;
	core->uts[4] = arch->uname[0];
	US_TRY(us_notes_read(core, notes));
	if (!core->page_bytes)
		core->page_bytes = X86_PAGE;
	core->page_shift = (uint32_t)__builtin_ctz(core->page_bytes);
	*ram = (struct us_range){ .size = us_align_down(memory.n, core->page_bytes) };
	*load = (struct us_vmcore_load){ .bytes = ram->size, .file_bytes = ram->size };
	piece = (struct us_piece){ .size = ram->size, .kind = US_PIECE_FILE };
	core->loads = load;
	core->n_loads = 1;
	US_TRY(us_pieces_make(&core->pool, &piece, 1, &raw->pieces));
	return us_vmcore_set_ram(core, ram, 1);
}
