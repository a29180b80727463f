/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far end of HTTP and S3 targets: understudy-far, started by QEMU for each connection of the
 * guest. It asks for the very credentials of the configuration, so that headers and signatures are
 * proved; over TLS it has a certificate of the rehearsal, which the image trusts instead.
 */
#include "base/file.h"
#include "base/text.h"
#include "rehearse/far-int.h"

#include <unistd.h>

/* Where the client looks for certificates that it trusts (target/parse.c). */
static const char *trusted(const struct us_target_spec *spec)
{
	return spec->ca ? spec->ca : "/etc/ssl/certs/ca-certificates.crt";
}

static struct us_err *make_certificate(struct us_play *p, const char *program)
{
	const char *path = us_far_path(p, "tls");

	if (!path)
		return us_err_nomem();
	US_TRY(us_vm_run_program(
		(const char *const[]){ program, "certificate", path, US_REHEARSE_SERVER, NULL }));
	return us_far_lay(p, trusted(&p->far.target.spec), "tls.crt");
}

/* A copy, whose path QEMU can be told. */
static struct us_err *copy_secrets(struct us_play *p)
{
	_us_blob_deinit_ struct us_blob secrets = { 0 };

	US_TRY(us_file_read_at(p->host->root_fd, p->far.target.spec.credentials, 1 << 16, &secrets));
	return us_far_text(p, "secrets", "%.*s", (int)secrets.n, (const char *)secrets.p);
}

static struct us_err *start(struct us_play *p)
{
	const struct us_target_spec *spec = &p->far.target.spec;
	_us_text_deinit_ struct us_text t = { 0 };
	const char *program;

	US_TRY(us_far_program(p, &program));
	US_TRY(us_far_plain(spec->kind == US_TARGET_S3 ? spec->share : ""));
	US_TRY(us_far_plain(spec->region ? spec->region : ""));
	us_text_add(&t, "%s %s %s", program, spec->kind == US_TARGET_S3 ? "s3" : "http",
		    p->far.saved);
	if (spec->kind == US_TARGET_S3)
		us_text_add(&t, " --bucket %s --region %s", spec->share,
			    spec->region ? spec->region : "us-east-1");
	if (spec->credentials) {
		US_TRY(copy_secrets(p));
		us_text_add(&t, " --secrets %s/secrets", p->far.folder);
	}
	if (spec->tls) {
		US_TRY(make_certificate(p, program));
		us_text_add(&t, " --tls %s/tls", p->far.folder);
	}
	if (t.failed)
		return us_err_nomem();
	p->far.port = us_far_port(p, spec->tls ? "443" : "80");
	p->far.command = us_pool_strdup(p->pool, t.s);
	p->far.saved = us_pool_format(p->pool, "%s/%s", p->far.saved, spec->path);
	return p->far.command && p->far.saved ? NULL : us_err_nomem();
}

const struct us_far_kind us_far_http = {
	.server = "a small server of understudy's",
	.proof = "a certificate",
	.only_tls = true,
	.reached = "a server is reached by HTTP",
	.written = " by PUT",
	.start = start,
};

const struct us_far_kind us_far_s3 = {
	.server = "a small object store of understudy's",
	.proof = "a certificate",
	.only_tls = true,
	.reached = "an object store takes the signatures of requests",
	.written = " in parts",
	.start = start,
};
