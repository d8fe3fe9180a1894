// SPDX-License-Identifier: GPL-2.0
/*
 * Poses as the driver of a kernel that owns TDX Connect: a faux device tdx_host with its version,
 * every unit "set up" at once with a line in the log each, and the TSM below the device. The
 * registers of this machine's units have no TDX Connect: what the kernel shows of them is changed
 * on its way out, by probes on its own functions.
 */
#include <linux/acpi.h>
#include <linux/device/faux.h>
#include <linux/kprobes.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "link.h"
#include "pose.h"
#include "sim.h"

#define UNITS_MAX 16

static struct faux_device *device;

static ssize_t version_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const struct tdx_identity *identity = &connect_sim.head.identity;

	return sysfs_emit(buf, "%u.%u.%02u\n", identity->module_major, identity->module_minor,
			  identity->module_update);
}
static DEVICE_ATTR_RO(version);

static struct attribute *tdx_host_attrs[] = { &dev_attr_version.attr, NULL };
ATTRIBUTE_GROUPS(tdx_host);

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

static void start_probes(void)
{
	unsigned int i;
	int rc;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		probes[i].entry_handler = note_buffer;
		probes[i].data_size = sizeof(struct shown);
		rc = register_kretprobe(&probes[i]);
		if (!rc)
			continue;
		pr_warn("tdx_connect_sim: no probe on %s (%d): the pose lacks it\n",
			probes[i].kp.symbol_name, rc);
		probes[i].kp.addr = NULL;
	}
}

static void stop_probes(void)
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

/* The firmware's units. Their number; negative errno. */
static int find_units(struct tdx_unit_facts *units)
{
	struct acpi_table_header *table;
	const u8 *at, *end;
	int count = 0;

	if (ACPI_FAILURE(acpi_get_table(ACPI_SIG_DMAR, 0, &table)))
		return -ENODEV;
	at = (const u8 *)table + sizeof(struct acpi_table_dmar);
	end = (const u8 *)table + table->length;
	while (at + sizeof(struct acpi_dmar_header) <= end && count < UNITS_MAX) {
		const struct acpi_dmar_header *entry = (const void *)at;

		if (entry->length < sizeof(*entry) || at + entry->length > end)
			break;
		if (entry->type == ACPI_DMAR_TYPE_HARDWARE_UNIT)
			units[count++].reg_base =
				((const struct acpi_dmar_hardware_unit *)entry)->address;
		at += entry->length;
	}
	acpi_put_table(table);
	return count ? count : -ENODEV;
}

static int set_up_all(void)
{
	struct tdx_unit_facts *units = kcalloc(UNITS_MAX, sizeof(*units), GFP_KERNEL);
	int count, rc, i;

	if (!units)
		return -ENOMEM;
	count = find_units(units);
	rc = count < 0 ? count : connect_sim_backend.attach(&connect_sim, units, count);
	for (i = 0; !rc && i < count; i++) {
		connect_sim.module.units[i].phase = SIM_CONFIGURED;
		if (pose_log)
			pr_info("tdx_host: Trusted DMA for TEE/IO initialized, regbase 0x%llx\n",
				units[i].reg_base);
	}
	kfree(units);
	return rc;
}

/* In the order of such a driver: its device is there before it sets up, its TSM after. */
int pose_start(void)
{
	int rc;

	device = faux_device_create_with_groups("tdx_host", NULL, NULL, tdx_host_groups);
	if (!device)
		return -ENODEV;
	rc = set_up_all();
	if (rc)
		goto no_units;
	start_probes();
	rc = link_start(&device->dev);
	if (!rc)
		return 0;
	stop_probes();
no_units:
	faux_device_destroy(device);
	return rc;
}

void pose_stop(void)
{
	link_stop();
	stop_probes();
	faux_device_destroy(device);
}
