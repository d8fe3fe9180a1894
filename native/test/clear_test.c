// SPDX-License-Identifier: Apache-2.0
/* When a CLEAR is no longer issued, and what is believed of the pages that it gives back. */
#include <errno.h>

#include "../table/internal.h"
#include "check.h"
#include "host.h"
#include "tests.h"

#define MT 4U
#define GIVEN TDX_MT_PAGES(MT)
#define SET_PAGES (GIVEN + 2) /* with root and ledger */
#define LONG 1000000000ULL

static void trusted_host(struct host *host, __u32 profile)
{
	host_start(host, profile, MT);
	CHECK_EQ(host_setup(host, UNIT_A), TDX_IOMMU_DONE);
}

static void turn_comes_too_late(void)
{
	struct tdx_iommu_unit before, after;
	struct host host;
	__u64 generation;

	trusted_host(&host, TDX_IOMMU_PROFILE_NEWEST);
	host.clock += LONG;
	before = host_unit(&host, UNIT_A);
	generation = host.now.table_head.generation;
	CHECK_EQ(host_clear_by(&host, UNIT_A, host.clock), -ETIME);
	after = host_unit(&host, UNIT_A);
	CHECK_EQ(after.state, TDX_IOMMU_TRUSTED);
	CHECK_EQ(after.leaf, TDX_LEAF_IOMMU_SETUP);
	CHECK_EQ(after.attempts, before.attempts);
	CHECK_EQ(after.tdx_iommu_id, before.tdx_iommu_id);
	CHECK_EQ(after.pages_donated, GIVEN);
	CHECK_EQ(host.now.table_head.generation, generation);
	CHECK_EQ(host.now.sim_head.clear_calls, 0);
	/* What else is wrong is said first. */
	CHECK_EQ(host_clear_by(&host, UNIT_B, 1), -ESTALE);
	CHECK_EQ(host_clear_by(&host, UNIT_A, host.clock + LONG), TDX_IOMMU_DONE);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_clear_by(&host, UNIT_A, 0), TDX_IOMMU_DONE);
	host_check(&host);
	host_stop(&host);
}

static void time_passes(struct host *host)
{
	host->clock += LONG;
}

static void what_has_begun_goes_on(void)
{
	struct host host;

	trusted_host(&host, TDX_IOMMU_PROFILE_NEWEST);
	host.now.sim_head.interruptions = 5;
	host.before_call = time_passes;
	CHECK_EQ(host_clear_by(&host, UNIT_A, host.clock + LONG / 2), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_A).attempts, 6);
	/* Nor does a process that takes over ask again. */
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	host.steps_until_kill = 3;
	CHECK_EQ(host_clear_by(&host, UNIT_A, host.clock + LONG / 2), -ECANCELED);
	host_restart(&host);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_CLEARING);
	host.clock += LONG;
	CHECK_EQ(tdx_table_resume(&host.table), 0);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNTRUSTED);
	host_check(&host);
	host_stop(&host);
}

static void module_stops_answering(struct host *host)
{
	sim_environment_set(&host->sim, TDX_IOMMU_ENV_VMFAILINVALID, 0);
	/* A LIST in between: the identity that it reads says nothing of how CLEAR is called. */
	host_refresh(host);
	host->before_call = NULL;
}

static void answers_after_an_attempt(struct host *host)
{
	if (host->now.sim_head.clear_calls == 0)
		return;
	sim_environment_set(&host->sim, TDX_IOMMU_ENV_NOT_READY, 0);
	host_refresh(host);
	sim_environment_set(&host->sim, TDX_IOMMU_ENV_OK, 0);
	host->before_call = NULL;
}

static void module_goes_during_clear(__u32 profile)
{
	struct tdx_iommu_unit unit;
	struct host host;

	trusted_host(&host, profile);
	host.before_call = module_stops_answering;
	CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_OUT_FAILED);
	unit = host_unit(&host, UNIT_A);
	CHECK_EQ(unit.state, TDX_IOMMU_FAILED);
	CHECK_EQ(unit.leaf, TDX_LEAF_IOMMU_CLEAR);
	CHECK_EQ(unit.status, TDX_SEAMCALL_VMFAILINVALID);
	CHECK_EQ(unit.pages_donated, GIVEN);
	sim_environment_set(&host.sim, TDX_IOMMU_ENV_OK, 0);
	CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
	/* Between two attempts: the second one is the first one's repetition, register for register. */
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	host.now.sim_head.clear_calls = 0;
	host.now.sim_head.interruptions = 2;
	host.before_call = answers_after_an_attempt;
	CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host.before_call == NULL, 1);
	host_check(&host);
	host_stop(&host);
}

static void registers_stay(void)
{
	module_goes_during_clear(TDX_IOMMU_PROFILE_UNKNOWN);
	module_goes_during_clear(TDX_IOMMU_PROFILE_V2);
	module_goes_during_clear(TDX_IOMMU_PROFILE_NEWEST);
}

static void info_tells_of_it(void)
{
	struct tdx_iommu_info info = { .size = sizeof(info) };
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	tdx_table_info(&host.table, &info);
	CHECK_EQ(info.abi_version, 2);
	CHECK_EQ(info.flags & TDX_IOMMU_INFO_NOT_AFTER, TDX_IOMMU_INFO_NOT_AFTER);
	host_stop(&host);
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
	/* The next user of a page that the module still owns overwrites it. */
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
	struct sim_fault fault = { .leaf = TDX_LEAF_PHYMEM_PAGE_WBINVD,
				   .any_unit = 1,
				   .has_status = 1,
				   .status = TDX_OPERAND_BUSY | TDX_OPERAND_RCX,
				   .count = 1 };
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
	TEST(turn_comes_too_late, "a CLEAR whose turn comes after not_after is not issued and leaves the unit as it was");
	TEST(what_has_begun_goes_on, "a CLEAR that has begun goes on, however long it takes and whichever caller finishes it");
	TEST(registers_stay, "every attempt of a CLEAR has the registers of its first, though the module stops answering in between");
	TEST(info_tells_of_it, "INFO says that CLEAR honours not_after");
	TEST(released_lists, "pages are freed only when the module's list of them is whole, in whatever order, or may be none");
	TEST(write_backs, "each released page is written back, but for the newest module");
	TEST(refused_write_back, "one page whose write-back is refused retains the whole set");
}
