/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy targets: each configured target judged on this machine (what it lies on, which modules
 * that takes, why it cannot be used), with --probe tried by a real write, and the table of what is
 * supported at all. It judges the way to a target; whether the whole can be armed is arm's to say.
 */
#include "cmd/cmd-int.h"
#include "cmd/places-int.h"
#include "cmd/supported-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

#define PROBE_BYTES (1u << 20)

struct opts {
	bool json, probe, need_network, table;
	const char *config, *host;
};

static const struct us_option options[] = {
	{ 0, "config", US_OPT_FILE, "FILE",
	  "Take the targets of FILE instead of /etc/understudy.conf",
	  offsetof(struct opts, config) },
	{ 0, "probe", US_OPT_FLAG, NULL,
	  "Try each target: write, bring to the disk, read back, compare, delete",
	  offsetof(struct opts, probe) },
	{ 0, "table", US_OPT_FLAG, NULL, "Show the table of what is supported, and nothing else",
	  offsetof(struct opts, table) },
	{ 0, "need-network", US_OPT_FLAG, NULL,
	  "Say nothing; the exit status is 0 if a target needs the network, 1 if none does",
	  offsetof(struct opts, need_network) },
	{ 0, "host", US_OPT_DIR, "DIR", "Judge the machine recorded in DIR",
	  offsetof(struct opts, host) },
	US_OPTION_JSON,
	{ 0 },
};

static void walk_freep(struct us_walk_result **walk)
{
	us_walk_result_free(*walk);
}

struct run {
	const struct opts *o;
	struct us_places places;
	const struct us_walk_result *walk;
	struct us_out out;
	json_object *json; /* NULL: text */
	int status;
};

/* ---- what a target lies on, in the table's words ---- */

#define RESTS_MAX 16

struct rests {
	const struct us_supported *row[RESTS_MAX];
	size_t n;
};

static void rests_add(struct rests *rests, const char *key)
{
	const struct us_supported *row = us_supported_find(key);

	for (size_t i = 0; i < rests->n; i++)
		if (rests->row[i] == row)
			return;
	if (row && rests->n < RESTS_MAX)
		rests->row[rests->n++] = row;
}

static const struct us_recipe_device *device_of(const struct us_walk_result *walk, const char *name,
						size_t n)
{
	for (size_t i = 0; i < walk->n_devices; i++)
		if (strlen(walk->devices[i].name) == n && !strncmp(walk->devices[i].name, name, n))
			return &walk->devices[i];
	return NULL;
}

/* Names of devices stand in tables as ${NAME}; lower ones come first, so this ends. */
static void rests_device(const struct us_walk_result *walk, struct rests *rests,
			 const struct us_recipe_device *d, int depth)
{
	if (!d || depth > 8)
		return;
	if (d->kind == US_DEVICE_FOUND)
		rests_add(rests, "partition");
	if (d->kind == US_DEVICE_MD) {
		rests_add(rests, "md");
		for (const char *const *m = d->members; m && *m; m++)
			rests_device(walk, rests, device_of(walk, *m, strlen(*m)), depth + 1);
	}
	for (const char *const *line = d->table; d->kind == US_DEVICE_DM && line && *line; line++) {
		char type[32] = "";

		if (sscanf(*line, "%*s %*s %31s", type) == 1)
			rests_add(rests, type);
		for (const char *p = strstr(*line, "${"); p; p = strstr(p + 2, "${"))
			rests_device(walk, rests, device_of(walk, p + 2, strcspn(p + 2, "}")),
				     depth + 1);
	}
}

static void rests_of(const struct us_walk_result *walk, size_t i, struct rests *rests)
{
	const struct us_recipe_target *t = i < walk->n_targets ? &walk->targets[i] : NULL;

	if (!t)
		return;
	rests_add(rests, us_target_kind_name(t->spec.kind));
	if (t->fs)
		rests_add(rests, t->fs);
	if (t->device)
		rests_device(walk, rests, device_of(walk, t->device, strlen(t->device)), 0);
	if (t->network)
		rests_add(rests, "ethernet");
}

/* ---- one target ---- */

struct judged {
	const char *problem; /* NULL: it can be used */
	struct rests rests;
	const char *modules;
	struct us_probe probe;
	bool probed;
};

