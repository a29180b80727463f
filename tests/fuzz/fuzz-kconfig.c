/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A .config and a want over it: the want is what follows the first zero byte of the input. */
#include "fuzz.h"

#include "kconfig/kconfig.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
	size_t n = zero ? (size_t)(zero - data) : size;
	_us_kconfig_free_ struct us_kconfig *config = NULL;
	_us_err_free_ struct us_err *err = us_kconfig_parse(us_bytes_of(data, n), &config);
	char want[128] = "X=y";

	MUST(!err == !!config);
	MUST(!err || err->code == US_ERR_BAD_DATA);
	if (zero) {
		size_t rest = size - n - 1;

		if (rest >= sizeof(want))
			rest = sizeof(want) - 1;
		memcpy(want, zero + 1, rest);
		want[rest] = '\0';
	}
	if (!config)
		return 0;
	MUST(us_kconfig_builtin(config, "X") != US_UNKNOWN);
	MUST(us_kconfig_wants(config, "X=y") == us_kconfig_builtin(config, "X"));
	MUST(us_kconfig_wants(config, "X=m") == us_kconfig_enabled(config, "X"));
	MUST(us_kconfig_wants(config, "X=n | X!=n") == US_YES);
	MUST(!us_kconfig_value(config, "X") == (us_kconfig_wants(config, "X=n") == US_YES));
	(void)us_kconfig_wants(config, want);
	return 0;
}
