/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kernel log says about the end of its kernel: the panic, the complaint that led there, on
 * which CPU, in which task, and the first call trace after it (Linux 6.12 kernel/panic.c,
 * lib/dump_stack.c, arch/x86/kernel/dumpstack.c, arch/arm64/kernel/traps.c; 4.18 on). Words only:
 * it looks at no memory.
 */
#include "base/cleanup.h"
#include "vmcore/vmcore.h"

#include <ctype.h>
#include <string.h>

/* A complaint older than this did not lead to the panic. */
#define LEADS_NS UINT64_C(10000000000)

static const char *const complaints[] = {
	"BUG: ",
	"Oops",
	"Unable to handle kernel",
	"Internal error: ",
	"general protection fault",
	"kernel BUG at ",
	"kernel tried to execute",
	"invalid opcode: ",
	"divide error: ",
	"double fault: ",
	"stack segment: ",
	"traps: PANIC: ",
	"PANIC: ",
	"WARNING: ",
	"watchdog: BUG: ",
	"watchdog: Watchdog detected",
	"NMI watchdog: BUG: ",
	"NMI watchdog: Watchdog detected",
	"INFO: task ",
	"INFO: rcu",
	"rcu: INFO: ",
	"sysrq: Trigger a crash",
	"sysrq: SysRq : Trigger a crash",
	"Out of memory",
	"mce: [Hardware Error]",
	"SError Interrupt",
	"NMI: Not continuing",
};

static const char *behind(const char *line, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(line, prefix, n) ? NULL : line + n;
}

static struct us_err *keep(struct us_panic *p, const char **where, const char *s)
{
	*where = us_pool_strdup(&p->pool, s);
	return *where ? NULL : us_err_nomem();
}

static void forget(struct us_panic *p)
{
	p->panic = p->cause = p->comm = p->hardware = p->ip = NULL;
	p->has_cpu = p->in_trace = false;
	p->cpu = p->pid = p->n_trace = 0;
	p->cause_ns = p->panic_ns = 0;
}

static bool is_complaint(const char *line)
{
	for (size_t i = 0; i < us_array_size(complaints); i++)
		if (behind(line, complaints[i]))
			return true;
	return false;
}

/* "CPU: 1 UID: 0 PID: 70 Comm: sh Kdump: loaded Not tainted 6.12.0 #1" */
static struct us_err *look_cpu(struct us_panic *p, const char *line)
{
	const char *cpu = strstr(line, "CPU: "), *pid = strstr(line, " PID: "),
		   *comm = strstr(line, " Comm: ");
	_us_free_ char *name = NULL;
	const char *end;

	if (p->has_cpu || !cpu || !pid || !comm || !isdigit((unsigned char)cpu[5]))
		return NULL;
	p->has_cpu = true;
	p->cpu = strtoull(cpu + 5, NULL, 10);
	p->pid = strtoull(pid + 6, NULL, 10);
	comm += 7;
	/* a name may have blanks in it; the words behind it are the kernel's */
	end = strstr(comm, " Kdump: ");
	end = end ? end : strstr(comm, " Not tainted");
	end = end ? end : strstr(comm, " Tainted: ");
	name = strndup(comm, end ? (size_t)(end - comm) : strlen(comm));
	return name ? keep(p, &p->comm, name) : us_err_nomem();
}

/* "RIP: 0010:...", "RAX: ...", "Code: ...": registers stand between the calls of an interrupt and
 * those of what it interrupted. */
static bool is_register(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");

	return behind(name, "Code: ") || (n >= 2 && n <= 8 && name[n] == ':' && name[n + 1] == ' ');
}

/* " sysrq_handle_crash+0x16/0x20", and not what the unwinder only guesses (" ? name") */
static struct us_err *look_trace(struct us_panic *p, const char *line)
{
	const char *name = line + strspn(line, " ");

	if (!strncasecmp(name, "call trace:", 11)) {
		p->in_trace = !p->n_trace;
		return NULL;
	}
	if (!p->in_trace || behind(name, "? ") || *name == '<' || !*name || is_register(name))
		return NULL;
	if (!strstr(name, "+0x")) {
		p->in_trace = false;
		return NULL;
	}
	if (p->n_trace == us_array_size(p->trace))
		return NULL;
	return keep(p, &p->trace[p->n_trace++], name);
}

static struct us_err *look_place(struct us_panic *p, const char *line)
{
	const char *hardware = behind(line, "Hardware name: ");
	const char *ip = behind(line, "RIP: 0010:");

	if (!ip)
		ip = behind(line, "pc : ");
	if (hardware && !p->hardware)
		return keep(p, &p->hardware, hardware);
	if (ip && !p->ip)
		return keep(p, &p->ip, ip);
	US_TRY(look_cpu(p, line));
	return look_trace(p, line);
}

static struct us_err *look_line(struct us_panic *p, const char *line, uint64_t ns)
{
	const char *panic = behind(line, "Kernel panic - not syncing: ");

	if (panic && !p->panic) {
		if (p->cause && ns - p->cause_ns > LEADS_NS)
			forget(p);
		p->panic_ns = ns;
		return keep(p, &p->panic, panic);
	}
	if (!p->panic && is_complaint(line)) {
		if (p->cause && ns - p->cause_ns <= LEADS_NS)
			return NULL;
		forget(p);
		p->cause_ns = ns;
		return keep(p, &p->cause, line);
	}
	return p->panic || p->cause ? look_place(p, line) : NULL;
}

struct us_err *us_panic_look(void *data, const struct us_log_record *record)
{
	struct us_panic *panic = data;
	const char *text = (const char *)record->text.p;
	size_t left = record->text.n;

	panic->last_ns = record->ns;
	while (left) {
		const char *end = memchr(text, '\n', left);
		size_t n = end ? (size_t)(end - text) : left;
		_us_free_ char *line = strndup(text, n);

		if (!line)
			return us_err_nomem();
		US_TRY(look_line(panic, line, record->ns));
		text += n + !!end;
		left -= n + !!end;
	}
	return NULL;
}

void us_panic_deinit(struct us_panic *panic)
{
	us_pool_deinit(&panic->pool);
	*panic = (struct us_panic){ 0 };
}
