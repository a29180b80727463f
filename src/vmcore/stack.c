/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses on a kernel stack that a call may have left there: no unwinding, but each must point
 * behind a call instruction of the kernel or of a module (Intel SDM volume 2: CALL; Arm ARM: BL,
 * BLR). Stacks are 16 KiB and aligned (x86_64 and arm64, 4 KiB pages); what lies past is another's.
 */
#include "vmcore/symbols-int.h"

#include <string.h>

#define STACK_BYTES 16384u
#define BEHIND      7 /* bytes of the longest call that is looked for */
#define NAME_BYTES  512

/* A direct call leads to the beginning of a function. */
static bool is_direct(struct us_symbols *s, uint64_t target)
{
	char name[NAME_BYTES];
	const char *plus;

	if (!us_symbols_at(s, target, name, sizeof(name)))
		return false;
	plus = strstr(name, "+0x");
	return plus && (!strcmp(plus, "+0x0") || !strncmp(plus, "+0x0 ", 5));
}

static bool follows_call_x86_64(struct us_symbols *s, uint64_t virt, const uint8_t b[BEHIND])
{
	static const uint8_t lengths[] = { 2, 3, 6, 7 }; /* FF /2 with its operands */

	if (b[BEHIND - 5] == 0xe8) {
		uint32_t distance = (uint32_t)b[3] | (uint32_t)b[4] << 8 | (uint32_t)b[5] << 16 |
				    (uint32_t)b[6] << 24;

		if (is_direct(s, virt + (uint64_t)(int64_t)(int32_t)distance))
			return true;
	}
	for (size_t i = 0; i < us_array_size(lengths); i++) {
		const uint8_t *p = b + BEHIND - lengths[i];

		if (p[0] == 0xff && (p[1] & 0x38) == 0x10)
			return true;
	}
	return false;
}

static bool follows_call_arm64(struct us_symbols *s, uint64_t virt, const uint8_t b[BEHIND])
{
	uint32_t op =
		(uint32_t)b[3] | (uint32_t)b[4] << 8 | (uint32_t)b[5] << 16 | (uint32_t)b[6] << 24;
	int64_t distance = (int64_t)((uint64_t)(op & 0x3ffffff) << 38) >> 36;

	if (op >> 26 == 0x25) /* BL */
		return is_direct(s, virt - 4 + (uint64_t)distance);
	return (op & 0xfffffc1f) == 0xd63f0000; /* BLR */
}

static bool is_return(struct us_symbols *s, uint64_t virt)
{
	bool arm64 = us_symbols_arch(s) == US_ARCH_ARM64;
	char name[NAME_BYTES];
	uint8_t code[BEHIND];

	/* most words on a stack are no addresses of the kernel at all */
	if (virt >> 47 != 0x1ffff || (arm64 && virt & 3) ||
	    !us_symbols_at(s, virt, name, sizeof(name)) ||
	    !us_symbols_fetch(s, virt - BEHIND, code, sizeof(code)))
		return false;
	return arm64 ? follows_call_arm64(s, virt, code) : follows_call_x86_64(s, virt, code);
}

size_t us_symbols_stack(struct us_symbols *symbols, uint64_t sp, uint64_t *ret, size_t max)
{
	uint64_t end = (sp | (STACK_BYTES - 1)) + 1;
	size_t n = 0;

	if (!symbols || sp & 7)
		return 0;
	for (uint64_t at = sp; at != end && n < max; at += 8) {
		uint64_t virt;

		if (us_symbols_word(symbols, at, &virt) && is_return(symbols, virt))
			ret[n++] = virt;
	}
	return n;
}
