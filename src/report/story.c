/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A crash as text for a terminal: what happened, by which calls, where each CPU stood, what the
 * kernel was made of, how its memory was used, its last words, how the dump was taken, and what
 * cannot be told. Everything was found out before.
 */
#include "report/report-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define NS         UINT64_C(1000000000)
#define SYMBOL_MAX 160
#define TAIL       40 /* lines of the log that are shown; -v shows all that were kept */

bool us_story_taint(const struct us_story *s, uint64_t *ret)
{
	if (s->kernel && s->kernel->has_taint)
		*ret = s->kernel->taint;
	else if (s->words->tainted)
		*ret = us_taint_parse(s->words->tainted);
	else
		return false;
	return true;
}

bool us_story_cpu(const struct us_story *s, size_t nth, struct us_cpu *ret, const char **ret_comm)
{
	const struct us_vmcore *core = s->info ? s->info->core : NULL;

	for (size_t i = 0, n = 0; core && i < core->n_notes; i++) {
		if (!us_vmcore_cpu(core, &core->notes[i], ret))
			continue;
		if (n++ < nth)
			continue;
		*ret_comm = NULL;
		if (!us_core_by_qemu(core))
			*ret_comm = !ret->pid ? "idle" : s->kernel ? s->kernel->comms[nth] : NULL;
		return true;
	}
	return false;
}

static void headline(struct us_out *out, const struct us_story *s)
{
	const struct us_crash_words *w = s->words;
	char when[US_TIME_MAX];

	us_out_para(out, 0, 2, "%s: %s%s%s%s%s%s%s", s->path, s->info ? "a dump" : "a saved log",
		    w->release ? " of Linux " : "", w->release ? w->release : "",
		    w->nodename ? " on " : "", w->nodename ? w->nodename : "",
		    w->crash_time ? ", crashed " : "",
		    w->crash_time ? us_time_words(w->crash_time, when) : "");
}

static void happened(struct us_out *out, const struct us_story *s)
{
	us_out_head(out, "What happened");
	if (!s->has_log) {
		us_out_row(out, "not known", "the kernel log cannot be read");
		return;
	}
	us_out_panic(out, s->words->panic, "uptime");
	if (s->signature)
		us_out_row(out, "signature", "%s", s->signature);
}

static void calls(struct us_out *out, const struct us_story *s)
{
	const struct us_panic *p = s->words->panic;

	if (p->n_trace)
		us_out_head(out, "Calls, innermost first (the log's)");
	for (size_t i = 0; i < p->n_trace; i++)
		fprintf(out->f, "    %s\n", p->trace[i]);
	if (s->n_stack)
		us_out_head(out, "On the stack of the CPU that took the dump (guesses)");
	for (size_t i = 0; i < s->n_stack; i++)
		fprintf(out->f, "  ? %s\n", s->stack[i]);
}

static void cpus(struct us_out *out, const struct us_story *s)
{
	const struct us_vmcore *core = s->info ? s->info->core : NULL;
	const char *comm;
	struct us_cpu cpu;
	size_t n = 0;

	if (!core)
		return;
	us_out_head(out, "CPUs");
	for (; us_story_cpu(s, n, &cpu, &comm); n++) {
		bool by_qemu = us_core_by_qemu(core);
		char label[32], name[SYMBOL_MAX];

		snprintf(label, sizeof(label), "registers %zu", n);
		us_out_row(out, label, "%s %u%s%s%s in %s", by_qemu ? "CPU" : "task",
			   cpu.pid - by_qemu, comm ? " (" : "", comm ? comm : "", comm ? ")" : "",
			   us_symbols_at(s->info->symbols, cpu.regs[cpu.ip], name, sizeof(name))
				   ? name
				   : "code that has no name here");
		if (out->verbose)
			us_out_registers(out, &cpu);
	}
	us_out_row(out, "saved", "registers of %zu CPU%s", n, n == 1 ? "" : "s");
	if (s->kernel && s->kernel->n_online)
		us_out_row(out, "online", "%" PRIu64 " CPU%s", s->kernel->n_online,
			   s->kernel->n_online == 1 ? "" : "s");
}

