/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A crash as one HTML page with pictures: what a person wants to know first stands first, and what
 * could not be told is said. It reads nothing; everything was found out before.
 */
#include "report/report-int.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define NS         UINT64_C(1000000000)
#define SYMBOL_MAX 160
#define TAIL       60 /* lines of the log that are shown at once */

static const char *headline(const struct us_story *s)
{
	const struct us_panic *p = s->words->panic;

	return p->panic ? p->panic : p->cause ? p->cause : "No panic is known";
}

static void title(FILE *f, const struct us_story *s)
{
	const struct us_crash_words *w = s->words;
	_us_text_deinit_ struct us_text t = { 0 };
	char when[US_TIME_MAX];

	us_text_add(&t, "%s%s%s", w->nodename ? w->nodename : "", w->nodename ? ": " : "",
		    headline(s));
	us_html_open(f, t.s && !t.failed ? t.s : "crash");
	fputs("<header>\n<p class=\"kicker\">Kernel crash</p>\n<h1>", f);
	us_html_text(f, headline(s));
	fputs("</h1>\n<p class=\"soft\">", f);
	us_text_deinit(&t);
	us_text_add(&t, "%s%s%s%s%s%s", w->release ? "Linux " : "", w->release ? w->release : "",
		    w->nodename ? " on " : "", w->nodename ? w->nodename : "",
		    w->crash_time ? ", " : "",
		    w->crash_time ? us_time_words(w->crash_time, when) : "");
	us_html_text(f, t.s && !t.failed ? t.s : "");
	fputs("</p>\n", f);
	if (s->signature) {
		fputs("<code class=\"signature\">", f);
		us_html_text(f, s->signature);
		fputs("</code>\n", f);
	}
	fputs("</header>\n", f);
}

static void section(FILE *f, const char *id, const char *name, bool is_long)
{
	fprintf(f, "<section id=\"%s\"%s>\n<h2>%s</h2>\n", id, is_long ? " class=\"long\"" : "",
		name);
}

static void happened(FILE *f, const struct us_story *s)
{
	const struct us_panic *p = s->words->panic;
	uint64_t ns = us_panic_end_ns(p);
	char buf[64];

	section(f, "what", "What happened", false);
	if (!s->has_log)
		fputs("<p class=\"bad\">The kernel log cannot be read.</p>\n", f);
	fputs("<table class=\"facts\">\n", f);
	us_html_row(f, "Panic", "%s", p->panic ? p->panic : "");
	us_html_row(f, "Cause", "%s", p->cause ? p->cause : "");
	if (p->has_cpu)
		us_html_row(f, "On", "CPU %" PRIu64 ", task %" PRIu64 " (%s)", p->cpu, p->pid,
			    p->comm);
	us_html_row(f, "At", "%s", p->ip ? p->ip : "");
	if (s->has_log)
		us_html_row(f, "Uptime", "%" PRIu64 ".%03" PRIu64 " seconds", ns / NS,
			    ns % NS / 1000000);
	if (s->words->crash_time)
		us_html_row(f, "Time", "%s", us_time_words(s->words->crash_time, buf));
	us_html_row(f, "Kernel", "%s%s%s", s->words->release ? s->words->release : "",
		    s->info && *s->info->core->uts[3] ? " " : "",
		    s->info ? s->info->core->uts[3] : "");
	us_html_row(f, "Hardware", "%s", p->hardware ? p->hardware : "");
	us_html_row(f, "Report of", "%s", s->path);
	fputs("</table>\n</section>\n", f);
}

static void list_calls(FILE *f, const char *class, const char *const *v, size_t n)
{
	fprintf(f, "<ol class=\"%s\">\n", class);
	for (size_t i = 0; i < n; i++) {
		fputs("<li>", f);
		us_html_text(f, v[i]);
		fputs("</li>\n", f);
	}
	fputs("</ol>\n", f);
}

static void calls(FILE *f, const struct us_story *s)
{
	const struct us_panic *p = s->words->panic;

	if (!p->n_trace && !s->n_stack)
		return;
	section(f, "calls", "Calls", false);
	if (p->n_trace) {
		fputs("<p class=\"soft\">Innermost first, as the kernel logged them.</p>\n", f);
		list_calls(f, "calls", p->trace, p->n_trace);
	}
	if (s->n_stack) {
		fputs("<details><summary>The stack of the CPU that took the dump</summary>\n"
		      "<p class=\"soft\">Addresses behind a call that stand on its stack. These are "
		      "guesses: a call that has returned leaves its address behind.</p>\n",
		      f);
		list_calls(f, "calls guess", s->stack, s->n_stack);
		fputs("</details>\n", f);
	}
	fputs("</section>\n", f);
}

