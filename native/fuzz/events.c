// SPDX-License-Identifier: Apache-2.0
/* What happens to a host beside calls: between them, or in the middle of a SEAMCALL. */
#include <string.h>

#include "world.h"

static const __u64 units[] = { UNIT_A, UNIT_B, UNIT_C };

void event_reboot(struct world *world)
{
	__u8 instance[TDX_IOMMU_INSTANCE_BYTES] = { 0 };
	struct host *host = &world->host;

	memcpy(instance, &(__u32){ ++world->boots }, sizeof(__u32));
	sim_reboot(&host->sim);
	memset(host->now.used, 0, sizeof(host->now.used));
	tdx_table_reset(&host->table, instance);
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
	default:
		return;
	}
	/* Whatever it was, it is no part of a step that a death could undo. */
	if (!host->dead)
		host->stored = host->now;
}
