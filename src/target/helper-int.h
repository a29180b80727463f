/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/target: a running understudy-http. Answers that tell a failure are errors with the
 * helper's own code and words.
 */
#ifndef US_TARGET_HELPER_INT_H
#define US_TARGET_HELPER_INT_H

#include "target/http-int.h"
#include "target/net-int.h"

struct us_helper {
	struct us_program program;
};
/* The helper's path; US_ERR_NOT_FOUND says where it belongs. */
struct us_err *us_helper_find(struct us_pool *pool, const char **ret) us_must_check;
struct us_err *us_helper_start(uint64_t deadline_ns, struct us_helper *ret) us_must_check;
void us_helper_end(struct us_helper *helper);
struct us_err *us_helper_send(struct us_helper *helper, uint8_t type, struct us_bytes text,
			      struct us_bytes more) us_must_check;
/* ret may be NULL; its bytes have a NUL behind them. */
struct us_err *us_helper_receive(struct us_helper *helper, struct us_blob *ret) us_must_check;
struct us_err *us_helper_ask(struct us_helper *helper, uint8_t type, struct us_bytes text,
			     struct us_bytes more, struct us_blob *ret) us_must_check;
/* It has something to say (or is gone) before it was asked. */
bool us_helper_has_answer(struct us_helper *helper);

#endif
