// SPDX-License-Identifier: GPL-2.0
/* Who answers SEAMCALLs, and who may be unloaded meanwhile. */
#include <linux/random.h>

#include "driver.h"

static bool is_clean(const struct tdx_unit *unit)
{
	return !(unit->flags & TDX_UNIT_ID_VALID) && !unit->op_leaf && !unit->held.root &&
	       !unit->tried.root && !unit->retained;
}

bool tdx_driver_is_clean(struct tdx_driver *driver)
{
	bool clean = true;
	u32 i;

	spin_lock(&driver->lock);
	for (i = 0; i < driver->head.unit_count; i++)
		clean = clean && is_clean(&driver->table.units[i]);
	spin_unlock(&driver->lock);
	return clean;
}

void tdx_driver_pin(struct tdx_driver *driver, bool wanted)
{
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
int tdx_table_renew(struct tdx_driver *driver)
{
	u8 instance[TDX_IOMMU_INSTANCE_BYTES];
	int rc = 0;
	u32 i;

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

static void replace(struct tdx_driver *driver, const struct tdx_iommu_backend *backend, void *ctx)
{
	spin_lock(&driver->lock);
	driver->backend = backend;
	driver->backend_ctx = ctx;
	driver->backend_gone = false;
	spin_unlock(&driver->lock);
}

int tdx_iommu_backend_register(const struct tdx_iommu_backend *backend, void *ctx)
{
	struct tdx_driver *driver = &tdx_driver;
	int rc = -EBUSY;

	mutex_lock(&driver->change);
	if (!driver->backend && !driver->stopping && tdx_driver_is_clean(driver))
		rc = backend->attach ? backend->attach(ctx, driver->facts, driver->fact_count) : 0;
	if (!rc) {
		replace(driver, backend, ctx);
		rc = tdx_table_renew(driver);
		pr_warn("tdx_iommu: SEAMCALLs are answered by %s from now on: nothing is protected\n",
			backend->name);
	}
	mutex_unlock(&driver->change);
	return rc;
}
EXPORT_SYMBOL_GPL(tdx_iommu_backend_register);

void tdx_iommu_backend_unregister(const struct tdx_iommu_backend *backend)
{
	struct tdx_driver *driver = &tdx_driver;

	mutex_lock(&driver->change);
	if (driver->backend == backend) {
		if (!tdx_driver_is_clean(driver))
			pr_warn("tdx_iommu: %s leaves with units that are not clean: their ids are lost\n",
				backend->name);
		tdx_driver_pin(driver, false);
		replace(driver, NULL, NULL);
		tdx_table_renew(driver);
		pr_info("tdx_iommu: %s no longer answers SEAMCALLs\n", backend->name);
	}
	mutex_unlock(&driver->change);
}
EXPORT_SYMBOL_GPL(tdx_iommu_backend_unregister);

void tdx_iommu_backend_notify(const struct tdx_iommu_backend *backend)
{
	wake_up_interruptible(&tdx_driver.changed);
}
EXPORT_SYMBOL_GPL(tdx_iommu_backend_notify);
