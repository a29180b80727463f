/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far end of an object store target: one bucket, path style, whose objects are the plain files
 * FOLDER/KEY (Amazon S3 API Reference): objects whole and by parts, lists in pages. An upload's
 * parts lie in FOLDER/.uploads/ID. What is not here is refused with NotImplemented: copies,
 * conditions, versions, delimiters. ETags are made of what the file system says of a file, so that
 * nothing has to be noted; they are no MD5 sums, which S3 does not promise either.
 */
#include "base/cleanup.h"
#include "target/far-int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sendfile.h>
#include <time.h>

#define PART_LEAST (5u << 20) /* but for the last one */
#define PARTS_MAX  10000u
#define KEYS_MAX   1000u /* of one page */
#define KEY_MOST   1024u
#define XML_MOST   (4u << 20)
#define XML        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NAMESPACE  "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
#define XML_TYPE   "Content-Type: application/xml\r\n"
#define ETAG_SIZE  64

static void make_etag(const struct stat *st, char ret[ETAG_SIZE])
{
	snprintf(ret, ETAG_SIZE, "%llx-%llx.%lx-%llx", (unsigned long long)st->st_ino,
		 (unsigned long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		 (unsigned long long)st->st_size);
}

static struct us_err *answer_xml(struct us_far_conn *c, const struct us_text *text)
{
	return text->failed ? us_err_nomem()
			    : us_far_answer(c, 200, XML_TYPE, us_bytes_of(text->s, text->n));
}

/* ---- whole objects ---- */

/* The body as a file of that name, and its ETag. */
static struct us_err *receive(const struct us_far_s3 *s, struct us_far_conn *c, int folder,
			      const char *name)
{
	_us_far_file_deinit_ struct us_far_file file = US_FAR_NO_FILE;
	char hash[US_SHA256_HEX], etag[ETAG_SIZE];
	_us_free_ char *header = NULL;
	struct stat st;

	US_TRY(us_far_begin(c, s->root, &file));
	US_TRY(us_far_receive(c, &file, hash));
	US_TRY(us_far_payload(c, hash));
	US_TRY(us_far_settle(c, &file, folder, name));
	if (fstat(file.fd, &st))
		return us_err_os(errno, "looking at an object");
	make_etag(&st, etag);
	US_TRY(us_text_format(&header, "ETag: \"%s\"\r\n", etag));
	return us_far_answer(c, 200, header, us_bytes_of("", 0));
}

static struct us_err *put_object(const struct us_far_s3 *s, struct us_far_conn *c, const char *key)
{
	_us_close_ int folder = -1;
	const char *name;

	US_TRY(us_far_parent(c, s->root, key, true, &folder, &name));
	return receive(s, c, folder, name);
}

static struct us_err *get_object(const struct us_far_s3 *s, struct us_far_conn *c, const char *key)
{
	_us_free_ char *headers = NULL;
	_us_close_ int fd = -1;
	char etag[ETAG_SIZE];
	struct stat st;

	US_TRY(us_far_open(c, s->root, key, &fd, &st));
	make_etag(&st, etag);
	US_TRY(us_text_format(&headers,
			      "ETag: \"%s\"\r\nContent-Type: application/octet-stream\r\n", etag));
	return us_far_answer_file(c, fd, (uint64_t)st.st_size, headers);
}

/* What is not there is gone as well. */
static struct us_err *delete_object(const struct us_far_s3 *s, struct us_far_conn *c,
				    const char *key)
{
	struct us_err *err = us_far_remove(c, s->root, key);

	if (err && c->r.refused != US_FAR_NO_SUCH_FILE)
		return err;
	us_err_free(err);
	c->r.refused = US_FAR_NOTHING;
	return us_far_answer(c, 204, "", us_bytes_of("", 0));
}

/* ---- uploads in parts: the second half of an ID is the key's hash ---- */

static void put_hash(const char *key, char ret[17])
{
	snprintf(ret, 17, "%016" PRIx64, us_bytes_hash(us_bytes_of(key, strlen(key))));
}

static struct us_err *begin_upload(const struct us_far_s3 *s, struct us_far_conn *c, const char *key)
{
	_us_text_deinit_ struct us_text text = { 0 };
	_us_close_ int folder = -1;
	char id[33], path[64];
	const char *name;

	US_TRY(us_far_parent(c, s->root, key, true, &folder, &name));
	US_TRY(us_far_random(id));
	put_hash(key, id + 16);
	snprintf(path, sizeof(path), "%s/%s", US_FAR_UPLOADS, id);
	if ((mkdirat(s->root, US_FAR_UPLOADS, 0700) && errno != EEXIST) ||
	    mkdirat(s->root, path, 0700))
		return us_target_os(errno, "beginning an upload");
	us_text_add(&text, XML "<InitiateMultipartUploadResult " NAMESPACE "><Bucket>");
	us_far_xml(&text, s->bucket);
	us_text_add(&text, "</Bucket><Key>");
	us_far_xml(&text, key);
	us_text_add(&text, "</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>\n", id);
	return answer_xml(c, &text);
}

/* The folder of its parts. */
static struct us_err *open_upload(const struct us_far_s3 *s, struct us_far_conn *c, const char *key,
				  int *ret_fd)
{
	const char *id = us_far_query(c, "uploadId");
	char path[64], hash[17];
	int fd = -1;

	put_hash(key, hash);
	if (strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32 && !strcmp(id + 16, hash)) {
		snprintf(path, sizeof(path), "%s/%s", US_FAR_UPLOADS, id);
		fd = openat(s->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0)
		return us_far_refuse(c, US_FAR_NO_SUCH_UPLOAD, "no such upload of this object");
	*ret_fd = fd;
	return NULL;
}

static void drop_upload(const struct us_far_s3 *s, const struct us_far_conn *c, int fd)
{
	_us_closedir_ DIR *dir = fdopendir(dup(fd));
	struct dirent *entry;
	char path[64];

	while (dir && (entry = readdir(dir)))
		unlinkat(fd, entry->d_name, 0);
	snprintf(path, sizeof(path), "%s/%s", US_FAR_UPLOADS, us_far_query(c, "uploadId"));
	unlinkat(s->root, path, AT_REMOVEDIR);
}

static struct us_err *put_part(const struct us_far_s3 *s, struct us_far_conn *c, const char *key)
{
	const char *said = us_far_query(c, "partNumber");
	_us_close_ int fd = -1;
	uint64_t number;
	char name[24];

	US_TRY(open_upload(s, c, key, &fd));
	if (!said || !us_text_u64(said, 10, &number) || !number || number > PARTS_MAX)
		return us_far_refuse(c, US_FAR_INVALID_ARGUMENT, "partNumber is 1 to %u", PARTS_MAX);
	snprintf(name, sizeof(name), "%" PRIu64, number);
	return receive(s, c, fd, name);
}

static struct us_err *abort_upload(const struct us_far_s3 *s, struct us_far_conn *c, const char *key)
{
	_us_close_ int fd = -1;

	US_TRY(open_upload(s, c, key, &fd));
	drop_upload(s, c, fd);
	return us_far_answer(c, 204, "", us_bytes_of("", 0));
}

/* ---- parts put together ---- */

static struct us_err *read_xml(struct us_far_conn *c, struct us_text *ret)
{
	char hash[US_SHA256_HEX];
	struct us_bytes bytes;

	us_text_add(ret, "%s", "");
	do {
		US_TRY(us_far_body(c, &bytes));
		us_text_put(ret, bytes.p, bytes.n);
		if (ret->n > XML_MOST)
			return us_far_refuse(c, US_FAR_TOO_LARGE, "more than any list of parts");
	} while (bytes.n);
	if (ret->failed)
		return us_err_nomem();
	us_sha256_hex(us_bytes_of(ret->s, ret->n), hash);
	return us_far_payload(c, hash);
}

/* The next <Part> of the list; *ret_number 0 at its end. */
static struct us_err *next_part(struct us_far_conn *c, struct us_xml *xml, uint64_t *ret_number,
				const char **ret_etag)
{
	const char *name, *text, *etag = NULL;
	uint64_t number = 0;

	for (;;) {
		_us_err_free_ struct us_err *err = us_xml_next(xml, &c->r.pool, &name, &text);

		if (err)
			return us_far_refuse(c, US_FAR_MALFORMED_XML, "%s", err->text);
		if (!name || !strcmp(name, "Part"))
			break;
		if (!strcmp(name, "ETag"))
			etag = text;
		else if (!strcmp(name, "PartNumber") && !(text && us_text_u64(text, 10, &number)))
			number = 0;
	}
	if (name && (!number || number > PARTS_MAX || !etag))
		return us_far_refuse(c, US_FAR_MALFORMED_XML, "a part without number or ETag");
	*ret_number = name ? number : 0;
	*ret_etag = etag;
	return NULL;
}

/* That it is there and the one that is meant. */
static struct us_err *check_part(struct us_far_conn *c, int upload, uint64_t number,
				 const char *etag, uint64_t *ret_size)
{
	char name[24], right[ETAG_SIZE];
	size_t quote = *etag == '"';
	struct stat st;

	snprintf(name, sizeof(name), "%" PRIu64, number);
	if (fstatat(upload, name, &st, AT_SYMLINK_NOFOLLOW))
		return us_far_refuse(c, US_FAR_INVALID_PART, "part %s was not sent", name);
	make_etag(&st, right);
	if (strncmp(etag + quote, right, strlen(right)) != 0 ||
	    strcmp(etag + quote + strlen(right), quote ? "\"" : "") != 0)
		return us_far_refuse(c, US_FAR_INVALID_PART, "part %s is another one", name);
	*ret_size = (uint64_t)st.st_size;
	return NULL;
}

static struct us_err *check_parts(struct us_far_conn *c, int upload, struct us_bytes list,
				  uint64_t numbers[PARTS_MAX], size_t *ret_n)
{
	struct us_xml xml = { .bytes = list };
	uint64_t number = 0, last = 0, size = PART_LEAST;
	const char *etag = NULL;
	size_t n = 0;

	for (;; last = numbers[n++] = number) {
		US_TRY(next_part(c, &xml, &number, &etag));
		if (!number)
			break;
		if (number <= last)
			return us_far_refuse(c, US_FAR_INVALID_PART_ORDER,
					     "part %" PRIu64 " comes after %" PRIu64, number, last);
		if (size < PART_LEAST)
			return us_far_refuse(c, US_FAR_ENTITY_TOO_SMALL,
					     "part %" PRIu64 " has %" PRIu64
					     " bytes and is not the last",
					     last, size);
		US_TRY(check_part(c, upload, number, etag, &size));
	}
	if (!n)
		return us_far_refuse(c, US_FAR_MALFORMED_XML, "no parts");
	*ret_n = n;
	return NULL;
}

static struct us_err *add_part(int upload, uint64_t number, int to)
{
	_us_close_ int fd = -1;
	char name[24];
	ssize_t n;

	snprintf(name, sizeof(name), "%" PRIu64, number);
	fd = openat(upload, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return us_err_os(errno, "opening part %s", name);
	do
		n = sendfile(to, fd, NULL, 64u << 20);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? us_target_os(errno, "adding part %s", name) : NULL;
}

static struct us_err *complete_upload(const struct us_far_s3 *s, struct us_far_conn *c,
				      const char *key)
{
	_us_far_file_deinit_ struct us_far_file file = US_FAR_NO_FILE;
	uint64_t *numbers = us_pool_array(&c->r.pool, PARTS_MAX, sizeof(*numbers));
	_us_text_deinit_ struct us_text list = { 0 }, text = { 0 };
	_us_close_ int upload = -1, folder = -1;
	char etag[ETAG_SIZE];
	const char *name;
	struct stat st;
	size_t n = 0;

	if (!numbers)
		return us_err_nomem();
	US_TRY(open_upload(s, c, key, &upload));
	US_TRY(read_xml(c, &list));
	US_TRY(check_parts(c, upload, us_bytes_of(list.s, list.n), numbers, &n));
	US_TRY(us_far_begin(c, s->root, &file));
	for (size_t i = 0; i < n; i++)
		US_TRY(add_part(upload, numbers[i], file.fd));
	US_TRY(us_far_parent(c, s->root, key, true, &folder, &name));
	US_TRY(us_far_settle(c, &file, folder, name));
	if (fstat(file.fd, &st))
		return us_err_os(errno, "looking at an object");
	drop_upload(s, c, upload);
	make_etag(&st, etag);
	us_text_add(&text, XML "<CompleteMultipartUploadResult " NAMESPACE "><Bucket>");
	us_far_xml(&text, s->bucket);
	us_text_add(&text, "</Bucket><Key>");
	us_far_xml(&text, key);
	us_text_add(&text, "</Key><ETag>&quot;%s&quot;</ETag></CompleteMultipartUploadResult>\n",
		    etag);
	return answer_xml(c, &text);
}

/* ---- lists ---- */

struct key {
	const char *name;
	struct stat st;
};

struct keys {
	struct us_pool *pool;
	const char *prefix, *after;
	struct key *list;
	size_t n, room;
};

static struct us_err *add_key(struct keys *k, const char *name, const struct stat *st)
{
	if (strncmp(name, k->prefix, strlen(k->prefix)) != 0 || strcmp(name, k->after) <= 0)
		return NULL;
	if (k->n == k->room) {
		size_t room = k->room ? k->room * 2 : 64;
		struct key *more = reallocarray(k->list, room, sizeof(*more));

		if (!more)
			return us_err_nomem();
		k->list = more;
		k->room = room;
	}
	k->list[k->n++] = (struct key){ name, *st };
	return NULL;
}

/* The objects in the folder fd; at: its name with a slash behind it. */
static struct us_err *walk(struct keys *k, int fd, const char *at)
{
	_us_closedir_ DIR *dir = fdopendir(fd);
	struct dirent *entry;
	struct stat st;

	if (!dir)
		return us_err_os(errno, "listing /%s", at);
	while ((entry = readdir(dir))) {
		const char *own = entry->d_name, *name = us_pool_format(k->pool, "%s%s", at, own);

		if (!name)
			return us_err_nomem();
		if (!strcmp(own, ".") || !strcmp(own, "..") || !strcmp(name, US_FAR_UPLOADS) ||
		    strlen(name) > KEY_MOST || fstatat(dirfd(dir), own, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISDIR(st.st_mode)) {
			const char *below = us_pool_format(k->pool, "%s/", name);
			int next = openat(dirfd(dir), own,
					  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

			if (next >= 0 && below)
				US_TRY(walk(k, next, below));
			else
				us_closep(&next);
		} else if (S_ISREG(st.st_mode)) {
			US_TRY(add_key(k, name, &st));
		}
	}
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct key *)a)->name, ((const struct key *)b)->name);
}

static void put_key(struct us_text *text, const struct key *key)
{
	char etag[ETAG_SIZE], date[32];
	struct tm tm;

	make_etag(&key->st, etag);
	gmtime_r(&key->st.st_mtim.tv_sec, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S.000Z", &tm);
	us_text_add(text, "<Contents><Key>");
	us_far_xml(text, key->name);
	us_text_add(text,
		    "</Key><LastModified>%s</LastModified><ETag>&quot;%s&quot;</ETag>"
		    "<Size>%lld</Size><StorageClass>STANDARD</StorageClass></Contents>",
		    date, etag, (long long)key->st.st_size);
}

static struct us_err *answer_list(const struct us_far_s3 *s, struct us_far_conn *c,
				  const struct keys *k, size_t most)
{
	_us_text_deinit_ struct us_text text = { 0 };
	size_t n = k->n < most ? k->n : most;
	bool more = n && n < k->n;

	us_text_add(&text, XML "<ListBucketResult " NAMESPACE "><Name>");
	us_far_xml(&text, s->bucket);
	us_text_add(&text, "</Name><Prefix>");
	us_far_xml(&text, k->prefix);
	us_text_add(&text,
		    "</Prefix><KeyCount>%zu</KeyCount><MaxKeys>%zu</MaxKeys>"
		    "<IsTruncated>%s</IsTruncated>",
		    n, most, more ? "true" : "false");
	if (more) {
		us_text_add(&text, "<NextContinuationToken>");
		us_far_xml(&text, k->list[n - 1].name);
		us_text_add(&text, "</NextContinuationToken>");
	}
	for (size_t i = 0; i < n; i++)
		put_key(&text, &k->list[i]);
	us_text_add(&text, "</ListBucketResult>\n");
	return answer_xml(c, &text);
}

static const char *query_or(const struct us_far_conn *c, const char *name, const char *other)
{
	const char *value = us_far_query(c, name);

	return value ? value : other;
}

static struct us_err *list_objects(const struct us_far_s3 *s, struct us_far_conn *c)
{
	struct keys k = { .pool = &c->r.pool, .prefix = query_or(c, "prefix", "") };
	int fd = openat(s->root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct us_err *err;
	uint64_t most = 0;

	if (fd < 0)
		return us_err_os(errno, "opening the bucket");
	k.after = query_or(c, "continuation-token", query_or(c, "start-after", ""));
	err = walk(&k, fd, "");
	if (!err && !us_text_u64(query_or(c, "max-keys", "1000"), 10, &most))
		err = us_far_refuse(c, US_FAR_INVALID_ARGUMENT, "max-keys is a number");
	if (!err) {
		if (k.n)
			qsort(k.list, k.n, sizeof(*k.list), by_name);
		err = answer_list(s, c, &k, most < KEYS_MAX ? (size_t)most : KEYS_MAX);
	}
	free(k.list);
	return err;
}

/* ---- requests ---- */

static const struct {
	const char *method, *query; /* a word of the query, or NULL */
	struct us_err *(*run)(const struct us_far_s3 *s, struct us_far_conn *c, const char *key);
} verbs[] = {
	{ "PUT", "uploadId", put_part },
	{ "PUT", NULL, put_object },
	{ "GET", NULL, get_object },
	{ "HEAD", NULL, get_object },
	{ "DELETE", "uploadId", abort_upload },
	{ "DELETE", NULL, delete_object },
	{ "POST", "uploadId", complete_upload },
	{ "POST", "uploads", begin_upload },
};

static struct us_err *refuse_unknown(struct us_far_conn *c)
{
	static const char *const known[] = { "continuation-token",
					     "fetch-owner",
					     "list-type",
					     "max-keys",
					     "partNumber",
					     "prefix",
					     "start-after",
					     "uploadId",
					     "uploads",
					     "x-id" };
	static const char *const conditions[] = { "if-match", "if-none-match", "x-amz-copy-source" };

	for (size_t i = 0; i < c->r.n_query; i++) {
		const char *name = c->r.query[i].name;
		bool found = !*c->r.query[i].value && strcmp(name, "delimiter") == 0;

		for (size_t k = 0; k < us_array_size(known); k++)
			found |= !strcmp(known[k], name);
		if (!found)
			return us_far_refuse(c, US_FAR_NOT_IMPLEMENTED, "%s", name);
	}
	for (size_t i = 0; i < us_array_size(conditions); i++)
		if (us_far_header(c, conditions[i]))
			return us_far_refuse(c, US_FAR_NOT_IMPLEMENTED, "%s", conditions[i]);
	return NULL;
}

static struct us_err *do_bucket(const struct us_far_s3 *s, struct us_far_conn *c)
{
	if (!strcmp(c->r.method, "HEAD"))
		return us_far_answer(c, 200, "", us_bytes_of("", 0));
	if (strcmp(c->r.method, "GET") != 0 || strcmp(query_or(c, "list-type", ""), "2") != 0)
		return us_far_refuse(c, US_FAR_NOT_IMPLEMENTED, "lists of version 2 are");
	return list_objects(s, c);
}

static struct us_err *do_object(const struct us_far_s3 *s, struct us_far_conn *c, const char *key)
{
	for (size_t i = 0; i < us_array_size(verbs); i++)
		if (!strcmp(verbs[i].method, c->r.method) &&
		    (!verbs[i].query || us_far_query(c, verbs[i].query)))
			return verbs[i].run(s, c, key);
	return us_far_refuse(c, US_FAR_METHOD_NOT_ALLOWED, "objects have no %s", c->r.method);
}

struct us_err *us_far_s3(void *data, struct us_far_conn *c)
{
	const struct us_far_s3 *s = data;
	const char *bucket = c->r.path + 1, *key = strchr(bucket, '/');
	size_t n = strlen(s->bucket);
	struct us_err *err;

	if (s->credentials.access)
		US_TRY(us_far_signature(s, c));
	if (strncmp(bucket, s->bucket, n) != 0 || (bucket[n] && bucket[n] != '/'))
		return us_far_refuse(c, US_FAR_NO_SUCH_BUCKET, "the bucket here is %s", s->bucket);
	US_TRY(refuse_unknown(c));
	err = key && key[1] ? do_object(s, c, key + 1) : do_bucket(s, c);
	if (err && c->r.refused == US_FAR_NO_SUCH_FILE)
		c->r.refused = US_FAR_NO_SUCH_KEY;
	return err;
}
