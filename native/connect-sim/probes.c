// SPDX-License-Identifier: GPL-2.0
/*
 * The registers of this machine's units have no TDX Connect: what the kernel shows of them is
 * changed on its way out, by probes on its own functions.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/string.h>

#include "../table/seamcall.h"
#include "probes.h"

/* The page that a show function writes to is its third argument. */
struct shown {
	char *buf;
};

static int note_buffer(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct shown *shown = (void *)instance->data;

	shown->buf = (char *)regs_get_kernel_argument(regs, 2);
	return 0;
}

static int change_ecap(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct shown *shown = (void *)instance->data;
	u64 value;

	if (kstrtou64(strim(shown->buf), 16, &value) == 0)
		regs_set_return_value(regs,
				      sprintf(shown->buf, "%llx\n", value | TDX_ECAP_CONNECT));
	return 0;
}

static int halve_domains(struct kretprobe_instance *instance, struct pt_regs *regs)
{
	struct shown *shown = (void *)instance->data;
	u64 value;

	if (kstrtou64(strim(shown->buf), 10, &value) == 0)
		regs_set_return_value(regs, sprintf(shown->buf, "%llu\n", value / 2));
	return 0;
}

static struct kretprobe probes[] = {
	{ .kp.symbol_name = "ecap_show", .handler = change_ecap },
	{ .kp.symbol_name = "domains_supported_show", .handler = halve_domains },
};

void connect_sim_probes_start(void)
{
	unsigned int i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		probes[i].entry_handler = note_buffer;
		probes[i].data_size = sizeof(struct shown);
		rc = register_kretprobe(&probes[i]);
		if (!rc)
			continue;
		pr_warn("no probe on %s (%d): the pose lacks it\n", probes[i].kp.symbol_name, rc);
		probes[i].kp.addr = NULL;
	}
}

void connect_sim_probes_stop(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		if (probes[i].kp.addr)
			unregister_kretprobe(&probes[i]);
		/* As at the start, should the module's memory be used again. */
		probes[i].kp.addr = NULL;
		probes[i].kp.flags = 0;
	}
}
