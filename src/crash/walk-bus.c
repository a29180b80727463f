/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drivers between the machine and a device, outermost first: every ancestor in /sys/devices
 * that has a driver or a modalias. The driver that works now is wanted by its name; the modalias is
 * for a capture kernel that has it under another name. Bridges need no module: the kernel walks
 * through them. A reason names the device.
 */
#include "crash/walk-int.h"

#include <string.h>

struct us_err *us_walk_want(struct us_walk *walk, const char *name, const char *alias,
			    bool optional, const char *fmt, ...)
{
	va_list ap;
	char reason[256];

	for (size_t i = 0; i < walk->out->n_modules; i++) {
		struct us_wanted_module *m = &walk->modules[i];

		if (strcmp(m->name, name) != 0)
			continue;
		if (m->target != walk->target)
			m->target = -1;
		m->optional = m->optional && optional;
		return NULL;
	}
	if (walk->out->n_modules == US_WALK_MODULES_MAX)
		return us_err_new(US_ERR_NO_ROOM, "more than %d modules are wanted",
				  US_WALK_MODULES_MAX);
	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	struct us_wanted_module m = {
		.name = us_pool_strdup(walk->pool, name),
		.alias = alias ? us_pool_strdup(walk->pool, alias) : NULL,
		.reason = us_pool_strdup(walk->pool, reason),
		.target = walk->target,
		.optional = optional,
	};
	if (!m.name || !m.reason)
		return us_err_nomem();
	walk->modules[walk->out->n_modules++] = m;
	return NULL;
}

static struct us_err *want_driver(struct us_walk *walk, const char *dir, const char *of)
{
	const char *driver = us_walk_link(walk, "%s/driver", dir);
	const char *alias = us_walk_read(walk, "%s/modalias", dir);
	const char *class = us_walk_read(walk, "%s/class", dir);

	if (alias && !*alias)
		alias = NULL;
	if (class && !strncmp(class, "0x06", 4))
		return NULL;
	if (!driver)
		return NULL; /* nothing drives it now: it is not in the way */
	const char *module = us_walk_link(walk, "%s/module", driver);
	return us_walk_want(walk, us_walk_base(module ? module : driver), alias, false,
			    "%s, on the way to %s", us_walk_base(dir), of);
}

struct us_err *us_walk_bus(struct us_walk *walk, const char *sys)
{
	char *path = us_pool_strdup(walk->pool, sys);
	static const char devices[] = "sys/devices/";

	if (!path)
		return us_err_nomem();
	if (strncmp(path, devices, strlen(devices)) != 0)
		return us_err_new(US_ERR_BAD_DATA, "%s is no device", sys);
	for (char *p = path + strlen(devices); (p = strchr(p, '/')); p++) {
		*p = '\0';
		struct us_err *err = want_driver(walk, path, us_walk_base(sys));
		*p = '/';
		if (err)
			return err;
	}
	return want_driver(walk, path, us_walk_base(sys));
}
