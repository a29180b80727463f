/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run of QEMU: no network but to one command of ours, no devices but its disks and two serial
 * ports that go to files, a monitor on its standard input. Lines are handed on as they come. It ends
 * by itself (the guest starts anew, which -no-reboot makes an end), or some seconds after words that
 * mean nothing more will come, or when the time is over; then it is ended by its process id.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "rehearse/rehearse-int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#define ARGS_MAX  (48 + 4 * US_VM_DISKS)
#define TICK_NS   100000000L
#define NMI_MS    4000 /* until a CPU spins */
#define LINGER_MS 4000 /* after the last word */

/* Controllers that QEMU has, by the module that drives them. %s: the id of the drive. */
static const struct {
	const char *module, *bus, *device;
	size_t most; /* disks */
} controllers[] = {
	{ "nvme", NULL, "nvme,drive=%s,serial=%s", US_VM_DISKS },
	{ "virtio_blk", NULL, "virtio-blk-pci,drive=%s,serial=%s", US_VM_DISKS },
	{ "virtio_scsi", "virtio-scsi-pci,id=bus0", "scsi-hd,drive=%s,serial=%s", US_VM_DISKS },
	{ "ahci", "ich9-ahci,id=ahci0", "ide-hd,drive=%s,serial=%s", 6 },
	{ "megaraid_sas", "megasas,id=bus0", "scsi-hd,drive=%s,serial=%s", US_VM_DISKS },
	{ "mptsas", "mptsas1068,id=bus0", "scsi-hd,drive=%s,serial=%s", 8 },
	{ "vmw_pvscsi", "pvscsi,id=bus0", "scsi-hd,drive=%s,serial=%s", US_VM_DISKS },
};

/* Network cards, the same way. */
static const struct {
	const char *module, *device;
} cards[] = {
	{ "virtio_net", "virtio-net-pci" }, { "e1000", "e1000" },    { "e1000e", "e1000e" },
	{ "vmxnet3", "vmxnet3" },           { "8139cp", "rtl8139" },
};

const char *us_vm_card(const char *module)
{
	for (size_t i = 0; i < us_array_size(cards); i++)
		if (!strcmp(cards[i].module, module))
			return cards[i].device;
	return NULL;
}

size_t us_vm_disks_max(const char *controller)
{
	for (size_t i = 0; controller && i < us_array_size(controllers); i++)
		if (!strcmp(controllers[i].module, controller))
			return controllers[i].most;
	return US_VM_DISKS;
}

const char *us_vm_controller(const char *module)
{
	for (size_t i = 0; i < us_array_size(controllers); i++)
		if (!strcmp(controllers[i].module, module))
			return controllers[i].module;
	return NULL;
}

bool us_vm_has_kvm(void)
{
	_us_close_ int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	_us_close_ int vm = fd < 0 ? -1 : ioctl(fd, KVM_CREATE_VM, 0);

	return vm >= 0;
}

