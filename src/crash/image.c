/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture image: understudy-capture as /init, the recipe, the modules in their order, for
 * network targets and hooks programs with their libraries, and the manifest; one cpio archive,
 * packed as the capture kernel can unpack it. The same inputs give the same bytes. Nothing is
 * written to a disk here, and nothing is run.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "crash/build-int.h"

#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define MODULE_BYTES_MAX   (256u << 20)
#define FIRMWARE_BYTES_MAX (64u << 20)
#define FILES_MAX          4096

struct build {
	const struct us_host *host;
	const struct us_crash_config *config;
	const struct us_walk_result *walk;
	const struct us_image *kernel;
	struct us_capture_image *out;
	struct us_pool *pool;
	struct us_archive archive;
	struct us_capture_file *files;
	struct us_module_set modules;
	struct us_recipe_module *recipe_modules;
	const char *modules_dir, *program; /* program: understudy-capture */
	bool strip;
};

/* ---- packing ---- */
static struct us_err *pack_zstd(struct us_bytes in, struct us_blob *ret)
{
	/* a small window: the kernel takes five times as much memory up to 128 KiB, when it has
	 * least of it; level 19 takes ten times as long as 9 for a tenth of the bytes */
	size_t room = ZSTD_compressBound(in.n);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	_us_blob_deinit_ struct us_blob out = { 0 };
	struct us_err *err = zstd ? us_blob_new(room, &out) : us_err_nomem();

	if (!err) {
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, 9);
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, 15);
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
		size_t n = ZSTD_compress2(zstd, out.p, room, in.p, in.n);
		if (ZSTD_isError(n))
			err = us_err_new(US_ERR_BAD_DATA, "zstd: %s", ZSTD_getErrorName(n));
		else
			out.n = n;
	}
	ZSTD_freeCCtx(zstd);
	if (err)
		return err;
	*ret = us_blob_steal(&out);
	return NULL;
}

static struct us_err *pack_xz(struct us_bytes in, struct us_blob *ret)
{
	/* the kernel's decoder knows CRC32 only, and takes the dictionary's size in memory */
	lzma_options_lzma options;
	lzma_filter filters[] = { { LZMA_FILTER_X86, NULL },
				  { LZMA_FILTER_LZMA2, &options },
				  { LZMA_VLI_UNKNOWN, NULL } };
	size_t room = lzma_stream_buffer_bound(in.n), n = 0;
	_us_blob_deinit_ struct us_blob out = { 0 };

	if (lzma_lzma_preset(&options, 6))
		return us_err_new(US_ERR_UNSUPPORTED, "xz: no such preset");
	options.dict_size = 1u << 20;
	US_TRY(us_blob_new(room, &out));
	lzma_ret rc = lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC32, NULL, in.p, in.n, out.p,
						&n, room);
	if (rc != LZMA_OK)
		return us_err_new(US_ERR_BAD_DATA, "xz: error %d", (int)rc);
	out.n = n;
	*ret = us_blob_steal(&out);
	return NULL;
}

static struct us_err *pack_gzip(struct us_bytes in, struct us_blob *ret)
{
	z_stream z = { 0 };
	_us_blob_deinit_ struct us_blob out = { 0 };

	if (in.n > UINT32_MAX)
		return us_err_new(US_ERR_NO_ROOM, "the image has %zu bytes", in.n);
	if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return us_err_nomem();
	size_t room = deflateBound(&z, in.n);
	struct us_err *err = us_blob_new(room, &out);
	if (!err) {
		z.next_in = (uint8_t *)in.p;
		z.avail_in = (unsigned int)in.n;
		z.next_out = out.p;
		z.avail_out = (unsigned int)room;
		if (deflate(&z, Z_FINISH) != Z_STREAM_END)
			err = us_err_new(US_ERR_BAD_DATA, "gzip: the stream does not end");
		out.n = z.total_out;
	}
	deflateEnd(&z);
	if (err)
		return err;
	*ret = us_blob_steal(&out);
	return NULL;
}

