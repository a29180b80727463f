/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The only file that changes the machine: kexec_load(2), kexec_file_load(2), reboot(2), sync,
 * running a program, writing a sysfs or procfs file. Beside the real actions stand two others with
 * the same face: one that writes down what would be done, one that refuses. System call numbers of
 * architectures whose headers lack them: Linux 6.12 include/uapi/asm-generic/unistd.h.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#ifdef SYS_kexec_load
static const long nr_kexec_load = SYS_kexec_load;
#else
static const long nr_kexec_load = -1;
#endif
#ifdef SYS_kexec_file_load
static const long nr_kexec_file_load = SYS_kexec_file_load;
#else
static const long nr_kexec_file_load = -1;
#endif

static int errno_of(long result)
{
	return result < 0 ? errno : 0;
}

static int real_kexec_load(void *data, uint64_t entry, size_t n,
			   const struct us_kexec_segment *segments, uint64_t flags)
{
	/* struct kexec_segment of linux/kexec.h, in the words of this machine */
	struct {
		const void *buf;
		size_t bufsz;
		unsigned long mem;
		size_t memsz;
	} list[16];

	(void)data;
	if (nr_kexec_load < 0)
		return ENOSYS;
	if (n > us_array_size(list))
		return EINVAL;
	for (size_t i = 0; i < n; i++) {
		list[i].buf = segments[i].buf;
		list[i].bufsz = segments[i].bufsz;
		list[i].mem = (unsigned long)segments[i].mem;
		list[i].memsz = segments[i].memsz;
	}
	return errno_of(syscall(nr_kexec_load, (unsigned long)entry, n, list, (unsigned long)flags));
}

static int real_kexec_file_load(void *data, int kernel_fd, int initrd_fd, size_t cmdline_len,
				const char *cmdline, uint64_t flags)
{
	(void)data;
	if (nr_kexec_file_load < 0)
		return ENOSYS;
	return errno_of(syscall(nr_kexec_file_load, kernel_fd, initrd_fd, cmdline_len, cmdline,
				(unsigned long)flags));
}

static int real_sync(void *data)
{
	(void)data;
	sync();
	return 0;
}

static int real_reboot_kexec(void *data)
{
	(void)data;
	return errno_of(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
				LINUX_REBOOT_CMD_KEXEC, NULL));
}

static int real_run(void *data, const char *const *argv, int *ret_status)
{
	pid_t pid;
	int err;

	(void)data;
	err = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ);
	if (err)
		return err;
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return errno;
	return 0;
}

static int real_write_file(void *data, const char *path, struct us_bytes bytes)
{
	_us_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	(void)data;
	if (fd < 0)
		return errno;
	n = write(fd, bytes.p, bytes.n); /* sysfs takes a value in one piece or not at all */
	if (n < 0)
		return errno;
	return (size_t)n == bytes.n ? 0 : EIO;
}

struct us_act us_act_real(void)
{
	return (struct us_act){
		.kexec_load = real_kexec_load,
		.kexec_file_load = real_kexec_file_load,
		.sync_disks = real_sync,
		.reboot_kexec = real_reboot_kexec,
		.run = real_run,
		.write_file = real_write_file,
	};
}

static int refuse_kexec_load(void *data, uint64_t entry, size_t n,
			     const struct us_kexec_segment *segments, uint64_t flags)
{
	(void)data, (void)entry, (void)n, (void)segments, (void)flags;
	return EPERM;
}

static int refuse_kexec_file_load(void *data, int kernel_fd, int initrd_fd, size_t cmdline_len,
				  const char *cmdline, uint64_t flags)
{
	(void)data, (void)kernel_fd, (void)initrd_fd, (void)cmdline_len, (void)cmdline, (void)flags;
	return EPERM;
}

static int refuse(void *data)
{
	(void)data;
	return EPERM;
}

static int refuse_run(void *data, const char *const *argv, int *ret_status)
{
	(void)data, (void)argv, (void)ret_status;
	return EPERM;
}

static int refuse_write_file(void *data, const char *path, struct us_bytes bytes)
{
	(void)data, (void)path, (void)bytes;
	return EPERM;
}

struct us_act us_act_refusing(void)
{
	return (struct us_act){
		.kexec_load = refuse_kexec_load,
		.kexec_file_load = refuse_kexec_file_load,
		.sync_disks = refuse,
		.reboot_kexec = refuse,
		.run = refuse_run,
		.write_file = refuse_write_file,
	};
}
