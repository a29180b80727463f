/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sub-words of understudy config, and what they share. */
#ifndef US_CMD_CONFIG_INT_H
#define US_CMD_CONFIG_INT_H

#include "cmd/cmd-int.h"

extern const struct us_cmd us_config_roles, us_config_why, us_config_table, us_config_diff,
	us_config_show;

#endif
