/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of all files that describe a machine, and the ways to open, read and list them below a
 * root. Reader and snapshot share the table: what is read is recorded. Paths are those of Linux
 * 3.17 to 7.x (Documentation/ABI/testing/sysfs-kernel-kexec-kdump for the renamed ones).
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SMALL   4096
#define MEDIUM  (1 << 20)
#define LARGE   (64 << 20)
#define EFI_DIR "/sys/firmware/efi"
#define NO_EFI  "this machine was not started by EFI"
#define NO_MAP  "this kernel runs without EFI runtime services or has no EFI_RUNTIME_MAP"
#define NO_KEXEC                                                                                   \
	"this kernel has no kexec at all (KEXEC and KEXEC_FILE are off), or sysfs is not mounted"

const struct us_host_file_row us_host_files[US_FILE_COUNT] = {
	[US_FILE_ARCH] = { "/proc/sys/kernel/arch", SMALL, US_SCRUB_TEXT, "new in Linux 6.1" },
	[US_FILE_OSRELEASE] = { "/proc/sys/kernel/osrelease", SMALL, US_SCRUB_TEXT, "mount proc" },
	[US_FILE_VERSION] = { "/proc/version", SMALL, US_SCRUB_VERSION, "mount proc" },
	[US_FILE_CMDLINE] = { "/proc/cmdline", MEDIUM, US_SCRUB_CMDLINE, "mount proc" },
	[US_FILE_CONFIG_GZ] = { "/proc/config.gz", MEDIUM, US_SCRUB_BINARY, "IKCONFIG_PROC is off" },
	[US_FILE_CONFIG_BOOT] = { "/boot/config-@", MEDIUM, US_SCRUB_TEXT, "not installed" },
	[US_FILE_CONFIG_MODULES] = { "/lib/modules/@/config", MEDIUM, US_SCRUB_TEXT,
				     "not installed" },
	[US_FILE_CONFIG_BUILD] = { "/lib/modules/@/build/.config", MEDIUM, US_SCRUB_TEXT,
				   "the kernel's headers are not installed" },
	[US_FILE_CPUINFO] = { "/proc/cpuinfo", LARGE, US_SCRUB_CPUINFO, "mount proc" },
	[US_FILE_POSSIBLE] = { "/sys/devices/system/cpu/possible", SMALL, US_SCRUB_TEXT,
			       "mount sysfs" },
	[US_FILE_XEN_TYPE] = { "/sys/hypervisor/type", SMALL, US_SCRUB_TEXT, "not under Xen" },
	[US_FILE_XEN_GUEST] = { "/sys/hypervisor/guest_type", SMALL, US_SCRUB_TEXT,
				"not under Xen" },
	[US_FILE_DMI_VENDOR] = { "/sys/class/dmi/id/sys_vendor", SMALL, US_SCRUB_TEXT,
				 "this machine has no DMI tables" },
	[US_FILE_KVM_TDX] = { "/sys/module/kvm_intel/parameters/tdx", SMALL, US_SCRUB_TEXT,
			      "kvm_intel is not loaded or knows no TDX" },
	[US_FILE_MEMMAP_START] = { "/sys/firmware/memmap/*/start", SMALL, US_SCRUB_TEXT,
				   "FIRMWARE_MEMMAP is off" },
	[US_FILE_MEMMAP_END] = { "/sys/firmware/memmap/*/end", SMALL, US_SCRUB_TEXT,
				 "FIRMWARE_MEMMAP is off" },
	[US_FILE_MEMMAP_TYPE] = { "/sys/firmware/memmap/*/type", SMALL, US_SCRUB_TEXT,
				  "FIRMWARE_MEMMAP is off" },
	[US_FILE_IOMEM] = { "/proc/iomem", LARGE, US_SCRUB_TEXT, "mount proc" },
	[US_FILE_MEMINFO] = { "/proc/meminfo", SMALL * 4, US_SCRUB_TEXT, "mount proc" },
	[US_FILE_LOADED] = { "/sys/kernel/kexec/loaded", SMALL, US_SCRUB_TEXT, NO_KEXEC },
	[US_FILE_LOADED_OLD] = { "/sys/kernel/kexec_loaded", SMALL, US_SCRUB_TEXT, NO_KEXEC },
	[US_FILE_CRASH_LOADED] = { "/sys/kernel/kexec/crash_loaded", SMALL, US_SCRUB_TEXT,
				   NO_KEXEC },
	[US_FILE_CRASH_LOADED_OLD] = { "/sys/kernel/kexec_crash_loaded", SMALL, US_SCRUB_TEXT,
				       "this kernel cannot load a crash kernel (CRASH_DUMP or "
				       "kexec is off), or sysfs is not mounted" },
	[US_FILE_CRASH_SIZE] = { "/sys/kernel/kexec/crash_size", SMALL, US_SCRUB_TEXT, NO_KEXEC },
	[US_FILE_CRASH_SIZE_OLD] = { "/sys/kernel/kexec_crash_size", SMALL, US_SCRUB_TEXT,
				     "this kernel cannot load a crash kernel (CRASH_DUMP or kexec "
				     "is off), or sysfs is not mounted" },
	[US_FILE_ELFCOREHDR_SIZE] = { "/sys/kernel/kexec/crash_elfcorehdr_size", SMALL,
				      US_SCRUB_TEXT, "CRASH_HOTPLUG is off (Linux 6.6)" },
	[US_FILE_ELFCOREHDR_SIZE_OLD] = { "/sys/kernel/crash_elfcorehdr_size", SMALL, US_SCRUB_TEXT,
					  "CRASH_HOTPLUG is off (Linux 6.6)" },
	[US_FILE_HOTPLUG_CPU] = { "/sys/devices/system/cpu/crash_hotplug", SMALL, US_SCRUB_TEXT,
				  "CRASH_HOTPLUG is off (Linux 6.6)" },
	[US_FILE_HOTPLUG_MEMORY] = { "/sys/devices/system/memory/crash_hotplug", SMALL,
				     US_SCRUB_TEXT, "CRASH_HOTPLUG is off (Linux 6.6)" },
	[US_FILE_VMCOREINFO] = { "/sys/kernel/vmcoreinfo", SMALL, US_SCRUB_TEXT,
				 "VMCORE_INFO is off, or sysfs is not mounted" },
	[US_FILE_CRASH_NOTES] = { "/sys/devices/system/cpu/*/crash_notes", SMALL, US_SCRUB_TEXT,
				  "CRASH_DUMP (before Linux 6.9: kexec) is off" },
	[US_FILE_CRASH_NOTES_SIZE] = { "/sys/devices/system/cpu/*/crash_notes_size", SMALL,
				       US_SCRUB_TEXT,
				       "CRASH_DUMP (before Linux 6.9: kexec) is off" },
	[US_FILE_LOAD_DISABLED] = { "/proc/sys/kernel/kexec_load_disabled", SMALL, US_SCRUB_TEXT,
				    "this kernel has no kexec, or proc is not mounted" },
	[US_FILE_LIMIT_PANIC] = { "/proc/sys/kernel/kexec_load_limit_panic", SMALL, US_SCRUB_TEXT,
				  "new in Linux 6.3" },
	[US_FILE_LIMIT_REBOOT] = { "/proc/sys/kernel/kexec_load_limit_reboot", SMALL, US_SCRUB_TEXT,
				   "new in Linux 6.3" },
	[US_FILE_PANIC_ON_OOPS] = { "/proc/sys/kernel/panic_on_oops", SMALL, US_SCRUB_TEXT,
				    "mount proc" },
	[US_FILE_POST_NOTIFIERS] = { "/sys/module/kernel/parameters/crash_kexec_post_notifiers",
				     SMALL, US_SCRUB_TEXT, "mount sysfs" },
	[US_FILE_KALLSYMS] = { "/proc/kallsyms", LARGE, US_SCRUB_KALLSYMS, "KALLSYMS is off" },
	[US_FILE_STATUS] = { "/proc/self/status", SMALL * 4, US_SCRUB_STATUS, "mount proc" },
	[US_FILE_NS_PID] = { "/proc/self/ns/pid", SMALL, US_SCRUB_TEXT, "PID_NS is off" },
	[US_FILE_NS_USER] = { "/proc/self/ns/user", SMALL, US_SCRUB_TEXT, "USER_NS is off" },
	[US_FILE_INIT_COMM] = { "/proc/1/comm", SMALL, US_SCRUB_TEXT,
				"proc hides other processes (hidepid)" },
	[US_FILE_EFI_BITS] = { EFI_DIR "/fw_platform_size", SMALL, US_SCRUB_TEXT, NO_EFI },
	[US_FILE_EFI_SYSTAB] = { EFI_DIR "/systab", SMALL, US_SCRUB_TEXT, NO_EFI },
	[US_FILE_EFI_FW_VENDOR] = { EFI_DIR "/fw_vendor", SMALL, US_SCRUB_TEXT, NO_MAP },
	[US_FILE_EFI_RUNTIME] = { EFI_DIR "/runtime", SMALL, US_SCRUB_TEXT, NO_MAP },
	[US_FILE_EFI_CONFIG_TABLE] = { EFI_DIR "/config_table", SMALL, US_SCRUB_TEXT, NO_MAP },
	[US_FILE_EFI_REGION_TYPE] = { EFI_DIR "/runtime-map/*/type", SMALL, US_SCRUB_TEXT, NO_MAP },
	[US_FILE_EFI_REGION_PHYS] = { EFI_DIR "/runtime-map/*/phys_addr", SMALL, US_SCRUB_TEXT,
				      NO_MAP },
	[US_FILE_EFI_REGION_VIRT] = { EFI_DIR "/runtime-map/*/virt_addr", SMALL, US_SCRUB_TEXT,
				      NO_MAP },
	[US_FILE_EFI_REGION_PAGES] = { EFI_DIR "/runtime-map/*/num_pages", SMALL, US_SCRUB_TEXT,
				       NO_MAP },
	[US_FILE_EFI_REGION_ATTRIBUTE] = { EFI_DIR "/runtime-map/*/attribute", SMALL, US_SCRUB_TEXT,
					   NO_MAP },
	[US_FILE_EFI_SECURE_BOOT] = { EFI_DIR
				      "/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
				      SMALL, US_SCRUB_BINARY,
				      "mount efivarfs on /sys/firmware/efi/efivars" },
	[US_FILE_BOOT_PARAMS] = { "/sys/kernel/boot_params/data", SMALL, US_SCRUB_BOOT_PARAMS,
				  "only x86 kernels have it; mount sysfs" },
	[US_FILE_LOCKDOWN] = { "/sys/kernel/security/lockdown", SMALL, US_SCRUB_TEXT,
			       "mount securityfs on /sys/kernel/security" },
	[US_FILE_IMA_POLICY] = { "/sys/kernel/security/integrity/ima/policy", MEDIUM, US_SCRUB_TEXT,
				 "mount securityfs on /sys/kernel/security" },
	[US_FILE_KEYS] = { "/proc/keys", MEDIUM, US_SCRUB_KEYS, "KEYS is off" },
	[US_FILE_IOMMU] = { "/sys/class/iommu/*/uevent", SMALL, US_SCRUB_TEXT, "no IOMMU" },
	[US_FILE_DRM] = { "/sys/class/drm/*/device/uevent", SMALL, US_SCRUB_TEXT,
			  "no graphics device" },
	[US_FILE_RESUME] = { "/sys/power/resume", SMALL, US_SCRUB_TEXT, "HIBERNATION is off" },
	[US_FILE_RESUME_OFFSET] = { "/sys/power/resume_offset", SMALL, US_SCRUB_TEXT,
				    "HIBERNATION is off" },
	[US_FILE_MADE_DENIED] = { "/understudy/denied", MEDIUM, US_SCRUB_MADE, "not recorded" },
	[US_FILE_MADE_MACHINE] = { "/understudy/machine", SMALL, US_SCRUB_MADE, "not recorded" },
	[US_FILE_MADE_VMCOREINFO] = { "/understudy/vmcoreinfo", MEDIUM, US_SCRUB_MADE,
				      "not recorded: root may read it on the machine itself" },
	[US_FILE_MADE_KCORE] = { "/understudy/kcore", LARGE, US_SCRUB_MADE,
				 "not recorded: root may read it on the machine itself" },
	[US_FILE_MADE_KEYRINGS] = { "/understudy/keyrings", MEDIUM, US_SCRUB_MADE,
				    "not recorded: root may read it on the machine itself" },
	[US_FILE_MADE_HIBERNATION] = { "/understudy/hibernation", SMALL, US_SCRUB_MADE,
				       "not recorded: root may read it on the machine itself" },
};

