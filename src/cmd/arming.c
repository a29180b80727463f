/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What arming found, as text and as JSON: kernel, image, command line, memory, targets, verdict. */
#include "cmd/cmd-int.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

static const char *target_text(const struct us_target_spec *spec)
{
	return spec->text ? spec->text : spec->path;
}

static void print_image(struct us_out *out, const struct us_arming *a)
{
	char packed[US_TEXT_SIZE_MAX], unpacked[US_TEXT_SIZE_MAX];

	us_out_row(out, "kernel", "%s, Linux %s", a->kernel_path,
		   a->kernel->release ? a->kernel->release : "of an unknown release");
	if (!a->image) {
		us_out_row(out, "image",
			   "%s, the one that was armed last; nothing of it has changed",
			   us_text_size(a->initrd->bytes.n, packed));
		return;
	}
	us_out_row(out, "image", "%s (%s), %s unpacked, %zu modules",
		   us_text_size(a->image->bytes.n, packed), a->image->codec,
		   us_text_size(a->image->unpacked_bytes, unpacked), a->image->recipe->n_modules);
	for (size_t i = 0; out->verbose && i < a->image->n_files; i++)
		us_out_row(out, i ? "" : "files", "%s%s%s", a->image->files[i].path,
			   a->image->files[i].source ? " from " : "",
			   a->image->files[i].source ? a->image->files[i].source : "");
	for (size_t i = 0; a->image->left_out && a->image->left_out[i]; i++)
		if (out->verbose)
			us_out_row(out, i ? "" : "left out", "%s", a->image->left_out[i]);
}

static void print_words(struct us_out *out, const struct us_arming *a)
{
	us_out_head(out, "Command line of the capture kernel");
	for (size_t i = 0; i < a->n_words; i++) {
		fprintf(out->f, "  %s\n%18s", a->words[i].word, "");
		us_out_para(out, 18, 18, "%s", a->words[i].why);
	}
}

void us_need_print(struct us_out *out, const struct us_crash_need *need)
{
	char total[US_TEXT_SIZE_MAX], has[US_TEXT_SIZE_MAX];

	us_out_row(out, "memory", "the capture needs %s%s, reserved are %s",
		   need->measured ? "" : "about ", us_text_size(need->total, total),
		   us_text_size(need->reserved, has));
	for (size_t i = 0; out->verbose && need->why && need->why[i]; i++)
		us_out_row(out, "", "%s", need->why[i]);
}

static void print_targets(struct us_out *out, const struct us_arming *a)
{
	char size[US_TEXT_SIZE_MAX];

	for (size_t i = 0; i < a->config->n_targets; i++) {
		const struct us_probe *p = &a->probes[i];

		if (a->probe_problems[i])
			us_out_row(out, i ? "" : "targets", "%s: %s",
				   target_text(&a->config->targets[i]), a->probe_problems[i]);
		else if (!p->steps)
			us_out_row(out, i ? "" : "targets", "%s: not tried",
				   target_text(&a->config->targets[i]));
		else
			us_out_row(out, i ? "" : "targets", "%s: written to and read back, %s free",
				   target_text(&a->config->targets[i]),
				   p->free_bytes == UINT64_MAX ? "an unknown amount is"
							       : us_text_size(p->free_bytes, size));
		for (size_t k = 0; out->verbose && p->steps && p->steps[k]; k++)
			us_out_row(out, "", "%s", p->steps[k]);
	}
	if (a->predicted_bytes != UINT64_MAX)
		us_out_row(out, "a dump now", "up to %s before it is packed",
			   us_text_size(a->predicted_bytes, size));
}

/* Of the set that was armed last nothing is unpacked or built again: rules that ask for what is
 * inside have no answer, and had one when the set was made. */
static void print_judgement(struct us_out *out, const struct us_arming *a)
{
	if (!a->saved || a->verdict->blocks || out->verbose) {
		us_report_verdict(out, &a->c, a->verdict);
		return;
	}
	us_out_para(out, 0, 0,
		    "The set that was armed last is taken as it is: nothing that it was made from "
		    "has changed. It was judged when it was made; what can change from one start to "
		    "the next was judged again, and nothing forbids it.");
}

void us_arming_print(struct us_out *out, const struct us_arming *a, bool dry_run)
{
	print_judgement(out, a);
	if (a->plan_problem)
		fprintf(out->f, "There is no plan: %s.\n", a->plan_problem->text);
	us_out_head(out, "Capture");
	print_image(out, a);
	us_need_print(out, &a->need);
	print_targets(out, a);
	if (dry_run || out->verbose)
		print_words(out, a);
	for (const char *const *w = a->warnings; *w; w++)
		us_out_para(out, 0, 2, "\nWarning: %s.", *w);
	for (const char *const *b = a->blocks; *b; b++)
		us_out_para(out, 0, 2, "\nNot armed: %s.", *b);
}

void us_json_texts(json_object *obj, const char *key, const char *const *texts)
{
	json_object *list = us_json_list(obj, key);

	for (; texts && *texts; texts++)
		json_object_array_add(list, json_object_new_string(*texts));
}

