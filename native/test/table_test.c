// SPDX-License-Identifier: Apache-2.0
/* What the table promises about one unit's life. */
#include <errno.h>

#include "check.h"
#include "host.h"
#include "tests.h"

#define MT 4U
#define GIVEN TDX_MT_PAGES(MT)
#define SET_PAGES (GIVEN + 2) /* with root and ledger */

static const __u32 profiles[] = { TDX_IOMMU_PROFILE_UNKNOWN, TDX_IOMMU_PROFILE_V2, TDX_IOMMU_PROFILE_NEWEST };

static void life_of_a_unit(void)
{
	struct host host;
	__u32 i;

	for (i = 0; i < 3; i++) {
		struct tdx_iommu_unit unit;

		host_start(&host, profiles[i], MT);
		CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNTRUSTED);
		CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
		unit = host_unit(&host, UNIT_A);
		CHECK_EQ(unit.state, TDX_IOMMU_TRUSTED);
		CHECK_EQ(unit.flags, TDX_IOMMU_UNIT_ID_VALID);
		CHECK_EQ(unit.setup_seq, 1);
		CHECK_EQ(unit.leaf, TDX_LEAF_IOMMU_SETUP);
		CHECK_EQ(unit.attempts, 1);
		CHECK_EQ(unit.pages_donated, GIVEN);
		CHECK_EQ(host_pages_owned(&host), GIVEN);
		CHECK_EQ(host_pages_used(&host), SET_PAGES);
		CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_ALREADY);
		CHECK_EQ(host.now.sim_head.setup_calls, 1);
		CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
		CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNTRUSTED);
		CHECK_EQ(host_unit(&host, UNIT_A).flags, 0);
		CHECK_EQ(host_pages_used(&host), 0);
		CHECK_EQ(host_clear(&host, UNIT_A), -ESTALE);
		CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
		CHECK_EQ(host_unit(&host, UNIT_A).setup_seq, 2);
		host_check(&host);
		host_stop(&host);
	}
}

static void list_is_sorted_and_partial(void)
{
	struct tdx_iommu_unit units[HOST_UNITS];
	struct tdx_iommu_list list = { 0 };
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	tdx_table_fill(&host.table, units, 2, &list);
	CHECK_EQ(list.count, 2);
	CHECK_EQ(list.total, 3);
	CHECK_EQ(units[0].reg_base, UNIT_A);
	CHECK_EQ(units[1].reg_base, UNIT_B);
	host_stop(&host);
}

static void clear_wants_all_three(void)
{
	struct tdx_iommu_clear clear = { .size = sizeof(clear), .reg_base = UNIT_A };
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	clear.tdx_iommu_id = 0;
	clear.setup_seq = 2;
	CHECK_EQ(tdx_table_clear(&host.table, &clear), -ESTALE);
	clear.tdx_iommu_id = 1;
	clear.setup_seq = 1;
	CHECK_EQ(tdx_table_clear(&host.table, &clear), -ESTALE);
	clear.reg_base = UNIT_B;
	CHECK_EQ(tdx_table_clear(&host.table, &clear), -ESTALE);
	clear.reg_base = 0x1000;
	CHECK_EQ(tdx_table_clear(&host.table, &clear), -ENOENT);
	CHECK_EQ(host.now.sim_head.clear_calls, 0);
	host_check(&host);
	host_stop(&host);
}

static void units_without_the_bit(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	host.now.units[0].ecap = 0;
	host.now.units[0].state = TDX_IOMMU_UNTRUSTED;
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_UNSUPPORTED);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNSUPPORTED);
	CHECK_EQ(host.now.sim_head.setup_calls, 0);
	CHECK_EQ(host_setup(&host, 0x5000), -ENOENT);
	host_check(&host);
	host_stop(&host);
}

static void foreign_units(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	host.now.units[0].flags |= TDX_UNIT_FOREIGN;
	host.now.units[0].state = TDX_IOMMU_FOREIGN;
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_FAILED);
	CHECK_EQ(host_clear(&host, UNIT_A), -ESTALE);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_FOREIGN);
	CHECK_EQ(host.now.sim_head.setup_calls + host.now.sim_head.clear_calls, 0);
	host_stop(&host);
}

static void real_calls_not_enabled(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	host.now.table_head.flags = 0;
	CHECK_EQ(host_setup(&host, UNIT_A), -EOPNOTSUPP);
	CHECK_EQ(host_clear(&host, UNIT_A), -EOPNOTSUPP);
	host_stop(&host);
}

