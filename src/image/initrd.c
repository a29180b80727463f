/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An initrd as the kernel takes it: several files one behind the other, each a row of archives,
 * plain or compressed (Linux 6.12 Documentation/driver-api/early-userspace/buffer-format.rst,
 * init/initramfs.c: unpack_to_rootfs). Files that hold nothing but CPU microcode go first, because
 * the kernel looks for it only in the plain archives at the front
 * (Documentation/arch/x86/microcode.rst). Nothing is extracted.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "image/cpio.h"
#include "image/image.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MICROCODE "kernel/x86/microcode/"
#define FILE_PAD  4 /* a plain archive behind a file must be aligned to this */

/* No initrd has that many; what has them is made to wear us out. */
#define PARTS_MAX    1024
#define RELEASES_MAX 256

struct input {
	const char *from;
	struct us_bytes bytes;
	struct us_blob map; /* owner of bytes, or empty */
	bool only_microcode;
	uint64_t offset; /* in the joined initrd */
};

struct inputs {
	struct input *v;
	size_t n;
};

static void inputs_deinit(struct inputs *inputs)
{
	for (size_t i = 0; i < inputs->n; i++)
		us_blob_deinit(&inputs->v[i].map);
	free(inputs->v);
}
#define _inputs_deinit_ __attribute__((cleanup(inputs_deinit)))

/* What a walk over one part collects. */
struct walk {
	struct us_initrd *initrd;
	struct us_initrd_part *part;
	struct us_cpio *cpio;
	size_t n_releases; /* in initrd->releases */
};

/* What follows prefix in path, NULL if path starts otherwise. */
static const char *below(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(path, prefix, n) == 0 ? path + n : NULL;
}

/* A name without the "/" or "./" that archives are made with. */
static const char *from_root(const char *name)
{
	while (*name == '/' || (name[0] == '.' && name[1] == '/'))
		name += *name == '/' ? 1 : 2;
	return name;
}

static struct us_err *add_release(struct walk *w, const char *name, size_t n)
{
	const char **more;

	for (size_t i = 0; i < w->n_releases; i++)
		if (strlen(w->initrd->releases[i]) == n &&
		    memcmp(w->initrd->releases[i], name, n) == 0)
			return NULL;
	if (w->n_releases == RELEASES_MAX)
		return NULL;
	more = us_pool_array(&w->initrd->pool, w->n_releases + 2, sizeof(*more));
	if (!more)
		return us_err_nomem();
	memcpy(more, w->initrd->releases, w->n_releases * sizeof(*more));
	more[w->n_releases] = us_pool_strndup(&w->initrd->pool, name, n);
	if (!more[w->n_releases])
		return us_err_nomem();
	w->n_releases++;
	w->initrd->releases = more;
	return NULL;
}

static struct us_err *see_entry(void *data, const struct us_cpio_entry *entry)
{
	const char *name = from_root(entry->name), *modules;
	struct walk *w = data;
	size_t n;

	w->part->files++;
	if (!w->part->codec && below(name, MICROCODE))
		w->part->microcode = true;
	modules = below(name, "usr/lib/modules/");
	if (!modules)
		modules = below(name, "lib/modules/");
	if (!modules)
		return NULL;
	n = strcspn(modules, "/");
	if (!n || (!modules[n] && (entry->mode & US_CPIO_TYPE) != US_CPIO_DIR))
		return NULL; /* a file beside the releases */
	return add_release(w, modules, n);
}

static size_t skip_zeros(struct us_bytes b, size_t at)
{
	while (at < b.n && !b.p[at])
		at++;
	return at;
}

static struct us_err *set_problem(struct walk *w, const char *text)
{
	if (w->part->problem)
		return NULL;
	w->part->problem = us_pool_strdup(&w->initrd->pool, text);
	return w->part->problem ? NULL : us_err_nomem();
}

static void restart(struct us_cpio *cpio)
{
	cpio->state = US_CPIO_HEADER;
	cpio->have = 0;
	cpio->start = cpio->fed;
}

