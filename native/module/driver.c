// SPDX-License-Identifier: GPL-2.0
/* The driver's one state: its units anew, whether they are clean, and who is pinned until then. */
#include <linux/module.h>
#include <linux/random.h>

#include "driver.h"

static bool real_setup;
module_param(real_setup, bool, 0444);
MODULE_PARM_DESC(real_setup,
		 "EXPERIMENTAL: real SETUP and CLEAR; the kernel must opt in and not own SETUP");

struct tdx_driver tdx_driver = {
	.table = { .ops = &tdx_driver_ops, .ctx = &tdx_driver, .head = &tdx_driver.head },
	.head = { .next_seq = 1, .generation = 1 },
	.lock = __SPIN_LOCK_UNLOCKED(tdx_driver.lock),
	.change = __MUTEX_INITIALIZER(tdx_driver.change),
	.changed = __WAIT_QUEUE_HEAD_INITIALIZER(tdx_driver.changed),
};

static bool is_clean(const struct tdx_unit *unit)
{
	return !(unit->flags & TDX_UNIT_ID_VALID) && !unit->op_leaf && !unit->held.root &&
	       !unit->tried.root && !unit->retained;
}

bool tdx_driver_is_clean(struct tdx_driver *driver)
{
	bool clean = true;
	u32 i;

	lockdep_assert_held(&driver->change);
	spin_lock(&driver->lock);
	for (i = 0; i < driver->head.unit_count; i++)
		clean = clean && is_clean(&driver->table.units[i]);
	spin_unlock(&driver->lock);
	return clean;
}

void tdx_driver_pin(struct tdx_driver *driver, bool wanted)
{
	lockdep_assert_held(&driver->change);
	if (driver->pinned == wanted)
		return;
	driver->pinned = wanted;
	if (wanted) {
		__module_get(THIS_MODULE);
		if (driver->backend)
			__module_get(driver->backend->owner);
		return;
	}
	if (driver->backend)
		module_put(driver->backend->owner);
	module_put(THIS_MODULE);
}

/* All units anew, under a new instance. Sequence numbers go on: none is ever used twice. */
int tdx_driver_renew(struct tdx_driver *driver)
{
	u8 instance[TDX_IOMMU_INSTANCE_BYTES];
	int rc = 0;
	u32 i;

	lockdep_assert_held(&driver->change);
	get_random_bytes(instance, sizeof(instance));
	spin_lock(&driver->lock);
	driver->head.flags = TDX_IOMMU_INFO_DID_UNRESERVED;
	if (driver->backend)
		driver->head.flags |= TDX_IOMMU_INFO_SIMULATED;
	else if (real_setup)
		driver->head.flags |= TDX_IOMMU_INFO_REAL_SETUP;
	driver->head.unit_count = 0;
	for (i = 0; !rc && i < driver->fact_count; i++) {
		struct tdx_unit_facts facts = driver->facts[i];

		if (driver->backend && driver->backend->ecap)
			facts.ecap = driver->backend->ecap(driver->backend_ctx, facts.reg_base,
							   facts.ecap);
		rc = tdx_table_add(&driver->table, &facts);
	}
	tdx_table_reset(&driver->table, instance);
	spin_unlock(&driver->lock);
	return rc;
}
