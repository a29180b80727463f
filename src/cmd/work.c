/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The straight line that check, load and the name kexec share: image and machine are read, the plan
 * is made, the rules judge it; committing is one more step. Nothing here decides what is right:
 * that is the rules' work.
 */
#include "cmd/cmd-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>

static struct us_err *read_call(const struct us_ask *ask, enum us_call *ret)
{
	const char *word = ask->call ? ask->call : "auto";
	const char *load_only = ask->mem_min     ? "--mem-min"
				: ask->mem_max   ? "--mem-max"
				: ask->no_efi    ? "keeping the EFI runtime back"
				: ask->no_checks ? "--no-checks"
						 : NULL;
	const char *file_only = ask->no_cma ? "--no-cma" : ask->force_dtb ? "--force-dtb" : NULL;
	enum us_call call;

	if (!us_call_parse(word, &call))
		return us_err_new(US_ERR_USAGE, "--call %s: it is auto, file or load", word);
	if (load_only && file_only)
		return us_err_new(US_ERR_USAGE,
				  "%s acts with kexec_load only and %s with kexec_file_load only",
				  load_only, file_only);
	if (load_only && call == US_CALL_FILE)
		return us_err_new(US_ERR_USAGE,
				  "%s has no effect with kexec_file_load: use kexec_load (-c)",
				  load_only);
	if (file_only && call == US_CALL_LOAD)
		return us_err_new(US_ERR_USAGE,
				  "%s has no effect with kexec_load: use kexec_file_load (-s)",
				  file_only);
	*ret = call; /* where it is auto, the plan chooses the call that can */
	return NULL;
}

/* An option that could not act is an error, not ignored. */
static struct us_err *check_asked(const struct us_ask *ask)
{
	if (ask->no_deep && (ask->deep || ask->config))
		return us_err_new(US_ERR_USAGE, "--no-deep and %s exclude each other",
				  ask->deep ? "--deep" : "--config");
	if (ask->hotplug && !ask->crash)
		return us_err_new(US_ERR_USAGE, "--hotplug has an effect with --crash only");
	return NULL;
}

static struct us_err *read_image(const struct us_ask *ask, const char *path, bool deep,
				 struct us_progress *progress, struct us_work *w)
{
	US_TRY(us_image_open(path, progress, &w->image));
	if (deep)
		US_TRY(us_image_look_deep(w->image, ask->config, progress));
	if (ask->initrd.n || w->image->initrd.n || w->image->ucode.n)
		US_TRY(us_initrd_open(ask->initrd.v, ask->initrd.n, w->image->ucode,
				      w->image->initrd, deep, progress, &w->initrd));
	return NULL;
}

/* A UKI's .cmdline may end in a newline or NULs. */
static struct us_err *own_cmdline(const struct us_image *image, char **ret)
{
	size_t n = us_bytes_trimmed(image->cmdline);
	char *s = strndup(n ? (const char *)image->cmdline.p : "", n);

	if (!s)
		return us_err_nomem();
	memmove(s, us_text_strip(s), strlen(us_text_strip(s)) + 1);
	*ret = s;
	return NULL;
}

static struct us_err *make_cmdline(const struct us_ask *ask, struct us_work *w)
{
	_us_free_ char *base = NULL;

	if (ask->cmdline && ask->reuse)
		return us_err_new(US_ERR_USAGE,
				  "--cmdline and --reuse-cmdline exclude each other: --append adds "
				  "words");
	if (ask->reuse)
		return us_cmdline_reuse(w->machine.host, w->wanted.purpose, ask->append,
					&w->cmdline);
	if (ask->cmdline) {
		base = strdup(ask->cmdline);
		if (!base)
			return us_err_nomem();
	} else {
		US_TRY(own_cmdline(w->image, &base));
	}
	if (!ask->append)
		w->cmdline = us_steal(&base);
	else
		US_TRY(us_text_format(&w->cmdline, "%s%s%s", base, *base ? " " : "", ask->append));
	return NULL;
}

static struct us_err *make_plan(const struct us_ask *ask, struct us_work *w)
{
	struct us_err *err;

	w->wanted.cmdline = w->cmdline;
	w->wanted.mem_min = ask->mem_min;
	w->wanted.mem_max = ask->mem_max;
	w->wanted.no_efi = ask->no_efi;
	w->wanted.no_checks = ask->no_checks;
	w->wanted.hotplug = ask->hotplug;
	w->wanted.no_cma = ask->no_cma;
	w->wanted.force_dtb = ask->force_dtb;
	err = us_plan_make(w->image, w->initrd, w->machine.host, &w->wanted, &w->plan);
	if (err && err->code == US_ERR_NOMEM)
		return err;
	w->plan_problem = err;
	return NULL;
}

struct us_err *us_findings_accept(const struct us_opt_list *rules, bool unknown,
				  struct us_verdict *v)
{
	for (size_t i = 0; i < rules->n; i++)
		if (!us_rule_by_id(rules->v[i]))
			return us_err_new(US_ERR_USAGE,
					  "--accept %s: there is no such rule (understudy check "
					  "--list-rules)",
					  rules->v[i]);
	for (size_t i = 0; i < v->n_findings; i++) {
		struct us_finding *f = &v->findings[i];
		bool blocks = f->result == US_FAIL && f->severity == US_BLOCK;
		bool blind = us_finding_is_blind(f);

		f->accepted = blind && unknown;
		for (size_t k = 0; k < rules->n; k++)
			if ((blocks || blind) && !strcmp(rules->v[k], f->rule->id))
				f->accepted = true;
		v->blocks -= blocks && f->accepted;
		v->blind -= blind && f->accepted;
	}
	return NULL;
}

