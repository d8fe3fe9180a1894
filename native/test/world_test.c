// SPDX-License-Identifier: Apache-2.0
/* What becomes of units when the module, the host or their hardware changes. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "host.h"
#include "tests.h"

#define MT 4U
#define GIVEN TDX_MT_PAGES(MT)
#define SET_PAGES (GIVEN + 2) /* with root and ledger */

static void environments(void)
{
	static const __u32 faults[] = { TDX_IOMMU_ENV_UD, TDX_IOMMU_ENV_GP, TDX_IOMMU_ENV_VMFAILINVALID, TDX_IOMMU_ENV_NOT_READY };
	struct tdx_iommu_info info = { .size = sizeof(info) };
	struct host host;
	__u64 generation;
	__u32 i;

	for (i = 0; i < 4; i++) {
		host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
		CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
		generation = host.now.table_head.generation;
		sim_environment_set(&host.sim, faults[i], 0);
		CHECK(tdx_table_stale(&host.table));
		host_refresh(&host);
		CHECK(!tdx_table_stale(&host.table));
		CHECK(host.now.table_head.generation != generation);
		CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNKNOWN);
		CHECK_EQ(host_unit(&host, UNIT_A).flags, TDX_IOMMU_UNIT_ID_VALID);
		tdx_table_info(&host.table, &info);
		CHECK_EQ(info.environment, faults[i]);
		CHECK_EQ(info.valid, 0);
		CHECK_EQ(info.pages_donated, GIVEN);
		CHECK_EQ(host_setup(&host, UNIT_B), -ENODEV);
		CHECK_EQ(host_clear(&host, UNIT_A), -ENODEV);
		/* The same module again: it still holds the unit under its id. */
		sim_environment_set(&host.sim, TDX_IOMMU_ENV_OK, 0);
		host_refresh(&host);
		CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNKNOWN);
		CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_FAILED);
		/* No call was issued: a second SETUP could lose the id. */
		CHECK_EQ(host_unit(&host, UNIT_A).attempts, 1);
		CHECK_EQ(host_unit(&host, UNIT_A).status, TDX_SUCCESS);
		CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
		CHECK_EQ(host_pages_used(&host), 0);
		host_check(&host);
		host_stop(&host);
	}
}

/* Success, of which the module says more than we know: an id is not lost, trust not believed, a page not freed. */
static void success_with_information(void)
{
	const __u64 information = 0x0000030100000000ULL;
	struct tdx_iommu_unit unit;
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	host_fault(&host, TDX_LEAF_IOMMU_SETUP, information, 1);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	unit = host_unit(&host, UNIT_A);
	CHECK_EQ(unit.state, TDX_IOMMU_UNKNOWN);
	CHECK_EQ(unit.flags, TDX_IOMMU_UNIT_ID_VALID);
	CHECK_EQ(unit.status, information);
	CHECK_EQ(unit.pages_donated, GIVEN);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_FAILED);
	CHECK_EQ(host_unit(&host, UNIT_A).attempts, 1);
	host_fault(&host, TDX_LEAF_IOMMU_CLEAR, information, 1);
	CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
	unit = host_unit(&host, UNIT_A);
	CHECK_EQ(unit.state, TDX_IOMMU_UNTRUSTED);
	CHECK_EQ(unit.pages_retained, GIVEN);
	CHECK_EQ(host_pages_used(&host), SET_PAGES);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_TRUSTED);
	host_check(&host);
	host_stop(&host);
}

static void another_load_of_the_module(void)
{
	struct tdx_iommu_unit unit;
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	host_fault(&host, TDX_LEAF_IOMMU_SETUP, TDX_OPERAND_INVALID | TDX_OPERAND_RCX, 1);
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_OUT_UNSUPPORTED);
	sim_environment_set(&host.sim, TDX_IOMMU_ENV_OK, 1);
	host_refresh(&host);
	unit = host_unit(&host, UNIT_A);
	CHECK_EQ(unit.state, TDX_IOMMU_UNKNOWN);
	CHECK_EQ(unit.flags, TDX_IOMMU_UNIT_PAGES_RETAINED);
	CHECK_EQ(unit.pages_retained, GIVEN);
	CHECK_EQ(host_unit(&host, UNIT_B).state, TDX_IOMMU_UNTRUSTED);
	CHECK_EQ(host_clear(&host, UNIT_A), -ESTALE);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	unit = host_unit(&host, UNIT_A);
	CHECK_EQ(unit.state, TDX_IOMMU_TRUSTED);
	CHECK_EQ(unit.setup_seq, 2);
	CHECK_EQ(unit.pages_donated, GIVEN);
	CHECK_EQ(unit.pages_retained, GIVEN);
	host_check(&host);
	host_stop(&host);
}

