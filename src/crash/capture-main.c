/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy-capture: /init of the capture image. Started by hand it takes the paths of a recipe and
 * of a core, as understudy capture does with all its options, and ends with 3 if no target holds it.
 */
#include "crash/capture.h"

#include <unistd.h>

int main(int argc, char **argv)
{
	struct us_capture_wish wish = { .pid1 = getpid() == 1 };
	struct us_err *err;

	if (!wish.pid1) { /* the words of PID 1 are the kernel's */
		if (argc != 3)
			return 2;
		wish.recipe = argv[1];
		wish.vmcore = argv[2];
		wish.console_fd = 2; /* standard error */
	}
	err = us_capture_run(&wish);
	if (!err)
		return 0;
	us_err_free(err);
	return 3;
}
