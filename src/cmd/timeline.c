/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what a capture noted to what report draws: report knows nothing of the capture. */
#include "cmd/cmd-int.h"

struct us_err *us_cmd_timeline(const struct us_capture_state *state, struct us_pool *pool,
			       struct us_timeline *ret)
{
	struct us_timeline_stage *stages =
		us_pool_array(pool, state->n_stages + 1, sizeof(*stages));
	struct us_timeline_sample *samples =
		us_pool_array(pool, state->n_samples + 1, sizeof(*samples));

	if (!stages || !samples)
		return us_err_nomem();
	for (size_t i = 0; i < state->n_stages; i++)
		stages[i] = (struct us_timeline_stage){ .name = state->stages[i].name,
							.begin_ms = state->stages[i].begin_ms,
							.end_ms = state->stages[i].end_ms };
	for (size_t i = 0; i < state->n_samples; i++)
		samples[i] = (struct us_timeline_sample){ .ms = state->samples[i].ms,
							  .available = state->samples[i].available,
							  .used = state->samples[i].used };
	*ret = (struct us_timeline){ .stages = stages,
				     .n_stages = state->n_stages,
				     .samples = samples,
				     .n_samples = state->n_samples };
	return NULL;
}
