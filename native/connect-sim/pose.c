// SPDX-License-Identifier: GPL-2.0
/*
 * Poses as the driver of a kernel that owns TDX Connect: a faux device tdx_host with its version,
 * every unit "set up" at once with a line in the log each, and the TSM below the device.
 */
/* Its log lines are that driver's. */
#define pr_fmt(fmt) "tdx_host: " fmt

#include <linux/acpi.h>
#include <linux/device/faux.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "link.h"
#include "pose.h"
#include "probes.h"
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

static int set_up_all(bool log)
{
	struct tdx_unit_facts *units = kcalloc(UNITS_MAX, sizeof(*units), GFP_KERNEL);
	int count, rc, i;

	if (!units)
		return -ENOMEM;
	count = find_units(units);
	rc = count < 0 ? count : connect_sim_backend.attach(&connect_sim, units, count);
	for (i = 0; !rc && i < count; i++) {
		connect_sim.module.units[i].phase = SIM_CONFIGURED;
		if (log)
			pr_info("Trusted DMA for TEE/IO initialized, regbase 0x%llx\n",
				units[i].reg_base);
	}
	kfree(units);
	return rc;
}

/* In the order of such a driver: its device is there before it sets up, its TSM after. */
int connect_sim_pose_start(bool log)
{
	int rc;

	device = faux_device_create_with_groups("tdx_host", NULL, NULL, tdx_host_groups);
	if (!device)
		return -ENODEV;
	rc = set_up_all(log);
	if (rc)
		goto no_units;
	connect_sim_probes_start();
	rc = connect_sim_link_start(&device->dev);
	if (!rc)
		return 0;
	connect_sim_probes_stop();
no_units:
	faux_device_destroy(device);
	return rc;
}

void connect_sim_pose_stop(void)
{
	connect_sim_link_stop();
	connect_sim_probes_stop();
	faux_device_destroy(device);
}
