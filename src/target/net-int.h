/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/target: what network targets share. program.c runs another program and speaks with
 * it through a socket; sftp.c is the SFTP protocol over any pair of functions; helper.c speaks with
 * understudy-http, which knows HTTP.
 */
#ifndef US_TARGET_NET_INT_H
#define US_TARGET_NET_INT_H

#include "target/target-int.h"

#include <sys/types.h>

/* ---- program.c ---- */
struct us_program {
	pid_t pid;            /* 0: not running */
	int fd;               /* its standard input and output */
	int err_fd;           /* its standard error */
	uint64_t deadline_ns; /* for every call; 0 = none */
	char said[2048];      /* the end of what it wrote to standard error */
	size_t n_said;
};
struct us_err *us_program_start(const char *const *argv, uint64_t deadline_ns,
				struct us_program *ret) us_must_check;
/* All of it; US_ERR_OS with ETIMEDOUT, or EPIPE if the program has ended. */
struct us_err *us_program_send(struct us_program *program, const void *p, size_t n) us_must_check;
struct us_err *us_program_receive(struct us_program *program, void *p, size_t n) us_must_check;
/* Ends it: nicely for a moment, then not. Safe to be called again. */
void us_program_end(struct us_program *program);

/* ---- sftp.c: version 3 of the protocol, draft-ietf-secsh-filexfer-02 ---- */
struct us_sftp_io {
	struct us_err *(*send)(void *data, const void *p, size_t n);
	struct us_err *(*receive)(void *data, void *p, size_t n);
	void *data;
};
struct us_sftp;
struct us_sftp_handle {
	uint8_t bytes[256];
	uint32_t n;
};
struct us_sftp_attrs {
	bool has_size, has_mode;
	uint64_t size;
	uint32_t mode; /* as stat's */
};
#define US_SFTP_READ   0x01u
#define US_SFTP_WRITE  0x02u
#define US_SFTP_CREATE 0x08u
#define US_SFTP_TRUNC  0x10u
struct us_err *us_sftp_new(const struct us_sftp_io *io, struct us_sftp **ret) us_must_check;
void us_sftp_free(struct us_sftp *sftp);
/* Answers of the server are US_ERR_NOT_FOUND, US_ERR_DENIED, US_ERR_UNSUPPORTED (it does not know
 * the request) or US_ERR_REFUSED (all others); a broken stream is what io gave, or
 * US_ERR_BAD_DATA. */
struct us_err *us_sftp_open(struct us_sftp *sftp, const char *path, uint32_t flags, uint32_t mode,
			    struct us_sftp_handle *ret) us_must_check;
struct us_err *us_sftp_close(struct us_sftp *sftp, const struct us_sftp_handle *handle)
	us_must_check;
/* Sent, not yet answered: what fails is told by a later call or us_sftp_settle(). */
struct us_err *us_sftp_write(struct us_sftp *sftp, const struct us_sftp_handle *handle, uint64_t at,
			     struct us_bytes bytes) us_must_check;
struct us_err *us_sftp_settle(struct us_sftp *sftp) us_must_check;
/* Up to n bytes; *ret_n is less at the end of the file only. */
struct us_err *us_sftp_read(struct us_sftp *sftp, const struct us_sftp_handle *handle, uint64_t at,
			    void *p, size_t n, size_t *ret_n) us_must_check;
/* Done nothing without fsync@openssh.com: *ret_done. */
struct us_err *us_sftp_fsync(struct us_sftp *sftp, const struct us_sftp_handle *handle,
			     bool *ret_done) us_must_check;
struct us_err *us_sftp_stat(struct us_sftp *sftp, const char *path, struct us_sftp_attrs *ret)
	us_must_check;
struct us_err *us_sftp_mkdir(struct us_sftp *sftp, const char *path, uint32_t mode) us_must_check;
struct us_err *us_sftp_rmdir(struct us_sftp *sftp, const char *path) us_must_check;
struct us_err *us_sftp_remove(struct us_sftp *sftp, const char *path) us_must_check;
/* Over what is there, if need be by removing that first. */
struct us_err *us_sftp_rename(struct us_sftp *sftp, const char *from, const char *to) us_must_check;
struct us_err *us_sftp_free_bytes(struct us_sftp *sftp, const char *path, uint64_t *ret)
	us_must_check;
struct us_sftp_name {
	const char *name;
	struct us_sftp_attrs attrs;
};
struct us_err *us_sftp_list(struct us_sftp *sftp, const char *path, struct us_pool *pool,
			    struct us_sftp_name **ret, size_t *ret_n) us_must_check;

#endif