static void load_anew(struct host *host)
{
	sim_environment_set(&host->sim, TDX_IOMMU_ENV_OK, 1);
	host->before_call = NULL;
}

static void another_load_during_clear(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	host.before_call = load_anew;
	CHECK_EQ(host_clear(&host, UNIT_A), -ESTALE);
	CHECK_EQ(host.now.sim_head.clear_calls, 0);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNKNOWN);
	CHECK_EQ(host_unit(&host, UNIT_A).flags, TDX_IOMMU_UNIT_PAGES_RETAINED);
	host_check(&host);
	host_stop(&host);
}

static void reboot(struct host *host)
{
	static const __u8 instance[TDX_IOMMU_INSTANCE_BYTES] = { 2 };

	sim_reboot(&host->sim);
	memset(host->now.used, 0, sizeof(host->now.used));
	host->table.ops->lock(host);
	tdx_table_reset(&host->table, instance);
	host->table.ops->unlock(host);
	host->before_call = NULL;
}

static void boots(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	host.before_call = reboot;
	CHECK_EQ(host_setup(&host, UNIT_B), -EIO);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNTRUSTED);
	CHECK_EQ(host_unit(&host, UNIT_B).state, TDX_IOMMU_UNTRUSTED);
	CHECK_EQ(host.now.sim_head.setup_calls, 1);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_unit(&host, UNIT_A).setup_seq, 2);
	CHECK_EQ(host_unit(&host, UNIT_A).tdx_iommu_id, 0);
	host_check(&host);
	host_stop(&host);
}

static void take_away(struct host *host)
{
	CHECK_EQ(sim_present_set(&host->sim, UNIT_A, 0), 0);
	CHECK_EQ(tdx_table_set_present(&host->table, UNIT_A, 0), 0);
}

static void units_that_go_and_come(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_V2, MT);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	take_away(&host);
	CHECK_EQ(host_unit(&host, UNIT_A).state, 99);
	CHECK_EQ(host_setup(&host, UNIT_A), -ENOENT);
	CHECK_EQ(host_clear(&host, UNIT_A), -ENOENT);
	CHECK_EQ(sim_present_set(&host.sim, UNIT_A, 1), 0);
	CHECK_EQ(tdx_table_set_present(&host.table, UNIT_A, 1), 0);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNTRUSTED);
	CHECK_EQ(host_unit(&host, UNIT_A).pages_retained, GIVEN);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_pages_owned(&host), GIVEN);
	host_check(&host);
	host_stop(&host);
}

static void a_backend_that_goes(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_V2, MT);
	host.backend_gone = 1;
	CHECK_EQ(host_setup(&host, UNIT_A), -EIO);
	CHECK_EQ(host_unit(&host, UNIT_A).state, TDX_IOMMU_UNKNOWN);
	host.backend_gone = 0;
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_pages_used(&host), SET_PAGES);
	host_check(&host);
	host_stop(&host);
}

void world_tests(void)
{
	TEST(environments, "a faulting environment takes the trust, not the id");
	TEST(success_with_information, "success with information gives an id and no trust, and frees no page");
	TEST(another_load_of_the_module, "another load of the module takes trust and id, and retains the pages");
	TEST(another_load_during_clear, "CLEAR is not issued to another load of the module");
	TEST(boots, "a boot ends the operation and starts anew, sequences go on");
	TEST(units_that_go_and_come, "a unit that went and came back is untrusted and keeps its pages counted");
	TEST(a_backend_that_goes, "a backend that goes leaves the unit unknown and loses no page");
}
