// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* What a SEAMCALL status means for the operation and for the pages that went with it. */
#include "internal.h"
#include "leaf.h"

static int is_busy(__u64 masked)
{
	switch (masked) {
	case TDX_OPERAND_BUSY:
	case TDX_PREVIOUS_TLB_EPOCH_BUSY:
	case TDX_SYS_BUSY:
	case TDX_RND_NO_ENTROPY:
	case TDX_OPERAND_BUSY_HOST_PRIORITY:
	case TDX_HOST_PRIORITY_BUSY_TIMEOUT:
		return 1;
	default:
		return 0;
	}
}

/* It began, and goes on when it is repeated. */
static int is_interrupted(__u64 masked)
{
	switch (masked) {
	case TDX_INTERRUPTED_RESUMABLE:
	case TDX_INTERRUPTED_RESTARTABLE:
	case TDX_INTERRUPTED_BUSY:
	case TDX_INTERRUPTED_PAMT:
	case TDX_IOMMU_ECMD_TIMEOUT:
		return 1;
	default:
		return 0;
	}
}

enum tdx_verdict tdx_status_verdict(const struct tdx_leaf *leaf, __u64 status)
{
	__u64 masked = status & TDX_STATUS_MASK;

	/* Also with information, of which none is known: who ends the operation looks at that. */
	if (!(status & TDX_STATUS_ERROR))
		return TDX_VERDICT_DONE;
	if (status == TDX_INTERRUPTED_RESUMABLE)
		return TDX_VERDICT_RESUME;
	if (status == TDX_RND_NO_ENTROPY)
		return TDX_VERDICT_NO_ENTROPY;
	if (is_busy(masked) || is_interrupted(masked))
		return TDX_VERDICT_RETRY;
	if (status == leaf->unsupported)
		return TDX_VERDICT_UNSUPPORTED;
	return TDX_VERDICT_FAILED;
}

/* Speaks of no operand but the unit, so of no page. */
static int names_no_page(__u64 status)
{
	return (status & ~TDX_STATUS_MASK) <= TDX_OPERAND_RCX;
}

/*
 * Only what can't be answered after a page was taken. Not what the unit or its root ports are
 * refused for (INVALID_STATE, KCB and RP_IDE_MUST_BE_DISABLED): the module's older interface
 * checked that when the pages were its own already, and the newer one is not public. Everything
 * not named here, above all what is not known at all, counts as having taken pages. The caller-made
 * statuses never reached the module.
 */
int tdx_status_took_nothing(__u64 status)
{
	__u64 masked = status & TDX_STATUS_MASK;

	if (is_busy(masked))
		return names_no_page(status);
	switch (masked) {
	case TDX_SYS_NOT_READY:
	case TDX_SYS_SHUTDOWN:
		return 1;
	default:
		return status == (TDX_OPERAND_INVALID | TDX_OPERAND_RCX) ||
		       status == TDX_SEAMCALL_VMFAILINVALID || status == TDX_SEAMCALL_GP ||
		       status == TDX_SEAMCALL_UD;
	}
}

int tdx_status_blames_pages(__u64 status)
{
	switch (status & TDX_STATUS_MASK) {
	case TDX_PAGE_METADATA_INCORRECT:
	case TDX_PAGE_NOT_FREE:
	case TDX_HPA_RANGE_NOT_FREE:
	case TDX_IOMMU_MT_PAGE_IN_USE:
		return 1;
	default:
		return 0;
	}
}
