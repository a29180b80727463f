/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of a log -> what a panic is called, its taint, and the short report. */
#include "fuzz.h"

#include "base/cleanup.h"
#include "report/report.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_free_ char *signature = NULL, *text = NULL;
	struct us_crash_words words = { 0 };
	struct us_panic panic = { 0 };

	words.panic = &panic;
	while (size) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t n = end ? (size_t)(end - data) : size;
		struct us_log_record record = { .text = us_bytes_of(data, n) };
		_us_free_ char *line = strndup((const char *)data, n);

		MUST(line && !us_panic_look(&panic, &record) && !us_crash_line(&words, line));
		data += n + !!end;
		size -= n + !!end;
	}
	MUST(!us_crash_signature(&panic, &signature) && *signature && !strchr(signature, '\n'));
	MUST(!us_crash_text(&words, &text) && strstr(text, signature));
	if (words.tainted)
		MUST(us_taint_parse(words.tainted) >> 20 == 0);
	us_panic_deinit(&panic);
	us_crash_words_deinit(&words);
	return 0;
}
