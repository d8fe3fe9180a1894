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
	if (table->head->identity.environment != TDX_IOMMU_ENV_OK)
		return -ENODEV;
	/* Last, and only here: what has begun goes on. */
	return clear->not_after && table->ops->now_ns(table->ctx) > clear->not_after ? -ETIME : 0;
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
	if (!rc)
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

int tdx_clear_released(struct tdx_table *table, const struct tdx_pages *held,
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

__u32 tdx_clear_end(struct tdx_unit *unit, const struct tdx_call *call, struct tdx_pages *freed,
		    int released)
{
	enum tdx_verdict verdict = tdx_status_verdict(call->leaf, call->regs.rax);

	if (verdict == TDX_VERDICT_DONE) {
		if (released)
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