/* Unpacked bytes: archives with zeros between them. */
static struct us_err *see_unpacked(void *data, struct us_bytes out)
{
	struct walk *w = data;
	size_t at = 0, eaten;

	w->part->unpacked_bytes += out.n;
	while (at < out.n) {
		if (w->cpio->state == US_CPIO_BAD)
			break;
		if (w->cpio->state == US_CPIO_END) {
			size_t next = skip_zeros(out, at);

			w->cpio->fed += next - at;
			at = next;
			if (at < out.n)
				restart(w->cpio);
			continue;
		}
		US_TRY(us_cpio_feed(w->cpio, us_bytes_clip(out, at, SIZE_MAX), &eaten));
		at += eaten;
	}
	return NULL;
}

static struct us_err *walk_plain(struct walk *w, struct us_bytes rest, size_t *ret_eaten)
{
	if (w->part->offset % FILE_PAD)
		US_TRY(set_problem(w, "a plain cpio archive that is not aligned to 4 bytes: the "
				      "kernel takes it for garbage"));
	w->cpio->base = w->part->offset;
	US_TRY(us_cpio_feed(w->cpio, rest, ret_eaten));
	us_cpio_finish(w->cpio);
	w->part->unpacked_bytes = *ret_eaten;
	if (w->cpio->state != US_CPIO_BAD)
		return NULL;
	*ret_eaten = rest.n;
	return set_problem(w, w->cpio->problem);
}

static struct us_err *walk_packed(struct walk *w, struct us_bytes rest,
				  struct us_progress *progress, size_t *ret_eaten)
{
	uint64_t max;
	struct us_err *err;

	*ret_eaten = rest.n;
	if (!w->initrd->deep)
		return NULL;
	/* what unpacks further than this is no initrd, but somebody's trap */
	if (!us_mul((uint64_t)rest.n, (uint64_t)1024, &max) ||
	    !us_add(max, (uint64_t)64 << 20, &max))
		return us_err_new(US_ERR_UNSUPPORTED, "%s: too large", w->part->from);
	err = us_unpack_to(w->part->codec, rest, max, see_unpacked, w, progress, ret_eaten);
	if (err && err->code == US_ERR_BAD_DATA) {
		struct us_err *failed = set_problem(w, err->text);

		us_err_free(err);
		return failed;
	}
	if (err)
		return err;
	us_cpio_finish(w->cpio);
	return w->cpio->state == US_CPIO_BAD ? set_problem(w, w->cpio->problem) : NULL;
}

static struct us_err *walk_garbage(struct walk *w, struct us_bytes rest, size_t *ret_eaten)
{
	*ret_eaten = rest.n;
	w->part->problem = us_pool_format(&w->initrd->pool,
					  "neither cpio nor a known compression at 0x%" PRIx64
					  " (byte 0x%02x)",
					  w->part->offset, rest.p[0]);
	return w->part->problem ? NULL : us_err_nomem();
}

/* A new last part; the others stay where they are for who holds them. */
static struct us_err *add_part(struct us_initrd *initrd, const struct input *input, size_t at,
			       struct us_initrd_part **ret)
{
	struct us_initrd_part *parts =
		us_pool_array(&initrd->pool, initrd->n_parts + 1, sizeof(*parts));

	if (!parts)
		return us_err_nomem();
	if (initrd->n_parts)
		memcpy(parts, initrd->parts, initrd->n_parts * sizeof(*parts));
	*ret = &parts[initrd->n_parts++];
	(*ret)->from = input->from;
	(*ret)->offset = input->offset + at;
	(*ret)->codec = us_codec_by_magic(us_bytes_clip(input->bytes, at, SIZE_MAX));
	initrd->parts = parts;
	return NULL;
}

