/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kdump, end to end: what is configured, the way from each target to its devices, the capture
 * image, arming, sizing, and the program that runs as PID 1 in the capture kernel. Everything that
 * can be known is checked and built before the one system call; what was armed before is put back
 * if that call fails.
 */
#ifndef US_CRASH_CRASH_H
#define US_CRASH_CRASH_H

#include "check/check.h"
#include "crash/arm.h"
#include "crash/capture.h"
#include "crash/recipe.h"
#include "host/host.h"
#include "load/load.h"
#include "target/target.h"

#define US_CRASH_CONFIG    "/etc/understudy.conf"
#define US_CRASH_STATE_DIR "/var/lib/understudy" /* images, manifests, proved pairs, last crash */
#define US_CRASH_RUN_DIR   "/run/understudy"

/* ---- config.c: /etc/understudy.conf; every key has a default that needs no edit ---- */
struct us_crash_config {
	struct us_pool pool;
	const char *path; /* it was read from; NULL: defaults */
	bool only_judged; /* a raw target that the probe would mark counts as marked */
	const struct us_target_spec *targets; /* default: the directory /var/crash */
	size_t n_targets;
	const char *kernel;         /* "running" (default), or a path: the capture kernel */
	const char *modules;        /* directory of its modules; "": /lib/modules/RELEASE */
	const char *config;         /* .config of the capture kernel, "" = found beside it */
	unsigned int level;         /* 31 */
	const char *codec;          /* "auto" */
	unsigned int jobs;          /* 0 = one per CPU of the capture kernel */
	unsigned int cpus;          /* nr_cpus= of the capture kernel, 1 */
	const char *append;         /* words added to its command line, "" */
	const char *call;           /* "auto", "file", "load" */
	struct us_keep_policy keep; /* prune: yes, max-crashes, max-bytes, min-free */
	const char *pre, *post;     /* hook programs, "" */
	const char *const *extra_modules, *const *extra_programs; /* NULL-terminated */
	unsigned int budget_s, hook_budget_s, module_budget_s;
	const char *final;    /* reboot, poweroff, halt */
	const char *watchdog; /* auto, no, or a device */
	const char *webhook, *fence_nodes;
	unsigned int fence_port;
	const char *policy; /* check's, "" */
};
/* path (NULL: the default one) is below root_fd, or of the current directory without a leading
 * slash. It must exist unless it is the default one. US_ERR_BAD_DATA "FILE:LINE: ..." for an
 * unknown key or a value that makes no sense. */
struct us_err *us_crash_config_read(int root_fd, const char *path, struct us_crash_config **ret)
	us_must_check;
/* The same of a text; path names it in errors. */
struct us_err *us_crash_config_parse(struct us_bytes text, const char *path,
				     struct us_crash_config **ret) us_must_check;
struct us_crash_key { /* what the sample file and the manual page are made from */
	const char *name, *values, *fallback, *help; /* fallback: the default, "" = none */
};
const struct us_crash_key *us_crash_key_at(size_t i); /* NULL past the last one */
void us_crash_config_free(struct us_crash_config *config);
static inline void us_crash_config_freep(struct us_crash_config **config)
{
	us_crash_config_free(*config);
}
#define _us_crash_config_free_ __attribute__((cleanup(us_crash_config_freep)))
/* import.c: Debian's /etc/default/kdump-tools, Fedora's /etc/kdump.conf (+ /etc/sysconfig/kdump) as
 * the text of our configuration; notes: what has no like here, NULL-terminated, in pool.
 * US_ERR_NOT_FOUND: neither is there. */
struct us_err *us_crash_import(int root_fd, struct us_pool *pool, const char **ret_text,
			       const char *const **ret_notes) us_must_check;

/* ---- walk.c: from a target to the devices and modules below it, by /sys, /proc/mounts, device
 * mapper and md, all below root_fd where they are files ---- */
