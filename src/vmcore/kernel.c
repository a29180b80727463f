/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a dumped kernel's memory says of itself beside its log: the taint mask (kernel/panic.c), the
 * CPUs that were online (kernel/cpu.c), its modules with their function names (struct module of
 * include/linux/module.h, by layout of 6.4 and of before), and the names of the tasks that the CPUs
 * were in. Symbols come from kallsyms, members from BTF; a kernel without them keeps its secrets.
 * Lists may be damaged: each walk has an end.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "vmcore/kernel-int.h"
#include "vmcore/vmcore-int.h"

#include <endian.h>
#include <string.h>

#define MODULES_MAX 4096
#define TASKS_MAX   (1u << 20)
#define CPUS_MAX    8192
#define NAME_MODULE 56
#define NAME_TASK   16

enum want { MODULES, TAINT, INIT_TASK, ONLINE, CPU_IDS, WANTS };

struct look {
	struct us_walker walker;
	struct us_btf *btf;
	struct us_ksym symbols[WANTS];
	struct us_pool *pool;
};

static void look_deinit(struct look *l)
{
	us_walker_deinit(&l->walker);
	us_btf_free(l->btf);
}

static struct us_err *look_init(const struct us_vmcore *core, const struct us_layout *layout,
				struct us_pool *pool, struct look *l)
{
	static const char *const names[WANTS] = {
		[MODULES] = "modules",          [TAINT] = "tainted_mask", [INIT_TASK] = "init_task",
		[ONLINE] = "__cpu_online_mask", [CPU_IDS] = "nr_cpu_ids",
	};

	l->pool = pool;
	for (size_t i = 0; i < WANTS; i++)
		l->symbols[i].name = names[i];
	US_TRY(us_walker_init(core, layout, &l->walker));
	US_TRY(us_ksyms_find(&l->walker, l->symbols, WANTS));
	us_err_free(us_btf_find(core, layout, &l->btf)); /* members() says that there is none */
	return NULL;
}

static struct us_err *u64_at(struct look *l, uint64_t virt, uint64_t *ret)
{
	uint64_t v;

	US_TRY(us_walker_read(&l->walker, virt, &v, sizeof(v)));
	*ret = le64toh(v);
	return NULL;
}

static struct us_err *u32_at(struct look *l, uint64_t virt, uint32_t *ret)
{
	uint32_t v;

	US_TRY(us_walker_read(&l->walker, virt, &v, sizeof(v)));
	*ret = le32toh(v);
	return NULL;
}

/* Printable text of at most n bytes at virt, in the pool. */
static struct us_err *text_at(struct look *l, uint64_t virt, size_t n, const char **ret)
{
	char buf[NAME_MODULE + 1] = { 0 };

	US_TRY(us_walker_read(&l->walker, virt, buf, n < NAME_MODULE ? n : NAME_MODULE));
	*ret = us_vmcore_printable(us_pool_strdup(l->pool, buf));
	return *ret ? NULL : us_err_nomem();
}

static struct us_err *symbol(const struct look *l, enum want want, uint64_t *ret)
{
	if (!l->symbols[want].address)
		return us_err_new(US_ERR_NOT_FOUND, "kallsyms has no %s", l->symbols[want].name);
	*ret = l->symbols[want].address;
	return NULL;
}

struct member {
	const char *path;
	uint64_t *ret;
	bool optional; /* left alone if it is absent */
};

static struct us_err *members(const struct look *l, const struct member *wants, size_t n)
{
	if (!l->btf)
		return us_err_new(US_ERR_NOT_FOUND, "this kernel has no BTF in the dump");
	for (size_t i = 0; i < n; i++) {
		int64_t v;

		if (us_btf_offset(l->btf, wants[i].path, &v))
			*wants[i].ret = (uint64_t)v;
		else if (!wants[i].optional)
			return us_err_new(US_ERR_NOT_FOUND, "BTF has no %s", wants[i].path);
	}
	return NULL;
}

/* ---- modules ---- */

struct module_layout {
	uint64_t list, name, taints, base, bytes, kallsyms, symtab, n_symtab, strtab;
};

static struct us_err *module_members(const struct look *l, struct module_layout *m)
{
	uint64_t memory = UINT64_MAX, old = UINT64_MAX;
	const struct member wants[] = {
		{ "module.list", &m->list, false },
		{ "module.name", &m->name, false },
		{ "module.taints", &m->taints, false },
		{ "module.kallsyms", &m->kallsyms, true },
		{ "mod_kallsyms.symtab", &m->symtab, true },
		{ "mod_kallsyms.num_symtab", &m->n_symtab, true },
		{ "mod_kallsyms.strtab", &m->strtab, true },
		{ "module.mem", &memory, true }, /* from 6.4: an array, its code first */
		{ "module.core_layout", &old, true },
	};
	const struct member now[] = {
		{ "module_memory.base", &m->base, false },
		{ "module_memory.size", &m->bytes, false },
	};
	const struct member before[] = {
		{ "module_layout.base", &m->base, false },
		{ "module_layout.text_size", &m->bytes, false },
	};

