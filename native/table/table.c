// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* The table itself: units, identity of the module, snapshots. */
#include "internal.h"

#define SAME(a, b, size) (__builtin_memcmp((a), (b), (size)) == 0)

static_assert(sizeof(struct tdx_identity) == 56, "identity is compared as bytes: no padding");

int tdx_enter(struct tdx_table *table)
{
	int rc = table->ops->begin(table->ctx);

	if (!rc)
		table->ops->lock(table->ctx);
	return rc;
}

int tdx_leave(struct tdx_table *table)
{
	table->ops->unlock(table->ctx);
	return table->ops->commit(table->ctx);
}

void tdx_table_bump(struct tdx_table *table)
{
	tdx_table_assert_locked(table);
	table->head->generation++;
	table->ops->changed(table->ctx);
}

/* What a unit is while nothing has been done to it in this boot. */
__u32 tdx_unit_rest_state(const struct tdx_unit *unit)
{
	if (unit->flags & TDX_UNIT_FOREIGN)
		return TDX_IOMMU_FOREIGN;
	return unit->ecap & TDX_ECAP_CONNECT ? TDX_IOMMU_UNTRUSTED : TDX_IOMMU_UNSUPPORTED;
}

int tdx_table_add(struct tdx_table *table, const struct tdx_unit_facts *facts)
{
	__u32 at = table->head->unit_count;
	struct tdx_unit unit = {
		.reg_base = facts->reg_base,
		.segment = facts->segment,
		.numa_node = facts->numa_node,
		.cap = facts->cap,
		.ecap = facts->ecap,
		.gsts = facts->gsts,
		.flags = TDX_UNIT_PRESENT | (facts->foreign ? TDX_UNIT_FOREIGN : 0),
	};

	if (facts->reg_base & TDX_PAGE_MASK)
		return -EINVAL;
	if (tdx_table_find(table, facts->reg_base))
		return -EEXIST;
	unit.state = tdx_unit_rest_state(&unit);
	for (; at > 0 && table->units[at - 1].reg_base > unit.reg_base; at--)
		table->units[at] = table->units[at - 1];
	table->units[at] = unit;
	table->head->unit_count++;
	return 0;
}

static void forget_unit(struct tdx_unit *unit)
{
	unit->flags &= TDX_UNIT_PRESENT | TDX_UNIT_FOREIGN;
	unit->state = tdx_unit_rest_state(unit);
	unit->id = 0;
	unit->op_leaf = 0;
	unit->last_leaf = 0;
}

void tdx_table_reset(struct tdx_table *table, const __u8 *instance)
{
	__u32 i;

	__builtin_memcpy(table->head->instance, instance, TDX_IOMMU_INSTANCE_BYTES);
	table->ops->identity(table->ctx, &table->head->identity);
	for (i = 0; i < table->head->unit_count; i++) {
		struct tdx_unit *unit = &table->units[i];

		forget_unit(unit);
		unit->retained = 0;
		unit->held = (struct tdx_pages){ 0 };
		unit->tried = (struct tdx_pages){ 0 };
	}
	tdx_table_bump(table);
}

int tdx_table_set_present(struct tdx_table *table, __u64 reg_base, int present)
{
	struct tdx_unit *unit = tdx_table_find(table, reg_base);

	if (!unit)
		return -ENOENT;
	if (!(unit->flags & TDX_UNIT_PRESENT) == !present)
		return 0;
	table->ops->lock(table->ctx);
	tdx_pages_abandon(unit, &unit->held);
	tdx_pages_abandon(unit, &unit->tried);
	unit->flags = present ? unit->flags | TDX_UNIT_PRESENT : unit->flags & ~TDX_UNIT_PRESENT;
	forget_unit(unit);
	tdx_table_bump(table);
	table->ops->unlock(table->ctx);
	return 0;
}

/* Gone units too: their record outlives their hardware. */
struct tdx_unit *tdx_table_find(struct tdx_table *table, __u64 reg_base)
{
	__u32 low = 0, high = table->head->unit_count;

	while (low < high) {
		__u32 middle = low + (high - low) / 2;

		if (table->units[middle].reg_base < reg_base)
			low = middle + 1;
		else
			high = middle;
	}
	return low < table->head->unit_count && table->units[low].reg_base == reg_base
		       ? &table->units[low]
		       : NULL;
}

/*
 * Another load of the module knows nothing of this id, and may give the same number to another
 * unit.
 */
static void drop_id(struct tdx_unit *unit)
{
	if (!(unit->flags & TDX_UNIT_ID_VALID))
		return;
	tdx_pages_abandon(unit, &unit->held);
	unit->flags &= ~TDX_UNIT_ID_VALID;
	unit->id = 0;
}

static void apply_identity(struct tdx_unit *unit, const struct tdx_identity *now)
{
	if (unit->state == TDX_IOMMU_TRUSTED)
		unit->state = TDX_IOMMU_UNKNOWN;
	if (now->environment != TDX_IOMMU_ENV_OK)
		return;
	/* The refusal was the other module's. */
	if (unit->state == TDX_IOMMU_UNSUPPORTED)
		unit->state = tdx_unit_rest_state(unit);
	if (unit->id_incarnation != now->incarnation)
		drop_id(unit);
}