/* The row of archives in one file. Gives up on a file after a part with a problem. */
static struct us_err *walk_input(struct us_initrd *initrd, const struct input *input,
				 size_t *n_releases, struct us_progress *progress)
{
	_us_free_ struct us_cpio *cpio = malloc(sizeof(*cpio));
	struct walk w = { .initrd = initrd, .cpio = cpio, .n_releases = *n_releases };
	size_t eaten = 0;

	if (!cpio)
		return us_err_nomem();
	for (size_t at = skip_zeros(input->bytes, 0); at < input->bytes.n;
	     at = skip_zeros(input->bytes, at + eaten)) {
		struct us_bytes rest = us_bytes_clip(input->bytes, at, SIZE_MAX);

		memset(cpio, 0, offsetof(struct us_cpio, buf));
		cpio->entry = see_entry;
		cpio->data = &w;
		US_TRY(add_part(initrd, input, at, &w.part));
		if (initrd->n_parts >= PARTS_MAX)
			w.part->problem = "more archives than any initrd has: not looked at";
		else if (rest.p[0] == '0')
			US_TRY(walk_plain(&w, rest, &eaten));
		else if (w.part->codec)
			US_TRY(walk_packed(&w, rest, progress, &eaten));
		else
			US_TRY(walk_garbage(&w, rest, &eaten));
		w.part->size = w.part->problem ? rest.n : eaten;
		if (w.part->problem)
			break;
	}
	*n_releases = w.n_releases;
	return NULL;
}

/* The kernel looks for microcode only in the plain archives at the front. */
static void judge_microcode(struct us_initrd_part *parts, size_t n)
{
	bool packed = false;

	for (size_t i = 0; i < n; i++) {
		packed |= parts[i].codec != NULL;
		parts[i].microcode_late = parts[i].microcode && packed;
	}
}

static struct us_err *ignore_entry(void *data, const struct us_cpio_entry *entry)
{
	bool *microcode = data;
	if (below(from_root(entry->name), MICROCODE))
		*microcode = true;
	return NULL;
}

/* Nothing but plain archives, and microcode among it? */
static struct us_err *judge_input(struct input *input)
{
	_us_free_ struct us_cpio *cpio = malloc(sizeof(*cpio));
	bool microcode = false;
	size_t eaten = 0;

	if (!cpio)
		return us_err_nomem();
	for (size_t at = skip_zeros(input->bytes, 0); at < input->bytes.n;
	     at = skip_zeros(input->bytes, at + eaten)) {
		memset(cpio, 0, offsetof(struct us_cpio, buf));
		cpio->entry = ignore_entry;
		cpio->data = &microcode;
		US_TRY(us_cpio_feed(cpio, us_bytes_clip(input->bytes, at, SIZE_MAX), &eaten));
		if (cpio->state != US_CPIO_END)
			return NULL;
	}
	input->only_microcode = microcode;
	return NULL;
}

static struct us_err *take_inputs(const char *const *paths, size_t n, struct us_bytes uki_ucode,
				  struct us_bytes uki_initrd, struct us_pool *pool,
				  struct inputs *ret)
{
	ret->v = calloc(n + 2, sizeof(*ret->v));
	if (!ret->v)
		return us_err_nomem();
	if (uki_ucode.n)
		ret->v[ret->n++] = (struct input){ .from = "UKI .ucode", .bytes = uki_ucode };
	if (uki_initrd.n)
		ret->v[ret->n++] = (struct input){ .from = "UKI .initrd", .bytes = uki_initrd };
	for (size_t i = 0; i < n; i++) {
		struct input *input = &ret->v[ret->n++];

		US_TRY(us_file_map(paths[i], &input->map));
		input->bytes = us_blob_bytes(&input->map);
		input->from = us_pool_strdup(pool, paths[i]);
		if (!input->from)
			return us_err_nomem();
	}
	for (size_t i = 0; i < ret->n; i++)
		US_TRY(judge_input(&ret->v[i]));
	return NULL;
}

/* Microcode first, everything else in its order (a later archive wins over an earlier one). */
static struct us_err *put_microcode_first(struct us_initrd *initrd, struct inputs *inputs)
{
	size_t front = 0;

