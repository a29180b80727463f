/* SPDX-License-Identifier: GPL-2.0-or-later */
/* state.txt of a capture that may have died anywhere. */
#include "fuzz.h"

#include "crash/crash.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct us_capture_state state = { 0 };

	MUST(!us_capture_state_parse(us_bytes_of(data, size), &state));
	for (size_t i = 0; i < state.n_stages; i++)
		MUST(state.stages[i].begin_ms <= state.stages[i].end_ms && state.stages[i].name);
	for (size_t i = 0; i < state.n; i++)
		MUST(*state.keys[i] && us_capture_state_text(&state, state.keys[i], 0));
	us_capture_state_deinit(&state);
	return 0;
}