	US_TRY(members(l, wants, us_array_size(wants)));
	if (memory == UINT64_MAX && old == UINT64_MAX)
		return us_err_new(US_ERR_NOT_FOUND, "BTF does not say where a module's code is");
	US_TRY(memory != UINT64_MAX ? members(l, now, us_array_size(now))
				    : members(l, before, us_array_size(before)));
	m->base += memory != UINT64_MAX ? memory : old;
	m->bytes += memory != UINT64_MAX ? memory : old;
	return NULL;
}

static struct us_err *read_names(struct look *l, const struct module_layout *m, uint64_t at,
				 struct us_module_syms *ret)
{
	struct us_module_syms syms;
	uint64_t table;

	US_TRY(u64_at(l, at + m->kallsyms, &table));
	US_TRY(u64_at(l, table + m->symtab, &syms.table));
	US_TRY(u64_at(l, table + m->strtab, &syms.strings));
	US_TRY(u32_at(l, table + m->n_symtab, &syms.n));
	*ret = syms;
	return NULL;
}

static struct us_err *read_module(struct look *l, const struct module_layout *m, uint64_t at,
				  struct us_kernel_module *module, struct us_module_syms *syms)
{
	uint32_t bytes;

	US_TRY(text_at(l, at + m->name, NAME_MODULE, &module->name));
	US_TRY(u64_at(l, at + m->taints, &module->taints));
	US_TRY(u64_at(l, at + m->base, &module->base));
	US_TRY(u32_at(l, at + m->bytes, &bytes));
	module->bytes = bytes;
	if (m->kallsyms && m->n_symtab) /* a module without names is still a module */
		us_err_free(read_names(l, m, at, syms));
	return NULL;
}

static struct us_err *walk_modules(struct look *l, struct us_module_list *ret)
{
	struct us_kernel_module *modules = us_pool_array(l->pool, MODULES_MAX, sizeof(*modules));
	struct us_module_syms *syms = us_pool_array(l->pool, MODULES_MAX, sizeof(*syms));
	struct module_layout m = { 0 };
	uint64_t head = 0, at = 0;
	size_t n = 0;

	if (!modules || !syms)
		return us_err_nomem();
	US_TRY(symbol(l, MODULES, &head));
	US_TRY(module_members(l, &m));
	US_TRY(u64_at(l, head, &at));
	for (; at != head && n < MODULES_MAX; n++) {
		US_TRY(read_module(l, &m, at - m.list, &modules[n], &syms[n]));
		US_TRY(u64_at(l, at, &at));
	}
	*ret = (struct us_module_list){ .v = modules, .syms = syms, .n = n };
	return NULL;
}

struct us_err *us_modules_find(const struct us_vmcore *core, const struct us_layout *layout,
			       struct us_pool *pool, struct us_module_list *ret)
{
	__attribute__((cleanup(look_deinit))) struct look l = { 0 };

	US_TRY(look_init(core, layout, pool, &l));
	return walk_modules(&l, ret);
}

/* ---- tasks ---- */

/* The name of the task of each note; that of an idle task is its CPU's. */
struct tasks {
	uint32_t *pids;
	const char **comms;
	size_t n, left;
};

static struct us_err *list_tasks(const struct us_vmcore *core, struct us_pool *pool,
				 struct tasks *ret)
{
	ret->pids = us_pool_array(pool, core->n_notes + 1, sizeof(*ret->pids));
	ret->comms = us_pool_array(pool, core->n_notes + 1, sizeof(*ret->comms));
	if (!ret->pids || !ret->comms)
		return us_err_nomem();
	for (size_t i = 0; i < core->n_notes; i++) {
		struct us_cpu cpu;

		if (!us_vmcore_cpu(core, &core->notes[i], &cpu))
			continue;
		ret->pids[ret->n] = cpu.pid;
		ret->comms[ret->n] = cpu.pid ? NULL : "idle";
		ret->left += cpu.pid != 0;
		ret->n++;
	}
	return NULL;
}

struct task_layout {
	uint64_t tasks, pid, comm, signal, node, head;
};

static struct us_err *take_task(struct look *l, const struct task_layout *m, uint64_t task,
				struct tasks *t)
{
	uint32_t pid;

