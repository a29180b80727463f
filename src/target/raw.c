/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A partition without a file system. The dump begins at its first byte, so that a debugger opens the
 * device itself; the last MiB holds a table of small files (log.txt, state.txt), and the last 4 KiB
 * the mark by which the partition is known. There is room for one crash: the next one replaces it.
 * A partition without the mark is only taken if nothing that is known stands on it, or by force.
 *
 *   tail (end - 1 MiB): "UNDERSTUDY-SLOTS" crash[128] dump_bytes:u64 dump_state:u64 n:u64, then n of
 *   { name[40] at:u64 bytes:u64 room:u64 }, in its last 8 bytes of 4096 the hash of all before
 *   mark (end - 4 KiB): "UNDERSTUDY-RAW\0\0" uuid[16] size:u64; all integers little-endian
 */
#include "base/cleanup.h"
#include "target/target-int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define BLOCK      4096u
#define TAIL       (1ull << 20)
#define FILES      16u
#define CRASH_AT   16u
#define CRASH_MOST 128u
#define DUMP_AT    144u
#define FILES_AT   168u
#define FILE_BYTES 64u
#define NAME_MOST  40u
#define HASH_AT    (BLOCK - 8)

static const char table_magic[] = "UNDERSTUDY-SLOTS";
static const char mark_magic[16] = "UNDERSTUDY-RAW";

enum { DUMP_NONE, DUMP_BEGUN, DUMP_WHOLE };

struct file {
	char name[NAME_MOST];
	uint64_t at, bytes, room; /* at: from the beginning of the tail */
};
struct table {
	char crash[CRASH_MOST];
	uint64_t dump_bytes, dump_state;
	struct file files[FILES];
	uint64_t n;
};

struct raw {
	int fd;
	uint64_t bytes, written; /* written: of the dump */
	struct us_sink sink;
};

static struct us_err *measure(int fd, const char *path, uint64_t *ret)
{
	off_t end = lseek(fd, 0, SEEK_END);

	if (end < 0)
		return us_err_os(errno, "measuring %s", path);
	if ((uint64_t)end < 2 * TAIL)
		return us_err_new(US_ERR_NO_ROOM, "%s has %lld bytes: too few for a dump", path,
				  (long long)end);
	*ret = (uint64_t)end;
	return NULL;
}

static struct us_err *read_at(const struct us_target *t, int fd, uint64_t at, void *p, size_t n)
{
	uint8_t *to = p;

