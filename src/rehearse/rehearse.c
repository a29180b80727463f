/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rehearsal: runs of QEMU on the same scratch disks (runs.c). In one the running kernel loads the
 * capture kernel and is brought down, and the capture image does its work; in the next the capture
 * kernel starts again with /init of guest.c, which verifies what is on the disks; what a server has
 * got is verified here (far.c). What happened is put together from what all said. On this machine
 * nothing is loaded and nothing crashes.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "rehearse/far-int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MIB        UINT64_C(0x100000)
#define TAIL_LINES 25
#define WORDS_MAX  24
#define SIZE_STEP  (4 * MIB)

/* ---- what the machines say ---- */

static const char *behind(const char *line, const char *prefix)
{
	const char *found = strstr(line, prefix);

	return found ? found + strlen(prefix) : NULL;
}

static void take_stage(struct us_play *p, const char *words)
{
	const char *end = strstr(words, " at "), *memory = behind(words, "MemAvailable ");
	uint64_t kb = memory ? strtoull(memory, NULL, 10) : 0;

	p->captured = true;
	if (end)
		p->at = us_pool_strndup(p->pool, words, (size_t)(end - words));
	if (kb && kb < p->least_kb)
		p->least_kb = kb;
	us_progress_at(p->wish->progress, p->at ? p->at : "capture", 0, 0);
}

/* The crashed kernel has last words, too: where the time of the log begins anew they are over. */
static void look_at_clock(struct us_play *p, const char *line)
{
	double at;

	if (*line != '[')
		return;
	at = strtod(line + 1, NULL);
	p->second |= p->crashed && at < p->clock;
	p->clock = at;
}

static void take_console(struct us_play *p, const char *line)
{
	static const struct {
		const char *said, *means; /* means NULL: what was said, from there on */
	} deaths[] = {
		{ "invoked oom-killer", "out of memory" },
		{ "Out of memory", "out of memory" },
		{ "Kernel panic - not syncing: ", NULL },
	};
	const char *stage = behind(line, "understudy: stage ");
	const char *result = behind(line, "understudy: result ");

	if (stage)
		take_stage(p, stage);
	else if (result)
		p->result = us_pool_strdup(p->pool, result);
	look_at_clock(p, line);
	for (size_t i = 0; p->second && !p->died && i < us_array_size(deaths); i++)
		if (strstr(line, deaths[i].said))
			p->died = deaths[i].means
					  ? deaths[i].means
					  : us_pool_strdup(p->pool, strstr(line, deaths[i].said));
}

static bool take_line(void *data, const char *line, bool answer)
{
	struct us_play *p = data;
	const char *value = answer ? strchr(line, '=') : NULL;

	if (!answer) {
		take_console(p, line);
		return false;
	}
	p->began |= !strncmp(line, "began=", 6);
	if (!strncmp(line, "loaded=", 7))
		p->loaded = us_pool_strdup(p->pool, value + 1);
	if (!strncmp(line, "failed=", 7))
		p->failed = us_pool_strdup(p->pool, value + 1);
	if (strncmp(line, "crash=", 6))
		return false;
	p->crashed = true;
	us_progress_at(p->wish->progress, "crash", 0, 0);
	return p->wish->kind == US_CRASH_LOCKUP;
}

/* ---- what it comes to ---- */

static struct us_err *fail(struct us_play *p, const char *fmt, ...) us_must_check us_printf(2, 3);
static struct us_err *fail(struct us_play *p, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	p->r->passed = false;
	p->r->failed_at = t.failed ? NULL : us_pool_strdup(p->pool, t.s);
	return p->r->failed_at ? NULL : us_err_nomem();
}

static struct us_err *keep_tail(struct us_play *p, const struct us_vm_run *run)
{
	size_t from = run->console.n, lines = 0;
	char *copy, *to;

	while (from && lines <= TAIL_LINES)
		lines += run->console.p[--from] == '\n';
	copy = to =
		us_pool_strndup(p->pool, run->console.n ? (const char *)run->console.p + from : "",
				run->console.n - from);
	for (const char *c = copy; c && *c; c++)
		if (*c == '\n' || *c == '\t' || (*c >= ' ' && *c != 0x7f))
			*to++ = *c;
	if (to)
		*to = 0;
	p->r->console = copy;
	return copy ? NULL : us_err_nomem();
}

