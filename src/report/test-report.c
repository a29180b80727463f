/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of report: what a person and a program read about made verdicts, plans and pictures. */
#include "report/report-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct us_rule rule_paging = {
	.id = "paging.made-up",
	.severity = US_BLOCK,
	.when = US_ON_BOTH,
	.says = "This kernel runs with 5-level page tables and the image cannot be entered so",
	.fix = "Boot with no5lvl",
	.see = "boot.rst",
};
static const struct us_rule rule_lockdown = {
	.id = "lockdown.made-up",
	.severity = US_BLOCK,
	.role = US_ROLE_PANIC,
	.says = "Lockdown is on",
};
static const struct us_rule rule_iommu = {
	.id = "iommu.made-up",
	.severity = US_WARN,
	.says = "The IOMMU stays on",
};

static struct us_finding findings[3] = {
	{ .rule = &rule_paging,
	  .result = US_FAIL,
	  .severity = US_BLOCK,
	  .d = { .fact = "xloadflags = 0x0003, bit 5 is 0", .evidence = "offset 0x236" } },
	{ .rule = &rule_lockdown,
	  .result = US_CANNOT_TELL,
	  .severity = US_BLOCK,
	  .d = { .lets = "mounting securityfs" } },
	{ .rule = &rule_iommu, .result = US_PASS, .severity = US_WARN },
};

static struct us_verdict made_verdict(void)
{
	return (struct us_verdict){
		.findings = findings,
		.n_findings = 3,
		.blocks = 1,
		.unknown = 1,
		.blind = 1,
		.passed = 1,
	};
}

/* What fn writes, as a string that the caller frees. */
#define WRITTEN(out, call)                                                                         \
	({                                                                                         \
		char *s_ = NULL;                                                                   \
		size_t n_ = 0;                                                                     \
		struct us_out out = { .f = open_memstream(&s_, &n_), .width = 80 };                \
		call;                                                                              \
		fclose(out.f);                                                                     \
		s_;                                                                                \
	})

static void assert_has(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text ? text : "");
}

static void test_verdict_names_reason_fact_place_and_remedy(void **state)
{
	struct us_image image = { .path = "/boot/vmlinuz" };
	struct us_case c = { .image = &image };
	struct us_verdict v = made_verdict();
	char *s = WRITTEN(out, us_report_verdict(&out, &c, &v));

	(void)state;
	assert_has(s, "This machine cannot hand over to /boot/vmlinuz: 1 reason.\n");
	assert_has(s, "block    paging.made-up\n");
	assert_has(s, "fact    xloadflags = 0x0003, bit 5 is 0\n");
	assert_has(s, "where   offset 0x236\n");
	assert_has(s, "remedy  Boot with no5lvl\n");
	assert_has(s,
		   "Not known (1), for want of\n  mounting securityfs:\n    lockdown.made-up (decides)\n");
	assert_has(s, "1 check passed (--verbose lists them).\n");
	assert_has(s, "  architecture    no                  can the image be entered here?\n");
	for (const char *line = s; line; line = strchr(line + 1, '\n'))
		assert_true(strcspn(line + 1, "\n") <= 80);
	free(s);
}

static void test_accepted_finding_is_said_to_be_overridden(void **state)
{
	struct us_image image = { .path = "k" };
	struct us_case c = { .image = &image, .purpose = US_CRASH };
	struct us_verdict v = made_verdict();
	char *s;

	(void)state;
	findings[0].accepted = true;
	v.blocks = 0;
	s = WRITTEN(out, us_report_verdict(&out, &c, &v));
	findings[0].accepted = false;
	assert_has(s, "accepted paging.made-up\n");
	assert_has(s, "overridden by the user");
	assert_has(
		s,
		"may or may not be able to capture its crash with k: 1 fact that\ndecides it is not known.\n");
	free(s);
}

static void test_verdict_json_has_ids_counts_and_answers(void **state)
{
	struct us_image image = { .path = "k\xff" };
	struct us_case c = { .image = &image };
	struct us_verdict v = made_verdict();
	json_object *obj = us_json_verdict(&c, &v), *list, *sub;

	(void)state;
	assert_string_equal(json_object_get_string(json_object_object_get(obj, "schema")),
			    "understudy.check/1");
	assert_string_equal(json_object_get_string(json_object_object_get(obj, "image")), "k?");
	assert_string_equal(json_object_get_string(json_object_object_get(obj, "verdict")), "block");
	list = json_object_object_get(obj, "findings");
	assert_int_equal(json_object_array_length(list), 3);
	sub = json_object_array_get_idx(list, 1);
	assert_string_equal(json_object_get_string(json_object_object_get(sub, "result")),
			    "unknown");
	assert_string_equal(json_object_get_string(json_object_object_get(sub, "question")),
			    "permission");
	assert_string_equal(json_object_get_string(json_object_object_get(sub, "side")),
			    "running kernel");
	json_object_put(obj);
}

static void test_words_of_files_cannot_steer_the_terminal(void **state)
{
	char *s = WRITTEN(out, us_out_para(&out, 0, 0, "%s", "a\033[31mb"));

	(void)state;
	assert_string_equal(s, "a\\x1b[31mb\n");
	free(s);
}