static void put_known(json_object *obj, const char *key, uint64_t v)
{
	if (v == UINT64_MAX)
		json_object_object_add(obj, key, NULL);
	else
		us_json_num(obj, key, v);
}

void us_need_json(json_object *obj, const char *key, const struct us_crash_need *n)
{
	json_object *need = us_json_sub(obj, key);

	us_json_num(need, "total", n->total);
	us_json_num(need, "reserved", n->reserved);
	us_json_bool(need, "measured", n->measured);
	us_json_num(need, "kernel", n->kernel);
	us_json_num(need, "base", n->base);
	us_json_num(need, "image_packed", n->image_packed);
	us_json_num(need, "image_unpacked", n->image_unpacked);
	us_json_num(need, "modules", n->modules);
	us_json_num(need, "dumping", n->dumping);
	us_json_num(need, "network", n->network);
	us_json_num(need, "border", n->border);
	us_json_num(need, "margin", n->margin);
	us_json_num(need, "recommended", n->recommended);
	us_json_str(need, "parameter", n->parameter);
	us_json_texts(need, "why", n->why);
}

static void put_image(json_object *obj, const struct us_arming *a)
{
	json_object *image, *list;

	if (!a->image) {
		json_object_object_add(obj, "image", NULL);
		return;
	}
	image = us_json_sub(obj, "image");
	us_json_num(image, "bytes", a->image->bytes.n);
	us_json_num(image, "unpacked_bytes", a->image->unpacked_bytes);
	us_json_str(image, "codec", a->image->codec);
	list = us_json_list(image, "files");
	for (size_t i = 0; i < a->image->n_files; i++) {
		json_object *file = us_json_item(list);

		us_json_str(file, "path", a->image->files[i].path);
		us_json_str(file, "source", a->image->files[i].source);
		us_json_str(file, "sha256", a->image->files[i].hash);
		us_json_num(file, "bytes", a->image->files[i].bytes);
	}
	us_json_texts(image, "left_out", a->image->left_out);
}

static void put_targets(json_object *obj, const struct us_arming *a)
{
	json_object *list = us_json_list(obj, "targets");

	for (size_t i = 0; i < a->config->n_targets; i++) {
		const struct us_probe *p = &a->probes[i];
		json_object *target = us_json_item(list);

		us_json_str(target, "target", target_text(&a->config->targets[i]));
		us_json_str(target, "kind", us_target_kind_name(a->config->targets[i].kind));
		us_json_bool(target, "tried", p->steps != NULL);
		us_json_str(target, "problem", a->probe_problems[i]);
		us_json_texts(target, "steps", p->steps);
		put_known(target, "free_bytes", p->free_bytes);
	}
}

json_object *us_arming_json(const struct us_arming *a, bool dry_run,
			    const struct us_outcome *outcome, int status)
{
	json_object *obj = us_json_new("arm"), *list;

	if (!obj)
		return NULL;
	us_json_bool(obj, "dry_run", dry_run);
	us_json_bool(obj, "saved", a->saved);
	us_json_bool(obj, "same", a->same);
	us_json_str(obj, "config", a->config->path);
	us_json_str(obj, "kernel", a->kernel_path);
	us_json_str(obj, "release", a->kernel->release);
	us_json_str(obj, "set", a->set);
	us_json_str(obj, "cmdline", a->cmdline);
	list = us_json_list(obj, "words");
	for (size_t i = 0; i < a->n_words; i++) {
		json_object *word = us_json_item(list);

		us_json_str(word, "word", a->words[i].word);
		us_json_str(word, "why", a->words[i].why);
	}
	put_image(obj, a);
	us_need_json(obj, "need", &a->need);
	put_known(obj, "predicted_bytes", a->predicted_bytes);
	put_targets(obj, a);
	us_json_texts(obj, "blocks", a->blocks);
	us_json_texts(obj, "warnings", a->warnings);
	json_object_object_add(obj, "check", us_json_verdict(&a->c, a->verdict));
	json_object_object_add(obj, "plan", a->plan ? us_json_plan(a->plan) : NULL);
	json_object_object_add(obj, "plan_problem",
			       a->plan_problem ? us_json_error(a->plan_problem) : NULL);
	json_object_object_add(obj, "outcome",
			       outcome && outcome->call ? us_json_outcome(outcome) : NULL);
	us_json_num(obj, "exit", (uint64_t)status);
	return obj;
}

int us_arming_exit(const struct us_arming *a)
{
	if (a->verdict->blocks || *a->blocks)
		return US_EXIT_BLOCKED;
	if (a->plan_problem)
		return a->plan_problem->code == US_ERR_UNSUPPORTED ? US_EXIT_BLOCKED
								   : US_EXIT_UNKNOWN;
	if (a->plan->no_room)
		return US_EXIT_BLOCKED;
	/* a saved set was looked into deeply when it was armed, and nothing of it has changed */
	return a->verdict->blind && !a->saved ? US_EXIT_UNKNOWN : US_EXIT_OK;
}
