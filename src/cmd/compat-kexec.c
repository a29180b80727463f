/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drop-in name kexec: the options of kexec-tools 2.0.32 for x86, with understudy's verdict in
 * between. Every option acts or is an error that says why and what to do; none is ignored. Quiet on
 * success; -d shows verdict and plan and never changes the outcome. It does not act as any other
 * architecture's kexec.
 */
#include "base/cleanup.h"
#include "cmd/cmd-int.h"

#include <inttypes.h>
#include <string.h>

#define EXIT_STATUS_UNKNOWN 255 /* -S where sysfs does not tell */

struct opts {
	bool load, panic, exec, force, unload, status, no_checks, no_ifdown, no_sync, debug;
	bool version, ckr_size, no_efi, hotplug, no_cma, force_dtb, reuse, fits_anyway;
	const char *call, *type, *cmdline, *refused;
	const char *dtb, *module, *serial, *baud, *entry;
	struct us_opt_list initrd;
	uint64_t mem_min, mem_max;
};

#define OPT(letter, name, type, arg, help, field)                                                  \
	{                                                                                          \
		letter, name, type, arg, help, offsetof(struct opts, field)                        \
	}
#define FLAG(letter, name, field, help) OPT(letter, name, US_OPT_FLAG, NULL, help, field)
/* Understood, and refused with its reason. */
#define REFUSED(name, why) OPT(0, name, US_OPT_SET, "--" name " " why, NULL, refused)
#define NO_CONSOLE                                                                                 \
	"cannot act: the code between the kernels always reports a failure on COM1 and on the "    \
	"VGA text screen, and nothing else; leave the option out"
#define NO_JUMP_BACK                                                                               \
	"cannot act: understudy does not come back from the next kernel (KEXEC_JUMP); leave the "  \
	"option out"

static const struct us_option options[] = {
	FLAG('v', "version", version, "Print the version"),
	FLAG('d', "debug", debug, "Show verdict, plan and reasons on standard error"),
	FLAG('l', "load", load, "Load KERNEL"),
	FLAG('p', "load-panic", panic, "Load KERNEL for a crash"),
	FLAG('u', "unload", unload, "Unload the next kernel, the crash kernel with -p"),
	FLAG('e', "exec", exec, "Start the loaded kernel at once"),
	FLAG('f', "force", force, "Load KERNEL and start it at once, without shutdown"),
	FLAG('S', "status", status, "Exit 1 if a crash kernel (-l: next kernel) is loaded, else 0"),
	OPT('s', "kexec-file-syscall", US_OPT_SET, "file", "Use kexec_file_load(2) only", call),
	OPT('c', "kexec-syscall", US_OPT_SET, "load", "Use kexec_load(2) only", call),
	OPT('a', "kexec-syscall-auto", US_OPT_SET, "auto",
	    "kexec_file_load(2) where it exists (default); never over a refusal", call),
	OPT('t', "type", US_OPT_TEXT, "TYPE", "Refuse KERNEL unless it is of this type", type),
	FLAG('i', "no-checks", no_checks, "No digest over the loaded bytes (kexec_load)"),
	FLAG('x', "no-ifdown", no_ifdown, "Leave network interfaces up (-e, -f)"),
	FLAG('y', "no-sync", no_sync, "Do not write the disks' caches back (-e, -f)"),
	OPT(0, "initrd", US_OPT_LIST, "FILE", "Initial ramdisk; several are joined", initrd),
	OPT(0, "ramdisk", US_OPT_LIST, "FILE", "The same", initrd),
	OPT(0, "append", US_OPT_TEXT, "WORDS", "Command line", cmdline),
	OPT(0, "command-line", US_OPT_TEXT, "WORDS", "The same", cmdline),
	FLAG(0, "reuse-cmdline", reuse, "The running command line; --append adds to it"),
	OPT(0, "mem-min", US_OPT_SIZE, "ADDR", "Lowest address to load to", mem_min),
	OPT(0, "mem-max", US_OPT_SIZE, "ADDR", "Highest address to load to", mem_max),
	FLAG(0, "noefi", no_efi, "Do not hand the EFI runtime over (kexec_load)"),
	FLAG(0, "hotplug", hotplug, "Let the kernel follow CPU and memory hotplug (-p)"),
	FLAG(0, "no-cma", no_cma, "Do not use CMA memory (kexec_file_load)"),
	FLAG(0, "force-dtb", force_dtb, "Carry the device tree over (kexec_file_load)"),
	FLAG(0, "print-ckr-size", ckr_size, "Print the size of the crash reservation"),
	FLAG(0, "args-linux", fits_anyway, "Linux arguments: what understudy always passes"),
	FLAG(0, "elf64-core-headers", fits_anyway, "64-bit core headers: always so"),
	FLAG(0, "reuse-video-type", fits_anyway, "Hand the running video state over: always so"),
	OPT(0, "dtb", US_OPT_TEXT, "FILE", NULL, dtb),
	OPT(0, "module", US_OPT_TEXT, "FILE", NULL, module),
	OPT(0, "serial", US_OPT_TEXT, "PORT", NULL, serial),
	OPT(0, "serial-baud", US_OPT_TEXT, "BAUD", NULL, baud),
	OPT(0, "entry", US_OPT_TEXT, "ADDR", NULL, entry),
	REFUSED("real-mode", "cannot act: kernels are entered in 64-bit mode; leave it out"),
	REFUSED("entry-32bit", "cannot act: kernels are entered in 64-bit mode; leave it out"),
	REFUSED("reset-vga", NO_CONSOLE),
	REFUSED("console-vga", NO_CONSOLE),
	REFUSED("console-serial", NO_CONSOLE),
	REFUSED("elf32-core-headers", "cannot act: x86_64 crash headers are 64-bit ones "
				      "(--elf64-core-headers)"),
	REFUSED("pass-memmap-cmdline", "cannot act: the memory map goes by boot_params, not by the "
				       "command line; leave it out"),
	REFUSED("args-elf", "cannot act: only the Linux boot protocol is spoken; use --args-linux"),
	REFUSED("args-none", "cannot act: only the Linux boot protocol is spoken; use --args-linux"),
	REFUSED("reuseinitrd", "cannot act on x86: name the file with --initrd"),
	REFUSED("load-preserve-context", NO_JUMP_BACK),
	REFUSED("load-jump-back-helper", NO_JUMP_BACK),
	REFUSED("load-live-update", "is not supported: use kexec-tools for live updates"),
	REFUSED("exec-live-update", "is not supported: use kexec-tools for live updates"),
	{ 0 },
};

