/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folder of a rehearsal, the scratch disks in it, and its machines: one that makes on the
 * scratch disks what only a kernel can make there (volumes and arrays with the target on them), one
 * with the running kernel, which is brought down, and one that looks at what was saved. The first
 * and the last are the capture kernel with its own image and /init of guest.c over its own.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "rehearse/rehearse-int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define MEMORY_USUAL (UINT64_C(1024) << 20)
#define SECONDS_KVM  180
#define SECONDS_TCG  600
#define SILENT_S     25 /* with KVM, until the first kernel must have said something */
#define OUT_BYTES    (UINT64_C(64) << 30) /* sparse */
#define CRYPT_MOST   (UINT64_C(1) << 30)  /* of a file system that is written to its last block */

/* ---- files ---- */

const char *us_play_path(struct us_play *p, const char *name)
{
	return us_pool_format(p->pool, "%s/%s", p->dir, name);
}

struct us_err *us_play_dir(struct us_play *p)
{
	char real[PATH_MAX];

	if (p->wish->keep_dir) {
		if (mkdir(p->wish->keep_dir, 0700) && errno != EEXIST)
			return us_err_os(errno, "making %s", p->wish->keep_dir);
		if (!realpath(p->wish->keep_dir, real))
			return us_err_os(errno, "%s", p->wish->keep_dir);
		p->dir = us_pool_strdup(p->pool, real);
		return p->dir ? NULL : us_err_nomem();
	}
	return us_file_temporary("/var/tmp", "understudy-rehearse", p->pool, &p->dir);
}

/* It is ours alone: all that is in it goes. */
void us_play_remove_dir(struct us_play *p)
{
	_us_closedir_ DIR *dir = p->dir ? opendir(p->dir) : NULL;
	const struct dirent *e;

	us_far_remove(p);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		rmdir(p->dir);
}

void us_play_tidy_dir(struct us_play *p)
{
	static const char *const gone[] = { "first.cpio", "look.cpio", "make.cpio", "fill.img",
					    "piece.img" };

	us_far_remove(p);
	for (size_t i = 0; i < us_array_size(gone); i++) {
		const char *path = us_play_path(p, gone[i]);

		if (path)
			unlink(path);
	}
}

/* ---- what the machines are told ---- */

/* A line "key=BYTES NAME VOLUME" for each key that a table names as ":BYTES:logon:NAME". */
static void add_keys(struct us_play *p, struct us_text *t)
{
	for (size_t i = 0; i < p->stage->n_devices; i++) {
		const struct us_recipe_device *d = &p->stage->devices[i];
		const char *at = d->needs_keys ? strstr(d->table[0], ":logon:") : NULL;
		const char *bytes = at;

		while (at && bytes > d->table[0] && bytes[-1] >= '0' && bytes[-1] <= '9')
			bytes--;
		if (at)
			us_text_add(t, "key=%.*s %.*s %s\n", (int)(at - bytes), bytes,
				    (int)strcspn(at + 7, " "), at + 7, d->name);
	}
}

static const char *order_of(struct us_play *p, const char *role)
{
	_us_text_deinit_ struct us_text t = { 0 };

	us_text_add(&t, "role=%s\nkind=%s\ncall=%s\nunpacked=%s\ncmdline=%s\n", role,
		    us_crash_kind_name(p->wish->kind),
		    p->arming->wanted.unpacked ? "load" : p->arming->config->call,
		    p->arming->wanted.unpacked ? "yes" : "no", p->stage->cmdline);
	add_keys(p, &t);
	return t.failed ? NULL : us_pool_strdup(p->pool, t.s);
}

static struct us_err *init_part(struct us_play *p, struct us_crash_initrd_part *ret)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return us_err_os(errno, "/proc/self/exe");
	*ret = (struct us_crash_initrd_part){ .path = "/init",
					      .source = us_pool_strndup(p->pool, self, (size_t)n),
					      .program = true };
	return ret->source ? NULL : us_err_nomem();
}

static struct us_err *write_file(const char *path, struct us_bytes a, struct us_bytes b)
{
	_us_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return us_err_os(errno, "creating %s", path);
	US_TRY(us_file_write_all(fd, a, path));
	return us_file_write_all(fd, b, path);
}

/* A cpio archive may follow a packed one at a multiple of four bytes. */
static struct us_bytes padding(struct us_bytes b)
{
	static const uint8_t zeros[4];

	return us_bytes_of(zeros, -b.n & 3);
}

static struct us_err *first_initrd(struct us_play *p, const char *path)
{
	_us_blob_deinit_ struct us_blob cpio = { 0 }, trap = { 0 };
	struct us_crash_initrd_part parts[5] = { 0 };
	const char *order = order_of(p, "crash");
	size_t n = 4;

