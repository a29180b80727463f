/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/kcore: the program headers that tell where kernel text and the direct map lie, and the
 * VMCOREINFO note (Linux 6.12 fs/proc/kcore.c, kernel/vmcore_info.c). Headers are read by the size
 * that they state. No memory contents are read. A recorded host has both as text files instead.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define NOTES_MAX (4 << 20)

bool us_vmcoreinfo_get(struct us_bytes text, const char *key, struct us_bytes *ret)
{
	struct us_bytes line, value;

	while (us_line_next(&text, &line)) {
		if (us_line_after(line, key, &value) && us_line_after(value, "=", &value)) {
			*ret = value;
			return true;
		}
	}
	return false;
}

static uint64_t note_padded(uint32_t n)
{
	return ((uint64_t)n + 3) & ~(uint64_t)3;
}

bool us_notes_vmcoreinfo(struct us_bytes notes, struct us_bytes *ret)
{
	uint32_t name_bytes, desc_bytes;

	for (uint64_t at = 0;
	     us_le32(notes, at, &name_bytes) && us_le32(notes, at + 4, &desc_bytes);
	     at += 12 + note_padded(name_bytes) + note_padded(desc_bytes)) {
		uint64_t desc = at + 12 + note_padded(name_bytes);

		if (!us_bytes_has(notes, desc, desc_bytes))
			return false;
		if (name_bytes == sizeof("VMCOREINFO") &&
		    us_bytes_match(notes, at + 12, "VMCOREINFO", sizeof("VMCOREINFO"))) {
			*ret = us_bytes_clip(notes, desc, desc_bytes);
			ret->n = us_bytes_trimmed(*ret);
			return true;
		}
	}
	return false;
}

struct us_err *us_kcore_parse_phdrs(struct us_bytes phdrs, uint16_t entry_bytes,
				    struct us_kcore_load **ret, size_t *ret_n,
				    struct us_range *ret_notes)
{
	_us_free_ struct us_kcore_load *loads = NULL;
	size_t n = 0, count = entry_bytes ? phdrs.n / entry_bytes : 0;

	*ret_notes = (struct us_range){ 0 };
	if (entry_bytes < sizeof(Elf64_Phdr))
		return us_err_new(US_ERR_BAD_DATA, "program headers of %u bytes, 56 wanted",
				  entry_bytes);
	loads = calloc(count + 1, sizeof(*loads));
	if (!loads)
		return us_err_nomem();
	for (size_t i = 0; i < count; i++) {
		uint64_t at = i * (uint64_t)entry_bytes, offset = 0, file_bytes = 0;
		uint32_t type = 0;
		bool whole = us_le32(phdrs, at, &type) && us_le64(phdrs, at + 8, &offset) &&
			     us_le64(phdrs, at + 16, &loads[n].virt) &&
			     us_le64(phdrs, at + 24, &loads[n].phys) &&
			     us_le64(phdrs, at + 32, &file_bytes) &&
			     us_le64(phdrs, at + 40, &loads[n].size);

		if (!whole)
			return us_err_new(US_ERR_BAD_DATA, "program header %zu is cut", i);
		if (type == PT_NOTE && !us_range_make(offset, file_bytes, ret_notes))
			return us_err_new(US_ERR_BAD_DATA, "the notes end past 2^64");
		n += type == PT_LOAD;
	}
	*ret = us_steal(&loads);
	*ret_n = n;
	return NULL;
}

struct us_err *us_kcore_parse_text(struct us_bytes text, struct us_kcore_load **ret, size_t *ret_n)
{
	_us_free_ struct us_kcore_load *loads = NULL;
	struct us_bytes line;
	size_t n = 0;

	while (us_line_next(&text, &line)) {
		struct us_kcore_load load, *more;
		uint64_t *const fields[] = { &load.virt, &load.phys, &load.size };
		struct us_bytes at = line;
		bool good = us_line_after(line, "load", &at);

		for (size_t i = 0; good && i < us_array_size(fields); i++) {
			size_t used = 0;

			good = us_line_after(at, " ", &at) &&
			       us_number_at(at, 16, fields[i], &used);
			at = us_bytes_clip(at, used, at.n);
		}
		if (!good)
			return us_err_new(US_ERR_BAD_DATA, "line %zu is no \"load VIRT PHYS SIZE\"",
					  n + 1);
		more = reallocarray(loads, n + 1, sizeof(*loads));
		if (!more)
			return us_err_nomem();
		loads = more;
		loads[n++] = load;
	}
	*ret = us_steal(&loads);
	*ret_n = n;
	return NULL;
}