static const struct packer {
	const char *name;
	enum us_cap needs;
	struct us_err *(*pack)(struct us_bytes in, struct us_blob *ret);
} packers[] = {
	{ "zstd", US_CAP_RD_ZSTD, pack_zstd },
	{ "xz", US_CAP_RD_XZ, pack_xz },
	{ "gzip", US_CAP_RD_GZIP, pack_gzip },
};

/* The first that the capture kernel surely unpacks; else as it is, which each kernel takes. */
static struct us_err *pack(struct build *b, struct us_blob *cpio)
{
	struct us_blob packed = { 0 };

	b->out->unpacked_bytes = cpio->n;
	b->out->codec = "none";
	for (size_t i = 0; i < us_array_size(packers); i++) {
		if (b->kernel->caps[packers[i].needs].v != US_YES)
			continue;
		b->out->codec = packers[i].name;
		US_TRY(packers[i].pack(us_blob_bytes(cpio), &packed));
		return us_pool_adopt(b->pool, &packed, &b->out->bytes);
	}
	return us_pool_adopt(b->pool, cpio, &b->out->bytes);
}

/* ---- what goes in ---- */
/* What stands before an absolute path of the machine. */
static const char *root_of(const struct us_host *host)
{
	return strcmp(host->root, "/") ? host->root : "";
}

static struct us_err *file_note(struct build *b, const char *path, const char *source,
				struct us_bytes bytes)
{
	char hash[65];

	if (b->out->n_files == FILES_MAX)
		return us_err_new(US_ERR_NO_ROOM, "more than %d files", FILES_MAX);
	US_TRY(us_manifest_hash(bytes, hash));
	struct us_capture_file f = {
		.path = us_pool_strdup(b->pool, path),
		.source = source ? us_pool_strdup(b->pool, us_manifest_path(b->host, source)) : NULL,
		.hash = us_pool_strdup(b->pool, hash),
		.bytes = bytes.n,
	};
	if (!f.path || !f.hash)
		return us_err_nomem();
	b->files[b->out->n_files++] = f;
	return NULL;
}

static struct us_err *put_module(struct build *b, const struct us_module_file *module,
				 struct us_recipe_module *ret)
{
	_us_blob_deinit_ struct us_blob file = { 0 }, unpacked = { 0 }, stripped = { 0 },
					packed = { 0 };
	const char *path = us_pool_format(b->pool, "/m/%s.ko", module->name);

	if (!path)
		return us_err_nomem();
	US_TRY(us_file_map(module->path, &file));
	struct us_bytes bytes = us_blob_bytes(&file);
	US_TRY(file_note(b, path, module->path, bytes));
	const struct us_codec *codec = us_codec_by_magic(bytes);
	if (codec) {
		US_TRY(us_unpack(codec, bytes, MODULE_BYTES_MAX, 0, NULL, &unpacked, NULL));
		bytes = us_blob_bytes(&unpacked);
	}
	if (b->strip) {
		US_TRY(us_module_strip(bytes, &stripped));
		bytes = us_blob_bytes(&stripped);
	}
	US_TRY(us_module_pack(bytes, &packed));
	US_TRY(us_archive_file(&b->archive, path, 0600, us_blob_bytes(&packed)));
	*ret = (struct us_recipe_module){
		.file = path,
		.bytes = bytes.n,
		.params = module->options,
		.feature = module->wanted->reason,
		.target = module->target,
		.budget_s = b->config->module_budget_s,
	};
	return NULL;
}

