// SPDX-License-Identifier: Apache-2.0
/* What holds between any two calls, whatever happened. */
#include "../table/internal.h"
#include "../test/check.h"
#include "world.h"

int check_failed_here;
int check_passed, check_failed;

const struct sim_unit *truth_of(const struct world *world, __u64 reg_base)
{
	__u32 i;

	for (i = 0; i < world->host.now.sim_head.unit_count; i++) {
		if (world->host.now.sim_units[i].reg_base == reg_base)
			return &world->host.now.sim_units[i];
	}
	violated("no unit %llx", (unsigned long long)reg_base);
}

/* The module's pages of a trusted unit are exactly the set that the table holds. */
static void check_pages_of(const struct world *world, const struct tdx_unit *unit, const struct sim_unit *truth)
{
	__u16 owner = (__u16)(truth - world->host.now.sim_units + 1);
	__u32 i, owned = 0;

	for (i = 0; i < HOST_PAGES; i++)
		owned += world->host.now.sim_pages[i].owner == owner;
	if (owned != tdx_pages_given(&unit->held))
		violated("trusted unit %llx: the module has %u pages, the table %u", (unsigned long long)unit->reg_base, owned,
			 tdx_pages_given(&unit->held));
}

/* It is not touched while it has another owner. */
static void check_foreign(struct world *world, const struct tdx_unit *unit, const struct sim_unit *truth)
{
	__u32 at = (__u32)(unit - world->host.now.units), calls = (__u32)(truth->setup_calls + truth->clear_calls);
	int was = world->foreign >> at & 1, is = !!(unit->flags & TDX_UNIT_FOREIGN);

	if (is != (unit->state == TDX_IOMMU_FOREIGN))
		violated("foreign by its flag or by its state, not by both");
	if (is && was && calls != world->foreign_calls[at])
		violated("a foreign unit was touched");
	if (is && (unit->flags & TDX_UNIT_ID_VALID))
		violated("foreign, with an id of ours");
	world->foreign = (world->foreign & ~(1U << at)) | (__u32)is << at;
	world->foreign_calls[at] = calls;
}

static void check_unit(struct world *world, const struct tdx_unit *unit)
{
	const struct sim_unit *truth = truth_of(world, unit->reg_base);
	int has_id = !!(unit->flags & TDX_UNIT_ID_VALID);

	if (unit->op_leaf || unit->state == TDX_IOMMU_SETTING_UP || unit->state == TDX_IOMMU_CLEARING)
		violated("unit %llx is left in transition", (unsigned long long)unit->reg_base);
	if ((truth->phase == SIM_CONFIGURED || truth->phase == SIM_CLEARING) && !(has_id && unit->id == truth->id))
		violated("the id of unit %llx is lost", (unsigned long long)unit->reg_base);
	if (unit->state == TDX_IOMMU_TRUSTED && !has_id)
		violated("trusted without an id");
	if (unit->state == TDX_IOMMU_TRUSTED && (unit->last_leaf != TDX_LEAF_IOMMU_SETUP || unit->last_status != TDX_SUCCESS))
		violated("trusted by leaf %u with status %llx", unit->last_leaf, unit->last_status);
	if (unit->state == TDX_IOMMU_TRUSTED && unit->gsts == TDX_GSTS_GONE)
		violated("trusted, and nothing answers at its address");
	if ((unit->flags & TDX_UNIT_RETRYABLE) && (unit->state == TDX_IOMMU_TRUSTED || !unit->last_leaf))
		violated("retryable in state %u after leaf %u", unit->state, unit->last_leaf);
	if (unit->held.tainted || (!has_id && unit->held.root))
		violated("pages held under no id");
	check_foreign(world, unit, truth);
	if (!(unit->flags & TDX_UNIT_PRESENT) && (has_id || unit->held.root || unit->tried.root))
		violated("a unit that is gone holds something");
	if (unit->state != TDX_IOMMU_TRUSTED || tdx_table_stale(&world->host.table))
		return;
	if (truth->phase != SIM_CONFIGURED || !truth->present)
		violated("trusted, but the module is in phase %u", truth->phase);
	check_pages_of(world, unit, truth);
}

/* INFO and LIST say what the table holds. */
static void check_answers(struct world *world)
{
	struct tdx_iommu_unit units[HOST_UNITS];
	struct tdx_iommu_list list = { 0 };
	struct tdx_iommu_info info = { .size = sizeof(info) };
	__u64 donated = 0, retained = 0;
	__u32 i;

	tdx_table_info(&world->host.table, &info);
	tdx_table_fill(&world->host.table, units, HOST_UNITS, &list);
	for (i = 0; i < list.count; i++) {
		if (i && units[i].reg_base <= units[i - 1].reg_base)
			violated("LIST is not in order");
		if (!(units[i].flags & TDX_IOMMU_UNIT_PAGES_RETAINED) != !units[i].pages_retained)
			violated("PAGES_RETAINED and pages_retained differ");
		if (!(units[i].flags & TDX_IOMMU_UNIT_ID_VALID) && units[i].tdx_iommu_id)
			violated("an id that is not valid is shown");
		donated += units[i].pages_donated;
		retained += units[i].pages_retained;
	}
	for (i = 0; i < world->host.now.table_head.unit_count; i++) {
		if (!(world->host.now.units[i].flags & TDX_UNIT_PRESENT))
			retained += world->host.now.units[i].retained;
	}
	if (info.pages_donated != donated || info.pages_retained != retained)
		violated("INFO counts %llu donated and %llu retained, the units %llu and %llu", info.pages_donated, info.pages_retained,
			 donated, retained);
}

void check_world(struct world *world)
{
	__u32 i;

	host_check(&world->host);
	if (check_failed_here)
		violated("the host's own checks");
	for (i = 0; i < world->host.now.table_head.unit_count; i++)
		check_unit(world, &world->host.now.units[i]);
	check_answers(world);
	sets_check(&world->sets, &world->host);
}
