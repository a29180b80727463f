/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of kinds, and what is the same for all of them: names are looked at before a kind sees
 * them, deadlines are checked, lists are sorted, saved crashes are pruned, targets are probed.
 * How bytes get to a target is in one file a kind.
 */
#include "base/cleanup.h"
#include "target/target-int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>

#define NAME_MOST  120
#define PROBE_NAME 100

static const struct us_target_ops *const kinds[US_TARGET_KINDS] = {
	[US_TARGET_DIR] = &us_target_dir,   [US_TARGET_RAW] = &us_target_raw,
	[US_TARGET_NFS] = &us_target_nfs,   [US_TARGET_SSH] = &us_target_ssh,
	[US_TARGET_HTTP] = &us_target_http, [US_TARGET_S3] = &us_target_s3,
};

struct us_err *us_target_in_time(const struct us_target *t, const char *what)
{
	if (t->deadline_ns && us_target_now_ns() >= t->deadline_ns)
		return us_err_os(ETIMEDOUT, "%s: %s", t->spec.text, what);
	return NULL;
}

struct us_err *us_target_os(int os_errno, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (os_errno == ENOSPC || os_errno == EDQUOT || os_errno == EFBIG)
		return us_err_new(US_ERR_NO_ROOM, "%s: %s", text, strerror(os_errno));
	return us_err_os(os_errno, "%s", text);
}

/* "20260102-030405-6.12": what else lies in the directory is somebody else's. */
bool us_target_is_crash(const char *name)
{
	static const char shape[] = "dddddddd-dddddd-";

	for (size_t i = 0; i < sizeof(shape) - 1; i++)
		if (shape[i] == 'd' ? name[i] < '0' || name[i] > '9' : name[i] != shape[i])
			return false;
	return name[sizeof(shape) - 1] && strlen(name) <= NAME_MOST && !strchr(name, '/');
}

static struct us_err *look_at_name(const char *what, const char *name)
{
	if (!us_target_name_ok(name))
		return us_err_new(US_ERR_USAGE, "\"%s\" is no name of %s", name, what);
	return NULL;
}

static const struct us_target_ops *ops_of(enum us_target_kind kind)
{
	return (unsigned int)kind < US_TARGET_KINDS ? kinds[kind] : NULL;
}

/* "" is as good as none. */
static void tidy(struct us_target_spec *spec)
{
	const char **const texts[] = { &spec->port,        &spec->user,     &spec->address,
				       &spec->options,     &spec->identity, &spec->known_hosts,
				       &spec->credentials, &spec->ca,       &spec->host };

	for (size_t i = 0; i < us_array_size(texts); i++)
		if (*texts[i] && !**texts[i])
			*texts[i] = NULL;
	spec->path = spec->path ? spec->path : "";
	spec->share = spec->share ? spec->share : "";
}

struct us_err *us_target_open(const struct us_target_spec *spec, const char *root,
			      uint64_t deadline_ns, struct us_target **ret)
{
	const struct us_target_ops *ops = ops_of(spec->kind);
	_us_target_close_ struct us_target *t = NULL;

	if (!ops)
		return us_err_new(US_ERR_UNSUPPORTED, "%s: this program knows no %s targets",
				  spec->text, us_target_kind_name(spec->kind));
	t = calloc(1, sizeof(*t));
	if (!t)
		return us_err_nomem();
	t->ops = ops;
	t->spec = *spec;
	tidy(&t->spec);
	t->spec.text = spec->text ? spec->text : spec->path;
	t->root = root ? root : "";
	t->deadline_ns = deadline_ns;
	US_TRY(ops->open(t));
	*ret = us_steal(&t);
	return NULL;
}

void us_target_close(struct us_target *target)
{
	if (!target)
		return;
	target->ops->close(target);
	us_pool_deinit(&target->pool);
	free(target);
}

static struct us_err *cannot(const struct us_target *t, const char *what)
{
	return us_err_new(US_ERR_UNSUPPORTED, "%s: %s", t->spec.text, what);
}

struct us_err *us_target_free_bytes(struct us_target *target, uint64_t *ret)
{
	if (!target->ops->free_bytes)
		return cannot(target, "it is not told how much room there is");
	US_TRY(us_target_in_time(target, "asking for its room"));
	return target->ops->free_bytes(target, ret);
}

struct us_err *us_target_put(struct us_target *target, const char *crash, const char *name,
			     struct us_bytes bytes)
{
	US_TRY(look_at_name("a crash", crash));
	US_TRY(look_at_name("a file", name));
	US_TRY(us_target_in_time(target, name));
	return target->ops->put(target, crash, name, bytes);
}