static struct us_err *judge_crash(struct us_play *p, const struct us_vm_run *run)
{
	const char *late = run->timed_out ? ", and the time was over" : "";

	US_TRY(keep_tail(p, run));
	if (p->failed)
		return fail(p, "%s: %s", p->loaded ? "the crash" : "loading the capture kernel",
			    p->failed);
	if (!p->crashed)
		return fail(p, "the first kernel did not come to the crash%s", late);
	if (!p->captured)
		return fail(p, "the capture kernel did not reach its /init%s%s%s", late,
			    p->died ? ": " : "", p->died ? p->died : "");
	if (p->died && !p->result)
		return fail(p, "stage \"%s\": %s", p->at ? p->at : "", p->died);
	if (!p->result)
		return fail(p, "stage \"%s\": it did not come to an end%s", p->at ? p->at : "",
			    late);
	if (strncmp(p->result, "saved", 5))
		return fail(p, "the capture ended with: %s", p->result);
	p->r->passed = true;
	return NULL;
}

static struct us_err *take_times(struct us_play *p, const struct us_capture_state *state)
{
	struct us_rehearse_stage *stages =
		us_pool_array(p->pool, state->n_stages + 1, sizeof(*stages));
	struct us_rehearse_sample *samples =
		us_pool_array(p->pool, state->n_samples + 1, sizeof(*samples));
	struct us_rehearsal *r = p->r;

	if (!stages || !samples)
		return us_err_nomem();
	if (state->n_stages && state->stages[0].begin_ms)
		stages[r->n_stages++] = (struct us_rehearse_stage){
			.name = "capture kernel starts",
			.end_ms = state->stages[0].begin_ms,
			.least_available = UINT64_MAX,
		};
	for (size_t i = 0; i < state->n_samples; i++) {
		const struct us_state_sample *s = &state->samples[i];

		samples[i] = (struct us_rehearse_sample){ s->ms, s->available, s->used };
		if (s->available < r->least_available)
			r->least_available = s->available;
	}
	for (size_t i = 0; i < state->n_stages; i++) {
		const struct us_state_stage *s = &state->stages[i];
		struct us_rehearse_stage *to = &stages[r->n_stages++];

		*to = (struct us_rehearse_stage){ .name = us_pool_strdup(p->pool, s->name),
						  .begin_ms = s->begin_ms,
						  .end_ms = s->end_ms,
						  .least_available = UINT64_MAX };
		for (size_t k = 0; k < state->n_samples; k++)
			if (state->samples[k].ms >= s->begin_ms &&
			    state->samples[k].ms <= s->end_ms &&
			    state->samples[k].available < to->least_available)
				to->least_available = state->samples[k].available;
		if (!to->name)
			return us_err_nomem();
	}
	r->stages = stages;
	r->samples = samples;
	r->n_samples = state->n_samples;
	return NULL;
}

static uint64_t number(const struct us_capture_state *state, const char *key)
{
	const char *text = us_capture_state_text(state, key, 0);
	uint64_t v = 0;

	return text && us_text_u64(text, 10, &v) ? v : 0;
}

static struct us_err *judge_look(struct us_play *p, const struct us_vm_run *run)
{
	struct us_capture_state state = { 0 };
	struct us_err *err = us_capture_state_parse(us_blob_bytes(&run->answers), &state);
	const char *verified, *failed, *panic;

	if (err)
		return err;
	err = take_times(p, &state);
	verified = us_capture_state_text(&state, "verified", 0);
	failed = us_capture_state_text(&state, "failed", 0);
	panic = us_capture_state_text(&state, "panic", 0);
	p->r->capture_total = number(&state, "memory_total");
	p->copied = number(&state, "copied");
	p->r->dump_bytes = number(&state, "dump_file_bytes");
	if (!p->r->dump_bytes) /* a device is longer than its dump */
		p->r->dump_bytes = number(&state, "dump_bytes");
	p->r->dump_pages = number(&state, "verified_pages");
	p->r->panic = panic ? us_pool_strdup(p->pool, panic) : NULL;
	if (!err && failed)
		err = fail(p, "looking at what was saved: %s", failed);
	else if (!err && !verified)
		err = fail(p, "looking at what was saved: %s",
			   run->timed_out ? "the time was over" : "the second machine said nothing");
	else if (!err && strcmp(verified, "whole"))
		err = fail(p, "the dump is %s: %s", verified,
			   us_capture_state_text(&state, "problem", 0)
				   ? us_capture_state_text(&state, "problem", 0)
				   : "it has no end");
	else if (!err && !panic)
		err = fail(p, "the dump's kernel log does not say how its kernel died");
	if (!err && p->r->failed_at && !p->wish->keep_dir)
		err = keep_tail(p, run);
	us_capture_state_deinit(&state);
	return err;
}

