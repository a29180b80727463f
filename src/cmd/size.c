/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy size: how much memory the capture needs and what to reserve for it; --apply gives what
 * is too much back to the running kernel. The kernel shrinks a reservation only while nothing is
 * armed: all is prepared before, so that unloading, shrinking and loading follow one another at once.
 */
#include "cmd/cmd-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct opts {
	bool apply, json, verbose;
	const char *host, *config;
};
#define OPT(letter, name, type, arg, help, field)                                                  \
	{                                                                                          \
		letter, name, type, arg, help, offsetof(struct opts, field)                        \
	}

static const struct us_option options[] = {
	OPT(0, "apply", US_OPT_FLAG, NULL,
	    "Shrink the reservation to what is recommended, now; what is armed is unloaded for that "
	    "and armed again at once",
	    apply),
	OPT(0, "config", US_OPT_FILE, "FILE", "Another configuration than /etc/understudy.conf",
	    config),
	OPT(0, "host", US_OPT_DIR, "DIR", "Judge the machine recorded in DIR", host),
	OPT('v', "verbose", US_OPT_FLAG, NULL, "Say what each part comes from", verbose),
	US_OPTION_JSON,
	{ 0 },
};

struct result {
	uint64_t now;     /* reserved at the end, bytes */
	const char *done; /* what was done, in words; NULL: nothing was asked for */
	bool was_armed;
	enum us_tri armed;
	struct us_outcome outcome; /* of arming again; .call NULL: it was not needed */
};

/* Nothing is armed at this moment. */
static struct us_err *shrink(struct us_machine *m, uint64_t bytes)
{
	char text[32];
	int nr;

	snprintf(text, sizeof(text), "%" PRIu64 "\n", bytes);
	nr = m->host->act.write_file(m->host->act.data, m->host->crash_size.o.path,
				     us_bytes_of(text, strlen(text)));
	if (!nr)
		return NULL;
	return us_err_new(US_ERR_REFUSED, "writing %" PRIu64 " to %s: %s%s", bytes,
			  m->host->crash_size.o.path, strerror(nr),
			  nr == ENOENT  ? " (something is armed)"
			  : nr == EBUSY ? " (another load is under way)"
					: "");
}

static struct us_err *arm_again(struct us_machine *m, const struct opts *o, struct us_arming *a,
				struct result *r)
{
	_us_machine_deinit_ struct us_machine now = { 0 };
	_us_err_free_ struct us_err *not_noted = NULL;

	US_TRY(us_machine_open(o->host, &now)); /* the reservation is another one */
	US_TRY(us_arm_replan(now.host, a));
	if (a->verdict->blocks || !a->plan || a->plan->no_room)
		return us_err_new(US_ERR_NO_ROOM, "the image does not fit any more");
	US_TRY(us_arm_commit(now.host, a, US_RUN_DIR, &r->outcome, &not_noted));
	r->armed = m->records ? us_tri_of(r->outcome.done) : r->outcome.armed;
	r->now = us_known(now.host->crash_size.o) ? now.host->crash_size.v : 0;
	a->c.host = m->host;
	return NULL;
}

/* Unload, shrink, load. After the first step every way out loads again. */
static struct us_err *apply(struct us_machine *m, const struct opts *o, struct us_arming *a,
			    struct result *r)
{
	_us_outcome_deinit_ struct us_outcome unloaded = { 0 };
	struct us_err *err = NULL, *again;

	r->was_armed = us_known(m->host->crash_loaded.o) && m->host->crash_loaded.v;
	if (r->was_armed) {
		US_TRY(us_unload(m->host, US_CRASH, US_CALL_AUTO, &unloaded));
		if (!unloaded.done)
			return us_err_new(US_ERR_REFUSED, "unloading, to shrink: %s",
					  unloaded.meaning);
	}
	err = shrink(m, a->need.recommended);
	r->done = err ? NULL : "shrunk";
	if (!r->was_armed)
		return err ? err : us_host_refresh_kexec(m->host);
	again = arm_again(m, o, a, r);
	if (again) {
		us_err_free(err);
		return us_err_wrap(again, "nothing is armed now, and a crash will not be saved");
	}
	return err;
}

static int print(const struct opts *o, const struct us_arming *a, const struct result *r, int status)
{
	char size[US_TEXT_SIZE_MAX], now[US_TEXT_SIZE_MAX];
	struct us_out out;
	json_object *obj;

	if (o->json) {
		obj = us_json_new("size");
		if (obj) {
			us_need_json(obj, "need", &a->need);
			us_json_bool(obj, "shrunk", r->done != NULL);
			us_json_num(obj, "reserved_now", r->now);
			us_json_tri(obj, "armed", r->armed);
			us_json_num(obj, "exit", (uint64_t)status);
		}
		return us_cmd_json(obj, status);
	}
	us_out_init(stdout, &out);
	out.verbose = true;
	us_need_print(&out, &a->need);
	us_out_row(&out, "recommended", "%s: %s at the next start",
		   us_text_size(a->need.recommended, size), a->need.parameter);
	if (r->done)
		us_out_row(&out, "shrunk", "%s are reserved now; %s", us_text_size(r->now, now),
			   !r->was_armed        ? "nothing was armed"
			   : r->armed == US_YES ? "armed again"
						: "NOT armed: a crash will not be saved");
	else if (o->apply)
		us_out_row(&out, "shrunk", "nothing: the reservation is not larger");
	return status;
}

static struct us_err *judge(const struct opts *o, struct us_machine *m, int *ret_lock,
			    struct us_arming **ret)
{
	struct us_progress_line line;
	struct us_arm_wish wish = { .config_path = o->config,
				    .dry_run = !o->apply,
				    .no_probe = true,
				    .progress = &line.p };
	struct us_err *err;

	US_TRY(us_machine_open(o->host, m));
	if (o->apply) {
		US_TRY(us_machine_may_act(m));
		US_TRY(us_machine_lock(m, ret_lock));
	}
	us_progress_line_init(&line, stderr);
	err = us_arm_prepare(m->host, &wish, ret);
	us_progress_line_end(&line);
	return err;
}

static int run(void *opts, int argc, char **argv)
{
	_us_machine_deinit_ struct us_machine m = { 0 };
	_us_arming_free_ struct us_arming *a = NULL;
	const struct opts *o = opts;
	struct result r = { 0 };
	_us_close_ int lock = -1;
	struct us_err *err;
	int status;

	(void)argc;
	(void)argv;
	err = judge(o, &m, &lock, &a);
	if (err)
		return us_cmd_fail(err, o->json);
	r.now = a->need.reserved;
	r.armed = us_known(m.host->crash_loaded.o) ? us_tri_of(m.host->crash_loaded.v) : US_UNKNOWN;
	status = a->need.reserved < a->need.total ? US_EXIT_BLOCKED : US_EXIT_OK;
	if (o->apply && a->need.reserved > a->need.recommended && us_arming_exit(a))
		err = us_err_new(US_ERR_UNSUPPORTED, "nothing was done: what is armed could not be "
						     "armed again (understudy arm says why)");
	else if (o->apply && a->need.reserved > a->need.recommended)
		err = apply(&m, o, a, &r);
	if (!err && r.done && r.was_armed && r.armed != US_YES)
		status = US_EXIT_REFUSED;
	status = err ? us_cmd_fail(err, o->json) : print(o, a, &r, status);
	us_outcome_deinit(&r.outcome);
	return status;
}

const struct us_cmd us_cmd_size = {
	.name = "size",
	.brief = "Say how much memory the capture needs, and what to reserve",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
