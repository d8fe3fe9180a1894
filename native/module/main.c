// SPDX-License-Identifier: GPL-2.0
/*
 * tdx_iommu.ko: puts VT-d units into TDX mode and takes them out of it, for the holder of
 * /dev/tdx_iommu. See native/README.md.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "driver.h"

static const char *const environments[] = {
	[TDX_IOMMU_ENV_OK] = "the TDX module answers",
	[TDX_IOMMU_ENV_UD] = "no VMX: SEAMCALL raised #UD",
	[TDX_IOMMU_ENV_GP] = "TDX is off in the firmware: SEAMCALL raised #GP",
	[TDX_IOMMU_ENV_VMFAILINVALID] = "no TDX module is loaded",
	[TDX_IOMMU_ENV_NOT_READY] = "the TDX module is not initialised",
	[TDX_IOMMU_ENV_NOT_OPTED_IN] =
		"the TDX module runs without TDX Connect, or without what this driver needs",
};

static int __init tdx_iommu_start(void)
{
	int rc = tdx_dmar_read(&tdx_driver);
	bool real_setup;

	if (rc)
		return rc;
	mutex_lock(&tdx_driver.change);
	rc = tdx_driver_renew(&tdx_driver);
	mutex_unlock(&tdx_driver.change);
	if (rc)
		goto free_units;
	rc = tdx_worker_start();
	if (rc)
		goto free_units;
	rc = tdx_power_start();
	if (rc)
		goto stop_worker;
	tdx_testing_start();
	rc = tdx_chardev_start();
	if (rc)
		goto stop_power;
	real_setup = tdx_driver.head.flags & TDX_IOMMU_INFO_REAL_SETUP;
	pr_info("%u VT-d units; %s%s\n", tdx_driver.head.unit_count,
		environments[tdx_driver.head.identity.environment],
		real_setup ? "; real SETUP is on, and experimental" : "");
	return 0;

stop_power:
	tdx_testing_stop();
	tdx_power_stop();
stop_worker:
	tdx_worker_stop();
free_units:
	tdx_dmar_free(&tdx_driver);
	return rc;
}

/* Never while a unit is not clean: the module is pinned then. */
static void __exit tdx_iommu_stop(void)
{
	tdx_chardev_stop();
	tdx_worker_stop();
	tdx_testing_stop();
	tdx_power_stop();
	tdx_dmar_free(&tdx_driver);
}

module_init(tdx_iommu_start);
module_exit(tdx_iommu_stop);

MODULE_DESCRIPTION("Intel TDX Connect: trusted VT-d units (TDH.IOMMU.SETUP and CLEAR)");
MODULE_LICENSE("GPL");
