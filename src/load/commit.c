/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan is given to the kernel, and what came of it is read back: the only caller of the two load
 * system calls. Last-moment bytes (RNG seed, digest) are made here. A crash load frees the armed
 * image before it looks at the new one (Linux 6.12 kernel/kexec_file.c), so after a refusal the
 * previous one is loaded again. A call that was refused is never tried by the other call.
 */
#include "load/load-int.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static const char *call_name(enum us_call call)
{
	return call == US_CALL_FILE ? "kexec_file_load" : "kexec_load";
}

/* The file itself where bytes are the whole of it (IMA looks at its labels), else a copy. */
static struct us_err *file_or_copy(const char *path, struct us_bytes bytes, const char *what,
				   int *ret)
{
	if (!path)
		return us_file_memfd(what, bytes, ret);
	*ret = open(path, O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? us_err_os(errno, "opening %s", path) : NULL;
}

static struct us_err *call_file(const struct us_plan *plan, struct us_host *host, int *ret_errno)
{
	const struct us_image *image = plan->image;
	bool whole = image->kernel.p == image->file.p && image->kernel.n == image->file.n;
	_us_close_ int kernel = -1, initrd = -1;

	US_TRY(file_or_copy(whole ? image->path : NULL, image->kernel, "kernel", &kernel));
	if (plan->initrd && plan->initrd->bytes.n)
		US_TRY(file_or_copy(plan->initrd->path, plan->initrd->bytes, "initrd", &initrd));
	*ret_errno =
		host->act.kexec_file_load(host->act.data, kernel, initrd, strlen(plan->cmdline) + 1,
					  plan->cmdline, plan->flags);
	return NULL;
}

static struct us_err *seed(uint8_t *page, size_t n, uint64_t addr)
{
	uint8_t *rng = us_x86_page_rng(page, n, addr);

	if (rng && getrandom(rng, US_RNG_SEED_BYTES, 0) != US_RNG_SEED_BYTES)
		return us_err_os(errno, "getting a random seed for the next kernel");
	return NULL;
}

/* The plan's segments as the kernel takes them; page and purgatory as copies that are finished. */
static struct us_err *finish(const struct us_plan *plan, struct us_blob *page,
			     struct us_blob *purgatory, struct us_kexec_segment *ret)
{
	for (size_t i = 0; i < plan->n_segments; i++) {
		const struct us_segment *s = &plan->segments[i];
		struct us_blob *copy = s->role == US_SEG_BOOT_PARAMS ? page
				       : s->role == US_SEG_PURGATORY ? purgatory
								     : NULL;

		if (copy)
			US_TRY(us_blob_copy(s->bytes, copy));
		if (s->role == US_SEG_BOOT_PARAMS)
			US_TRY(seed(page->p, page->n, s->dest.start));
		ret[i] = (struct us_kexec_segment){ .buf = copy ? copy->p : s->bytes.p,
						    .bufsz = s->bytes.n,
						    .mem = s->dest.start,
						    .memsz = s->dest.size };
	}
	if (purgatory->n)
		us_purgatory_seal(purgatory->p, ret, plan->n_segments);
	return NULL;
}

static struct us_err *call_load(const struct us_plan *plan, struct us_host *host, int *ret_errno)
{
	_us_blob_deinit_ struct us_blob page = { 0 }, purgatory = { 0 };
	struct us_kexec_segment segments[US_SEGMENTS_MAX];

	US_TRY(finish(plan, &page, &purgatory, segments));
	*ret_errno = host->act.kexec_load(host->act.data, plan->entry, plan->n_segments, segments,
					  plan->flags);
	return NULL;
}

/* What must hold before the kernel frees what is armed. */
static struct us_err *refuse_hopeless(const struct us_plan *plan)
{
	const struct us_handover *h = &plan->handover;
	uint32_t max = plan->image->cmdline_max;

	if (plan->no_room)
		return us_err_new(US_ERR_NO_ROOM, "%s", plan->no_room);
	if (plan->call == US_CALL_LOAD && max && strlen(h->cmdline) > max)
		return us_err_new(US_ERR_NO_ROOM,
				  "the command line has %zu characters, the image takes %u",
				  strlen(h->cmdline), max);
	return NULL;
}

static struct us_err *call(const struct us_plan *plan, struct us_host *host, int *ret_errno)
{
	US_TRY(refuse_hopeless(plan));
	return plan->call == US_CALL_FILE ? call_file(plan, host, ret_errno)
					  : call_load(plan, host, ret_errno);
}

static enum us_tri armed(const struct us_host *host)
{
	return us_known(host->crash_loaded.o) ? us_tri_of(host->crash_loaded.v != 0) : US_UNKNOWN;
}

/* Is what was asked for loaded, by the kernel's own word? Unknown counts as the call's answer. */
static bool state_agrees(const struct us_host *host, enum us_purpose purpose, bool want)
{
	const struct us_fact_u64 *loaded =
		purpose == US_CRASH ? &host->crash_loaded : &host->kexec_loaded;

	return host->act.recording || !us_known(loaded->o) || (loaded->v != 0) == want;
}

/* A kernel without CONFIG_CRASH_DUMP (6.9 and later) takes a crash image as an ordinary one. */
static void take_back(struct us_host *host, enum us_call by)
{
	if (by == US_CALL_FILE)
		host->act.kexec_file_load(host->act.data, -1, -1, 0, NULL, US_KEXEC_FILE_UNLOAD);
	else
		host->act.kexec_load(host->act.data, 0, 0, NULL, host->arch->kexec_arch);
}

static struct us_err *judge_success(const struct us_plan *plan, struct us_host *host,
				    struct us_outcome *out)
{
	out->done = state_agrees(host, plan->purpose, true);
	if (out->done)
		return NULL;
	out->meaning = "the call succeeded, but the kernel does not say that the image is loaded";
	if (plan->purpose != US_CRASH)
		return NULL;
	out->meaning = "the call succeeded, but the kernel took the image as an ordinary one and "
		       "would not start it at a crash: it is built without CONFIG_CRASH_DUMP; the "
		       "image was unloaded again";
	take_back(host, plan->call);
	return us_host_refresh_kexec(host);
}

/* After a refused crash load: what is armed now, and the previous image again if nothing is. */
static struct us_err *rearm(struct us_host *host, const struct us_plan *previous, bool was_armed,
			    struct us_outcome *out)
{
	_us_err_free_ struct us_err *err = NULL;
	int os_errno = 0;

	if (armed(host) == US_YES) {
		out->armed_with = "the image that was armed before";
		return NULL;
	}
	out->armed_with = "none";
	if (!was_armed)
		return NULL;
	out->armed_with = "none: the kernel freed the armed image and it is not known what it was";
	if (!previous)
		return NULL;
	err = call(previous, host, &os_errno);
	US_TRY(us_host_refresh_kexec(host));
	if (!err && !os_errno && state_agrees(host, US_CRASH, true)) {
		out->armed_with = "the previous image, loaded again";
		return NULL;
	}
	out->armed_with = us_pool_format(
		&out->pool, "none: the previous image could not be loaded again: %s",
		err ? err->text : us_errno_meaning(previous, host, previous->call, os_errno));
	return out->armed_with ? NULL : us_err_nomem();
}

static struct us_err *keep_log(struct us_kmsg *mark, struct us_outcome *out)
{
	_us_err_free_ struct us_err *err = NULL;
	_us_free_ char *log = NULL;

	out->kernel_log = "";
	if (!mark)
		return NULL;
	err = us_kmsg_since(mark, &log);
	if (!err) /* a log that cannot be read is no reason to fail */
		out->kernel_log = us_pool_strdup(&out->pool, log);
	return out->kernel_log ? NULL : us_err_nomem();
}

static void kmsg_freep(struct us_kmsg **mark)
{
	us_kmsg_free(*mark);
}

static struct us_err *mark_log(const struct us_host *host, struct us_kmsg **ret)
{
	_us_err_free_ struct us_err *err = NULL;

	if (host->live && !host->act.recording)
		err = us_kmsg_mark(ret);
	return err && err->code == US_ERR_NOMEM ? us_steal(&err) : NULL;
}

static struct us_err *commit(const struct us_plan *plan, struct us_host *host,
			     const struct us_plan *previous, struct us_outcome *out)
{
	__attribute__((cleanup(kmsg_freep))) struct us_kmsg *mark = NULL;
	bool was_armed;

	US_TRY(us_host_refresh_kexec(host));
	was_armed = armed(host) == US_YES;
	US_TRY(mark_log(host, &mark));
	out->call = call_name(plan->call);
	out->armed_with = "";
	US_TRY(call(plan, host, &out->os_errno));
	US_TRY(us_host_refresh_kexec(host));
	US_TRY(keep_log(mark, out));
	if (out->os_errno)
		out->meaning = us_errno_meaning(plan, host, plan->call, out->os_errno);
	else
		US_TRY(judge_success(plan, host, out));
	if (plan->purpose != US_CRASH)
		return NULL;
	if (out->done)
		out->armed_with = "this image";
	else
		US_TRY(rearm(host, previous, was_armed, out));
	out->armed = armed(host);
	return NULL;
}

struct us_err *us_plan_commit(const struct us_plan *plan, struct us_host *host,
			      const struct us_plan *previous, struct us_outcome *ret)
{
	struct us_outcome out = { .meaning = "", .kernel_log = "" };
	struct us_err *err = commit(plan, host, previous, &out);

	if (err)
		us_outcome_deinit(&out);
	else
		*ret = out;
	return err;
}

/* One try to unload by one call. */
static int unload_by(struct us_host *host, enum us_purpose purpose, enum us_call by)
{
	bool crash = purpose == US_CRASH;

	if (by == US_CALL_FILE)
		return host->act.kexec_file_load(host->act.data, -1, -1, 0, NULL,
						 US_KEXEC_FILE_UNLOAD |
							 (crash ? US_KEXEC_FILE_ON_CRASH : 0));
	return host->act.kexec_load(host->act.data, 0, 0, NULL,
				    (crash ? US_KEXEC_ON_CRASH : 0) | host->arch->kexec_arch);
}

static struct us_err *unload(struct us_host *host, enum us_purpose purpose, enum us_call by,
			     struct us_outcome *out)
{
	__attribute__((cleanup(kmsg_freep))) struct us_kmsg *mark = NULL;
	enum us_call first = by;

	if (by == US_CALL_AUTO)
		first = host->has_kexec_file_load.v == US_NO ? US_CALL_LOAD : US_CALL_FILE;
	US_TRY(mark_log(host, &mark));
	out->os_errno = unload_by(host, purpose, first);
	if (out->os_errno == ENOSYS && by == US_CALL_AUTO && first == US_CALL_FILE) {
		first = US_CALL_LOAD; /* not a refusal: the call does not exist */
		out->os_errno = unload_by(host, purpose, first);
	}
	out->call = call_name(first);
	US_TRY(us_host_refresh_kexec(host));
	US_TRY(keep_log(mark, out));
	if (out->os_errno)
		out->meaning = us_errno_meaning(NULL, host, first, out->os_errno);
	out->done = !out->os_errno && state_agrees(host, purpose, false);
	if (!out->os_errno && !out->done)
		out->meaning =
			"the call succeeded, but the kernel says that an image is still loaded";
	out->armed = armed(host);
	return NULL;
}

struct us_err *us_unload(struct us_host *host, enum us_purpose purpose, enum us_call by,
			 struct us_outcome *ret)
{
	struct us_outcome out = { .meaning = "", .kernel_log = "", .armed_with = "" };
	struct us_err *err = unload(host, purpose, by, &out);

	if (err)
		us_outcome_deinit(&out);
	else
		*ret = out;
	return err;
}

void us_outcome_deinit(struct us_outcome *outcome)
{
	us_pool_deinit(&outcome->pool);
	*outcome = (struct us_outcome){ 0 };
}