/* Firmware as it is installed, packed or not: the capture kernel gets it unpacked. */
static struct us_err *put_firmware_file(struct build *b, const char *name, const char *suffix,
					bool *ret_put)
{
	_us_blob_deinit_ struct us_blob file = { 0 }, unpacked = { 0 };
	const char *path = us_pool_format(b->pool, "/lib/firmware/%s", name);
	const char *source =
		us_pool_format(b->pool, "%s/lib/firmware/%s%s", root_of(b->host), name, suffix);

	*ret_put = false;
	if (!path || !source)
		return us_err_nomem();
	if (access(source, R_OK) < 0)
		return NULL;
	US_TRY(us_file_map(source, &file));
	struct us_bytes bytes = us_blob_bytes(&file);
	US_TRY(file_note(b, path, source, bytes));
	if (*suffix) {
		const struct us_codec *codec = us_codec_by_magic(bytes);

		if (!codec)
			return us_err_new(US_ERR_BAD_DATA, "%s is not packed", source);
		US_TRY(us_unpack(codec, bytes, FIRMWARE_BYTES_MAX, 0, NULL, &unpacked, NULL));
		bytes = us_blob_bytes(&unpacked);
	}
	*ret_put = true;
	return us_archive_file(&b->archive, path, 0600, bytes);
}

/* What the drivers of disks and cards may ask for, as far as this machine has it. */
static struct us_err *put_firmware(struct build *b)
{
	static const char *const suffixes[] = { "", ".xz", ".zst" };

	for (size_t i = 0; i < b->modules.n_files; i++)
		for (const char *const *name = b->modules.files[i].firmware; *name; name++) {
			bool done = false;

			for (size_t k = 0; k < i && !done; k++) /* of an earlier module */
				for (const char *const *had = b->modules.files[k].firmware;
				     *had && !done; had++)
					done = !strcmp(*had, *name);
			for (size_t k = 0; k < us_array_size(suffixes) && !done; k++)
				US_TRY(put_firmware_file(b, *name, suffixes[k], &done));
		}
	return NULL;
}

/* Signatures must stay where the capture kernel may ask for them. */
static bool may_strip(const struct us_host *host, const struct us_crash_config *config,
		      const struct us_image *kernel)
{
	bool locked = us_known(host->lockdown.o) && *host->lockdown.v &&
		      strcmp(host->lockdown.v, "none") != 0;

	return !locked && host->secure_boot.v != US_YES &&
	       us_kconfig_builtin(kernel->kconfig, "MODULE_SIG_FORCE") != US_YES &&
	       !strstr(host->cmdline.v, "module.sig_enforce") &&
	       !strstr(config->append, "module.sig_enforce") &&
	       !strstr(config->append, "lockdown=");
}

/* What the walk wants, and what the configuration adds. */
static struct us_err *modules_wanted(struct build *b, const struct us_wanted_module **ret,
				     size_t *ret_n)
{
	size_t extra = 0, n = 0;

	while (b->config->extra_modules && b->config->extra_modules[extra])
		extra++;
	struct us_wanted_module *all =
		us_pool_array(b->pool, b->walk->n_modules + extra + 1, sizeof(*all));
	if (!all)
		return us_err_nomem();
	for (size_t i = 0; i < extra; i++)
		all[n++] = (struct us_wanted_module){
			.name = b->config->extra_modules[i],
			.reason = "named in the configuration",
			.target = -1,
		};
	for (size_t i = 0; i < b->walk->n_modules; i++)
		all[n++] = b->walk->modules[i];
	*ret = all;
	*ret_n = n;
	return NULL;
}

static struct us_err *put_modules(struct build *b)
{
	static const char *const none[] = { "built in: all, the capture kernel has no modules",
					    NULL };
	const struct us_wanted_module *wanted = NULL;
	size_t n = 0;

	if (us_kconfig_enabled(b->kernel->kconfig, "MODULES") == US_NO) {
		b->modules_dir = "";
		b->out->left_out = none;
		return NULL;
	}
	US_TRY(us_modules_dir(b->host, b->config, b->kernel->release, b->pool, &b->modules_dir));
	US_TRY(modules_wanted(b, &wanted, &n));
	US_TRY(us_modules_resolve(b->host, b->modules_dir, wanted, n, b->pool, &b->modules));
	b->out->left_out = b->modules.left_out;
	b->recipe_modules =
		us_pool_array(b->pool, b->modules.n_files + 1, sizeof(*b->recipe_modules));
	if (!b->recipe_modules)
		return us_err_nomem();
	for (size_t i = 0; i < b->modules.n_files; i++) {
		struct us_err *err = put_module(b, &b->modules.files[i], &b->recipe_modules[i]);

		if (err)
			return us_err_wrap(err, "module %s", b->modules.files[i].path);
	}
	return NULL;
}

