// SPDX-License-Identifier: Apache-2.0
/* What happens to a host beside calls: between them, or in the middle of a SEAMCALL. */
#include <string.h>

#include "../table/internal.h"
#include "world.h"

static const __u64 units[] = { UNIT_A, UNIT_B, UNIT_C };

void event_reboot(struct world *world)
{
	__u8 instance[TDX_IOMMU_INSTANCE_BYTES] = { 0 };
	struct host *host = &world->host;

	memcpy(instance, &(__u32){ ++world->boots }, sizeof(__u32));
	sim_reboot(&host->sim);
	memset(host->now.used, 0, sizeof(host->now.used));
	host->table.ops->lock(host);
	tdx_table_reset(&host->table, instance);
	host->table.ops->unlock(host);
	world->sets.count = 0;
}

/* The simulated host's hardware and the table learn of it in one step, as in the addon's control. */
static void vanish(struct world *world)
{
	__u64 reg_base = units[take_below(world->bytes, 3)];
	int present = !truth_of(world, reg_base)->present;
	struct host *host = &world->host;

	if (host->table.ops->begin(host))
		return;
	if (sim_present_set(&host->sim, reg_base, present) || tdx_table_set_present(&host->table, reg_base, present))
		violated("a known unit is unknown");
	host->table.ops->commit(host);
}

static void another_module(struct world *world)
{
	static const __u32 counts[] = { 1, 2, 4, 6, 0, TDX_MT_MAX_COUNT + 1 };
	struct host *host = &world->host;
	__u32 choice = take_below(world->bytes, 12);

	/* Mostly one that works. */
	host->now.sim_head.identity.mt_page_count = counts[choice < 6 ? choice : choice % 4];
	if (take(world->bytes) & 1)
		host->now.sim_head.identity.abi_profile = take_below(world->bytes, 3);
	sim_environment_set(&host->sim, TDX_IOMMU_ENV_OK, 1);
}

static enum tdx_mode true_mode(const struct sim_unit *unit)
{
	return unit->phase == SIM_CONFIGURED || unit->phase == SIM_CLEARING || unit->phase == SIM_FOREIGN ? TDX_MODE_ON : TDX_MODE_OFF;
}

/* A look takes trust away where the registers speak against it, and never gives it. */
static void look(struct world *world, __u64 reg_base, __u32 gsts, enum tdx_mode mode)
{
	struct tdx_unit *unit = tdx_table_find(&world->host.table, reg_base);
	struct tdx_unit before = *unit;

	tdx_table_look(&world->host.table, reg_base, gsts, mode);
	if (unit->state == TDX_IOMMU_TRUSTED && before.state != TDX_IOMMU_TRUSTED)
		violated("a look gave trust");
	if (unit->state == TDX_IOMMU_TRUSTED && (gsts == TDX_GSTS_GONE || mode == TDX_MODE_OFF))
		violated("trusted after a look that speaks against it");
	if ((unit->flags ^ before.flags) & TDX_UNIT_ID_VALID || unit->id != before.id || unit->held.root != before.held.root)
		violated("a look took an id or pages");
}

static void any_look(struct world *world)
{
	__u8 what = take(world->bytes);
	const struct sim_unit *truth = truth_of(world, units[what % 3]);
	enum tdx_mode mode = what / 3 % 4 < 3 ? (enum tdx_mode)(what / 3 % 4) : true_mode(truth);

	look(world, truth->reg_base, truth->present && what / 12 % 4 ? truth->gsts : TDX_GSTS_GONE, mode);
}

void event_honest_look(struct world *world, __u64 reg_base)
{
	const struct sim_unit *truth = truth_of(world, reg_base);

	look(world, reg_base, truth->present ? truth->gsts : TDX_GSTS_GONE, true_mode(truth));
}

void event_happens(struct world *world, enum event event)
{
	struct host *host = &world->host;

	switch (event) {
	case EVENT_REBOOT:
		event_reboot(world);
		break;
	case EVENT_VANISH:
		vanish(world);
		break;
	case EVENT_ENVIRONMENT:
		sim_environment_set(&host->sim, take_below(world->bytes, 6), take(world->bytes) & 1);
		break;
	case EVENT_ANOTHER_MODULE:
		another_module(world);
		break;
	case EVENT_BACKEND_GONE:
		host->backend_gone = !host->backend_gone;
		break;
	case EVENT_LOOK:
		any_look(world);
		break;
	default:
		return;
	}
	/* Whatever it was, it is no part of a step that a death could undo. */
	if (!host->dead)
		host->stored = host->now;
}
