// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* TDH.IOMMU.SETUP: its operands, and what its statuses do to the unit and its pages. */
#include "internal.h"
#include "leaf.h"

static void operands(const struct tdx_table *table, const struct tdx_unit *unit,
		     struct tdx_call *call)
{
	(void)table;
	call->regs.rcx = unit->reg_base;
	call->regs.rdx = unit->tried.root;
}

static void note(struct tdx_table *table, struct tdx_unit *unit, const struct tdx_call *call)
{
	if (unit->tried.tainted || tdx_status_took_nothing(call->regs.rax))
		return;
	/* Once tainted always tainted, until an id holds the pages. */
	unit->tried.tainted = 1;
	tdx_table_bump(table);
}

/*
 * Not when another module answers by now, or none, or nothing at the unit's address, nor when the
 * status has something to add to its success that we do not know: then the id without trust.
 */
static int is_proven(const struct tdx_table *table, const struct tdx_unit *unit,
		     const struct tdx_call *call)
{
	return call->regs.rax == TDX_SUCCESS && unit->gsts != TDX_GSTS_GONE &&
	       call->identity.environment == TDX_IOMMU_ENV_OK &&
	       !__builtin_memcmp(&call->identity, &table->head->identity, sizeof(call->identity));
}

static __u32 trusted(struct tdx_table *table, struct tdx_unit *unit, const struct tdx_call *call)
{
	unit->held = unit->tried;
	unit->held.tainted = 0;
	unit->tried = (struct tdx_pages){ 0 };
	unit->id = call->regs.rcx;
	unit->id_incarnation = call->identity.incarnation;
	unit->setup_seq = table->head->next_seq++;
	unit->flags |= TDX_UNIT_ID_VALID;
	unit->state = is_proven(table, unit, call) ? TDX_IOMMU_TRUSTED : TDX_IOMMU_UNKNOWN;
	return TDX_IOMMU_DONE;
}

static __u32 end(struct tdx_table *table, struct tdx_unit *unit, const struct tdx_call *call,
		 struct tdx_ending *ending)
{
	enum tdx_verdict verdict = tdx_status_verdict(&tdx_leaf_setup, call->regs.rax);

	if (verdict == TDX_VERDICT_DONE)
		return trusted(table, unit, call);
	unit->state = TDX_IOMMU_FAILED;
	if (verdict == TDX_VERDICT_RETRY || verdict == TDX_VERDICT_NO_ENTROPY) {
		unit->flags |= TDX_UNIT_RETRYABLE;
		return TDX_IOMMU_RETRY;
	}
	if (unit->tried.tainted) {
		/*
		 * The same pages again, if ever: the module may be halfway with them. Refused pages
		 * are of no more use.
		 */
		if (tdx_status_blames_pages(call->regs.rax))
			tdx_pages_abandon(unit, &unit->tried);
		return TDX_IOMMU_OUT_FAILED;
	}
	ending->freed = unit->tried;
	unit->tried = (struct tdx_pages){ 0 };
	if (verdict != TDX_VERDICT_UNSUPPORTED)
		return TDX_IOMMU_OUT_FAILED;
	unit->state = TDX_IOMMU_UNSUPPORTED;
	return TDX_IOMMU_OUT_UNSUPPORTED;
}

const struct tdx_leaf tdx_leaf_setup = {
	.number = TDX_LEAF_IOMMU_SETUP,
	.state = TDX_IOMMU_SETTING_UP,
	/* Operand RDX would be the page list: our bug, not the unit's inability. */
	.unsupported = TDX_OPERAND_INVALID | TDX_OPERAND_RCX,
	.operands = operands,
	.note = note,
	.end = end,
};
