// SPDX-License-Identifier: GPL-2.0
/*
 * Built with TDX_TESTING=1 only. fail_alloc, fail_seamcall: the n-th from now fails, once; 0 = off.
 * registers_gone: every unit's status reads as if it were pulled out. tdx_mode: what every unit's
 * status says of TDX mode, enum tdx_mode. version_1: the device node is that of a driver built
 * before CLEAR had not_after.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/debugfs.h>

#include "driver.h"

static struct dentry *folder;
static atomic_t fail_alloc = ATOMIC_INIT(0);
static atomic_t fail_seamcall = ATOMIC_INIT(0);
static bool registers_gone;
static u32 tdx_mode;
static bool version_1;

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

u32 tdx_testing_gsts(u32 gsts)
{
	return READ_ONCE(registers_gone) ? TDX_GSTS_GONE : gsts;
}

enum tdx_mode tdx_testing_mode(enum tdx_mode mode)
{
	u32 wanted = READ_ONCE(tdx_mode);

	return wanted == TDX_MODE_UNREAD ? mode : wanted;
}

size_t tdx_testing_clear_size(size_t size)
{
	return READ_ONCE(version_1) ? TDX_IOMMU_CLEAR_SIZE_VER1 : size;
}

void tdx_testing_info(struct tdx_iommu_info *info)
{
	if (!READ_ONCE(version_1))
		return;
	info->abi_version = 1;
	info->flags &= ~TDX_IOMMU_INFO_NOT_AFTER;
}

void tdx_testing_start(void)
{
	folder = debugfs_create_dir("tdx_iommu", NULL);
	debugfs_create_atomic_t("fail_alloc", 0600, folder, &fail_alloc);
	debugfs_create_atomic_t("fail_seamcall", 0600, folder, &fail_seamcall);
	debugfs_create_bool("registers_gone", 0600, folder, &registers_gone);
	debugfs_create_u32("tdx_mode", 0600, folder, &tdx_mode);
	debugfs_create_bool("version_1", 0600, folder, &version_1);
	pr_warn("built for tests: allocations and SEAMCALLs can be made to fail\n");
}

void tdx_testing_stop(void)
{
	debugfs_remove_recursive(folder);
}
