/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far end of an SSH target: this machine's own sshd, started by QEMU for each connection of the
 * guest (sshd -i) with a configuration, a host key and a user's key of the rehearsal. It listens
 * nowhere, gives SFTP and nothing else, and only to the user who rehearses; neither /etc/ssh nor a
 * server that runs is touched.
 */
#include "base/text.h"
#include "rehearse/far-int.h"

#include <pwd.h>
#include <unistd.h>

static struct us_err *make_key(struct us_play *p, const char *name)
{
	const char *path = us_far_path(p, name), *program;

	program = us_vm_find_program("ssh-keygen", p->pool);
	if (!path || !program)
		return path ? us_err_new(US_ERR_NOT_FOUND, "ssh-keygen is not installed")
			    : us_err_nomem();
	unlink(path);
	return us_vm_run_program((const char *const[]){ program, "-q", "-t", "ed25519", "-N", "",
							"-C", "rehearsal", "-f", path, NULL });
}

static struct us_err *configure(struct us_play *p, const char *user)
{
	struct us_bytes host, key;

	US_TRY(make_key(p, "host_key"));
	US_TRY(make_key(p, "user_key"));
	US_TRY(us_far_file(p, "host_key.pub", &host));
	US_TRY(us_far_file(p, "user_key.pub", &key));
	US_TRY(us_far_text(p, "known_hosts", "* %.*s", (int)host.n, (const char *)host.p));
	US_TRY(us_far_text(p, "authorized", "%.*s", (int)key.n, (const char *)key.p));
	return us_far_text(p, "sshd.conf",
			   "HostKey %s/host_key\nAuthorizedKeysFile %s/authorized\nStrictModes no\n"
			   "UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
			   "PermitRootLogin prohibit-password\nPidFile none\nAllowUsers %s\n"
			   "DisableForwarding yes\nForceCommand internal-sftp\n"
			   "Subsystem sftp internal-sftp\nLogLevel ERROR\n",
			   p->far.folder, p->far.folder, user);
}

/* Whether it lets us in, before a machine depends on it. */
static struct us_err *try_server(struct us_play *p, const char *user)
{
	const char *ssh = us_vm_find_program("ssh", p->pool);
	const char *proxy = us_pool_format(p->pool, "ProxyCommand=%s", p->far.command);
	const char *known =
		us_pool_format(p->pool, "UserKnownHostsFile=%s/known_hosts", p->far.folder);
	const char *key = us_far_path(p, "user_key");

	if (!ssh)
		return us_err_new(US_ERR_NOT_FOUND, "ssh is not installed");
	if (!proxy || !known || !key)
		return us_err_nomem();
	return us_vm_run_program((const char *const[]){ ssh,    "-F",
							"none", "-T",
							"-i",   key,
							"-l",   user,
							"-o",   proxy,
							"-o",   known,
							"-o",   "GlobalKnownHostsFile=/dev/null",
							"-o",   "BatchMode=yes",
							"-o",   "IdentitiesOnly=yes",
							"-o",   "IdentityAgent=none",
							"-o",   "ConnectTimeout=20",
							"-o",   "StrictHostKeyChecking=yes",
							"-o",   "LogLevel=ERROR",
							"-s",   US_REHEARSE_SERVER,
							"sftp", NULL });
}

static struct us_err *start(struct us_play *p)
{
	const char *sshd = us_vm_find_program("sshd", p->pool);
	const struct passwd *me = getpwuid(geteuid());
	struct us_target_spec *spec = &p->far.target.spec;

	if (!sshd)
		return us_err_new(US_ERR_NOT_FOUND, "sshd is not installed here");
	US_TRY(us_far_plain(sshd));
	if (!me)
		return us_err_new(US_ERR_NOT_FOUND, "the user who rehearses has no name");
	spec->user = us_pool_strdup(p->pool, me->pw_name);
	spec->path = p->far.saved;
	p->far.port = us_far_port(p, "22");
	p->far.command = us_pool_format(p->pool, "%s -i -f %s/sshd.conf", sshd, p->far.folder);
	if (!spec->user || !p->far.command)
		return us_err_nomem();
	US_TRY(configure(p, spec->user));
	US_TRY(us_far_lay(p, spec->identity, "user_key"));
	US_TRY(us_far_lay(p, spec->known_hosts, "known_hosts"));
	return try_server(p, spec->user);
}

const struct us_far_kind us_far_ssh = {
	.server = "this machine's sshd",
	.proof = "keys",
	.reached = "a server is reached by SSH",
	.written = " by SFTP",
	.start = start,
};
