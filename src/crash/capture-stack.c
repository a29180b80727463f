/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device of a recipe outside a capture: what a rehearsal makes its scratch target with and reads
 * it by. All the work is done by the capture's own code (capture-find.c, capture-dm.c,
 * capture-md.c); this only stands in for the story around it. No part of understudy-capture.
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

/* Notes are said on the console, as a capture would. */
static struct us_err *bring_up(struct us_capture *c, const char *device, unsigned int seconds,
			       struct us_pool *pool, const char **ret_node)
{
	const char *node;

	US_TRY(us_capture_device(c, device, us_capture_until(c, seconds), &node));
	*ret_node = us_pool_strdup(pool, node);
	return *ret_node ? NULL : us_err_nomem();
}

struct us_err *us_capture_assemble(struct us_recipe *recipe, const char *device,
				   unsigned int seconds, us_capture_fill_fn fill, void *data,
				   struct us_pool *pool, const char **ret_node)
{
	const struct us_capture_wish wish = { 0 };
	_us_close_ int console = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	struct us_capture c = { .wish = &wish,
				.recipe = recipe,
				.console = console,
				.meminfo = -1,
				.watchdog = -1,
				.fill = fill,
				.fill_data = data,
				.keys_here = true };
	struct us_err *err;

	c.shared = mmap(NULL, sizeof(*c.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (c.shared == MAP_FAILED)
		return us_err_os(errno, "sharing memory");
	err = bring_up(&c, device, seconds, pool, ret_node);
	munmap(c.shared, sizeof(*c.shared));
	return err;
}
