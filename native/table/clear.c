// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* CLEAR as it is asked for: only with the unit's own id and sequence, and only in time. */
#include "internal.h"
#include "leaf.h"

static int admit(struct tdx_table *table, struct tdx_unit *unit,
		 const struct tdx_iommu_clear *clear)
{
	tdx_table_assert_locked(table);
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

/*
 * As the module says now, and for every attempt: a module that does not answer for a while does not
 * say how it is called, and registers must not change between attempts.
 */
static void choose_operands(struct tdx_table *table, struct tdx_unit *unit)
{
	tdx_table_assert_locked(table);
	if (table->head->identity.abi_profile == TDX_IOMMU_PROFILE_NEWEST)
		unit->flags |= TDX_UNIT_CLEAR_BY_ID;
	else
		unit->flags &= ~TDX_UNIT_CLEAR_BY_ID;
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
	if (!rc) {
		choose_operands(table, unit);
		tdx_operation_begin(table, unit, &tdx_leaf_clear);
		answer = unit->held;
	}
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
