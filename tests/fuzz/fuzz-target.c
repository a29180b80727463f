/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Targets in words: what is understood comes back as words that mean the same. */
#include "fuzz.h"

#include "base/cleanup.h"
#include "target/target.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	_us_free_ char *text = strndup((const char *)data, size);
	struct us_target_spec spec, again;
	struct us_target_needs needs;
	const char *words = NULL, *same = NULL;
	struct us_err *err;

	if (!text)
		return 0;
	err = us_target_parse(text, &pool, &spec);
	if (!err)
		err = us_target_needs(&spec, &pool, &needs);
	if (!err)
		err = us_target_words(&spec, &pool, &words);
	if (err) {
		us_err_free(err);
		return 0;
	}
	if (us_target_parse(words, &pool, &again) || us_target_words(&again, &pool, &same) ||
	    strcmp(words, same) != 0)
		abort();
	return 0;
}
