// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * TDH.IOMMU.CLEAR: its operands, what proves that the pages are the host's again, and what its
 * statuses do to the unit. A refused CLEAR keeps the id, the sequence and the pages.
 */
#include "internal.h"
#include "leaf.h"

static void operands(const struct tdx_table *table, const struct tdx_unit *unit,
		     struct tdx_call *call)
{
	(void)table;
	call->regs.rcx = unit->id;
	call->regs.rdx = unit->flags & TDX_UNIT_CLEAR_BY_ID ? 0 : unit->held.root;
	call->incarnation = unit->id_incarnation;
}

/*
 * What the module says that it gave back, compared with what it was given. A module that is called
 * with the root page may list the released pages there, and a page that it does not list may still
 * be its own: the list must be whole, or nothing is believed.
 *
 * An empty list of a module that does not say how it is called is taken for the newest one's, which
 * lists nothing. That cannot be proven: an older one that failed to write its list looks the same.
 * What speaks for it is that WBINVD is refused for a page that the module owns.
 */
static int is_list_right(struct tdx_table *table, const struct tdx_pages *held,
			 const struct tdx_call *call)
{
	if (tdx_pages_root_is_blank(table, held))
		return call->identity.abi_profile != TDX_IOMMU_PROFILE_V2;
	return tdx_pages_all_listed(table, held);
}

static int released(struct tdx_table *table, const struct tdx_pages *held,
		    const struct tdx_call *call, __u64 root)
{
	/* A success that has something to add may mean that some pages still are the module's. */
	if (call->regs.rax != TDX_SUCCESS)
		return 0;
	/* The newest kernels neither compare nor write back. */
	if (!root || !held->root)
		return 1;
	return is_list_right(table, held, call) && tdx_pages_write_back(table, held);
}

static __u32 end(struct tdx_table *table, struct tdx_unit *unit, const struct tdx_call *call,
		 struct tdx_ending *ending)
{
	enum tdx_verdict verdict = tdx_status_verdict(&tdx_leaf_clear, call->regs.rax);

	(void)table;
	if (verdict == TDX_VERDICT_DONE) {
		if (ending->released)
			ending->freed = unit->held;
		else
			tdx_pages_abandon(unit, &unit->held);
		unit->held = (struct tdx_pages){ 0 };
		unit->flags &= ~TDX_UNIT_ID_VALID;
		unit->id = 0;
		unit->state = TDX_IOMMU_UNTRUSTED;
		return TDX_IOMMU_DONE;
	}
	unit->state = TDX_IOMMU_FAILED;
	if (verdict != TDX_VERDICT_RETRY && verdict != TDX_VERDICT_NO_ENTROPY)
		return TDX_IOMMU_OUT_FAILED;
	unit->flags |= TDX_UNIT_RETRYABLE;
	return TDX_IOMMU_RETRY;
}

const struct tdx_leaf tdx_leaf_clear = {
	.number = TDX_LEAF_IOMMU_CLEAR,
	.state = TDX_IOMMU_CLEARING,
	.operands = operands,
	.released = released,
	.end = end,
};