const struct us_cmd us_cmd_kexec = {
	.name = "kexec",
	.args = "KERNEL",
	.brief = "Load and start another kernel; KERNEL alone loads it and reboots into it in order",
	.options = options,
	.max_args = 1,
	.last_wins = true,
	.opts_bytes = sizeof(struct opts),
};

static struct us_err *refuse(const char *fmt, const char *word) us_must_check;
static struct us_err *refuse(const char *fmt, const char *word)
{
	return us_err_new(US_ERR_USAGE, "%s %s", word, fmt);
}

/* Options that are understood and cannot act at all. */
static struct us_err *check_refused(const struct opts *o)
{
	if (o->refused)
		return us_err_new(US_ERR_USAGE, "%s", o->refused);
	if (o->dtb)
		return refuse("cannot act: x86 kernels take no device tree from a loader", "--dtb");
	if (o->module)
		return refuse("cannot act: multiboot images are not supported", "--module");
	if (o->serial || o->baud)
		return refuse(NO_CONSOLE, o->serial ? "--serial" : "--serial-baud");
	if (o->entry)
		return refuse(NO_JUMP_BACK, "--entry");
	return NULL;
}

/* The first word that is about loading, or NULL. */
static const char *loading_word(const struct opts *o, const char *kernel)
{
	return o->initrd.n      ? "--initrd"
	       : o->cmdline     ? "--append"
	       : o->reuse       ? "--reuse-cmdline"
	       : o->type        ? "--type"
	       : o->no_checks   ? "--no-checks"
	       : o->mem_min     ? "--mem-min"
	       : o->mem_max     ? "--mem-max"
	       : o->no_efi      ? "--noefi"
	       : o->hotplug     ? "--hotplug"
	       : o->no_cma      ? "--no-cma"
	       : o->force_dtb   ? "--force-dtb"
	       : o->fits_anyway ? "--args-linux, --elf64-core-headers or --reuse-video-type"
	       : kernel         ? kernel
				: NULL;
}

/* Options that contradict each other, or that do not belong to what is asked. */
static struct us_err *check_together(const struct opts *o, const char *kernel)
{
	bool starts = o->exec || o->force;
	const char *action = o->exec ? "-e" : o->unload ? "-u" : NULL;
	const char *loads = loading_word(o, kernel);
	const char *asks = o->status ? "-S" : o->ckr_size ? "--print-ckr-size" : NULL;

	if (asks && (loads || action || o->force))
		return us_err_new(US_ERR_USAGE, "%s only tells: %s has no effect with it", asks,
				  loads    ? loads
				  : action ? action
					   : "-f");
	if (asks)
		return NULL;

