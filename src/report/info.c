/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a dump is and what it tells: file, kernel, crash, CPUs, memory by class, completeness. As
 * text, and as JSON. It reads the dump's notes; everything else was found out before.
 */
#include "report/report-int.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define NS         UINT64_C(1000000000)
#define SYMBOL_MAX 160

/* Classes as people know them, and the bits of the dump level that leave them out. */
static const struct {
	const char *words;
	unsigned int levels;
} classes[US_CLASS_COUNT] = {
	[US_CLASS_PROTECTED] = { "kernel image, stacks, tables", 0 },
	[US_CLASS_SLAB] = { "slab", 0 },
	[US_CLASS_KEEP] = { "kernel, other", 0 },
	[US_CLASS_USER] = { "user", US_DUMP_USER },
	[US_CLASS_CACHE_PRIVATE] = { "cache, private data", US_DUMP_CACHE_PRIVATE },
	[US_CLASS_CACHE] = { "page cache", US_DUMP_CACHE | US_DUMP_CACHE_PRIVATE },
	[US_CLASS_FREE] = { "free", US_DUMP_FREE },
	[US_CLASS_OFFLINE] = { "offline, ballooned", 0 },
	[US_CLASS_POISON] = { "poisoned", 0 },
};

/* From what every dump has to what hardly any has. */
const enum us_page_class us_class_order[US_CLASS_COUNT] = {
	US_CLASS_PROTECTED,     US_CLASS_SLAB, US_CLASS_KEEP,    US_CLASS_USER,   US_CLASS_CACHE,
	US_CLASS_CACHE_PRIVATE, US_CLASS_FREE, US_CLASS_OFFLINE, US_CLASS_POISON,
};

const char *us_class_words(enum us_page_class class)
{
	return classes[class].words;
}

uint64_t us_core_memory(const struct us_vmcore *core)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < core->n_ram; i++)
		bytes += core->ram[i].size;
	return bytes;
}

const char *us_time_words(uint64_t seconds, char *buf)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(buf, US_TIME_MAX, "%Y-%m-%d %H:%M:%S UTC", &tm))
		buf[0] = 0;
	return buf;
}

uint64_t us_panic_end_ns(const struct us_panic *panic)
{
	return panic->panic_ns   ? panic->panic_ns
	       : panic->cause_ns ? panic->cause_ns
				 : panic->last_ns;
}

static void level_row(struct us_out *out, int level)
{
	static const char *const names[] = { "zero pages", "page cache", "cache with private data",
					     "user memory", "free memory" };
	_us_text_deinit_ struct us_text t = { 0 };

	if (level < 0)
		return;
	for (size_t i = 0; i < us_array_size(names); i++)
		if (level & 1 << i)
			us_text_add(&t, "%s%s", t.n ? ", " : "", names[i]);
	us_out_row(out, "dump level", "%d%s%s", level, t.n ? ", left out: " : "",
		   t.failed || !t.s ? "" : t.s);
}

void us_out_dump(struct us_out *out, const struct us_info *info)
{
	const struct us_vmcore *core = info->core;
	char size[US_SIZE_LONG], when[US_TIME_MAX], files[40] = "";

	if (core->n_files > 1)
		snprintf(files, sizeof(files), " in %zu files", core->n_files);
	us_out_para(out, 0, 2, "%s: %s%s%s, %s%s%s", core->path,
		    us_vmcore_format_name(core->format), core->flattened ? ", flattened" : "",
		    files, core->arch ? core->arch->name : "unknown architecture",
		    *core->release ? ", Linux " : "", core->release);
	if (*core->uts[3])
		us_out_row(out, "version", "%s", core->uts[3]);
	if (*core->uts[1])
		us_out_row(out, "host name", "%s", core->uts[1]);
	us_out_row(out, "memory", "%s in %zu ranges, pages of %u bytes",
		   us_size_long(us_core_memory(core), size), core->n_ram, core->page_bytes);
	if (core->crash_time)
		us_out_row(out, "crashed", "%s", us_time_words(core->crash_time, when));
	level_row(out, core->dump_level);
	if (info->states_known)
		us_out_row(out, "pages", "%" PRIu64 " here, %" PRIu64 " left out, %" PRIu64 " lost",
			   info->states[US_PAGE_PRESENT], info->states[US_PAGE_EXCLUDED],
			   info->states[US_PAGE_LOST]);
	us_out_row(out, "complete", "%s",
		   core->incomplete ? "no: its writer did not come to the end"
		   : info->states_known && info->states[US_PAGE_LOST] ? "no: pages are lost"
								      : "yes");
	for (const char *const *w = core->warnings; w && *w; w++)
		us_out_row(out, "note", "%s", *w);
}

