/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a connection on descriptors 0 and 1, plain or by TLS 1.2 and later (libssl, server's
 * side), and the certificate for it: P-256, signed by itself, so that a client that is told of it
 * trusts this one server and nobody else (RFC 5280).
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "target/far-int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#define LINGER_MS  2000
#define LINGER_MAX 500 /* reads */
#define DAY_S      86400L

struct us_far_wire {
	SSL_CTX *context; /* NULL: plain */
	SSL *ssl;
};

static struct us_err *ssl_error(const char *doing)
{
	const char *why = ERR_reason_error_string(ERR_get_error());

	return us_err_new(US_ERR_OS, "%s: %s", doing, why ? why : "it failed");
}

struct us_err *us_far_wait(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = poll(&p, 1, US_FAR_IDLE_MS);

	if (n > 0 || (n < 0 && errno == EINTR))
		return NULL;
	return us_err_os(n ? errno : ETIMEDOUT, "waiting for the other side");
}

struct us_err *us_far_unblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return us_err_os(errno, "looking at the connection");
	return NULL;
}

/* ---- plain ---- */

static struct us_err *plain_read(void *data, void *p, size_t n, size_t *ret)
{
	(void)data;
	for (;;) {
		ssize_t got = read(0, p, n);

		if (got >= 0) {
			*ret = (size_t)got;
			return NULL;
		}
		if (errno != EAGAIN && errno != EINTR)
			return us_err_os(errno, "reading from the connection");
		US_TRY(us_far_wait(0, POLLIN));
	}
}

static struct us_err *plain_write(void *data, struct us_bytes bytes)
{
	(void)data;
	while (bytes.n) {
		ssize_t n = write(1, bytes.p, bytes.n);

		if (n >= 0) {
			bytes = us_bytes_of(bytes.p + n, bytes.n - (size_t)n);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return us_err_os(errno, "writing to the connection");
		US_TRY(us_far_wait(1, POLLOUT));
	}
	return NULL;
}

/* ---- TLS ---- */

/* What keeps libssl is waited for; NULL: try again. */
static struct us_err *tls_again(struct us_far_wire *w, int result, const char *doing)
{
	switch (SSL_get_error(w->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return us_far_wait(0, POLLIN);
	case SSL_ERROR_WANT_WRITE:
		return us_far_wait(1, POLLOUT);
	case SSL_ERROR_SYSCALL:
		return us_err_os(errno ? errno : ECONNRESET, "%s", doing);
	default:
		return ssl_error(doing);
	}
}

static struct us_err *tls_read(void *data, void *p, size_t n, size_t *ret)
{
	struct us_far_wire *w = data;

	for (;;) {
		int result;

		ERR_clear_error();
		result = SSL_read_ex(w->ssl, p, n, ret);
		if (result)
			return NULL;
		if (SSL_get_error(w->ssl, result) == SSL_ERROR_ZERO_RETURN) {
			*ret = 0;
			return NULL;
		}
		US_TRY(tls_again(w, result, "TLS, reading"));
	}
}

static struct us_err *tls_write(void *data, struct us_bytes bytes)
{
	struct us_far_wire *w = data;

	while (bytes.n) {
		size_t n = 0;
		int result;

		ERR_clear_error();
		result = SSL_write_ex(w->ssl, bytes.p, bytes.n, &n);
		if (result)
			bytes = us_bytes_of(bytes.p + n, bytes.n - n);
		else
			US_TRY(tls_again(w, result, "TLS, writing"));
	}
	return NULL;
}

static struct us_err *tls_begin(struct us_far_wire *w, const char *pem)
{
	int result;

	w->context = SSL_CTX_new(TLS_server_method());
	if (!w->context || !SSL_CTX_set_min_proto_version(w->context, TLS1_2_VERSION))
		return ssl_error("TLS");
	SSL_CTX_set_options(w->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(w->context, SSL_MODE_ENABLE_PARTIAL_WRITE);
	if (SSL_CTX_use_certificate_chain_file(w->context, pem) != 1 ||
	    SSL_CTX_use_PrivateKey_file(w->context, pem, SSL_FILETYPE_PEM) != 1)
		return us_err_wrap(ssl_error("no key and certificate"), "%s", pem);
	w->ssl = SSL_new(w->context);
	if (!w->ssl || !SSL_set_rfd(w->ssl, 0) || !SSL_set_wfd(w->ssl, 1))
		return ssl_error("TLS");
	while ((result = SSL_accept(w->ssl)) != 1) {
		US_TRY(tls_again(w, result, "TLS, the handshake"));
		ERR_clear_error();
	}
	return NULL;
}

/* ---- both ---- */

struct us_err *us_far_wire_new(const char *pem, struct us_far_wire **ret, struct us_far_io *ret_io)
{
	struct us_far_wire *w = calloc(1, sizeof(*w));
	struct us_err *err = NULL;