	if (o->exec && o->unload)
		return refuse("and -u exclude each other", "-e");
	if (action && o->load)
		return refuse("and -l exclude each other (-f loads and starts at once)", action);
	if (o->exec && o->panic)
		return refuse("cannot start a crash kernel: only a crash does", "-e");
	if (o->force && (o->panic || o->load || o->unload))
		return refuse("loads and starts at once: -l, -p and -u exclude it", "-f");
	if (action && loads && !(o->exec && o->force && kernel))
		return us_err_new(US_ERR_USAGE,
				  "%s is for loading (-l, -p) and has no effect with %s", loads,
				  action);
	if (o->exec && !o->force && o->call)
		return us_err_new(
			US_ERR_USAGE,
			"-e starts what is loaded: choosing kexec_%s has no effect with it",
			strcmp(o->call, "auto") ? o->call : "load or kexec_file_load");
	if (!starts && (o->no_ifdown || o->no_sync))
		return refuse("has an effect with -e and -f only", o->no_sync ? "-y" : "-x");
	if (o->hotplug && !o->panic)
		return refuse("has an effect with -p only", "--hotplug");
	if (!action && !kernel)
		return us_err_new(US_ERR_USAGE, "which KERNEL? (kexec --help)");
	return NULL;
}

static int show_status(const struct us_host *host, const struct opts *o)
{
	const struct us_fact_u64 *loaded =
		o->load && !o->panic ? &host->kexec_loaded : &host->crash_loaded;

	if (us_known(loaded->o))
		return loaded->v ? 1 : 0;
	fprintf(stderr, "understudy: not known: %s: %s\n",
		loaded->o.path ? loaded->o.path : "kexec_loaded", loaded->o.missing);
	return EXIT_STATUS_UNKNOWN;
}

static int print_ckr_size(const struct us_host *host)
{
	uint64_t bytes = host->crash_size.v;

	if (!host->n_crash && !us_known(host->crash_size.o))
		return us_cmd_fail(us_err_new(US_ERR_NOT_FOUND, "the size is not known: %s",
					      host->crash_size.o.missing),
				   false);
	if (host->n_crash)
		bytes = host->crash[host->n_crash - 1].size;
	printf("%" PRIu64 "\n", bytes);
	return US_EXIT_OK;
}

static int unload(struct us_machine *m, const struct opts *o)
{
	enum us_purpose purpose = o->panic ? US_CRASH : US_REBOOT;
	enum us_call call = !o->call                   ? US_CALL_AUTO
			    : !strcmp(o->call, "file") ? US_CALL_FILE
			    : !strcmp(o->call, "load") ? US_CALL_LOAD
						       : US_CALL_AUTO;
	_us_outcome_deinit_ struct us_outcome outcome = { 0 };
	struct us_err *err = us_machine_may_act(m);
	_us_close_ int lock = -1;
	struct us_out out;

	if (!err && o->panic)
		us_machine_lock_out(m, &lock);
	if (!err)
		err = us_unload(m->host, purpose, call, &outcome);
	if (err)
		return us_cmd_fail(err, false);
	if (o->panic && outcome.done)
		us_forget_armed(m);
	us_out_init(stderr, &out);
	if (!outcome.done || o->debug)
		us_report_outcome(&out, NULL, &outcome);
	return outcome.done ? US_EXIT_OK : US_EXIT_REFUSED;
}

static int start(struct us_machine *m, const struct opts *o)
{
	const struct us_jump how = { .sync = !o->no_sync, .ifdown = !o->no_ifdown };
	int status = 0;
	struct us_err *err = us_jump_why_not(m->host, true, &status);

	if (err) {
		us_cmd_fail(err, false);
		return status;
	}
	err = us_machine_may_act(m);
	if (!err)
		err = us_jump_now(m->host, &how);
	return err ? us_cmd_fail(err, false) : US_EXIT_OK;
}

static struct us_err *check_type(const char *type, const struct us_image *image)
{
	static const struct {
		const char *name;
		enum us_image_kind kind;
	} types[] = {
		{ "bzImage64", US_IMAGE_BZIMAGE }, { "bzImage", US_IMAGE_BZIMAGE },
		{ "elf-x86_64", US_IMAGE_ELF },    { "uki", US_IMAGE_UKI },
		{ "vmlinux", US_IMAGE_ELF },
	};
	enum us_image_kind outer = image->n_nest ? image->nest[0].kind : image->kind;

