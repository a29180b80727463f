/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the armed crash image was made of, kept in run_dir/armed so that a failed reload can bring
 * it back: copies of the kernel file and of the joined initrd (their originals may be gone after an
 * upgrade), and manifest.json with the wish and the copies' SHA-256. A copy that changed is
 * refused. Written so that an interruption leaves either no manifest or a whole one.
 */
#include "load/load-int.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "purgatory/purgatory.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define MANIFEST_MAX (64 * 1024)
#define FORMAT       "understudy.armed/1"
#define PACK_LEVEL   1 /* zstd's: a fiftieth of the time that xz takes, for a fifth of the bytes */

static void json_putp(json_object **obj)
{
	json_object_put(*obj);
}
#define _json_put_ __attribute__((cleanup(json_putp)))

/* The parts of the wish that decide what is loaded; their names in the manifest. */
static const struct {
	const char *name;
	size_t offset; /* of a bool in struct us_wanted */
} switches[] = {
	{ "no_efi", offsetof(struct us_wanted, no_efi) },
	{ "no_checks", offsetof(struct us_wanted, no_checks) },
	{ "hotplug", offsetof(struct us_wanted, hotplug) },
	{ "no_cma", offsetof(struct us_wanted, no_cma) },
	{ "force_dtb", offsetof(struct us_wanted, force_dtb) },
	{ "unpacked", offsetof(struct us_wanted, unpacked) },
};
static const struct {
	const char *name;
	size_t offset; /* of a uint64_t */
} numbers[] = {
	{ "mem_min", offsetof(struct us_wanted, mem_min) },
	{ "mem_max", offsetof(struct us_wanted, mem_max) },
};

static void hex_digest(struct us_bytes bytes, char ret[65])
{
	struct us_sha256 sha;
	uint8_t digest[32];

	us_sha256_init(&sha, us_sha256_cpu_is_fast());
	us_sha256_add(&sha, bytes.p, bytes.n);
	us_sha256_end(&sha, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret + 2 * i, 3, "%02x", digest[i]);
}

static struct us_err *make_dir(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? us_err_os(errno, "creating %s", path)
							: NULL;
}

static const char *text_of(json_object *manifest, const char *name)
{
	json_object *v = NULL;

	return json_object_object_get_ex(manifest, name, &v) &&
			       json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : NULL;
}

static struct us_err *read_manifest(const char *dir, json_object **ret)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	_us_free_ char *path = NULL;
	_us_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return us_err_os(errno, "opening /");
	US_TRY(us_text_format(&path, "%s/manifest.json", dir));
	US_TRY(us_file_read_at(root, path, MANIFEST_MAX, &text));
	*ret = json_tokener_parse((const char *)text.p);
	if (!*ret)
		return us_err_new(US_ERR_BAD_DATA, "%s is not JSON", path);
	return NULL;
}

/* old: the manifest that was there, or NULL: what is there already keeps its digest. */
static struct us_err *save_file(const char *dir, const char *name, struct us_bytes bytes,
				json_object *old, json_object *manifest)
{
	const char *known = old ? text_of(old, name) : NULL;
	_us_blob_deinit_ struct us_blob there = { 0 };
	_us_err_free_ struct us_err *none = NULL;
	_us_free_ char *path = NULL;
	char digest[65];

	US_TRY(us_text_format(&path, "%s/%s", dir, name));
	none = us_file_map(path, &there);
	if (none || !us_bytes_equal(us_blob_bytes(&there), bytes)) {
		US_TRY(us_file_replace(path, bytes));
		known = NULL;
	}
	if (!known)
		hex_digest(bytes, digest);
	json_object_object_add(manifest, name, json_object_new_string(known ? known : digest));
	return NULL;
}

static void save_wish(const struct us_plan *plan, json_object *manifest)
{
	const char *base = (const char *)&plan->wanted;

	json_object_object_add(manifest, "format", json_object_new_string(FORMAT));
	json_object_object_add(manifest, "cmdline", json_object_new_string(plan->wanted.cmdline));
	json_object_object_add(manifest, "call",
			       json_object_new_string(plan->call == US_CALL_FILE ? "file" : "load"));
	for (size_t i = 0; i < us_array_size(switches); i++) {
		const void *v = base + switches[i].offset;

		json_object_object_add(manifest, switches[i].name,
				       json_object_new_boolean(*(const bool *)v));
	}
	for (size_t i = 0; i < us_array_size(numbers); i++) {
		const void *v = base + numbers[i].offset;

		json_object_object_add(manifest, numbers[i].name,
				       json_object_new_uint64(*(const uint64_t *)v));
	}
}