void us_out_panic(struct us_out *out, const struct us_panic *p, const char *after)
{
	uint64_t ns = us_panic_end_ns(p);

	us_out_row(out, "panic", "%s", p->panic ? p->panic : "the log has none");
	if (p->cause)
		us_out_row(out, "cause", "%s", p->cause);
	if (p->has_cpu)
		us_out_row(out, "on", "CPU %" PRIu64 ", task %" PRIu64 " (%s)", p->cpu, p->pid,
			   p->comm);
	if (p->ip)
		us_out_row(out, "at", "%s", p->ip);
	us_out_row(out, after, "%" PRIu64 ".%03" PRIu64 " seconds", ns / NS, ns % NS / 1000000);
	if (p->hardware)
		us_out_row(out, "hardware", "%s", p->hardware);
}

static void crash(struct us_out *out, const struct us_info *info)
{
	const struct us_panic *p = info->panic;

	us_out_head(out, "Crash");
	if (info->log_problem) {
		us_out_row(out, "not known", "%s", info->log_problem->text);
		return;
	}
	us_out_panic(out, p, "after");
	for (size_t i = 0; i < p->n_trace; i++)
		us_out_row(out, i ? "" : "calls", "%s", p->trace[i]);
	us_out_row(out, "log",
		   "%" PRIu64 " records, %" PRIu64 " older ones gone, %" PRIu64 " damaged",
		   info->log->records, info->log->lost, info->log->damaged);
}

void us_out_registers(struct us_out *out, const struct us_cpu *cpu)
{
	for (size_t i = 0; i < cpu->n; i++)
		fprintf(out->f, "%s%8s %016" PRIx64 "%s", i % 3 ? "" : "      ", cpu->names[i],
			cpu->regs[i], i % 3 == 2 || i + 1 == cpu->n ? "\n" : "");
}

bool us_core_by_qemu(const struct us_vmcore *core)
{
	for (size_t i = 0; i < core->n_notes; i++)
		if (!strcmp(core->notes[i].name, "QEMU"))
			return true;
	return false;
}

static void cpus(struct us_out *out, const struct us_info *info)
{
	const struct us_vmcore *core = info->core;
	bool by_qemu = us_core_by_qemu(core);
	size_t n = 0;

	us_out_head(out, "CPUs");
	for (size_t i = 0; i < core->n_notes; i++) {
		char label[32], name[SYMBOL_MAX];
		struct us_cpu cpu;

		if (!us_vmcore_cpu(core, &core->notes[i], &cpu))
			continue;
		snprintf(label, sizeof(label), "registers %zu", n++);
		us_out_row(out, label, "%s %u, %s 0x%016" PRIx64 ", %s 0x%016" PRIx64,
			   by_qemu ? "CPU" : "task", cpu.pid - by_qemu, cpu.names[cpu.ip],
			   cpu.regs[cpu.ip], cpu.names[cpu.sp], cpu.regs[cpu.sp]);
		if (us_symbols_at(info->symbols, cpu.regs[cpu.ip], name, sizeof(name)))
			us_out_row(out, "", "in %s", name);
		if (out->verbose)
			us_out_registers(out, &cpu);
	}
	if (!n)
		us_out_row(out, "registers", "none in this dump");
}

void us_out_memory(struct us_out *out, const struct us_info *info)
{
	uint64_t page = info->core->page_bytes, total = 0;

	us_out_head(out, "Memory by class");
	if (!info->scan) {
		us_out_row(out, "not known", "%s",
			   info->scan_problem ? info->scan_problem->text : "not asked for");
		return;
	}
	for (int c = 0; c < US_CLASS_COUNT; c++)
		total += info->scan->pages[c];
	for (int i = 0; i < US_CLASS_COUNT; i++) {
		enum us_page_class c = us_class_order[i];
		uint64_t pages = info->scan->pages[c];
		char size[US_TEXT_SIZE_MAX];

		if (!pages)
			continue;
		fprintf(out->f, "  %s%-30s%s %12s %6.1f %%%s\n", us_out_colour(out, US_DIM),
			classes[c].words, us_out_colour(out, US_PLAIN),
			us_text_size(pages * page, size),
			total ? 100.0 * (double)pages / (double)total : 0,
			info->core->dump_level > 0 &&
					classes[c].levels & (unsigned int)info->core->dump_level
				? "  left out"
				: "");
	}
	if (info->scan->unreadable)
		us_out_row(out, "unreadable", "%" PRIu64 " pages, counted as the kernel's",
			   info->scan->unreadable);
	for (const char *const *n = info->scan->notes; n && *n; n++)
		us_out_row(out, "note", "%s", *n);
}

void us_report_info(struct us_out *out, const struct us_info *info)
{
	us_out_dump(out, info);
	crash(out, info);
	cpus(out, info);
	us_out_memory(out, info);
}

void us_json_panic(json_object *obj, const struct us_panic *p)
{
	json_object *sub = us_json_sub(obj, "crash"), *list;

	us_json_str(sub, "panic", p->panic);
	us_json_str(sub, "cause", p->cause);
	json_object_object_add(sub, "cpu", p->has_cpu ? json_object_new_uint64(p->cpu) : NULL);
	json_object_object_add(sub, "pid", p->has_cpu ? json_object_new_uint64(p->pid) : NULL);
	us_json_str(sub, "comm", p->comm);
	us_json_str(sub, "ip", p->ip);
	us_json_str(sub, "hardware", p->hardware);
	us_json_num(sub, "ns", us_panic_end_ns(p));
	list = us_json_list(sub, "trace");
	for (size_t i = 0; i < p->n_trace; i++)
		json_object_array_add(list, json_object_new_string(p->trace[i]));
}

