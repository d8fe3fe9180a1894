// SPDX-License-Identifier: Apache-2.0
/* SETUP and CLEAR as a caller makes them, and what their answers promise. */
#include <errno.h>
#include <string.h>

#include "../table/internal.h"
#include "world.h"

static struct tdx_unit *record_of(struct world *world, __u64 reg_base)
{
	return tdx_table_find(&world->host.table, reg_base);
}

static void check_errno(int rc)
{
	if (rc > 0 || (rc && rc != -ETIME && rc != -ENODEV && rc != -ENOENT && rc != -ESTALE && rc != -ENOMEM && rc != -EIO))
		violated("errno %d is not of the contract", -rc);
}

/* A new trust has a sequence number that none had before. */
static void check_sequence(struct world *world, const struct tdx_iommu_unit *unit)
{
	if (unit->setup_seq <= world->max_seq)
		violated("sequence %llu after %llu", unit->setup_seq, world->max_seq);
	world->max_seq = unit->setup_seq;
}

/* Of a unit that does not answer nothing is shown but that. */
static int is_silent(const struct tdx_iommu_unit *unit)
{
	if (unit->gsts != TDX_GSTS_GONE)
		return 0;
	if (unit->state != TDX_IOMMU_UNKNOWN)
		violated("state %u of a unit that does not answer", unit->state);
	return 1;
}

static void check_setup(struct world *world, const struct tdx_iommu_setup *setup)
{
	const struct tdx_iommu_unit *unit = &setup->unit;
	int retryable = !!(unit->flags & TDX_IOMMU_UNIT_RETRYABLE);

	if (unit->reg_base != setup->reg_base)
		violated("SETUP answers for another unit");
	if (setup->outcome == TDX_IOMMU_DONE)
		check_sequence(world, unit);
	if (setup->outcome == TDX_IOMMU_DONE && (!(unit->flags & TDX_IOMMU_UNIT_ID_VALID) || !unit->pages_donated))
		violated("SETUP is done without an id");
	if (setup->outcome > TDX_IOMMU_OUT_FAILED)
		violated("outcome %u", setup->outcome);
	if (is_silent(unit))
		return;
	if (setup->outcome == TDX_IOMMU_ALREADY && (unit->state != TDX_IOMMU_TRUSTED || world->calls))
		violated("ALREADY in state %u after %llu calls", unit->state, world->calls);
	if (setup->outcome == TDX_IOMMU_OUT_UNSUPPORTED && unit->state != TDX_IOMMU_UNSUPPORTED)
		violated("UNSUPPORTED in state %u", unit->state);
	if (setup->outcome == TDX_IOMMU_RETRY && !(retryable && unit->state == TDX_IOMMU_FAILED))
		violated("RETRY in state %u", unit->state);
	if (setup->outcome == TDX_IOMMU_OUT_FAILED && (unit->state == TDX_IOMMU_TRUSTED || (world->calls && retryable)))
		violated("FAILED in state %u", unit->state);
}

static void check_clear(const struct tdx_iommu_clear *clear)
{
	int has_id = !!(clear->unit.flags & TDX_IOMMU_UNIT_ID_VALID);

	if (clear->outcome == TDX_IOMMU_DONE) {
		/* pages_donated may be those of a SETUP that was never issued */
		if (has_id || !(is_silent(&clear->unit) || clear->unit.state == TDX_IOMMU_UNTRUSTED))
			violated("CLEAR is done in state %u", clear->unit.state);
		return;
	}
	if (clear->outcome != TDX_IOMMU_RETRY && clear->outcome != TDX_IOMMU_OUT_FAILED)
		violated("CLEAR has outcome %u", clear->outcome);
	if (!has_id || clear->unit.tdx_iommu_id != clear->tdx_iommu_id || clear->unit.setup_seq != clear->setup_seq)
		violated("a refused CLEAR lost the id");
	if (!clear->unit.pages_donated || !(is_silent(&clear->unit) || clear->unit.state == TDX_IOMMU_FAILED))
		violated("a refused CLEAR in state %u", clear->unit.state);
}

