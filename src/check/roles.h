/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts that a kernel can play, judged from its configuration or from what its image proves: to
 * start another kernel, to be started, to hold a capture kernel when it dies, to be that capture
 * kernel. A rule is one entry of a table (role-rules.c). Nothing of a machine or a load is judged
 * here: that is check.h. Reached through check/check.h.
 */
#ifndef US_CHECK_ROLES_H
#define US_CHECK_ROLES_H

#include "host/host.h"
#include "image/image.h"
#include "kconfig/tree.h"

enum us_part {
	US_PART_SOURCE,  /* starts another kernel by kexec */
	US_PART_TARGET,  /* is started by kexec */
	US_PART_PANIC,   /* dies, and starts the capture kernel */
	US_PART_CAPTURE, /* is the capture kernel */
	US_PARTS
};
#define US_PART_BIT(part) (1u << (part))
#define US_PARTS_ALL      (US_PART_BIT(US_PARTS) - 1)
const char *us_part_name(enum us_part part); /* "source", "target", "panic", "capture" */
/* "panic,capture" -> bits. US_ERR_USAGE. */
struct us_err *us_parts_parse(const char *words, unsigned int *ret) us_must_check;

enum us_part_weight {
	US_PART_NEEDS,  /* without it the part is not had, or not by the call that it is about */
	US_PART_WISHES, /* without it the part is had, at a cost */
	US_PART_TELLS   /* no option is wanted: something to know wherever the rule applies */
};
enum us_part_call { US_PART_BY_LOAD = 1, US_PART_BY_FILE = 2 };
/*
 * 6.9 cut the crash code apart: until then KEXEC_CORE holds a crash image and CRASH_DUMP is for the
 * capture kernel alone; from then on the side that dies needs CRASH_DUMP as well. Kernels carry
 * such things back, so the symbols of the .config decide first, and the version only without them.
 */
enum us_part_age { US_AGE_ANY, US_AGE_UNCUT, US_AGE_CUT };

#define US_LINUX(major, minor, patch) ((unsigned int)(major) << 20 | (minor) << 10 | (patch))

struct us_part_rule {
	const char *id;     /* "panic.crash-dump": stable */
	unsigned int parts; /* US_PART_BIT()s */
	enum us_part_weight weight;
	unsigned int calls; /* enum us_part_call: the need is that call's alone; 0: the part's */
	enum us_part_age age;
	unsigned int since, until; /* US_LINUX(): from, and before; 0 = any */
	unsigned int arch;         /* US_ARCH_BIT()s, 0 = any */
	const char *given;         /* a want: the rule applies where it holds; NULL = always */
	const char *want;          /* NULL for US_PART_TELLS */
	enum us_cap cap;           /* with by_cap: of an image, what decides instead of want */
	bool by_cap;
	/* US_PART_NEEDS: not being able to tell does not make the part unknown. Either because it
	 * has no prompt and comes with another option (comes), or because it is rare. */
	bool unknown_ok;
	bool comes;        /* never asked for in a fragment */
	const char *costs; /* what its absence (or, for US_PART_TELLS, its presence) means */
	const char *see;   /* where that stands */
};
const struct us_part_rule *us_part_rule_at(size_t i); /* NULL past the last one */

/* What options need themselves, where no tree is at hand: for fragments. */
struct us_part_need {
	const char *symbol; /* SYMBOL=y needs */
	const char *want;
	enum us_part_age age;
	unsigned int since, until, arch;
};
const struct us_part_need *us_part_need_at(size_t i);

/* Who says what a kernel has. Members are borrowed, any may be NULL; what is not known stays so. */
struct us_witness {
	const char *name;    /* path, or "the running kernel" */
	const char *release; /* "6.12.117+deb12-amd64" */
	const struct us_arch *arch;
	const struct us_kconfig *config;
	const char *config_from;
	const struct us_image *image; /* looked into */
	const struct us_host *host;
};
struct us_witness us_witness_of_config(const struct us_kconfig *config, const char *path);
struct us_witness us_witness_of_image(const struct us_image *image);
struct us_witness us_witness_of_host(const struct us_host *host);
/* Of a source tree alone: version and architecture, and no option is known. */
struct us_witness us_witness_of_tree(const struct us_ktree *tree);

struct us_part_finding {
	const struct us_part_rule *rule;
	enum us_tri v;     /* is it as wanted? For US_PART_TELLS: does it apply? */
	const char *found; /* "KEXEC=y; KEXEC_FILE is not set"; never NULL */
	bool decides;      /* the verdict on the part stands on it */
};
struct us_part_verdict {
	enum us_tri v;
	/* by which system call: the running kernel's own, or, for target and capture, of the kernel
	 * that starts it */
	enum us_tri by_load, by_file;
	struct us_part_finding *findings; /* by weight, as in the table */
	size_t n_findings;
};
/* "yes", "with kexec_file_load only", "no", "not known" */
const char *us_part_verdict_words(const struct us_part_verdict *v);

struct us_parts {
	struct us_pool pool;
	struct us_witness witness;
	unsigned int version; /* US_LINUX() that was judged by; 0 = not known */
	enum us_part_age age; /* US_AGE_ANY = not known */
	const char *age_from; /* why that age */
	bool whole; /* what the .config does not name is not set; else it may be a fragment */
	struct us_part_verdict v[US_PARTS];
};
struct us_err *us_parts_judge(const struct us_witness *witness, struct us_parts **ret)
	us_must_check;
void us_parts_free(struct us_parts *parts);
static inline void us_parts_freep(struct us_parts **parts)
{
	us_parts_free(*parts);
}
#define _us_parts_free_ __attribute__((cleanup(us_parts_freep)))

struct us_part_fragment {
	const char *arch;         /* as make calls it with a tree, else as we do; "" = not known */
	const char *const *lines; /* "CONFIG_KEXEC_FILE=y", NULL-terminated; none: nothing lacks */
	/* with a tree: */
	bool reachable;             /* false: the tree forbids it, and reasons say why */
	const char *const *reasons; /* sentences, NULL-terminated */
	const char *const
		*assumed; /* what a compiler or a number must come out as; NULL-terminated */
};
/* The fewest lines that give the witness the parts asked (bits), by the tables alone. */
struct us_err *us_parts_fragment(struct us_parts *parts, unsigned int asked,
				 struct us_part_fragment *ret) us_must_check;
/* The same, asked of the tree that parts were judged of (us_witness_of_tree()). base: a .config
 * that shall be kept otherwise, or NULL. Texts live in parts' pool. */
struct us_err *us_parts_ask(struct us_parts *parts, unsigned int asked, struct us_ktree *tree,
			    const struct us_kconfig *base, struct us_part_fragment *ret)
	us_must_check;

#endif
