/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy config roles: which parts of kexec and kdump a kernel can play, by its .config, its
 * image or what the running kernel shows; and the lines of a .config that are missing for it.
 */
#include "cmd/config-int.h"

#include <string.h>

struct opts {
	bool running, fragment, json, verbose;
	const char *host, *config, *role, *tree, *arch;
};

static const struct us_option options[] = {
	{ 0, "role", US_OPT_TEXT, "source,target,panic,capture",
	  "Ask for these alone; the exit status says whether the kernel has them all",
	  offsetof(struct opts, role) },
	{ 0, "running", US_OPT_FLAG, NULL, "Judge the running kernel (the default without a file)",
	  offsetof(struct opts, running) },
	{ 0, "host", US_OPT_DIR, "DIR",
	  "Judge the kernel of the machine recorded in DIR (understudy snapshot)",
	  offsetof(struct opts, host) },
	{ 0, "config", US_OPT_FILE, "FILE", "The image's .config, where it carries none itself",
	  offsetof(struct opts, config) },
	{ 0, "fragment", US_OPT_FLAG, NULL,
	  "Print the fewest lines of a .config that are missing for the roles asked",
	  offsetof(struct opts, fragment) },
	{ 0, "tree", US_OPT_DIR, "TREE",
	  "With --fragment: ask this source tree (a folder or a tar archive) which lines it keeps",
	  offsetof(struct opts, tree) },
	{ 0, "arch", US_OPT_TEXT, "ARCH",
	  "With --tree: for this architecture, as make's ARCH (else that of the file)",
	  offsetof(struct opts, arch) },
	{ 'v', "verbose", US_OPT_FLAG, NULL,
	  "Say of each option what its absence would cost, and where that stands",
	  offsetof(struct opts, verbose) },
	US_OPTION_JSON,
	{ 0 },
};

/* What is judged. */
struct subject {
	struct us_machine machine;
	struct us_image *image;
	struct us_kconfig *config;
	struct us_witness witness;
};

static void subject_deinit(struct subject *s)
{
	us_machine_deinit(&s->machine);
	us_image_free(s->image);
	us_kconfig_free(s->config);
}

static struct us_err *open_file(const struct opts *o, const char *path, struct subject *s)
{
	struct us_progress_line line;
	struct us_err *err;

	US_TRY(us_image_open(path, NULL, &s->image));
	if (s->image->kind == US_IMAGE_NONE) {
		if (o->config)
			return us_err_new(US_ERR_USAGE, "--config is for an image, and %s is none",
					  path);
		err = us_image_config_read(path, &s->config);
		if (err)
			return us_err_wrap(err, "neither a kernel image nor a .config");
		s->witness = us_witness_of_config(s->config, path);
		return NULL;
	}
	us_progress_line_init(&line, stderr);
	err = us_image_look_deep(s->image, o->config, &line.p);
	us_progress_line_end(&line);
	if (err)
		return err;
	s->witness = us_witness_of_image(s->image);
	return NULL;
}

static struct us_err *open_subject(const struct opts *o, const char *path, struct subject *s)
{
	if (path)
		return open_file(o, path, s);
	US_TRY(us_machine_open(o->host, &s->machine));
	s->witness = us_witness_of_host(s->machine.host);
	return NULL;
}

static struct us_err *check_words(const struct opts *o, const char *path)
{
	if (path && (o->running || o->host))
		return us_err_new(US_ERR_USAGE, "%s and --%s are two things to judge", path,
				  o->running ? "running" : "host");
	if (o->config && !path)
		return us_err_new(US_ERR_USAGE, "--config needs an image that it belongs to");
	if (o->tree && !o->fragment)
		return us_err_new(US_ERR_USAGE, "--tree is for --fragment");
	if (o->arch && !o->tree)
		return us_err_new(US_ERR_USAGE, "--arch is for --tree");
	return NULL;
}