static struct us_err *add_word(struct us_play *p, const char **list, size_t *n, const char *fmt,
			       ...) us_must_check us_printf(4, 5);
static struct us_err *add_word(struct us_play *p, const char **list, size_t *n, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	if (*n < WORDS_MAX)
		list[*n] = t.failed ? NULL : us_pool_strdup(p->pool, t.s);
	if (*n < WORDS_MAX && !list[(*n)++])
		return us_err_nomem();
	return NULL;
}

static struct us_err *say_proved(struct us_play *p)
{
	const char **yes = us_pool_array(p->pool, WORDS_MAX + 1, sizeof(*yes));
	const char **no = us_pool_array(p->pool, WORDS_MAX + 1, sizeof(*no));
	struct us_rehearsal *r = p->r;
	const char *capture = p->arming->kernel->release;
	char a[US_TEXT_SIZE_MAX], b[US_TEXT_SIZE_MAX];
	size_t y = 0, n = 0;

	if (!yes || !no)
		return us_err_nomem();
	r->proved = yes;
	r->not_proved = no;
	if (p->loaded)
		US_TRY(add_word(p, yes, &y, "the running kernel (%s) takes %s by %s",
				p->host->release.v, p->stage->image_words, p->loaded));
	if (p->captured)
		US_TRY(add_word(p, yes, &y,
				"after a crash (%s) the capture kernel (%s) starts in a reservation "
				"of %s",
				us_crash_kind_name(p->wish->kind), capture ? capture : "unknown",
				us_text_size(r->reserve_bytes, a)));
	if (r->dump_pages && p->stage->far)
		US_TRY(add_word(p, yes, &y,
				"the network comes up, %s, and a dump of "
				"%s with %" PRIu64 " pages is written there%s",
				p->stage->far->reached, us_text_size(r->dump_bytes, a),
				r->dump_pages, p->stage->far->written));
	else if (r->dump_pages)
		US_TRY(add_word(p, yes, &y,
				"%s: its disk%s found%s%s, and a dump of %s with %" PRIu64
				" pages is written there",
				p->stage->target->spec.text ? p->stage->target->spec.text : "",
				p->stage->n_disks > 1 ? "s are" : " is",
				p->stage->below ? ", assembled to " : " and mounted",
				p->stage->below ? p->stage->below : "",
				us_text_size(r->dump_bytes, a), r->dump_pages));
	if (r->passed && r->panic)
		US_TRY(add_word(
			p, yes, &y,
			"each page of it can be read, and its log says how its kernel died: %s",
			r->panic));
	if (r->passed && r->least_available != UINT64_MAX)
		US_TRY(add_word(p, yes, &y, "at the worst moment %s of memory were left of %s",
				us_text_size(r->least_available, a),
				us_text_size(r->capture_total, b)));
	for (size_t i = 0; i < p->stage->n_not_proved; i++)
		US_TRY(add_word(p, no, &n, "%s", p->stage->not_proved[i]));
	if (p->wish->kind == US_CRASH_LOCKUP)
		US_TRY(add_word(p, no, &n,
				"this machine's own watchdog: the interrupt that ended the "
				"lockup came from outside"));
	US_TRY(add_word(p, no, &n,
			"a dump as large as this machine's: the virtual one has less "
			"memory"));
	if (strcmp(p->stage->cmdline, p->arming->cmdline))
		US_TRY(add_word(p, no, &n,
				"the command line to the letter: console=ttyS0 was added, "
				"to see what it says"));
	return NULL;
}

/* The folder's out.img becomes the dump. */
static struct us_err *keep_dump(struct us_play *p)
{
	const char *from = us_play_path(p, "out.img"), *to = us_play_path(p, "dump");