/* understudy-capture: beside this program, or where it is installed, by us or by a distribution. */
static struct us_err *capture_program(struct us_pool *pool, const char **ret)
{
	const char *named = getenv("UNDERSTUDY_CAPTURE");
	const char *const places[] = { us_file_ours("understudy-capture", pool),
				       "/usr/libexec/understudy/understudy-capture" };

	if (named) {
		*ret = us_pool_strdup(pool, named);
		return *ret ? NULL : us_err_nomem();
	}
	for (size_t i = 0; i < us_array_size(places); i++)
		if (places[i] && access(places[i], R_OK) == 0) {
			*ret = places[i];
			return NULL;
		}
	return us_err_new(US_ERR_NOT_FOUND, "understudy-capture is neither in " US_LIBEXEC_DIR
					    " nor beside this program");
}

static struct us_err *put_init(struct build *b)
{
	static const char *const dirs[] = { "/dev", "/proc", "/sys", "/run", "/tmp", "/mnt", "/m" };
	_us_blob_deinit_ struct us_blob file = { 0 };

	for (size_t i = 0; i < us_array_size(dirs); i++)
		US_TRY(us_archive_dir(&b->archive, dirs[i]));
	US_TRY(us_archive_device(&b->archive, "/dev/console", 5, 1));
	US_TRY(us_archive_device(&b->archive, "/dev/null", 1, 3));
	US_TRY(capture_program(b->pool, &b->program));
	US_TRY(us_file_map(b->program, &file));
	US_TRY(file_note(b, "/init", b->program, us_blob_bytes(&file)));
	return us_archive_file(&b->archive, "/init", 0755, us_blob_bytes(&file));
}

/* ---- programs, with what they expect of a system ---- */
static struct us_err *programs_of_targets(struct build *b, struct us_program_set *set,
					  bool *ret_network)
{
	for (size_t i = 0; i < b->walk->n_targets; i++) {
		struct us_target_needs needs;

		if (b->walk->problems[i])
			continue;
		US_TRY(us_target_needs(&b->walk->targets[i].spec, b->pool, &needs));
		for (const char *const *p = needs.programs; *p; p++)
			US_TRY(us_program_add(set, *p));
		for (const char *const *p = needs.files; *p; p++)
			US_TRY(us_program_file_add(set, *p));
		*ret_network |= needs.network;
	}
	return NULL;
}

static struct us_err *programs_find(struct build *b, struct us_program_set *set, bool *ret_network)
{
	const struct us_crash_config *c = b->config;
	const char *const hooks[][2] = { { "pre", c->pre }, { "post", c->post } };

	US_TRY(programs_of_targets(b, set, ret_network));
	for (size_t i = 0; i < us_array_size(hooks); i++) {
		struct us_err *err =
			hooks[i][1] && *hooks[i][1] ? us_program_add(set, hooks[i][1]) : NULL;

		if (err)
			return us_err_wrap(err, "the hook %s", hooks[i][0]);
	}
	for (const char *const *p = c->extra_programs; p && *p; p++)
		US_TRY(us_program_add(set, *p));
	if (c->webhook && *c->webhook) {
		US_TRY(us_program_add(set, "understudy-http"));
		if (!strncmp(c->webhook, "https:", 6))
			US_TRY(us_program_file_add(set, "/etc/ssl/certs/ca-certificates.crt"));
		*ret_network = true;
	}
	*ret_network |= c->fence_nodes && *c->fence_nodes;
	return NULL;
}