static struct us_err *read_part(int fd, uint64_t at, size_t n, const char *what, struct us_blob *ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };

	US_TRY(us_blob_new(n, &blob));
	for (size_t done = 0; done < n;) {
		ssize_t got = pread(fd, blob.p + done, n - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return us_err_os(errno, "reading the %s at 0x%" PRIx64, what, at + done);
		if (!got)
			return us_err_new(US_ERR_BAD_DATA, "the %s end at 0x%" PRIx64, what,
					  at + done);
		done += (size_t)got;
	}
	*ret = us_blob_steal(&blob);
	return NULL;
}

static struct us_err *read_live(int fd, struct us_kcore *kcore)
{
	_us_blob_deinit_ struct us_blob head = { 0 }, phdrs = { 0 }, notes = { 0 };
	struct us_range notes_at;
	struct us_bytes info;
	uint64_t phoff = 0;
	uint16_t phentsize = 0, phnum = 0;

	US_TRY(read_part(fd, 0, sizeof(Elf64_Ehdr), "ELF header", &head));
	if (!us_bytes_match(us_blob_bytes(&head), 0, ELFMAG, SELFMAG) ||
	    head.p[EI_CLASS] != ELFCLASS64 || head.p[EI_DATA] != ELFDATA2LSB)
		return us_err_new(US_ERR_UNSUPPORTED, "this is no little-endian 64-bit ELF file");
	if (!us_le64(us_blob_bytes(&head), 32, &phoff) ||
	    !us_le16(us_blob_bytes(&head), 54, &phentsize) ||
	    !us_le16(us_blob_bytes(&head), 56, &phnum) || phoff > INT32_MAX)
		return us_err_new(US_ERR_BAD_DATA, "the program headers are too far away");
	US_TRY(read_part(fd, phoff, (size_t)phentsize * phnum, "program headers", &phdrs));
	US_TRY(us_kcore_parse_phdrs(us_blob_bytes(&phdrs), phentsize, &kcore->loads,
				    &kcore->n_loads, &notes_at));
	if (!notes_at.size || notes_at.size > NOTES_MAX || notes_at.start > INT32_MAX)
		return NULL;
	US_TRY(read_part(fd, notes_at.start, (size_t)notes_at.size, "notes", &notes));
	if (us_notes_vmcoreinfo(us_blob_bytes(&notes), &info))
		return us_blob_copy(info, &kcore->vmcoreinfo);
	return NULL;
}

static struct us_err *read_recorded(const struct us_host *host, struct us_pool *pool,
				    struct us_kcore *kcore)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	struct us_origin info, loads;

	us_host_read(host, pool, US_FILE_MADE_VMCOREINFO, NULL, &kcore->vmcoreinfo, &info);
	if (us_host_read(host, pool, US_FILE_MADE_KCORE, NULL, &text, &loads))
		return us_kcore_parse_text(us_blob_bytes(&text), &kcore->loads, &kcore->n_loads);
	if (!us_known(info))
		kcore->from.missing = "not recorded: root may read it on the machine itself";
	return NULL;
}

/* Why /proc/kcore could not be opened. */
static const char *closed(struct us_pool *pool, int os_errno)
{
	if (os_errno == ENOENT)
		return "not there: PROC_KCORE is off or proc is not mounted";
	if (os_errno != EPERM && os_errno != EACCES)
		return us_host_say(pool, "%s", strerror(os_errno));
	return geteuid()
		       ? "readable by root only"
		       : "the kernel does not let it be read (CAP_SYS_RAWIO is missing, or lockdown "
			 "is \"confidentiality\")";
}

struct us_err *us_kcore_read(const struct us_host *host, struct us_pool *pool, struct us_kcore *ret)
{
	_us_close_ int fd = -1;
	_us_err_free_ struct us_err *err = NULL;

	*ret = (struct us_kcore){ .from.path = "/proc/kcore" };
	if (host->live) {
		fd = us_host_openat(host, "/proc/kcore", O_RDONLY);
		if (fd < 0) {
			ret->from.missing = closed(pool, errno);
			return NULL;
		}
		err = read_live(fd, ret);
	} else {
		err = read_recorded(host, pool, ret);
	}
	if (err && err->code == US_ERR_NOMEM)
		return us_steal(&err);
	if (err)
		ret->from.missing = us_host_say(pool, "%s", err->text);
	return NULL;
}

void us_kcore_deinit(struct us_kcore *kcore)
{
	free(kcore->loads);
	us_blob_deinit(&kcore->vmcoreinfo);
	*kcore = (struct us_kcore){ 0 };
}
