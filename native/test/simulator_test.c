// SPDX-License-Identifier: Apache-2.0
/* The module's own checks: operands, preconditions, scripts. */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "host.h"
#include "tests.h"

#define MT 2U
#define ROOT HOST_BASE
#define PAGE(n) (HOST_BASE + (n) * 0x1000ULL)

static void write_entry(struct host *host, __u32 index, __u64 value)
{
	memcpy(&host->memory[0][index * 8], &value, sizeof(value));
}

/* The root page in the fact sheet's example. */
static void good_root(struct host *host)
{
	memset(host->memory[0], 0, TDX_PAGE_SIZE);
	write_entry(host, 0, PAGE(2) | 2);
	write_entry(host, 1, PAGE(4) | 2);
	write_entry(host, 2, PAGE(6));
	write_entry(host, 3, PAGE(7));
}

static __u64 setup_with(struct host *host, __u64 reg_base, __u64 root)
{
	struct tdx_regs regs = { TDX_LEAF_IOMMU_SETUP, reg_base, root };

	sim_seamcall(&host->sim, &regs);
	if (regs.rax) {
		CHECK_EQ(regs.rcx, reg_base);
		CHECK_EQ(regs.rdx, root);
	}
	return regs.rax;
}

static __u64 setup_with_entry(__u32 index, __u64 value)
{
	struct host host;
	__u64 status;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	good_root(&host);
	write_entry(&host, index, value);
	status = setup_with(&host, UNIT_A, ROOT);
	CHECK_EQ(host_pages_owned(&host), status ? 0 : TDX_MT_PAGES(MT));
	host_stop(&host);
	return status;
}

static void root_pages(void)
{
	const __u64 wrong = TDX_OPERAND_INVALID | TDX_OPERAND_RDX, range = TDX_OPERAND_ADDR_RANGE_ERROR | TDX_OPERAND_RDX;

	CHECK_EQ(setup_with_entry(0, PAGE(2) | 2), 0);
	CHECK_EQ(setup_with_entry(0, PAGE(2)), wrong);
	CHECK_EQ(setup_with_entry(0, PAGE(2) | 1), wrong);
	CHECK_EQ(setup_with_entry(1, PAGE(5) | 2), wrong);
	CHECK_EQ(setup_with_entry(1, PAGE(2) | 2), wrong);
	CHECK_EQ(setup_with_entry(2, PAGE(6) | 2), wrong);
	CHECK_EQ(setup_with_entry(2, PAGE(5)), wrong);
	CHECK_EQ(setup_with_entry(2, 0), wrong);
	CHECK_EQ(setup_with_entry(3, PAGE(6)), wrong);
	CHECK_EQ(setup_with_entry(4, PAGE(8)), wrong);
	CHECK_EQ(setup_with_entry(511, 1), wrong);
	CHECK_EQ(setup_with_entry(3, PAGE(HOST_PAGES)), range);
	CHECK_EQ(setup_with_entry(0, (HOST_BASE - 0x2000) | 2), range);
}

static void operands(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	good_root(&host);
	CHECK_EQ(setup_with(&host, 0x1000, ROOT), TDX_OPERAND_INVALID | TDX_OPERAND_RCX);
	CHECK_EQ(setup_with(&host, UNIT_A, ROOT + 8), TDX_OPERAND_INVALID | TDX_OPERAND_RDX);
	CHECK_EQ(setup_with(&host, UNIT_A, 0), TDX_OPERAND_INVALID | TDX_OPERAND_RDX);
	host.now.sim_units[0].ecap = 0;
	CHECK_EQ(setup_with(&host, UNIT_B, ROOT), TDX_OPERAND_INVALID | TDX_OPERAND_RCX);
	host.now.sim_units[1].gsts = 0;
	CHECK_EQ(setup_with(&host, UNIT_C, ROOT), TDX_IOMMU_INVALID_STATE | TDX_OPERAND_RCX);
	CHECK_EQ(setup_with(&host, UNIT_A, ROOT), 0);
	CHECK_EQ(setup_with(&host, UNIT_A, ROOT), TDX_IOMMU_INVALID_STATE | TDX_OPERAND_RCX);
	host.now.sim_units[0].ecap = TDX_ECAP_CONNECT;
	CHECK_EQ(setup_with(&host, UNIT_B, ROOT), TDX_PAGE_NOT_FREE | TDX_OPERAND_PAGE);
	host_stop(&host);
}

