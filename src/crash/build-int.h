/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the making of the capture image: kernel modules and their order (modules.c), what is
 * cut from them (strip.c), how they are packed (module-file.c), programs with their libraries
 * (programs.c), the archive (archive.c), and the manifest (manifest.c). image.c puts them together.
 */
#ifndef US_CRASH_BUILD_INT_H
#define US_CRASH_BUILD_INT_H

#include "base/text.h"
#include "crash/crash.h"

/* ---- archive.c: a cpio archive (newc) in memory ---- */
struct us_archive {
	struct us_text out;
	struct us_pool pool;
	const char **dirs; /* written already */
	size_t n_dirs, cap_dirs;
	uint32_t inode;
};
/* Parents that are not there yet are made, 0755. Paths start with '/'. */
struct us_err *us_archive_file(struct us_archive *archive, const char *path, unsigned int mode,
			       struct us_bytes bytes) us_must_check;
struct us_err *us_archive_dir(struct us_archive *archive, const char *path) us_must_check;
struct us_err *us_archive_link(struct us_archive *archive, const char *path, const char *to)
	us_must_check;
struct us_err *us_archive_device(struct us_archive *archive, const char *path, unsigned int major,
				 unsigned int minor) us_must_check;
/* The whole archive; it is empty afterwards. */
struct us_err *us_archive_take(struct us_archive *archive, struct us_blob *ret) us_must_check;
void us_archive_deinit(struct us_archive *archive);
#define _us_archive_deinit_ __attribute__((cleanup(us_archive_deinit)))

/* ---- modules.c ---- */
struct us_module_file {
	const char *name;                      /* "ext4" */
	const char *path;                      /* on this machine, perhaps compressed */
	const char *options;                   /* of modprobe.d, "" if none */
	const struct us_wanted_module *wanted; /* the first that led to it */
	int target;                            /* as in us_wanted_module */
	const char *const *firmware;           /* names below /lib/firmware that it may ask for */
};
struct us_module_set {
	const struct us_module_file *files; /* in order of loading */
	size_t n_files;
	const char *const *left_out; /* "built in: virtio_pci", "missing: ..."; NULL-terminated */
};
/* dir: the tree "/lib/modules/RELEASE" of the capture kernel. */
struct us_err *us_modules_resolve(const struct us_host *host, const char *dir,
				  const struct us_wanted_module *wanted, size_t n,
				  struct us_pool *pool, struct us_module_set *ret) us_must_check;
/* The tree of the capture kernel: by the configuration, or by its release below the host's root. */
struct us_err *us_modules_dir(const struct us_host *host, const struct us_crash_config *config,
			      const char *release, struct us_pool *pool, const char **ret)
	us_must_check;

/* ---- strip.c ---- */
/* A module without what the kernel does not need to run it (debugging, unwinding, names of local
 * symbols, the signature). What is no relocatable ELF file of 64 bits is copied as it is. */
struct us_err *us_module_strip(struct us_bytes file, struct us_blob *ret) us_must_check;

/* ---- module-file.c ---- */
/* One lzo1x block, which us_module_insert (capture.h) unpacks. */
struct us_err *us_module_pack(struct us_bytes module, struct us_blob *ret) us_must_check;

/* ---- programs.c ---- */
struct us_program_file {
	const char *path;   /* in the image */
	const char *source; /* on this machine */
	bool runs;          /* a program or library, not a key or the like */
};
#define US_PROGRAM_NEEDS_MAX 64
struct us_program_needs {                  /* of one ELF file; texts in the pool */
	const char *interpreter, *runpath; /* NULL: none */
	const char *names[US_PROGRAM_NEEDS_MAX];
	size_t n;
	uint16_t machine;
};
/* False: no program for a 64-bit little-endian machine, or damaged. */
bool us_program_elf(struct us_pool *pool, struct us_bytes file, struct us_program_needs *ret);
struct us_program_set {
	struct us_pool *pool;
	const char *root;   /* of the machine, without a slash at its end: "" for this one */
	const char *beside; /* directory that is looked into first, or NULL */
	struct us_program_file *files;
	size_t n;
	const char *loader; /* the interpreter of the last program, in the set already */
};
/* A program (absolute, or a name in the usual places) with its interpreter and all its libraries,
 * each once. Nothing is run. US_ERR_NOT_FOUND names what is missing. */
struct us_err *us_program_add(struct us_program_set *set, const char *program) us_must_check;
/* Any file, as it is. */
struct us_err *us_program_file_add(struct us_program_set *set, const char *path) us_must_check;

/* ---- manifest.c ---- */
struct us_manifest_facts { /* what is compared beside files */
	const struct us_walk_result *walk;
	const struct us_crash_config *config;
	const struct us_host *host;
	const char *capture_release, *modules_dir;
};
/* A path as the machine itself names it, wherever its root lies: what stands in a manifest. */
const char *us_manifest_path(const struct us_host *host, const char *path);
/* SHA-256 in hex, of 65 bytes with its NUL. */
struct us_err *us_manifest_hash(struct us_bytes bytes, char ret[65]) us_must_check;
struct us_err *us_manifest_write(const struct us_manifest_facts *facts,
				 const struct us_capture_file *files, size_t n_files,
				 struct us_pool *pool, const char **ret) us_must_check;
struct us_walk_sources;
struct us_err *us_manifest_stale_with(const struct us_host *host,
				      const struct us_walk_sources *sources, const char *manifest,
				      bool early, struct us_pool *pool, const char *const **ret)
	us_must_check;

#endif