	if (!order)
		return us_err_nomem();
	US_TRY(init_part(p, &parts[0]));
	parts[1].path = US_REHEARSE_KERNEL;
	parts[1].source = p->arming->kernel->path;
	parts[2].path = US_REHEARSE_INITRD;
	parts[2].bytes = p->stage->image;
	parts[3].path = US_REHEARSE_ORDER;
	parts[3].bytes = us_bytes_of(order, strlen(order));
	if (p->wish->kind == US_CRASH_NULL || p->wish->kind == US_CRASH_LOCKUP) {
		const char *modules =
			us_pool_format(p->pool, "%s/lib/modules/%s",
				       p->host->live ? "" : p->host->root, p->host->release.v);

		if (!modules)
			return us_err_nomem();
		US_TRY(us_trap_make(modules, p->wish->kind, &trap));
		parts[4].path = US_REHEARSE_TRAP;
		parts[4].bytes = us_blob_bytes(&trap);
		n = 5;
	}
	US_TRY(us_crash_initrd_make(parts, n, &cpio));
	return write_file(path, us_blob_bytes(&cpio), (struct us_bytes){ 0 });
}

/* ---- the scratch disks ---- */

static const char *disk_name(struct us_play *p, size_t i)
{
	return us_pool_format(p->pool, i ? "%s/disk%zu.img" : "%s/disk.img", p->dir, i + 1);
}

static bool is_target(const struct us_play *p, const struct us_recipe_device *d)
{
	return p->stage->target->device && !strcmp(p->stage->target->device, d->name);
}

static bool has_fs(const struct us_play *p, const struct us_recipe_device *d)
{
	return is_target(p, d) && p->stage->target->spec.kind != US_TARGET_RAW;
}

/* What stands on the real device is read where there is one and it is more than marks. */
static struct us_err *make_disk(struct us_play *p, size_t i, const char *path)
{
	const struct us_recipe_device *d = &p->stage->devices[i];
	struct us_disk_wish wish = { .path = path, .device = d, .real = -1 };
	_us_close_ int real = -1;
	struct us_err *err;

	if (has_fs(p, d))
		wish.fs = p->stage->target->fs;
	if (wish.fs && p->stage->crypt)
		wish.most_bytes = CRYPT_MOST;
	if (!is_target(p, d) && p->stage->nodes && p->stage->nodes[i]) {
		real = openat(p->host->root_fd, p->stage->nodes[i], O_RDONLY | O_CLOEXEC);
		if (real < 0)
			return us_err_os(errno, "opening /%s", p->stage->nodes[i]);
	}
	wish.real = real;
	err = us_disk_make(&wish);
	return err ? us_err_wrap(err, "a scratch disk for %s", d->name) : NULL;
}

/* What belongs on an assembled device goes to fill. */
static struct us_err *make_piece(struct us_play *p, size_t i, int fill)
{
	const struct us_recipe_device *d = &p->stage->devices[i];
	const char *path = us_play_path(p, "piece.img");

	if (!path)
		return us_err_nomem();
	US_TRY(make_disk(p, i, path));
	US_TRY(us_disk_pack(path, d->name, p->stage->crypt && has_fs(p, d), fill));
	unlink(path);
	return NULL;
}

struct us_err *us_play_disks(struct us_play *p)
{
	const char *fill = us_play_path(p, "fill.img");
	_us_close_ int fd = -1;
	size_t leaf = 0;

	if (!fill)
		return us_err_nomem();
	if (p->stage->built) {
		fd = open(fill, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (fd < 0)
			return us_err_os(errno, "creating %s", fill);
		US_TRY(us_disk_pack_begin(fd));
	}
	for (size_t i = 0; i < p->stage->n_devices; i++) {
		const struct us_recipe_device *d = &p->stage->devices[i];

		if (d->kind == US_DEVICE_FOUND) {
			const char *path = disk_name(p, leaf++);

			if (!path)
				return us_err_nomem();
			US_TRY(make_disk(p, i, path));
		} else if (d->n_marks) {
			US_TRY(make_piece(p, i, fd));
		}
	}
	return p->stage->built ? us_disk_pack_end(fd) : NULL;
}

/* ---- the machines ---- */

/* The scratch disks, and one more. */
static struct us_err *attach(struct us_play *p, const char *more, struct us_vm_wish *w)
{
	size_t n = 0;

	for (size_t i = 0; i < p->stage->n_devices; i++) {
		if (p->stage->devices[i].kind != US_DEVICE_FOUND)
			continue;
		if (n == US_VM_DISKS)
			return us_err_new(US_ERR_NO_ROOM, "more than %d disks", US_VM_DISKS);
		w->disks[n] = disk_name(p, n);
		if (!w->disks[n++])
			return us_err_nomem();
	}
	w->disks[n] = more;
	return NULL;
}

static void fill_wish(struct us_play *p, us_play_line_fn *on_line, const char *name,
		      struct us_vm_wish *w)
{
	unsigned int usual = p->r->kvm ? SECONDS_KVM : SECONDS_TCG;