	while (n) {
		ssize_t got = pread(fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return us_err_os(errno, "%s: reading", t->spec.text);
		if (!got)
			return us_err_new(US_ERR_BAD_DATA, "%s: it ends at 0x%llx", t->spec.text,
					  (unsigned long long)at);
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return NULL;
}

static struct us_err *write_at(const struct us_target *t, int fd, uint64_t at, const void *p,
			       size_t n)
{
	const uint8_t *from = p;

	while (n) {
		ssize_t got = pwrite(fd, from, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return us_target_os(errno, "%s: writing", t->spec.text);
		from += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return NULL;
}

static struct us_err *sync_it(const struct us_target *t, int fd)
{
	if (fsync(fd))
		return us_target_os(errno, "%s: bringing it to the disk", t->spec.text);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* what is read next comes from the disk */
	return NULL;
}

static uint64_t tail_at(const struct raw *r)
{
	return r->bytes - TAIL;
}

static struct raw *raw_of(const struct us_target *t)
{
	return t->data;
}

/* ---- the table ---- */

static uint64_t get64(const uint8_t *p)
{
	uint64_t v = 0;

	return us_le64(us_bytes_of(p, 8), 0, &v) ? v : 0;
}

static bool parse_table(const uint8_t *p, struct table *ret)
{
	struct table t = { 0 };

	if (memcmp(p, table_magic, CRASH_AT) ||
	    get64(p + HASH_AT) != us_bytes_hash(us_bytes_of(p, HASH_AT)))
		return false;
	memcpy(t.crash, p + CRASH_AT, CRASH_MOST - 1);
	t.dump_bytes = get64(p + DUMP_AT);
	t.dump_state = get64(p + DUMP_AT + 8);
	t.n = get64(p + DUMP_AT + 16);
	if (t.n > FILES)
		return false;
	for (size_t i = 0; i < t.n; i++) {
		const uint8_t *e = p + FILES_AT + i * FILE_BYTES;
		struct file *f = &t.files[i];

		memcpy(f->name, e, NAME_MOST - 1);
		f->at = get64(e + NAME_MOST);
		f->bytes = get64(e + NAME_MOST + 8);
		f->room = get64(e + NAME_MOST + 16);
		if (f->at < BLOCK || f->at > TAIL - BLOCK || f->room > TAIL - BLOCK - f->at ||
		    f->bytes > f->room)
			return false;
	}
	*ret = t;
	return true;
}

static struct us_err *read_table(struct us_target *t, struct table *ret)
{
	uint8_t block[BLOCK];

	US_TRY(read_at(t, raw_of(t)->fd, tail_at(raw_of(t)), block, sizeof(block)));
	if (!parse_table(block, ret))
		*ret = (struct table){ 0 };
	return NULL;
}

static struct us_err *write_table(struct us_target *t, const struct table *table)
{
	uint8_t block[BLOCK] = { 0 };

	memcpy(block, table_magic, CRASH_AT);
	memcpy(block + CRASH_AT, table->crash, CRASH_MOST);
	us_put_le64(block + DUMP_AT, table->dump_bytes);
	us_put_le64(block + DUMP_AT + 8, table->dump_state);
	us_put_le64(block + DUMP_AT + 16, table->n);
	for (size_t i = 0; i < table->n; i++) {
		uint8_t *e = block + FILES_AT + i * FILE_BYTES;

		memcpy(e, table->files[i].name, NAME_MOST);
		us_put_le64(e + NAME_MOST, table->files[i].at);
		us_put_le64(e + NAME_MOST + 8, table->files[i].bytes);
		us_put_le64(e + NAME_MOST + 16, table->files[i].room);
	}
	us_put_le64(block + HASH_AT, us_bytes_hash(us_bytes_of(block, HASH_AT)));
	US_TRY(write_at(t, raw_of(t)->fd, tail_at(raw_of(t)), block, sizeof(block)));
	return sync_it(t, raw_of(t)->fd);
}

/* The table of this crash; a former crash's is forgotten, but not for a probe. */
static struct us_err *table_for(struct us_target *t, const char *crash, struct table *ret)
{
	struct table table;

	US_TRY(read_table(t, &table));
	if (us_target_is_crash(crash) && strcmp(table.crash, crash)) {
		table = (struct table){ 0 };
		strncpy(table.crash, crash, CRASH_MOST - 1);
	}
	*ret = table;
	return NULL;
}

static bool is_of(const struct table *table, const char *crash)
{
	return !us_target_is_crash(crash) || !strcmp(table->crash, crash);
}

static struct file *find_file(struct table *table, const char *name)
{
	for (size_t i = 0; i < table->n; i++)
		if (!strcmp(table->files[i].name, name))
			return &table->files[i];
	return NULL;
}

static void drop_file(struct table *table, struct file *f)
{
	memmove(f, f + 1, (size_t)(&table->files[table->n] - (f + 1)) * sizeof(*f));
	table->n--;
}

/* Room behind the last file, for a file that may grow a little. */
static struct file *new_file(struct table *table, const char *name, uint64_t bytes)
{
	uint64_t at = BLOCK, room = (bytes + BLOCK - 1) / BLOCK * BLOCK;
	struct file *f;

	for (size_t i = 0; i < table->n; i++)
		if (table->files[i].at + table->files[i].room > at)
			at = table->files[i].at + table->files[i].room;
	if (table->n == FILES || room > TAIL - BLOCK - at)
		return NULL;
	f = &table->files[table->n++];
	*f = (struct file){ .at = at, .room = room };
	strncpy(f->name, name, NAME_MOST - 1);
	return f;
}

/* ---- the kind ---- */

static struct us_err *sink_write(struct us_sink *sink, uint64_t at, struct us_bytes bytes)
{
	struct us_target *t = sink->data;
	struct raw *r = raw_of(t);
	uint64_t end;

	if (!us_add(at, (uint64_t)bytes.n, &end) || end > tail_at(r))
		return us_err_new(US_ERR_NO_ROOM, "%s: the partition is full", t->spec.text);
	US_TRY(us_target_in_time(t, "writing the dump"));
	US_TRY(write_at(t, r->fd, at, bytes.p, bytes.n));
	if (end > r->written)
		r->written = end;
	return NULL;
}

static struct us_err *sink_read(struct us_sink *sink, uint64_t at, void *p, size_t n)
{
	struct us_target *t = sink->data;

	return read_at(t, raw_of(t)->fd, at, p, n);
}

static struct us_err *raw_open(struct us_target *t)
{
	struct raw *r = us_pool_alloc(&t->pool, sizeof(*r));

	if (!r)
		return us_err_nomem();
	r->fd = -1;
	r->sink = (struct us_sink){
		.write = sink_write, .read = sink_read, .order = US_SINK_ANY, .data = t
	};
	t->data = r;
	r->fd = open(t->spec.path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (r->fd < 0)
		return us_err_os(errno, "opening %s", t->spec.path);
	return measure(r->fd, t->spec.path, &r->bytes);
}

static void raw_close(struct us_target *t)
{
	if (raw_of(t))
		us_closep(&raw_of(t)->fd);
}

static struct us_err *raw_free_bytes(struct us_target *t, uint64_t *ret)
{
	*ret = tail_at(raw_of(t));
	return NULL;
}

static struct us_err *raw_put(struct us_target *t, const char *crash, const char *name,
			      struct us_bytes bytes)
{
	struct raw *r = raw_of(t);
	struct table table;
	struct file *f;

	if (strlen(crash) >= CRASH_MOST || strlen(name) >= NAME_MOST)
		return us_err_new(US_ERR_USAGE, "%s: the name %s/%s is too long", t->spec.text,
				  crash, name);
	US_TRY(table_for(t, crash, &table));
	f = find_file(&table, name);
	if (f &&
	    f->room < bytes.n) { /* it gets another place, or its own again if it is the last */
		drop_file(&table, f);
		f = NULL;
	}
	if (!f)
		f = new_file(&table, name, bytes.n);
	if (!f)
		return us_err_new(US_ERR_NO_ROOM, "%s: no room for %s (%zu bytes)", t->spec.text,
				  name, bytes.n);
	f->bytes = bytes.n;
	US_TRY(write_at(t, r->fd, tail_at(r) + f->at, bytes.p, bytes.n));
	if (fsync(r->fd))
		return us_target_os(errno, "%s: bringing %s to the disk", t->spec.text, name);
	return write_table(t, &table);
}

static struct us_err *raw_get(struct us_target *t, const char *crash, const char *name, size_t max,
			      struct us_blob *ret)
{
	_us_blob_deinit_ struct us_blob b = { 0 };
	struct raw *r = raw_of(t);
	uint64_t at = 0, bytes;
	struct table table;
	struct file *f;

	US_TRY(read_table(t, &table));
	f = is_of(&table, crash) ? find_file(&table, name) : NULL;
	if (f) {
		at = tail_at(r) + f->at;
		bytes = f->bytes;
	} else if (is_of(&table, crash) && !strcmp(name, "dump") && table.dump_state) {
		bytes = table.dump_bytes < tail_at(r) ? table.dump_bytes : tail_at(r);
	} else {
		return us_err_new(US_ERR_NOT_FOUND, "%s: there is no %s/%s", t->spec.text, crash,
				  name);
	}
	US_TRY(us_blob_new(bytes < max ? (size_t)bytes : max, &b));
	US_TRY(read_at(t, r->fd, at, b.p, b.n));
	*ret = us_blob_steal(&b);
	return NULL;
}

static struct us_err *raw_dump_begin(struct us_target *t, const char *crash, const char **ret_path,
				     struct us_sink **ret_sink)
{
	struct table table;

	(void)ret_path;
	US_TRY(table_for(t, crash, &table));
	table.dump_state = DUMP_BEGUN;
	table.dump_bytes = tail_at(raw_of(t));
	US_TRY(write_table(t, &table));
	raw_of(t)->written = 0;
	*ret_sink = &raw_of(t)->sink;
	return NULL;
}

static struct us_err *raw_dump_end(struct us_target *t, bool finished, struct us_pool *pool,
				   const char **ret_where)
{
	struct raw *r = raw_of(t);
	const char *where = us_pool_format(pool, "%s", t->spec.path);
	uint8_t block[BLOCK];
	struct table table;

	if (!where)
		return us_err_nomem();
	US_TRY(sync_it(t, r->fd));
	US_TRY(read_at(t, r->fd, 0, block, sizeof(block)));
	US_TRY(table_for(t, t->crash, &table));
	table.dump_state = finished ? DUMP_WHOLE : DUMP_BEGUN;
	table.dump_bytes = r->written;
	US_TRY(write_table(t, &table));
	*ret_where = where;
	return NULL;
}

static struct us_err *raw_list(struct us_target *t, struct us_pool *pool,
			       const struct us_saved **ret, size_t *ret_n)
{
	struct us_saved *s = us_pool_array(pool, 1, sizeof(*s));
	struct table table;

	if (!s)
		return us_err_nomem();
	US_TRY(read_table(t, &table));
	if (!us_target_is_crash(table.crash)) {
		*ret_n = 0;
		return NULL;
	}
	s->crash = us_pool_strdup(pool, table.crash);
	if (!s->crash)
		return us_err_nomem();
	for (size_t i = 0; i < table.n; i++) {
		s->bytes += table.files[i].bytes;
		s->has_log |= !strcmp(table.files[i].name, "log.txt");
	}
	if (table.dump_state)
		s->bytes += table.dump_bytes;
	s->has_dump = table.dump_state == DUMP_WHOLE;
	s->incomplete = table.dump_state == DUMP_BEGUN;
	*ret = s;
	*ret_n = 1;
	return NULL;
}

static struct us_err *raw_remove(struct us_target *t, const char *crash)
{
	static const uint8_t zeros[BLOCK];
	struct table table;
	struct file *probe;

	US_TRY(read_table(t, &table));
	probe = us_target_is_crash(crash) ? NULL : find_file(&table, "probe");
	if (probe) {
		drop_file(&table, probe);
		return write_table(t, &table);
	}
	if (strcmp(table.crash, crash))
		return us_err_new(US_ERR_NOT_FOUND, "%s: there is no %s", t->spec.text, crash);
	if (table.dump_state)
		US_TRY(write_at(t, raw_of(t)->fd, 0, zeros, sizeof(zeros)));
	table = (struct table){ 0 };
	return write_table(t, &table);
}

/* ---- the mark, and what else may stand on a partition ---- */

static const struct {
	uint64_t at;
	const char *magic;
	size_t n;
	const char *what;
} known[] = {
	{ 0x438, "\x53\xef", 2, "an ext2, ext3 or ext4 file system" },
	{ 0, "XFSB", 4, "an XFS file system" },
	{ 0x10040, "_BHRfS_M", 8, "a btrfs file system" },
	{ 0x400, "\x10\x20\xf5\xf2", 4, "an F2FS file system" },
	{ 0x1018, "\xc6\x85\x73\xf6", 4, "a bcache device" },
	{ 512, "LABELONE", 8, "an LVM physical volume" },
	{ 0, "LABELONE", 8, "an LVM physical volume" },
	{ 0, "LUKS\xba\xbe", 6, "a LUKS volume" },
	{ 4096, "\xfc\x4e\x2b\xa9", 4, "an md member (1.2)" },
	{ 0, "\xfc\x4e\x2b\xa9", 4, "an md member (1.1)" },
	{ 4086, "SWAPSPACE2", 10, "swap space" },
	{ 3, "NTFS    ", 8, "an NTFS file system" },
	{ 3, "EXFAT   ", 8, "an exFAT file system" },
	{ 54, "FAT1", 4, "a FAT file system" },
	{ 82, "FAT32", 5, "a FAT file system" },
	{ 512, "EFI PART", 8, "a partition table" },
	{ 0x8001, "CD001", 5, "an ISO 9660 file system" },
	{ 0, "hsqs", 4, "a squashfs file system" },
	{ 65588, "ReIsEr", 6, "a reiserfs file system" },
	{ 32768, "JFS1", 4, "a JFS file system" },
	{ 131072, "\x0c\xb1\xba\0", 4, "a ZFS member" },
};

/* NULL if nothing that is known stands there. */
static struct us_err *somebody_elses(const struct us_target *t, int fd)
{
	uint8_t got[16];

	for (size_t i = 0; i < us_array_size(known); i++) {
		US_TRY(read_at(t, fd, known[i].at, got, known[i].n));
		if (!memcmp(got, known[i].magic, known[i].n))
			return us_err_new(US_ERR_REFUSED,
					  "%s holds %s: it would be overwritten (--force if that "
					  "is what is wanted)",
					  t->spec.path, known[i].what);
	}
	US_TRY(read_at(t, fd, 510, got, 2));
	if (got[0] == 0x55 && got[1] == 0xaa)
		return us_err_new(US_ERR_REFUSED,
				  "%s holds a boot sector or a partition table: it would be "
				  "overwritten (--force if that is what is wanted)",
				  t->spec.path);
	return NULL;
}

static struct us_err *raw_prepare(struct us_target *t, struct us_pool *pool, const char **ret_step)
{
	struct raw *r = raw_of(t);
	uint8_t mark[BLOCK] = { 0 };
	size_t at = sizeof(mark_magic);

	US_TRY(read_at(t, r->fd, r->bytes - BLOCK, mark, sizeof(mark)));
	if (!memcmp(mark, mark_magic, sizeof(mark_magic)) && get64(mark + 32) == r->bytes) {
		*ret_step = us_pool_format(pool, "%s carries our mark", t->spec.path);
		return NULL;
	}
	if (!t->spec.force)
		US_TRY(somebody_elses(t, r->fd));
	memset(mark, 0, sizeof(mark));
	memcpy(mark, mark_magic, sizeof(mark_magic));
	if (getrandom(mark + at, 16, 0) != 16)
		return us_err_os(errno, "making a mark");
	us_put_le64(mark + 32, r->bytes);
	US_TRY(write_at(t, r->fd, r->bytes - BLOCK, mark, sizeof(mark)));
	US_TRY(sync_it(t, r->fd));
	*ret_step = us_pool_format(pool, "wrote our mark at the end of %s", t->spec.path);
	return NULL;
}

struct us_err *us_target_raw_check(int fd, const char *name)
{
	const struct us_target t = { .spec = { .text = name, .path = name } };

	return somebody_elses(&t, fd);
}

const struct us_target_ops us_target_raw = {
	.probe_most = 64u << 10,
	.open = raw_open,
	.close = raw_close,
	.free_bytes = raw_free_bytes,
	.put = raw_put,
	.get = raw_get,
	.dump_begin = raw_dump_begin,
	.dump_end = raw_dump_end,
	.list = raw_list,
	.remove = raw_remove,
	.prepare = raw_prepare,
};
