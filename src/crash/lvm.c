/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The label, the metadata area and the metadata text of LVM2 (lvm2 2.03: format_text/layout.h,
 * label/label.h, its metadata text is that of lvm.conf(5)). Only what tells where a logical volume
 * lies is understood. Nothing is ever written.
 *
 *   label (one of the first 4 sectors): "LABELONE" sector:u64 crc:u32 offset:u32 "LVM2 001"
 *   at offset: uuid[32] size:u64 {offset:u64 size:u64}* 0 0 {offset:u64 size:u64}* 0 0: data areas,
 *   then metadata areas
 *   metadata area: crc:u32 magic[16] version:u32 start:u64 size:u64 { offset:u64 size:u64 crc:u32
 *   flags:u32 }*: where the text is; it runs in a circle behind the first 512 bytes of the area
 */
#include "crash/lvm-int.h"

#include "base/cleanup.h"
#include "base/pool.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SECTOR     512u
#define LABELS     4u
#define TEXT_MOST  (8u << 20)
#define DEPTH_MOST 12u
#define NODES_MOST 200000u
#define IGNORED    1u /* flag of a text that is not to be used */
#define CRC_START  0xf597a6cfu

static const char area_magic[16] = " LVM2 x[5A%r0N*>";

/* ---- where the text is ---- */

static struct us_err *find_label(struct us_bytes head, uint64_t *ret)
{
	uint32_t offset = 0;

	for (uint64_t at = 0; at < LABELS * SECTOR; at += SECTOR)
		if (us_bytes_match(head, at, "LABELONE", 8) &&
		    us_bytes_match(head, at + 24, "LVM2 001", 8) &&
		    us_le32(head, at + 20, &offset) && offset >= 32 && offset < SECTOR) {
			*ret = at + offset;
			return NULL;
		}
	return us_err_new(US_ERR_NOT_FOUND, "there is no LVM label");
}

static bool read_pair(struct us_bytes b, uint64_t at, uint64_t *x, uint64_t *y)
{
	return us_le64(b, at, x) && us_le64(b, at + 8, y);
}

static struct us_err *find_areas(struct us_bytes head, struct us_lvm_area ret[US_LVM_AREAS_MAX],
				 size_t *ret_n)
{
	uint64_t at = 0, offset, bytes;
	size_t n = 0;

	US_TRY(find_label(head, &at));
	at += 40;
	do { /* data areas */
		if (!read_pair(head, at, &offset, &bytes))
			return us_err_new(US_ERR_BAD_DATA, "the label's areas run past 0x%" PRIx64,
					  at);
		at += 16;
	} while (offset);
	for (; n < US_LVM_AREAS_MAX; n++, at += 16) {
		if (!read_pair(head, at, &offset, &bytes))
			return us_err_new(US_ERR_BAD_DATA, "the label's areas run past 0x%" PRIx64,
					  at);
		if (!offset)
			break;
		ret[n] = (struct us_lvm_area){ offset, bytes };
	}
	*ret_n = n;
	return NULL;
}

struct place { /* of the text, in its area */
	uint64_t offset, bytes;
	uint32_t crc;
};

static struct us_err *find_text(struct us_bytes header, const struct us_lvm_area *area,
				struct place *ret)
{
	struct place p = { 0 };
	uint64_t size;
	uint32_t flags;

	if (!us_bytes_match(header, 4, area_magic, sizeof(area_magic)) ||
	    !us_le64(header, 32, &size) || !read_pair(header, 40, &p.offset, &p.bytes) ||
	    !us_le32(header, 56, &p.crc) || !us_le32(header, 60, &flags))
		return us_err_new(US_ERR_BAD_DATA, "the metadata area at 0x%" PRIx64 " is none",
				  area->at);
	if (!p.offset || flags & IGNORED)
		return us_err_new(US_ERR_NOT_FOUND,
				  "the metadata area at 0x%" PRIx64 " is not in use", area->at);
	if (size != area->bytes || size <= SECTOR || p.offset < SECTOR || p.offset >= size ||
	    !p.bytes || p.bytes > TEXT_MOST || p.bytes > size - SECTOR)
		return us_err_new(US_ERR_BAD_DATA,
				  "the metadata area at 0x%" PRIx64 " has its text outside itself",
				  area->at);
	*ret = p;
	return NULL;
}

