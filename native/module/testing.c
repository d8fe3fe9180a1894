// SPDX-License-Identifier: GPL-2.0
/*
 * Built with TDX_TESTING=1 only: makes the n-th allocation or SEAMCALL from now fail, once. 0 =
 * off.
 */
#include <linux/atomic.h>
#include <linux/debugfs.h>

#include "driver.h"

static struct dentry *folder;
static atomic_t fail_alloc = ATOMIC_INIT(0);
static atomic_t fail_seamcall = ATOMIC_INIT(0);

static bool is_due(atomic_t *countdown)
{
	return atomic_read(countdown) > 0 && atomic_dec_return(countdown) == 0;
}

bool tdx_testing_fails_alloc(void)
{
	return is_due(&fail_alloc);
}

bool tdx_testing_fails_seamcall(void)
{
	return is_due(&fail_seamcall);
}

void tdx_testing_start(void)
{
	folder = debugfs_create_dir("tdx_iommu", NULL);
	debugfs_create_atomic_t("fail_alloc", 0600, folder, &fail_alloc);
	debugfs_create_atomic_t("fail_seamcall", 0600, folder, &fail_seamcall);
	pr_warn("tdx_iommu: built for tests: allocations and SEAMCALLs can be made to fail\n");
}

void tdx_testing_stop(void)
{
	debugfs_remove_recursive(folder);
}
