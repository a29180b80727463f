/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far end of a target over a network: a server of this machine on a folder of the rehearsal,
 * reached by the guest through one command for each connection (QEMU's guestfwd), which the kinds
 * below choose. In the capture image the recipe's address and what tells a server from others
 * (keys, certificates) are laid over; all else in it is what it was. What was saved is looked at
 * here.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "rehearse/far-int.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define GUEST "10.0.2.15/24"

static const struct us_far_kind *const kinds[] = {
	[US_TARGET_NFS] = &us_far_nfs,
	[US_TARGET_SSH] = &us_far_ssh,
	[US_TARGET_HTTP] = &us_far_http,
	[US_TARGET_S3] = &us_far_s3,
};

const struct us_far_kind *us_far_kind(enum us_target_kind kind)
{
	return kind < us_array_size(kinds) ? kinds[kind] : NULL;
}

struct us_err *us_far_plain(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/_.+-";

	return word[strspn(word, plain)]
		       ? us_err_new(US_ERR_UNSUPPORTED, "QEMU cannot be told \"%s\"", word)
		       : NULL;
}

/* ---- files, in a folder of their own ---- */

const char *us_far_path(struct us_play *p, const char *name)
{
	return us_pool_format(p->pool, "%s/%s", p->far.folder, name);
}

struct us_err *us_far_text(struct us_play *p, const char *name, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	const char *path = us_far_path(p, name);
	_us_close_ int fd = -1;
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	if (!path || t.failed)
		return us_err_nomem();
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return us_err_os(errno, "creating %s", path);
	return us_file_write_all(fd, us_bytes_of(t.s, t.n), path);
}

struct us_err *us_far_file(struct us_play *p, const char *name, struct us_bytes *ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	const char *path = us_far_path(p, name);

	if (!path)
		return us_err_nomem();
	US_TRY(us_file_map(path, &blob));
	return us_pool_adopt(p->pool, &blob, ret);
}

struct us_err *us_far_lay(struct us_play *p, const char *path, const char *name)
{
	struct us_far *far = &p->far;

	if (far->n_parts == us_array_size(far->parts))
		return us_err_new(US_ERR_NO_ROOM, "more than %zu files to lay over", far->n_parts);
	far->parts[far->n_parts].path = path;
	US_TRY(us_far_file(p, name, &far->parts[far->n_parts].bytes));
	far->n_parts++;
	return NULL;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	remove(path);
	return 0;
}

void us_far_remove(struct us_play *p)
{
	if (p->far.server > 0) {
		kill(p->far.server, SIGKILL);
		waitpid(p->far.server, NULL, 0);
	}
	if (p->far.folder)
		nftw(p->far.folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	p->far = (struct us_far){ 0 };
}

static struct us_err *make_folder(struct us_play *p)
{
	char *folder = us_pool_format(p->pool, "%s/far-XXXXXX", p->dir);

	US_TRY(us_far_plain(p->dir));
	if (!folder)
		return us_err_nomem();
	if (!mkdtemp(folder))
		return us_err_os(errno, "making %s", folder);
	p->far.folder = folder;
	p->far.saved = us_far_path(p, US_FAR_SAVED);
	if (!p->far.saved)
		return us_err_nomem();
	if (mkdir(p->far.saved, 0700))
		return us_err_os(errno, "making %s", p->far.saved);
	return NULL;
}

struct us_err *us_far_program(struct us_play *p, const char **ret)
{
	const char *path = us_file_ours("understudy-far", p->pool);

	if (!path)
		return us_err_new(US_ERR_NOT_FOUND,
				  "the program understudy-far is missing (it is installed "
				  "as " US_LIBEXEC_DIR "/understudy-far)");
	US_TRY(us_far_plain(path));
	*ret = path;
	return NULL;
}

const char *us_far_port(const struct us_play *p, const char *usual)
{
	const char *port = p->far.target.spec.port;

	return port && *port ? port : usual;
}

/* ---- the image ---- */

static struct us_err *make_recipe(struct us_play *p, char **ret)
{
	static const char *const none[] = { NULL };
	struct us_recipe recipe = *p->stage->recipe;
	struct us_recipe_net net;

	if (!recipe.n_nets)
		return us_err_new(US_ERR_NOT_FOUND, "the recipe has no network");
	net = recipe.nets[0];
	net.address = GUEST;
	net.gateway = NULL;
	net.nameservers = none;
	net.vlan = 0;
	recipe.nets = &net;
	recipe.n_nets = 1;
	recipe.targets = &p->far.target;
	recipe.n_targets = 1;
	p->far.mac = net.mac;
	return us_recipe_write(&recipe, ret);
}

/* The archive that is laid over the image behind it. */
static struct us_err *lay_over(struct us_play *p)
{
	struct us_crash_initrd_part parts[US_FAR_PARTS + 1];
	_us_blob_deinit_ struct us_blob cpio = { 0 };
	_us_text_deinit_ struct us_text both = { 0 };
	_us_free_ char *recipe = NULL;
	static const char zeros[4];

	US_TRY(make_recipe(p, &recipe));
	memcpy(parts, p->far.parts, sizeof(p->far.parts));
	parts[p->far.n_parts] = (struct us_crash_initrd_part){
		.path = US_RECIPE_PATH,
		.bytes = us_bytes_of(recipe, strlen(recipe)),
	};
	US_TRY(us_crash_initrd_make(parts, p->far.n_parts + 1, &cpio));
	us_text_put(&both, p->stage->image.p, p->stage->image.n);
	us_text_put(&both, zeros, -both.n & 3);
	us_text_put(&both, cpio.p, cpio.n);
	if (both.failed)
		return us_err_nomem();
	p->stage->image = us_bytes_of(us_pool_alloc(p->pool, both.n), both.n);
	if (!p->stage->image.p)
		return us_err_nomem();
	memcpy((void *)p->stage->image.p, both.s, both.n);
	return NULL;
}

struct us_err *us_far_make(struct us_play *p)
{
	struct us_far *far = &p->far;
	struct us_err *err;

	us_far_remove(p);
	us_progress_at(p->wish->progress, "making the server", 0, 0);
	far->target = p->stage->recipe->targets[0];
	far->target.spec.host = US_REHEARSE_SERVER;
	far->target.spec.address = NULL;
	err = make_folder(p);
	if (!err)
		err = p->stage->far->start(p);
	if (!err)
		err = lay_over(p);
	if (err)
		us_far_remove(p);
	return err;
}

/* ---- what it has got ---- */

struct us_err *us_far_look(struct us_play *p, struct us_vm_run *run)
{
	const char *answers = us_play_path(p, "look.answers"), *out = us_play_path(p, "out.img");
	const char *dump = NULL, *saved = p->far.saved;
	_us_close_ int fd = -1;

	if (!answers || !out)
		return us_err_nomem();
	us_progress_at(p->wish->progress, "looking at what was saved", 0, 0);
	fd = open(answers, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return us_err_os(errno, "creating %s", answers);
	US_TRY(us_guest_look_here(fd, saved, p->pool, &dump));
	US_TRY(us_file_map(answers, &run->answers));
	if (p->wish->keep_dir && dump && rename(dump, out))
		return us_err_os(errno, "keeping %s", dump);
	return NULL;
}
