/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that a program needs to start: its interpreter and its libraries, found as the dynamic
 * loader finds them (ld.so(8): DT_RPATH and DT_RUNPATH with $ORIGIN, the directories of
 * /etc/ld.so.conf, the usual ones), by reading ELF files (gABI) of 64 bits; of a script, what its
 * first line names. Nothing is run. Libraries that a program loads by name while it runs are not
 * seen.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "crash/build-int.h"

#include <elf.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <string.h>

#define DIRS_MAX  64
#define FILES_MAX 1024
#define DEPTH_MAX 16

struct dirs {
	const char *all[DIRS_MAX];
	size_t n;
};

static void dir_add(struct dirs *dirs, const char *dir)
{
	if (dir && dirs->n < DIRS_MAX)
		dirs->all[dirs->n++] = dir;
}

static const char *source_of(const struct us_program_set *set, const char *path)
{
	return us_pool_format(set->pool, "%s%s", set->root, path);
}

static bool there(const struct us_program_set *set, const char *path)
{
	const char *source = source_of(set, path);

	return source && access(source, R_OK) == 0;
}

/* ---- one ELF file ---- */
static bool offset_of(struct us_bytes file, const Elf64_Ehdr *head, uint64_t virt, uint64_t *ret)
{
	for (uint16_t i = 0; i < head->e_phnum; i++) {
		Elf64_Phdr ph;
		uint64_t at;

		if (!us_add(head->e_phoff, (uint64_t)i * sizeof(ph), &at) ||
		    !us_bytes_has(file, at, sizeof(ph)))
			return false;
		memcpy(&ph, file.p + at, sizeof(ph));
		if (ph.p_type == PT_LOAD && virt >= ph.p_vaddr && virt - ph.p_vaddr < ph.p_filesz)
			return us_add(ph.p_offset, virt - ph.p_vaddr, ret);
	}
	return false;
}

static const char *text_of(struct us_pool *pool, struct us_bytes file, uint64_t base, uint64_t at)
{
	if (!us_add(base, at, &at) || at >= file.n)
		return NULL;
	return us_pool_strndup(pool, (const char *)file.p + at,
			       strnlen((const char *)file.p + at, file.n - at));
}

static bool dynamic_read(struct us_pool *pool, struct us_bytes file, const Elf64_Ehdr *head,
			 struct us_bytes dynamic, struct us_program_needs *ret)
{
	uint64_t strings = 0;
	Elf64_Dyn dyn;

	for (size_t at = 0; at + sizeof(dyn) <= dynamic.n; at += sizeof(dyn)) {
		memcpy(&dyn, dynamic.p + at, sizeof(dyn));
		if (dyn.d_tag == DT_STRTAB && !offset_of(file, head, dyn.d_un.d_ptr, &strings))
			return false;
	}
	for (size_t at = 0; at + sizeof(dyn) <= dynamic.n; at += sizeof(dyn)) {
		memcpy(&dyn, dynamic.p + at, sizeof(dyn));
		if (dyn.d_tag == DT_NULL)
			break;
		if (dyn.d_tag == DT_NEEDED && ret->n < US_PROGRAM_NEEDS_MAX)
			ret->names[ret->n++] = text_of(pool, file, strings, dyn.d_un.d_val);
		if (dyn.d_tag == DT_RUNPATH || (dyn.d_tag == DT_RPATH && !ret->runpath))
			ret->runpath = text_of(pool, file, strings, dyn.d_un.d_val);
	}
	for (size_t i = 0; i < ret->n; i++)
		if (!ret->names[i])
			return false;
	return true;
}

bool us_program_elf(struct us_pool *pool, struct us_bytes file, struct us_program_needs *ret)
{
	Elf64_Ehdr head;

	if (file.n < sizeof(head))
		return false;
	memcpy(&head, file.p, sizeof(head));
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_ident[EI_DATA] != ELFDATA2LSB || head.e_phentsize != sizeof(Elf64_Phdr))
		return false;
	ret->machine = head.e_machine;
	for (uint16_t i = 0; i < head.e_phnum; i++) {
		Elf64_Phdr ph;
		uint64_t at;

		if (!us_add(head.e_phoff, (uint64_t)i * sizeof(ph), &at) ||
		    !us_bytes_has(file, at, sizeof(ph)))
			return false;
		memcpy(&ph, file.p + at, sizeof(ph));
		if (ph.p_type == PT_INTERP)
			ret->interpreter = text_of(pool, file, ph.p_offset, 0);
		if (ph.p_type == PT_DYNAMIC &&
		    (!us_bytes_has(file, ph.p_offset, ph.p_filesz) ||
		     !dynamic_read(pool, file, &head,
				   us_bytes_of(file.p + ph.p_offset, ph.p_filesz), ret)))
			return false;
	}
	return true;
}