static uint32_t crc_of(struct us_bytes b)
{
	uint32_t crc = CRC_START;

	for (size_t i = 0; i < b.n; i++) {
		crc ^= b.p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return crc;
}

static struct us_err *read_at(int fd, uint64_t at, uint8_t *to, size_t n, size_t least)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(fd, to + done, n - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return us_err_os(errno, "reading LVM metadata at 0x%" PRIx64, at + done);
		if (!got)
			break;
		done += (size_t)got;
	}
	return done >= least
		       ? NULL
		       : us_err_new(US_ERR_BAD_DATA, "the device ends at 0x%" PRIx64, at + done);
}

static struct us_err *read_area(int fd, const struct us_lvm_area *area, struct us_blob *ret)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	uint8_t header[SECTOR];
	struct place p = { 0 };
	uint64_t first;

	US_TRY(read_at(fd, area->at, header, sizeof(header), sizeof(header)));
	US_TRY(find_text(us_bytes_of(header, sizeof(header)), area, &p));
	US_TRY(us_blob_new(p.bytes, &text));
	first = area->bytes - p.offset < p.bytes ? area->bytes - p.offset : p.bytes;
	US_TRY(read_at(fd, area->at + p.offset, text.p, first, first));
	US_TRY(read_at(fd, area->at + SECTOR, text.p + first, p.bytes - first, p.bytes - first));
	if (crc_of(us_blob_bytes(&text)) != p.crc)
		return us_err_new(US_ERR_BAD_DATA,
				  "the metadata text at 0x%" PRIx64 " does not match its checksum",
				  area->at + p.offset);
	*ret = us_blob_steal(&text);
	return NULL;
}

struct us_err *us_lvm_areas(int fd, struct us_lvm_area ret[US_LVM_AREAS_MAX], size_t *ret_n)
{
	uint8_t head[US_LVM_HEAD_BYTES] = { 0 };

	US_TRY(read_at(fd, 0, head, sizeof(head), LABELS * SECTOR));
	return find_areas(us_bytes_of(head, sizeof(head)), ret, ret_n);
}

struct us_err *us_lvm_read(int fd, struct us_blob *ret)
{
	_us_err_free_ struct us_err *first = NULL;
	struct us_lvm_area areas[US_LVM_AREAS_MAX];
	size_t n = 0;

	US_TRY(us_lvm_areas(fd, areas, &n));
	for (size_t i = 0; i < n; i++) {
		struct us_err *err = read_area(fd, &areas[i], ret);

		if (!err)
			return NULL;
		if (first)
			us_err_free(err);
		else
			first = err;
	}
	return first ? us_steal(&first)
		     : us_err_new(US_ERR_NOT_FOUND, "the physical volume holds no metadata");
}

/* ---- the text as a tree ---- */

struct node {
	const char *name;
	size_t name_n;
	struct us_bytes value; /* of an assignment, as it stands; p NULL: a section */
	struct node *child, *next;
};

struct parser {
	struct us_bytes text;
	size_t at, nodes;
	struct us_pool *pool;
};

static struct us_err *bad(const struct parser *p, const char *what)
{
	return us_err_new(US_ERR_BAD_DATA, "LVM metadata: %s at byte %zu", what, p->at);
}

static int look(const struct parser *p)
{
	return p->at < p->text.n ? p->text.p[p->at] : 0;
}

static void skip_space(struct parser *p)
{
	for (;; p->at++) {
		int c = look(p);

		if (c == '#')
			while (look(p) && look(p) != '\n')
				p->at++;
		else if (!c || !strchr(" \t\r\n", c))
			return;
		if (!look(p))
			return;
	}
}

static bool skip_string(struct parser *p)
{
	for (p->at++; look(p) && look(p) != '"'; p->at++)
		if (look(p) == '\\' && p->at + 1 < p->text.n)
			p->at++;
	return look(p) == '"' && ++p->at;
}

static struct us_err *parse_value(struct parser *p, struct us_bytes *ret)
{
	size_t begin;
	bool list;