const char *us_host_say(struct us_pool *pool, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text text = { 0 };
	const char *copy = NULL;
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&text, fmt, ap);
	va_end(ap);
	if (!text.failed)
		copy = us_pool_strdup(pool, text.s ? text.s : "");
	return copy ? copy : "(out of memory)";
}

const char *us_host_path(const struct us_host *host, struct us_pool *pool, enum us_host_file file,
			 const char *name)
{
	const char *path = us_host_files[file].path;
	const char *hole = strpbrk(path, "*@");
	const char *fill = hole && *hole == '@' ? host->release.v : name;

	if (!hole || !fill)
		return path;
	return us_host_say(pool, "%.*s%s%s", (int)(hole - path), path, fill, hole + 1);
}

int us_host_openat(const struct us_host *host, const char *path, int flags)
{
	struct open_how how = { .flags = (uint64_t)(flags | O_CLOEXEC | O_NOCTTY) };
	int fd;

	while (*path == '/')
		path++;
	if (!host->live)
		how.resolve = RESOLVE_IN_ROOT;
	fd = (int)syscall(SYS_openat2, host->root_fd, path, &how, sizeof(how));
	if (fd < 0 && errno == ENOSYS) /* before Linux 5.6 */
		fd = openat(host->root_fd, path, flags | O_CLOEXEC | O_NOCTTY);
	return fd;
}

