/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy-far: the server that a rehearsal plays for HTTP and object stores, for one connection
 * on standard input and output, as inetd and QEMU's guestfwd start it; a relay to a server that
 * listens on this machine; and the certificate for TLS. Usage is below.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "target/far-int.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

static const char usage[] =
	"usage: understudy-far http FOLDER [--tls FILE] [--secrets FILE] [--log FILE]\n"
	"       understudy-far s3 FOLDER --bucket NAME [--region REGION] [--tls FILE]\n"
	"                      [--secrets FILE] [--log FILE]\n"
	"       understudy-far relay PORT [--net FILE]\n"
	"       understudy-far certificate FILE ADDRESS\n"
	"\n"
	"One connection on standard input and output: a server of HTTP or of the S3 kind that\n"
	"keeps its files below FOLDER, or a relay to 127.0.0.1:PORT. --tls: a file with key and\n"
	"certificate; --secrets: what credentials= of a target names; --log: where failures go\n"
	"(standard error, if that is not the connection); --net: the network namespace where PORT\n"
	"is (/proc/PID/ns/net). certificate makes FILE with a key and a certificate for ADDRESS,\n"
	"and FILE.crt with the certificate alone.\n";

struct far {
	const char *words[3]; /* http FOLDER; certificate FILE ADDRESS */
	int n_words;
	const char *bucket, *region, *tls, *secrets, *log, *net;
	int root;
	struct us_pool pool;
};

static bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* One line. Who starts us may have made standard error the connection as well. */
static void tell(void *data, const struct us_err *err)
{
	const struct far *f = data;
	_us_close_ int log = -1;
	_us_text_deinit_ struct us_text line = { 0 };
	int fd = 2;

	us_text_add(&line, "understudy-far: %s", err->text);
	for (size_t i = 0; i < line.n; i++)
		if (iscntrl((unsigned char)line.s[i]))
			line.s[i] = '?';
	us_text_add(&line, "\n");
	if (f->log)
		fd = log = open(f->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	else if (same_file(2, 0) && !isatty(2))
		fd = -1;
	if (fd >= 0 && !line.failed)
		us_err_free(us_file_write_all(fd, us_bytes_of(line.s, line.n), "the log"));
}

/* ---- servers ---- */

static struct us_err *serve(struct far *f, struct us_err *(*handle)(void *, struct us_far_conn *),
			    void *data, bool xml)
{
	struct us_far_conn *c = us_pool_alloc(&f->pool, sizeof(*c));
	struct us_far_wire *wire;
	struct us_err *err;

	if (!c)
		return us_err_nomem();
	c->xml = xml;
	c->tell = tell;
	c->tell_data = f;
	US_TRY(us_far_wire_new(f->tls, &wire, &c->io));
	err = us_far_serve(c, handle, data);
	us_far_wire_free(wire);
	return err;
}

static struct us_err *open_folder(struct far *f)
{
	f->root = open(f->words[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->root < 0 ? us_err_os(errno, "opening %s", f->words[1]) : NULL;
}

static struct us_err *http(struct far *f)
{
	struct us_far_http h = { 0 };

	US_TRY(open_folder(f));
	h.root = f->root;
	if (f->secrets)
		US_TRY(us_credentials_read(f->secrets, US_TARGET_HTTP, &f->pool, &h.credentials));
	return serve(f, us_far_http, &h, false);
}

static struct us_err *s3(struct far *f)
{
	struct us_far_s3 s = { .bucket = f->bucket, .region = f->region ? f->region : "us-east-1" };

	if (!f->bucket || !*f->bucket || strchr(f->bucket, '/'))
		return us_err_new(US_ERR_USAGE, "s3 wants --bucket NAME");
	US_TRY(open_folder(f));
	s.root = f->root;
	if (f->secrets)
		US_TRY(us_credentials_read(f->secrets, US_TARGET_S3, &f->pool, &s.credentials));
	return serve(f, us_far_s3, &s, true);
}

/* ---- the relay ---- */

struct pump {
	int from, to;
	size_t at, n;
	bool ended, closed; /* nothing more comes; and the other end was told */
	uint8_t buf[64 << 10];
};

/* What can be moved now. */
static struct us_err *move(struct pump *p)
{
	if (!p->ended && p->at == p->n) {
		ssize_t got = read(p->from, p->buf, sizeof(p->buf));

		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return us_err_os(errno, "relay, reading");
		p->at = 0;
		p->n = got > 0 ? (size_t)got : 0;
		p->ended = !got;
	}
	while (p->at < p->n) {
		ssize_t n = write(p->to, p->buf + p->at, p->n - p->at);

		if (n < 0 && errno == EAGAIN)
			return NULL;
		if (n < 0 && errno != EINTR)
			return us_err_os(errno, "relay, writing");
		p->at += n > 0 ? (size_t)n : 0;
	}
	if (p->ended && !p->closed) {
		p->closed = true;
		if (shutdown(p->to, SHUT_WR))
			close(p->to); /* a pipe */
	}
	return NULL;
}

/* What it waits for; nothing if it is done. */
static struct pollfd wish(const struct pump *p)
{
	if (p->at < p->n)
		return (struct pollfd){ .fd = p->to, .events = POLLOUT };
	return (struct pollfd){ .fd = p->ended ? -1 : p->from, .events = POLLIN };
}

static struct us_err *enter(const char *net)
{
	_us_close_ int fd = open(net, O_RDONLY | O_CLOEXEC);

	return fd < 0 || setns(fd, CLONE_NEWNET) ? us_err_os(errno, "entering %s", net) : NULL;
}

static struct us_err *relay(struct far *f)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	_us_close_ int fd = -1;
	struct pump *in = us_pool_alloc(&f->pool, sizeof(*in));
	struct pump *out = us_pool_alloc(&f->pool, sizeof(*out));
	uint64_t port;

	if (!us_text_u64(f->words[1], 10, &port) || !port || port > UINT16_MAX)
		return us_err_new(US_ERR_USAGE, "%s is no port", f->words[1]);
	if (!in || !out)
		return us_err_nomem();
	if (f->net)
		US_TRY(enter(f->net));
	to.sin_port = htons((uint16_t)port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return us_err_os(errno, "connecting to 127.0.0.1:%s", f->words[1]);
	for (int i = 0; i < 3; i++)
		US_TRY(us_far_unblock(i < 2 ? i : fd));
	in->from = 0;
	in->to = out->from = fd;
	out->to = 1;
	while (!in->closed || !out->closed) {
		struct pollfd fds[] = { wish(in), wish(out) };
		int n = poll(fds, us_array_size(fds), US_FAR_IDLE_MS);

		if (!n || (n < 0 && errno != EINTR))
			return us_err_os(n ? errno : ETIMEDOUT, "relay, waiting");
		US_TRY(move(in));
		US_TRY(move(out));
	}
	return NULL;
}

/* ---- the command line ---- */

static struct us_err *certificate(struct far *f)
{
	return us_far_certificate(f->words[1], f->words[2]);
}

static const struct {
	const char *name;
	int n_words;
	struct us_err *(*run)(struct far *f);
} verbs[] = {
	{ "http", 2, http },
	{ "s3", 2, s3 },
	{ "relay", 2, relay },
	{ "certificate", 3, certificate },
};

static struct us_err *run(struct far *f)
{
	for (size_t i = 0; i < us_array_size(verbs); i++)
		if (f->words[0] && !strcmp(verbs[i].name, f->words[0]) &&
		    verbs[i].n_words == f->n_words)
			return verbs[i].run(f);
	return us_err_new(US_ERR_USAGE, "understudy-far --help says how");
}

/* False: the words make no sense. */
static bool take_words(struct far *f, int argc, char **argv, bool *ret_help)
{
	static const struct option options[] = {
		{ "bucket", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ "log", required_argument, NULL, 'l' },
		{ "net", required_argument, NULL, 'n' },
		{ "region", required_argument, NULL, 'r' },
		{ "secrets", required_argument, NULL, 's' },
		{ "tls", required_argument, NULL, 't' },
		{ NULL },
	};
	int o;

	opterr = 0;
	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		const char **to = o == 'b'   ? &f->bucket
				  : o == 'l' ? &f->log
				  : o == 'n' ? &f->net
				  : o == 'r' ? &f->region
				  : o == 's' ? &f->secrets
				  : o == 't' ? &f->tls
					     : NULL;

		*ret_help |= o == 'h';
		if (to)
			*to = optarg;
		else if (o != 'h')
			return false;
	}
	while (optind < argc && f->n_words < (int)us_array_size(f->words))
		f->words[f->n_words++] = argv[optind++];
	return optind == argc;
}

int main(int argc, char **argv)
{
	struct far f = { .root = -1 };
	_us_err_free_ struct us_err *err = NULL;
	bool help = false;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (!take_words(&f, argc, argv, &help))
		err = us_err_new(US_ERR_USAGE, "understudy-far --help says how");
	else if (help)
		err = us_file_write_all(1, us_bytes_of(usage, sizeof(usage) - 1), "the usage");
	else
		err = run(&f);
	if (err)
		tell(&f, err);
	us_closep(&f.root);
	us_pool_deinit(&f.pool);
	return !err ? 0 : err->code == US_ERR_USAGE ? 2 : 1;
}
