/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mountinfo, asked for the mount of a directory: what is found holds it. */
#include "fuzz.h"

#include "crash/walk-int.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char path[] = "/var/crash";
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_mount mount = { 0 };
	_us_err_free_ struct us_err *err =
		us_mount_find(us_bytes_of(data, size), path, &pool, &mount);

	if (!err) {
		MUST(mount.point && mount.type && mount.source && mount.options && mount.root);
		MUST(!strncmp(path, mount.point, strlen(mount.point)));
	}
	return 0;
}
