/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of a source tree, from a directory or from a tar archive of any packing that libarchive
 * knows. An archive is read once, and of it only what may be part of the configuration is kept.
 * Also what the top Makefile says: the version, and which architectures go by another's folder.
 */
#include "kconfig/parse-int.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (16ul << 20)  /* bytes of one file */
#define KEPT_MAX (256ul << 20) /* and of all that is kept of an archive */

struct us_ksource {
	struct us_pool pool;
	const char *path;
	bool archive;
	int dir; /* a directory's, or -1 */
	struct us_kmap
		files; /* path -> struct us_bytes: an archive's, a directory's that were read */
	struct us_kvec names; /* archive: const char * */
	const char *top;      /* archive: the folder that holds it all, with a '/', or "" */
};

void us_ksource_free(struct us_ksource *source)
{
	if (!source)
		return;
	if (source->dir >= 0)
		close(source->dir);
	us_kmap_deinit(&source->files);
	us_kvec_deinit(&source->names);
	us_pool_deinit(&source->pool);
	free(source);
}

const char *us_ksource_path(const struct us_ksource *source)
{
	return source->path;
}

const char *us_ksource_directory(const struct us_ksource *source)
{
	return source->archive ? NULL : source->path;
}

/* ---- archives ---- */

static void close_archive(struct archive **a)
{
	archive_read_free(*a);
}

/* Kconfig, Kconfig.debug and the like; and the top Makefile. */
static bool is_wanted(const char *name)
{
	const char *slash = strrchr(name, '/'), *first = strchr(name, '/');
	const char *base = slash ? slash + 1 : name;

	if (!strcmp(base, "Makefile"))
		return slash == first;
	return strcasestr(base, "kconfig");
}

static struct us_err *keep(struct us_ksource *source, struct archive *a,
			   struct archive_entry *entry, const char *name, uint64_t *kept)
{
	int64_t size = archive_entry_size(entry);
	struct us_bytes *bytes = us_pool_alloc(&source->pool, sizeof(*bytes));
	uint8_t *p;

	if (size < 0 || (uint64_t)size > FILE_MAX || *kept + (uint64_t)size > KEPT_MAX)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s is larger than a tree's configuration can be", name);
	*kept += size;
	p = us_pool_alloc(&source->pool, (size_t)size + 1);
	name = us_pool_strdup(&source->pool, name);
	if (!bytes || !p || !name)
		return us_err_nomem();
	if (archive_read_data(a, p, size) != size)
		return us_err_new(US_ERR_BAD_DATA, "%s: %s", name,
				  archive_error_string(a) ?: "cut off");
	*bytes = us_bytes_of(p, size);
	US_TRY(us_kvec_push_pointer(&source->names, name));
	/* an archive may hold a path twice: the first counts */
	return us_kmap_get(&source->files, name, strlen(name))
		       ? NULL
		       : us_kmap_put(&source->files, name, strlen(name), bytes);
}

static struct us_err *read_archive(struct us_ksource *source, struct us_progress *progress)
{
	__attribute__((cleanup(close_archive))) struct archive *a = archive_read_new();
	struct archive_entry *entry;
	struct stat st = { 0 };
	uint64_t kept = 0;
	int status;

	if (!a)
		return us_err_nomem();
	archive_read_support_filter_all(a);
	archive_read_support_format_tar(a);
	archive_read_support_format_gnutar(a);
	if (archive_read_open_filename(a, source->path, 1 << 20) != ARCHIVE_OK)
		return us_err_new(US_ERR_BAD_DATA, "not a tar archive: %s", archive_error_string(a));
	(void)stat(source->path, &st);
	while ((status = archive_read_next_header(a, &entry)) == ARCHIVE_OK ||
	       status == ARCHIVE_WARN) {
		const char *name = archive_entry_pathname(entry);

		us_progress_at(progress, "reading the archive", archive_filter_bytes(a, -1),
			       st.st_size);
		while (name && !strncmp(name, "./", 2))
			name += 2;
		if (name && archive_entry_filetype(entry) == AE_IFREG && is_wanted(name))
			US_TRY(keep(source, a, entry, name, &kept));
	}
	if (status != ARCHIVE_EOF)
		return us_err_new(US_ERR_BAD_DATA, "not a tar archive: %s", archive_error_string(a));
	return NULL;
}

static struct us_err *find_top(struct us_ksource *source)
{
	const char *const *names = source->names.v;