struct us_wanted_module {
	const char *name;   /* a module's name or an alias ("fs-ext4", "virtio_blk") */
	const char *alias;  /* tried where the name is not known ("pci:v00001AF4d..."), or NULL */
	const char *reason; /* "virtio1, on the way to vda1" */
	int target;         /* index of the only target that needs it; -1: several or all;
			       US_RECIPE_LAST */
	bool optional;      /* a help at best: nobody is told if it is not there */
	const char *params; /* what it is loaded with; NULL: what modprobe.d says */
};
struct us_walk_result {
	struct us_pool pool;
	const struct us_recipe_device *devices; /* of all targets, each once, lowest first */
	const char *const *nodes; /* of each device today, below the host's root: "dev/vda1" */
	size_t n_devices;
	const struct us_recipe_net *nets;
	size_t n_nets;
	const struct us_recipe_target *targets;
	size_t n_targets;
	const struct us_wanted_module *modules; /* in order: what others lie on first */
	size_t n_modules;
	const char *const *hosts; /* lines of /etc/hosts, NULL-terminated: the capture kernel asks
				     no name server */
	const char *const *notes; /* what beside a target cannot be done, NULL-terminated */
	const char *const *problems; /* per target: NULL, or why it can't be used ("LUKS volume x:
					this kernel has no crash_dm_crypt_keys") */
};
struct us_err *us_crash_walk(const struct us_host *host, const struct us_crash_config *config,
			     struct us_walk_result **ret) us_must_check;
void us_walk_result_free(struct us_walk_result *walk);

/* ---- image.c: the capture image (an initrd) ---- */
struct us_capture_file {
	const char *path;   /* in the image */
	const char *source; /* on this machine, or NULL: made */
	const char *hash;   /* SHA-256, hex, of the source as it is on disk */
	uint64_t bytes;
};
struct us_capture_image {
	struct us_pool pool;
	struct us_bytes bytes;   /* packed, ready to be loaded */
	uint64_t unpacked_bytes; /* cpio */
	const char *codec;       /* "zstd" */
	struct us_recipe *recipe;
	const struct us_capture_file *files;
	size_t n_files;
	const char *const *left_out; /* modules that are not there or are built in, with the reason */
	const char *manifest;        /* text: it stands in the image as /manifest */
};
/* kernel: opened and looked into deeply (which packing it can unpack, its release). */
struct us_err *us_capture_image_build(const struct us_host *host,
				      const struct us_crash_config *config,
				      const struct us_walk_result *walk,
				      const struct us_image *kernel, struct us_capture_image **ret)
	us_must_check;
void us_capture_image_free(struct us_capture_image *image);
/* What has changed since a manifest was written: "module ext4.ko: hash differs", NULL-terminated;
 * an empty list is: all as it was. Compares hashes, device tables and addresses, never dates.
 * early: without what only a network that is up can tell. */
struct us_err *us_manifest_stale(const struct us_host *host, const char *manifest, bool early,
				 struct us_pool *pool, const char *const **ret) us_must_check;

/* ---- exposed.c: who may read what crashes leave ---- */
struct us_exposure {
	enum us_tri open;    /* everyone may read a dump, or what lies beside one */
	const char *fact;    /* in words */
	const char *targets; /* that were looked at, as configured */
	size_t places, far;  /* directories that are there; targets that are none */
};
struct us_err *us_crash_exposed(const struct us_host *host, const struct us_crash_config *config,
				struct us_pool *pool, struct us_exposure *ret) us_must_check;

/* ---- identity.c: what makes a device what it is, without what it holds: the marks, LVM's label
 * and metadata, md's superblock and bitmap, from one that is open as from (-1: marks only) to a new
 * one of the same size that is open as to and is all zeros ---- */
struct us_err *us_crash_copy_identity(int from, int to, const struct us_recipe_device *device)
	us_must_check;

/* ---- initrd.c: any other initrd, as cpio, not packed ---- */
struct us_crash_initrd_part {
	const char *path;   /* in it */
	const char *source; /* a file of this machine; NULL: bytes */
	struct us_bytes bytes;
	bool program; /* source with its interpreter and all its libraries */
};
struct us_err *us_crash_initrd_make(const struct us_crash_initrd_part *parts, size_t n,
				    struct us_blob *ret) us_must_check;
#endif
