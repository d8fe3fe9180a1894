// SPDX-License-Identifier: Apache-2.0
/* What tests do to the host, and what must hold of it always. */
#include "check.h"
#include "host.h"

int host_setup(struct host *host, __u64 reg_base)
{
	struct tdx_iommu_setup setup = { .size = sizeof(setup), .reg_base = reg_base };
	int rc = tdx_table_setup(&host->table, &setup);

	return rc ? rc : (int)setup.outcome;
}

int host_clear(struct host *host, __u64 reg_base)
{
	return host_clear_by(host, reg_base, 0);
}

int host_clear_by(struct host *host, __u64 reg_base, __u64 not_after)
{
	struct tdx_iommu_unit unit = host_unit(host, reg_base);
	struct tdx_iommu_clear clear = { .size = sizeof(clear), .reg_base = reg_base, .not_after = not_after };
	int rc;

	clear.tdx_iommu_id = unit.tdx_iommu_id;
	clear.setup_seq = unit.setup_seq;
	rc = tdx_table_clear(&host->table, &clear);
	return rc ? rc : (int)clear.outcome;
}

struct tdx_iommu_unit host_unit(struct host *host, __u64 reg_base)
{
	struct tdx_iommu_unit units[HOST_UNITS] = { 0 }, none = { .state = 99 };
	struct tdx_iommu_list list = { 0 };
	__u32 i;

	tdx_table_fill(&host->table, units, HOST_UNITS, &list);
	for (i = 0; i < list.count; i++) {
		if (units[i].reg_base == reg_base)
			return units[i];
	}
	return none;
}

void host_fault(struct host *host, __u32 leaf, __u64 status, __u32 count)
{
	struct sim_fault fault = { .leaf = leaf, .any_unit = 1, .status = status, .has_status = 1, .count = count };

	CHECK_EQ(sim_fault_add(&host->sim, &fault), 0);
}

void host_fault_keeping(struct host *host, __u64 status)
{
	struct sim_fault fault = {
		.leaf = TDX_LEAF_IOMMU_SETUP, .any_unit = 1, .status = status, .has_status = 1, .count = 1, .keep_pages = 1
	};

	CHECK_EQ(sim_fault_add(&host->sim, &fault), 0);
}

void host_refresh(struct host *host)
{
	CHECK_EQ(host->table.ops->begin(host), 0);
	tdx_table_refresh(&host->table);
	CHECK_EQ(host->table.ops->commit(host), 0);
}

__u32 host_pages_used(const struct host *host)
{
	__u32 i, used = 0;

	for (i = 0; i < HOST_PAGES; i++)
		used += host->now.used[i];
	return used;
}

__u32 host_pages_owned(const struct host *host)
{
	__u32 i, owned = 0;

	for (i = 0; i < HOST_PAGES; i++)
		owned += host->now.sim_pages[i].owner != 0;
	return owned;
}

void host_check(struct host *host)
{
	__u32 i;

	CHECK_EQ(host->mistakes, 0);
	CHECK_EQ(host->locked, 0);
	CHECK_EQ(host->in_step, 0);
	sim_check_pages(&host->sim);
	CHECK_EQ(host->now.sim_head.corrupted, 0);
	for (i = 0; i < HOST_PAGES; i++) {
		if (host->now.sim_pages[i].owner)
			CHECK_EQ(host->now.used[i], 1);
	}
}
