/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recording a machine: every file of the table in files.c that can be read, cleaned (scrub.c), into
 * a directory that us_host_open() takes for a machine. What is no file or must not be copied
 * (/proc/kcore, the swap header, uname) is written as the short text that was learned from it.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct snapshot {
	const struct us_host *host;
	const char *dir;
	struct us_scrubber *scrubber;
	struct us_pool pool;
	struct us_text denied; /* paths that are there and could not be read */
	size_t files;
};

static struct us_err *keep(struct snapshot *snap, const char *path, struct us_bytes bytes)
{
	_us_free_ char *full = NULL, *folder = NULL;

	US_TRY(us_text_format(&full, "%s%s", snap->dir, path));
	US_TRY(us_text_format(&folder, "%.*s", (int)(strrchr(full, '/') - full), full));
	US_TRY(us_file_folders(folder, 0755, 0755));
	US_TRY(us_file_replace(full, bytes));
	snap->files++;
	return NULL;
}

static struct us_err *keep_text(struct snapshot *snap, enum us_host_file file, const char *text)
{
	return keep(snap, us_host_files[file].path, us_bytes_of(text, strlen(text)));
}

static struct us_err *copy(struct snapshot *snap, enum us_host_file file, const char *name)
{
	_us_blob_deinit_ struct us_blob blob = { 0 }, clean = { 0 };
	struct us_origin from;

	if (!us_host_read(snap->host, &snap->pool, file, name, &blob, &from)) {
		if (strncmp(from.missing, "not there", 9) != 0)
			us_text_add(&snap->denied, "%s\n", from.path);
		return NULL;
	}
	US_TRY(us_scrub(snap->scrubber, us_host_files[file].scrub, us_blob_bytes(&blob), &clean));
	return keep(snap, from.path, us_blob_bytes(&clean));
}

static struct us_err *copy_all(struct snapshot *snap, enum us_host_file file)
{
	const char *const *names;
	size_t n;

	if (!strchr(us_host_files[file].path, '*'))
		return copy(snap, file, NULL);
	US_TRY(us_host_list(snap->host, &snap->pool, file, &names, &n));
	for (size_t i = 0; i < n; i++)
		US_TRY(copy(snap, file, names[i]));
	return NULL;
}

/* The two namespaces are links: kept as the text "initial or not" that open reads back. */
static struct us_err *keep_namespace(struct snapshot *snap, enum us_host_file file,
				     const struct us_fact_tri *initial)
{
	const char *kind = strrchr(us_host_files[file].path, '/') + 1;

	if (!us_known(initial->o))
		return NULL;
	return keep_text(snap, file,
			 us_host_say(&snap->pool, "%s:[%s]\n", kind,
				     initial->v != US_YES       ? "4026532000"
				     : strcmp(kind, "pid") == 0 ? "4026531836"
								: "4026531837"));
}

static struct us_err *keep_keyrings(struct snapshot *snap)
{
	_us_blob_deinit_ struct us_blob keys = { 0 }, members = { 0 };
	struct us_origin from;
	const char *why;

	if (!us_host_read(snap->host, &snap->pool, US_FILE_KEYS, NULL, &keys, &from))
		return NULL;
	US_TRY(us_keyrings_read(snap->host, &snap->pool, us_blob_bytes(&keys), &members, &from,
				&why));
	return members.n ? keep(snap, us_host_files[US_FILE_MADE_KEYRINGS].path,
				us_blob_bytes(&members))
			 : NULL;
}

static struct us_err *keep_made(struct snapshot *snap)
{
	_us_kcore_deinit_ struct us_kcore kcore = { 0 };
	_us_text_deinit_ struct us_text loads = { 0 };
	_us_free_ char *text = NULL;

	if (us_known(snap->host->machine.o))
		US_TRY(keep_text(snap, US_FILE_MADE_MACHINE,
				 us_host_say(&snap->pool, "%s\n", snap->host->machine.v)));
	if (snap->host->hibernation_image.v != US_UNKNOWN)
		US_TRY(keep_text(snap, US_FILE_MADE_HIBERNATION,
				 snap->host->hibernation_image.v == US_YES ? "yes\n" : "no\n"));
	US_TRY(keep_keyrings(snap));
	US_TRY(us_kcore_read(snap->host, &snap->pool, &kcore));
	if (kcore.vmcoreinfo.n)
		US_TRY(keep(snap, us_host_files[US_FILE_MADE_VMCOREINFO].path,
			    us_blob_bytes(&kcore.vmcoreinfo)));
	for (size_t i = 0; i < kcore.n_loads; i++)
		us_text_add(&loads, "load 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 "\n",
			    kcore.loads[i].virt, kcore.loads[i].phys, kcore.loads[i].size);
	US_TRY(us_text_take(&loads, &text));
	if (*text)
		US_TRY(keep_text(snap, US_FILE_MADE_KCORE, text));
	if (snap->denied.failed)
		return us_err_nomem();
	return snap->denied.n ? keep_text(snap, US_FILE_MADE_DENIED, snap->denied.s) : NULL;
}

/* Files left from another recording would be facts of two machines in one. */
static struct us_err *must_be_empty(const char *dir)
{
	_us_closedir_ DIR *d = opendir(dir);
	const struct dirent *e;

	if (!d)
		return us_err_os(errno, "opening the folder");
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			return us_err_new(US_ERR_USAGE,
					  "the folder is not empty (it has %s): name a new one",
					  e->d_name);
	return NULL;
}

static struct us_err *take(struct snapshot *snap)
{
	if (mkdir(snap->dir, 0755) < 0 && errno != EEXIST)
		return us_err_os(errno, "creating the folder");
	US_TRY(must_be_empty(snap->dir));
	for (enum us_host_file file = 0; file < US_FILE_COUNT; file++) {
		if (us_host_files[file].scrub == US_SCRUB_MADE)
			continue;
		if (file == US_FILE_NS_PID)
			US_TRY(keep_namespace(snap, file, &snap->host->init_pid_ns));
		else if (file == US_FILE_NS_USER)
			US_TRY(keep_namespace(snap, file, &snap->host->init_user_ns));
		else
			US_TRY(copy_all(snap, file));
	}
	return keep_made(snap);
}

struct us_err *us_host_snapshot(const struct us_host *host, const char *dir, size_t *ret_files)
{
	_us_scrubber_free_ struct us_scrubber *scrubber = NULL;
	struct snapshot snap = { .host = host, .dir = dir };
	struct us_err *err;

	US_TRY(us_scrubber_new(&scrubber));
	snap.scrubber = scrubber;
	err = take(&snap);
	us_pool_deinit(&snap.pool);
	us_text_deinit(&snap.denied);
	if (err)
		return us_err_wrap(err, "recording this machine in %s", dir);
	*ret_files = snap.files;
	return NULL;
}