struct us_err *us_target_get(struct us_target *target, const char *crash, const char *name,
			     size_t max, struct us_blob *ret)
{
	US_TRY(look_at_name("a crash", crash));
	US_TRY(look_at_name("a file", name));
	if (!target->ops->get)
		return cannot(target, "nothing can be read back from it");
	US_TRY(us_target_in_time(target, name));
	return target->ops->get(target, crash, name, max, ret);
}

struct us_err *us_target_dump_begin(struct us_target *target, const char *crash,
				    const char **ret_path, struct us_sink **ret_sink)
{
	const char *path = NULL;
	struct us_sink *sink = NULL;

	US_TRY(look_at_name("a crash", crash));
	US_TRY(us_target_in_time(target, "beginning the dump"));
	target->crash = us_pool_strdup(&target->pool, crash);
	if (!target->crash)
		return us_err_nomem();
	US_TRY(target->ops->dump_begin(target, crash, &path, &sink));
	*ret_path = path;
	*ret_sink = sink;
	return NULL;
}

struct us_err *us_target_dump_end(struct us_target *target, bool finished, struct us_pool *pool,
				  const char **ret_where)
{
	return target->ops->dump_end(target, finished, pool, ret_where);
}

static int by_name(const void *a, const void *b)
{
	const struct us_saved *x = a, *y = b;

	return strcmp(x->crash, y->crash);
}

static struct us_err *list(struct us_target *target, struct us_pool *pool, struct us_saved **ret,
			   size_t *ret_n)
{
	const struct us_saved *saved = NULL;
	struct us_saved *sorted;
	size_t n = 0;

	if (!target->ops->list)
		return cannot(target, "what is saved there cannot be listed");
	US_TRY(us_target_in_time(target, "listing it"));
	US_TRY(target->ops->list(target, pool, &saved, &n));
	sorted = us_pool_array(pool, n + 1, sizeof(*sorted));
	if (!sorted)
		return us_err_nomem();
	if (n) {
		memcpy(sorted, saved, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), by_name);
	}
	*ret = sorted;
	*ret_n = n;
	return NULL;
}

struct us_err *us_target_list(struct us_target *target, struct us_pool *pool,
			      const struct us_saved **ret, size_t *ret_n)
{
	struct us_saved *saved;

	US_TRY(list(target, pool, &saved, ret_n));
	*ret = saved;
	return NULL;
}

struct us_err *us_target_remove(struct us_target *target, const char *crash)
{
	US_TRY(look_at_name("a crash", crash));
	if (!target->ops->remove)
		return cannot(target, "nothing can be removed there");
	US_TRY(us_target_in_time(target, "removing a crash"));
	return target->ops->remove(target, crash);
}

struct pruning {
	struct us_target *target;
	const struct us_keep_policy *policy;
	struct us_saved *saved;
	size_t n, left;
	uint64_t bytes, gone; /* of those left and of those deleted */
	uint64_t need;
};

static bool holds(struct pruning *p)
{
	_us_err_free_ struct us_err *err = NULL;
	const struct us_keep_policy *k = p->policy;
	uint64_t room = UINT64_MAX, want;

	if ((k->max_crashes && p->left > k->max_crashes) ||
	    (k->max_bytes && p->bytes > k->max_bytes))
		return false;
	if (!us_add(p->need, k->min_free, &want))
		want = UINT64_MAX;
	err = us_target_free_bytes(p->target, &room);
	if (!err && k->dry_run && !us_add(room, p->gone, &room))
		room = UINT64_MAX;
	return err || room >= want;
}

/* The next to go: the oldest incomplete one, else the oldest; the newest stays. */
static struct us_saved *next_victim(struct pruning *p)
{
	struct us_saved *victim = NULL;

	for (size_t i = 0; i + 1 < p->n; i++) {
		struct us_saved *s = &p->saved[i];

		if (s->crash && (!victim || (s->incomplete && !victim->incomplete)))
			victim = s;
	}
	return victim;
}

struct us_err *us_target_prune(struct us_target *target, const struct us_keep_policy *policy,
			       uint64_t need, struct us_pool *pool, const char *const **ret_removed)
{
	struct pruning p = { .target = target, .policy = policy, .need = need };
	const char **removed;
	size_t n = 0;

	US_TRY(list(target, pool, &p.saved, &p.n));
	removed = us_pool_array(pool, p.n + 1, sizeof(*removed));
	if (!removed)
		return us_err_nomem();
	*ret_removed = removed;
	p.left = p.n;
	for (size_t i = 0; i < p.n; i++)
		p.bytes += p.saved[i].bytes;
	while (policy->may_prune && !holds(&p)) {
		struct us_saved *victim = next_victim(&p);

		if (!victim)
			break;
		if (!policy->dry_run)
			US_TRY(us_target_remove(target, victim->crash));
		removed[n++] = victim->crash;
		p.left--;
		p.bytes -= victim->bytes;
		p.gone += victim->bytes;
		victim->crash = NULL;
	}
	return NULL;
}

