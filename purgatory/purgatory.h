/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The code that runs between two kernels, as its loader sees it: a flat position-independent blob
 * that is entered at its first byte, with a block of parameters at a fixed offset. It checks that
 * every byte that was loaded is still there, then enters the next kernel as the 64-bit boot
 * protocol asks (Documentation/arch/x86/boot.rst). Only real data is hashed: the tail of a segment
 * that the kernel fills with zeros is scratch space of the next kernel and is not looked at.
 */
#ifndef US_PURGATORY_PURGATORY_H
#define US_PURGATORY_PURGATORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define US_PURGATORY_PARAMS_OFFSET 64
#define US_PURGATORY_MAGIC         0x3154524750525355ull /* "USPRGPT1" in memory order */
#define US_PURGATORY_REGIONS_MAX   16

enum us_purgatory_flag {
	US_PURGATORY_CHECK = 1,  /* compare the digest before entering the kernel */
	US_PURGATORY_VGA = 2,    /* the machine shows VGA text at 0xb8000 */
	US_PURGATORY_SERIAL = 4, /* may speak on COM1 (0x3f8) */
};

struct us_purgatory_region {
	uint64_t start, bytes; /* physical address; bytes that are hashed */
};

/* Little endian, no padding: the loader writes it byte by byte into the blob's copy. */
struct us_purgatory_params {
	uint64_t magic;
	uint64_t entry;       /* physical address that is jumped to */
	uint64_t boot_params; /* what the next kernel finds in rsi */
	uint32_t flags;       /* enum us_purgatory_flag */
	uint32_t n_regions;
	uint8_t digest[32]; /* SHA-256 of all regions, one after the other */
	struct us_purgatory_region regions[US_PURGATORY_REGIONS_MAX];
};

/* The blob; n is 0 where none is built for this machine. */
const uint8_t *us_purgatory_blob(size_t *ret_n);

/* SHA-256 (FIPS 180-4), the same code on both sides of the jump. */
struct us_sha256 {
	uint32_t h[8];
	uint64_t bytes;
	uint8_t block[64]; /* bytes % 64 of it are waiting */
	bool fast;         /* by the CPU's SHA instructions */
};
/* True if the CPU has SHA instructions that us_sha256_init() may be told to use. */
bool us_sha256_cpu_is_fast(void);
void us_sha256_init(struct us_sha256 *s, bool fast);
void us_sha256_add(struct us_sha256 *s, const uint8_t *p, size_t n);
void us_sha256_end(struct us_sha256 *s, uint8_t ret[32]);

#endif
