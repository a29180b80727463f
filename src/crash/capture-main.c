/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy-capture: /init of the capture image. It is PID 1 or nothing. */
#include "crash/capture.h"

#include <unistd.h>

int main(void)
{
	struct us_capture_wish wish = { .pid1 = getpid() == 1 };
	struct us_err *err;

	if (!wish.pid1)
		return 2;
	err = us_capture_run(&wish);
	us_err_free(err);
	return 3;
}
