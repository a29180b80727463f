/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where dumps go: a directory of a local or NFS file system, a raw partition, an SSH server (SFTP
 * by the OpenSSH client), HTTP PUT, an S3-compatible object store. One table of kinds; the same
 * code serves the probe while arming, the capture, and the list of saved crashes. Nothing here
 * finds or assembles devices or configures networks: crash/ does that before.
 *
 * A saved crash is a directory (a common prefix in an object store, a slot on a raw partition)
 * named YYYYMMDD-HHMMSS-RELEASE (UTC, time of the crash) with the files log.txt, state.txt, dump,
 * and what hooks add. Directories are made 0700, files 0600. "dump.incomplete" becomes "dump" at
 * the end.
 */
#ifndef US_TARGET_TARGET_H
#define US_TARGET_TARGET_H

#include "base/pool.h"
#include "base/sink.h"

#include <stdbool.h>

enum us_target_kind {
	US_TARGET_DIR, /* a directory of a block device's file system */
	US_TARGET_RAW, /* a block device without file system, overwritten by each dump */
	US_TARGET_NFS,
	US_TARGET_SSH,
	US_TARGET_HTTP,
	US_TARGET_S3,
	US_TARGET_KINDS
};

/* One target as the configuration (and the recipe in the capture image) words it. Texts are "" or
 * NULL where the kind has none. */
struct us_target_spec {
	enum us_target_kind kind;
	const char *text; /* as written, without secrets: what reports show */
	const char *path; /* DIR, NFS: the directory to use, below the mount point in the capture
			     kernel; RAW: the device node; SSH: far directory; HTTP, S3: prefix */
	const char *host, *port, *user;        /* NFS, SSH, HTTP, S3 */
	const char *address;                   /* host as a number, looked up while arming; NULL:
						  host is one, or is in /etc/hosts */
	const char *share;                     /* NFS: the export; S3: the bucket */
	const char *options;                   /* NFS: mount options beside ours */
	const char *identity, *known_hosts;    /* SSH: files */
	bool tls;                              /* HTTP, S3: https */
	const char *region, *credentials, *ca; /* S3, HTTP: files; credentials hold
						  "ACCESS_KEY SECRET" or "Authorization" words */
	bool force;            /* RAW: the probe may overwrite what looks like somebody's data */
	unsigned int budget_s; /* for all that is done with it in the capture kernel */
};
/*
 * "/var/crash", "raw:/dev/disk/by-partuuid/X", "nfs://host[:port]/export[//dir]",
 * "ssh://[user@]host[:port]/dir", "http[s]://host[:port]/prefix/", "s3://bucket/prefix", each
 * followed by words "budget=600s" "identity=FILE" "known-hosts=FILE" "options=..." "address=IP"
 * "endpoint=http[s]://host[:port]" "region=..." "credentials=FILE" "ca=FILE". A word may stand in
 * double quotes. US_ERR_USAGE names the word. Defaults: budget 600 s, SSH's US_TARGET_IDENTITY and
 * US_TARGET_KNOWN_HOSTS, region us-east-1; S3 without endpoint is https at s3.REGION.amazonaws.com.
 */
#define US_TARGET_IDENTITY    "/etc/understudy/id_ed25519"
#define US_TARGET_KNOWN_HOSTS "/etc/understudy/known_hosts"
struct us_err *us_target_parse(const char *words, struct us_pool *pool, struct us_target_spec *ret)
	us_must_check;
/* The words again that us_target_parse() takes. */
struct us_err *us_target_words(const struct us_target_spec *spec, struct us_pool *pool,
			       const char **ret) us_must_check;
const char *us_target_kind_name(enum us_target_kind kind);

/* What the kind needs in the capture image besides this program. */
struct us_target_needs {
	const char *const *modules;  /* names as modprobe takes them, NULL-terminated ("nfsv4") */
	const char *const *programs; /* with their libraries: absolute paths or names in PATH */
	const char *const *files;    /* copied as they are: keys, certificates, nsswitch.conf */
	bool network;
};
struct us_err *us_target_needs(const struct us_target_spec *spec, struct us_pool *pool,
			       struct us_target_needs *ret) us_must_check;

