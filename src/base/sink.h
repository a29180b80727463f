/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a dump is written that is no file of this machine: an SFTP server, an object store, a
 * program's standard input. What the far side can do about order is said by .order; a writer that
 * needs more than that has to arrange its bytes first.
 */
#ifndef US_BASE_SINK_H
#define US_BASE_SINK_H

#include "base/bytes.h"
#include "base/err.h"

enum us_sink_order {
	US_SINK_ANY,       /* any offset at any time, again and again */
	US_SINK_HEAD_LAST, /* ascending without gaps from head_bytes on; then, once, 0 to head_bytes */
	US_SINK_STREAM,    /* ascending without gaps from 0 */
};

struct us_sink {
	/* All of bytes at that offset. US_ERR_NO_ROOM: the far side is full; what was settled before
	 * is good. Called by one thread at a time. */
	struct us_err *(*write)(struct us_sink *sink, uint64_t at, struct us_bytes bytes);
	/* All that was written is there, or why not; NULL: it is as soon as write() returns. */
	struct us_err *(*settle)(struct us_sink *sink);
	/* Exactly n bytes back from the far side; NULL: it cannot be read while it is written. */
	struct us_err *(*read)(struct us_sink *sink, uint64_t at, void *p, size_t n);
	enum us_sink_order order;
	/* HEAD_LAST: where the writer begins; it may choose more, a multiple of this (never 0), and
	 * says so by the offset of its first write. */
	uint64_t head_bytes;
	void *data;
};

#endif
