/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the rules about the command line, memory and the reservation: see test-rules.h for the
 * form. */
#include "check/test-rules.h"

/* n characters that are one harmless word. */
static const char *letters(struct bench *b, size_t n)
{
	assert_true(n < sizeof(b->text));
	memset(b->text, 'x', n);
	b->text[n] = '\0';
	return b->text;
}

static void test_lengths(void **state)
{
	struct bench *b = *state;

	FAILS("cmdline.too-long", "2048 of 2047", { next_cmdline(b, letters(b, 2048)); });
	PASSES("cmdline.too-long", "2047", { next_cmdline(b, letters(b, 2047)); });
	FAILS("cmdline.too-long-for-file-load", "2017 of 2016",
	      { next_cmdline(b, letters(b, 2017)); });
	PASSES("cmdline.too-long-for-file-load", "2016", { next_cmdline(b, letters(b, 2016)); });
	SILENT("cmdline.too-long-for-file-load", "kexec_load keeps no room", {
		by_load(b);
		next_cmdline(b, letters(b, 2017));
	});
	FAILS("cmdline.too-long-for-file-load", "an old image", {
		image->setup.cmdline_size = 255;
		next_cmdline(b, letters(b, 225));
	});
}

static void test_words(void **state)
{
	struct bench *b = *state;

	FAILS("cmdline.resume", "an image lies there", {
		next_cmdline(b, "root=/dev/sda1 resume=/dev/sda2");
		host->hibernation_image.v = US_YES;
	});
	FAILS("cmdline.resume", "not known whether one lies there", {
		next_cmdline(b, "resume=UUID=1");
		host->hibernation_image = (struct us_fact_tri){ HIDDEN, US_UNKNOWN };
	});
	FAILS("cmdline.resume", "a capture kernel never resumes", {
		on_crash(b);
		next_cmdline(b, "resume=/dev/sda2");
	});
	PASSES("cmdline.resume", "noresume", {
		on_crash(b);
		next_cmdline(b, "resume=/dev/sda2 noresume");
	});
	PASSES("cmdline.resume", "no image there", { next_cmdline(b, "resume=/dev/sda2"); });
	FAILS("cmdline.many-memmaps", "five",
	      { next_cmdline(b, "memmap=1 memmap=2 memmap=3 memmap=4 memmap=5"); });
	PASSES("cmdline.many-memmaps", "four",
	       { next_cmdline(b, "memmap=1 memmap=2 memmap=3 memmap=4"); });
	FAILS("cmdline.no-root", "nothing to start from", {
		b->c.initrd = NULL;
		next_cmdline(b, "quiet");
	});
	PASSES("cmdline.no-root", "an initrd", { next_cmdline(b, "quiet"); });
	PASSES("cmdline.no-root", "root=", { b->c.initrd = NULL; });
	FAILS("cmdline.elfcorehdr-by-hand", "inherited",
	      { wanted->cmdline = "elfcorehdr=0x1000 root=/dev/sda1"; });
	PASSES("cmdline.elfcorehdr-by-hand", "added by the loader",
	       { plan->handover.cmdline = "elfcorehdr=0x1000 root=/dev/sda1"; });
	FAILS("cmdline.no-crashkernel", "lost", {});
	PASSES("cmdline.no-crashkernel", "kept",
	       { next_cmdline(b, "root=/dev/sda1 crashkernel=512M"); });
	PASSES("cmdline.no-crashkernel", "there was none", { host->crashkernel.v = ""; });
}

static void test_capture_words(void **state)
{
	struct bench *b = *state;

	FAILS("cmdline.takes-capture-memory", "huge pages", {
		on_crash(b);
		next_cmdline(b, "nr_cpus=1 hugepages=128");
	});
	PASSES("cmdline.takes-capture-memory", "no such word", { on_crash(b); });
	SILENT("cmdline.takes-capture-memory", "a reboot may", { next_cmdline(b, "hugepages=1"); });
	FAILS("cmdline.all-cpus", "no limit", {
		on_crash(b);
		next_cmdline(b, "root=/dev/sda1");
	});
	PASSES("cmdline.all-cpus", "one", { on_crash(b); });
	FAILS("cmdline.bsp-not-disabled", "6.1 with four CPUs", {
		on_crash(b);
		image->release = "6.1.0-56-amd64";
		next_cmdline(b, "nr_cpus=4");
	});
	PASSES("cmdline.bsp-not-disabled", "6.1 with four CPUs and the word", {
		on_crash(b);
		image->release = "6.1.0-56-amd64";
		next_cmdline(b, "nr_cpus=4 disable_cpu_apicid=0");
	});
	PASSES("cmdline.bsp-not-disabled", "6.12 finds it out", {
		on_crash(b);
		next_cmdline(b, "nr_cpus=4");
	});
	FAILS("cmdline.no-reset-devices", "missing", {
		on_crash(b);
		next_cmdline(b, "nr_cpus=1");
	});
	PASSES("cmdline.no-reset-devices", "with a dash", {
		on_crash(b);
		next_cmdline(b, "nr_cpus=1 reset-devices");
	});
}

