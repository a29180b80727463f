/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * (image, machine, plan) -> findings -> verdict. A rule is one table entry and one small function,
 * or a Kconfig want without a function. The engine skips a rule whose inputs are absent or whose
 * facts are unknown, and says so: nothing passes because nobody looked.
 */
#ifndef US_CHECK_CHECK_H
#define US_CHECK_CHECK_H

#include "check/roles.h"
#include "check/audit.h"
#include "host/host.h"
#include "image/image.h"
#include "load/load.h"

enum us_severity { US_NOTE, US_WARN, US_BLOCK };
enum us_role {
	US_ROLE_REBOOT = 1,
	US_ROLE_PANIC = 2 /* the running kernel, crash */,
	US_ROLE_CAPTURE = 4 /* the image, crash */
};
enum us_needs {
	US_NEEDS_IMAGE = 1,
	US_NEEDS_HOST = 2,
	US_NEEDS_PLAN = 4,
	US_NEEDS_DEEP = 8,
	US_NEEDS_INITRD = 16,
	US_NEEDS_BZIMAGE = 32,
	US_NEEDS_CMDLINE = 64
};
enum us_when { US_ON_REBOOT = 1, US_ON_CRASH = 2, US_ON_BOTH = 3 };
/* Which system call a rule is about. */
enum us_by { US_BY_ANY, US_BY_FILE, US_BY_LOAD };

enum us_result { US_PASS, US_FAIL, US_CANNOT_TELL, US_NOT_APPLICABLE };

/* How far the image may be from the running kernel: off by default. */
struct us_policy {
	enum us_severity severity; /* US_WARN or US_BLOCK */
	int max_major, max_minor;  /* distance allowed; -1 = any */
	const char *const *allow;  /* releases allowed in any case, NULL-terminated, or NULL */
};

/* "block:0.11,6.1.0-49-amd64": severity, distance, releases allowed in any case. US_ERR_USAGE. */
struct us_err *us_policy_parse(const char *text, struct us_pool *pool, struct us_policy *ret)
	us_must_check;

struct us_case {
	enum us_purpose purpose;
	const struct us_image *image; /* any may be NULL */
	const struct us_initrd *initrd;
	const struct us_host *host;
	const struct us_plan *plan;
	const struct us_err *plan_problem; /* why there is no plan */
	const struct us_wanted *wanted;
	const struct us_policy *policy; /* NULL = no policy */
	uint64_t need_bytes; /* crash: what the capture was computed to need; 0: a rule guesses */
	bool acting; /* a load by this very process follows: what it lacks itself (privileges)
			blocks; otherwise that is a note */
};

/* Filled by a rule's function: the fact, where it was read, its value. */
struct us_detail {
	struct us_pool *pool;
	const char *fact;     /* "xloadflags = 0x0003, bit 5 (XLF_5LEVEL) is 0", required on FAIL */
	const char *evidence; /* "offset 0x236 of /boot/vmlinuz; /proc/cpuinfo: la57", required on
				 FAIL */
	const char *remedy;   /* replaces the rule's .fix where a better one is known, or NULL */
	const char *lets;     /* CANNOT_TELL: what would let it be known */
	enum us_severity severity; /* the rule's own on entry; a function may change it */
};

struct us_rule {
	const char *id; /* "paging.5-level-to-4-level": area.what-is-wrong, stable */
	enum us_severity severity;
	unsigned int when; /* enum us_when */
	unsigned int role; /* enum us_role: which side is judged */
	unsigned int arch; /* US_ARCH_BIT()s, 0 = any */
	enum us_by by;
	unsigned int needs; /* enum us_needs */
	const char *want; /* Kconfig want or NULL ("PROC_VMCORE=y"), judged on the role's kernel */
	bool unknown_ok;  /* that a blocking rule cannot tell is ordinary (not root, not looked
			     deep):  it is listed but does not count as blind */
	bool last_resort; /* says something only where no other rule blocks */
	const char *says, *fix, *see;
	enum us_result (*test)(const struct us_case *c, struct us_detail *d); /* NULL if want */
};

/* All rules, in the order of judgment (cheap to dear). */
const struct us_rule *us_rule_at(size_t i);          /* NULL past the last one */
const struct us_rule *us_rule_by_id(const char *id); /* NULL if there is none */

struct us_finding {
	const struct us_rule *rule;
	enum us_result result;
	enum us_severity severity;
	size_t order;  /* of judgment */
	bool accepted; /* the user takes this one (load --accept): it is shown and does not block */
	struct us_detail d;
};

struct us_verdict {
	struct us_pool pool;
	struct us_finding *findings; /* FAIL and CANNOT_TELL first by severity, then PASS;
					not-applicable ones are left out */
	size_t n_findings;
	size_t blocks, warnings, notes, unknown, passed;
	size_t blind; /* of unknown: blocking rules without .unknown_ok. A verdict that blocks
			 nothing and is blind is "could not find out" (exit 3) */
};

struct us_err *us_check(const struct us_case *c, struct us_verdict **ret) us_must_check;
void us_verdict_free(struct us_verdict *verdict);
static inline void us_verdict_freep(struct us_verdict **verdict)
{
	us_verdict_free(*verdict);
}
#define _us_verdict_free_ __attribute__((cleanup(us_verdict_freep)))
static inline bool us_finding_is_blind(const struct us_finding *f)
{
	return f->result == US_CANNOT_TELL && f->severity == US_BLOCK && !f->rule->unknown_ok;
}
/*
 * The system call that will be used: the plan's, else the one wanted, else kexec_file_load where
 * the machine has it and it takes such images, and kexec_load where not. US_CALL_AUTO: not known.
 */
enum us_call us_check_call(const struct us_case *c);
/* Will the image's signature decide something here? Then verify it before judging; it costs a
 * hash over the file. */
bool us_check_needs_signature(const struct us_host *host);
/* The signature that kexec_file_load would look at: of the file, or of the kernel inside it. */
const struct us_signature *us_handed_signature(const struct us_image *image);
/* The kernel's keys that count for kexec, and what is revoked; texts stay the host's. */
struct us_err *us_host_anchors(const struct us_host *host, struct us_anchors *ret) us_must_check;
/* What the verifier says of a signature and those keys; unsure where the host hides what decides. */
struct us_trust us_host_trust(const struct us_host *host, const struct us_signature *signature,
			      const struct us_anchors *anchors);
/* What kexec_file_load says of a signature on this machine: the verifier's words are one thing,
 * whether the kernel insists on them is another. */
struct us_kexec_answer {
	struct us_trust trust;
	enum us_tri taken; /* as far as signatures go */
	int os_errno;      /* US_NO: what it answers */
	const char *why;   /* static words: why it insists, why it does not, why it is not known */
	const char *from;  /* where that was read, "" if nowhere */
};
struct us_kexec_answer us_kexec_answer(const struct us_host *host, const struct us_image *image,
				       struct us_trust trust);
/* "block" | "warning" | "note" */
const char *us_severity_name(enum us_severity severity);

#endif