	if (!p->wish->keep_dir || p->quick)
		return NULL;
	if (!from || !to)
		return us_err_nomem();
	if (!p->copied) {
		unlink(from);
		return NULL;
	}
	if (truncate(from, (off_t)p->copied) || rename(from, to))
		return us_err_os(errno, "keeping the dump as %s", to);
	return NULL;
}

static void forget_lines(struct us_play *p)
{
	p->loaded = p->failed = p->result = p->at = p->died = NULL;
	p->began = p->crashed = p->captured = p->second = false;
	p->clock = 0;
	p->least_kb = UINT64_MAX;
}

/*
 * The scratch disks with all that belongs on them, or the server; where that cannot be had, a plain
 * disk and an image for it. *ret_silent: the machine that was to make it said nothing at all.
 */
static struct us_err *prepare(struct us_play *p, bool *ret_silent)
{
	_us_err_free_ struct us_err *err = p->stage->far ? us_far_make(p) : us_play_disks(p);
	const char *problem = NULL;

	*ret_silent = false;
	if ((!p->stage->built && !p->stage->far) || (err && err->code == US_ERR_NOMEM))
		return us_steal(&err);
	if (err)
		problem = us_pool_strdup(p->pool, err->text);
	else if (p->stage->built)
		US_TRY(us_play_make(p, take_line, &problem));
	*ret_silent = !err && p->stage->built && !p->began;
	if (!problem || (*ret_silent && p->r->kvm))
		return NULL;
	us_stage_deinit(p->stage);
	US_TRY(us_stage_make(p->host, p->arming, problem, p->pool, p->stage));
	p->r->exact = p->stage->exact;
	return us_play_disks(p);
}

static struct us_err *play(struct us_play *p)
{
	_us_vm_run_deinit_ struct us_vm_run crash = { 0 }, look = { 0 };
	bool kvm = us_vm_has_kvm(), silent;

	for (p->r->kvm = kvm;; p->r->kvm = false) {
		forget_lines(p);
		US_TRY(prepare(p, &silent));
		if (silent && p->r->kvm)
			continue;
		forget_lines(p);
		us_vm_run_deinit(&crash);
		US_TRY(us_play_crash(p, take_line, &crash));
		/* nested KVM may be there and not work: then the machine says nothing at all */
		if (!p->r->kvm || p->began)
			break;
	}
	US_TRY(judge_crash(p, &crash));
	p->r->seconds = crash.seconds;
	if (p->least_kb != UINT64_MAX)
		p->r->least_available = p->least_kb * 1024;
	if (p->quick || !p->result || !strncmp(p->result, "nothing", 7) ||
	    !strncmp(p->result, "log", 3))
		return NULL;
	if (p->stage->far)
		US_TRY(us_far_look(p, &look));
	else
		US_TRY(us_play_look(p, take_line, &look));
	p->r->seconds += look.seconds;
	return judge_look(p, &look);
}

static struct us_err *with_stage(struct us_play *p)
{
	struct us_stage stage = { 0 };
	struct us_err *err = us_stage_make(p->host, p->arming, NULL, p->pool, &stage);
	struct us_held held;

	us_held_begin(&held);
	p->stage = &stage;
	p->r->exact = stage.exact;
	if (!err)
		err = us_play_dir(p);
	if (!err)
		err = play(p);
	if (!err)
		err = say_proved(p);
	if (!err)
		err = keep_dump(p);
	if (!p->wish->keep_dir)
		us_play_remove_dir(p);
	else if (p->dir)
		us_play_tidy_dir(p);
	us_stage_deinit(&stage);
	us_held_end(&held);
	return err;
}

static struct us_err *find_qemu(struct us_play *p)
{
	const char *name = p->wish->qemu ? p->wish->qemu : "qemu-system-x86_64";

	if (p->arming->kernel->arch && p->arming->kernel->arch->id != US_ARCH_X86_64)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "a rehearsal is possible on x86_64 only, so far");
	p->qemu = us_vm_find_program(name, p->pool);
	if (!p->qemu)
		return us_err_new(US_ERR_NOT_FOUND,
				  "%s is not here: a rehearsal needs QEMU (Debian: qemu-system-x86, "
				  "Fedora: qemu-system-x86-core)",
				  name);
	return NULL;
}

