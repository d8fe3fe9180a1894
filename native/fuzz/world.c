// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <string.h>

#include "../table/internal.h"

static const __u64 units[] = { UNIT_A, UNIT_B, UNIT_C };

/* Those with a meaning of their own to the table or the module, and some that have none. */
static const __u64 statuses[] = {
	TDX_INTERRUPTED_RESUMABLE,
	TDX_INTERRUPTED_RESUMABLE | 1,
	TDX_INTERRUPTED_RESTARTABLE,
	TDX_INTERRUPTED_BUSY,
	TDX_INTERRUPTED_PAMT,
	TDX_INVALID_RESUMPTION,
	TDX_OPERAND_INVALID | TDX_OPERAND_RCX,
	TDX_OPERAND_INVALID | TDX_OPERAND_RDX,
	TDX_OPERAND_ADDR_RANGE_ERROR | TDX_OPERAND_RDX,
	TDX_OPERAND_BUSY | TDX_OPERAND_RCX,
	TDX_SYS_BUSY,
	TDX_RND_NO_ENTROPY,
	TDX_PAGE_METADATA_INCORRECT,
	TDX_PAGE_NOT_FREE | TDX_OPERAND_PAGE,
	TDX_HPA_RANGE_NOT_FREE,
	TDX_SYS_NOT_READY,
	TDX_SYS_SHUTDOWN,
	TDX_IOMMU_INVALID_STATE,
	TDX_IOMMU_RP_IDE_MUST_BE_DISABLED,
	TDX_IOMMU_MT_PAGE_IN_USE,
	TDX_IOMMU_KCB_MUST_BE_DISABLED,
	TDX_IOMMU_ECMD_TIMEOUT,
	TDX_IOMMU_ECMD_ERROR,
	TDX_SEAMCALL_UD,
	TDX_SEAMCALL_GP,
	TDX_SEAMCALL_VMFAILINVALID,
	0xC0000F5800000000ULL,
	0xFFFFFFFFFFFFFFFFULL,
	1,
};
#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

__u8 take(struct bytes *bytes)
{
	if (!bytes->left)
		return 0;
	bytes->left--;
	return *bytes->at++;
}

__u32 take_below(struct bytes *bytes, __u32 limit)
{
	return take(bytes) % limit;
}

static struct world *world_of(struct host *host)
{
	return (struct world *)((char *)host - offsetof(struct world, host));
}

static void check_no_id_is_at_stake(const struct host *host)
{
	__u32 i;

	for (i = 0; i < host->now.table_head.unit_count; i++) {
		if (host->now.units[i].op_leaf == TDX_LEAF_IOMMU_SETUP && host->now.units[i].flags & TDX_UNIT_ID_VALID)
			violated("SETUP of a unit that has an id");
	}
}

/* Each attempt: the sets are looked at while they are in use, and what was planned for the middle of a call happens. */
static void before_call(struct host *host)
{
	struct world *world = world_of(host);
	enum event event = world->pending;

	check_no_id_is_at_stake(host);
	sets_note(&world->sets, host);
	world->calls++;
	world->pending = EVENT_NONE;
	event_happens(world, event);
	world->during = world_look(world);
}

void world_start(struct world *world, struct bytes *bytes)
{
	static const __u32 counts[] = { 1, 2, 4, 6 };
	__u8 shape = take(bytes);

	memset(world, 0, sizeof(*world));
	world->bytes = bytes;
	host_start(&world->host, shape % 3, counts[shape / 3 % 4]);
	world->host.before_call = before_call;
	world->host.now.sim_head.interruptions = shape / 12 % 4;
	world->host.now.sim_head.lax = shape % 2;
	if (shape / 48 % 4 == 0) {
		/* UNIT_C is another driver's. */
		world->host.now.units[2].flags |= TDX_UNIT_FOREIGN;
		world->host.now.units[2].state = TDX_IOMMU_FOREIGN;
		world->host.now.sim_units[1].phase = SIM_FOREIGN;
	}
	world->host.stored = world->host.now;
}

void world_stop(struct world *world)
{
	host_stop(&world->host);
}

/*
 * A CLEAR that comes to its end with a list that is not right, or a page that can't be written back; the latter instead of a list with
 * too many pages, which harms nothing here.
 */
static void script_release(struct sim_fault *fault, __u32 kind)
{
	if (kind == SIM_LIST_MORE) {
		fault->leaf = TDX_LEAF_PHYMEM_PAGE_WBINVD;
		fault->any_unit = 1;
	} else if (kind != SIM_LIST_OF_PROFILE) {
		fault->list = kind;
		fault->has_status = 0;
	}
}