	skip_space(p);
	begin = p->at;
	list = look(p) == '[';
	for (;;) {
		int c = look(p);

		if (!c)
			return bad(p, "a value has no end");
		if (c == '"') {
			if (!skip_string(p))
				return bad(p, "a string has no end");
			if (!list)
				break;
			continue;
		}
		if (list ? c == ']' : strchr(" \t\r\n}#", c) != NULL) {
			p->at += list;
			break;
		}
		if (list && c == '#') {
			skip_space(p);
			continue;
		}
		p->at++;
	}
	if (p->at == begin)
		return bad(p, "a value is empty");
	*ret = us_bytes_of(p->text.p + begin, p->at - begin);
	return NULL;
}

static struct us_err *parse_section(struct parser *p, unsigned int depth, struct node **ret);

static struct us_err *parse_entry(struct parser *p, unsigned int depth, struct node **ret)
{
	struct node *n = us_pool_alloc(p->pool, sizeof(*n));
	size_t begin = p->at;

	if (!n)
		return us_err_nomem();
	if (++p->nodes > NODES_MOST)
		return bad(p, "there are too many entries");
	while (look(p) && !strchr(" \t\r\n={}[]#\"", look(p)))
		p->at++;
	n->name = (const char *)p->text.p + begin;
	n->name_n = p->at - begin;
	if (!n->name_n)
		return bad(p, "there is no name");
	skip_space(p);
	if (look(p) == '=') {
		p->at++;
		US_TRY(parse_value(p, &n->value));
	} else if (look(p) == '{') {
		p->at++;
		US_TRY(parse_section(p, depth + 1, &n->child));
		if (look(p) != '}')
			return bad(p, "a section has no end");
		p->at++;
	} else {
		return bad(p, "a name stands alone");
	}
	*ret = n;
	return NULL;
}

/* Entries up to a closing brace or the end. */
static struct us_err *parse_section(struct parser *p, unsigned int depth, struct node **ret)
{
	struct node **end = ret;

	if (depth > DEPTH_MOST)
		return bad(p, "sections are too deep");
	for (;;) {
		skip_space(p);
		if (!look(p) || look(p) == '}')
			return NULL;
		US_TRY(parse_entry(p, depth, end));
		end = &(*end)->next;
	}
}

static const struct node *find(const struct node *list, const char *name, size_t n)
{
	while (list && (list->name_n != n || memcmp(list->name, name, n)))
		list = list->next;
	return list;
}

static const struct node *section(const struct node *list, const char *name)
{
	const struct node *n = find(list, name, strlen(name));

	return n && !n->value.p ? n->child : NULL;
}

/* ---- what tells where a volume lies ---- */

struct group {
	const struct node *pvs, *lvs;
	struct us_text out;
	size_t pieces;
};

static bool is_uuid(const struct node *id, const char *uuid)
{
	size_t i = 0;

	if (!id || !id->value.p)
		return false;
	for (size_t k = 0; k < id->value.n; k++) {
		int c = id->value.p[k];

		if (c == '"' || c == '-')
			continue;
		while (uuid[i] == '-')
			i++;
		if (!uuid[i] || uuid[i++] != c)
			return false;
	}
	return i && !uuid[i];
}

static bool is_one_of(const struct node *n, const char *const *names)
{
	while (*names && (n->name_n != strlen(*names) || memcmp(n->name, *names, n->name_n)))
		names++;
	return *names;
}

/* What may change while every extent stays where it is. */
static const char *const idle[] = {
	"creation_time", "creation_host",     "tags",    "flags",
	"status",        "read_ahead",        "profile", "transaction_id",
	"lock_args",     "allocation_policy", NULL
};
/* Strings that name no volume, whatever volumes are called. */
static const char *const plain[] = { "id",         "type",   "device", "discards",
				     "cache_mode", "policy", NULL };

static struct us_err *put_section(struct group *g, const struct node *list, unsigned int depth);

/* A string: the volume that it names, else itself. */
static struct us_err *put_string(struct group *g, const char *s, size_t n, unsigned int depth)
{
	const struct node *lv = find(g->lvs, s, n), *pv = find(g->pvs, s, n);