int tdx_table_stale(struct tdx_table *table)
{
	struct tdx_identity now;

	table->ops->identity(table->ctx, &now);
	return !SAME(&now, &table->head->identity, sizeof(now));
}

void tdx_table_refresh_locked(struct tdx_table *table)
{
	struct tdx_identity now;
	__u32 i;

	tdx_table_assert_locked(table);
	table->ops->identity(table->ctx, &now);
	if (SAME(&now, &table->head->identity, sizeof(now)))
		return;
	table->head->identity = now;
	for (i = 0; i < table->head->unit_count; i++)
		apply_identity(&table->units[i], &now);
	tdx_table_bump(table);
}

void tdx_table_refresh(struct tdx_table *table)
{
	table->ops->lock(table->ctx);
	tdx_table_refresh_locked(table);
	table->ops->unlock(table->ctx);
}

static __u32 donated(const struct tdx_unit *unit)
{
	return tdx_pages_given(&unit->held) +
	       (unit->tried.tainted ? 0 : tdx_pages_given(&unit->tried));
}

static __u32 retained(const struct tdx_unit *unit)
{
	return unit->retained + (unit->tried.tainted ? tdx_pages_given(&unit->tried) : 0);
}

/* A unit that does not answer is nothing that could be named, whatever it was; its record stays. */
static __u32 shown_state(const struct tdx_unit *unit)
{
	return unit->gsts == TDX_GSTS_GONE && !unit->op_leaf ? TDX_IOMMU_UNKNOWN : unit->state;
}

void tdx_unit_fill(const struct tdx_unit *unit, struct tdx_iommu_unit *out)
{
	*out = (struct tdx_iommu_unit){
		.reg_base = unit->reg_base,
		.segment = unit->segment,
		.numa_node = unit->numa_node,
		.cap = unit->cap,
		.ecap = unit->ecap,
		.gsts = unit->gsts,
		.state = shown_state(unit),
		.flags = (unit->flags & TDX_UNIT_ID_VALID ? TDX_IOMMU_UNIT_ID_VALID : 0) |
			 (unit->flags & TDX_UNIT_RETRYABLE ? TDX_IOMMU_UNIT_RETRYABLE : 0) |
			 (retained(unit) ? TDX_IOMMU_UNIT_PAGES_RETAINED : 0),
		.leaf = unit->last_leaf,
		.tdx_iommu_id = unit->flags & TDX_UNIT_ID_VALID ? unit->id : 0,
		.setup_seq = unit->setup_seq,
		.status = unit->last_leaf ? unit->last_status : 0,
		.duration_ns = unit->last_leaf ? unit->last_duration : 0,
		.attempts = unit->last_leaf ? unit->last_attempts : 0,
		.pages_donated = donated(unit),
		.pages_retained = retained(unit),
	};
}

void tdx_table_info(struct tdx_table *table, struct tdx_iommu_info *info)
{
	const struct tdx_identity *identity = &table->head->identity;
	__u32 i;

	table->ops->lock(table->ctx);
	*info = (struct tdx_iommu_info){
		.size = info->size,
		.flags = table->head->flags | TDX_IOMMU_INFO_NOT_AFTER,
		.abi_version = TDX_IOMMU_ABI_VERSION,
		.abi_profile = identity->abi_profile,
		.environment = identity->environment,
		.module_major = identity->module_major,
		.module_minor = identity->module_minor,
		.module_update = identity->module_update,
		.module_internal = identity->module_internal,
		.build_num = identity->build_num,
		.build_date = identity->build_date,
		.mt_page_count = identity->mt_page_count,
		.features0 = identity->features0,
		.valid = identity->valid,
	};
	__builtin_memcpy(info->instance, table->head->instance, TDX_IOMMU_INSTANCE_BYTES);
	for (i = 0; i < table->head->unit_count; i++) {
		info->pages_donated += donated(&table->units[i]);
		info->pages_retained += retained(&table->units[i]);
	}
	table->ops->unlock(table->ctx);
}

void tdx_table_fill(struct tdx_table *table, struct tdx_iommu_unit *units, __u32 capacity,
		    struct tdx_iommu_list *list)
{
	__u32 i;

	table->ops->lock(table->ctx);
	list->entry_size = sizeof(*units);
	list->count = 0;
	list->total = 0;
	list->generation = table->head->generation;
	__builtin_memcpy(list->instance, table->head->instance, TDX_IOMMU_INSTANCE_BYTES);
	for (i = 0; i < table->head->unit_count; i++) {
		if (!(table->units[i].flags & TDX_UNIT_PRESENT))
			continue;
		if (list->total++ < capacity)
			tdx_unit_fill(&table->units[i], &units[list->count++]);
	}
	table->ops->unlock(table->ctx);
}