struct us_target;
/*
 * Ready for use: DIR and NFS at a directory that is mounted already (root: what spec->path is
 * relative to, "" while arming); others connect. deadline_ns (CLOCK_MONOTONIC, 0 = none) holds for
 * every later call, which then fails with US_ERR_OS ETIMEDOUT; programs are ended.
 */
struct us_err *us_target_open(const struct us_target_spec *spec, const char *root,
			      uint64_t deadline_ns, struct us_target **ret) us_must_check;
void us_target_close(struct us_target *target);
static inline void us_target_closep(struct us_target **target)
{
	us_target_close(*target);
}
#define _us_target_close_ __attribute__((cleanup(us_target_closep)))

/* Bytes free; US_ERR_UNSUPPORTED where the kind does not tell. */
struct us_err *us_target_free_bytes(struct us_target *target, uint64_t *ret) us_must_check;
/* A small file of crash, whole or not at all, on stable storage when it returns. US_ERR_NO_ROOM. */
struct us_err *us_target_put(struct us_target *target, const char *crash, const char *name,
			     struct us_bytes bytes) us_must_check;
/* At most max bytes of a file back. */
struct us_err *us_target_get(struct us_target *target, const char *crash, const char *name,
			     size_t max, struct us_blob *ret) us_must_check;
/*
 * Begin the dump of crash. Either *ret_path is a path for us_dump_write() (DIR, NFS, RAW; it writes
 * PATH.incomplete and renames), or *ret_sink takes the bytes. Both are owned by the target until
 * us_target_dump_end(), which makes a sink's dump take its name (SFTP: fsync and rename; S3: the
 * upload is completed) and reads the first block back: on success *ret_where says where it is now.
 * finished false: leave it as incomplete (S3: the upload is given up).
 */
struct us_err *us_target_dump_begin(struct us_target *target, const char *crash,
				    const char **ret_path, struct us_sink **ret_sink) us_must_check;
struct us_err *us_target_dump_end(struct us_target *target, bool finished, struct us_pool *pool,
				  const char **ret_where) us_must_check;

/* JSON to a URL (http or https), by understudy-http; ca: a file of certificates, NULL: the system's. */
struct us_err *us_target_webhook(const char *url, const char *ca, const char *json,
				 uint64_t deadline_ns) us_must_check;

struct us_saved { /* a saved crash */
	const char *crash;
	uint64_t bytes; /* all files of it */
	bool has_dump, incomplete, has_log;
};
/* All saved crashes, oldest first. US_ERR_UNSUPPORTED where they cannot be listed. */
struct us_err *us_target_list(struct us_target *target, struct us_pool *pool,
			      const struct us_saved **ret, size_t *ret_n) us_must_check;
struct us_err *us_target_remove(struct us_target *target, const char *crash) us_must_check;

struct us_keep_policy {
	unsigned int max_crashes;     /* 0 = any number */
	uint64_t max_bytes, min_free; /* 0 = no limit */
	bool may_prune;               /* false: nothing is ever deleted */
	bool dry_run;                 /* only tell what would be */
};
/* Delete the oldest saved crashes until the policy holds and need bytes are free. Incomplete ones
 * first, the newest never. *ret_removed: their names, NULL-terminated; after an error, too, unless
 * it is NULL as it was. That it was not enough is no error. */
struct us_err *us_target_prune(struct us_target *target, const struct us_keep_policy *policy,
			       uint64_t need, struct us_pool *pool, const char *const **ret_removed)
	us_must_check;

struct us_probe {
	struct us_pool pool;
	const char *const *steps; /* "wrote 1 MiB in 12 ms", NULL-terminated: what was proved */
	uint64_t free_bytes;      /* UINT64_MAX: not known */
	double bytes_per_s;
};
/* A real write of bytes, fsync, rename, read back, compare and delete. */
struct us_err *us_target_probe(struct us_target *target, size_t bytes, struct us_probe *ret)
	us_must_check;
void us_probe_deinit(struct us_probe *probe);

/* May the probe write our mark on the raw partition (fd, of that name)? Nothing is written.
 * US_ERR_REFUSED: something that is known stands there. */
struct us_err *us_target_raw_check(int fd, const char *name) us_must_check;

#endif