static const char *modules_of(struct run *r, int target)
{
	_us_text_deinit_ struct us_text t = { 0 };

	for (size_t i = 0; i < r->walk->n_modules; i++)
		if (r->walk->modules[i].target == target || r->walk->modules[i].target == -1)
			us_text_add(&t, "%s%s", t.n ? " " : "", r->walk->modules[i].name);
	return t.failed ? NULL : us_pool_strdup(&r->places.pool, t.s ? t.s : "");
}

static struct us_err *try_it(struct run *r, struct us_place *place, struct judged *j)
{
	struct us_err *err;

	if (place->spec->kind == US_TARGET_DIR) { /* as arming does, it makes the directory */
		err = us_target_open(place->spec, "", 0, &place->target);
	} else {
		us_place_open(place, place->spec->budget_s);
		err = us_steal(&place->problem);
	}
	if (!err)
		err = us_target_probe(place->target, PROBE_BYTES, &j->probe);
	if (err && err->code == US_ERR_NOMEM)
		return err;
	j->probed = !err;
	if (err)
		j->problem = us_pool_strdup(&r->places.pool, err->text);
	us_err_free(err);
	return NULL;
}

static struct us_err *judge(struct run *r, size_t i, struct judged *j)
{
	j->problem = r->walk->problems[i];
	j->modules = modules_of(r, (int)i);
	if (!j->modules)
		return us_err_nomem();
	rests_of(r->walk, i, &j->rests);
	if (!j->problem && r->o->probe)
		US_TRY(try_it(r, &r->places.v[i], j));
	if (j->problem)
		r->status = US_EXIT_BLOCKED;
	return NULL;
}

static void print_target(struct run *r, const struct us_place *place, const struct judged *j)
{
	_us_text_deinit_ struct us_text text = { 0 };
	char size[US_TEXT_SIZE_MAX];

	us_out_head(&r->out, "%s", place->spec->text);
	us_out_row(&r->out, "Kind", "%s", us_target_kind_name(place->spec->kind));
	if (j->problem)
		us_out_row(&r->out, "Cannot be used", "%s", j->problem);
	else
		us_out_row(&r->out, "Can be used", "%s",
			   j->probed ? "it was tried" : "by what is known of it; --probe tries it");
	for (size_t i = 0; i < j->rests.n; i++)
		us_text_add(&text, "%s%s (%s)", i ? ", " : "", j->rests.row[i]->name,
			    us_supported_state_name(j->rests.row[i]->state));
	if (text.n && !text.failed)
		us_out_row(&r->out, "Lies on", "%s", text.s);
	if (*j->modules && !j->problem)
		us_out_row(&r->out, "Modules", "%s", j->modules);
	for (size_t i = 0; j->probed && j->probe.steps[i]; i++)
		us_out_row(&r->out, i ? "" : "Tried", "%s", j->probe.steps[i]);
	if (j->probed && j->probe.free_bytes != UINT64_MAX)
		us_out_row(&r->out, "Free", "%s", us_text_size(j->probe.free_bytes, size));
}

static void json_target(struct run *r, const struct us_place *place, const struct judged *j)
{
	json_object *obj = us_json_item(json_object_object_get(r->json, "targets")), *list;

	us_json_str(obj, "target", place->spec->text);
	us_json_str(obj, "kind", us_target_kind_name(place->spec->kind));
	us_json_bool(obj, "usable", !j->problem);
	us_json_str(obj, "problem", j->problem);
	list = us_json_list(obj, "lies_on");
	for (size_t i = 0; i < j->rests.n; i++)
		us_json_add_str(list, j->rests.row[i]->key);
	us_json_str(obj, "modules", j->modules);
	us_json_bool(obj, "probed", j->probed);
	list = us_json_list(obj, "steps");
	for (size_t i = 0; j->probed && j->probe.steps[i]; i++)
		us_json_add_str(list, j->probe.steps[i]);
	if (j->probed && j->probe.free_bytes != UINT64_MAX)
		us_json_num(obj, "free_bytes", j->probe.free_bytes);
	else
		json_object_object_add(obj, "free_bytes", NULL);
}

