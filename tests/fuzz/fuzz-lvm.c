/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A physical volume; and the same bytes as metadata text. */
#include "fuzz.h"

#include "base/cleanup.h"
#include "crash/lvm-int.h"

#include <string.h>
#include <sys/mman.h>

static void text(struct us_bytes b)
{
	char hash[US_LVM_HASH_MAX] = "";
	struct us_err *err = us_lvm_hash(b, "Dump00-0000-0000-0000-0000-0000-000000", hash);

	MUST(err || strlen(hash) == US_LVM_HASH_MAX - 1);
	MUST(!err || err->code == US_ERR_BAD_DATA || err->code == US_ERR_NOT_FOUND);
	us_err_free(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_close_ int fd = memfd_create("pv", MFD_CLOEXEC);
	_us_blob_deinit_ struct us_blob b = { 0 };
	struct us_err *err;

	text(us_bytes_of(data, size));
	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	err = us_lvm_read(fd, &b);
	MUST(!err == !!b.n);
	if (!err)
		text(us_blob_bytes(&b));
	us_err_free(err);
	return 0;
}