/* ---- where libraries are ---- */
static void conf_read(const struct us_program_set *set, const char *path, unsigned int depth,
		      struct dirs *dirs)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	_us_err_free_ struct us_err *err = us_file_map(path, &text);
	char *rest = err ? NULL : us_pool_strndup(set->pool, (const char *)text.p, text.n);

	if (!rest || depth > 4)
		return;
	for (char *line; (line = strtok_r(rest, "\n", &rest));) {
		line[strcspn(line, "#")] = '\0';
		line = us_text_strip(line);
		if (strncmp(line, "include ", 8) != 0) {
			if (*line == '/')
				dir_add(dirs, line);
			continue;
		}
		const char *pattern =
			us_pool_format(set->pool, "%s%s%s", set->root,
				       line[8] == '/' ? "" : "/etc/", us_text_strip(line + 8));
		glob_t found = { 0 };
		if (pattern && glob(pattern, 0, NULL, &found) == 0)
			for (size_t i = 0; i < found.gl_pathc; i++)
				conf_read(set, found.gl_pathv[i], depth + 1, dirs);
		globfree(&found);
	}
}

static const char *const usual_dirs[] = {
	"/lib/x86_64-linux-gnu",
	"/usr/lib/x86_64-linux-gnu",
	"/lib/aarch64-linux-gnu",
	"/usr/lib/aarch64-linux-gnu",
	"/lib64",
	"/usr/lib64",
	"/lib",
	"/usr/lib",
};

static bool is_usual(const char *path)
{
	for (size_t i = 0; i < us_array_size(usual_dirs); i++) {
		size_t n = strlen(usual_dirs[i]);

		if (!strncmp(path, usual_dirs[i], n) && path[n] == '/' && !strchr(path + n + 1, '/'))
			return true;
	}
	return false;
}

/* The directories of a DT_RUNPATH, $ORIGIN taken as the object's own. */
static void runpath_dirs(const struct us_program_set *set, const char *runpath, const char *object,
			 struct dirs *dirs)
{
	char *rest = runpath ? us_pool_strdup(set->pool, runpath) : NULL;
	const char *slash = strrchr(object, '/');
	int n = slash ? (int)(slash - object) : 0;

	for (char *dir; rest && (dir = strtok_r(rest, ":", &rest));) {
		const char *tail = NULL;

		if (!strncmp(dir, "$ORIGIN", 7))
			tail = dir + 7;
		else if (!strncmp(dir, "${ORIGIN}", 9))
			tail = dir + 9;
		dir_add(dirs, tail ? us_pool_format(set->pool, "%.*s%s", n, object, tail) : dir);
	}
}

static bool same_machine(const struct us_program_set *set, const char *path, uint16_t machine)
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	struct us_program_needs needed = { 0 };
	const char *source = source_of(set, path);
	_us_err_free_ struct us_err *err = source ? us_file_map(source, &file) : us_err_nomem();

	return !err && us_program_elf(set->pool, us_blob_bytes(&file), &needed) &&
	       needed.machine == machine;
}

static const char *library_in(const struct us_program_set *set, const struct dirs *dirs,
			      const char *name, uint16_t machine)
{
	for (size_t i = 0; i < dirs->n; i++) {
		const char *path = us_pool_format(set->pool, "%s/%s", dirs->all[i], name);

		if (path && there(set, path) && same_machine(set, path, machine))
			return path;
	}
	return NULL;
}

/* ---- the set ---- */
static bool has(const struct us_program_set *set, const char *path)
{
	for (size_t i = 0; i < set->n; i++)
		if (!strcmp(set->files[i].path, path))
			return true;
	return false;
}

static struct us_err *file_add(struct us_program_set *set, const char *path, const char *source,
			       bool runs)
{
	if (has(set, path))
		return NULL;
	if (!set->files)
		set->files = us_pool_array(set->pool, FILES_MAX, sizeof(*set->files));
	if (set->n == FILES_MAX)
		return us_err_new(US_ERR_NO_ROOM, "more than %d files", FILES_MAX);
	if (!set->files || !source || !path)
		return us_err_nomem();
	set->files[set->n++] = (struct us_program_file){ path, source, runs };
	return NULL;
}

