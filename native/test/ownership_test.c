// SPDX-License-Identifier: Apache-2.0
/* Who owns the pages after each status, on the first and on later attempts, and when memory runs out. */
#include <errno.h>

#include "../table/internal.h"
#include "../table/leaf.h"
#include "check.h"
#include "host.h"
#include "tests.h"

#define MT 4U
#define GIVEN TDX_MT_PAGES(MT)
#define SET_PAGES (GIVEN + 2)

static const __u64 statuses[] = {
	TDX_INTERRUPTED_RESTARTABLE,
	TDX_INTERRUPTED_BUSY,
	TDX_INTERRUPTED_RESUMABLE | 1,
	TDX_IOMMU_ECMD_TIMEOUT,
	TDX_IOMMU_ECMD_ERROR,
	TDX_OPERAND_BUSY | TDX_OPERAND_RCX,
	TDX_SYS_BUSY,
	TDX_OPERAND_INVALID | TDX_OPERAND_RCX,
	TDX_OPERAND_INVALID | TDX_OPERAND_RDX,
	TDX_INVALID_RESUMPTION,
	TDX_PAGE_NOT_FREE | TDX_OPERAND_PAGE,
	TDX_IOMMU_MT_PAGE_IN_USE,
	TDX_IOMMU_INVALID_STATE | TDX_OPERAND_RCX,
	TDX_IOMMU_RP_IDE_MUST_BE_DISABLED | TDX_OPERAND_R8,
	TDX_SYS_NOT_READY,
	TDX_SEAMCALL_UD,
	TDX_SEAMCALL_GP,
	TDX_SEAMCALL_VMFAILINVALID,
	0xC0000F5800000000ULL,
	0xFFFFFFFFFFFFFFFFULL,
};
#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

static int expected_outcome(__u64 status, int tainted)
{
	switch (tdx_status_verdict(&tdx_leaf_setup, status)) {
	case TDX_VERDICT_RETRY:
		return TDX_IOMMU_RETRY;
	case TDX_VERDICT_UNSUPPORTED:
		return tainted ? TDX_IOMMU_OUT_FAILED : TDX_IOMMU_OUT_UNSUPPORTED;
	default:
		return TDX_IOMMU_OUT_FAILED;
	}
}

/* SETUP ends in status after `resumed` interruptions, then is repeated until the module is content. */
static void ends_in(__u64 status, __u32 resumed, int keeping)
{
	int tainted = resumed > 0 || !tdx_status_took_nothing(status);
	struct tdx_iommu_unit unit;
	struct host host;
	int outcome;

	host_start(&host, TDX_IOMMU_PROFILE_V2, MT);
	if (resumed)
		host_fault(&host, TDX_LEAF_IOMMU_SETUP, TDX_INTERRUPTED_RESUMABLE, resumed);
	if (keeping)
		host_fault_keeping(&host, status);
	else
		host_fault(&host, TDX_LEAF_IOMMU_SETUP, status, 1);
	outcome = host_setup(&host, UNIT_A);
	unit = host_unit(&host, UNIT_A);
	CHECK_EQ(outcome, expected_outcome(status, tainted));
	CHECK_EQ(unit.status, status);
	CHECK_EQ(unit.attempts, resumed + 1);
	CHECK_EQ(unit.pages_retained, tainted ? GIVEN : 0);
	CHECK_EQ(!!(unit.flags & TDX_IOMMU_UNIT_RETRYABLE), outcome == TDX_IOMMU_RETRY);
	if (tainted)
		CHECK_EQ(host_pages_used(&host), SET_PAGES);
	else if (outcome != TDX_IOMMU_RETRY)
		CHECK_EQ(host_pages_used(&host), 0);
	host_check(&host);

	/* Other units take whatever was freed: a page freed too early is now overwritten. */
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_DONE);
	host_check(&host);

	outcome = host_setup(&host, UNIT_A);
	unit = host_unit(&host, UNIT_A);
	if (tdx_status_blames_pages(status) && (resumed || keeping)) {
		/* Those pages were given up while the module was halfway with them: it takes no others. */
		CHECK_EQ(outcome, TDX_IOMMU_OUT_FAILED);
		CHECK_EQ(unit.status, TDX_INVALID_RESUMPTION | TDX_OPERAND_RDX);
	} else {
		CHECK_EQ(outcome, TDX_IOMMU_DONE);
		CHECK_EQ(unit.state, TDX_IOMMU_TRUSTED);
		CHECK_EQ(unit.pages_donated, GIVEN);
		CHECK_EQ(unit.pages_retained, tdx_status_blames_pages(status) ? GIVEN : 0);
	}
	host_check(&host);
	host_stop(&host);
}

static void after_each_status(void)
{
	__u32 i, resumed;

	for (i = 0; i < STATUSES; i++) {
		for (resumed = 0; resumed < 3; resumed++)
			ends_in(statuses[i], resumed, 0);
		/* A module that keeps the pages although its status says that it took none breaks its own rules. */
		if (!tdx_status_took_nothing(statuses[i]))
			ends_in(statuses[i], 0, 1);
	}
}