/* Was path there, but not to be read, when the machine was recorded? */
static bool was_denied(const struct us_host *host, const char *path)
{
	_us_blob_deinit_ struct us_blob list = { 0 };
	struct us_bytes rest, line;
	_us_err_free_ struct us_err *err =
		us_file_read_at(host->root_fd, us_host_files[US_FILE_MADE_DENIED].path,
				us_host_files[US_FILE_MADE_DENIED].max, &list);

	rest = us_blob_bytes(&list);
	while (!err && us_line_next(&rest, &line))
		if (us_bytes_equal(line, us_bytes_of(path, strlen(path))))
			return true;
	return false;
}

static const char *why_not(const struct us_host *host, const struct us_err *err,
			   struct us_pool *pool, enum us_host_file file, const char *path)
{
	bool absent = err->code == US_ERR_NOT_FOUND || err->os_errno == ENOTDIR;

	if (absent && !host->live && was_denied(host, path))
		return "readable by root only";
	if (absent)
		return us_host_say(pool, "not there: %s", us_host_files[file].absent);
	if (err->code == US_ERR_DENIED)
		return geteuid() ? "readable by root only" : "the kernel does not let it be read";
	return us_host_say(pool, "%s", err->text);
}

bool us_host_read(const struct us_host *host, struct us_pool *pool, enum us_host_file file,
		  const char *name, struct us_blob *ret, struct us_origin *ret_from)
{
	const char *path = us_host_path(host, pool, file, name);
	_us_err_free_ struct us_err *err =
		us_file_read_at(host->root_fd, path, us_host_files[file].max, ret);

	ret_from->path = path;
	ret_from->missing = err ? why_not(host, err, pool, file, path) : NULL;
	return !err;
}