static int exit_of(const struct us_parts *parts, unsigned int asked)
{
	int status = US_EXIT_OK;

	for (enum us_part part = 0; part < US_PARTS; part++) {
		if (!(asked & US_PART_BIT(part)))
			continue;
		if (parts->v[part].v == US_NO)
			return US_EXIT_BLOCKED;
		if (parts->v[part].v == US_UNKNOWN)
			status = US_EXIT_UNKNOWN;
	}
	return status;
}

static int tell_roles(const struct opts *o, const struct us_parts *parts, unsigned int asked)
{
	unsigned int shown = asked ? asked : US_PARTS_ALL;
	int status = exit_of(parts, asked);
	struct us_out out;

	if (o->json)
		return us_cmd_json(us_json_roles(parts, shown, asked, status), status);
	us_out_init(stdout, &out);
	out.verbose = o->verbose;
	us_report_roles(&out, parts, shown);
	return status;
}

static int tell_fragment(const struct opts *o, const struct us_parts *parts, unsigned int asked,
			 const struct us_part_fragment *fragment)
{
	int status = fragment->reachable ? US_EXIT_OK : US_EXIT_BLOCKED;
	struct us_out out;

	if (o->json)
		return us_cmd_json(us_json_fragment(parts, asked, o->tree, fragment, status),
				   status);
	us_out_init(stdout, &out);
	us_report_fragment(&out, parts, asked, o->tree, fragment);
	return status;
}

/* The fragment as the tree would keep it, beside what the file says, if there is one. */
static struct us_err *ask_tree(const struct opts *o, const struct subject *s, unsigned int asked,
			       int *ret_status)
{
	_us_ktree_free_ struct us_ktree *tree = NULL;
	_us_parts_free_ struct us_parts *parts = NULL;
	struct us_ktree_options how = { .arch = o->arch ? o->arch : us_make_arch(s->witness.arch) };
	struct us_part_fragment fragment;
	struct us_progress_line line;
	struct us_witness witness;
	struct us_err *err;

	if (!how.arch)
		return us_err_new(US_ERR_USAGE, "--tree needs --arch: make's name for the "
						"architecture");
	us_progress_line_init(&line, stderr);
	err = us_ktree_open(o->tree, &how, &line.p, &tree);
	us_progress_line_end(&line);
	if (err)
		return err;
	witness = us_witness_of_tree(tree);
	US_TRY(us_parts_judge(&witness, &parts));
	US_TRY(us_parts_ask(parts, asked, tree, s->witness.config, &fragment));
	*ret_status = tell_fragment(o, parts, asked, &fragment);
	return NULL;
}

static struct us_err *do_roles(const struct opts *o, const char *path, struct subject *s,
			       int *ret_status)
{
	_us_parts_free_ struct us_parts *parts = NULL;
	struct us_part_fragment fragment;
	unsigned int asked = 0;

	US_TRY(check_words(o, path));
	if (o->role)
		US_TRY(us_parts_parse(o->role, &asked));
	/* a tree needs no kernel beside it */
	if (path || !o->tree || o->running || o->host)
		US_TRY(open_subject(o, path, s));
	if (o->tree)
		return ask_tree(o, s, asked ? asked : US_PARTS_ALL, ret_status);
	US_TRY(us_parts_judge(&s->witness, &parts));
	if (!o->fragment) {
		*ret_status = tell_roles(o, parts, asked);
		return NULL;
	}
	if (!asked)
		asked = US_PARTS_ALL;
	US_TRY(us_parts_fragment(parts, asked, &fragment));
	*ret_status = tell_fragment(o, parts, asked, &fragment);
	return NULL;
}

static int run(void *opts, int argc, char **argv)
{
	const struct opts *o = opts;
	struct subject s = { 0 };
	int status = US_EXIT_OK;
	struct us_err *err = do_roles(o, argc ? argv[0] : NULL, &s, &status);

	if (err)
		status = us_cmd_fail(err, o->json);
	subject_deinit(&s);
	return status;
}

const struct us_cmd us_config_roles = {
	.name = "config roles",
	.args = "[CONFIG|IMAGE]",
	.brief = "Which parts of kexec and kdump a kernel can play, and what it lacks",
	.options = options,
	.max_args = 1,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
