// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* What a look at a unit's own registers does to its entry: it takes trust away, never gives it. */
#include "internal.h"

/*
 * In TDX mode without an id of ours: another owner's. Not while a SETUP may be halfway, whose pages
 * are kept for its repeat.
 */
static int is_foreign(const struct tdx_unit *unit, enum tdx_mode mode)
{
	if (mode == TDX_MODE_UNREAD || unit->op_leaf)
		return unit->flags & TDX_UNIT_FOREIGN;
	return mode == TDX_MODE_ON && !(unit->flags & TDX_UNIT_ID_VALID) && !unit->tried.root;
}

static void note_mode(struct tdx_table *table, struct tdx_unit *unit, enum tdx_mode mode)
{
	int foreign = is_foreign(unit, mode);

	if (mode == TDX_MODE_OFF && unit->state == TDX_IOMMU_TRUSTED) {
		unit->state = TDX_IOMMU_UNKNOWN;
		tdx_table_bump(table);
	}
	if (!foreign == !(unit->flags & TDX_UNIT_FOREIGN))
		return;
	unit->flags ^= TDX_UNIT_FOREIGN;
	unit->state = tdx_unit_rest_state(unit);
	tdx_table_bump(table);
}

void tdx_table_look_locked(struct tdx_table *table, __u64 reg_base, __u32 gsts, enum tdx_mode mode)
{
	struct tdx_unit *unit = tdx_table_find(table, reg_base);

	tdx_table_assert_locked(table);
	if (!unit)
		return;
	if (unit->gsts != gsts) {
		unit->gsts = gsts;
		if (gsts == TDX_GSTS_GONE && unit->state == TDX_IOMMU_TRUSTED)
			unit->state = TDX_IOMMU_UNKNOWN;
		tdx_table_bump(table);
	}
	if (gsts != TDX_GSTS_GONE)
		note_mode(table, unit, mode);
}

void tdx_table_look(struct tdx_table *table, __u64 reg_base, __u32 gsts, enum tdx_mode mode)
{
	table->ops->lock(table->ctx);
	tdx_table_look_locked(table, reg_base, gsts, mode);
	table->ops->unlock(table->ctx);
}
