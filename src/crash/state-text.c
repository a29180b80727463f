/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.txt as the capture leaves it beside a saved log (capture.h has its lines) -> values. It may
 * be cut anywhere and hold anything: a line that makes no sense is left out.
 */
#include "crash/capture.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>

#define LINES_MAX 65536

struct room {
	struct us_state_stage *stages;
	struct us_state_sample *samples;
	const char **keys, **values;
};

/* Three words, the last one to the end of the line. */
static bool split(char *line, char *ret[3])
{
	char *rest = line;

	ret[0] = strsep(&rest, " ");
	ret[1] = strsep(&rest, " ");
	ret[2] = rest;
	return ret[2] != NULL;
}

static void take_stage(struct us_capture_state *state, const struct room *room, char *value)
{
	struct us_state_stage s = { .end_ms = UINT64_MAX };
	char *words[3];

	if (!split(value, words) || !us_text_u64(words[0], 10, &s.begin_ms))
		return;
	if (strcmp(words[1], "-") && !us_text_u64(words[1], 10, &s.end_ms))
		return;
	if (s.end_ms < s.begin_ms)
		return;
	s.name = words[2];
	room->stages[state->n_stages++] = s;
}

static void take_sample(struct us_capture_state *state, const struct room *room, char *value)
{
	struct us_state_sample s;
	char *words[3];

	if (split(value, words) && us_text_u64(words[0], 10, &s.ms) &&
	    us_text_u64(words[1], 10, &s.available) && us_text_u64(words[2], 10, &s.used))
		room->samples[state->n_samples++] = s;
}

static void take_line(struct us_capture_state *state, const struct room *room, char *line)
{
	char *equals = strchr(line, '=');

	if (!equals || equals == line)
		return;
	*equals = 0;
	if (!strcmp(line, "stage")) {
		take_stage(state, room, equals + 1);
	} else if (!strcmp(line, "memory")) {
		take_sample(state, room, equals + 1);
	} else {
		room->keys[state->n] = line;
		room->values[state->n++] = equals + 1;
	}
}

static void deinit(struct us_capture_state *state)
{
	us_capture_state_deinit(state);
}

struct us_err *us_capture_state_parse(struct us_bytes text, struct us_capture_state *ret)
{
	__attribute__((cleanup(deinit))) struct us_capture_state state = { 0 };
	char *copy = us_pool_strndup(&state.pool, (const char *)text.p, text.n), *line;
	struct room room;
	size_t n = 1;

	if (!copy)
		return us_err_nomem();
	for (const char *c = copy; *c; c++)
		n += *c == '\n';
	n = n < LINES_MAX ? n : LINES_MAX;
	room.stages = us_pool_array(&state.pool, n, sizeof(*room.stages));
	room.samples = us_pool_array(&state.pool, n, sizeof(*room.samples));
	room.keys = us_pool_array(&state.pool, n, sizeof(*room.keys));
	room.values = us_pool_array(&state.pool, n, sizeof(*room.values));
	if (!room.stages || !room.samples || !room.keys || !room.values)
		return us_err_nomem();
	for (size_t i = 0; i < n && (line = strsep(&copy, "\n")); i++)
		take_line(&state, &room, line);
	state.stages = room.stages;
	state.samples = room.samples;
	state.keys = room.keys;
	state.values = room.values;
	*ret = state;
	state = (struct us_capture_state){ 0 };
	return NULL;
}

const char *us_capture_state_text(const struct us_capture_state *state, const char *key, size_t nth)
{
	for (size_t i = 0; i < state->n; i++)
		if (!strcmp(state->keys[i], key) && !nth--)
			return state->values[i];
	return NULL;
}

void us_capture_state_deinit(struct us_capture_state *state)
{
	us_pool_deinit(&state->pool);
	*state = (struct us_capture_state){ 0 };
}
