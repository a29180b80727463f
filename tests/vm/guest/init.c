/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PID 1 of every lab guest: mounts the usual file systems, inserts the modules of /m/list in order,
 * runs the steps of /steps by /bin/sh, each under its own deadline, and reports over ttyS1: one
 * JSON line for the boot, one before and one after each step (text values in base64). Then it
 * powers the machine off. It does not judge: exit status and output go to the host as they are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define KEEP_MAX (1u << 20) /* of each output; bulk data leaves by /bin/send */

struct text {
	char *p;
	size_t n, room;
	bool cut;
};

struct lab {
	int port;
	int kmsg;
	int stage;
};

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void text_add(struct text *t, const void *p, size_t n)
{
	if (t->n + n > KEEP_MAX) {
		n = KEEP_MAX - t->n;
		t->cut = true;
	}
	if (t->n + n > t->room) {
		t->room = (t->n + n) * 2;
		t->p = realloc(t->p, t->room);
		if (!t->p)
			abort();
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void port_write(const struct lab *lab, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(lab->port, p, n);

		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
}

static void port_text(const struct lab *lab, const char *key, const void *data, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = data;
	char chunk[1024];
	size_t used = (size_t)snprintf(chunk, sizeof(chunk), ",\"%s\":\"", key);

	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16;

		v |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
		v |= i + 2 < n ? p[i + 2] : 0;
		chunk[used++] = digits[v >> 18];
		chunk[used++] = digits[v >> 12 & 63];
		chunk[used++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
		chunk[used++] = i + 2 < n ? digits[v & 63] : '=';
		if (used > sizeof(chunk) - 8) {
			port_write(lab, chunk, used);
			used = 0;
		}
	}
	chunk[used++] = '"';
	port_write(lab, chunk, used);
}

static void port_number(const struct lab *lab, const char *key, long value)
{
	char s[64];

	port_write(lab, s, (size_t)snprintf(s, sizeof(s), ",\"%s\":%ld", key, value));
}

static void record_open(const struct lab *lab, const char *kind)
{
	char s[64];

	port_write(lab, s, (size_t)snprintf(s, sizeof(s), "\n{\"kind\":\"%s\"", kind));
	port_number(lab, "stage", lab->stage);
}

static void record_close(const struct lab *lab)
{
	port_write(lab, "}\n", 2);
	tcdrain(lab->port);
}

static struct text file_text(const char *path)
{
	struct text t = { 0 };
	char chunk[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	text_add(&t, "", 0);
	while (fd >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0)
		text_add(&t, chunk, (size_t)n);
	if (fd >= 0)
		close(fd);
	text_add(&t, "", 1);
	t.n--;
	return t;
}

static void mount_all(void)
{
	static const char *const table[][2] = {
		{ "proc", "/proc" },
		{ "sysfs", "/sys" },
		{ "devtmpfs", "/dev" },
		{ "devpts", "/dev/pts" },
		{ "tmpfs", "/tmp" },
		{ "tmpfs", "/run" },
		{ "securityfs", "/sys/kernel/security" },
		{ "debugfs", "/sys/kernel/debug" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		mkdir(table[i][1], 0755);
		mount(table[i][0], table[i][1], table[i][0], 0, NULL);
	}
}

static void open_port(struct lab *lab)
{
	struct termios raw;
	int console = open("/dev/console", O_RDWR);

	for (int fd = 0; console >= 0 && fd < 3; fd++)
		dup2(console, fd);
	lab->port = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (lab->port < 0) {
		printf("init: no ttyS1: %s\n", strerror(errno));
		return;
	}
	tcgetattr(lab->port, &raw);
	cfmakeraw(&raw);
	cfsetspeed(&raw, B115200);
	tcsetattr(lab->port, TCSANOW, &raw);
}

static void insert_modules(void)
{
	FILE *list = fopen("/m/list", "re");
	char name[200], path[256];

	while (list && fscanf(list, "%199s", name) == 1) {
		snprintf(path, sizeof(path), "/m/%s", name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST))
			printf("init: module %s: %s\n", name, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	if (list)
		fclose(list);
	mount("efivarfs", "/sys/firmware/efi/efivars", "efivarfs", 0, NULL);
}

static void report_boot(const struct lab *lab)
{
	struct utsname u;
	struct text cmdline = file_text("/proc/cmdline");
	struct text cpu = file_text("/proc/cpuinfo");
	struct text mem = file_text("/proc/meminfo");
	const char *total = strstr(mem.p, "MemTotal:");

	uname(&u);
	while (cmdline.n && cmdline.p[cmdline.n - 1] == '\n')
		cmdline.n--;
	record_open(lab, "boot");
	port_text(lab, "release", u.release, strlen(u.release));
	port_text(lab, "cmdline", cmdline.p, cmdline.n);
	port_number(lab, "la57", strstr(cpu.p, " la57") != NULL);
	port_number(lab, "uptime_ms", now_ms());
	port_number(lab, "efi", access("/sys/firmware/efi", F_OK) == 0);
	port_number(lab, "vmcore", access("/proc/vmcore", F_OK) == 0);
	port_number(lab, "memtotal_kb", total ? strtol(total + 9, NULL, 10) : -1);
	record_close(lab);
	free(cmdline.p);
	free(cpu.p);
	free(mem.p);
}

static pid_t spawn(const char *command, int out[2], int err[2])
{
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		setpgid(0, 0);
		dup2(null, 0);
		dup2(out[1], 1);
		dup2(err[1], 2);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	close(out[1]);
	close(err[1]);
	return pid;
}

/* Reads both pipes until the shell has ended or the deadline is over; what it left running is not
 * waited for. */
static int collect(pid_t pid, int fds[2], struct text texts[2], long deadline)
{
	struct pollfd p[2] = { { .fd = fds[0], .events = POLLIN },
			       { .fd = fds[1], .events = POLLIN } };
	char chunk[4096];
	int status = 0;
	bool ended = false;

	for (;;) {
		bool got = false;

		poll(p, 2, ended ? 0 : 20);
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (!(p[i].revents & (POLLIN | POLLHUP)))
				continue;
			n = read(p[i].fd, chunk, sizeof(chunk));
			if (n <= 0) {
				p[i].fd = -1;
				continue;
			}
			text_add(&texts[i], chunk, (size_t)n);
			got = true;
		}
		if (ended && !got)
			return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		if (!ended && p[0].fd < 0 && p[1].fd < 0)
			usleep(1000);
		ended = ended || waitpid(pid, &status, WNOHANG) == pid;
		if (!ended && now_ms() > deadline) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
	}
}

static void kernel_log(int fd, struct text *ret)
{
	char line[8192];
	ssize_t n;

	/* EPIPE: lines were overwritten before they were read; the next read goes on after the gap */
	while ((n = read(fd, line, sizeof(line))) > 0 || (n < 0 && errno == EPIPE)) {
		char *message = n > 0 ? memchr(line, ';', (size_t)n) : NULL;
		char *end = message ? memchr(message, '\n', (size_t)(line + n - message)) : NULL;

		if (end)
			text_add(ret, message + 1, (size_t)(end - message));
	}
}

static void run_step(const struct lab *lab, long index, long limit_ms, const char *command)
{
	struct text texts[2] = { 0 }, log = { 0 };
	int out[2], err[2], rc;
	long start = now_ms();
	pid_t pid;

	record_open(lab, "start");
	port_number(lab, "index", index);
	record_close(lab);
	pid = spawn(command, out, err);
	rc = pid < 0 ? 127 : collect(pid, (int[]){ out[0], err[0] }, texts, start + limit_ms);
	close(out[0]);
	close(err[0]);
	kernel_log(lab->kmsg, &log);
	record_open(lab, "end");
	port_number(lab, "index", index);
	port_number(lab, "rc", rc);
	port_number(lab, "ms", now_ms() - start);
	port_number(lab, "cut", texts[0].cut || texts[1].cut);
	port_text(lab, "out", texts[0].p, texts[0].n);
	port_text(lab, "err", texts[1].p, texts[1].n);
	port_text(lab, "kmsg", log.p, log.n);
	record_close(lab);
	free(texts[0].p);
	free(texts[1].p);
	free(log.p);
}

/* /steps: "STAGE COUNT\n", then for each step "LIMIT_MS LENGTH\n" and that many bytes of shell text */
static void run_steps(struct lab *lab, FILE *steps, long count)
{
	for (long i = 0; i < count; i++) {
		long limit_ms;
		size_t length;

		if (fscanf(steps, "%ld %zu", &limit_ms, &length) != 2 || fgetc(steps) != '\n')
			return;
		char *command = calloc(1, length + 1);

		if (!command || fread(command, 1, length, steps) != length)
			return;
		printf("init: step %ld: %s\n", i, command);
		run_step(lab, i, limit_ms, command);
		free(command);
	}
}

int main(void)
{
	struct lab lab = { 0 };
	long count = 0;
	FILE *steps = fopen("/steps", "re");

	mount_all();
	open_port(&lab);
	setvbuf(stdout, NULL, _IOLBF, 0);
	setenv("PATH", "/bin:/sbin:/usr/bin:/usr/sbin", 1);
	setenv("HOME", "/root", 1);
	lab.kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	insert_modules();
	lseek(lab.kmsg, 0, SEEK_END);
	if (!steps || fscanf(steps, "%d %ld", &lab.stage, &count) != 2)
		printf("init: /steps is unreadable\n");
	report_boot(&lab);
	if (steps)
		run_steps(&lab, steps, count);
	record_open(&lab, "done");
	record_close(&lab);
	sync();
	reboot(RB_POWER_OFF);
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}
