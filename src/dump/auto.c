/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec "auto": lzo while packing is what takes the time, fast zstd when writing is. Each chunk
 * says how long it was packed and how long it waited for the sink; from that follows what the other
 * codec would take. A sink that is once found slow counts as slow for a while, then lzo is tried
 * again, ever more seldom.
 */
#include "dump/dump-int.h"

#define FIRST_LOOK 4  /* chunks: two of each codec */
#define FIRST_HOLD 64 /* chunks until lzo is tried again */
#define LAST_HOLD  1024
#define TRIAL      2    /* chunks of lzo in such a trial */
#define WAITS      0.25 /* more of the time in writing than this: the sink is the limit */

void us_auto_init(struct us_auto *pace, unsigned int jobs)
{
	*pace = (struct us_auto){ .jobs = jobs ? jobs : 1, .hold = FIRST_HOLD, .slow = true };
	pthread_mutex_init(&pace->lock, NULL);
}

void us_auto_deinit(struct us_auto *pace)
{
	pthread_mutex_destroy(&pace->lock);
}

enum us_page_codec us_auto_pick(struct us_auto *pace)
{
	enum us_page_codec codec;
	uint64_t n;

	pthread_mutex_lock(&pace->lock);
	n = pace->chunks++;
	codec = pace->slow ? US_PAGE_ZSTD : US_PAGE_LZO;
	if (n < FIRST_LOOK)
		codec = n & 1 ? US_PAGE_LZO : US_PAGE_ZSTD;
	else if (pace->slow && n >= pace->hold_until) {
		codec = US_PAGE_LZO;
		if (n >= pace->hold_until + TRIAL - 1) {
			pace->hold = pace->hold < LAST_HOLD ? pace->hold * 2 : LAST_HOLD;
			pace->hold_until = n + pace->hold;
		}
	}
	pthread_mutex_unlock(&pace->lock);
	return codec;
}

/* Wall time for a byte of input with this codec and this sink. */
static double time_of(const struct us_auto *pace, const struct us_auto_codec *c)
{
	double pack = c->ns_per_byte / pace->jobs;
	double sink = pace->sink > 0 ? c->ratio / pace->sink : 0;

	return pack > sink ? pack : sink;
}

static double blend(double old, double now)
{
	return old > 0 ? old * 0.75 + now * 0.25 : now;
}

void us_auto_note(struct us_auto *pace, enum us_page_codec codec, uint64_t in, uint64_t out,
		  uint64_t pack_ns, uint64_t write_ns)
{
	struct us_auto_codec *c = codec == US_PAGE_LZO ? &pace->lzo : &pace->zstd;
	double all = (double)pack_ns + (double)write_ns;
	bool was_slow;

	if (!in || !out || all <= 0)
		return;
	pthread_mutex_lock(&pace->lock);
	was_slow = pace->slow;
	c->ns_per_byte = blend(c->ns_per_byte, (double)pack_ns / (double)in);
	c->ratio = blend(c->ratio, (double)out / (double)in);
	if ((double)write_ns > WAITS * all)
		pace->sink = blend(pace->sink, (double)out * pace->jobs / all);
	else if (codec == US_PAGE_LZO)
		pace->sink = 0; /* it takes all that lzo makes */
	if (pace->lzo.ratio > 0 && pace->zstd.ratio > 0 && codec == US_PAGE_LZO)
		pace->slow = time_of(pace, &pace->zstd) <= 1.05 * time_of(pace, &pace->lzo);
	if (pace->slow && !was_slow)
		pace->hold_until = pace->chunks + pace->hold;
	pthread_mutex_unlock(&pace->lock);
}