static struct us_plan made_plan(void)
{
	struct us_plan plan = {
		.call = US_CALL_LOAD,
		.n_segments = 4,
		.handover = { .cmdline = "root=/dev/vda <quiet>",
			      .initrd_addr = 0x30000000,
			      .initrd_bytes = 7000000 },
	};
	const struct us_segment segments[] = {
		{ US_SEG_PURGATORY, { NULL, 9000 }, { 0x3fff0000, 0x8000 }, "highest hole", false },
		{ US_SEG_BOOT_PARAMS, { NULL, 5000 }, { 0x3ffe8000, 0x2000 }, "below it", true },
		{ US_SEG_KERNEL, { NULL, 12000000 }, { 0x3c000000, 0x37ee000 }, "aligned", true },
		{ US_SEG_INITRD, { NULL, 7000000 }, { 0x30000000, 0x6ad000 }, "top down", true },
	};

	memcpy(plan.segments, segments, sizeof(segments));
	return plan;
}

static void test_plan_lists_every_segment_with_its_reason(void **state)
{
	struct us_plan plan = made_plan();
	char *s = WRITTEN(out, us_report_plan(&out, &plan));

	(void)state;
	assert_has(s, "0x3c000000-0x3f7edfff");
	assert_has(s, "highest hole");
	assert_has(s, "root=/dev/vda <quiet>");
	assert_has(s, "kexec_load(2)");
	free(s);
}

/* The y of each text of a class, in order of appearance. */
static size_t ys_of(const char *svg, const char *class, double *ys, size_t max)
{
	size_t n = 0;

	for (const char *t = svg; (t = strstr(t, "<text ")) && n < max; t++) {
		const char *end = strchr(t, '>'), *hit = strstr(t, class);
		double x, y;

		if (hit && hit < end && sscanf(t, "<text x=\"%lf\" y=\"%lf\"", &x, &y) == 2 &&
		    x > 540)
			ys[n++] = y;
	}
	return n;
}

static void test_picture_labels_each_segment_without_overlap(void **state)
{
	struct us_image image = { .path = "/boot/<vmlinuz>" };
	struct us_plan plan = made_plan();
	struct us_host host = { 0 };
	double ys[8];
	size_t n;
	char *s;

	(void)state;
	plan.image = &image;
	assert_null(us_map_set(&host.map, (struct us_range){ 0x1000, 0x9e000 }, US_MEM_RAM));
	assert_null(us_map_set(&host.map, (struct us_range){ 0x100000, 0x3fee0000 }, US_MEM_RAM));
	assert_null(
		us_map_set(&host.map, (struct us_range){ 0xfffc0000, 0x40000 }, US_MEM_RESERVED));
	s = WRITTEN(out, assert_null(us_picture_plan(out.f, &host, &plan)));
	assert_has(s, "/boot/&lt;vmlinuz&gt;");
	assert_has(s, "</svg>\n");
	n = ys_of(s, "class=\"label\"", ys, 8);
	assert_int_equal(n, 4);
	for (size_t i = 1; i < n; i++)
		assert_true(ys[i] - ys[i - 1] >= 30);
	us_map_deinit(&host.map);
	free(s);
}

static void test_timeline_shows_the_least_memory_and_what_did_not_end(void **state)
{
	static const struct us_timeline_stage stages[] = { { "<begin>", 600, 900 },
							   { "dump", 900, UINT64_MAX } };
	static const struct us_timeline_sample samples[] = { { 600, 50 << 20, 9 << 20 },
							     { 800, 20 << 20, 40 << 20 },
							     { 900, 30 << 20, 30 << 20 } };
	const struct us_timeline whole = { stages, 2, samples, 3, 64 << 20 };
	const struct us_timeline nothing = { 0 }, one = { .stages = stages, .n_stages = 1 };
	char *s;

	(void)state;
	s = WRITTEN(out, assert_null(us_picture_timeline(out.f, &whole, false)));
	assert_has(s, "<?xml");
	assert_has(s, "&lt;begin&gt;");
	assert_has(s, "least left: 20 MiB");
	assert_has(s, "did not end");
	free(s);
	s = WRITTEN(out, assert_null(us_picture_timeline(out.f, &one, true)));
	assert_null(strstr(s, "<?xml"));
	assert_null(strstr(s, "least left"));
	assert_has(s, "<title>");
	free(s);
	s = WRITTEN(out, assert_null(us_picture_timeline(out.f, &nothing, true)));
	assert_has(s, "</svg>");
	assert_null(strstr(s, "nan"));
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdict_names_reason_fact_place_and_remedy),
		cmocka_unit_test(test_accepted_finding_is_said_to_be_overridden),
		cmocka_unit_test(test_verdict_json_has_ids_counts_and_answers),
		cmocka_unit_test(test_words_of_files_cannot_steer_the_terminal),
		cmocka_unit_test(test_plan_lists_every_segment_with_its_reason),
		cmocka_unit_test(test_picture_labels_each_segment_without_overlap),
		cmocka_unit_test(test_timeline_shows_the_least_memory_and_what_did_not_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