bool us_host_read_head(const struct us_host *host, struct us_pool *pool, enum us_host_file file,
		       size_t bytes, struct us_blob *ret, struct us_origin *ret_from)
{
	const char *path = us_host_path(host, pool, file, NULL);
	_us_close_ int fd = us_host_openat(host, path, O_RDONLY);
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_err_free_ struct us_err *err = NULL;
	size_t done = 0;
	ssize_t n = 0;

	if (fd < 0)
		err = us_err_os(errno, "opening %s", path);
	else
		err = us_blob_new(bytes + 1, &blob);
	while (!err && done < bytes && (n = read(fd, blob.p + done, bytes - done)) > 0)
		done += (size_t)n;
	if (!err && n < 0)
		err = us_err_os(errno, "reading %s", path);
	ret_from->path = path;
	ret_from->missing = err ? why_not(host, err, pool, file, path) : NULL;
	if (err)
		return false;
	blob.n = done;
	*ret = us_blob_steal(&blob);
	return true;
}

bool us_host_read_either(const struct us_host *host, struct us_pool *pool, enum us_host_file file,
			 struct us_blob *ret, struct us_origin *ret_from)
{
	return us_host_read(host, pool, file, NULL, ret, ret_from) ||
	       us_host_read(host, pool, file + 1, NULL, ret, ret_from);
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

/* Is the file behind the "*" there for name? */
static bool has_file(int dirfd, const char *name, const char *rest)
{
	char path[PATH_MAX];

	return (size_t)snprintf(path, sizeof(path), "%s%s", name, rest) < sizeof(path) &&
	       faccessat(dirfd, path, F_OK, 0) == 0;
}

struct us_err *us_host_list(const struct us_host *host, struct us_pool *pool,
			    enum us_host_file file, const char *const **ret, size_t *ret_n)
{
	const char *path = us_host_files[file].path, *star = strchr(path, '*');
	const char *dir = us_host_say(pool, "%.*s", (int)(star - path), path);
	int fd = us_host_openat(host, dir, O_RDONLY | O_DIRECTORY);
	_us_closedir_ DIR *d = NULL;
	_us_free_ const char **names = NULL;
	const char **kept;
	size_t n = 0;

	*ret_n = 0;
	if (fd < 0)
		return NULL;
	d = fdopendir(fd);
	if (!d) {
		close(fd);
		return us_err_nomem();
	}
	for (struct dirent *e; (e = readdir(d));) {
		const char **more;

		if (e->d_name[0] == '.' || !has_file(dirfd(d), e->d_name, star + 1))
			continue;
		more = reallocarray(names, n + 1, sizeof(*names));
		if (!more)
			return us_err_nomem();
		names = more;
		names[n] = us_pool_strdup(pool, e->d_name);
		if (!names[n++])
			return us_err_nomem();
	}
	kept = us_pool_array(pool, n + 1, sizeof(*kept));
	if (!kept)
		return us_err_nomem();
	if (n)
		memcpy(kept, names, n * sizeof(*kept));
	qsort(kept, n, sizeof(*kept), by_name);
	*ret = kept;
	*ret_n = n;
	return NULL;
}
