/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec "auto": lzo while packing is what takes the time, zstd when writing is, in its fastest
 * form or, for a sink that is slower still, in a smaller one. Each chunk says how long it was
 * packed and how long it waited for the sink; from that follows what the other choices would take,
 * for packing goes on while the sink is waited for.
 * What is not chosen is tried again now and then, ever more seldom.
 */
#include "dump/dump-int.h"

#define FIRST_LOOK (2 * US_AUTO_CHOICES) /* chunks: two of each choice */
#define FIRST_HOLD 32                    /* chunks until the others are tried again */
#define LAST_HOLD  1024
#define WAITS      0.25 /* more of the time in writing than this: the sink is the limit */
#define LASTS      0.85 /* of what chunks said before, at each one */
#define SURELY     0.95 /* of the time that lzo takes: so clocks do not decide */

const struct us_auto_choice us_auto_choices[US_AUTO_CHOICES] = {
	{ US_PAGE_LZO, 0 },
	{ US_PAGE_ZSTD, -1 },
	{ US_PAGE_ZSTD, 1 },
};

void us_auto_init(struct us_auto *pace, unsigned int jobs, bool ordered)
{
	*pace = (struct us_auto){
		.jobs = jobs, .writers = ordered ? 1 : jobs, .hold = FIRST_HOLD, .best = 1
	};
	pthread_mutex_init(&pace->lock, NULL);
}

void us_auto_deinit(struct us_auto *pace)
{
	pthread_mutex_destroy(&pace->lock);
}

unsigned int us_auto_pick(struct us_auto *pace)
{
	unsigned int choice;
	uint64_t n;

	pthread_mutex_lock(&pace->lock);
	n = pace->chunks++;
	choice = pace->best;
	if (n < FIRST_LOOK) {
		choice = (unsigned int)(US_AUTO_CHOICES - 1 - n % US_AUTO_CHOICES);
	} else if ((pace->best || pace->sink > 0) && n >= pace->hold_until) {
		choice = (unsigned int)(n - pace->hold_until) % US_AUTO_CHOICES;
		if (n >= pace->hold_until + US_AUTO_CHOICES - 1) {
			pace->hold = pace->hold < LAST_HOLD ? pace->hold * 2 : LAST_HOLD;
			pace->hold_until = n + pace->hold;
		}
	}
	pthread_mutex_unlock(&pace->lock);
	return choice;
}

/* Wall time for a byte of input with this choice and this sink. */
static double time_of(const struct us_auto *pace, const struct us_auto_taken *c)
{
	double pack = c->ns_per_byte / pace->jobs;
	double sink = pace->sink > 0 ? c->ratio / pace->sink : 0;

	return pack > sink ? pack : sink;
}

/* What makes the smallest dump and takes no longer than lzo, which is the choice otherwise. */
static unsigned int best_of(const struct us_auto *pace)
{
	double most = SURELY * time_of(pace, &pace->taken[0]);
	unsigned int best = 0;

	for (unsigned int i = 0; i < US_AUTO_CHOICES; i++) {
		const struct us_auto_taken *c = &pace->taken[i];

		if (c->ratio <= 0)
			return pace->best; /* not seen yet */
		if (time_of(pace, c) <= most && c->ratio < pace->taken[best].ratio)
			best = i;
	}
	return best;
}

static double blend(double old, double now)
{
	return old > 0 ? old * 0.75 + now * 0.25 : now;
}

void us_auto_note(struct us_auto *pace, unsigned int choice, uint64_t in, uint64_t out,
		  uint64_t pack_ns, uint64_t write_ns, uint64_t round_ns)
{
	struct us_auto_taken *c = &pace->taken[choice];
	unsigned int was;

	if (!in || !out || !round_ns)
		return;
	pthread_mutex_lock(&pace->lock);
	was = pace->best;
	c->ns_per_byte = blend(c->ns_per_byte, (double)pack_ns / (double)in);
	c->ratio = blend(c->ratio, (double)out / (double)in);
	/* over several chunks: a small one finds room in a pipe and says nothing */
	pace->out = pace->out * LASTS + (double)out;
	pace->waited = pace->waited * LASTS + (double)write_ns;
	pace->rounds = pace->rounds * LASTS + (double)round_ns;
	if (pace->waited > WAITS * pace->rounds)
		pace->sink = pace->out * pace->writers / pace->rounds;
	else if (choice == 0 && !was)
		pace->sink = 0; /* it takes all that lzo makes */
	pace->best = best_of(pace);
	if (pace->best && !was)
		pace->hold_until = pace->chunks + pace->hold;
	pthread_mutex_unlock(&pace->lock);
}
