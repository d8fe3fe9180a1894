// SPDX-License-Identifier: GPL-2.0
/* What the units' own registers take away. The driver is built with TDX_TESTING=1: what they read is made up there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

/* enum tdx_mode of table/table.h */
#define MODE_UNREAD "0"
#define MODE_OFF "1"
#define MODE_ON "2"

static void says(const char *name, const char *value)
{
	CHECK_EQ(knob(DRIVER_FOLDER, name, "%s", value), 0);
}

void gone_registers(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit(), setups;
	struct tdx_iommu_unit before, gone;

	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	before = unit_now(fd);
	says("registers_gone", "Y");
	gone = unit_now(fd);
	CHECK_EQ(gone.state, TDX_IOMMU_UNKNOWN);
	CHECK_EQ(gone.gsts, 0xFFFFFFFFU);
	CHECK_EQ(gone.tdx_iommu_id, before.tdx_iommu_id);
	CHECK_EQ(gone.pages_donated, before.pages_donated);
	setups = sim_table("setup_calls");
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_OUT_FAILED);
	CHECK_EQ(sim_table("setup_calls"), setups);
	says("registers_gone", "N");
	/* It answers again: it has its id, and trust only after CLEAR and SETUP. */
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNKNOWN);
	CHECK_EQ(unit_now(fd).flags, TDX_IOMMU_UNIT_ID_VALID);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNTRUSTED);
	says("registers_gone", "Y");
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNKNOWN);
	says("registers_gone", "N");
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNTRUSTED);
	close(fd);
}

/* As the module would refuse it, but no call was issued. */
void forbidden_setup(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit(), setups = sim_table("setup_calls"), generation;
	struct tdx_iommu_unit unit;
	struct snapshot snapshot;

	says("registers_gone", "Y");
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_OUT_FAILED);
	unit = unit_now(fd);
	CHECK_EQ(unit.leaf, TDX_LEAF_IOMMU_SETUP);
	CHECK_EQ(unit.status, TDX_IOMMU_INVALID_STATE | TDX_OPERAND_RCX);
	CHECK_EQ(unit.attempts, 0);
	CHECK_EQ(unit.pages_donated + unit.pages_retained, 0);
	CHECK_EQ(sim_table("setup_calls"), setups);
	CHECK_EQ(take_snapshot(fd, &snapshot), 0);
	generation = snapshot.list.generation;
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_OUT_FAILED);
	CHECK_EQ(take_snapshot(fd, &snapshot), 0);
	CHECK_EQ(snapshot.list.generation, generation);
	says("registers_gone", "N");
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_FAILED);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	close(fd);
}

void foreign_unit(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit(), setups = sim_table("setup_calls");

	says("tdx_mode", MODE_ON);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_FOREIGN);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_OUT_FAILED);
	CHECK_EQ(sim_table("setup_calls"), setups);
	says("tdx_mode", MODE_OFF);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNTRUSTED);
	/* Under an id of ours the same bit is as it should be. */
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	says("tdx_mode", MODE_ON);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_TRUSTED);
	says("tdx_mode", MODE_UNREAD);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	close(fd);
}

void lost_mode(void)
{
	int fd = must_open(O_RDWR);
	uint64_t reg_base = first_unit();

	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	says("tdx_mode", MODE_ON);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_TRUSTED);
	says("tdx_mode", MODE_OFF);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNKNOWN);
	says("tdx_mode", MODE_UNREAD);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNKNOWN);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	close(fd);
}