static struct us_err *object_add(struct us_program_set *set, const char *path, const char *in_image,
				 unsigned int depth) us_must_check;

static struct us_err *library_add(struct us_program_set *set, const struct us_program_needs *needed,
				  const char *of, const char *name, unsigned int depth)
{
	struct dirs run = { 0 }, conf = { 0 };

	if (set->loader && !strcmp(strrchr(set->loader, '/') + 1, name))
		return NULL; /* it is there under its own path */
	runpath_dirs(set, needed->runpath, of, &run);
	const char *path = library_in(set, &run, name, needed->machine), *in_image = path;
	bool by_runpath = path != NULL;

	if (!path) {
		const char *conf_path = source_of(set, "/etc/ld.so.conf");

		if (conf_path)
			conf_read(set, conf_path, 0, &conf);
		for (size_t i = 0; i < us_array_size(usual_dirs); i++)
			dir_add(&conf, usual_dirs[i]);
		path = library_in(set, &conf, name, needed->machine);
		in_image = path;
	}
	if (!path)
		return us_err_new(US_ERR_NOT_FOUND, "library %s, which %s needs, is not there",
				  name, of);
	/* without a cache the loader looks in the usual places only */
	if (!is_usual(path) && !by_runpath)
		in_image = us_pool_format(set->pool, "/usr/lib%s/%s",
					  there(set, "/usr/lib64/libc.so.6") ? "64" : "", name);
	return in_image ? object_add(set, path, in_image, depth + 1) : us_err_nomem();
}

static struct us_err *script_add(struct us_program_set *set, struct us_bytes file,
				 unsigned int depth)
{
	size_t n = file.n < 256 ? file.n : 256;
	char *line = us_pool_strndup(set->pool, (const char *)file.p + 2, n - 2);

	if (!line)
		return us_err_nomem();
	line[strcspn(line, "\n")] = '\0';
	line = us_text_strip(line);
	line[strcspn(line, " \t")] = '\0';
	return object_add(set, line, line, depth + 1);
}

static struct us_err *object_add(struct us_program_set *set, const char *path, const char *in_image,
				 unsigned int depth)
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	struct us_program_needs needed = { 0 };
	const char *source = source_of(set, path);

	if (!source)
		return us_err_nomem();
	if (has(set, in_image))
		return NULL;
	if (depth > DEPTH_MAX)
		return us_err_new(US_ERR_BAD_DATA, "%s: libraries need each other too deeply", path);
	US_TRY(us_file_map(source, &file));
	US_TRY(file_add(set, in_image, source, true));
	struct us_bytes bytes = us_blob_bytes(&file);
	if (us_bytes_match(bytes, 0, "#!", 2))
		return script_add(set, bytes, depth);
	if (!us_program_elf(set->pool, bytes, &needed))
		return us_err_new(US_ERR_UNSUPPORTED, "%s is no program of a 64-bit machine", path);
	if (needed.interpreter && *needed.interpreter == '/') {
		set->loader = needed.interpreter;
		US_TRY(object_add(set, needed.interpreter, needed.interpreter, depth + 1));
	}
	for (size_t i = 0; i < needed.n; i++)
		US_TRY(library_add(set, &needed, path, needed.names[i], depth));
	return NULL;
}

struct us_err *us_program_add(struct us_program_set *set, const char *program)
{
	static const char *const places[] = { US_LIBEXEC_DIR, "/usr/local/sbin", "/usr/local/bin",
					      "/usr/sbin",    "/usr/bin",        "/sbin",
					      "/bin" };

	if (*program == '/')
		return object_add(set, program, program, 0);
	const char *in_image = us_pool_format(set->pool, "/bin/%s", program);
	if (!in_image)
		return us_err_nomem();
	if (set->beside) {
		const char *path = us_pool_format(set->pool, "%s/%s", set->beside, program);

		if (path && there(set, path))
			return object_add(set, path, in_image, 0);
	}
	for (size_t i = 0; i < us_array_size(places); i++) {
		const char *path = us_pool_format(set->pool, "%s/%s", places[i], program);

		if (path && there(set, path))
			return object_add(set, path, in_image, 0);
	}
	return us_err_new(US_ERR_NOT_FOUND, "program %s is not installed", program);
}

struct us_err *us_program_file_add(struct us_program_set *set, const char *path)
{
	if (!there(set, path))
		return us_err_os(errno, "%s%s", set->root, path);
	return file_add(set, path, source_of(set, path), false);
}
