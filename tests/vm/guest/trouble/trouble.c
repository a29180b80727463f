/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Troubles that a guest cannot make for itself with Debian's kernels, which have no lkdtm: loading
 * this module with kind= makes one. "hang": its start never returns.
 */
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/module.h>
#include <linux/preempt.h>

static char *kind = "hang";
module_param(kind, charp, 0400);
MODULE_PARM_DESC(kind, "hang, hard-lockup, soft-lockup, null");

static noinline void trouble_hard_lockup(void)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

static noinline void trouble_soft_lockup(void)
{
	preempt_disable();
	for (;;)
		cpu_relax();
}

static noinline void trouble_null(void)
{
	*(volatile int *)16 = 1;
}

static int __init trouble_init(void)
{
	if (!strcmp(kind, "hard-lockup"))
		trouble_hard_lockup();
	if (!strcmp(kind, "soft-lockup"))
		trouble_soft_lockup();
	if (!strcmp(kind, "null"))
		trouble_null();
	while (!strcmp(kind, "hang"))
		msleep(1000);
	return 0;
}

module_init(trouble_init);
MODULE_DESCRIPTION("Troubles for the lab");
MODULE_LICENSE("GPL");