const char *us_vm_find_program(const char *name, struct us_pool *pool)
{
	static const char more[] = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
	const char *lists[] = { getenv("PATH"), more };

	if (strchr(name, '/'))
		return access(name, X_OK) ? NULL : us_pool_strdup(pool, name);
	for (size_t i = 0; i < us_array_size(lists); i++)
		for (const char *p = lists[i]; p && *p;) {
			size_t n = strcspn(p, ":");
			const char *path = us_pool_format(pool, "%.*s/%s", (int)n, p, name);

			if (path && !access(path, X_OK))
				return path;
			p += n + (p[n] == ':');
		}
	return NULL;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- programs ---- */

struct us_err *us_vm_run_program(const char *const *words)
{
	_us_close_ int in = -1, out = -1;
	char said[2000] = "";
	int fds[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return us_err_os(errno, "making a pipe");
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return us_err_os(errno, "starting %s", words[0]);
	if (!pid) {
		int null = open("/dev/null", O_RDONLY);

		dup2(null, 0);
		dup2(out, 1);
		dup2(out, 2);
		execv(words[0], (char *const *)words);
		_exit(127);
	}
	us_closep(&out);
	out = -1;
	while (n + 1 < sizeof(said) && (got = read(in, said + n, sizeof(said) - 1 - n)) > 0)
		n += (size_t)got;
	us_closep(&in);
	in = -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return us_err_os(errno, "waiting for %s", words[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return us_err_new(US_ERR_OS, "%s failed: %s", words[0], us_text_strip(said));
	return NULL;
}

/* ---- QEMU ---- */

struct vm {
	const struct us_vm_wish *wish;
	struct us_pool pool;
	const char *args[ARGS_MAX + 1];
	size_t n;
	const char *paths[2]; /* console, answers */
	uint64_t read_to[2];
	struct us_text lines[2]; /* what is no whole line yet */
	pid_t pid;
	int monitor;
	uint64_t last_word_ms; /* 0: it may still say something */
	uint64_t nmi_ms;       /* when to press the button; 0: not */
	bool heard;            /* an answer came */
};

static void vm_deinit(struct vm *vm)
{
	if (vm->pid > 0) {
		kill(vm->pid, SIGKILL);
		waitpid(vm->pid, NULL, 0);
	}
	us_closep(&vm->monitor);
	for (size_t i = 0; i < us_array_size(vm->lines); i++)
		us_text_deinit(&vm->lines[i]);
	us_pool_deinit(&vm->pool);
}

static void arg(struct vm *vm, const char *fmt, ...) us_printf(2, 3);
static void arg(struct vm *vm, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	if (vm->n < ARGS_MAX)
		vm->args[vm->n++] = t.failed || !t.s ? NULL : us_pool_strdup(&vm->pool, t.s);
}

/* A comma in a path ends it, unless it is doubled. */
static const char *option_path(struct vm *vm, const char *path)
{
	char *copy = us_pool_alloc(&vm->pool, 2 * strlen(path) + 1), *to = copy;

	for (; copy && *path; path++) {
		*to++ = *path;
		if (*path == ',')
			*to++ = ',';
	}
	return copy ? copy : "";
}

static void disk_args(struct vm *vm)
{
	const struct us_vm_wish *w = vm->wish;
	size_t row = 0;

	while (row + 1 < us_array_size(controllers) && w->controller &&
	       strcmp(controllers[row].module, w->controller))
		row++;
	if (w->disks[0] && controllers[row].bus) {
		arg(vm, "-device");
		arg(vm, "%s", controllers[row].bus);
	}
	for (size_t i = 0; i < us_array_size(w->disks) && w->disks[i]; i++) {
		const char *shape = controllers[row].device, *hole = strstr(shape, "%s");
		bool sata = !strcmp(controllers[row].module, "ahci");
		char id[8], port[24] = "";

		snprintf(id, sizeof(id), "disk%zu", i);
		if (sata)
			snprintf(port, sizeof(port), ",bus=ahci0.%zu", i);
		arg(vm, "-drive");
		/* an array that is brought in step again writes what may be all zeros */
		arg(vm, "id=%s,file=%s,format=raw,if=none,cache=unsafe,discard=unmap%s", id,
		    option_path(vm, w->disks[i]), w->disks[1] ? ",detect-zeroes=unmap" : "");
		arg(vm, "-device");
		arg(vm, "%.*s%s,serial=%s%s", (int)(hole - shape), shape, id, id, port);
	}
}

static void card_args(struct vm *vm)
{
	const struct us_vm_wish *w = vm->wish;

	if (!w->card)
		return;
	arg(vm, "-netdev");
	arg(vm, "user,id=net0,restrict=on,guestfwd=tcp:%s:%s-cmd:%s", w->server, w->port,
	    option_path(vm, w->command));
	arg(vm, "-device");
	arg(vm, "%s,netdev=net0,mac=%s,romfile=", w->card, w->mac);
}

static struct us_err *build_args(struct vm *vm)
{
	const struct us_vm_wish *w = vm->wish;

	arg(vm, "%s", w->qemu);
	arg(vm, "-machine");
	arg(vm, "q35,accel=%s", w->kvm ? "kvm" : "tcg");
	arg(vm, "-cpu");
	arg(vm, "%s", w->kvm ? "host" : "max");
	arg(vm, "-m");
	arg(vm, "%" PRIu64 "M", w->memory_bytes >> 20);
	arg(vm, "-smp");
	arg(vm, "%u", w->cpus ? w->cpus : 1);
	static const char *const plain[] = { "-nodefaults", "-no-user-config", "-display", "none",
					     "-no-reboot",  "-monitor",        "stdio" };
	for (size_t i = 0; i < us_array_size(plain); i++)
		arg(vm, "%s", plain[i]);
	for (size_t i = 0; i < us_array_size(vm->paths); i++) {
		arg(vm, "-chardev");
		arg(vm, "file,id=port%zu,path=%s", i, option_path(vm, vm->paths[i]));
		arg(vm, "-serial");
		arg(vm, "chardev:port%zu", i);
	}
	disk_args(vm);
	card_args(vm);
	arg(vm, "-kernel");
	arg(vm, "%s", w->kernel);
	arg(vm, "-initrd");
	arg(vm, "%s", w->initrd);
	arg(vm, "-append");
	arg(vm, "%s", w->append);
	for (size_t i = 0; i < vm->n; i++)
		if (!vm->args[i])
			return us_err_nomem();
	return NULL;
}

/* Not those that are ignored (nohup), for when blocked they would come all the same. */
static sigset_t ending(void)
{
	static const int all[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction now;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < us_array_size(all); i++)
		if (!sigaction(all[i], NULL, &now) && now.sa_handler != SIG_IGN)
			sigaddset(&set, all[i]);
	return set;
}

void us_held_begin(struct us_held *held)
{
	const sigset_t set = ending();

	sigprocmask(SIG_BLOCK, &set, &held->before);
}

void us_held_end(struct us_held *held)
{
	sigprocmask(SIG_SETMASK, &held->before, NULL);
}

static struct us_err *start(struct vm *vm)
{
	const sigset_t set = ending();
	const char *log = us_pool_format(&vm->pool, "%s/%s.qemu", vm->wish->dir, vm->wish->name);
	_us_close_ int in = -1, out = -1;
	int fds[2];

	if (!log)
		return us_err_nomem();
	out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (out < 0)
		return us_err_os(errno, "creating %s", log);
	if (pipe2(fds, O_CLOEXEC))
		return us_err_os(errno, "making a pipe");
	in = fds[0];
	vm->monitor = fds[1];
	vm->pid = fork();
	if (vm->pid < 0)
		return us_err_os(errno, "starting %s", vm->wish->qemu);
	if (!vm->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGPIPE, SIG_DFL);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		dup2(in, 0);
		dup2(out, 1);
		dup2(out, 2);
		execv(vm->args[0], (char *const *)vm->args);
		_exit(127);
	}
	return NULL;
}

/* Words after which a machine that does not end will not say more. */
static bool is_last_word(const char *line)
{
	return strstr(line, "understudy: the end:") || strstr(line, "reboot: System halted") ||
	       strstr(line, "reboot: Power down") || strstr(line, "end Kernel panic");
}

static struct us_err *take_line(struct vm *vm, size_t port)
{
	_us_free_ char *line = NULL;

	US_TRY(us_text_take(&vm->lines[port], &line));
	us_text_strip(line);
	vm->heard |= port == 1;
	if (!port && is_last_word(line))
		vm->last_word_ms = now_ms();
	if (vm->wish->on_line && vm->wish->on_line(vm->wish->data, line, port == 1))
		vm->nmi_ms = now_ms() + NMI_MS;
	return NULL;
}

static struct us_err *listen(struct vm *vm, size_t port)
{
	_us_close_ int fd = open(vm->paths[port], O_RDONLY | O_CLOEXEC);
	char buf[4096];
	ssize_t n;

	while (fd >= 0 && (n = pread(fd, buf, sizeof(buf), (off_t)vm->read_to[port])) > 0) {
		vm->read_to[port] += (uint64_t)n;
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] == '\n')
				US_TRY(take_line(vm, port));
			else if (buf[i] && buf[i] != '\r')
				us_text_put(&vm->lines[port], &buf[i], 1);
		}
	}
	return NULL;
}