/* Users and names of hosts, as programs look them up. */
static struct us_err *put_etc(struct build *b)
{
	static const char passwd[] = "root:x:0:0:root:/:/bin/false\n";
	static const char switches[] = "passwd: files\ngroup: files\nhosts: files\n";
	_us_text_deinit_ struct us_text hosts = { 0 };

	us_text_add(&hosts, "127.0.0.1 localhost\n");
	for (const char *const *line = b->walk->hosts; line && *line; line++)
		us_text_add(&hosts, "%s\n", *line);
	if (hosts.failed)
		return us_err_nomem();
	US_TRY(us_archive_file(&b->archive, "/etc/passwd", 0644,
			       us_bytes_of(passwd, strlen(passwd))));
	US_TRY(us_archive_file(&b->archive, "/etc/nsswitch.conf", 0644,
			       us_bytes_of(switches, strlen(switches))));
	return us_archive_file(&b->archive, "/etc/hosts", 0644, us_bytes_of(hosts.s, hosts.n));
}

static struct us_err *put_programs(struct build *b)
{
	const char *slash = strrchr(b->program, '/');
	struct us_program_set set = {
		.pool = b->pool,
		.root = root_of(b->host),
		.beside = slash ? us_pool_strndup(b->pool, b->program, (size_t)(slash - b->program))
				: NULL,
	};
	bool network = false;

	US_TRY(programs_find(b, &set, &network));
	for (size_t i = 0; i < set.n; i++) {
		const struct us_program_file *f = &set.files[i];
		_us_blob_deinit_ struct us_blob file = { 0 };

		US_TRY(us_file_map(f->source, &file));
		US_TRY(file_note(b, f->path, f->source, us_blob_bytes(&file)));
		/* a key must be nobody else's */
		US_TRY(us_archive_file(&b->archive, f->path, f->runs ? 0700 : 0600,
				       us_blob_bytes(&file)));
	}
	return network || set.n ? put_etc(b) : NULL;
}

/* ---- the recipe ---- */
/* Only targets that can be used; what names them by number is told the new number. */
static struct us_err *recipe_targets(struct build *b, struct us_recipe *recipe)
{
	const struct us_walk_result *walk = b->walk;
	struct us_recipe_target *targets =
		us_pool_array(b->pool, walk->n_targets + 1, sizeof(*targets));
	int *place = us_pool_array(b->pool, walk->n_targets + 1, sizeof(*place));

	if (!targets || !place)
		return us_err_nomem();
	for (size_t i = 0; i < walk->n_targets; i++) {
		place[i] = walk->problems[i] ? -1 : (int)recipe->n_targets;
		if (!walk->problems[i])
			targets[recipe->n_targets++] = walk->targets[i];
	}
	for (size_t i = 0; i < b->modules.n_files; i++) {
		struct us_recipe_module *m = &b->recipe_modules[i];

		if (m->target >= 0 && (size_t)m->target < walk->n_targets)
			m->target = place[m->target];
	}
	recipe->targets = targets;
	return NULL;
}

static const char *or_null(const char *s)
{
	return s && *s ? s : NULL;
}

static const char *watchdog_of(const struct build *b)
{
	const char *wish = b->config->watchdog;

	if (wish && !strncmp(wish, "/dev/", 5))
		return wish;
	if (wish && !strcmp(wish, "no"))
		return NULL;
	return faccessat(b->host->root_fd, "sys/class/watchdog/watchdog0", F_OK, 0) == 0
		       ? "/dev/watchdog0"
		       : NULL;
}

static struct us_err *recipe_make(struct build *b, struct us_recipe **ret)
{
	const struct us_crash_config *c = b->config;
	struct us_recipe *recipe = us_pool_alloc(b->pool, sizeof(*recipe));
	_us_blob_deinit_ struct us_blob name = { 0 };