/* Whether the signature will matter: it costs a hash over the whole file. */
static bool needs_signature(const struct us_host *host, bool deep)
{
	return deep || us_check_needs_signature(host);
}

static struct us_err *judge(const struct us_ask *ask, const char *path, bool acting,
			    struct us_progress *progress, struct us_work *w)
{
	/* a .config is judged together with what is inside the image */
	bool deep = ask->deep || ask->config || (ask->crash && !ask->no_deep);

	US_TRY(check_asked(ask));
	w->wanted.purpose = ask->crash ? US_CRASH : US_REBOOT;
	US_TRY(read_call(ask, &w->wanted.call));
	if (ask->policy) {
		US_TRY(us_policy_parse(ask->policy, &w->pool, &w->policy));
		w->c.policy = &w->policy;
	}
	US_TRY(read_image(ask, path, deep, progress, w));
	US_TRY(us_machine_open(ask->host, &w->machine));
	if (needs_signature(w->machine.host, deep))
		US_TRY(us_image_verify_signature(w->image));
	US_TRY(make_cmdline(ask, w));
	US_TRY(make_plan(ask, w));
	w->c.purpose = w->wanted.purpose;
	w->c.image = w->image;
	w->c.initrd = w->initrd;
	w->c.host = w->machine.host;
	w->c.plan = w->plan;
	w->c.plan_problem = w->plan_problem;
	w->c.wanted = &w->wanted;
	w->c.acting = acting;
	US_TRY(us_check(&w->c, &w->verdict));
	return us_findings_accept(&ask->accept, ask->accept_unknown, w->verdict);
}

struct us_err *us_work_do(const struct us_ask *ask, const char *path, bool acting, struct us_work *w)
{
	struct us_progress_line line;
	struct us_err *err;

	us_progress_line_init(&line, stderr);
	err = judge(ask, path, acting, &line.p, w);
	us_progress_line_end(&line);
	return err;
}

void us_work_deinit(struct us_work *w)
{
	us_verdict_free(w->verdict);
	us_plan_free(w->plan);
	us_err_free(w->plan_problem);
	us_initrd_free(w->initrd);
	us_image_free(w->image);
	us_machine_deinit(&w->machine);
	free(w->cmdline);
	us_pool_deinit(&w->pool);
}

int us_work_exit(const struct us_work *w, bool acting)
{
	if (w->verdict->blocks)
		return US_EXIT_BLOCKED;
	if (w->plan_problem && (acting || w->plan_problem->code == US_ERR_UNSUPPORTED))
		return w->plan_problem->code == US_ERR_UNSUPPORTED ? US_EXIT_BLOCKED
								   : US_EXIT_UNKNOWN;
	if (acting && w->plan && w->plan->no_room)
		return US_EXIT_BLOCKED;
	return w->verdict->blind ? US_EXIT_UNKNOWN : US_EXIT_OK;
}

void us_work_report(struct us_out *out, const struct us_work *w, bool with_plan)
{
	us_report_verdict(out, &w->c, w->verdict);
	if (w->plan_problem)
		fprintf(out->f, "There is no plan: %s.\n", w->plan_problem->text);
	else if (with_plan)
		us_report_plan(out, w->plan);
}

static void read_kept(const struct us_host *host, struct us_crash_kept *ret)
{
	_us_err_free_ struct us_err *err = us_crash_kept_read(host, US_RUN_DIR, NULL, ret);

	if (err)
		fprintf(stderr,
			"understudy: the crash kernel that is armed now could not be put back if this "
			"load fails: %s\n",
			err->text);
}

void us_forget_armed(const struct us_machine *m)
{
	if (!m->records)
		us_armed_forget(US_RUN_DIR);
	if (!m->records || !m->host->live)
		us_crash_forget_loaded(m->host);
}

struct us_err *us_work_commit(struct us_work *w, struct us_outcome *ret)
{
	__attribute__((cleanup(us_crash_kept_deinit))) struct us_crash_kept kept = { 0 };
	bool crash = w->wanted.purpose == US_CRASH && !w->machine.records;
	_us_err_free_ struct us_err *err = NULL;
	_us_close_ int lock = -1;

	if (w->wanted.purpose == US_CRASH)
		us_machine_lock_out(&w->machine, &lock);
	if (crash)
		read_kept(w->machine.host, &kept);
	US_TRY(us_plan_commit(w->plan, w->machine.host, kept.plan, ret));
	if (crash && (ret->done || ret->armed == US_NO))
		us_crash_forget_loaded(w->machine.host);
	if (crash && ret->done)
		err = us_armed_save(w->plan, US_RUN_DIR);
	if (err) /* armed all the same: only the way back after a later failure is lost */
		fprintf(stderr, "understudy: armed, but what is armed could not be noted: %s\n",
			err->text);
	return NULL;
}
