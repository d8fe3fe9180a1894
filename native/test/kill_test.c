// SPDX-License-Identifier: Apache-2.0
/* The process dies at every step of SETUP and CLEAR; the next one finishes what was under way. */
#include <errno.h>

#include "check.h"
#include "host.h"
#include "tests.h"

#define MT 4U
#define GIVEN TDX_MT_PAGES(MT)

static void consistent(struct host *host)
{
	struct tdx_iommu_unit unit = host_unit(host, UNIT_A);
	const struct sim_unit *truth = &host->now.sim_units[2]; /* UNIT_A was added last */

	host_check(host);
	if (unit.state == TDX_IOMMU_TRUSTED) {
		CHECK_EQ(truth->phase, SIM_CONFIGURED);
		CHECK_EQ(truth->id, unit.tdx_iommu_id);
		CHECK_EQ(host_pages_used(host), GIVEN + 2);
	} else {
		CHECK_EQ(unit.state, TDX_IOMMU_UNTRUSTED);
		CHECK_EQ(truth->phase, SIM_NONE);
		CHECK_EQ(host_pages_used(host), 0);
		CHECK_EQ(host_pages_owned(host), 0);
	}
}

static int killed_in_setup(struct host *host, __u32 profile, int at)
{
	host_start(host, profile, MT);
	host->now.sim_head.interruptions = 2;
	host_fault(host, TDX_LEAF_IOMMU_SETUP, TDX_RND_NO_ENTROPY, 1);
	host->stored = host->now;
	host->steps_until_kill = at;
	host_setup(host, UNIT_A);
	return host->dead;
}

static void at_each_step_of_setup(void)
{
	struct host host;
	int at;

	for (at = 1; at < 100; at++) {
		__u32 state;

		if (!killed_in_setup(&host, TDX_IOMMU_PROFILE_V2, at))
			break;
		host_restart(&host);
		state = host_unit(&host, UNIT_A).state;
		CHECK_EQ(tdx_table_resume(&host.table), 0);
		consistent(&host);
		/* What had been recorded as begun is finished; what had not never was. */
		CHECK_EQ(host_unit(&host, UNIT_A).state, state == TDX_IOMMU_UNTRUSTED ? TDX_IOMMU_UNTRUSTED : TDX_IOMMU_TRUSTED);
		CHECK_EQ(host_setup(&host, UNIT_A), state == TDX_IOMMU_UNTRUSTED ? TDX_IOMMU_DONE : TDX_IOMMU_ALREADY);
		consistent(&host);
		host_stop(&host);
	}
	CHECK(at > 10 && at < 100);
	host_stop(&host);
}

static void at_each_step_of_clear(void)
{
	struct host host;
	int at;

	for (at = 1; at < 100; at++) {
		int dead;

		host_start(&host, at % 2 ? TDX_IOMMU_PROFILE_V2 : TDX_IOMMU_PROFILE_NEWEST, MT);
		CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
		host.now.sim_head.interruptions = 3;
		host.stored = host.now;
		host.steps_until_kill = at;
		host_clear(&host, UNIT_A);
		dead = host.dead;
		host_restart(&host);
		CHECK_EQ(tdx_table_resume(&host.table), 0);
		consistent(&host);
		if (host_unit(&host, UNIT_A).state == TDX_IOMMU_TRUSTED)
			CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
		consistent(&host);
		CHECK_EQ(host_pages_used(&host), 0);
		host_stop(&host);
		if (!dead)
			break;
	}
	CHECK(at > 8 && at < 100);
}

static void again_and_again(void)
{
	struct host host;
	int at, deaths = 0;

	for (at = 1; at < 100; at++) {
		if (!killed_in_setup(&host, TDX_IOMMU_PROFILE_V2, at))
			break;
		do {
			host_restart(&host);
			host.steps_until_kill = 5; /* one attempt is recorded, the second is not */
			deaths++;
			CHECK(deaths < 10000);
			tdx_table_resume(&host.table);
		} while (host.dead && host_unit(&host, UNIT_A).state == TDX_IOMMU_SETTING_UP && deaths < 10000);
		host_restart(&host);
		CHECK_EQ(tdx_table_resume(&host.table), 0);
		consistent(&host);
		host_stop(&host);
	}
	host_stop(&host);
	CHECK(deaths > 15);
}

void kill_tests(void)
{
	TEST(at_each_step_of_setup, "a SETUP killed at any step is either finished by the next process or never was");
	TEST(at_each_step_of_clear, "a CLEAR killed at any step is either finished by the next process or never was");
	TEST(again_and_again, "processes that die again and again still finish, losing nothing");
}