struct us_err *us_armed_save(const struct us_plan *plan, const char *run_dir)
{
	_json_put_ json_object *manifest = json_object_new_object(), *old = NULL;
	_us_free_ char *dir = NULL, *path = NULL;
	const char *text;

	if (!manifest)
		return us_err_nomem();
	US_TRY(us_text_format(&dir, "%s/armed", run_dir));
	US_TRY(us_text_format(&path, "%s/manifest.json", dir));
	US_TRY(make_dir(run_dir));
	US_TRY(make_dir(dir));
	us_err_free(read_manifest(dir, &old)); /* there may be none */
	if (unlink(path) < 0 && errno != ENOENT)
		return us_err_os(errno, "removing %s", path);
	US_TRY(save_file(dir, "kernel", plan->image->file, old, manifest));
	if (plan->initrd && plan->initrd->bytes.n)
		US_TRY(save_file(dir, "initrd", plan->initrd->bytes, old, manifest));
	save_wish(plan, manifest);
	text = json_object_to_json_string_ext(manifest, JSON_C_TO_STRING_PRETTY);
	if (!text)
		return us_err_nomem();
	return us_file_replace(path, us_bytes_of(text, strlen(text)));
}

/* The manifest first: what is left of an interruption is not taken for a whole set. */
void us_armed_forget(const char *run_dir)
{
	static const char *const names[] = { "manifest.json", "kernel", "initrd", "unpacked",
					     "unpacked.of" };

	for (size_t i = 0; i < us_array_size(names); i++) {
		_us_free_ char *path = NULL;
		_us_err_free_ struct us_err *err =
			us_text_format(&path, "%s/armed/%s", run_dir, names[i]);

		if (!err)
			unlink(path);
	}
}

static struct us_err *read_wish(json_object *manifest, struct us_wanted *ret)
{
	const char *format = text_of(manifest, "format"), *call = text_of(manifest, "call");
	json_object *v = NULL;
	char *base = (char *)ret;

	ret->purpose = US_CRASH;
	ret->cmdline = text_of(manifest, "cmdline");
	if (!format || strcmp(format, FORMAT) != 0 || !call || !ret->cmdline)
		return us_err_new(US_ERR_BAD_DATA, "it is not of the format %s", FORMAT);
	ret->call = strcmp(call, "file") == 0 ? US_CALL_FILE : US_CALL_LOAD;
	for (size_t i = 0; i < us_array_size(switches); i++) {
		void *to = base + switches[i].offset;

		if (json_object_object_get_ex(manifest, switches[i].name, &v))
			*(bool *)to = json_object_get_boolean(v);
	}
	for (size_t i = 0; i < us_array_size(numbers); i++) {
		void *to = base + numbers[i].offset;

		if (json_object_object_get_ex(manifest, numbers[i].name, &v))
			*(uint64_t *)to = json_object_get_uint64(v);
	}
	return NULL;
}

static struct us_err *check_copy(json_object *manifest, const char *name, const char *path,
				 struct us_bytes bytes)
{
	const char *want = text_of(manifest, name);
	char digest[65];

	hex_digest(bytes, digest);
	if (want && strcmp(want, digest) == 0)
		return NULL;
	return us_err_new(US_ERR_BAD_DATA, "%s changed since it was armed (SHA-256 %s)", path,
			  digest);
}

static struct us_err *open_initrd(json_object *manifest, const char *dir, struct us_initrd **ret)
{
	const struct us_bytes none = { 0 };
	_us_free_ char *path = NULL;
	const char *paths[1];

	if (!text_of(manifest, "initrd"))
		return NULL;
	US_TRY(us_text_format(&path, "%s/initrd", dir));
	paths[0] = path;
	US_TRY(us_initrd_open(paths, 1, none, none, false, NULL, ret));
	return check_copy(manifest, "initrd", path, (*ret)->bytes);
}

/* ---- the unpacked kernel: "unpacked", and in "unpacked.of" the hash of the kernel's file ---- */

/* With a checksum of its own. */
static struct us_err *pack(struct us_bytes in, struct us_blob *ret)
{
	_us_blob_deinit_ struct us_blob out = { 0 };
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	struct us_err *err = zstd ? us_blob_new(ZSTD_compressBound(in.n), &out) : us_err_nomem();