	if (!recipe)
		return us_err_nomem();
	_us_err_free_ struct us_err *unknown =
		us_file_read_at(b->host->root_fd, "proc/sys/kernel/hostname", 256, &name);
	const char *tag = unknown ? ""
				  : us_pool_strndup(b->pool, (const char *)name.p,
						    strcspn((const char *)name.p, "\n"));
	if (!tag)
		return us_err_nomem();
	*recipe = (struct us_recipe){
		.host_tag = tag,
		.armed_release = b->host->release.v,
		.capture_release = b->kernel->release ? b->kernel->release : "",
		.modules = b->recipe_modules,
		.n_modules = b->modules.n_files,
		.devices = b->walk->devices,
		.n_devices = b->walk->n_devices,
		.nets = b->walk->nets,
		.n_nets = b->walk->n_nets,
		.level = c->level,
		.jobs = c->jobs,
		.codec = c->codec,
		.keep = c->keep,
		.pre = or_null(c->pre),
		.post = or_null(c->post),
		.hook_budget_s = c->hook_budget_s,
		.budget_s = c->budget_s,
		.final = c->final,
		.watchdog = watchdog_of(b),
		.webhook = or_null(c->webhook),
		.fence_nodes = or_null(c->fence_nodes),
		.fence_port = c->fence_port,
	};
	US_TRY(recipe_targets(b, recipe));
	*ret = recipe;
	return NULL;
}

static struct us_err *put_recipe(struct build *b)
{
	struct us_manifest_facts facts = {
		.walk = b->walk,
		.config = b->config,
		.host = b->host,
		.capture_release = b->kernel->release ? b->kernel->release : "",
		.modules_dir = us_manifest_path(b->host, b->modules_dir),
	};
	_us_free_ char *text = NULL;

	US_TRY(recipe_make(b, &b->out->recipe));
	US_TRY(us_recipe_write(b->out->recipe, &text));
	US_TRY(us_archive_file(&b->archive, US_RECIPE_PATH, 0600, us_bytes_of(text, strlen(text))));
	US_TRY(us_manifest_write(&facts, b->files, b->out->n_files, b->pool, &b->out->manifest));
	return us_archive_file(&b->archive, "/manifest", 0600,
			       us_bytes_of(b->out->manifest, strlen(b->out->manifest)));
}

/* No part of the image, but a change of it makes the image stale. */
static struct us_err *note_config(struct build *b)
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	const char *path = b->config->path;

	if (!path)
		return NULL;
	const char *source =
		us_pool_format(b->pool, "%s%s", path[0] == '/' ? root_of(b->host) : "", path);
	if (!source)
		return us_err_nomem();
	US_TRY(us_file_map(source, &file));
	return file_note(b, "", source, us_blob_bytes(&file));
}

static struct us_err *build(struct build *b)
{
	_us_blob_deinit_ struct us_blob cpio = { 0 };

	b->files = us_pool_array(b->pool, FILES_MAX, sizeof(*b->files));
	if (!b->files)
		return us_err_nomem();
	b->out->files = b->files;
	b->strip = may_strip(b->host, b->config, b->kernel);
	US_TRY(put_init(b));
	US_TRY(put_modules(b));
	US_TRY(put_firmware(b));
	US_TRY(put_programs(b));
	US_TRY(note_config(b));
	US_TRY(put_recipe(b));
	US_TRY(us_archive_take(&b->archive, &cpio));
	return pack(b, &cpio);
}

struct us_err *us_capture_image_build(const struct us_host *host,
				      const struct us_crash_config *config,
				      const struct us_walk_result *walk,
				      const struct us_image *kernel, struct us_capture_image **ret)
{
	struct us_capture_image *out = calloc(1, sizeof(*out));

	if (!out)
		return us_err_nomem();
	struct build b = {
		.host = host,
		.config = config,
		.walk = walk,
		.kernel = kernel,
		.out = out,
		.pool = &out->pool,
	};
	struct us_err *err = build(&b);
	us_archive_deinit(&b.archive);
	if (err) {
		us_capture_image_free(out);
		return us_err_wrap(err, "the capture image");
	}
	*ret = out;
	return NULL;
}

void us_capture_image_free(struct us_capture_image *image)
{
	if (!image)
		return;
	us_pool_deinit(&image->pool);
	free(image);
}