static void registers(FILE *f, const struct us_cpu *cpu)
{
	fputs("<dl class=\"regs\">\n", f);
	for (size_t i = 0; i < cpu->n; i++)
		fprintf(f, "<div><dt>%s</dt><dd>%016" PRIx64 "</dd></div>\n", cpu->names[i],
			cpu->regs[i]);
	fputs("</dl>\n", f);
}

static void cpus(FILE *f, const struct us_story *s)
{
	struct us_cpu cpu;
	const char *comm;
	size_t n = 0;

	if (!us_story_cpu(s, 0, &cpu, &comm))
		return;
	section(f, "cpus", "Where the CPUs stood", false);
	if (s->kernel && s->kernel->n_online)
		fprintf(f, "<p class=\"soft\">%" PRIu64 " %s online.</p>\n", s->kernel->n_online,
			s->kernel->n_online == 1 ? "CPU was" : "CPUs were");
	fputs("<table class=\"cpus\">\n<tr><th scope=\"col\">Registers</th><th scope=\"col\">Task</th>"
	      "<th scope=\"col\">In</th></tr>\n",
	      f);
	for (; us_story_cpu(s, n, &cpu, &comm); n++) {
		bool by_qemu = us_core_by_qemu(s->info->core);
		char name[SYMBOL_MAX];

		fprintf(f, "<tr><td>%zu</td><td>%s%u", n, by_qemu ? "CPU " : "", cpu.pid - by_qemu);
		if (comm) {
			fputs(" (", f);
			us_html_text(f, comm);
			fputs(")", f);
		}
		fputs("</td><td class=\"m\">", f);
		us_html_text(f, us_symbols_at(s->info->symbols, cpu.regs[cpu.ip], name, sizeof(name))
					? name
					: "code that has no name here");
		fputs("</td></tr>\n", f);
	}
	fputs("</table>\n<details><summary>All registers</summary>\n", f);
	for (size_t i = 0; us_story_cpu(s, i, &cpu, &comm); i++) {
		fprintf(f, "<h3>Registers %zu</h3>\n", i);
		registers(f, &cpu);
	}
	fputs("</details>\n</section>\n", f);
}

static void memory(FILE *f, const struct us_story *s)
{
	const struct us_scan *scan = s->info ? s->info->scan : NULL;

	if (!scan)
		return;
	section(f, "memory", "Memory by what it was used for", false);
	if (s->picture) {
		fputs("<figure>\n", f);
		us_memory_picture_inline(f, s->picture, s->info->core->page_bytes);
		fputs("</figure>\n", f);
	}
	fputs("<details><summary>As a table</summary>\n"
	      "<table>\n<tr><th scope=\"col\">Class</th><th scope=\"col\" class=\"n\">Pages</th>"
	      "<th scope=\"col\" class=\"n\">Memory</th></tr>\n",
	      f);
	for (int i = 0; i < US_CLASS_COUNT; i++) {
		uint64_t pages = scan->pages[us_class_order[i]];
		char size[US_TEXT_SIZE_MAX];

		if (pages)
			fprintf(f,
				"<tr><td>%s</td><td class=\"n\">%" PRIu64
				"</td><td class=\"n\">%s</td></tr>\n",
				us_class_words(us_class_order[i]), pages,
				us_text_size(pages * s->info->core->page_bytes, size));
	}
	fputs("</table>\n</details>\n", f);
	for (const char *const *n = scan->notes; n && *n; n++) {
		fputs("<p>", f);
		us_html_text(f, *n);
		fputs("</p>\n", f);
	}
	fputs("</section>\n", f);
}

static void log_lines(FILE *f, const struct us_story_line *l, size_t n)
{
	fputs("<table class=\"log\">\n", f);
	for (; n--; l++) {
		fprintf(f, "<tr><td class=\"n\">%" PRIu64 ".%06" PRIu64 "</td><td class=\"l%u\">",
			l->ns / NS, l->ns % NS / 1000, l->level);
		us_html_text(f, l->text);
		fputs("</td></tr>\n", f);
	}
	fputs("</table>\n", f);
}

static void log_tail(FILE *f, const struct us_story *s)
{
	size_t older = s->n_lines > TAIL ? s->n_lines - TAIL : 0;

	if (!s->n_lines)
		return;
	section(f, "log", "Its last words", true);
	fputs("<figure>\n", f);
	us_log_picture_inline(f, s);
	fputs("<figcaption>Each mark is a line of the log.</figcaption>\n</figure>\n", f);
	if (older) {
		fprintf(f, "<details><summary>%zu lines before these, of %" PRIu64 "</summary>\n",
			older, s->log.records);
		log_lines(f, s->lines, older);
		fputs("</details>\n", f);
	}
	log_lines(f, s->lines + older, s->n_lines - older);
	fputs("</section>\n", f);
}

