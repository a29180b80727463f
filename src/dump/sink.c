/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sink (base/sink.h) as the file that is written. Where the sink wants its head last, all that
 * stands before the data stays in memory, can be written again and again, and is sent at the end;
 * behind it the file grows without gaps. One thread at a time goes through.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <string.h>
#include <sys/sysinfo.h>

#define HEAD_STEP  (256u << 10)
#define HEAD_LEAST (16u << 20) /* this much of a head is always tried to be kept */
#define GAP_MAX    (64u << 10) /* filled with zeros; a larger one is a mistake of ours */

struct us_far {
	struct us_sink *sink;
	pthread_mutex_t lock;
	uint8_t *head;
	uint64_t head_cap, head_used, head_end; /* head_end UINT64_MAX: not known yet */
	uint64_t next; /* where the sink goes on, unless it takes any order */
};

struct us_err *us_far_new(struct us_sink *sink, struct us_far **ret)
{
	struct us_far *far = calloc(1, sizeof(*far));

	if (!far)
		return us_err_nomem();
	far->sink = sink;
	if (sink->order == US_SINK_HEAD_LAST)
		far->head_end = UINT64_MAX;
	if (pthread_mutex_init(&far->lock, NULL)) {
		free(far);
		return us_err_nomem();
	}
	*ret = far;
	return NULL;
}

void us_far_free(struct us_far *far)
{
	if (!far)
		return;
	pthread_mutex_destroy(&far->lock);
	free(far->head);
	free(far);
}

bool us_far_keeps_head(const struct us_far *far)
{
	return far->sink->order == US_SINK_HEAD_LAST;
}

/* Room for the head up to end; what was not written is zero. */
static struct us_err *grow_head(struct us_far *far, uint64_t end)
{
	uint64_t cap;
	uint8_t *head;

	if (end <= far->head_cap)
		return NULL;
	if (!us_align_up(end, HEAD_STEP, &cap))
		return us_err_nomem();
	head = calloc(1, cap); /* pages that nobody writes to take no memory */
	if (!head)
		return us_err_new(US_ERR_NO_ROOM,
				  "no memory for the %" PRIu64 " MiB before the data", cap >> 20);
	if (far->head)
		memcpy(head, far->head, far->head_cap);
	free(far->head);
	far->head = head;
	far->head_cap = cap;
	return NULL;
}

static uint64_t head_max(void)
{
	struct sysinfo info;
	uint64_t third;

	if (sysinfo(&info))
		return HEAD_LEAST;
	third = ((uint64_t)info.freeram + info.bufferram) * info.mem_unit / 3;
	return third > HEAD_LEAST ? third : HEAD_LEAST;
}

struct us_err *us_far_head(struct us_far *far, uint64_t *bytes)
{
	uint64_t end = *bytes, step = far->sink->head_bytes, max = head_max();

	if (!us_far_keeps_head(far))
		return NULL;
	if (end > max)
		return us_err_new(US_ERR_NO_ROOM,
				  "header, bitmaps and table take %" PRIu64 " MiB and have to be "
				  "kept in memory, which has room for %" PRIu64,
				  end >> 20, max >> 20);
	if (step && end % step && !us_add(end, step - end % step, &end))
		return us_err_new(US_ERR_UNSUPPORTED, "too many pages");
	US_TRY(grow_head(far, end));
	far->head_end = far->next = end;
	*bytes = end;
	return NULL;
}

static struct us_err *fill_gap(struct us_far *far, uint64_t at)
{
	static const uint8_t zeros[4096];

	if (at < far->next || at - far->next > GAP_MAX)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "the far side takes bytes in order: 0x%" PRIx64
				  " comes behind 0x%" PRIx64,
				  at, far->next);
	while (far->next < at) {
		size_t n =
			at - far->next < sizeof(zeros) ? (size_t)(at - far->next) : sizeof(zeros);

		US_TRY(far->sink->write(far->sink, far->next, us_bytes_of(zeros, n)));
		far->next += n;
	}
	return NULL;
}

static struct us_err *write_some(struct us_far *far, uint64_t at, const uint8_t *p, size_t n)
{
	size_t in_head;

	if (far->sink->order == US_SINK_ANY)
		return far->sink->write(far->sink, at, us_bytes_of(p, n));
	in_head = at < far->head_end && n > far->head_end - at ? (size_t)(far->head_end - at)
		  : at < far->head_end                         ? n
							       : 0;
	if (in_head) {
		US_TRY(grow_head(far, at + in_head));
		memcpy(far->head + at, p, in_head);
		if (at + in_head > far->head_used)
			far->head_used = at + in_head;
	}
	if (in_head == n)
		return NULL;
	US_TRY(fill_gap(far, at + in_head));
	US_TRY(far->sink->write(far->sink, at + in_head, us_bytes_of(p + in_head, n - in_head)));
	far->next += n - in_head;
	return NULL;
}

struct us_err *us_far_write(struct us_far *far, uint64_t at, const void *p, size_t n)
{
	struct us_err *err;

	if (!n)
		return NULL;
	pthread_mutex_lock(&far->lock);
	err = write_some(far, at, p, n);
	pthread_mutex_unlock(&far->lock);
	return err;
}

struct us_err *us_far_read(struct us_far *far, uint64_t at, void *p, size_t n)
{
	struct us_err *err = NULL;
	uint64_t end;

	if (!us_add(at, n, &end))
		return us_err_new(US_ERR_BAD_DATA, "reading back past the end");
	pthread_mutex_lock(&far->lock);
	if (us_far_keeps_head(far) && end <= far->head_cap && end <= far->head_end)
		memcpy(p, far->head + at, n);
	else if (far->sink->read)
		err = far->sink->read(far->sink, at, p, n);
	else
		err = us_err_new(US_ERR_UNSUPPORTED, "the far side cannot be read from");
	pthread_mutex_unlock(&far->lock);
	return err;
}

struct us_err *us_far_settle(struct us_far *far)
{
	struct us_err *err = NULL;

	pthread_mutex_lock(&far->lock);
	if (far->sink->settle)
		err = far->sink->settle(far->sink);
	pthread_mutex_unlock(&far->lock);
	return err;
}

struct us_err *us_far_finish(struct us_far *far)
{
	uint64_t n = far->next > far->head_end ? far->head_end : far->head_used;

	if (!us_far_keeps_head(far))
		return NULL;
	return far->sink->write(far->sink, 0, us_bytes_of(far->head, (size_t)n));
}