static void json_crash(json_object *obj, const struct us_info *info)
{
	json_object *sub;

	if (info->log_problem) {
		json_object_object_add(obj, "crash", NULL);
		json_object_object_add(obj, "log", NULL);
		json_object_object_add(obj, "log_problem", us_json_error(info->log_problem));
		return;
	}
	us_json_panic(obj, info->panic);
	sub = us_json_sub(obj, "log");
	us_json_num(sub, "records", info->log->records);
	us_json_num(sub, "lost", info->log->lost);
	us_json_num(sub, "damaged", info->log->damaged);
	json_object_object_add(obj, "log_problem", NULL);
}

static void json_cpus(json_object *obj, const struct us_info *info)
{
	const struct us_vmcore *core = info->core;
	json_object *list = us_json_list(obj, "cpus");
	bool by_qemu = us_core_by_qemu(core);

	for (size_t i = 0; i < core->n_notes; i++) {
		json_object *item, *regs;
		char name[SYMBOL_MAX];
		struct us_cpu cpu;

		if (!us_vmcore_cpu(core, &core->notes[i], &cpu))
			continue;
		item = us_json_item(list);
		json_object_object_add(item, by_qemu ? "cpu" : "pid",
				       json_object_new_uint64(cpu.pid - by_qemu));
		json_object_object_add(item, by_qemu ? "pid" : "cpu", NULL);
		us_json_str(item, "function",
			    us_symbols_at(info->symbols, cpu.regs[cpu.ip], name, sizeof(name)));
		regs = us_json_sub(item, "registers");
		for (size_t r = 0; r < cpu.n; r++)
			us_json_num(regs, cpu.names[r], cpu.regs[r]);
	}
}

static void json_memory(json_object *obj, const struct us_info *info)
{
	json_object *sub, *list;

	json_object_object_add(obj, "scan_problem",
			       info->scan_problem ? us_json_error(info->scan_problem) : NULL);
	if (!info->scan) {
		json_object_object_add(obj, "classes", NULL);
		return;
	}
	sub = us_json_sub(obj, "classes");
	for (int c = 0; c < US_CLASS_COUNT; c++)
		us_json_num(sub, us_page_class_name(c), info->scan->pages[c]);
	us_json_num(obj, "unreadable", info->scan->unreadable);
	us_json_tri(obj, "free_ok", info->scan->free_ok);
	us_json_tri(obj, "slab_ok", info->scan->slab_ok);
	list = us_json_list(obj, "scan_notes");
	for (const char *const *n = info->scan->notes; n && *n; n++)
		json_object_array_add(list, json_object_new_string(*n));
}

static void json_pages(json_object *obj, const struct us_info *info)
{
	json_object *sub;

	if (!info->states_known) {
		json_object_object_add(obj, "pages", NULL);
		return;
	}
	sub = us_json_sub(obj, "pages");
	us_json_num(sub, "present", info->states[US_PAGE_PRESENT]);
	us_json_num(sub, "excluded", info->states[US_PAGE_EXCLUDED]);
	us_json_num(sub, "lost", info->states[US_PAGE_LOST]);
}

json_object *us_json_info(const struct us_info *info)
{
	const struct us_vmcore *core = info->core;
	json_object *obj = us_json_new("info"), *list;

	if (!obj)
		return NULL;
	us_json_str(obj, "path", core->path);
	us_json_str(obj, "format", us_vmcore_format_name(core->format));
	us_json_bool(obj, "flattened", core->flattened);
	us_json_num(obj, "files", core->n_files);
	us_json_bool(obj, "big_endian", core->big_endian);
	us_json_str(obj, "arch", core->arch ? core->arch->name : NULL);
	us_json_str(obj, "release", *core->release ? core->release : NULL);
	us_json_str(obj, "version", *core->uts[3] ? core->uts[3] : NULL);
	us_json_str(obj, "nodename", *core->uts[1] ? core->uts[1] : NULL);
	us_json_num(obj, "page_bytes", core->page_bytes);
	us_json_num(obj, "memory_bytes", us_core_memory(core));
	us_json_num(obj, "ranges", core->n_ram);
	json_object_object_add(obj, "crash_time",
			       core->crash_time ? json_object_new_uint64(core->crash_time) : NULL);
	json_object_object_add(obj, "dump_level",
			       core->dump_level >= 0 ? json_object_new_int(core->dump_level) : NULL);
	us_json_bool(obj, "incomplete", core->incomplete);
	list = us_json_list(obj, "warnings");
	for (const char *const *w = core->warnings; w && *w; w++)
		json_object_array_add(list, json_object_new_string(*w));
	json_pages(obj, info);
	json_crash(obj, info);
	json_cpus(obj, info);
	json_memory(obj, info);
	us_json_num(obj, "exit", (uint64_t)info->exit);
	return obj;
}