static void module_names(const struct us_story *s, struct us_text *t)
{
	const struct us_kernel *k = s->kernel;

	if (!k || !k->has_modules) {
		us_text_add(t, "%s", s->words->modules ? s->words->modules : "not known");
		return;
	}
	for (size_t i = 0; i < k->n_modules; i++) {
		us_text_add(t, "%s%s", i ? " " : "", k->modules[i].name);
		for (unsigned int bit = 0; k->modules[i].taints >> bit && bit < 64; bit++) {
			char letter;

			if (k->modules[i].taints >> bit & 1 && us_taint_words(bit, &letter))
				us_text_add(t, "(%c)", letter);
		}
	}
	if (!k->n_modules)
		us_text_add(t, "none");
}

static void kernel(struct us_out *out, const struct us_story *s)
{
	_us_text_deinit_ struct us_text t = { 0 };
	uint64_t mask;

	us_out_head(out, "Kernel");
	if (!us_story_taint(s, &mask)) {
		us_out_row(out, "taint", "not known");
		mask = 0;
	} else if (!mask) {
		us_out_row(out, "taint", "none");
	}
	for (unsigned int bit = 0; bit < 64; bit++) {
		char letter = '?';
		const char *words = us_taint_words(bit, &letter);

		if (mask >> bit & 1)
			us_out_row(out, "taint", "%c: %s", letter,
				   words ? words : "a flag without a name here");
	}
	module_names(s, &t);
	us_out_row(out, "modules", "%s", t.s && !t.failed ? t.s : "(out of memory)");
}

static void log_tail(struct us_out *out, const struct us_story *s)
{
	size_t first = !out->verbose && s->n_lines > TAIL ? s->n_lines - TAIL : 0;

	if (!s->n_lines)
		return;
	us_out_head(out, "The last %zu of %" PRIu64 " log lines", s->n_lines - first,
		    s->log.records);
	for (size_t i = first; i < s->n_lines; i++) {
		const struct us_story_line *l = &s->lines[i];
		enum us_colour colour = l->level <= 3   ? US_RED
					: l->level == 4 ? US_YELLOW
							: US_PLAIN;

		fprintf(out->f, "  %s[%5" PRIu64 ".%06" PRIu64 "]%s %-7s %s%s%s\n",
			us_out_colour(out, US_GREEN), l->ns / NS, l->ns % NS / 1000,
			us_out_colour(out, US_PLAIN),
			l->level < 8 ? us_log_level_name(l->level) : "", us_out_colour(out, colour),
			l->text, us_out_colour(out, US_PLAIN));
	}
}

static void capture(struct us_out *out, const struct us_story *s)
{
	const struct us_timeline *t = &s->capture;
	uint64_t least = UINT64_MAX;
	char size[US_TEXT_SIZE_MAX];

	if (!s->n_state && !t->n_stages)
		return;
	us_out_head(out, "Capture");
	for (size_t i = 0; i < s->n_state; i++)
		if (*s->state_values[i])
			us_out_row(out, s->state_keys[i], "%s", s->state_values[i]);
	for (size_t i = 0; i < t->n_stages; i++) {
		const struct us_timeline_stage *stage = &t->stages[i];

		if (stage->end_ms == UINT64_MAX)
			us_out_row(out, i ? "" : "stages", "%s: did not end", stage->name);
		else
			us_out_row(out, i ? "" : "stages", "%s: %.3f s", stage->name,
				   (double)(stage->end_ms - stage->begin_ms) / 1000);
	}
	for (size_t i = 0; i < t->n_samples; i++)
		least = t->samples[i].available < least ? t->samples[i].available : least;
	if (t->n_samples)
		us_out_row(out, "least left", "%s of memory", us_text_size(least, size));
}

void us_report_story(struct us_out *out, const struct us_story *s)
{
	headline(out, s);
	happened(out, s);
	calls(out, s);
	cpus(out, s);
	kernel(out, s);
	if (s->info)
		us_out_memory(out, s->info);
	log_tail(out, s);
	capture(out, s);
	if (s->info) {
		us_out_head(out, "Dump");
		us_out_dump(out, s->info);
	}
	if (*s->unknown)
		us_out_head(out, "What could not be told");
	for (const char *const *u = s->unknown; *u; u++) {
		fputs("  ", out->f);
		us_out_para(out, 2, 2, "%s", *u);
	}
}
