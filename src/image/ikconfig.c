/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where an image's .config comes from: the one inside it ("IKCFG_ST", gzip, "IKCFG_ED"; Linux 6.12
 * kernel/configs.c), or a file that is named or lies where distributions put it. A file is taken
 * only if its own first lines do not name another kernel.
 */
#include "image/deep-int.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IKCONFIG_END     "IKCFG_ED"
#define MARK_BYTES       8
#define CONFIG_BYTES_MAX (16u << 20) /* unpacked; a large one has 300 kB */

bool us_release_numbers(const char *release, unsigned int *ret_major, unsigned int *ret_minor,
			unsigned int *ret_patch)
{
	unsigned int major, minor, patch = 0;

	if (sscanf(release, "%4u.%4u.%4u", &major, &minor, &patch) < 2)
		return false;
	*ret_major = major;
	*ret_minor = minor;
	*ret_patch = patch;
	return true;
}

static us_printf(2, 3) struct us_err *note(struct us_image *image, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	image->kconfig_note = us_pool_strdup(&image->pool, text);
	return image->kconfig_note ? NULL : us_err_nomem();
}

/* A damaged .config becomes a note; other errors are passed on. */
static struct us_err *note_bad_data(struct us_image *image, struct us_err *err, const char *what)
{
	struct us_err *failed = NULL;

	if (err && err->code == US_ERR_BAD_DATA) {
		failed = note(image, "%s not used: %s", what, err->text);
		us_err_free(err);
		return failed;
	}
	return err;
}

struct us_err *us_ikconfig_read(struct us_image *image, struct us_bytes kernel, uint64_t at)
{
	struct us_bytes packed = us_bytes_clip(kernel, at + MARK_BYTES, CONFIG_BYTES_MAX);
	_us_blob_deinit_ struct us_blob text = { 0 };
	struct us_err *err;
	size_t eaten;

	err = us_unpack(us_codec_by_id(US_CODEC_GZIP), packed, CONFIG_BYTES_MAX, 0, NULL, &text,
			&eaten);
	if (!err && !us_bytes_match(packed, eaten, IKCONFIG_END, MARK_BYTES))
		err = us_err_new(US_ERR_BAD_DATA, "no %s at 0x%" PRIx64, IKCONFIG_END,
				 at + MARK_BYTES + eaten);
	if (!err)
		err = us_kconfig_parse(us_blob_bytes(&text), &image->kconfig);
	if (err)
		return note_bad_data(image, err, "IKCONFIG in the image");
	image->kconfig_from =
		us_pool_format(&image->pool, "IKCONFIG in the image at 0x%" PRIx64, at);
	return image->kconfig_from ? NULL : us_err_nomem();
}

struct us_err *us_image_config_read(const char *path, struct us_kconfig **ret)
{
	_us_blob_deinit_ struct us_blob file = { 0 }, text = { 0 };
	const struct us_codec *codec;
	struct us_err *err;

	US_TRY(us_file_map(path, &file));
	codec = us_codec_by_magic(us_blob_bytes(&file));
	if (!codec) {
		err = us_kconfig_parse(us_blob_bytes(&file), ret);
		return err ? us_err_wrap(err, "%s", path) : NULL;
	}
	err = us_unpack(codec, us_blob_bytes(&file), CONFIG_BYTES_MAX, 0, NULL, &text, NULL);
	if (!err)
		err = us_kconfig_parse(us_blob_bytes(&text), ret);
	return err ? us_err_wrap(err, "%s", path) : NULL;
}

/* Whether config may be the image's, by the comment at its top; what speaks against it is noted. */
static struct us_err *judge_fit(struct us_image *image, const struct us_kconfig *config,
				const char *path, bool *ret_fits)
{
	const char *made_for = us_kconfig_made_for(config), *version;
	unsigned int major[2], minor[2], patch[2];
	const char *dir = image->arch ? image->arch->kconfig_dir : NULL;

	*ret_fits = true;
	version = made_for ? strchr(made_for, ' ') : NULL;
	if (!version || strncmp(made_for, "Linux/", 6) != 0 ||
	    !us_release_numbers(version + 1, &major[0], &minor[0], &patch[0]))
		return note(image, "%s does not say which kernel it is for", path);
	if (!image->release || !us_release_numbers(image->release, &major[1], &minor[1], &patch[1]))
		return note(image, "%s is for %s; which release the image is, is not known", path,
			    made_for);
	if (major[0] != major[1] || minor[0] != minor[1] ||
	    (dir && (strlen(dir) != (size_t)(version - made_for - 6) ||
		     strncmp(made_for + 6, dir, strlen(dir)) != 0))) {
		*ret_fits = false;
		return note(image, "%s not used: it is for %s, the image is %s%s%s", path, made_for,
			    dir ? dir : "", dir ? " " : "", image->release);
	}
	/* Debian's 6.1 and older say 6.1.0 whatever they are */
	if (patch[1] && patch[0] != patch[1])
		return note(image, "%s is for %s, the image is %s: details may differ", path,
			    made_for, image->release);
	return NULL;
}

static struct us_err *take_config(struct us_image *image, const char *path)
{
	_us_kconfig_free_ struct us_kconfig *config = NULL;
	bool fits;

	US_TRY(us_image_config_read(path, &config));
	US_TRY(judge_fit(image, config, path, &fits));
	if (!fits)
		return NULL;
	image->kconfig_from = us_pool_strdup(&image->pool, path);
	if (!image->kconfig_from)
		return us_err_nomem();
	image->kconfig = us_steal(&config);
	return NULL;
}

/* Its place beside the image, or NULL: /boot/config-REL, or /usr/lib/modules/REL/config. */
static const char *beside(struct us_image *image, bool modules_folder)
{
	const char *slash = strrchr(image->path, '/');
	size_t dir = slash ? (size_t)(slash - image->path) : 0, n;

	if (!slash || !image->release || strchr(image->release, '/'))
		return NULL;
	n = strlen(image->release);
	if (!modules_folder)
		return us_pool_format(&image->pool, "%.*s/config-%s", (int)dir, image->path,
				      image->release);
	if (dir <= n || image->path[dir - n - 1] != '/' ||
	    strncmp(image->path + dir - n, image->release, n) != 0)
		return NULL;
	return us_pool_format(&image->pool, "%.*s/config", (int)dir, image->path);
}

struct us_err *us_config_file_read(struct us_image *image, const char *config_path)
{
	if (config_path)
		return take_config(image, config_path);
	for (int i = 0; i < 2 && !image->kconfig; i++) {
		const char *path = beside(image, i);
		struct us_err *err = path ? take_config(image, path) : NULL;

		if (err && err->code == US_ERR_NOMEM)
			return err;
		if (err && err->code != US_ERR_NOT_FOUND && !image->kconfig_note)
			err = note_bad_data(image, err, path);
		us_err_free(err); /* nobody asked for this file */
	}
	return NULL;
}