	if (!w)
		return us_err_nomem();
	for (int fd = 0; fd < 2; fd++)
		if (!err)
			err = us_far_unblock(fd);
	if (!err && pem)
		err = tls_begin(w, pem);
	if (err) {
		us_far_wire_free(w);
		return err;
	}
	*ret_io = pem ? (struct us_far_io){ tls_read, tls_write, w }
		      : (struct us_far_io){ plain_read, plain_write, w };
	*ret = w;
	return NULL;
}

void us_far_wire_free(struct us_far_wire *w)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char unread[16 << 10];

	if (!w)
		return;
	if (w->ssl && SSL_is_init_finished(w->ssl))
		SSL_shutdown(w->ssl);
	shutdown(1, SHUT_WR); /* a socket closed over unread bytes would take the answer with it */
	for (int i = 0; i < LINGER_MAX && poll(&p, 1, LINGER_MS) > 0; i++)
		if (read(0, unread, sizeof(unread)) <= 0)
			break;
	SSL_free(w->ssl);
	SSL_CTX_free(w->context);
	free(w);
}

/* ---- the certificate ---- */

static bool extend(X509 *cert, int nid, const char *value)
{
	X509V3_CTX v3;
	X509_EXTENSION *extension;
	bool done;

	X509V3_set_ctx(&v3, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &v3, nid, value);
	done = extension && X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	return done;
}

static bool fill(X509 *cert, EVP_PKEY *key, const char *names)
{
	static const unsigned char title[] = "understudy rehearsal";
	X509_NAME *subject = X509_get_subject_name(cert);
	char random[33];
	uint64_t serial;
	struct us_err *err = us_far_random(random);

	us_err_free(err);
	random[err ? 0 : 15] = 0;
	return !err && us_text_u64(random, 16, &serial) && X509_set_version(cert, X509_VERSION_3) &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial) &&
	       X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(cert), 30 * DAY_S) &&
	       X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, title, -1, -1, 0) &&
	       X509_set_issuer_name(cert, subject) && X509_set_pubkey(cert, key) &&
	       extend(cert, NID_basic_constraints, "critical,CA:TRUE") &&
	       extend(cert, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
	       extend(cert, NID_ext_key_usage, "serverAuth") &&
	       extend(cert, NID_subject_key_identifier, "hash") &&
	       extend(cert, NID_subject_alt_name, names) && X509_sign(cert, key, EVP_sha256());
}

/* The certificate in a file of its own, and with its key in another; private both. */
static struct us_err *save(const char *path, X509 *cert, EVP_PKEY *key)
{
	_us_fclose_ FILE *both = NULL, *alone = NULL;
	_us_free_ char *other = NULL;

	US_TRY(us_text_format(&other, "%s.crt", path));
	US_TRY(us_file_private(path, &both));
	US_TRY(us_file_private(other, &alone));
	if (!PEM_write_PrivateKey(both, key, NULL, NULL, 0, NULL, NULL) ||
	    !PEM_write_X509(both, cert) || fflush(both))
		return us_err_os(errno, "writing %s", path);
	if (!PEM_write_X509(alone, cert) || fflush(alone))
		return us_err_os(errno, "writing %s", other);
	return NULL;
}

struct us_err *us_far_certificate(const char *path, const char *address)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789.-_";
	struct in6_addr parsed;
	bool number = inet_pton(AF_INET, address, &parsed) == 1 ||
		      inet_pton(AF_INET6, address, &parsed) == 1;
	_us_free_ char *names = NULL;
	struct us_err *err;
	EVP_PKEY *key;
	X509 *cert;

	if (!number && (!*address || address[strspn(address, safe)]))
		return us_err_new(US_ERR_USAGE, "%s is no address", address);
	US_TRY(us_text_format(&names, "%s:%s", number ? "IP" : "DNS", address));
	key = EVP_EC_gen("P-256");
	cert = X509_new();
	err = key && cert && fill(cert, key, names) ? save(path, cert, key)
						    : ssl_error("making a certificate");
	EVP_PKEY_free(key);
	X509_free(cert);
	return err;
}
