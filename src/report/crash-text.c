/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A crash in words: the signature that crashes of one kind share, the taint flags (Linux 6.12
 * kernel/panic.c: taint_flags; Documentation/admin-guide/tainted-kernels.rst), and a short plain
 * report. It looks at texts only, so that it can run where nothing else can: in a capture kernel.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "report/report.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define NS         UINT64_C(1000000000)
#define FRAMES_MAX 4 /* in a signature */

static const struct {
	char letter;
	const char *words;
} taints[] = {
	{ 'P', "a proprietary module was loaded" },
	{ 'F', "a module was loaded by force" },
	{ 'S', "the kernel runs on a processor or system out of specification" },
	{ 'R', "a module was unloaded by force" },
	{ 'M', "the processor reported a machine check" },
	{ 'B', "a page was in a bad state" },
	{ 'U', "user space asked for the taint" },
	{ 'D', "the kernel had died before (oops or BUG)" },
	{ 'A', "an ACPI table was overridden" },
	{ 'W', "the kernel had warned before" },
	{ 'C', "a staging driver was loaded" },
	{ 'I', "a bug of the firmware is worked around" },
	{ 'O', "a module from outside the kernel's tree was loaded" },
	{ 'E', "an unsigned module was loaded" },
	{ 'L', "a soft lockup had occurred" },
	{ 'K', "the kernel was live-patched" },
	{ 'X', "a taint that the distribution defines" },
	{ 'T', "structures are laid out at random" },
	{ 'N', "a test of the kernel has run" },
	{ 'J', "a debug interface of a device was used (fwctl)" },
};

const char *us_taint_words(unsigned int bit, char *ret_letter)
{
	if (bit >= us_array_size(taints))
		return NULL;
	*ret_letter = taints[bit].letter;
	return taints[bit].words;
}

static uint64_t taint_bit(char letter)
{
	for (size_t i = 0; i < us_array_size(taints); i++)
		if (taints[i].letter == letter)
			return 1ull << i;
	return 0;
}

/* Letters in columns until 6.10; from 6.11 on each with its name: "[W]=WARN". */
uint64_t us_taint_parse(const char *words)
{
	uint64_t mask = 0;

	if (strchr(words, '[')) {
		for (const char *w = strchr(words, '['); w; w = strchr(w + 1, '['))
			if (w[1] && w[2] == ']')
				mask |= taint_bit(w[1]);
		return mask;
	}
	for (const char *w = words; isupper((unsigned char)*w) || *w == ' '; w++)
		mask |= taint_bit(*w);
	return mask;
}

/* ---- the signature ---- */

/* Where every crash passes by: they tell nothing. */
static const char *const machinery[] = {
	"dump_stack",
	"show_stack",
	"show_trace",
	"panic",
	"vpanic",
	"nmi_",
	"unknown_nmi",
	"__warn",
	"warn_slowpath",
	"report_bug",
	"handle_bug",
	"exc_",
	"asm_",
	"die",
	"__die",
	"oops_",
	"page_fault_oops",
	"no_context",
	"bad_area",
	"__bad_area",
	"do_user_addr_fault",
	"do_page_fault",
	"do_error_trap",
	"do_trap",
	"do_invalid_op",
	"fixup_bug",
	"watchdog_",
	"__perf_event_overflow",
	"perf_event_",
	"handle_pmi_common",
	"intel_pmu_handle_irq",

	"default_do_nmi",
	"end_repeat_nmi",
	"kernelmode_fixup",
	"__do_kernel_fault",
	"die_kernel_fault",
	"do_mem_abort",
	"el1",
	"do_translation_fault",
};

static bool is_machinery(const char *name, size_t n)
{
	for (size_t i = 0; i < us_array_size(machinery); i++) {
		size_t m = strlen(machinery[i]);

		if (n >= m && !strncmp(name, machinery[i], m))
			return true;
	}
	return false;
}

/* "__handle_sysrq.cold+0x44/0x11c [mod]" -> "__handle_sysrq": what a compiler splits is one. */
static size_t plain_name(const char *call)
{
	return strcspn(call, "+. ");
}

/* The text without what differs from one crash to the next: numbers, addresses, task names. */
static void put_class(struct us_text *t, const char *s)
{
	const char *end = strstr(s, ", address:");
	size_t n;

	if (!end)
		end = strstr(s, " [");
	if (!end)
		end = strstr(s, " at ");
	n = end ? (size_t)(end - s) : strlen(s);
	for (size_t i = 0; i < n;) {
		size_t digits = 0;

		if (!i || !isalnum((unsigned char)s[i - 1]))
			while (i + digits < n && isxdigit((unsigned char)s[i + digits]))
				digits++;
		if (digits && s[i] == '0' && i + 1 < n && s[i + 1] == 'x')
			digits = 2 + strspn(s + i + 2, "0123456789abcdefABCDEF");
		if (digits && strcspn(s + i, "0123456789") < digits &&
		    (i + digits >= n || !isalpha((unsigned char)s[i + digits]) ||
		     s[i + digits] == 's')) {
			us_text_put(t, "N", 1);
			i += digits;
		} else {
			us_text_put(t, s + i++, 1);
		}
	}
}

