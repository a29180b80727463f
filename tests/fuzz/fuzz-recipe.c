/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A recipe; what was understood is written, and read again as the same. */
#include "fuzz.h"

#include "base/cleanup.h"
#include "crash/recipe.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_recipe_free_ struct us_recipe *first = NULL, *second = NULL;
	_us_free_ char *text = NULL, *again = NULL;
	struct us_err *err = us_recipe_parse(us_bytes_of(data, size), &first);

	MUST(!err == !!first);
	if (err) {
		MUST(err->code == US_ERR_BAD_DATA);
		us_err_free(err);
		return 0;
	}
	MUST(!us_recipe_write(first, &text));
	MUST(!us_recipe_parse(us_bytes_of(text, strlen(text)), &second));
	MUST(!us_recipe_write(second, &again));
	MUST(!strcmp(text, again));
	return 0;
}
