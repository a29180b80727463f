/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far end of an SSH target: this machine's own sshd, started by QEMU for each connection of the
 * guest (guestfwd, sshd -i) with a configuration, a host key and a user's key of the rehearsal. It
 * listens nowhere, gives SFTP and nothing else, and only to the user who rehearses; neither
 * /etc/ssh nor a server that runs is touched. In the capture image the recipe's address, the key
 * and the host key are laid over by others; all else in it is what it was.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "rehearse/rehearse-int.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#define GUEST "10.0.2.15/24"
#define SAVED "saved"

/* ---- files, in a folder of their own ---- */

static const char *in_folder(struct us_play *p, const char *name)
{
	return us_pool_format(p->pool, "%s/%s", p->far_folder, name);
}

static struct us_err *put_text(struct us_play *p, const char *name, const char *fmt, ...)
	us_must_check us_printf(3, 4);
static struct us_err *put_text(struct us_play *p, const char *name, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	const char *path = in_folder(p, name);
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

static struct us_err *map(struct us_play *p, const char *name, struct us_blob *ret)
{
	const char *path = in_folder(p, name);

	return path ? us_file_map(path, ret) : us_err_nomem();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	remove(path);
	return 0;
}

void us_far_remove(struct us_play *p)
{
	if (p->far_folder)
		nftw(p->far_folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	p->far_folder = NULL;
}

/* ---- the server ---- */

static struct us_err *make_key(struct us_play *p, const char *name)
{
	const char *path = in_folder(p, name), *program;

	program = us_vm_find_program("ssh-keygen", p->pool);
	if (!path || !program)
		return path ? us_err_new(US_ERR_NOT_FOUND, "ssh-keygen is not installed")
			    : us_err_nomem();
	unlink(path);
	return us_vm_run_program((const char *const[]){ program, "-q", "-t", "ed25519", "-N", "",
							"-C", "rehearsal", "-f", path, NULL });
}

static struct us_err *configure(struct us_play *p, const char *user)
{
	_us_blob_deinit_ struct us_blob host = { 0 }, key = { 0 };

	US_TRY(make_key(p, "host_key"));
	US_TRY(make_key(p, "user_key"));
	US_TRY(map(p, "host_key.pub", &host));
	US_TRY(map(p, "user_key.pub", &key));
	US_TRY(put_text(p, "known_hosts", "* %.*s", (int)host.n, (const char *)host.p));
	US_TRY(put_text(p, "authorized", "%.*s", (int)key.n, (const char *)key.p));
	return put_text(p, "sshd.conf",
			"HostKey %s/host_key\nAuthorizedKeysFile %s/authorized\nStrictModes no\n"
			"UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
			"PermitRootLogin prohibit-password\nPidFile none\nAllowUsers %s\n"
			"DisableForwarding yes\nForceCommand internal-sftp\n"
			"Subsystem sftp internal-sftp\nLogLevel ERROR\n",
			p->far_folder, p->far_folder, user);
}

/* Whether it lets us in, before a machine depends on it. */
static struct us_err *try_server(struct us_play *p, const char *user)
{
	const char *ssh = us_vm_find_program("ssh", p->pool);
	const char *proxy = us_pool_format(p->pool, "ProxyCommand=%s", p->far_server);
	const char *known =
		us_pool_format(p->pool, "UserKnownHostsFile=%s/known_hosts", p->far_folder);
	const char *key = in_folder(p, "user_key");

	if (!ssh)
		return us_err_new(US_ERR_NOT_FOUND, "ssh is not installed");
	if (!proxy || !known || !key)
		return us_err_nomem();
	return us_vm_run_program((const char *const[]){ ssh,    "-F",
							"none", "-T",
							"-i",   key,
							"-l",   user,
							"-o",   proxy,
							"-o",   known,
							"-o",   "GlobalKnownHostsFile=/dev/null",
							"-o",   "BatchMode=yes",
							"-o",   "IdentitiesOnly=yes",
							"-o",   "IdentityAgent=none",
							"-o",   "ConnectTimeout=20",
							"-o",   "StrictHostKeyChecking=yes",
							"-o",   "LogLevel=ERROR",
							"-s",   US_REHEARSE_SERVER,
							"sftp", NULL });
}

static struct us_err *start(struct us_play *p, const char *user)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789/_.+-";
	const char *sshd = us_vm_find_program("sshd", p->pool);
	char *folder = us_pool_format(p->pool, "%s/far-XXXXXX", p->dir);

	if (!sshd)
		return us_err_new(US_ERR_NOT_FOUND, "sshd is not installed here");
	if (p->dir[strspn(p->dir, safe)])
		return us_err_new(US_ERR_UNSUPPORTED, "QEMU cannot be told the path %s", p->dir);
	if (!folder)
		return us_err_nomem();
	if (!mkdtemp(folder))
		return us_err_os(errno, "making %s", folder);
	p->far_folder = folder;
	p->far_server = us_pool_format(p->pool, "%s -i -f %s/sshd.conf", sshd, folder);
	if (!p->far_server)
		return us_err_nomem();
	US_TRY(configure(p, user));
	return try_server(p, user);
}

/* ---- the image ---- */

static struct us_err *make_recipe(struct us_play *p, const char *user, char **ret)
{
	static const char *const none[] = { NULL };
	struct us_recipe recipe = *p->stage->recipe;
	struct us_recipe_target target = recipe.targets[0];
	struct us_recipe_net net;

	if (!recipe.n_nets)
		return us_err_new(US_ERR_NOT_FOUND, "the recipe has no network");
	net = recipe.nets[0];
	net.address = GUEST;
	net.gateway = NULL;
	net.nameservers = none;
	net.vlan = 0;
	target.spec.host = US_REHEARSE_SERVER;
	target.spec.address = NULL;
	target.spec.user = user;
	target.spec.path = in_folder(p, SAVED);
	if (!target.spec.path)
		return us_err_nomem();
	recipe.nets = &net;
	recipe.n_nets = 1;
	recipe.targets = &target;
	recipe.n_targets = 1;
	p->far_mac = net.mac;
	p->far_port = target.spec.port && *target.spec.port ? target.spec.port : "22";
	return us_recipe_write(&recipe, ret);
}

/* The archive that is laid over the image behind it. */
static struct us_err *lay_over(struct us_play *p, const char *user)
{
	const struct us_target_spec *spec = &p->stage->recipe->targets[0].spec;
	_us_blob_deinit_ struct us_blob cpio = { 0 }, key = { 0 }, known = { 0 };
	_us_text_deinit_ struct us_text both = { 0 };
	_us_free_ char *recipe = NULL;
	static const char zeros[4];

	US_TRY(make_recipe(p, user, &recipe));
	US_TRY(map(p, "user_key", &key));
	US_TRY(map(p, "known_hosts", &known));
	const struct us_crash_initrd_part parts[] = {
		{ .path = US_RECIPE_PATH, .bytes = us_bytes_of(recipe, strlen(recipe)) },
		{ .path = spec->identity, .bytes = us_blob_bytes(&key) },
		{ .path = spec->known_hosts, .bytes = us_blob_bytes(&known) },
	};
	US_TRY(us_crash_initrd_make(parts, us_array_size(parts), &cpio));
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
	const struct passwd *me = getpwuid(geteuid());
	const char *user = me ? us_pool_strdup(p->pool, me->pw_name) : NULL;
	struct us_err *err;

	if (!user)
		return us_err_new(US_ERR_NOT_FOUND, "the user who rehearses has no name");
	us_far_remove(p);
	us_progress_at(p->wish->progress, "making the server", 0, 0);
	err = start(p, user);
	if (!err)
		err = lay_over(p, user);
	if (err)
		us_far_remove(p);
	return err;
}

/* ---- what it has got ---- */

struct us_err *us_far_look(struct us_play *p, struct us_vm_run *run)
{
	const char *answers = us_play_path(p, "look.answers"), *out = us_play_path(p, "out.img");
	const char *dump = NULL, *saved = in_folder(p, SAVED);
	_us_close_ int fd = -1;

	if (!answers || !out || !saved)
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
