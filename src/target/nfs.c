/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An NFS version 4 export: mounted at a private place by mount(2) with the options as text
 * (Documentation/admin-guide/nfs and fs/nfs/fs_context.c, Linux 6.12), version 4.1 if both sides
 * know it, soft so that a dead server is an error; then it is a directory like any
 * other (dir.c). No mount.nfs, no portmapper, no version 3.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "target/net-int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define HOSTS_LINE 512
#define PLACE      "/run/understudy"

/* ---- the server's address ---- */

static bool is_address(const char *s)
{
	unsigned char raw[16];

	return inet_pton(AF_INET, s, raw) == 1 || inet_pton(AF_INET6, s, raw) == 1;
}

static bool line_names(char *line, const char *host, const char **ret_address)
{
	char *rest, *word;
	const char *address;

	line[strcspn(line, "#\n")] = 0;
	address = strtok_r(line, " \t", &rest);
	while (address && (word = strtok_r(NULL, " \t", &rest)))
		if (!strcasecmp(word, host) && is_address(address)) {
			*ret_address = address;
			return true;
		}
	return false;
}

static bool in_hosts(const char *host, struct us_pool *pool, const char **ret)
{
	_us_fclose_ FILE *f = fopen("/etc/hosts", "re");
	char line[HOSTS_LINE];
	const char *address;

	while (f && fgets(line, sizeof(line), f))
		if (line_names(line, host, &address)) {
			*ret = us_pool_strdup(pool, address);
			return *ret != NULL;
		}
	return false;
}

/* By the system's own program, for this one may be static. Not there in the capture kernel, whose
 * /etc/hosts has all that is needed. */
static bool by_getent(const struct us_target *t, struct us_pool *pool, const char **ret)
{
	const char *const argv[] = { "getent", "ahosts", t->spec.host, NULL };
	struct us_program p = { 0 };
	char text[64] = "";
	struct us_err *err = us_program_start(argv, t->deadline_ns, &p);

	for (size_t n = 0; !err && n < sizeof(text) - 1; n++) {
		err = us_program_receive(&p, text + n, 1);
		if (!err && (text[n] == ' ' || text[n] == '\t')) {
			text[n] = 0;
			break;
		}
	}
	us_err_free(err);
	us_program_end(&p);
	if (!is_address(text))
		return false;
	*ret = us_pool_strdup(pool, text);
	return *ret != NULL;
}

static struct us_err *find_address(struct us_target *t, const char **ret)
{
	const char *host = t->spec.address ? t->spec.address : t->spec.host;

	if (is_address(host)) {
		*ret = host;
		return NULL;
	}
	if (in_hosts(host, &t->pool, ret) || by_getent(t, &t->pool, ret))
		return NULL;
	return us_err_new(US_ERR_NOT_FOUND, "%s: the host's name is not known", t->spec.text);
}

/* The address that we have towards the server: where it may call back. */
static void own_address(const char *server, char ret[INET6_ADDRSTRLEN])
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(2049) };
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(2049) };
	bool is_v4 = inet_pton(AF_INET, server, &v4.sin_addr) == 1;
	_us_close_ int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t n = is_v4 ? sizeof(v4) : sizeof(v6);
	struct sockaddr *to = is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;

	*ret = 0;
	if (!is_v4 && inet_pton(AF_INET6, server, &v6.sin6_addr) != 1)
		return;
	if (fd < 0 || connect(fd, to, n) || getsockname(fd, to, &n))
		return;
	if (is_v4)
		inet_ntop(AF_INET, &v4.sin_addr, ret, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &v6.sin6_addr, ret, INET6_ADDRSTRLEN);
}

/* ---- mounting ---- */

static struct us_err *mount_error(const struct us_target *t, int code)
{
	static const struct {
		int code;
		const char *why;
	} reasons[] = {
		{ ENODEV, "this kernel knows no NFS version 4 (module nfsv4)" },
		{ EACCES, "the server does not export that to us" },
		{ EPERM, "it takes root to mount" },
		{ ENOENT, "there is no such export" },
		{ ECONNREFUSED, "nothing listens at that port" },
		{ ETIMEDOUT, "the server does not answer" },
		{ EHOSTUNREACH, "there is no way to that host" },
		{ ENETUNREACH, "there is no way to that network" },
		{ EPROTONOSUPPORT, "the server has no NFS version 4" },
		{ EINVAL, "the kernel does not take the options" },
	};

	for (size_t i = 0; i < us_array_size(reasons); i++)
		if (reasons[i].code == code)
			return us_err_os(code, "%s: %s", t->spec.text, reasons[i].why);
	return us_err_os(code, "%s: mounting %s:%s", t->spec.text, t->spec.host, t->spec.share);
}

/*
 * 4.1 first: 4.2 brings nothing that a dump needs, and its READ_PLUS (Linux 6.12 as the client)
 * ends in I/O errors with servers that are otherwise fine. A server says which it has not.
 */
static struct us_err *mount_version(const struct us_target *t, const char *address, const char *at)
{
	static const char *const minors[] = { "4.1", "4.2", "4.0" };
	_us_free_ char *source = NULL;
	char own[INET6_ADDRSTRLEN];
	int code = EPROTONOSUPPORT;

	own_address(address, own);
	US_TRY(us_text_format(&source, strchr(address, ':') ? "[%s]:%s" : "%s:%s", address,
			      t->spec.share));
	for (size_t i = 0; i < us_array_size(minors); i++) {
		_us_free_ char *options = NULL;

		US_TRY(us_text_format(
			&options,
			"vers=%s,addr=%s%s%s,port=%s,proto=%s,soft,timeo=100,retrans=2%s%s",
			minors[i], address, *own ? ",clientaddr=" : "", own,
			t->spec.port ? t->spec.port : "2049", strchr(address, ':') ? "tcp6" : "tcp",
			t->spec.options && *t->spec.options ? "," : "",
			t->spec.options ? t->spec.options : ""));
		if (!mount(source, at, "nfs4", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME,
			   options))
			return NULL;
		code = errno;
		if (code != EPROTONOSUPPORT && code != EINVAL)
			break;
		US_TRY(us_target_in_time(t, "mounting"));
	}
	return mount_error(t, code);
}

struct us_err *us_nfs_open(struct us_target *t)
{
	char *at = us_pool_strdup(&t->pool, PLACE "/nfs-XXXXXX");
	const char *address;
	struct us_err *err;

	if (!at)
		return us_err_nomem();
	t->root = "";
	US_TRY(find_address(t, &address));
	if (mkdir(PLACE, 0700) && errno != EEXIST)
		return us_err_os(errno, "making " PLACE);
	if (!mkdtemp(at))
		return us_err_os(errno, "making a place to mount %s", t->spec.text);
	err = mount_version(t, address, at);
	if (err) {
		rmdir(at);
		return err;
	}
	t->root = at;
	return us_target_dir.open(t);
}

void us_nfs_close(struct us_target *t)
{
	us_target_dir.close(t);
	if (!*t->root)
		return;
	if (umount2(t->root, 0)) /* what is stuck shall not hold us */
		umount2(t->root, MNT_DETACH);
	rmdir(t->root);
	t->root = "";
}

/* In the server's own words instead of our private place. */
struct us_err *us_nfs_dump_end(struct us_target *t, bool finished, struct us_pool *pool,
			       const char **ret_where)
{
	const char *here;

	US_TRY(us_target_dir.dump_end(t, finished, pool, &here));
	*ret_where = us_pool_format(pool, "%s:%s%s", t->spec.host, t->spec.share,
				    here + strlen(t->root));
	return *ret_where ? NULL : us_err_nomem();
}