static void test_room(void **state)
{
	struct bench *b = *state;

	FAILS("memory.no-room", "initrd", { plan->no_room = "no hole of 0x1000 bytes"; });
	PASSES("memory.no-room", "all placed", {});
	SILENT("memory.no-room", "no reservation at all is another rule's", {
		on_crash(b);
		host->crash_size.v = 0;
		plan->no_room = "no memory is reserved";
	});
	UNKNOWN("memory.no-room", "no plan", { without_plan(b); });
	FAILS("memory.init-size", "only small pieces",
	      { b->ram[1].range.size = b->ram[2].range.size = 57 * MIB; });
	PASSES("memory.init-size", "one piece just fits", {
		b->ram[1].range.size = 57 * MIB;
		b->ram[2].range.size = 58 * MIB;
	});
	PASSES("memory.init-size", "by the firmware's map", { host->map_from = HIDDEN; });
	UNKNOWN("memory.init-size", "no map", {
		host->map_from = HIDDEN;
		host->firmware_map_from = HIDDEN;
	});
	FAILS("memory.half-of-ram", "128 MiB machine", { host->total_ram.v = 128 * MIB; });
	FAILS("memory.half-of-ram", "the same before there is a plan", {
		without_plan(b);
		host->total_ram.v = 128 * MIB;
	});
	PASSES("memory.half-of-ram", "exactly half",
	       { host->total_ram.v = 2 * (58 * MIB + 10 * MIB + 8192); });
	FAILS("memory.initrd-too-large", "unpacked it does not fit",
	      { b->initrd.unpacked_bytes = 6 * GIB; });
	PASSES("memory.initrd-too-large", "fits", {});
}

static void test_segments(void **state)
{
	struct bench *b = *state;

	FAILS("memory.bad-segments", "over a hole", {
		by_load(b);
		plan->segments[1].dest.start = 3 * GIB;
	});
	FAILS("memory.bad-segments", "overlap", {
		by_load(b);
		plan->segments[1].dest.start = plan->segments[0].dest.start;
	});
	FAILS("memory.bad-segments", "not on a page", {
		by_load(b);
		plan->segments[2].dest.start += 16;
	});
	FAILS("memory.bad-segments", "more bytes than place", {
		by_load(b);
		plan->segments[0].bytes.n = 59 * MIB;
	});
	FAILS("memory.bad-segments", "outside of the reservation", {
		on_crash(b);
		by_load(b);
		plan->segments[0].dest.start = 5 * GIB;
	});
	FAILS("memory.bad-segments", "too many", {
		by_load(b);
		plan->n_segments = 17;
	});
	SILENT("memory.bad-segments", "a plan without room has no places yet", {
		by_load(b);
		plan->no_room = "no memory is reserved";
		plan->segments[0].dest.start = plan->segments[1].dest.start = 0;
	});
	PASSES("memory.bad-segments", "all fine", { by_load(b); });
	PASSES("memory.bad-segments", "all fine in the reservation", {
		on_crash(b);
		by_load(b);
	});
	FAILS("memory.hashed-hotplug", "in the digest", {
		on_crash(b);
		by_load(b);
		plan->wanted.hotplug = true;
		plan->segments[2].role = US_SEG_ELFCOREHDR;
		plan->segments[2].hashed = true;
	});
	PASSES("memory.hashed-hotplug", "left out of it", {
		on_crash(b);
		by_load(b);
		plan->wanted.hotplug = true;
		plan->segments[2].role = US_SEG_ELFCOREHDR;
	});
}

static void test_tables(void **state)
{
	struct bench *b = *state;

	FAILS("e820.over-128", "129", { host->firmware_entries = 129; });
	PASSES("e820.over-128", "128", { host->firmware_entries = 128; });
	SILENT("e820.over-128", "kexec_load hands over all", {
		by_load(b);
		host->firmware_entries = 129;
	});
	FAILS("e820.over-128-crash", "125 reserved", {
		on_crash(b);
		host->reserved_entries = 125;
	});
	PASSES("e820.over-128-crash", "124 reserved", {
		on_crash(b);
		host->reserved_entries = 124;
	});
	PASSES("e820.over-128-crash", "hidden, and a short map from the firmware", {
		on_crash(b);
		host->map_from = HIDDEN;
	});
	UNKNOWN("e820.over-128-crash", "hidden, and a long map from the firmware", {
		on_crash(b);
		host->map_from = HIDDEN;
		host->firmware_entries = 65;
	});
	FAILS("elfcorehdr.too-many-headers", "65536", {
		on_crash(b);
		host->possible_cpus.v = 65531;
	});
	PASSES("elfcorehdr.too-many-headers", "65535", {
		on_crash(b);
		host->possible_cpus.v = 65530;
	});
	FAILS("elfcorehdr.too-small", "room for three", {
		on_crash(b);
		host->elfcorehdr_size.v = 64 + 56 * 8;
	});
	PASSES("elfcorehdr.too-small", "room for exactly all", {
		on_crash(b);
		host->elfcorehdr_size.v = 64 + 56 * 9;
	});
}

