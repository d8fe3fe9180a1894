// SPDX-License-Identifier: GPL-2.0
/*
 * tdx_iommu.ko: puts VT-d units into TDX mode and takes them out of it, for whoever holds
 * /dev/tdx_iommu. See native/README.md.
 */
#include <linux/module.h>

#include "driver.h"

bool real_setup;
module_param(real_setup, bool, 0444);
MODULE_PARM_DESC(real_setup,
		 "EXPERIMENTAL: real SETUP and CLEAR, on a kernel that opted in and leaves SETUP alone");

struct tdx_driver tdx_driver = {
	.table = { .ops = &tdx_driver_ops, .ctx = &tdx_driver, .head = &tdx_driver.head },
	.head = { .next_seq = 1, .generation = 1 },
	.lock = __SPIN_LOCK_UNLOCKED(tdx_driver.lock),
	.change = __MUTEX_INITIALIZER(tdx_driver.change),
	.changed = __WAIT_QUEUE_HEAD_INITIALIZER(tdx_driver.changed),
};

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

	if (rc)
		return rc;
	rc = tdx_table_renew(&tdx_driver);
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
	pr_info("tdx_iommu: %u VT-d units; %s%s\n", tdx_driver.head.unit_count,
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
