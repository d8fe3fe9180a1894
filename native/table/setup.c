// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* SETUP as it is asked for: what is decided, and what is prepared, before the first SEAMCALL. */
#include "internal.h"
#include "leaf.h"

/*
 * The module has TDX Connect in the shape we speak: the leaf numbers alone would not tell, older
 * modules give them another meaning.
 */
static int module_connects(const struct tdx_identity *identity)
{
	const __u32 needed = TDX_IOMMU_VALID_FEATURES0 | TDX_IOMMU_VALID_MT_PAGE_COUNT;

	return identity->environment == TDX_IOMMU_ENV_OK && (identity->valid & needed) == needed &&
	       (identity->features0 & TDX_FEATURES0_CONNECT);
}

static int cannot_be_called(const struct tdx_identity *identity)
{
	return identity->environment != TDX_IOMMU_ENV_OK &&
	       identity->environment != TDX_IOMMU_ENV_NOT_OPTED_IN;
}

static __u32 unsupported(struct tdx_table *table, struct tdx_unit *unit)
{
	if (unit->state != TDX_IOMMU_UNSUPPORTED) {
		unit->state = TDX_IOMMU_UNSUPPORTED;
		tdx_table_bump(table);
	}
	return TDX_IOMMU_OUT_UNSUPPORTED;
}

/*
 * What the unit's own registers forbid is recorded as the module would refuse it, but without an
 * attempt: no call was issued, and pages kept for a repeat stay as they are.
 */
static __u32 forbidden(struct tdx_table *table, struct tdx_unit *unit)
{
	const __u64 status = TDX_IOMMU_INVALID_STATE | TDX_OPERAND_RCX;

	if (unit->state == TDX_IOMMU_FAILED && unit->last_leaf == TDX_LEAF_IOMMU_SETUP &&
	    unit->last_status == status && !unit->last_attempts)
		return TDX_IOMMU_OUT_FAILED;
	unit->state = TDX_IOMMU_FAILED;
	unit->flags &= ~TDX_UNIT_RETRYABLE;
	unit->last_leaf = TDX_LEAF_IOMMU_SETUP;
	unit->last_status = status;
	unit->last_attempts = 0;
	unit->last_duration = 0;
	tdx_table_bump(table);
	return TDX_IOMMU_OUT_FAILED;
}

#define GO_ON 0xFFFFFFFFU

/* GO_ON, or the outcome of a SETUP that needs no SEAMCALL. */
static __u32 decide(struct tdx_table *table, struct tdx_unit *unit)
{
	const struct tdx_table_ops *ops = table->ops;
	const struct tdx_identity *identity = &table->head->identity;

	if (unit->state == TDX_IOMMU_TRUSTED)
		return TDX_IOMMU_ALREADY;
	/* One with an id may still be in TDX mode under it, and a second SETUP could lose it. */
	if (unit->flags & (TDX_UNIT_FOREIGN | TDX_UNIT_ID_VALID))
		return TDX_IOMMU_OUT_FAILED;
	if (!(unit->ecap & TDX_ECAP_CONNECT) || !module_connects(identity))
		return unsupported(table, unit);
	if (identity->mt_page_count == 0 || identity->mt_page_count > TDX_MT_MAX_COUNT)
		return TDX_IOMMU_OUT_FAILED;
	return ops->forbids && ops->forbids(table->ctx, unit) ? forbidden(table, unit) : GO_ON;
}

/* Pages kept for a repeat fit the module that refused them only. */
static struct tdx_pages drop_unfit(struct tdx_table *table, struct tdx_unit *unit)
{
	struct tdx_pages none = { 0 }, unfit = unit->tried;

	tdx_table_assert_locked(table);
	if (!unfit.root || unfit.count == table->head->identity.mt_page_count)
		return none;
	if (unfit.tainted) {
		tdx_pages_abandon(unit, &unit->tried);
		tdx_table_bump(table);
		return none;
	}
	unit->tried = none;
	tdx_table_bump(table);
	return unfit;
}

/* Inside begin, not under lock. Leaves the unit SETTING_UP with its pages recorded. */
static int prepare(struct tdx_table *table, struct tdx_unit *unit)
{
	const struct tdx_table_ops *ops = table->ops;
	struct tdx_pages unfit, fresh = { 0 };
	__u32 count;
	int rc;

	ops->lock(table->ctx);
	unfit = drop_unfit(table, unit);
	count = unit->tried.root ? 0 : table->head->identity.mt_page_count;
	ops->unlock(table->ctx);
	tdx_pages_release(table, &unfit);
	rc = count ? tdx_pages_gather(table, unit, count, &fresh) : 0;
	ops->lock(table->ctx);
	if (!rc) {
		if (count)
			unit->tried = fresh;
		tdx_operation_begin(table, unit, &tdx_leaf_setup);
	}
	ops->unlock(table->ctx);
	return rc;
}

/* -ENOENT, -EOPNOTSUPP, -ENODEV, or 0 with *outcome or GO_ON. Under lock. */
static int admit(struct tdx_table *table, struct tdx_unit *unit, __u32 *outcome)
{
	tdx_table_assert_locked(table);
	if (!unit || !(unit->flags & TDX_UNIT_PRESENT))
		return -ENOENT;
	if (!(table->head->flags & (TDX_IOMMU_INFO_SIMULATED | TDX_IOMMU_INFO_REAL_SETUP)))
		return -EOPNOTSUPP;
	tdx_table_refresh_locked(table);
	if (cannot_be_called(&table->head->identity))
		return -ENODEV;
	*outcome = decide(table, unit);
	return 0;
}

int tdx_table_setup(struct tdx_table *table, struct tdx_iommu_setup *setup)
{
	__u64 reg_base = setup->reg_base;
	struct tdx_unit *unit;
	__u32 outcome = GO_ON;
	int rc, stored;

	rc = tdx_enter(table);
	if (rc)
		return rc;
	unit = tdx_table_find(table, reg_base);
	rc = admit(table, unit, &outcome);
	table->ops->unlock(table->ctx);
	if (!rc && outcome == GO_ON)
		rc = prepare(table, unit);
	stored = table->ops->commit(table->ctx);
	if (rc || stored)
		return rc ? rc : stored;
	if (outcome == GO_ON)
		rc = tdx_operation_run(table, reg_base, &outcome);
	if (rc)
		return rc;
	table->ops->lock(table->ctx);
	setup->outcome = outcome;
	tdx_unit_fill(tdx_table_find(table, reg_base), &setup->unit);
	table->ops->unlock(table->ctx);
	return 0;
}