	*w = (struct us_vm_wish){
		.qemu = p->qemu,
		.dir = p->dir,
		.name = name,
		.controller = p->stage->controller,
		.memory_bytes = p->wish->memory_bytes ? p->wish->memory_bytes
						      : MEMORY_USUAL + p->r->reserve_bytes,
		.cpus = p->wish->cpus,
		.timeout_s = p->wish->timeout_s ? p->wish->timeout_s : usual,
		.silent_s = p->r->kvm ? SILENT_S : 0,
		.kvm = p->r->kvm,
		.on_line = on_line,
		.data = p,
	};
}

struct us_err *us_play_crash(struct us_play *p, us_play_line_fn *on_line, struct us_vm_run *run)
{
	static const char *const more[US_CRASH_KINDS] = {
		[US_CRASH_NULL] = " oops=panic", [US_CRASH_LOCKUP] = " unknown_nmi_panic"
	};
	const char *words = more[p->wish->kind];
	struct us_vm_wish w;

	fill_wish(p, on_line, "crash", &w);
	w.kernel = p->stage->kernel;
	w.initrd = us_play_path(p, "first.cpio");
	w.append = us_pool_format(
		p->pool,
		"console=ttyS0 rdinit=/init panic=10 loglevel=4 crashkernel=%" PRIu64 "K%s",
		p->r->reserve_bytes / 1024, words ? words : "");
	if (!w.initrd || !w.append)
		return us_err_nomem();
	US_TRY(attach(p, NULL, &w));
	if (p->stage->far) {
		w.card = p->stage->card;
		w.mac = p->far.mac;
		w.server = US_REHEARSE_SERVER;
		w.port = p->far.port;
		w.command = p->far.command;
	}
	US_TRY(first_initrd(p, w.initrd));
	us_progress_at(p->wish->progress, "starting the first kernel", 0, 0);
	return us_vm_boot(&w, run);
}

/* The capture kernel again, with its own modules and our /init over its own. */
static struct us_err *run_again(struct us_play *p, us_play_line_fn *on_line, const char *role,
				const char *more, struct us_vm_run *run)
{
	_us_blob_deinit_ struct us_blob cpio = { 0 };
	struct us_crash_initrd_part parts[2] = { 0 };
	const char *order = order_of(p, role);
	struct us_bytes pad = padding(p->stage->image);
	_us_text_deinit_ struct us_text both = { 0 };
	struct us_vm_wish w;

	fill_wish(p, on_line, role, &w);
	w.kernel = p->arming->kernel->path;
	w.initrd = us_pool_format(p->pool, "%s/%s.cpio", p->dir, role);
	w.append = "console=ttyS0 rdinit=/init panic=10 loglevel=4";
	if (!order || !w.initrd)
		return us_err_nomem();
	US_TRY(attach(p, more, &w));
	US_TRY(init_part(p, &parts[0]));
	parts[1].path = US_REHEARSE_ORDER;
	parts[1].bytes = us_bytes_of(order, strlen(order));
	US_TRY(us_crash_initrd_make(parts, 2, &cpio));
	us_text_put(&both, p->stage->image.p, p->stage->image.n);
	us_text_put(&both, pad.p, pad.n);
	if (both.failed)
		return us_err_nomem();
	US_TRY(write_file(w.initrd, us_bytes_of(both.s, both.n), us_blob_bytes(&cpio)));
	return us_vm_boot(&w, run);
}

struct us_err *us_play_make(struct us_play *p, us_play_line_fn *on_line, const char **ret_problem)
{
	_us_vm_run_deinit_ struct us_vm_run run = { 0 };
	struct us_capture_state said = { 0 };
	const char *fill = us_play_path(p, "fill.img"), *failed;

	*ret_problem = NULL;
	if (!fill)
		return us_err_nomem();
	us_progress_at(p->wish->progress, "making the target", 0, 0);
	US_TRY(run_again(p, on_line, "make", fill, &run));
	unlink(fill);
	US_TRY(us_capture_state_parse(us_blob_bytes(&run.answers), &said));
	failed = us_capture_state_text(&said, "failed", 0);
	if (!us_capture_state_text(&said, "done", 0))
		*ret_problem = failed          ? us_pool_strdup(p->pool, failed)
			       : run.timed_out ? "the time was over"
					       : "the machine that was to make it ended early";
	us_capture_state_deinit(&said);
	return NULL;
}

struct us_err *us_play_look(struct us_play *p, us_play_line_fn *on_line, struct us_vm_run *run)
{
	const char *out = p->wish->keep_dir ? us_play_path(p, "out.img") : NULL;

	if (p->wish->keep_dir) {
		if (!out)
			return us_err_nomem();
		US_TRY(write_file(out, us_bytes_of(US_REHEARSE_OUT, sizeof(US_REHEARSE_OUT) - 1),
				  (struct us_bytes){ 0 }));
		if (truncate(out, (off_t)OUT_BYTES))
			return us_err_os(errno, "%s", out);
	}
	us_progress_at(p->wish->progress, "looking at what was saved", 0, 0);
	return run_again(p, on_line, "look", out, run);
}
