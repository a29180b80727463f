/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program's door: which name it was called by, which command was asked for. */
#include "cmd/cmd.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	(void)argv;
	if (argc < 2) {
		fputs("usage: understudy COMMAND [ARGUMENTS]\n", stderr);
		return US_EXIT_USAGE;
	}
	return US_EXIT_USAGE;
}
