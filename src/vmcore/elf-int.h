/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between elf.c, which understands an ELF core, and elf-read.c, which reads its memory. */
#ifndef US_VMCORE_ELF_INT_H
#define US_VMCORE_ELF_INT_H

#include "vmcore/vmcore-int.h"

struct elf_core {
	struct us_store store;
	struct us_pieces pieces; /* physical memory; pos is in the (unflattened) file */
};

extern const struct us_vmcore_ops us_elf_ops;

#endif