/* ---- the probe ---- */

static struct us_err *random_bytes(size_t n, struct us_blob *ret)
{
	_us_blob_deinit_ struct us_blob b = { 0 };
	uint64_t x = 0;

	US_TRY(us_blob_new(n, &b));
	if (getrandom(&x, sizeof(x), 0) != sizeof(x))
		x = us_target_now_ns();
	for (size_t i = 0; i < n; i++) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		b.p[i] = (uint8_t)(x >> 56);
	}
	*ret = us_blob_steal(&b);
	return NULL;
}

static struct us_err *read_back(struct us_target *target, const char *crash, struct us_bytes want,
				struct us_probe *probe, const char **ret_step)
{
	_us_blob_deinit_ struct us_blob got = { 0 };
	struct us_err *err = us_target_get(target, crash, "probe", want.n + 1, &got);

	if (err && err->code == US_ERR_UNSUPPORTED) {
		us_err_free(err);
		*ret_step = "it cannot be read back from there";
		return NULL;
	}
	if (err)
		return us_err_wrap(err, "reading back what was written");
	if (!us_bytes_equal(us_blob_bytes(&got), want))
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: what was read back is not what was written (%zu bytes, %zu)",
				  target->spec.text, got.n, want.n);
	*ret_step = us_pool_format(&probe->pool, "read the same %zu bytes back", want.n);
	return NULL;
}

/* By the machine's name: what a crash in the middle of a probe leaves is the next one's. */
static void name_probe(char ret[PROBE_NAME])
{
	struct utsname self;
	const char *node = uname(&self) ? "" : self.nodename;

	snprintf(ret, PROBE_NAME, "understudy-probe-%.64s", node);
	for (char *p = ret; *p; p++)
		if (!us_target_name_ok((char[]){ 'x', *p, 0 }))
			*p = '_';
}

static struct us_err *probe_it(struct us_target *target, struct us_bytes bytes,
			       struct us_probe *probe, const char **steps)
{
	uint64_t begin, ns;
	struct us_err *err;
	char crash[PROBE_NAME];
	size_t n = 0;

	name_probe(crash);
	if (target->ops->prepare)
		US_TRY(target->ops->prepare(target, &probe->pool, &steps[n]));
	n += !!steps[n];
	begin = us_target_now_ns();
	US_TRY(us_target_put(target, crash, "probe", bytes));
	ns = us_target_now_ns() - begin;
	probe->bytes_per_s = (double)bytes.n * 1e9 / (double)(ns ? ns : 1);
	steps[n++] = us_pool_format(&probe->pool, "wrote %zu bytes to stable storage in %.1f ms",
				    bytes.n, (double)ns / 1e6);
	err = read_back(target, crash, bytes, probe, &steps[n++]);
	if (target->ops->remove) {
		_us_err_free_ struct us_err *gone = us_target_remove(target, crash);

		if (!err && gone)
			err = us_err_wrap(us_steal(&gone), "removing what was written");
		steps[n++] = "removed it again";
	}
	return err;
}

struct us_err *us_target_probe(struct us_target *target, size_t bytes, struct us_probe *ret)
{
	__attribute__((cleanup(us_probe_deinit))) struct us_probe probe = { .free_bytes =
										    UINT64_MAX };
	_us_err_free_ struct us_err *no_room = NULL;
	_us_blob_deinit_ struct us_blob data = { 0 };
	const char **steps = us_pool_array(&probe.pool, 8, sizeof(*steps));
	size_t most = target->ops->probe_most;

	if (!steps)
		return us_err_nomem();
	if (most && bytes > most)
		bytes = most;
	US_TRY(random_bytes(bytes, &data));
	US_TRY(probe_it(target, us_blob_bytes(&data), &probe, steps));
	no_room = us_target_free_bytes(target, &probe.free_bytes);
	if (no_room && no_room->code != US_ERR_UNSUPPORTED)
		return us_steal(&no_room);
	probe.steps = steps;
	*ret = probe;
	probe = (struct us_probe){ 0 };
	return NULL;
}

void us_probe_deinit(struct us_probe *probe)
{
	us_pool_deinit(&probe->pool);
}
