/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The shape of the parameter block for assembly; main.c holds it against purgatory.h. */
#ifndef US_PURGATORY_ASM_H
#define US_PURGATORY_ASM_H

#define US_PURGATORY_PARAMS_AT   64
#define US_PURGATORY_PARAMS_SIZE 320

#endif