static void resumption_with_other_pages(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	good_root(&host);
	host_fault(&host, 0, TDX_INTERRUPTED_RESUMABLE, 1);
	CHECK_EQ(setup_with(&host, UNIT_A, ROOT), TDX_INTERRUPTED_RESUMABLE);
	CHECK_EQ(setup_with(&host, UNIT_A, PAGE(9)), TDX_INVALID_RESUMPTION | TDX_OPERAND_RDX);
	CHECK_EQ(setup_with(&host, UNIT_A, ROOT), 0);
	host_stop(&host);
}

static void secured_links(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	CHECK_EQ(sim_link_set(&host.sim, UNIT_A, 0x1700, 1), 0);
	CHECK_EQ(sim_link_set(&host.sim, UNIT_A, 0x1700, 1), 0);
	CHECK_EQ(sim_link_set(&host.sim, 0x1000, 0x1700, 1), -ENOENT);
	CHECK_EQ(sim_links_below(&host.sim, UNIT_A), 1);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_OUT_FAILED);
	CHECK_EQ(host_unit(&host, UNIT_A).status, 0xC0000F0400000008ULL);
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_DONE);
	CHECK_EQ(sim_link_set(&host.sim, UNIT_A, 0x1700, 0), 0);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(sim_link_set(&host.sim, UNIT_A, 0x1700, 1), 0);
	CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_OUT_FAILED);
	CHECK_EQ(host_unit(&host, UNIT_A).status, 0xC0000F0000000001ULL);
	CHECK_EQ(sim_link_set(&host.sim, UNIT_A, 0x1700, 0), 0);
	CHECK_EQ(host_clear(&host, UNIT_A), TDX_IOMMU_DONE);
	host_check(&host);
	host_stop(&host);
}

static void overwritten_pages(void)
{
	struct host host;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	host.now.used[2] = 0; /* a driver that frees a donated page */
	host.now.used[3] = 0;
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_OUT_FAILED);
	CHECK_EQ(host.now.sim_head.corrupted, PAGE(2));
	host_stop(&host);
}

static void scripts(void)
{
	struct sim_fault late = {
		.leaf = TDX_LEAF_IOMMU_SETUP, .reg_base = UNIT_B, .status = TDX_SYS_BUSY, .has_status = 1, .count = 2, .skip = 1
	};
	struct sim_fault slow = { .any_unit = 1, .delay_ms = 30 };
	struct host host;
	int i;

	host_start(&host, TDX_IOMMU_PROFILE_NEWEST, MT);
	CHECK_EQ(sim_fault_add(&host.sim, &late), 0);
	CHECK_EQ(sim_fault_add(&host.sim, &slow), 0);
	CHECK_EQ(sim_delay_ms(&host.sim, TDX_LEAF_IOMMU_SETUP, UNIT_B), 30);
	CHECK_EQ(host_setup(&host, UNIT_A), TDX_IOMMU_DONE);
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_DONE);
	CHECK_EQ(sim_delay_ms(&host.sim, TDX_LEAF_IOMMU_SETUP, UNIT_B), 0);
	CHECK_EQ(host_clear(&host, UNIT_B), TDX_IOMMU_DONE);
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_RETRY);
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_RETRY);
	CHECK_EQ(host_setup(&host, UNIT_B), TDX_IOMMU_DONE);
	CHECK_EQ(host.now.sim_head.fault_count, 1);
	for (i = 1; i < SIM_FAULTS; i++)
		CHECK_EQ(sim_fault_add(&host.sim, &slow), 0);
	CHECK_EQ(sim_fault_add(&host.sim, &slow), -ENOSPC);
	sim_faults_clear(&host.sim);
	CHECK_EQ(sim_delay_ms(&host.sim, TDX_LEAF_IOMMU_SETUP, UNIT_B), 0);
	host_stop(&host);
}

void simulator_tests(void)
{
	TEST(root_pages, "a root page is refused unless every entry is right, and then nothing is taken");
	TEST(operands, "units are refused by the operand that is wrong");
	TEST(resumption_with_other_pages, "a SETUP under way is resumed with the same root page only");
	TEST(secured_links, "a secured link below the unit refuses SETUP and CLEAR");
	TEST(overwritten_pages, "a page that was freed too early and given to another user is found");
	TEST(scripts, "scripted faults wait, answer as often as told, and end");
}
