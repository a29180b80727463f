/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices that matter to a jump: IOMMUs, graphics drivers, and whether a hibernation image waits in
 * the resume device (Linux 6.12 kernel/power/swap.c: the signature in the last ten bytes of the
 * header page).
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SWAP_SIGNATURE "S1SUSPEND"

static struct us_err *read_iommus(struct us_host *host)
{
	static const struct {
		const char *prefix, *kind;
	} kinds[] = { { "dmar", "intel" }, { "ivhd", "amd" }, { "smmu", "arm" } };
	static const char *const path = "/sys/class/iommu";
	_us_close_ int dir = us_host_openat(host, "/sys/class", O_RDONLY | O_DIRECTORY);
	const char *const *names;
	size_t n;

	US_TRY(us_host_list(host, &host->pool, US_FILE_IOMMU, &names, &n));
	host->iommus =
		dir < 0 ? us_fact_u64_unknown(path, "mount sysfs") : us_fact_u64_known(path, n);
	host->iommu_kind = (struct us_fact_str){ .o = host->iommus.o, .v = "" };
	for (size_t i = 0; i < us_array_size(kinds) && n; i++)
		if (strncmp(names[0], kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			host->iommu_kind.v = kinds[i].kind;
	return NULL;
}

static struct us_err *read_gpus(struct us_host *host)
{
	_us_text_deinit_ struct us_text drivers = { 0 };
	const char *const *names;
	size_t n;

	US_TRY(us_host_list(host, &host->pool, US_FILE_DRM, &names, &n));
	for (size_t i = 0; i < n; i++) {
		_us_blob_deinit_ struct us_blob blob = { 0 };
		struct us_bytes rest, line, driver;
		struct us_origin from;

		if (!us_host_read(host, &host->pool, US_FILE_DRM, names[i], &blob, &from))
			continue;
		rest = us_blob_bytes(&blob);
		while (us_line_next(&rest, &line)) {
			const char *name;

			if (!us_line_after(line, "DRIVER=", &driver))
				continue;
			name = us_host_say(&host->pool, "%.*s", (int)driver.n, driver.p);
			if (!us_line_has_word(us_bytes_of(drivers.s, drivers.n), name))
				us_text_add(&drivers, "%s%s", drivers.n ? " " : "", name);
		}
	}
	host->gpu_drivers =
		(struct us_fact_str){ .o.path = "/sys/class/drm/*/device",
				      .v = drivers.s ? us_host_say(&host->pool, "%s", drivers.s)
						     : "" };
	return NULL;
}

static struct us_fact_tri look_into(struct us_host *host, uint64_t offset_pages)
{
	const char *path = us_host_say(&host->pool, "/dev/block/%s", host->resume_device.v);
	_us_close_ int fd = us_host_openat(host, path, O_RDONLY | O_NONBLOCK);
	char signature[sizeof(SWAP_SIGNATURE)] = "";
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), at;

	if (!us_mul(offset_pages, page, &at) || !us_add(at, page - sizeof(signature), &at) ||
	    at > INT64_MAX)
		return us_fact_tri_unknown(path, "/sys/power/resume_offset is too large");
	if (fd < 0)
		return us_fact_tri_unknown(
			path, errno == EACCES ? "readable by root only"
					      : us_host_say(&host->pool, "%s", strerror(errno)));
	if (pread(fd, signature, sizeof(signature), (off_t)at) != (ssize_t)sizeof(signature))
		return us_fact_tri_unknown(path, "its swap header could not be read");
	return us_fact_tri_known(path, memcmp(signature, SWAP_SIGNATURE, sizeof(signature)) == 0);
}

static struct us_fact_tri find_hibernation(struct us_host *host)
{
	struct us_fact_u64 offset;
	struct us_fact_str recorded;

	if (!us_known(host->resume_device.o)) {
		if (us_kconfig_builtin(host->kconfig, "HIBERNATION") == US_NO)
			return us_fact_tri_known(host->config_known.o.path, false);
		return us_fact_tri_unknown(host->resume_device.o.path,
					   host->resume_device.o.missing);
	}
	if (!*host->resume_device.v || strcmp(host->resume_device.v, "0:0") == 0)
		return us_fact_tri_known("/sys/power/resume: no device", false);
	if (!host->live) {
		recorded = us_fact_str_of(host, US_FILE_MADE_HIBERNATION);
		if (!us_known(recorded.o))
			return us_fact_tri_unknown(recorded.o.path, recorded.o.missing);
		return us_fact_tri_known(recorded.o.path, strcmp(recorded.v, "yes") == 0);
	}
	offset = us_fact_u64_of(host, US_FILE_RESUME_OFFSET, 10);
	return look_into(host, us_known(offset.o) ? offset.v : 0);
}

struct us_err *us_host_read_devices(struct us_host *host)
{
	US_TRY(read_iommus(host));
	US_TRY(read_gpus(host));
	host->resume_device = us_fact_str_of(host, US_FILE_RESUME);
	host->hibernation_image = find_hibernation(host);
	return NULL;
}
