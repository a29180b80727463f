/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines: the value of a word, and the running kernel's line for the next kernel without what
 * must not be inherited. Words and quotes as in Linux 6.12 lib/cmdline.c; what a capture kernel must
 * not take over: Documentation/admin-guide/kdump/kdump.rst. Nothing is added but the user's words.
 */
#include "load/load.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>

/* Written by a boot loader or a loader of kernels for one boot: wrong in any other. */
static const char *const never[] = { "BOOT_IMAGE", "initrd", "elfcorehdr", "dmcryptkeys" };
/* The reservation and what takes memory or CPUs that a capture kernel does not have, and a
 * hibernation image, which would replace it. */
static const char *const not_for_capture[] = {
	"crashkernel", "hugepages", "hugepagesz",    "default_hugepagesz", "hugetlb_cma",
	"cma",         "resume",    "resume_offset", "resumewait",         "isolcpus",
	"nohz_full",   "rcu_nocbs", "kho",
};

static bool one_of(const struct us_cmdline_word *word, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (us_cmdline_is(word, names[i]))
			return true;
	return false;
}

static void add_word(struct us_text *text, const char *word, size_t n)
{
	if (text->n && n)
		us_text_put(text, " ", 1);
	us_text_put(text, word, n);
}

struct us_err *us_cmdline_reuse(const struct us_host *host, enum us_purpose purpose,
				const char *append, char **ret)
{
	_us_text_deinit_ struct us_text text = { 0 };
	const char *at = host->cmdline.v;
	struct us_cmdline_word word;

	if (!us_known(host->cmdline.o))
		return us_err_new(US_ERR_NOT_FOUND, "the running kernel's command line (%s): %s",
				  host->cmdline.o.path, host->cmdline.o.missing);
	while (us_cmdline_next(&at, &word)) {
		if (one_of(&word, never, us_array_size(never)) ||
		    (purpose == US_CRASH &&
		     one_of(&word, not_for_capture, us_array_size(not_for_capture))))
			continue;
		add_word(&text, word.p, word.n);
	}
	if (append)
		add_word(&text, append, strlen(append));
	if (*at) /* "--" and what follows is for init: it stays last */
		add_word(&text, at, strlen(at));
	return us_text_take(&text, ret);
}

/* The value behind '=' with its quotes taken off, as the kernel does. */
static char *value_of(const struct us_cmdline_word *word)
{
	const char *end = word->p + word->n, *p = word->p;
	bool whole = *p == '"'; /* "name=value with blanks" */
	const char *equals = memchr(p, '=', word->n);

	if (!equals)
		return strdup("");
	p = equals + 1;
	if (whole && end > p && end[-1] == '"')
		end--;
	if (p < end && *p == '"') {
		p++;
		if (p < end && end[-1] == '"')
			end--;
	}
	return strndup(p, (size_t)(end - p));
}

bool us_cmdline_get(const char *cmdline, const char *name, char **ret)
{
	struct us_cmdline_word word, last = { 0 };
	char *value;

	while (us_cmdline_next(&cmdline, &word))
		if (us_cmdline_is(&word, name))
			last = word;
	if (!last.p)
		return false;
	value = value_of(&last);
	if (!value)
		return false;
	*ret = value;
	return true;
}
