/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices of the recipe: a disk or partition is known by bytes that stand on it, never by its name.
 * /sys/class/block is scanned again and again until the device is there or the time is over; each
 * candidate is read by a child of its own, for a dead disk can sleep for minutes. What is assembled
 * (device mapper, md) is in capture-dm.c and capture-md.c.
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>

#define LOOK_SECONDS  5 /* for one candidate */
#define MARK_MOST     64
#define CANDIDATES    256 /* read already and found to be none */
#define LOOK_AGAIN_MS 50

bool us_capture_marks_hold(const struct us_recipe_device *d, int fd)
{
	uint8_t got[MARK_MOST];

	for (size_t i = 0; i < d->n_marks; i++) {
		const struct us_recipe_mark *m = &d->marks[i];

		if (m->bytes.n > sizeof(got) ||
		    pread(fd, got, m->bytes.n, (off_t)m->at) != (ssize_t)m->bytes.n ||
		    memcmp(got, m->bytes.p, m->bytes.n))
			return false;
	}
	return true;
}

struct look {
	const struct us_recipe_device *device;
	char node[US_CAPTURE_NODE];
};

/* US_ERR_NOT_FOUND: it is another one. */
static struct us_err *look_at(struct us_capture *c, void *data)
{
	const struct look *look = data;
	_us_close_ int fd = open(look->node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	(void)c;
	if (fd < 0)
		return us_err_os(errno, "%s", look->node);
	if (!us_capture_marks_hold(look->device, fd))
		return us_err_new(US_ERR_NOT_FOUND, "%s is another one", look->node);
	return NULL;
}

static uint64_t sectors_of(const char *name)
{
	char path[320], text[32];
	_us_close_ int fd = -1;
	uint64_t sectors = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/block/%s/size", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = 0;
	return us_text_u64(text, 10, &sectors) ? sectors : 0;
}

/* Names that were looked at, as one text with newlines. */
struct seen {
	struct us_text names;
	unsigned int n;
};

static bool was_seen(const struct seen *seen, const char *line)
{
	return seen->names.s && strstr(seen->names.s, line);
}

/* One whose node is not made yet, or that is not ready, is looked at again. */
static void note_seen(struct seen *seen, const char *line, const struct us_err *err)
{
	bool soon = err->os_errno && err->os_errno != ETIMEDOUT;

	if (!soon && seen->n++ < CANDIDATES)
		us_text_add(&seen->names, "%s", line);
}

/* Two devices never hold one mark: a copy of a disk is no better than the disk, the first is taken. */
static bool scan(struct us_capture *c, const struct us_recipe_device *d, uint64_t deadline_ns,
		 struct seen *seen, char *ret_node)
{
	_us_closedir_ DIR *dir = opendir("/sys/class/block");
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		struct look look = { .device = d };
		uint64_t sectors, until = us_capture_until(c, LOOK_SECONDS);
		struct us_err *err;
		char line[320];

		if (e->d_name[0] == '.' || strlen(e->d_name) > sizeof(look.node) - 6)
			continue;
		sectors = sectors_of(e->d_name);
		snprintf(line, sizeof(line), "\n%s %llu\n", e->d_name, (unsigned long long)sectors);
		if (!sectors || (d->bytes && sectors != d->bytes / 512) || was_seen(seen, line))
			continue;
		snprintf(look.node, sizeof(look.node), "/dev/%.57s", e->d_name);
		for (char *p = look.node + 5; *p; p++)
			if (*p == '!')
				*p = '/';
		err = us_guard(c, look.node, until < deadline_ns ? until : deadline_ns, look_at,
			       &look);
		if (!err) {
			memcpy(ret_node, look.node, sizeof(look.node));
			return true;
		}
		note_seen(seen, line, err);
		us_err_free(err);
	}
	return false;
}

static struct us_err *find(struct us_capture *c, const struct us_recipe_device *d,
			   uint64_t deadline_ns, char *ret_node)
{
	const struct timespec pause = { .tv_nsec = LOOK_AGAIN_MS * 1000000L };
	struct seen seen = { 0 };
	bool found;

	for (;;) {
		found = scan(c, d, deadline_ns, &seen, ret_node);
		if (found || us_capture_now_ns() >= deadline_ns)
			break;
		nanosleep(&pause, NULL);
	}
	us_text_deinit(&seen.names);
	return found ? NULL
		     : us_err_new(US_ERR_NOT_FOUND,
				  "the device %s did not show up (no device "
				  "carries its marks)",
				  d->name);
}

static size_t index_of(const struct us_recipe *r, const char *name)
{
	size_t i = 0;

	while (i < r->n_devices && strcmp(r->devices[i].name, name))
		i++;
	return i;
}

/* What was assembled has to be what was meant. */
static struct us_err *check_assembled(const struct us_recipe_device *d, const char *node,
				      uint64_t deadline_ns)
{
	const struct timespec pause = { .tv_nsec = LOOK_AGAIN_MS * 1000000L };
	_us_close_ int fd = open(node, O_RDONLY | O_CLOEXEC);

	while (fd < 0 && errno == ENOENT && us_capture_now_ns() < deadline_ns) {
		nanosleep(&pause, NULL); /* devtmpfs makes the node in its own time */
		fd = open(node, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return us_err_os(errno, "%s: %s", d->name, node);
	if (!us_capture_marks_hold(d, fd))
		return us_err_new(US_ERR_REFUSED, "%s: what was assembled as %s is not what it was",
				  d->name, node);
	return NULL;
}

static struct us_err *bring_up(struct us_capture *c, const struct us_recipe_device *d,
			       uint64_t deadline_ns, char ret[US_CAPTURE_NODE])
{
	if (d->kind == US_DEVICE_FOUND)
		return find(c, d, deadline_ns, ret);
	if (d->kind == US_DEVICE_DM)
		US_TRY(us_capture_dm(c, d, deadline_ns, ret));
	else
		US_TRY(us_capture_md(c, d, deadline_ns, ret));
	if (c->fill)
		US_TRY(c->fill(c->fill_data, d, ret));
	return check_assembled(d, ret, deadline_ns);
}

struct us_err *us_capture_device(struct us_capture *c, const char *name, uint64_t deadline_ns,
				 const char **ret_node)
{
	size_t i = index_of(c->recipe, name);
	char found[US_CAPTURE_NODE] = "";
	char *node;

	if (i >= c->recipe->n_devices || i >= US_CAPTURE_DEVICES)
		return us_err_new(US_ERR_UNSUPPORTED, "more than %d devices", US_CAPTURE_DEVICES);
	node = c->shared->devices[i].node;
	if (!*node) {
		US_TRY(bring_up(c, &c->recipe->devices[i], deadline_ns, found));
		us_capture_note(c, "device", "%s is %s", name, found);
		memcpy(node, found, sizeof(found));
	}
	*ret_node = node;
	return NULL;
}
