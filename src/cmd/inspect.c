/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy inspect: every fact about an image and its initrd; no machine is looked at. */
#include "cmd/cmd-int.h"

struct opts {
	bool deep, json, verbose;
	const char *config;
	struct us_opt_list initrd;
};

static const struct us_option options[] = {
	{ 0, "initrd", US_OPT_LIST, "FILE", "Look at this initial ramdisk too; several are joined",
	  offsetof(struct opts, initrd) },
	{ 0, "deep", US_OPT_FLAG, NULL, "Unpack image and initrd and look inside",
	  offsetof(struct opts, deep) },
	{ 0, "config", US_OPT_FILE, "FILE",
	  "The image's .config, where it carries none itself (with --deep)",
	  offsetof(struct opts, config) },
	{ 'v', "verbose", US_OPT_FLAG, NULL, "Show unknown capabilities too",
	  offsetof(struct opts, verbose) },
	US_OPTION_JSON,
	{ 0 },
};

static struct us_err *look(const struct opts *o, const char *path, struct us_progress *progress,
			   struct us_image **image, struct us_initrd **initrd)
{
	bool deep = o->deep || o->config;

	US_TRY(us_image_open(path, progress, image));
	if (deep) {
		US_TRY(us_image_look_deep(*image, o->config, progress));
		US_TRY(us_image_verify_signature(*image));
	}
	if (o->initrd.n || (*image)->initrd.n || (*image)->ucode.n)
		US_TRY(us_initrd_open(o->initrd.v, o->initrd.n, (*image)->ucode, (*image)->initrd,
				      deep, progress, initrd));
	return NULL;
}

static bool is_sound(const struct us_image *image, const struct us_initrd *initrd)
{
	for (size_t i = 0; initrd && i < initrd->n_parts; i++)
		if (initrd->parts[i].problem)
			return false;
	return image->kind != US_IMAGE_NONE && !image->n_damage;
}

static int run(void *opts, int argc, char **argv)
{
	_us_image_free_ struct us_image *image = NULL;
	_us_initrd_free_ struct us_initrd *initrd = NULL;
	struct us_progress_line line;
	const struct opts *o = opts;
	struct us_err *err;
	struct us_out out;
	int status;

	(void)argc;
	us_progress_line_init(&line, stderr);
	err = look(o, argv[0], &line.p, &image, &initrd);
	us_progress_line_end(&line);
	if (err)
		return us_cmd_fail(err, o->json);
	status = is_sound(image, initrd) ? US_EXIT_OK : US_EXIT_BLOCKED;
	if (o->json)
		return us_cmd_json(us_json_image(image, initrd), status);
	us_out_init(stdout, &out);
	out.verbose = o->verbose;
	us_report_image(&out, image, initrd);
	return status;
}

const struct us_cmd us_cmd_inspect = {
	.name = "inspect",
	.args = "IMAGE",
	.brief = "Show every fact about a kernel image and its initrd",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
