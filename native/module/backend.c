// SPDX-License-Identifier: GPL-2.0
/* A backend comes, answers SEAMCALLs instead of the CPU, and goes. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "driver.h"

static void replace(struct tdx_driver *driver, const struct tdx_iommu_backend *backend, void *ctx)
{
	lockdep_assert_held(&driver->change);
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
		rc = tdx_driver_renew(driver);
		pr_warn("SEAMCALLs are answered by %s from now on: nothing is protected\n",
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
			pr_warn("%s leaves with units that are not clean: their ids are lost\n",
				backend->name);
		tdx_driver_pin(driver, false);
		replace(driver, NULL, NULL);
		tdx_driver_renew(driver);
		pr_info("%s no longer answers SEAMCALLs\n", backend->name);
	}
	mutex_unlock(&driver->change);
}
EXPORT_SYMBOL_GPL(tdx_iommu_backend_unregister);

void tdx_iommu_backend_notify(const struct tdx_iommu_backend *backend)
{
	wake_up_interruptible(&tdx_driver.changed);
}
EXPORT_SYMBOL_GPL(tdx_iommu_backend_notify);