static void script(struct world *world)
{
	struct bytes *bytes = world->bytes;
	__u8 what = take(bytes), how = take(bytes);
	struct sim_fault fault = {
		.leaf = what % 3 == 0	? 0
			: what % 3 == 1 ? TDX_LEAF_IOMMU_SETUP
					: TDX_LEAF_IOMMU_CLEAR,
		.any_unit = what / 3 % 2,
		.reg_base = units[what / 6 % 3],
		.status = statuses[how % STATUSES],
		.has_status = 1,
		.count = 1 + what / 18 % 4,
		.skip = what / 72 % 3,
	};

	/* A module that keeps pages under a status that says it took none would break its own rules. */
	fault.keep_pages = what / 216 && !tdx_status_took_nothing(fault.status);
	if (fault.leaf == TDX_LEAF_IOMMU_CLEAR)
		script_release(&fault, how / STATUSES);
	sim_fault_add(&world->host.sim, &fault);
}

static void other(struct world *world, __u32 kind)
{
	struct host *host = &world->host;
	struct bytes *bytes = world->bytes;
	__u8 what = take(bytes);

	switch (kind) {
	case 0:
		sim_faults_clear(&host->sim);
		break;
	case 1:
		host->now.sim_head.interruptions = what % 5;
		break;
	case 2:
		sim_link_set(&host->sim, units[what % 3], what / 6, what / 3 % 2);
		break;
	case 3:
		host->now.sim_units[what % 3].gsts ^= 0x40000000;
		break;
	case 4:
		host->allocs_until_failure = what % 16;
		break;
	default:
		host->steps_until_kill = what % 48;
	}
	host->stored = host->now;
}

void world_step(struct world *world)
{
	__u8 what = take(world->bytes);
	__u64 reg_base = units[what / 16 % 3];

	switch (what % 16) {
	case 0 ... 3:
		call_setup(world, reg_base);
		break;
	case 4 ... 6:
		call_clear(world, reg_base, 1);
		break;
	case 7:
		call_clear(world, reg_base, 0);
		break;
	case 8 ... 10:
		script(world);
		break;
	case 11:
		event_happens(world, what / 16 % EVENT_KINDS);
		break;
	case 12:
		world->pending = what / 16 % EVENT_KINDS;
		break;
	case 13:
		if (!tdx_enter(&world->host.table)) {
			tdx_table_refresh_locked(&world->host.table);
			tdx_leave(&world->host.table);
		}
		break;
	default:
		other(world, what / 16 % 6);
	}
	call_revive(world);
	check_world(world);
}

/* The module holds nothing for which the table has no pages: then a unit can be set up again. */
static void must_work_again(struct world *world, __u64 reg_base)
{
	const struct sim_unit *truth = truth_of(world, reg_base);
	struct tdx_unit *unit = tdx_table_find(&world->host.table, reg_base);
	int halfway_with_others = truth->phase == SIM_CONFIGURING && truth->root != unit->tried.root;
	/* One that its registers once denied: pages kept for a repeat stand against the flag, until the module refuses. */
	int is_foreign = unit->flags & TDX_UNIT_FOREIGN || truth->phase == SIM_FOREIGN;

	if (unit->flags & TDX_UNIT_ID_VALID)
		call_clear(world, reg_base, 1);
	if (unit->flags & TDX_UNIT_ID_VALID)
		violated("CLEAR of unit %llx is refused for no reason", (unsigned long long)reg_base);
	if (halfway_with_others || is_foreign)
		return;
	call_setup(world, reg_base);
	if (unit->state != TDX_IOMMU_TRUSTED)
		violated("SETUP of unit %llx is refused for no reason: %llx", (unsigned long long)reg_base, unit->last_status);
	call_clear(world, reg_base, 1);
	if (unit->state != TDX_IOMMU_UNTRUSTED || unit->tried.root || unit->held.root)
		violated("unit %llx is not clean after CLEAR", (unsigned long long)reg_base);
}

void world_calm(struct world *world)
{
	struct host *host = &world->host;
	struct bytes none = { 0 };
	__u32 i;

	world->bytes = &none;
	world->pending = EVENT_NONE;
	host->allocs_until_failure = host->steps_until_kill = host->backend_gone = 0;
	sim_faults_clear(&host->sim);
	host->now.sim_head.link_count = 0;
	if (host->now.sim_head.identity.mt_page_count == 0 || host->now.sim_head.identity.mt_page_count > TDX_MT_MAX_COUNT)
		host->now.sim_head.identity.mt_page_count = 1;
	sim_environment_set(&host->sim, TDX_IOMMU_ENV_OK, 0);
	host->stored = host->now;
	for (i = 0; i < 3; i++) {
		host->now.sim_units[i].gsts |= 0xC4000000U;
		if (!host->now.sim_units[i].present) {
			sim_present_set(&host->sim, host->now.sim_units[i].reg_base, 1);
			if (host->table.ops->begin(host) || tdx_table_set_present(&host->table, host->now.sim_units[i].reg_base, 1))
				violated("a unit does not come back");
			host->table.ops->commit(host);
		}
	}
	for (i = 0; i < 3; i++) {
		event_honest_look(world, units[i]);
		must_work_again(world, units[i]);
		check_world(world);
	}
}
