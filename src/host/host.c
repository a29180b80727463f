/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening a machine: the running one below "/" or a recorded one below a directory. Reading needs
 * no privilege; what only root may read becomes an unknown fact that says so.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_dir(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static struct us_err *read_all(struct us_host *host)
{
	_us_kcore_deinit_ struct us_kcore kcore = { 0 };

	US_TRY(us_host_read_kernel(host));
	US_TRY(us_kcore_read(host, &host->pool, &kcore));
	US_TRY(us_host_read_cpu(host, &kcore));
	US_TRY(us_host_read_memory(host));
	US_TRY(us_host_read_text(host, &kcore));
	US_TRY(us_host_read_kexec(host));
	US_TRY(us_host_read_firmware(host));
	US_TRY(us_host_read_trust(host));
	return us_host_read_devices(host);
}

struct us_err *us_host_open(const char *root, struct us_host **ret)
{
	_us_host_free_ struct us_host *host = calloc(1, sizeof(*host));
	_us_close_ int slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (!host)
		return us_err_nomem();
	host->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (host->root_fd < 0)
		return us_err_os(errno, "opening the machine below %s", root);
	host->live = same_dir(host->root_fd, slash);
	host->act = host->live ? us_act_real() : us_act_refusing();
	host->root = us_pool_strdup(&host->pool, root);
	if (!host->root)
		return us_err_nomem();
	US_TRY(read_all(host));
	if (!host->live && !us_known(host->release.o) && !us_known(host->cmdline.o))
		return us_err_new(US_ERR_NOT_FOUND,
				  "%s is no recorded machine: it has no proc/cmdline and no "
				  "proc/sys/kernel/osrelease",
				  root);
	*ret = us_steal(&host);
	return NULL;
}

void us_host_free(struct us_host *host)
{
	if (!host)
		return;
	if (host->root_fd >= 0)
		close(host->root_fd);
	us_kconfig_free(host->kconfig);
	us_map_deinit(&host->map);
	us_map_deinit(&host->firmware_map);
	us_pool_deinit(&host->pool);
	free(host);
}