static uint64_t reserve_of(const struct us_host *host, const struct us_arming *arming,
			   const struct us_rehearse_wish *wish)
{
	if (wish->reserve_bytes)
		return wish->reserve_bytes;
	if (us_known(host->crash_size.o) && host->crash_size.v)
		return host->crash_size.v;
	return arming->need.recommended;
}

static struct us_err *rehearse(const struct us_host *host, const struct us_arming *arming,
			       const struct us_rehearse_wish *wish, bool quick,
			       struct us_rehearsal **ret) us_must_check;
static struct us_err *rehearse(const struct us_host *host, const struct us_arming *arming,
			       const struct us_rehearse_wish *wish, bool quick,
			       struct us_rehearsal **ret)
{
	struct us_rehearsal *r = calloc(1, sizeof(*r));
	struct us_play p = { .host = host, .arming = arming, .wish = wish, .r = r, .quick = quick };
	struct us_err *err;

	if (!r)
		return us_err_nomem();
	p.pool = &r->pool;
	r->least_available = UINT64_MAX;
	r->reserve_bytes = reserve_of(host, arming, wish);
	err = r->reserve_bytes ? find_qemu(&p)
			       : us_err_new(US_ERR_NOT_FOUND,
					    "how much is reserved is not known: give --reserve");
	if (!err)
		err = with_stage(&p);
	if (err) {
		us_rehearsal_free(r);
		return err;
	}
	if (r->least_available != UINT64_MAX && r->least_available < r->reserve_bytes)
		r->peak = r->reserve_bytes - r->least_available;
	*ret = r;
	return NULL;
}

struct us_err *us_rehearse(const struct us_host *host, const struct us_arming *arming,
			   const struct us_rehearse_wish *wish, struct us_rehearsal **ret)
{
	return rehearse(host, arming, wish, false, ret);
}

/* A run with that much passes? Told to progress. */
static struct us_err *try_size(const struct us_host *host, const struct us_arming *arming,
			       const struct us_rehearse_wish *wish, uint64_t bytes, bool *ret)
{
	struct us_rehearse_wish one = *wish;
	struct us_rehearsal *r = NULL;
	char what[80];

	one.reserve_bytes = bytes;
	one.keep_dir = NULL;
	snprintf(what, sizeof(what), "trying %" PRIu64 " MiB", bytes / MIB);
	us_progress_at(wish->progress, what, 0, 0);
	US_TRY(rehearse(host, arming, &one, true, &r));
	*ret = r->passed;
	us_rehearsal_free(r);
	return NULL;
}

static uint64_t steps_up(uint64_t bytes)
{
	return (bytes + SIZE_STEP - 1) / SIZE_STEP * SIZE_STEP;
}

struct us_err *us_rehearse_find_size(const struct us_host *host, const struct us_arming *arming,
				     const struct us_rehearse_wish *wish, uint64_t *ret_bytes,
				     struct us_rehearsal **ret)
{
	uint64_t works = steps_up(reserve_of(host, arming, wish)), fails = 0, guess;
	struct us_rehearse_wish last = *wish;
	struct us_rehearsal *r = NULL;

	last.reserve_bytes = works;
	US_TRY(us_rehearse(host, arming, &last, &r));
	if (!r->passed || r->least_available == UINT64_MAX) {
		*ret_bytes = 0;
		*ret = r;
		return NULL;
	}
	/* what was left over could be spared, nearly */
	guess = steps_up(r->peak + SIZE_STEP);
	us_rehearsal_free(r);
	while (works - fails > SIZE_STEP) {
		bool passes = false;

		if (guess <= fails || guess >= works)
			guess = steps_up(fails + (works - fails) / 2);
		if (guess >= works)
			break;
		US_TRY(try_size(host, arming, wish, guess, &passes));
		if (passes)
			works = guess;
		else
			fails = guess;
		guess = passes && works > 4 * SIZE_STEP ? works - SIZE_STEP : 0;
	}
	last.reserve_bytes = works;
	*ret_bytes = works;
	return us_rehearse(host, arming, &last, ret);
}

void us_rehearsal_free(struct us_rehearsal *rehearsal)
{
	if (!rehearsal)
		return;
	us_pool_deinit(&rehearsal->pool);
	free(rehearsal);
}