	source->top = "";
	if (us_kmap_get(&source->files, "Kconfig", 7))
		return NULL;
	for (size_t i = 0; i < source->names.n; i++) {
		const char *slash = strchr(names[i], '/');

		if (slash && !strcmp(slash, "/Kconfig")) {
			source->top =
				us_pool_strndup(&source->pool, names[i], slash + 1 - names[i]);
			return source->top ? NULL : us_err_nomem();
		}
	}
	return us_err_new(US_ERR_BAD_DATA,
			  "no Kconfig at its top: not the archive of a kernel's source");
}

/* ---- both ---- */

struct us_err *us_ksource_open(const char *path, struct us_progress *progress,
			       struct us_ksource **ret)
{
	_us_ksource_free_ struct us_ksource *source = calloc(1, sizeof(*source));
	struct us_err *err;
	struct stat st;

	if (!source)
		return us_err_nomem();
	source->dir = -1;
	source->path = us_pool_strdup(&source->pool, path);
	if (!source->path)
		return us_err_nomem();
	if (stat(path, &st))
		return us_err_os(errno, "%s", path);
	source->archive = !S_ISDIR(st.st_mode);
	if (source->archive) {
		err = read_archive(source, progress);
		if (!err)
			err = find_top(source);
		if (err)
			return us_err_wrap(err, "%s", path);
	} else {
		source->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (source->dir < 0)
			return us_err_os(errno, "%s", path);
		if (faccessat(source->dir, "Kconfig", R_OK, 0))
			return us_err_new(US_ERR_BAD_DATA,
					  "%s: no Kconfig in it: not a kernel's source tree", path);
	}
	*ret = us_steal(&source);
	return NULL;
}

struct us_err *us_ksource_of(const struct us_kfile_text *files, size_t n, struct us_ksource **ret)
{
	_us_ksource_free_ struct us_ksource *source = calloc(1, sizeof(*source));

	if (!source)
		return us_err_nomem();
	source->dir = -1;
	source->archive = true;
	source->path = "";
	source->top = "";
	for (size_t i = 0; i < n; i++) {
		struct us_bytes *bytes = us_pool_alloc(&source->pool, sizeof(*bytes));

		if (!bytes)
			return us_err_nomem();
		*bytes = files[i].text;
		US_TRY(us_kvec_push_pointer(&source->names, files[i].name));
		US_TRY(us_kmap_put(&source->files, files[i].name, strlen(files[i].name), bytes));
	}
	*ret = us_steal(&source);
	return NULL;
}

/* A file of a directory, read at its first use. */
static struct us_err *read_file(struct us_ksource *source, const char *file, struct us_bytes *ret)
{
	const struct us_bytes *known = us_kmap_get(&source->files, file, strlen(file));
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_bytes *bytes;
	struct stat st;

	if (known) {
		*ret = *known;
		return NULL;
	}
	/* a pipe would be waited for */
	if (!fstatat(source->dir, file + strspn(file, "/"), &st, 0) && !S_ISREG(st.st_mode))
		return us_err_new(US_ERR_BAD_DATA, "%s: not a regular file", file);
	US_TRY(us_file_read_at(source->dir, file, FILE_MAX, &blob));
	bytes = us_pool_alloc(&source->pool, sizeof(*bytes));
	file = us_pool_strdup(&source->pool, file);
	if (!bytes || !file)
		return us_err_nomem();
	US_TRY(us_pool_adopt(&source->pool, &blob, bytes));
	US_TRY(us_kmap_put(&source->files, file, strlen(file), bytes));
	*ret = *bytes;
	return NULL;
}

struct us_err *us_ksource_read(struct us_ksource *source, const char *file, struct us_bytes *ret)
{
	_us_free_ char *name = NULL;
	const struct us_bytes *bytes;

	if (!source->archive)
		return read_file(source, file, ret);
	US_TRY(us_text_format(&name, "%s%s", source->top, file));
	bytes = us_kmap_get(&source->files, name, strlen(name));
	if (!bytes)
		return us_err_new(US_ERR_NOT_FOUND, "%s: not in the archive", file);
	*ret = *bytes;
	return NULL;
}

/* arch/NAME/Kconfig of an archive */
static struct us_err *archive_arches(struct us_ksource *source, struct us_pool *pool,
				     struct us_kvec *vec)
{
	const char *const *names = source->names.v;
	size_t n_top = strlen(source->top);

	for (size_t i = 0; i < source->names.n; i++) {
		const char *name = names[i], *slash;

		if (strncmp(name, source->top, n_top) || strncmp(name + n_top, "arch/", 5))
			continue;
		name += n_top + 5;
		slash = strchr(name, '/');
		if (slash && !strcmp(slash, "/Kconfig"))
			US_TRY(us_kvec_push_pointer(vec, us_pool_strndup(pool, name, slash - name)));
	}
	return NULL;
}

