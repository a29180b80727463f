/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to the far ends of a rehearsal: far.c, and a file for each kind of server. */
#ifndef US_REHEARSE_FAR_INT_H
#define US_REHEARSE_FAR_INT_H

#include "rehearse/rehearse-int.h"

#define US_FAR_SAVED "saved" /* in the folder of the far end: what the server keeps */

struct us_far_kind {
	const char *server; /* in words: "this machine's sshd" */
	const char *proof;  /* what tells it from others, and is laid over, too: "keys" */
	bool only_tls;      /* it has that proof with TLS only */
	const char *reached, *written; /* "a server is reached by SSH", " by SFTP" */
	/*
	 * Starts what is needed, or says why it cannot be had, and fills p->far: command, port, in
	 * target what is not the real one's, files to lay over, and where crashes arrive.
	 */
	struct us_err *(*start)(struct us_play *p);
};
extern const struct us_far_kind us_far_ssh, us_far_http, us_far_s3, us_far_nfs;

/* A word of a command must be plain: QEMU knows no quotes. */
struct us_err *us_far_plain(const char *word) us_must_check;
/* A name in the folder of the far end; NULL: no memory. */
const char *us_far_path(struct us_play *p, const char *name);
/* A file there, 0600. */
struct us_err *us_far_text(struct us_play *p, const char *name, const char *fmt, ...)
	us_must_check us_printf(3, 4);
/* What is in it; it stays while the play does. */
struct us_err *us_far_file(struct us_play *p, const char *name, struct us_bytes *ret) us_must_check;
/* The file of that name is laid over path in the capture image. */
struct us_err *us_far_lay(struct us_play *p, const char *path, const char *name) us_must_check;
/* understudy-far, beside this program or where it is installed. */
struct us_err *us_far_program(struct us_play *p, const char **ret) us_must_check;
/* The port of the target that is played, or what is usual. */
const char *us_far_port(const struct us_play *p, const char *usual);

#endif