static void kernel(FILE *f, const struct us_story *s)
{
	const struct us_kernel *k = s->kernel;
	uint64_t mask = 0;
	bool known = us_story_taint(s, &mask);
	char letter = '?';

	section(f, "kernel", "Kernel and modules", true);
	fputs("<table class=\"facts\">\n", f);
	if (!known || !mask)
		us_html_row(f, "Taint", known ? "none" : "not known");
	for (unsigned int bit = 0; bit < 64; bit++) {
		const char *words = us_taint_words(bit, &letter);

		if (mask >> bit & 1)
			us_html_row(f, "Taint", "%c: %s", words ? letter : '?',
				    words ? words : "a flag without a name here");
	}
	fputs("</table>\n", f);
	if (k && k->has_modules) {
		fprintf(f, "<h3>%zu modules</h3>\n<ul class=\"names\">\n", k->n_modules);
		for (size_t i = 0; i < k->n_modules; i++) {
			fputs("<li><code>", f);
			us_html_text(f, k->modules[i].name);
			fputs("</code></li>\n", f);
		}
		fputs("</ul>\n", f);
	} else if (s->words->modules) {
		fputs("<h3>Modules, as the log has them</h3>\n<p><code>", f);
		us_html_text(f, s->words->modules);
		fputs("</code></p>\n", f);
	}
	fputs("</section>\n", f);
}

static struct us_err *capture(FILE *f, const struct us_story *s)
{
	const struct us_timeline *t = &s->capture;

	if (!s->n_state && !t->n_stages)
		return NULL;
	section(f, "capture", "How it was captured", false);
	if (t->n_stages || t->n_samples) {
		fputs("<figure>\n", f);
		US_TRY(us_picture_timeline(f, t, true));
		fputs("</figure>\n", f);
	}
	fputs("<table class=\"facts\">\n", f);
	for (size_t i = 0; i < s->n_state; i++)
		us_html_row(f, s->state_keys[i], "%s", s->state_values[i]);
	fputs("</table>\n</section>\n", f);
	return NULL;
}

static void dump(FILE *f, const struct us_story *s)
{
	const struct us_info *info = s->info;
	char size[US_SIZE_LONG];
	bool whole;

	if (!info)
		return;
	whole = !info->core->incomplete && !(info->states_known && info->states[US_PAGE_LOST]);
	section(f, "dump", "The dump", false);
	if (!whole)
		fputs("<p class=\"bad\">This dump is not complete.</p>\n", f);
	fputs("<table class=\"facts\">\n", f);
	us_html_row(f, "Format", "%s%s", us_vmcore_format_name(info->core->format),
		    info->core->flattened ? ", flattened" : "");
	us_html_row(f, "Memory", "%s in %zu ranges", us_size_long(us_core_memory(info->core), size),
		    info->core->n_ram);
	if (info->states_known)
		us_html_row(f, "Pages", "%" PRIu64 " here, %" PRIu64 " left out, %" PRIu64 " lost",
			    info->states[US_PAGE_PRESENT], info->states[US_PAGE_EXCLUDED],
			    info->states[US_PAGE_LOST]);
	if (info->core->dump_level >= 0)
		us_html_row(f, "Level", "%d", info->core->dump_level);
	us_html_row(f, "Complete", "%s", whole ? "yes" : "no");
	for (const char *const *w = info->core->warnings; w && *w; w++)
		us_html_row(f, "Note", "%s", *w);
	fputs("</table>\n</section>\n", f);
}

static void unknown(FILE *f, const struct us_story *s)
{
	if (!*s->unknown)
		return;
	section(f, "unknown", "What could not be told", false);
	fputs("<ul>\n", f);
	for (const char *const *u = s->unknown; *u; u++) {
		fputs("<li>", f);
		us_html_text(f, *u);
		fputs("</li>\n", f);
	}
	fputs("</ul>\n</section>\n", f);
}

struct us_err *us_html_story(FILE *f, const struct us_story *s)
{
	title(f, s);
	fputs("<main>\n", f);
	happened(f, s);
	calls(f, s);
	cpus(f, s);
	memory(f, s);
	log_tail(f, s);
	kernel(f, s);
	US_TRY(capture(f, s));
	dump(f, s);
	unknown(f, s);
	fputs("</main>\n", f);
	us_html_close(f);
	return ferror(f) ? us_err_new(US_ERR_OS, "writing the page failed") : NULL;
}
