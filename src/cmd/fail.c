/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a command ends: the one table from error codes to exit statuses, and JSON to standard output. */
#include "cmd/cmd-int.h"

int us_cmd_fail(struct us_err *err, bool json)
{
	int status = err->code == US_ERR_USAGE     ? US_EXIT_USAGE
		     : err->code == US_ERR_REFUSED ? US_EXIT_REFUSED
						   : US_EXIT_UNKNOWN;
	_us_err_free_ struct us_err *print_err = NULL;

	if (json)
		print_err = us_json_print(stderr, us_json_error(err));
	else
		fprintf(stderr, "understudy: %s\n", err->text);
	us_err_free(err);
	return status;
}

int us_cmd_json(json_object *obj, int status)
{
	struct us_err *err = us_json_print(stdout, obj);

	return err ? us_cmd_fail(err, false) : status;
}