	if (lv && !lv->value.p) {
		us_text_put(&g->out, "(", 1);
		US_TRY(put_section(g, lv->child, depth + 1));
		us_text_put(&g->out, ")", 1);
	} else if (pv && !pv->value.p) {
		static const char *const keys[] = { "id", "pe_start" };

		for (size_t i = 0; i < us_array_size(keys); i++) {
			const struct node *k = find(pv->child, keys[i], strlen(keys[i]));

			if (k && k->value.p)
				us_text_put(&g->out, k->value.p, k->value.n);
			us_text_put(&g->out, ";", 1);
		}
	} else {
		us_text_put(&g->out, s, n);
	}
	return NULL;
}

static struct us_err *put_value(struct group *g, const struct node *node, unsigned int depth)
{
	bool names = !is_one_of(node, plain);
	struct us_bytes value = node->value;
	const char *s = (const char *)value.p;

	for (size_t i = 0; i < value.n; i++) {
		if (s[i] == '#') {
			while (i < value.n && s[i] != '\n')
				i++;
		} else if (s[i] == '"') {
			size_t end = i + 1;

			while (end < value.n && s[end] != '"')
				end += s[end] == '\\' ? 2 : 1;
			end = end < value.n ? end : value.n - 1;
			us_text_put(&g->out, "\"", 1);
			if (names)
				US_TRY(put_string(g, s + i + 1, end > i ? end - i - 1 : 0, depth));
			else
				us_text_put(&g->out, s + i + 1, end > i ? end - i - 1 : 0);
			us_text_put(&g->out, "\"", 1);
			i = end;
		} else if (!strchr(" \t\r\n", s[i])) {
			us_text_put(&g->out, s + i, 1);
		}
	}
	return NULL;
}

static struct us_err *put_section(struct group *g, const struct node *list, unsigned int depth)
{
	if (depth > DEPTH_MOST || g->pieces > NODES_MOST || g->out.n > 2 * TEXT_MOST)
		return us_err_new(US_ERR_BAD_DATA,
				  "LVM metadata: volumes lie on each other in a circle");
	for (const struct node *n = list; n; n = n->next) {
		g->pieces++;
		if (is_one_of(n, idle))
			continue;
		us_text_put(&g->out, n->name, n->name_n);
		if (n->value.p) {
			us_text_put(&g->out, "=", 1);
			US_TRY(put_value(g, n, depth));
			us_text_put(&g->out, "\n", 1);
			continue;
		}
		us_text_put(&g->out, "{", 1);
		US_TRY(put_section(g, n->child, depth + 1));
		us_text_put(&g->out, "}\n", 2);
	}
	return NULL;
}

static struct us_err *put_volume(struct group *g, const struct node *vg, const char *lv_uuid)
{
	const struct node *extent = find(vg, "extent_size", strlen("extent_size"));
	const struct node *lv = g->lvs;

	while (lv && (lv->value.p || !is_uuid(find(lv->child, "id", 2), lv_uuid)))
		lv = lv->next;
	if (!lv)
		return us_err_new(US_ERR_NOT_FOUND, "the volume group has no volume %s", lv_uuid);
	if (extent && extent->value.p)
		us_text_put(&g->out, extent->value.p, extent->value.n);
	us_text_put(&g->out, "\n", 1);
	return put_section(g, lv->child, 0);
}

struct us_err *us_lvm_hash(struct us_bytes text, const char *lv_uuid, char ret[US_LVM_HASH_MAX])
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct parser p = { .text = text, .pool = &pool };
	struct node *root = NULL;
	const struct node *vg;
	struct group g = { 0 };
	struct us_err *err;

	US_TRY(parse_section(&p, 0, &root));
	if (look(&p))
		return bad(&p, "a section ends that was not begun");
	vg = root;
	while (vg && (vg->value.p || !section(vg->child, "logical_volumes")))
		vg = vg->next;
	if (!vg)
		return us_err_new(US_ERR_NOT_FOUND, "the metadata has no volume %s", lv_uuid);
	g.lvs = section(vg->child, "logical_volumes");
	g.pvs = section(vg->child, "physical_volumes");
	err = put_volume(&g, vg->child, lv_uuid);
	if (!err && g.out.failed)
		err = us_err_nomem();
	if (!err)
		snprintf(ret, US_LVM_HASH_MAX, "%016" PRIx64,
			 us_bytes_hash(us_bytes_of(g.out.s, g.out.n)));
	us_text_deinit(&g.out);
	return err;
}
