/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A crash as JSON: understudy.report/1 (docs/json.md). The dump in it is understudy.info/1. */
#include "report/report-int.h"

#include <inttypes.h>
#include <string.h>

#define SYMBOL_MAX 160

static void add_strings(json_object *obj, const char *key, const char *const *v, size_t n)
{
	json_object *list = us_json_list(obj, key);

	for (size_t i = 0; i < n; i++)
		us_json_add_str(list, v[i]);
}

static void add_crash(json_object *obj, const struct us_story *s)
{
	if (!s->has_log) {
		json_object_object_add(obj, "crash", NULL);
		return;
	}
	us_json_panic(obj, s->words->panic);
}

static void add_cpus(json_object *obj, const struct us_story *s)
{
	json_object *list = us_json_list(obj, "cpus");
	struct us_cpu cpu;
	const char *comm;

	for (size_t i = 0; us_story_cpu(s, i, &cpu, &comm); i++) {
		bool by_qemu = us_core_by_qemu(s->info->core);
		json_object *item = us_json_item(list), *regs;
		char name[SYMBOL_MAX];

		json_object_object_add(item, by_qemu ? "cpu" : "pid",
				       json_object_new_uint64(cpu.pid - by_qemu));
		json_object_object_add(item, by_qemu ? "pid" : "cpu", NULL);
		us_json_str(item, "comm", comm);
		us_json_str(item, "function",
			    us_symbols_at(s->info->symbols, cpu.regs[cpu.ip], name, sizeof(name)));
		regs = us_json_sub(item, "registers");
		for (size_t r = 0; r < cpu.n; r++)
			us_json_num(regs, cpu.names[r], cpu.regs[r]);
	}
	json_object_object_add(obj, "cpus_online",
			       s->kernel && s->kernel->n_online
				       ? json_object_new_uint64(s->kernel->n_online)
				       : NULL);
}

static void add_taint(json_object *obj, const struct us_story *s)
{
	uint64_t mask;
	json_object *list;

	if (!us_story_taint(s, &mask)) {
		json_object_object_add(obj, "taint", NULL);
		return;
	}
	list = us_json_list(obj, "taint");
	for (unsigned int bit = 0; bit < 64; bit++) {
		char letter[2] = "";
		const char *words = us_taint_words(bit, letter);
		json_object *item;

		if (!(mask >> bit & 1))
			continue;
		item = us_json_item(list);
		us_json_num(item, "bit", bit);
		us_json_str(item, "letter", words ? letter : NULL);
		us_json_str(item, "words", words);
	}
}

static void add_modules(json_object *obj, const struct us_story *s)
{
	const struct us_kernel *k = s->kernel;
	json_object *list;

	us_json_str(obj, "modules_in_log", s->words->modules);
	if (!k || !k->has_modules) {
		json_object_object_add(obj, "modules", NULL);
		return;
	}
	list = us_json_list(obj, "modules");
	for (size_t i = 0; i < k->n_modules; i++) {
		json_object *item = us_json_item(list);

		us_json_str(item, "name", k->modules[i].name);
		us_json_num(item, "base", k->modules[i].base);
		us_json_num(item, "bytes", k->modules[i].bytes);
		us_json_num(item, "taints", k->modules[i].taints);
	}
}

static void add_log(json_object *obj, const struct us_story *s)
{
	json_object *list = us_json_list(obj, "log_tail");

	for (size_t i = 0; i < s->n_lines; i++) {
		json_object *item = us_json_item(list);

		us_json_num(item, "ns", s->lines[i].ns);
		json_object_object_add(
			item, "level",
			s->lines[i].level < 8 ? json_object_new_int(s->lines[i].level) : NULL);
		us_json_str(item, "text", s->lines[i].text);
	}
}

static void add_capture(json_object *obj, const struct us_story *s)
{
	const struct us_timeline *t = &s->capture;
	json_object *sub, *list;

	if (!s->n_state && !t->n_stages) {
		json_object_object_add(obj, "capture", NULL);
		return;
	}
	sub = us_json_sub(obj, "capture");
	list = us_json_list(sub, "state");
	for (size_t i = 0; i < s->n_state; i++) {
		json_object *item = us_json_item(list);

		us_json_str(item, "key", s->state_keys[i]);
		us_json_str(item, "value", s->state_values[i]);
	}
	us_json_timeline(sub, t);
}

void us_json_timeline(json_object *obj, const struct us_timeline *t)
{
	json_object *list = us_json_list(obj, "stages");

	for (size_t i = 0; i < t->n_stages; i++) {
		const struct us_timeline_stage *stage = &t->stages[i];
		json_object *item = us_json_item(list);

		us_json_str(item, "name", stage->name);
		us_json_num(item, "begin_ms", stage->begin_ms);
		json_object_object_add(
			item, "end_ms",
			stage->end_ms == UINT64_MAX ? NULL : json_object_new_uint64(stage->end_ms));
	}
	list = us_json_list(obj, "memory");
	for (size_t i = 0; i < t->n_samples; i++) {
		json_object *item = us_json_item(list);

		us_json_num(item, "ms", t->samples[i].ms);
		us_json_num(item, "available", t->samples[i].available);
		us_json_num(item, "used", t->samples[i].used);
	}
	json_object_object_add(obj, "memory_total",
			       t->total_bytes ? json_object_new_uint64(t->total_bytes) : NULL);
}

json_object *us_json_story(const struct us_story *s)
{
	json_object *obj = us_json_new("report");
	const struct us_crash_words *w = s->words;
	size_t n = 0;

	if (!obj)
		return NULL;
	us_json_str(obj, "path", s->path);
	us_json_str(obj, "release", w->release);
	us_json_str(obj, "nodename", w->nodename);
	json_object_object_add(obj, "crash_time",
			       w->crash_time ? json_object_new_uint64(w->crash_time) : NULL);
	us_json_str(obj, "signature", s->signature);
	add_crash(obj, s);
	add_strings(obj, "stack", s->stack, s->n_stack);
	add_cpus(obj, s);
	add_taint(obj, s);
	add_modules(obj, s);
	add_log(obj, s);
	add_capture(obj, s);
	json_object_object_add(obj, "dump", s->info ? us_json_info(s->info) : NULL);
	while (s->unknown[n])
		n++;
	add_strings(obj, "unknown", s->unknown, n);
	us_json_num(obj, "exit", (uint64_t)s->exit);
	return obj;
}
