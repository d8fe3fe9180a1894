// SPDX-License-Identifier: GPL-2.0
/*
 * The VT-d units that the firmware names: DRHD entries of ACPI's DMAR table, and their NUMA node
 * from RHSA.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/acpi.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/slab.h>

#include "driver.h"

typedef void (*visit_fn)(struct tdx_driver *driver, const struct acpi_dmar_header *entry);

/* An entry that does not fit the table ends the walk: nothing behind it can be trusted. */
static void walk(struct tdx_driver *driver, const struct acpi_table_header *table, visit_fn visit)
{
	const u8 *at = (const u8 *)table + sizeof(struct acpi_table_dmar);
	const u8 *end = (const u8 *)table + table->length;

	while (at + sizeof(struct acpi_dmar_header) <= end) {
		const struct acpi_dmar_header *entry = (const void *)at;

		if (entry->length < sizeof(*entry) || at + entry->length > end) {
			pr_warn("DMAR entry of type %u has length %u\n", entry->type,
				entry->length);
			return;
		}
		visit(driver, entry);
		at += entry->length;
	}
}

static bool is_drhd(const struct acpi_dmar_header *entry)
{
	return entry->type == ACPI_DMAR_TYPE_HARDWARE_UNIT &&
	       entry->length >= sizeof(struct acpi_dmar_hardware_unit);
}

static void count_unit(struct tdx_driver *driver, const struct acpi_dmar_header *entry)
{
	if (is_drhd(entry))
		driver->fact_count++;
}

/* A unit's address is its key, and what SETUP is called with. */
static bool is_key(const struct tdx_driver *driver, u64 reg_base)
{
	u32 i;

	for (i = 0; i < driver->fact_count; i++) {
		if (driver->facts[i].reg_base == reg_base)
			return false;
	}
	return PAGE_ALIGNED(reg_base);
}

static void add_unit(struct tdx_driver *driver, const struct acpi_dmar_header *entry)
{
	const struct acpi_dmar_hardware_unit *unit = (const void *)entry;
	struct tdx_unit_facts facts = { .numa_node = NUMA_NO_NODE };
	void __iomem *registers;

	if (!is_drhd(entry))
		return;
	facts.reg_base = unit->address;
	facts.segment = unit->segment;
	if (!is_key(driver, facts.reg_base)) {
		pr_warn("DMAR names unit 0x%llx twice, or not at a page: left out\n",
			facts.reg_base);
		return;
	}
	registers = tdx_registers_open(&facts);
	if (!registers) {
		pr_warn("the registers of unit 0x%llx can't be read\n", facts.reg_base);
		return;
	}
	driver->registers[driver->fact_count] = registers;
	driver->facts[driver->fact_count++] = facts;
}

static void add_node(struct tdx_driver *driver, const struct acpi_dmar_header *entry)
{
	const struct acpi_dmar_rhsa *rhsa = (const void *)entry;
	int node;
	u32 i;

	if (entry->type != ACPI_DMAR_TYPE_HARDWARE_AFFINITY || entry->length < sizeof(*rhsa))
		return;
	node = pxm_to_node(rhsa->proximity_domain);
	if (node < 0 || node >= MAX_NUMNODES || !node_online(node))
		return;
	for (i = 0; i < driver->fact_count; i++) {
		if (driver->facts[i].reg_base == rhsa->base_address)
			driver->facts[i].numa_node = node;
	}
}

int tdx_dmar_read(struct tdx_driver *driver)
{
	struct acpi_table_header *table;
	int rc = -ENODEV;

	if (ACPI_FAILURE(acpi_get_table(ACPI_SIG_DMAR, 0, &table))) {
		pr_info("this machine has no DMAR table\n");
		return -ENODEV;
	}
	walk(driver, table, count_unit);
	if (!driver->fact_count)
		goto out;
	driver->facts = kcalloc(driver->fact_count, sizeof(*driver->facts), GFP_KERNEL);
	driver->registers = kcalloc(driver->fact_count, sizeof(*driver->registers), GFP_KERNEL);
	driver->table.units = kcalloc(driver->fact_count, sizeof(*driver->table.units), GFP_KERNEL);
	rc = driver->facts && driver->registers && driver->table.units ? 0 : -ENOMEM;
	driver->fact_count = 0;
	if (rc)
		goto out;
	walk(driver, table, add_unit);
	walk(driver, table, add_node);
out:
	acpi_put_table(table);
	if (rc)
		tdx_dmar_free(driver);
	return rc;
}

void tdx_dmar_free(struct tdx_driver *driver)
{
	while (driver->fact_count)
		iounmap(driver->registers[--driver->fact_count]);
	kfree(driver->facts);
	kfree(driver->registers);
	kfree(driver->table.units);
	driver->facts = NULL;
	driver->registers = NULL;
	driver->table.units = NULL;
}