static struct us_err *all_targets(struct run *r)
{
	for (size_t i = 0; i < r->places.n; i++) {
		struct judged j = { 0 };
		struct us_err *err = judge(r, i, &j);

		if (!err && r->json)
			json_target(r, &r->places.v[i], &j);
		else if (!err)
			print_target(r, &r->places.v[i], &j);
		us_probe_deinit(&j.probe);
		if (err)
			return err;
	}
	if (r->json) {
		json_object *list = us_json_list(r->json, "notes");

		for (const char *const *n = r->walk->notes; n && *n; n++)
			us_json_add_str(list, *n);
		return NULL;
	}
	for (const char *const *n = r->walk->notes; n && *n; n++)
		us_out_para(&r->out, 0, 2, "Note: %s", *n);
	return NULL;
}

/* ---- the table ---- */

static void print_table(struct us_out *out)
{
	const struct us_supported *s;
	const char *group = "";

	for (size_t i = 0; (s = us_supported_at(i)); i++) {
		if (strcmp(group, s->group))
			us_out_head(out, "%s", s->group);
		group = s->group;
		us_out_row(out, us_supported_state_name(s->state), "%s%s%s", s->name,
			   s->note ? ": " : "", s->note ? s->note : "");
	}
}

static void json_table(json_object *obj)
{
	json_object *list = us_json_list(obj, "supported");
	const struct us_supported *s;

	for (size_t i = 0; (s = us_supported_at(i)); i++) {
		json_object *item = us_json_item(list);

		us_json_str(item, "group", s->group);
		us_json_str(item, "key", s->key);
		us_json_str(item, "name", s->name);
		us_json_str(item, "state", us_supported_state_name(s->state));
		us_json_str(item, "note", s->note);
		us_json_str(item, "test", s->test);
	}
}

/* ---- the command ---- */

static int need_network(const struct us_crash_config *config)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };

	for (size_t i = 0; i < config->n_targets; i++) {
		struct us_target_needs needs = { 0 };
		struct us_err *err = us_target_needs(&config->targets[i], &pool, &needs);

		if (err)
			return us_cmd_fail(err, false);
		if (needs.network)
			return US_EXIT_OK;
	}
	return US_EXIT_BLOCKED;
}

static struct us_err *walk_and_judge(struct run *r, const struct us_machine *m)
{
	__attribute__((cleanup(walk_freep))) struct us_walk_result *walk = NULL;

	if (r->o->probe && !m->host->live)
		return us_err_new(US_ERR_USAGE, "a recorded machine's targets cannot be tried");
	US_TRY(us_crash_walk(m->host, r->places.config, &walk));
	r->walk = walk;
	if (r->json)
		us_json_list(r->json, "targets");
	return all_targets(r);
}

static struct us_err *begin(struct run *r, const struct us_machine *m)
{
	US_TRY(us_places_find(m->host->root_fd, r->o->config, NULL, &r->places));
	if (!r->o->json)
		return NULL;
	r->json = us_json_new("targets");
	return r->json ? NULL : us_err_nomem();
}

static int run(void *opts, int argc, char **argv)
{
	_us_machine_deinit_ struct us_machine m = { 0 };
	struct run r = { .o = opts, .status = US_EXIT_OK };
	struct us_err *err;

	(void)argc;
	(void)argv;
	us_out_init(stdout, &r.out);
	err = us_machine_open(r.o->host, &m);
	if (!err)
		err = begin(&r, &m);
	if (!err && r.o->need_network) {
		r.status = need_network(r.places.config);
	} else if (!err) {
		if (!r.o->table)
			err = walk_and_judge(&r, &m);
		if (!err && r.json)
			json_table(r.json);
		else if (!err)
			print_table(&r.out);
	}
	if (err) {
		json_object_put(r.json);
		r.status = us_cmd_fail(err, r.o->json);
	} else if (r.json && !r.o->need_network) {
		us_json_num(r.json, "exit", (uint64_t)r.status);
		r.status = us_cmd_json(r.json, r.status);
	}
	us_places_deinit(&r.places);
	return r.status;
}

const struct us_cmd us_cmd_targets = {
	.name = "targets",
	.brief = "Judge the configured targets, and show what is supported",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