void call_revive(struct world *world)
{
	struct host *host = &world->host;
	int rc;

	if (!host->dead)
		return;
	host_restart(host);
	rc = tdx_table_resume(&host->table);
	if (rc == -ECANCELED)
		violated("resuming was called off without a caller that asked for it");
	if (rc)
		check_errno(rc);
}

struct snapshot world_look(struct world *world)
{
	struct tdx_iommu_list list = { 0 };
	struct snapshot before;

	memset(&before, 0, sizeof(before));
	tdx_table_fill(&world->host.table, before.units, HOST_UNITS, &list);
	before.generation = list.generation;
	before.count = list.count;
	memcpy(before.instance, list.instance, sizeof(before.instance));
	return before;
}

/* A reader that waits for the generation misses nothing. */
static void check_generation(struct world *world, const struct snapshot *before)
{
	struct snapshot now = world_look(world);

	if (memcmp(now.instance, before->instance, sizeof(now.instance)) == 0 && now.generation < before->generation)
		violated("the generation went back");
	if (now.generation == before->generation && memcmp(&now, before, sizeof(now)) != 0)
		violated("the table changed, its generation did not");
}

static void finish(struct world *world, const struct snapshot *before)
{
	if (!world->host.dead) {
		check_generation(world, before);
		if (world->calls)
			check_generation(world, &world->during);
	}
	call_revive(world);
	sets_note(&world->sets, &world->host);
}

void call_setup(struct world *world, __u64 reg_base)
{
	struct tdx_iommu_setup setup = { .size = sizeof(setup), .reg_base = reg_base };
	struct snapshot before = world_look(world);
	int rc;

	world->calls = 0;
	rc = tdx_table_setup(&world->host.table, &setup);
	if (!world->host.dead)
		check_errno(rc);
	if (!rc)
		check_setup(world, &setup);
	finish(world, &before);
}

/* None, one that is far, or, now and then, one that is over. Never over in a calm world, where a CLEAR must go through. */
static __u64 not_after_of(const struct world *world)
{
	const __u64 now = world->host.clock;

	if (now / 1000 % 8 == 5 && world->bytes->left)
		return now - 1;
	return now / 1000 % 2 ? now + 1000000 : 0;
}

/* A page that the module would not write back is not given to others. */
static void check_write_back(const struct world *world, const struct tdx_unit *before, __u64 refused, const struct tdx_iommu_clear *clear)
{
	if (world->host.now.sim_head.write_backs_refused != refused && clear->outcome == TDX_IOMMU_DONE &&
	    clear->unit.pages_retained < before->retained + tdx_pages_given(&before->held))
		violated("pages are free although one was not written back");
}

void call_clear(struct world *world, __u64 reg_base, int with_its_id)
{
	const __u64 refused = world->host.now.sim_head.write_backs_refused;
	struct tdx_unit unit = *record_of(world, reg_base);
	struct tdx_iommu_clear clear = { .size = sizeof(clear), .reg_base = reg_base };
	struct snapshot before = world_look(world);
	int rc, is_over;

	clear.not_after = not_after_of(world);
	is_over = clear.not_after && clear.not_after < world->host.clock;
	clear.tdx_iommu_id = unit.id;
	clear.setup_seq = unit.setup_seq;
	if (!with_its_id) {
		clear.tdx_iommu_id += take_below(world->bytes, 3) - 1U;
		clear.setup_seq += take_below(world->bytes, 3) - 1U;
	}
	with_its_id = unit.flags & TDX_UNIT_ID_VALID && clear.tdx_iommu_id == unit.id && clear.setup_seq == unit.setup_seq;
	world->calls = 0;
	rc = tdx_table_clear(&world->host.table, &clear);
	if (!world->host.dead)
		check_errno(rc);
	if (!with_its_id && (!rc || world->calls))
		violated("CLEAR with a stale id went through");
	if (is_over && (!rc || world->calls))
		violated("CLEAR after its time");
	if (!is_over && rc == -ETIME)
		violated("CLEAR refused before its time is over");
	if (!rc)
		check_clear(&clear);
	if (!rc)
		check_write_back(world, &unit, refused, &clear);
	finish(world, &before);
}