	US_TRY(u32_at(l, task + m->pid, &pid));
	for (size_t i = 0; i < t->n; i++)
		if (t->pids[i] == pid && !t->comms[i]) {
			US_TRY(text_at(l, task + m->comm, NAME_TASK, &t->comms[i]));
			t->left--;
		}
	return NULL;
}

/* The threads of one process, its leader among them. */
static struct us_err *take_threads(struct look *l, const struct task_layout *m, uint64_t leader,
				   struct tasks *t, size_t *budget)
{
	uint64_t signal, head, at;

	US_TRY(u64_at(l, leader + m->signal, &signal));
	head = signal + m->head;
	US_TRY(u64_at(l, head, &at));
	while (at != head && t->left && *budget) {
		--*budget;
		US_TRY(take_task(l, m, at - m->node, t));
		US_TRY(u64_at(l, at, &at));
	}
	return NULL;
}

static struct us_err *walk_tasks(struct look *l, struct tasks *t)
{
	struct task_layout m = { 0 };
	const struct member wants[] = {
		{ "task_struct.tasks", &m.tasks, false },
		{ "task_struct.pid", &m.pid, false },
		{ "task_struct.comm", &m.comm, false },
		{ "task_struct.signal", &m.signal, false },
		{ "task_struct.thread_node", &m.node, false },
		{ "signal_struct.thread_head", &m.head, false },
	};
	size_t budget = TASKS_MAX;
	uint64_t head = 0, at = 0;

	if (!t->left)
		return NULL;
	US_TRY(symbol(l, INIT_TASK, &head));
	US_TRY(members(l, wants, us_array_size(wants)));
	head += m.tasks;
	US_TRY(u64_at(l, head, &at));
	while (at != head && t->left && budget) {
		budget--;
		US_TRY(take_threads(l, &m, at - m.tasks, t, &budget));
		US_TRY(u64_at(l, at, &at));
	}
	return NULL;
}

/* ---- all of it ---- */

static struct us_err *look_taint(struct look *l, struct us_kernel *k)
{
	uint64_t at = 0;

	US_TRY(symbol(l, TAINT, &at));
	US_TRY(u64_at(l, at, &k->taint));
	k->has_taint = true;
	return NULL;
}

static struct us_err *look_online(struct look *l, struct us_kernel *k)
{
	uint64_t mask = 0, ids = 0, word;
	uint32_t n;

	US_TRY(symbol(l, ONLINE, &mask));
	US_TRY(symbol(l, CPU_IDS, &ids));
	US_TRY(u32_at(l, ids, &n));
	if (!n || n > CPUS_MAX)
		return us_err_new(US_ERR_BAD_DATA, "nr_cpu_ids is %u", n);
	for (uint32_t i = 0; i < n; i += 64) {
		US_TRY(u64_at(l, mask + i / 8, &word));
		k->n_online += (uint64_t)__builtin_popcountll(word);
	}
	return NULL;
}

static void deinit(struct us_kernel *kernel)
{
	us_kernel_deinit(kernel);
}

struct us_err *us_kernel_look(const struct us_vmcore *core, const struct us_layout *layout,
			      struct us_kernel *ret)
{
	__attribute__((cleanup(deinit))) struct us_kernel k = { 0 };
	__attribute__((cleanup(look_deinit))) struct look l = { 0 };
	struct us_module_list modules = { 0 };
	struct tasks tasks = { 0 };
	const char **notes = us_pool_array(&k.pool, 5, sizeof(*notes));

	if (!notes)
		return us_err_nomem();
	US_TRY(list_tasks(core, &k.pool, &tasks));
	US_TRY(look_init(core, layout, &k.pool, &l));

	const struct {
		const char *what;
		struct us_err *err;
	} parts[] = {
		{ "taint mask", look_taint(&l, &k) },
		{ "CPUs that were online", look_online(&l, &k) },
		{ "list of modules", walk_modules(&l, &modules) },
		{ "names of tasks", walk_tasks(&l, &tasks) },
	};

	for (size_t i = 0, n = 0; i < us_array_size(parts); i++) {
		if (parts[i].err)
			notes[n++] = us_pool_format(&k.pool, "%s: %s", parts[i].what,
						    parts[i].err->text);
		us_err_free(parts[i].err);
	}
	k.has_modules = modules.v != NULL;
	k.modules = modules.v;
	k.n_modules = modules.n;
	k.comms = tasks.comms;
	k.notes = notes;
	*ret = k;
	k = (struct us_kernel){ 0 };
	return NULL;
}

void us_kernel_deinit(struct us_kernel *kernel)
{
	us_pool_deinit(&kernel->pool);
	*kernel = (struct us_kernel){ 0 };
}