static struct us_err *press_button(struct vm *vm)
{
	static const char nmi[] = "nmi\n";

	if (!vm->nmi_ms || now_ms() < vm->nmi_ms)
		return NULL;
	vm->nmi_ms = 0;
	if (write(vm->monitor, nmi, sizeof(nmi) - 1) < 0)
		return us_err_os(errno, "speaking to QEMU's monitor");
	return NULL;
}

static struct us_err *watch(struct vm *vm, struct us_vm_run *run)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	const sigset_t set = ending();
	uint64_t begin = now_ms(), end = begin + vm->wish->timeout_s * UINT64_C(1000);
	uint64_t silent = begin + vm->wish->silent_s * UINT64_C(1000);

	for (bool gone = false; !gone;) {
		gone = waitpid(vm->pid, &run->status, WNOHANG) == vm->pid;
		if (gone)
			vm->pid = 0;
		for (size_t port = 0; port < us_array_size(vm->paths); port++)
			US_TRY(listen(vm, port));
		if (gone)
			return NULL;
		US_TRY(press_button(vm));
		run->timed_out =
			now_ms() >= end || (vm->wish->silent_s && !vm->heard && now_ms() >= silent);
		run->stopped = vm->last_word_ms && now_ms() >= vm->last_word_ms + LINGER_MS;
		if (run->timed_out || run->stopped)
			return NULL;
		if (sigtimedwait(&set, NULL, &tick) > 0)
			return us_err_os(EINTR, "the virtual machine was ended");
	}
	return NULL;
}

static void run_vm_deinit(struct vm *vm)
{
	vm_deinit(vm);
}

struct us_err *us_vm_boot(const struct us_vm_wish *wish, struct us_vm_run *ret)
{
	__attribute__((cleanup(run_vm_deinit))) struct vm vm = { .wish = wish, .monitor = -1 };
	_us_vm_run_deinit_ struct us_vm_run run = { 0 };
	static const char *const names[] = { "console", "answers" };
	uint64_t begin = now_ms();

	for (size_t i = 0; i < us_array_size(names); i++) {
		vm.paths[i] = us_pool_format(&vm.pool, "%s/%s.%s", wish->dir, wish->name, names[i]);
		if (!vm.paths[i])
			return us_err_nomem();
	}
	US_TRY(build_args(&vm));
	US_TRY(start(&vm));
	US_TRY(watch(&vm, &run));
	if (vm.pid > 0) {
		kill(vm.pid, SIGKILL);
		waitpid(vm.pid, &run.status, 0);
		vm.pid = 0;
	}
	run.seconds = (double)(now_ms() - begin) / 1000;
	for (size_t i = 0; i < us_array_size(names); i++)
		us_err_free(us_file_map(vm.paths[i], i ? &run.answers : &run.console));
	*ret = run;
	run = (struct us_vm_run){ 0 };
	return NULL;
}

void us_vm_run_deinit(struct us_vm_run *run)
{
	us_blob_deinit(&run->console);
	us_blob_deinit(&run->answers);
}
