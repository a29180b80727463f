/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to vmcore: the memory that symbols are read from, for who looks at code and stacks. */
#ifndef US_VMCORE_SYMBOLS_INT_H
#define US_VMCORE_SYMBOLS_INT_H

#include "vmcore/vmcore.h"

enum us_arch_id us_symbols_arch(const struct us_symbols *symbols);
/* False if not all n bytes can be read. */
bool us_symbols_fetch(struct us_symbols *symbols, uint64_t virt, void *buf, size_t n);
bool us_symbols_word(struct us_symbols *symbols, uint64_t virt, uint64_t *ret);

#endif
