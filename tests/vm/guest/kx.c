/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bare kexec system calls by hand, with the kernel's errno by name; the lab's own measure of
 * what the kernel itself answers, apart from any loader. See kexec_load(2), kexec_file_load(2). kx
 * file KERNEL INITRD|- CMDLINE [FLAGS]   kx load [FLAGS [ADDRESS]]   kx unload [FLAGS] kx
 * file-unload [FLAGS]   kx exec It parses no image: "load" hands over one page that only halts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_UNLOAD       1ul
#define FILE_NO_INITRAMFS 4ul
#define REBOOT_KEXEC      0x45584543

struct segment {
	const void *buf;
	size_t bufsz;
	unsigned long mem;
	size_t memsz;
};

static unsigned long number(int argc, char **argv, int at, unsigned long otherwise)
{
	return argc > at ? strtoul(argv[at], NULL, 0) : otherwise;
}

static long file_load(int argc, char **argv)
{
	unsigned long flags = number(argc, argv, 5, 0);
	int kernel, initrd = -1;

	if (argc < 5) {
		errno = EINVAL;
		return -1;
	}
	kernel = open(argv[2], O_RDONLY);
	if (strcmp(argv[3], "-") == 0)
		flags |= FILE_NO_INITRAMFS;
	else
		initrd = open(argv[3], O_RDONLY);
	return syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[4]) + 1, argv[4], flags);
}

static long load(int argc, char **argv)
{
	static const char halt[4096] = { (char)0xf4 };
	struct segment s = { halt, sizeof(halt), number(argc, argv, 3, 0x4000000), sizeof(halt) };

	return syscall(SYS_kexec_load, s.mem, 1ul, &s, number(argc, argv, 2, 0));
}

static long unload(int argc, char **argv)
{
	return syscall(SYS_kexec_load, 0ul, 0ul, NULL, number(argc, argv, 2, 0));
}

static long file_unload(int argc, char **argv)
{
	return syscall(SYS_kexec_file_load, -1, -1, 0ul, NULL,
		       number(argc, argv, 2, 0) | FILE_UNLOAD);
}

static long jump(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	sync();
	return reboot(REBOOT_KEXEC);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		long (*call)(int argc, char **argv);
	} verbs[] = {
		{ "file", file_load },          { "load", load }, { "unload", unload },
		{ "file-unload", file_unload }, { "exec", jump },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		if (verbs[i].call(argc, argv) == 0) {
			printf("%s: ok\n", argv[1]);
			return 0;
		}
		printf("%s: %s %d\n", argv[1], strerrorname_np(errno), errno);
		return 1;
	}
	fprintf(stderr, "usage: kx file|load|unload|file-unload|exec ...\n");
	return 2;
}
