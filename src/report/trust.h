/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How trust is told: who vouches for an image, and who can replace the kernel. Part of report.h. */
#ifndef US_REPORT_TRUST_H
#define US_REPORT_TRUST_H

#include "check/check.h"

#include <json-c/json.h>

struct us_out;

/* What verify-image found out. */
struct us_trust_report {
	const struct us_image *image;
	const struct us_anchors *asked; /* of the verdict */
	struct us_trust trust;
	bool by_files;                 /* asked are keys of files, else host's */
	const struct us_host *host;    /* NULL: only the keys of files were asked */
	const struct us_anchors *own;  /* host's */
	struct us_trust own_trust;     /* by these */
	struct us_kexec_answer answer; /* on host, from that */
	int exit;
};
void us_report_trust(struct us_out *out, const struct us_trust_report *report);
json_object *us_json_trust(const struct us_trust_report *report);

/* Keys, as items of a list. */
void us_json_anchors(json_object *list, const struct us_anchor *anchors, size_t n);

/* What audit found out. */
struct us_audit_report {
	const struct us_host *host;
	const struct us_audit *audit;
	const struct us_anchor *anchors; /* the kernel's keys */
	size_t n_anchors;
	const char *policy; /* NULL: none */
	const struct us_audit_breach *breaches;
	size_t n_breaches;
	int exit;
};
void us_report_audit(struct us_out *out, const struct us_audit_report *report);
json_object *us_json_audit(const struct us_audit_report *report);

#endif