static struct us_err *directory_arches(struct us_ksource *source, struct us_pool *pool,
				       struct us_kvec *vec)
{
	int fd = openat(source->dir, "arch", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_us_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	char path[NAME_MAX + 16];

	if (!dir) {
		int why = errno;

		if (fd >= 0)
			close(fd);
		return us_err_os(why, "%s/arch", source->path);
	}
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/Kconfig", entry->d_name);
		if (entry->d_name[0] != '.' && !faccessat(fd, path, R_OK, 0))
			US_TRY(us_kvec_push_pointer(vec, us_pool_strdup(pool, entry->d_name)));
	}
	return NULL;
}

struct us_err *us_ksource_arch_folders(struct us_ksource *source, struct us_pool *pool,
				       const char ***ret, size_t *ret_n)
{
	struct us_kvec vec = { 0 };
	struct us_err *err;

	err = source->archive ? archive_arches(source, pool, &vec)
			      : directory_arches(source, pool, &vec);
	if (!err)
		err = us_kvec_move(&vec, sizeof(char *), pool, ret, ret_n);
	us_kvec_deinit(&vec);
	return err;
}

/* ---- the Makefile ---- */

/* "NAME = value" gives value; NULL: another line. */
static const char *assigned(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(line, name, n))
		return NULL;
	line += n;
	line += strspn(line, " \t");
	line += *line == ':';
	return *line == '=' ? line + 1 + strspn(line + 1, " \t") : NULL;
}

struct makefile_scan {
	const char *version, *patchlevel, *sublevel, *extra;
	const char *arch; /* of the "ifeq ($(ARCH),x86_64)" before */
	struct us_kvec aliases;
};

static struct us_err *scan_line(struct makefile_scan *scan, struct us_pool *pool, char *line)
{
	static const char is_arch[] = "ifeq ($(ARCH),";
	const char *srcarch = assigned(line, "SRCARCH");
	const char *value;
	struct us_kalias *alias;

	if ((value = assigned(line, "VERSION")) && !scan->version)
		scan->version = value;
	else if ((value = assigned(line, "PATCHLEVEL")) && !scan->patchlevel)
		scan->patchlevel = value;
	else if ((value = assigned(line, "SUBLEVEL")) && !scan->sublevel)
		scan->sublevel = value;
	else if ((value = assigned(line, "EXTRAVERSION")) && !scan->extra)
		scan->extra = value;
	if (!strncmp(line, is_arch, sizeof(is_arch) - 1)) {
		line += sizeof(is_arch) - 1;
		line[strcspn(line, ")")] = '\0';
		scan->arch = line;
	} else if (srcarch && scan->arch && *srcarch != '$') {
		alias = us_kvec_push(&scan->aliases, sizeof(*alias));
		if (!alias)
			return us_err_nomem();
		alias->arch = us_pool_strdup(pool, scan->arch);
		alias->srcarch = us_pool_strdup(pool, srcarch);
		scan->arch = NULL;
		if (!alias->arch || !alias->srcarch)
			return us_err_nomem();
	}
	return NULL;
}

struct us_err *us_kmakefile_read(struct us_ksource *source, struct us_pool *pool,
				 struct us_kmakefile *ret)
{
	struct makefile_scan scan = { 0 };
	struct us_kmakefile file = { 0 };
	struct us_bytes bytes;
	struct us_err *err;
	uint64_t major, minor;
	char *text, *rest, *line;

	err = us_ksource_read(source, "Makefile", &bytes);
	if (err)
		return us_err_wrap(err, "the version of the tree");
	text = us_pool_strndup(pool, (const char *)bytes.p, bytes.n);
	if (!text)
		return us_err_nomem();
	for (rest = text; !err && (line = strsep(&rest, "\n"));)
		err = scan_line(&scan, pool, us_text_strip(line));
	if (!err)
		err = us_kvec_move(&scan.aliases, sizeof(struct us_kalias), pool, &file.aliases,
				   &file.n_aliases);
	us_kvec_deinit(&scan.aliases);
	if (err)
		return err;
	if (!scan.version || !scan.patchlevel || !us_text_u64(scan.version, 10, &major) ||
	    !us_text_u64(scan.patchlevel, 10, &minor) || major > 999 || minor > 999)
		return us_err_new(US_ERR_BAD_DATA, "Makefile: no VERSION and PATCHLEVEL in it");
	file.major = major;
	file.minor = minor;
	file.version =
		us_pool_format(pool, "%u.%u%s%s%s", file.major, file.minor,
			       scan.sublevel && *scan.sublevel ? "." : "",
			       scan.sublevel ? scan.sublevel : "", scan.extra ? scan.extra : "");
	if (!file.version)
		return us_err_nomem();
	*ret = file;
	return NULL;
}