	for (size_t i = 0; i < inputs->n; i++) {
		struct input moved = inputs->v[i];

		if (!moved.only_microcode)
			continue;
		if (i > front) {
			memmove(&inputs->v[front + 1], &inputs->v[front],
				(i - front) * sizeof(moved));
			inputs->v[front] = moved;
			initrd->order_note = us_pool_format(
				&initrd->pool,
				"%s%s%s moved to the front: microcode must come first",
				initrd->order_note ? initrd->order_note : "",
				initrd->order_note ? "; " : "", moved.from);
			if (!initrd->order_note)
				return us_err_nomem();
		}
		front++;
	}
	return NULL;
}

/* One file stays as it is mapped; several are copied behind each other. */
static struct us_err *join(struct us_initrd *initrd, struct inputs *inputs)
{
	_us_blob_deinit_ struct us_blob all = { 0 };
	uint64_t total = 0;

	for (size_t i = 0; i < inputs->n; i++) {
		inputs->v[i].offset = total;
		if (!us_add(total, (uint64_t)inputs->v[i].bytes.n + FILE_PAD - 1, &total))
			return us_err_new(US_ERR_UNSUPPORTED, "the initrd is too large");
		total -= total % FILE_PAD;
	}
	if (inputs->n == 1 && !inputs->v[0].map.p) {
		initrd->bytes = inputs->v[0].bytes; /* the UKI's: it outlives us */
		return NULL;
	}
	if (inputs->n == 1) {
		initrd->path = inputs->v[0].from;
		return us_pool_adopt(&initrd->pool, &inputs->v[0].map, &initrd->bytes);
	}
	US_TRY(us_blob_new(total, &all));
	for (size_t i = 0; i < inputs->n; i++)
		if (inputs->v[i].bytes.n)
			memcpy(all.p + inputs->v[i].offset, inputs->v[i].bytes.p,
			       inputs->v[i].bytes.n);
	return us_pool_adopt(&initrd->pool, &all, &initrd->bytes);
}

static struct us_err *walk_all(struct us_initrd *initrd, struct inputs *inputs,
			       struct us_progress *progress)
{
	size_t n_releases = 0;

	initrd->releases = us_pool_array(&initrd->pool, 1, sizeof(*initrd->releases));
	if (!initrd->releases)
		return us_err_nomem();
	for (size_t i = 0; i < inputs->n; i++) {
		struct us_initrd_part *part;

		US_TRY(walk_input(initrd, &inputs->v[i], &n_releases, progress));
		if (inputs->v[i].bytes.n)
			continue;
		US_TRY(add_part(initrd, &inputs->v[i], 0, &part));
		part->problem = "the file is empty";
	}
	judge_microcode((struct us_initrd_part *)initrd->parts, initrd->n_parts);
	for (size_t i = 0; initrd->deep && i < initrd->n_parts; i++)
		initrd->unpacked_bytes += initrd->parts[i].unpacked_bytes;
	return NULL;
}

struct us_err *us_initrd_open(const char *const *paths, size_t n, struct us_bytes uki_ucode,
			      struct us_bytes uki_initrd, bool deep, struct us_progress *progress,
			      struct us_initrd **ret)
{
	_us_initrd_free_ struct us_initrd *initrd = calloc(1, sizeof(*initrd));
	_inputs_deinit_ struct inputs inputs = { 0 };

	if (!initrd)
		return us_err_nomem();
	initrd->deep = deep;
	US_TRY(take_inputs(paths, n, uki_ucode, uki_initrd, &initrd->pool, &inputs));
	US_TRY(put_microcode_first(initrd, &inputs));
	US_TRY(join(initrd, &inputs));
	US_TRY(walk_all(initrd, &inputs, progress));
	*ret = us_steal(&initrd);
	return NULL;
}

void us_initrd_free(struct us_initrd *initrd)
{
	if (!initrd)
		return;
	us_pool_deinit(&initrd->pool);
	free(initrd);
}