static void clear_after_each_status(void)
{
	static const __u32 profiles[] = { TDX_IOMMU_PROFILE_V2, TDX_IOMMU_PROFILE_NEWEST };
	struct tdx_iommu_unit before, unit;
	struct host host;
	__u32 i;

	for (i = 0; i < STATUSES * 2; i++) {
		__u64 status = statuses[i / 2];
		int retry = tdx_status_verdict(&tdx_leaf_clear, status) == TDX_VERDICT_RETRY;

		host_start(&host, profiles[i % 2], MT);
		CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
		before = host_unit(&host, UNIT_A);
		host_fault(&host, TDX_LEAF_IOMMU_CLEAR, TDX_INTERRUPTED_RESUMABLE, i % 3);
		if (i % 3 == 0)
			sim_faults_clear(&host.sim);
		host_fault(&host, TDX_LEAF_IOMMU_CLEAR, status, 1);
		CHECK_EQ(host_clear(&host, UNIT_A), retry ? TDX_IOMMU_RETRY : TDX_IOMMU_OUT_FAILED);
		unit = host_unit(&host, UNIT_A);
		CHECK_EQ(unit.state, TDX_IOMMU_FAILED);
		CHECK_EQ(unit.flags, TDX_IOMMU_UNIT_ID_VALID | (retry ? TDX_IOMMU_UNIT_RETRYABLE : 0U));
		CHECK_EQ(unit.tdx_iommu_id, before.tdx_iommu_id);
		CHECK_EQ(unit.setup_seq, before.setup_seq);
		CHECK_EQ(unit.pages_donated, GIVEN);
		CHECK_EQ(host_pages_used(&host), SET_PAGES);
		/* SETUP on what still has an id would lose it. */
		CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_FAILED);
		CHECK_EQ(host.now.sim_head.setup_calls, 1);
		CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
		CHECK_EQ(host_pages_used(&host), 0);
		host_check(&host);
		host_stop(&host);
	}
}

static void root_page_of_a_repeat(void)
{
	struct host host;
	__u64 root;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	host_fault(&host, TDX_LEAF_IOMMU_SETUP, TDX_IOMMU_ECMD_TIMEOUT, 2);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_RETRY);
	root = host.now.units[0].tried.root;
	CHECK(root);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_RETRY);
	CHECK_EQ(host.now.units[0].tried.root, root);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host.now.units[0].held.root, root);
	CHECK_EQ(host_unit(&host, UNIT_A).pages_retained, 0);
	host_check(&host);
	host_stop(&host);
}

static void entropy_is_bounded(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	host_fault(&host, TDX_LEAF_IOMMU_SETUP, TDX_RND_NO_ENTROPY, 19);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_RETRY);
	CHECK_EQ(host_unit(&host, UNIT_A).attempts, 10);
	CHECK_EQ(host_unit(&host, UNIT_A).pages_retained, 0);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_A).attempts, 10);
	host_check(&host);
	host_stop(&host);
}

static void resumption_is_not_bounded(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_V2, MT);
	host_fault(&host, 0, TDX_INTERRUPTED_RESUMABLE, 5000);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_A).attempts, 5001);
	host.now.sim_head.interruptions = 7;
	CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_A).attempts, 8);
	CHECK_EQ(host_pages_used(&host), 0);
	host_check(&host);
	host_stop(&host);
}

static void each_failing_allocation(void)
{
	struct host host;
	__u32 nth, needed = 2 + TDX_MT_QUEUES + MT;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	for (nth = 1; nth <= needed; nth++) {
		host.allocs_until_failure = (int)nth;
		CHECK_EQ(host_setup(&host, UNIT_A), -ENOMEM);
		CHECK_EQ(host_pages_used(&host), 0);
		CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNTRUSTED);
		CHECK_EQ(host.now.sim_head.setup_calls, 0);
	}
	host.allocs_until_failure = (int)needed + 1;
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	host_check(&host);
	host_stop(&host);
}

static void a_release_list_that_lies(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_V2, MT);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	/* The module lists its pages in the wrong places. */
	host.now.sim_pages[2].entry = 1;
	CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNTRUSTED);
	CHECK_EQ(host_unit(&host, UNIT_A).pages_retained, GIVEN);
	CHECK_EQ(host_pages_used(&host), SET_PAGES);
	host_stop(&host);
}

static void another_page_count(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	host_fault(&host, TDX_LEAF_IOMMU_SETUP, TDX_SYS_BUSY, 1);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_RETRY);
	host_fault(&host, TDX_LEAF_IOMMU_SETUP, TDX_IOMMU_ECMD_TIMEOUT, 1);
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_RETRY);
	host.now.sim_head.identity.mt_page_count = MT + 1;
	sim_environment_set(&host.sim, TDX_IOMMU_ENV_OK, 1);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_A).pages_donated, GIVEN + 1);
	CHECK_EQ(host_unit(&host, UNIT_A).pages_retained, 0);
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_B).pages_retained, GIVEN);
	host_check(&host);
	host_stop(&host);
}

void ownership_tests(void)
{
	TEST(after_each_status, "SETUP frees pages only if every attempt proved that none was taken, whatever the status");
	TEST(clear_after_each_status, "a refused CLEAR keeps id and pages, and may be repeated, whatever the status");
	TEST(root_page_of_a_repeat, "a repeated SETUP uses the same root page");
	TEST(entropy_is_bounded, "want of entropy is repeated ten times");
	TEST(resumption_is_not_bounded, "resumption goes on as long as the module asks for it");
	TEST(each_failing_allocation, "whichever allocation fails, nothing is left behind");
	TEST(a_release_list_that_lies, "pages are retained when the module's release list is not what was given");
	TEST(another_page_count, "pages kept for a repeat are dropped when the module wants another number");
}
