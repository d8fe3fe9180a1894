// SPDX-License-Identifier: Apache-2.0
/* What is believed of the pages that a CLEAR gives back. */
#include "../table/internal.h"
#include "check.h"
#include "host.h"
#include "tests.h"

#define MT 4U
#define GIVEN TDX_MT_PAGES(MT)
#define SET_PAGES (GIVEN + 2) /* with root and ledger */

static void trusted_host(struct host *host, __u32 profile)
{
	host_start(host, profile, MT);
	CHECK_EQ(host_setup(host, UNIT_A), TDX_IOMMU_DONE);
}

static void script_list(struct host *host, __u32 list)
{
	struct sim_fault fault = { .leaf = TDX_LEAF_IOMMU_CLEAR, .any_unit = 1, .count = 1, .list = list };

	CHECK_EQ(sim_fault_add(&host->sim, &fault), 0);
}

struct list_case {
	__u32 list;
	int believed_by_unknown;
	int believed_by_v2;
};

static const struct list_case list_cases[] = {
	{ SIM_LIST_OF_PROFILE, 1, 1 },
	{ SIM_LIST_WHOLE, 1, 1 },
	{ SIM_LIST_SHUFFLED, 1, 1 },
	{ SIM_LIST_SHORT, 0, 0 },
	{ SIM_LIST_FOREIGN, 0, 0 },
	{ SIM_LIST_TWICE, 0, 0 },
	{ SIM_LIST_MORE, 0, 0 },
	{ SIM_LIST_NONE, 1, 0 },
	/* The module itself refuses to write the page back. */
	{ SIM_LIST_NONE_SHORT, 0, 0 },
};
#define LIST_CASES (sizeof(list_cases) / sizeof(list_cases[0]))

static void clear_with_list(__u32 profile, __u32 list, __u32 lax, int believed)
{
	struct host host;

	trusted_host(&host, profile);
	host.now.sim_head.lax = lax;
	/* What a CLEAR before has left there is no answer to this one. */
	host.table.ops->entry_write(&host, host.now.units[0].held.root, TDX_MT_ENTRIES - 1, HOST_BASE);
	script_list(&host, list);
	CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNTRUSTED);
	CHECK_EQ(host_unit(&host, UNIT_A).pages_retained, believed ? 0 : GIVEN);
	CHECK_EQ(host_pages_used(&host), believed ? 0 : SET_PAGES);
	/* Whoever gets a page next that the module still owns, overwrites it. */
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_DONE);
	CHECK_EQ(host_setup(&host, UNIT_C), TDX_IOMMU_DONE);
	host_check(&host);
	host_stop(&host);
}

static void released_lists(void)
{
	__u32 i;

	for (i = 0; i < LIST_CASES; i++) {
		const struct list_case *one = &list_cases[i];

		clear_with_list(TDX_IOMMU_PROFILE_UNKNOWN, one->list, 0, one->believed_by_unknown);
		clear_with_list(TDX_IOMMU_PROFILE_V2, one->list, 0, one->believed_by_v2);
		/* A module that refuses no write-back: then the list is all there is to go by. */
		if (one->list != SIM_LIST_NONE_SHORT)
			clear_with_list(TDX_IOMMU_PROFILE_UNKNOWN, one->list, 1, one->believed_by_unknown);
		clear_with_list(TDX_IOMMU_PROFILE_V2, one->list, 1, one->believed_by_v2);
	}
}

static void refused_write_back(void)
{
	static const __u32 profiles[] = { TDX_IOMMU_PROFILE_UNKNOWN, TDX_IOMMU_PROFILE_V2 };
	struct sim_fault fault = {
		.leaf = TDX_LEAF_PHYMEM_PAGE_WBINVD, .any_unit = 1, .has_status = 1, .status = TDX_OPERAND_BUSY | TDX_OPERAND_RCX, .count = 1
	};
	struct host host;
	__u32 i;

	for (i = 0; i < 2 * GIVEN; i++) {
		trusted_host(&host, profiles[i % 2]);
		fault.skip = i / 2;
		CHECK_EQ(sim_fault_add(&host.sim, &fault), 0);
		CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
		CHECK_EQ(host.now.sim_head.write_backs, fault.skip + 1);
		CHECK_EQ(host_unit(&host, UNIT_A).pages_retained, GIVEN);
		CHECK_EQ(host_pages_used(&host), SET_PAGES);
		host_check(&host);
		host_stop(&host);
	}
}

static void write_backs(void)
{
	static const __u32 profiles[] = { TDX_IOMMU_PROFILE_UNKNOWN, TDX_IOMMU_PROFILE_V2, TDX_IOMMU_PROFILE_NEWEST };
	static const __u32 expected[] = { GIVEN, GIVEN, 0 };
	struct host host;
	__u32 i;

	for (i = 0; i < 3; i++) {
		trusted_host(&host, profiles[i]);
		CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
		CHECK_EQ(host.now.sim_head.write_backs, expected[i]);
		CHECK_EQ(host.now.sim_head.write_backs_refused, 0);
		CHECK_EQ(host_pages_used(&host), 0);
		host_stop(&host);
	}
}

void clear_tests(void)
{
	TEST(released_lists, "pages are freed only when the module's list of them is whole, in whatever order, or may be none");
	TEST(write_backs, "each released page is written back, but for the newest module");
	TEST(refused_write_back, "one page whose write-back is refused retains the whole set");
}