	for (size_t i = 0; i < us_array_size(types); i++) {
		if (strcmp(types[i].name, type))
			continue;
		if (types[i].kind == outer || types[i].kind == image->kind)
			return NULL;
		return us_err_new(US_ERR_USAGE, "--type=%s: %s is not that, but: %s", type,
				  image->path, us_image_kind_name(outer));
	}
	return us_err_new(US_ERR_USAGE,
			  "--type=%s: understudy knows bzImage64, bzImage, elf-x86_64, vmlinux and "
			  "uki here",
			  type);
}

/* What the peer would have done without a word: one line each. */
static void warn(const struct us_verdict *v)
{
	for (size_t i = 0; i < v->n_findings; i++) {
		const struct us_finding *f = &v->findings[i];

		if (f->result == US_FAIL && f->severity == US_WARN)
			fprintf(stderr, "understudy: warning: %s: %s (%s)\n", f->rule->id,
				f->rule->says, f->d.fact ? f->d.fact : "");
		else if (us_finding_is_blind(f))
			fprintf(stderr, "understudy: warning: %s is not known, for want of: %s\n",
				f->rule->id, f->d.lets ? f->d.lets : "a fact that is missing");
	}
}

/* 0: loaded. */
static int load(const struct us_ask *ask, const struct opts *o, const char *kernel,
		struct us_work *w)
{
	_us_outcome_deinit_ struct us_outcome outcome = { 0 };
	struct us_err *err = us_work_do(ask, kernel, true, w);
	struct us_out out;
	int status;

	us_out_init(stderr, &out);
	if (!err && o->type)
		err = check_type(o->type, w->image);
	if (!err)
		err = us_machine_may_act(&w->machine);
	if (err)
		return us_cmd_fail(err, false);
	status = us_work_exit(w, true);
	if (status == US_EXIT_UNKNOWN && w->plan)
		status = US_EXIT_OK; /* as the peer does; warn() says what was not known */
	if (status || o->debug)
		us_work_report(&out, w, o->debug);
	else
		warn(w->verdict);
	if (status)
		return status;
	err = us_work_commit(w, &outcome);
	if (err)
		return us_cmd_fail(err, false);
	if (!outcome.done || o->debug)
		us_report_outcome(&out, w->plan, &outcome);
	return outcome.done ? US_EXIT_OK : US_EXIT_REFUSED;
}

static int load_and_go(const struct opts *o, const char *kernel)
{
	const struct us_ask ask = {
		.crash = o->panic,
		.reuse = o->reuse,
		.cmdline = o->reuse ? NULL : o->cmdline,
		.append = o->reuse ? o->cmdline : NULL,
		.call = o->call,
		.initrd = o->initrd,
		.no_efi = o->no_efi,
		.no_checks = o->no_checks,
		.no_cma = o->no_cma,
		.force_dtb = o->force_dtb,
		.hotplug = o->hotplug,
		.mem_min = o->mem_min,
		.mem_max = o->mem_max,
	};
	const struct us_jump how = { .sync = !o->no_sync, .ifdown = !o->no_ifdown };
	_us_work_deinit_ struct us_work w = { 0 };
	struct us_err *err = NULL;
	int status = load(&ask, o, kernel, &w);

	if (status || o->load || o->panic)
		return status;
	err = o->force ? us_jump_now(w.machine.host, &how) : us_jump_orderly(w.machine.host);
	return err ? us_cmd_fail(err, false) : US_EXIT_OK;
}

static int run(const struct opts *o, const char *kernel)
{
	_us_machine_deinit_ struct us_machine m = { 0 };
	struct us_err *err = check_refused(o);

	if (o->version) {
		printf("understudy %s, called as kexec (options of kexec-tools 2.0.32)\n",
		       US_VERSION);
		return US_EXIT_OK;
	}
	if (!err)
		err = check_together(o, kernel);
	if (err)
		return us_cmd_fail(err, false);
	if (!o->status && !o->ckr_size && !o->unload && !o->exec)
		return load_and_go(o, kernel);
	err = us_machine_open(NULL, &m);
	if (err)
		return us_cmd_fail(err, false);
	if (o->status)
		return show_status(m.host, o);
	if (o->ckr_size)
		return print_ckr_size(m.host);
	return o->unload ? unload(&m, o) : start(&m, o);
}

int us_compat_kexec(int argc, char **argv)
{
	struct opts o = { 0 };
	bool wants_help = false;
	struct us_err *err;
	int n = 0, status;

	err = us_options_parse(&us_cmd_kexec, argc, argv, &o, &n, &wants_help);
	if (err) {
		status = us_cmd_fail(err, false);
	} else if (wants_help) {
		us_options_help(&us_cmd_kexec, "kexec");
		status = US_EXIT_OK;
	} else {
		status = run(&o, n ? argv[1] : NULL);
	}
	us_options_free(&us_cmd_kexec, &o);
	return status;
}