static bool put_frame(struct us_text *t, const char *call, unsigned int *n)
{
	size_t len = plain_name(call);

	if (!len || is_machinery(call, len))
		return false;
	us_text_add(t, *n ? " < %.*s" : ": %.*s", (int)len, call);
	++*n;
	return true;
}

struct us_err *us_crash_signature(const struct us_panic *panic, char **ret)
{
	_us_text_deinit_ struct us_text t = { 0 };
	const char *what = panic->cause ? panic->cause : panic->panic;
	unsigned int n = 0;
	size_t ip;

	put_class(&t, what ? what : "unknown");
	ip = panic->ip ? plain_name(panic->ip) : 0;
	if (ip)
		(void)put_frame(&t, panic->ip, &n);
	for (size_t i = 0; i < panic->n_trace && n < FRAMES_MAX; i++) {
		const char *call = panic->trace[i];

		/* the trace may begin with the place that is told already */
		if (ip && plain_name(call) == ip && !strncmp(call, panic->ip, ip))
			continue;
		(void)put_frame(&t, call, &n);
	}
	return us_text_take(&t, ret);
}

/* ---- lines of the log ---- */

struct us_err *us_crash_line(struct us_crash_words *words, const char *line)
{
	const char *tainted = strstr(line, " Tainted: "), *modules;

	if (!words->tainted && strstr(line, " Not tainted"))
		words->tainted = "";
	if (!words->tainted && tainted && strstr(line, "CPU: ")) {
		words->tainted = us_pool_strdup(&words->pool, tainted + 10);
		if (!words->tainted)
			return us_err_nomem();
	}
	/* "Tainted: [W]=WARN" stands on a line of its own from 6.11 on */
	if (!strncmp(line, "Tainted: ", 9)) {
		words->tainted = us_pool_strdup(&words->pool, line + 9);
		if (!words->tainted)
			return us_err_nomem();
	}
	modules = strncmp(line, "Modules linked in:", 18) ? NULL : line + 18;
	if (modules && !words->modules) {
		words->modules = us_pool_strdup(&words->pool, modules + strspn(modules, " "));
		if (!words->modules)
			return us_err_nomem();
	}
	return NULL;
}

void us_crash_words_deinit(struct us_crash_words *words)
{
	us_pool_deinit(&words->pool);
	*words = (struct us_crash_words){ 0 };
}

/* ---- the short report ---- */

static void row(struct us_text *t, const char *label, const char *value)
{
	if (value && *value)
		us_text_add(t, "%-10s %s\n", label, value);
}

static void put_time(struct us_text *t, uint64_t seconds)
{
	time_t when = (time_t)seconds;
	char buf[48];
	struct tm tm;

	if (seconds && gmtime_r(&when, &tm) &&
	    strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S UTC", &tm))
		row(t, "time", buf);
}

struct us_err *us_crash_text(const struct us_crash_words *words, char **ret)
{
	_us_text_deinit_ struct us_text t = { 0 };
	const struct us_panic *p = words->panic;
	_us_free_ char *signature = NULL;
	uint64_t ns = p->panic_ns ? p->panic_ns : p->last_ns;
	uint64_t mask = words->tainted ? us_taint_parse(words->tainted) : 0;

	US_TRY(us_crash_signature(p, &signature));
	row(&t, "kernel", words->release);
	row(&t, "host", words->nodename);
	put_time(&t, words->crash_time);
	us_text_add(&t, "%-10s %" PRIu64 ".%03" PRIu64 " s after boot\n", "uptime", ns / NS,
		    ns % NS / 1000000);
	row(&t, "panic", p->panic);
	row(&t, "cause", p->cause);
	if (p->has_cpu)
		us_text_add(&t, "%-10s CPU %" PRIu64 ", task %" PRIu64 " (%s)\n", "on", p->cpu,
			    p->pid, p->comm);
	row(&t, "at", p->ip);
	row(&t, "hardware", p->hardware);
	for (unsigned int i = 0; i < us_array_size(taints); i++)
		if (mask >> i & 1)
			us_text_add(&t, "%-10s %c: %s\n", "taint", taints[i].letter,
				    taints[i].words);
	for (size_t i = 0; i < p->n_trace; i++)
		row(&t, i ? "" : "calls", p->trace[i]);
	row(&t, "modules", words->modules);
	row(&t, "signature", signature);
	return us_text_take(&t, ret);
}
