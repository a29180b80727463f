/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far end of an NFS target: NFS-Ganesha, where this machine has it, on a port of 127.0.0.1 that
 * is free, with version 4 alone and one export, the folder of the rehearsal; understudy-far brings
 * the guest's connections there. It needs root, since it opens files by their handles. The kernel's
 * own server is not used: it would export to others than the guest.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "rehearse/far-int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UP_SECONDS 60
#define TICK_NS    50000000

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static struct us_err *free_port(uint16_t *ret)
{
	_us_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = loopback(0);
	socklen_t n = sizeof(at);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, n) ||
	    getsockname(fd, (struct sockaddr *)&at, &n))
		return us_err_os(errno, "looking for a free port");
	*ret = ntohs(at.sin_port);
	return NULL;
}

static bool listens(uint16_t port)
{
	_us_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = loopback(port);

	return fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof(at));
}

static struct us_err *configure(struct us_play *p, uint16_t port)
{
	const struct us_target_spec *spec = &p->far.target.spec;

	if (spec->options && strstr(spec->options, "sec=krb5"))
		return us_err_new(US_ERR_UNSUPPORTED, "Kerberos cannot be had");
	if (strpbrk(spec->share, "\"\n"))
		return us_err_new(US_ERR_UNSUPPORTED, "the export's name cannot be told");
	return us_far_text(
		p, "ganesha.conf",
		"NFS_CORE_PARAM { NFS_Port = %u; Bind_addr = 127.0.0.1; Protocols = 4;\n"
		" Enable_NLM = false; Enable_RQUOTA = false; Rquota_Port = 0; MNT_Port = 0; }\n"
		"NFSV4 { RecoveryBackend = fs; RecoveryRoot = \"%s/recovery\"; Graceless = true; }\n"
		"EXPORT { Export_Id = 1; Path = \"%s\"; Pseudo = \"%s\"; Access_Type = RW;\n"
		" Squash = No_Root_Squash; Protocols = 4; Transports = TCP; SecType = sys;\n"
		" FSAL { Name = VFS; } }\n",
		port, p->far.folder, p->far.saved, spec->share);
}

/* It ends with us, whatever happens. */
static struct us_err *run(struct us_play *p, const char *program)
{
	const char *words[] = { program, "-F",
				"-f",    us_far_path(p, "ganesha.conf"),
				"-L",    us_far_path(p, "ganesha.log"),
				"-p",    us_far_path(p, "ganesha.pid"),
				NULL };
	pid_t parent = getpid(), pid;

	for (size_t i = 0; i + 1 < us_array_size(words); i++)
		if (!words[i])
			return us_err_nomem();
	pid = fork();
	if (pid < 0)
		return us_err_os(errno, "starting %s", program);
	if (!pid) {
		int null = open("/dev/null", O_RDWR);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int fd = 0; fd <= 2; fd++)
			dup2(null, fd);
		if (getppid() == parent)
			execv(program, (char *const *)words);
		_exit(127);
	}
	p->far.server = pid;
	return NULL;
}

static struct us_err *wait_for(struct us_play *p, uint16_t port)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	int status;

	for (unsigned int i = 0; i < UP_SECONDS * (1000000000u / TICK_NS); i++) {
		if (listens(port))
			return NULL;
		if (waitpid(p->far.server, &status, WNOHANG) == p->far.server) {
			p->far.server = 0;
			return us_err_new(US_ERR_OS, "the NFS server ended (ganesha.nfsd, %s %d)",
					  WIFSIGNALED(status) ? "signal" : "status",
					  WIFSIGNALED(status) ? WTERMSIG(status)
							      : WEXITSTATUS(status));
		}
		nanosleep(&tick, NULL);
	}
	return us_err_new(US_ERR_OS, "the NFS server (ganesha.nfsd) does not listen after %d s",
			  UP_SECONDS);
}

static struct us_err *start(struct us_play *p)
{
	const char *program = us_vm_find_program("ganesha.nfsd", p->pool), *relay;
	const struct us_target_spec *spec = &p->far.target.spec;
	const char *recovery = us_far_path(p, "recovery");
	uint16_t port = 0;

	if (!program)
		return us_err_new(US_ERR_NOT_FOUND,
				  "no NFS server is installed (nfs-ganesha, nfs-ganesha-vfs)");
	if (geteuid())
		return us_err_new(US_ERR_DENIED, "an NFS server needs root");
	if (!recovery)
		return us_err_nomem();
	if (mkdir(recovery, 0700))
		return us_err_os(errno, "making %s", recovery);
	US_TRY(us_far_program(p, &relay));
	US_TRY(free_port(&port));
	US_TRY(configure(p, port));
	US_TRY(run(p, program));
	US_TRY(wait_for(p, port));
	p->far.port = us_far_port(p, "2049");
	p->far.command = us_pool_format(p->pool, "%s relay %u", relay, port);
	p->far.saved = us_pool_format(p->pool, "%s/%s", p->far.saved, spec->path);
	return p->far.command && p->far.saved ? NULL : us_err_nomem();
}

const struct us_far_kind us_far_nfs = {
	.server = "this machine's NFS-Ganesha",
	.proof = "",
	.only_tls = true,
	.reached = "is mounted by NFS version 4",
	.written = "",
	.start = start,
};