static void test_reservation(void **state)
{
	struct bench *b = *state;

	FAILS("reservation.missing", "none", {
		on_crash(b);
		host->n_crash = 0;
		host->crash_size.v = 0;
	});
	PASSES("reservation.missing", "there", { on_crash(b); });
	PASSES("reservation.missing", "size known to all, place to root only", {
		on_crash(b);
		host->n_crash = 0;
	});
	FAILS("reservation.too-small", "64 MiB", {
		on_crash(b);
		host->crash[1].size = 64 * MIB;
	});
	FAILS("reservation.too-small", "64 MiB in all", {
		on_crash(b);
		host->n_crash = 0;
		host->crash_size.v = 64 * MIB;
	});
	UNKNOWN("reservation.too-small", "300 MiB, unknown how split", {
		on_crash(b);
		host->map_from = HIDDEN;
		host->n_crash = 0;
		host->crash_size.v = 300 * MIB;
	});
	PASSES("reservation.too-small", "600 MiB, however split", {
		on_crash(b);
		host->map_from = HIDDEN;
		host->n_crash = 0;
		host->crash_size.v = 512 * MIB;
	});
	PASSES("reservation.too-small", "one range of 100 MiB", {
		on_crash(b);
		host->map_from = HIDDEN;
		host->n_crash = 0;
		host->crash_size.v = 100 * MIB;
		host->crashkernel.v = "crashkernel=100M";
	});
	PASSES("reservation.too-small", "before 6.9 the size is the main range's", {
		on_crash(b);
		host->map_from = HIDDEN;
		host->n_crash = 0;
		host->release.v = "6.1.0";
		host->crash_size.v = 300 * MIB;
	});
	PASSES("reservation.too-small", "512 MiB", { on_crash(b); });
	FAILS("reservation.tight", "128 MiB", {
		on_crash(b);
		host->n_crash = 1;
		host->crash[0].size = 128 * MIB;
	});
	PASSES("reservation.tight", "768 MiB", { on_crash(b); });
	PASSES("reservation.tight", "128 MiB that were computed to be enough", {
		on_crash(b);
		host->n_crash = 1;
		host->crash[0].size = 128 * MIB;
		b->c.need_bytes = 127 * MIB;
	});
	FAILS("reservation.tight", "128 MiB that were computed to be too little", {
		on_crash(b);
		host->n_crash = 1;
		host->crash[0].size = 128 * MIB;
		b->c.need_bytes = 129 * MIB;
	});
	FAILS("reservation.no-low-memory", "all above 4 GiB", {
		on_crash(b);
		host->crash[0] = host->crash[1];
		host->n_crash = 1;
	});
	PASSES("reservation.no-low-memory", "256 MiB below", { on_crash(b); });
	PASSES("reservation.no-low-memory", "one range as asked for", {
		on_crash(b);
		host->n_crash = 0;
		host->crash_size.v = 512 * MIB;
	});
	UNKNOWN("reservation.no-low-memory", "more than asked for", {
		on_crash(b);
		host->n_crash = 0;
		host->map_from = HIDDEN;
	});
	FAILS("reservation.words-ignored", "plain and high", {
		on_crash(b);
		host->crashkernel.v = "crashkernel=512M crashkernel=1G,high";
	});
	PASSES("reservation.words-ignored", "high and low", {
		on_crash(b);
		host->crashkernel.v = "crashkernel=512M,high crashkernel=128M,low";
	});
	FAILS("reservation.cma", "shared", {
		on_crash(b);
		host->crashkernel.v = "crashkernel=256M crashkernel=512M,cma";
	});
	PASSES("reservation.cma", "not shared", { on_crash(b); });
}

static void test_every_rule_is_covered(void **state)
{
	bench_done(*state, &us_rules_cmdline);
	bench_done(*state, &us_rules_memory);
	bench_done(*state, &us_rules_reservation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),       cmocka_unit_test(test_words),
		cmocka_unit_test(test_capture_words), cmocka_unit_test(test_room),
		cmocka_unit_test(test_segments),      cmocka_unit_test(test_tables),
		cmocka_unit_test(test_reservation),   cmocka_unit_test(test_every_rule_is_covered),
	};

	return cmocka_run_group_tests(tests, bench_open, bench_close);
}