	if (!err) {
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, PACK_LEVEL);
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
		out.n = ZSTD_compress2(zstd, out.p, out.n, in.p, in.n);
		if (ZSTD_isError(out.n))
			err = us_err_new(US_ERR_OS, "zstd: %s", ZSTD_getErrorName(out.n));
	}
	ZSTD_freeCCtx(zstd);
	if (err)
		return err;
	*ret = us_blob_steal(&out);
	return NULL;
}

struct us_err *us_armed_save_unpacked(const char *run_dir, const struct us_image *image,
				      const char *hash)
{
	_us_free_ char *path = NULL, *of = NULL;
	_us_blob_deinit_ struct us_blob packed = { 0 };

	US_TRY(us_text_format(&path, "%s/armed/unpacked", run_dir));
	US_TRY(us_text_format(&of, "%s/armed/unpacked.of", run_dir));
	US_TRY(pack(image->vmlinux, &packed));
	if (unlink(of) < 0 && errno != ENOENT)
		return us_err_os(errno, "removing %s", of);
	US_TRY(us_file_replace(path, us_blob_bytes(&packed)));
	return us_file_replace(of, us_bytes_of(hash, strlen(hash)));
}

static struct us_err *take_unpacked(const char *run_dir, struct us_image *image, const char *hash,
				    bool *ret_known)
{
	_us_free_ char *path = NULL, *of = NULL;
	_us_blob_deinit_ struct us_blob packed = { 0 }, is_of = { 0 };

	US_TRY(us_text_format(&path, "%s/armed/unpacked", run_dir));
	US_TRY(us_text_format(&of, "%s/armed/unpacked.of", run_dir));
	US_TRY(us_file_map(of, &is_of));
	if (!us_bytes_equal(us_blob_bytes(&is_of), us_bytes_of(hash, strlen(hash))))
		return NULL;
	US_TRY(us_file_map(path, &packed));
	US_TRY(us_image_payload_known(image, us_blob_bytes(&packed)));
	*ret_known = true;
	return NULL;
}

struct us_err *us_armed_take_unpacked(const char *run_dir, struct us_image *image, const char *hash,
				      bool *ret_known)
{
	struct us_err *err;

	*ret_known = false;
	err = take_unpacked(run_dir, image, hash, ret_known);
	if (err && err->code == US_ERR_NOMEM)
		return err;
	us_err_free(err); /* it is unpacked anew */
	return NULL;
}

/* The set's copy of the kernel, looked into if it has to be. */
static struct us_err *open_kernel(json_object *manifest, const char *run_dir, const char *dir,
				  bool deep, struct us_image **ret)
{
	const char *hash = text_of(manifest, "kernel");
	_us_image_free_ struct us_image *image = NULL;
	_us_free_ char *path = NULL;
	bool known;

	US_TRY(us_text_format(&path, "%s/kernel", dir));
	US_TRY(us_image_open(path, NULL, &image));
	US_TRY(check_copy(manifest, "kernel", path, image->file));
	if (deep) {
		US_TRY(us_armed_take_unpacked(run_dir, image, hash, &known));
		US_TRY(us_image_look_deep(image, NULL, NULL));
	}
	*ret = us_steal(&image);
	return NULL;
}

struct us_err *us_armed_load(const char *run_dir, const struct us_host *host,
			     const struct us_image *image, const char *hash, struct us_plan **ret,
			     struct us_image **ret_image, struct us_initrd **ret_initrd)
{
	_us_initrd_free_ struct us_initrd *initrd = NULL;
	_us_image_free_ struct us_image *kept = NULL;
	_json_put_ json_object *manifest = NULL;
	_us_free_ char *dir = NULL;
	struct us_wanted wanted = { 0 };
	const char *kernel;

	US_TRY(us_text_format(&dir, "%s/armed", run_dir));
	US_TRY(read_manifest(dir, &manifest));
	US_TRY(read_wish(manifest, &wanted));
	kernel = text_of(manifest, "kernel");
	if (!image || !hash || !kernel || strcmp(kernel, hash) != 0) {
		US_TRY(open_kernel(manifest, run_dir, dir, wanted.unpacked, &kept));
		image = kept;
	}
	US_TRY(open_initrd(manifest, dir, &initrd));
	US_TRY(us_plan_make(image, initrd, host, &wanted, ret));
	*ret_image = us_steal(&kept);
	*ret_initrd = us_steal(&initrd);
	return NULL;
}
