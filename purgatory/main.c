/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The purgatory's work, freestanding: hash what was loaded, compare, say loudly when it differs and
 * reset the machine instead of starting a damaged kernel or looping in silence. Speaks on COM1
 * (8250, polled, with a limit, so that a machine without one does not hang), in VGA text memory and
 * by a POST code on port 0x80. Does not set a baud rate: the running kernel's stays.
 */
#if defined(__x86_64__)
#include "purgatory/asm.h"
#include "purgatory/purgatory.h"

_Static_assert(US_PURGATORY_PARAMS_AT == US_PURGATORY_PARAMS_OFFSET, "asm.h");
_Static_assert(US_PURGATORY_PARAMS_SIZE >= sizeof(struct us_purgatory_params), "asm.h");
_Static_assert(offsetof(struct us_purgatory_params, entry) == 8, "entry-x86_64.S");
_Static_assert(offsetof(struct us_purgatory_params, boot_params) == 16, "entry-x86_64.S");

#define COM1          0x3f8
#define COM1_LSR      (COM1 + 5)
#define LSR_THR_EMPTY 0x20
#define POST_PORT     0x80
#define POST_DAMAGED  0xd5 /* the digest differs */
#define POST_NO_PARAM 0xd6 /* the parameter block itself is damaged */
#define VGA_TEXT      0xb8000
#define VGA_COLUMNS   80

void us_purgatory_main(const struct us_purgatory_params *params);
void us_purgatory_triple_fault(void) __attribute__((noreturn));

/* The compiler may ask for these by itself. */
void *memcpy(void *to, const void *from, size_t n)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return start;
}

void *memset(void *to, int c, size_t n)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return start;
}

static void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

/* False if nothing takes the byte: no UART, or one that is stuck. */
static bool serial_byte(char c)
{
	for (int tries = 0; tries < 100000; tries++) {
		uint8_t lsr = in8(COM1_LSR);

		if (lsr == 0xff)
			return false;
		if (lsr & LSR_THR_EMPTY) {
			out8(COM1, (uint8_t)c);
			return true;
		}
	}
	return false;
}

static void serial_say(const char *s)
{
	bool heard = true;

	for (; *s && heard; s++)
		heard = serial_byte(*s);
	if (heard && serial_byte('\r'))
		serial_byte('\n');
}

static void vga_say(const char *s)
{
	volatile uint16_t *cell = (volatile uint16_t *)(uintptr_t)VGA_TEXT;

	for (int i = 0; i < VGA_COLUMNS; i++)
		cell[i] = (uint16_t)(0x4f00 | (uint8_t)(*s ? *s++ : ' ')); /* white on red */
}

static void say(const struct us_purgatory_params *params, const char *s)
{
	if (params->flags & US_PURGATORY_SERIAL)
		serial_say(s);
	if (params->flags & US_PURGATORY_VGA)
		vga_say(s);
}

/* Some seconds for a person to see the screen; the unit is the time of a port write, about 1 us. */
static void linger(void)
{
	for (uint32_t i = 0; i < 3000000; i++)
		in8(POST_PORT);
}

/* Three ways to reset a PC, the gentlest first. */
static void __attribute__((noreturn))
fail(const struct us_purgatory_params *params, uint8_t code, const char *s)
{
	out8(POST_PORT, code);
	say(params, s);
	if (params->flags & US_PURGATORY_VGA)
		linger();
	out8(0xcf9, 0x02); /* reset control register: hard reset on the edge of bit 2 */
	out8(0xcf9, 0x06);
	out8(0x64, 0xfe); /* keyboard controller: pulse the reset line */
	us_purgatory_triple_fault();
}

void us_purgatory_main(const struct us_purgatory_params *params)
{
	struct us_sha256 sha;
	uint8_t digest[32], differs = 0;

	if (params->magic != US_PURGATORY_MAGIC || params->n_regions > US_PURGATORY_REGIONS_MAX)
		fail(params, POST_NO_PARAM,
		     "understudy: the purgatory was damaged in memory: resetting");
	if (!(params->flags & US_PURGATORY_CHECK))
		return;
	us_sha256_init(&sha, us_sha256_cpu_is_fast());
	for (uint32_t i = 0; i < params->n_regions; i++)
		us_sha256_add(&sha, (const uint8_t *)(uintptr_t)params->regions[i].start,
			      params->regions[i].bytes);
	us_sha256_end(&sha, digest);
	for (int i = 0; i < 32; i++)
		differs |= digest[i] ^ params->digest[i];
	if (differs)
		fail(params, POST_DAMAGED,
		     "understudy: the loaded kernel was damaged in memory: resetting");
}
#endif
