/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of check share: the rule tables, in order of judgment, and the small words that
 * rule functions are written in. A rule states the fact and where it was read, then decides:
 *	us_fact(d, "..."); us_read(d, "..."); return us_fail_if(...);
 * so that a passing rule can be shown with its fact as well.
 */
#ifndef US_CHECK_CHECK_INT_H
#define US_CHECK_CHECK_INT_H

#include "check/check.h"

#include <string.h>

struct us_rule_table {
	const struct us_rule *rules;
	size_t n;
};
#define US_RULE_TABLE(array)                                                                       \
	{                                                                                          \
		.rules = (array), .n = us_array_size(array)                                        \
	}
extern const struct us_rule_table us_rules_image, us_rules_paging, us_rules_security,
	us_rules_signature, us_rules_cmdline, us_rules_memory, us_rules_reservation,
	us_rules_firmware, us_rules_machine, us_rules_crash, us_rules_capture, us_rules_initrd,
	us_rules_policy, us_rules_call;

#define US_X86     (US_ARCH_BIT(US_ARCH_X86_64) | US_ARCH_BIT(US_ARCH_I386))
#define US_X86_64B US_ARCH_BIT(US_ARCH_X86_64)

static inline const char *us_path(struct us_origin o)
{
	return o.path ? o.path : "the machine";
}

static inline bool us_is_locked_down(const struct us_host *host)
{
	return us_known(host->lockdown.o) && strcmp(host->lockdown.v, "none") != 0;
}
/* Then there is no other call to turn to, and no limit on it to know. */
static inline bool us_has_no_kexec(const struct us_host *host)
{
	return host->has_kexec_load.v == US_NO && host->has_kexec_file_load.v == US_NO;
}

/* Texts of a detail, in its pool. A missing memory shows as a NULL that the engine notices. */
void us_fact(struct us_detail *d, const char *fmt, ...) us_printf(2, 3);
void us_read(struct us_detail *d, const char *fmt, ...) us_printf(2, 3);
void us_remedy(struct us_detail *d, const char *fmt, ...) us_printf(2, 3);
/* "offset 0x236 of PATH", or of the kernel inside it when it was peeled out. */
void us_read_at(struct us_detail *d, const struct us_image *image, uint64_t offset);

static inline enum us_result us_fail_if(bool failed)
{
	return failed ? US_FAIL : US_PASS;
}
/* US_CANNOT_TELL, and what would let it. */
enum us_result us_cannot_tell(struct us_detail *d, const char *fmt, ...) us_printf(2, 3);
enum us_result us_missing(struct us_detail *d, struct us_origin o);
/* By a capability of the image: US_FAIL if it equals bad, US_PASS for the other, else unknown. */
enum us_result us_judge_cap(const struct us_case *c, struct us_detail *d, enum us_cap cap,
			    enum us_tri bad);

/* The command line as the next kernel will see it; NULL if nobody said one. */
const char *us_next_cmdline(const struct us_case *c);
/*
 * Words of a command line as the kernel splits them: white space outside double quotes; '-' and '_'
 * are the same in names. How many words are called name; *ret_last (may be NULL) is the last one's
 * value, in pool, quotes taken off, "" for a bare word, NULL if there is none.
 */
size_t us_words(const char *cmdline, const char *name, struct us_pool *pool, const char **ret_last);
static inline bool us_has_word(const char *cmdline, const char *name)
{
	return us_words(cmdline, name, NULL, NULL) > 0;
}

/* Is release older than major.minor? US_UNKNOWN if it does not start with a version. */
enum us_tri us_release_before(const char *release, int major, int minor);
bool us_release_parse(const char *release, int *ret_major, int *ret_minor);

/* The plan's segment of that role, or NULL. */
const struct us_segment *us_plan_segment(const struct us_plan *plan, enum us_segment_role role);
/* Bytes of memory that the image needs at its place, to whole pages; falls back to the file's size. */
uint64_t us_run_bytes(const struct us_image *image);
/* The memory of the machine: /proc/iomem, else the firmware's map; NULL (and *ret_from saying why)
 * if neither was readable. */
const struct us_map *us_ram(const struct us_host *host, struct us_origin *ret_from);

bool us_file_load_takes(const struct us_arch *arch, enum us_image_kind kind);

/* Does the running kernel insist on a good signature? why: static words, evidence for people. */
enum us_tri us_enforced(const struct us_host *host, struct us_origin *ret_from,
			const char **ret_why);
/* May there be revoked keys in a keyring that could not be listed? */
bool us_hides_revoked(const struct us_host *host);
/* What would make an unsure trust sure: the keys or keyrings that are not known. */
struct us_origin us_unsure_from(const struct us_host *host);
/* Was the running kernel built without the code that verifies signed images of arch? */
bool us_lacks_verifier(const struct us_host *host, const struct us_arch *arch);

/* Does a row of the roles' tables hold for this kernel? */
enum us_tri us_part_applies(const struct us_parts *parts, enum us_part_age age, unsigned int since,
			    unsigned int until, unsigned int arch);
/* As a us_want_fn. */
enum us_tri us_part_value(struct us_parts *parts, const char *symbol, const char **ret);
/* Is there a kexec_file_load for this architecture? Yes, too, if the architecture is not known. */
bool us_part_arch_has_file(const struct us_arch *arch);
/* Assignments, each once. */
struct us_part_wishes {
	struct us_pool *pool;
	struct us_part_wish {
		const char *symbol, *value;
	} v[64];
	size_t n;
};
/* The first alternative of want, assignment by assignment. */
struct us_err *us_part_wish(struct us_part_wishes *wishes, const char *want) us_must_check;
/* Is rule one whose want may be wished for? Options without a prompt are not, and neither is what
 * is only feared to be so. */
bool us_part_wishable(const struct us_part_finding *f);

#endif