static void modules_without_connect(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	host.now.sim_head.identity.features0 = 0;
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_UNSUPPORTED);
	host.now.sim_head.identity.features0 = TDX_FEATURES0_CONNECT;
	host.now.sim_head.identity.valid &= ~TDX_IOMMU_VALID_MT_PAGE_COUNT;
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_UNSUPPORTED);
	sim_environment_set(&host.sim, TDX_IOMMU_ENV_NOT_OPTED_IN, 0);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_UNSUPPORTED);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNSUPPORTED);
	CHECK_EQ(host.now.sim_head.setup_calls, 0);
	host.now.sim_head.identity.valid |= TDX_IOMMU_VALID_MT_PAGE_COUNT;
	sim_environment_set(&host.sim, TDX_IOMMU_ENV_OK, 0);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	host_stop(&host);
}

static void impossible_page_counts(void)
{
	static const __u32 counts[] = { 0, 511, 0xFFFF };
	struct host host;
	__u32 i;

	for (i = 0; i < 3; i++) {
		host_start(&host, TDX_IOMMU_PROFILE_NEWEST, counts[i]);
		CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_FAILED);
		CHECK_EQ(host.now.sim_head.setup_calls, 0);
		CHECK_EQ(host_pages_used(&host), 0);
		host_stop(&host);
	}
}

static void look(struct host *host, __u32 gsts, enum tdx_mode mode)
{
	tdx_table_look(&host->table, UNIT_A, gsts, mode);
}

static void looks_take_trust_away(void)
{
	static const struct {
		__u32 gsts;
		enum tdx_mode mode;
	} looks[] = { { TDX_GSTS_GONE, TDX_MODE_UNREAD }, { TDX_GSTS_GONE, TDX_MODE_ON }, { 0xC6000000, TDX_MODE_OFF } };
	struct host host;
	__u32 i;

	for (i = 0; i < 3; i++) {
		struct tdx_iommu_unit unit;
		__u64 generation;

		host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
		CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
		generation = host.now.table_head.generation;
		look(&host, 0xC6000000, TDX_MODE_ON);
		CHECK_EQ(host.now.table_head.generation, generation);
		look(&host, looks[i].gsts, looks[i].mode);
		CHECK(host.now.table_head.generation != generation);
		look(&host, 0xC6000000, TDX_MODE_ON);
		unit = host_unit(&host, UNIT_A);
		CHECK_EQ(unit.state, TDX_IOMMU_UNKNOWN);
		CHECK_EQ(unit.flags, TDX_IOMMU_UNIT_ID_VALID);
		CHECK_EQ(unit.pages_donated, GIVEN);
		CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
		CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNTRUSTED);
		host_check(&host);
		host_stop(&host);
	}
}

static void pulled_out(struct host *host)
{
	look(host, TDX_GSTS_GONE, TDX_MODE_UNREAD);
}

static void gone_in_setup(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	host.before_call = pulled_out;
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNKNOWN);
	CHECK_EQ(host_unit(&host, UNIT_A).flags, TDX_IOMMU_UNIT_ID_VALID);
	look(&host, 0xC6000000, TDX_MODE_UNREAD);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNKNOWN);
	host_stop(&host);
}

static void foreign_while_in_the_mode(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	look(&host, 0xC6000000, TDX_MODE_ON);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_FOREIGN);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_FAILED);
	CHECK_EQ(host.now.sim_head.setup_calls, 0);
	look(&host, 0xC6000000, TDX_MODE_OFF);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNTRUSTED);
	/* Halfway in it by a SETUP of ours, which must be repeated with the same pages. */
	host_fault_keeping(&host, TDX_IOMMU_ECMD_TIMEOUT);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_RETRY);
	look(&host, 0xC6000000, TDX_MODE_ON);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_FAILED);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	host_check(&host);
	host_stop(&host);
}

void table_tests(void)
{
	TEST(looks_take_trust_away, "a unit that does not answer, or is not in TDX mode, is not trusted and keeps its id");
	TEST(gone_in_setup, "a unit that goes in the middle of SETUP has an id and no trust");
	TEST(foreign_while_in_the_mode, "a unit in TDX mode is foreign, unless a SETUP of ours is halfway");
	TEST(life_of_a_unit, "a unit goes from untrusted to trusted and back, under each profile");
	TEST(list_is_sorted_and_partial, "a list is in order of reg_base and tells the total of what does not fit");
	TEST(clear_wants_all_three, "CLEAR is stale unless unit, id and sequence match");
	TEST(units_without_the_bit, "a unit without ECAP bit 50 is unsupported without a SEAMCALL");
	TEST(foreign_units, "a unit in TDX mode without our id is never touched");
	TEST(real_calls_not_enabled, "without real SETUP enabled nothing is called");
	TEST(modules_without_connect, "a module without TDX Connect makes units unsupported until it has it");
	TEST(impossible_page_counts, "an impossible page count fails without a SEAMCALL");
}
