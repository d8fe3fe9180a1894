// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* CLEAR: only with the unit's own id and sequence; a refused CLEAR keeps both, and the pages. */
#include "internal.h"

static int admit(struct tdx_table *table, struct tdx_unit *unit,
		 const struct tdx_iommu_clear *clear)
{
	if (!unit || !(unit->flags & TDX_UNIT_PRESENT))
		return -ENOENT;
	if (!(table->head->flags & (TDX_IOMMU_INFO_SIMULATED | TDX_IOMMU_INFO_REAL_SETUP)))
		return -EOPNOTSUPP;
	tdx_table_refresh_locked(table);
	if (!(unit->flags & TDX_UNIT_ID_VALID) || unit->id != clear->tdx_iommu_id ||
	    unit->setup_seq != clear->setup_seq)
		return -ESTALE;
	return table->head->identity.environment == TDX_IOMMU_ENV_OK ? 0 : -ENODEV;
}

int tdx_table_clear(struct tdx_table *table, struct tdx_iommu_clear *clear)
{
	__u64 reg_base = clear->reg_base;
	struct tdx_pages answer = { 0 };
	struct tdx_unit *unit;
	__u32 outcome = 0;
	int rc, stored;

	rc = tdx_enter(table);
	if (rc)
		return rc;
	unit = tdx_table_find(table, reg_base);
	rc = admit(table, unit, clear);
	if (!rc)
		tdx_operation_begin(table, unit, TDX_LEAF_IOMMU_CLEAR, TDX_IOMMU_CLEARING);
	if (!rc && table->head->identity.abi_profile == TDX_IOMMU_PROFILE_V2)
		answer = unit->held;
	table->ops->unlock(table->ctx);
	if (answer.root)
		tdx_pages_clear_root(table, &answer);
	stored = table->ops->commit(table->ctx);
	if (rc || stored)
		return rc ? rc : stored;
	rc = tdx_operation_run(table, reg_base, &outcome);
	if (rc)
		return rc;
	table->ops->lock(table->ctx);
	clear->outcome = outcome;
	tdx_unit_fill(tdx_table_find(table, reg_base), &clear->unit);
	table->ops->unlock(table->ctx);
	return 0;
}

/*
 * A list that does not name every page means that some still are the module's, and so may a success
 * that has something to add.
 */
static int all_released(struct tdx_table *table, const struct tdx_unit *unit,
			const struct tdx_call *call)
{
	if (call->regs.rax != TDX_SUCCESS)
		return 0;
	return call->identity.abi_profile != TDX_IOMMU_PROFILE_V2 ||
	       tdx_pages_all_returned(table, &unit->held);
}

__u32 tdx_clear_end(struct tdx_table *table, struct tdx_unit *unit, const struct tdx_call *call,
		    struct tdx_pages *freed)
{
	enum tdx_verdict verdict = tdx_status_verdict(call->leaf, call->regs.rax);

	if (verdict == TDX_VERDICT_DONE) {
		if (all_released(table, unit, call))
			*freed = unit->held;
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
