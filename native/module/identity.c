// SPDX-License-Identifier: GPL-2.0
/*
 * What can be read of the TDX module without changing anything: TDH.SYS.RD of single fields of
 * global metadata. The field goes in RDX and its value comes in R8 (arch/x86/virt/vmx/tdx/tdx.c).
 */
#include "driver.h"

/* Never a status of the module: the backend did not answer. */
#define NO_ANSWER U64_MAX

static u64 read_field(struct tdx_driver *driver, u64 field, u64 *value)
{
	struct tdx_seamcall_regs regs = { .rax = TDX_LEAF_SYS_RD, .rdx = field };

	if (tdx_seamcall(driver, &regs))
		return NO_ANSWER;
	*value = regs.r8;
	return regs.rax;
}

static enum tdx_iommu_environment environment_of(u64 status)
{
	switch (status) {
	case TDX_SUCCESS:
		return TDX_IOMMU_ENV_OK;
	case TDX_SEAMCALL_UD:
		return TDX_IOMMU_ENV_UD;
	case TDX_SEAMCALL_GP:
		return TDX_IOMMU_ENV_GP;
	case TDX_SEAMCALL_VMFAILINVALID:
		return TDX_IOMMU_ENV_VMFAILINVALID;
	default:
		return TDX_IOMMU_ENV_NOT_READY;
	}
}

static void read_version(struct tdx_driver *driver, struct tdx_identity *identity)
{
	u64 major, minor, update, internal, number, date;

	if (read_field(driver, TDX_FIELD_MAJOR_VERSION, &major) ||
	    read_field(driver, TDX_FIELD_MINOR_VERSION, &minor) ||
	    read_field(driver, TDX_FIELD_UPDATE_VERSION, &update) ||
	    read_field(driver, TDX_FIELD_INTERNAL_VERSION, &internal) ||
	    read_field(driver, TDX_FIELD_BUILD_NUM, &number) ||
	    read_field(driver, TDX_FIELD_BUILD_DATE, &date))
		return;
	identity->module_major = major;
	identity->module_minor = minor;
	identity->module_update = update;
	identity->module_internal = internal;
	identity->build_num = number;
	identity->build_date = date;
	identity->valid |= TDX_IOMMU_VALID_VERSION;
}

/*
 * A module that may change RBP can't be called from a kernel with frame pointers, and one with
 * dynamic PAMT wants more pages than the table knows of: both count as a module without TDX
 * Connect.
 */
static bool is_usable(u64 features0)
{
	return (features0 & TDX_FEATURES0_CONNECT) && (features0 & TDX_FEATURES0_NO_RBP_MOD) &&
	       !(features0 & TDX_FEATURES0_DYNAMIC_PAMT);
}

void tdx_identity_read(struct tdx_driver *driver, struct tdx_identity *identity)
{
	u64 status, features0 = 0, count = 0;

	lockdep_assert_held(&driver->lock);
	*identity = (struct tdx_identity){ .environment = TDX_IOMMU_ENV_NOT_READY };
	status = read_field(driver, TDX_FIELD_FEATURES0, &features0);
	driver->backend_gone = status == NO_ANSWER;
	identity->environment = environment_of(status);
	if (identity->environment != TDX_IOMMU_ENV_OK)
		return;
	identity->features0 = features0;
	identity->valid |= TDX_IOMMU_VALID_FEATURES0;
	read_version(driver, identity);
	/* Readable only when the kernel opted in to TDX Connect. */
	if (read_field(driver, TDX_FIELD_IOMMU_MT_PAGE_COUNT, &count) == TDX_SUCCESS) {
		identity->mt_page_count = count;
		identity->valid |= TDX_IOMMU_VALID_MT_PAGE_COUNT;
	}
	if (!is_usable(features0) || !(identity->valid & TDX_IOMMU_VALID_MT_PAGE_COUNT))
		identity->environment = TDX_IOMMU_ENV_NOT_OPTED_IN;
	if (driver->backend && driver->backend->profile)
		identity->abi_profile = driver->backend->profile(driver->backend_ctx);
	if (driver->backend && driver->backend->incarnation)
		identity->incarnation = driver->backend->incarnation(driver->backend_ctx);
}
