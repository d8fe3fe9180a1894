// SPDX-License-Identifier: GPL-2.0
/*
 * A unit's registers, read and never written: the IOMMU driver owns them. Offsets: VT-d
 * specification, chapter 11.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bits.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/ratelimit.h>

#include "driver.h"

#define REG_CAP 0x08
#define REG_ECAP 0x10
#define REG_GSTS 0x1c
#define REG_RTADDR 0x20
#define REG_PMEN 0x64
#define REG_ESTS0 0x420 /* with ECAP's bit only; read by the TDX module too (tdxio/vtbar_defs.h) */

#define GSTS_TES BIT(31) /* translation */
#define GSTS_RTPS BIT(30) /* root table pointer */
#define GSTS_QIES BIT(26) /* queued invalidation */
#define GSTS_NEEDED (GSTS_TES | GSTS_RTPS | GSTS_QIES)
#define RTADDR_TTM GENMASK_ULL(11, 10)
#define RTADDR_TTM_SCALABLE BIT_ULL(10)
#define PMEN_EPM BIT(31)
#define PMEN_PRS BIT(0)
#define ESTS0_TMS BIT_ULL(1) /* TDX mode */

void __iomem *tdx_registers_open(struct tdx_unit_facts *facts)
{
	void __iomem *registers = ioremap(facts->reg_base, PAGE_SIZE);

	if (!registers)
		return NULL;
	facts->cap = readq(registers + REG_CAP);
	facts->ecap = readq(registers + REG_ECAP);
	facts->gsts = readl(registers + REG_GSTS);
	if (facts->gsts != TDX_GSTS_GONE)
		return registers;
	iounmap(registers);
	return NULL;
}

/* What a simulated TDX module does to a unit the unit itself does not know. */
static enum tdx_mode read_mode(const struct tdx_driver *driver, u32 at)
{
	lockdep_assert_held(&driver->lock);
	if (!(driver->facts[at].ecap & TDX_ECAP_CONNECT) || driver->backend)
		return tdx_testing_mode(TDX_MODE_UNREAD);
	return readq(driver->registers[at] + REG_ESTS0) & ESTS0_TMS ? TDX_MODE_ON : TDX_MODE_OFF;
}

void tdx_registers_look(struct tdx_driver *driver)
{
	u32 i;

	for (i = 0; i < driver->fact_count; i++) {
		u32 gsts;

		spin_lock(&driver->lock);
		gsts = tdx_testing_gsts(readl(driver->registers[i] + REG_GSTS));
		tdx_table_look_locked(&driver->table, driver->facts[i].reg_base, gsts,
				      read_mode(driver, i));
		spin_unlock(&driver->lock);
	}
}

static const char *obstacle(void __iomem *registers)
{
	u32 gsts = tdx_testing_gsts(readl(registers + REG_GSTS));

	if (gsts == TDX_GSTS_GONE)
		return "its registers are gone";
	if ((gsts & GSTS_NEEDED) != GSTS_NEEDED)
		return "translation, root table or queued invalidation is off";
	if ((readq(registers + REG_RTADDR) & RTADDR_TTM) != RTADDR_TTM_SCALABLE)
		return "its root table is not in scalable mode (intel_iommu=sm_on)";
	if (readl(registers + REG_PMEN) & (PMEN_EPM | PMEN_PRS))
		return "its protected memory regions are on";
	return NULL;
}

bool tdx_registers_forbid(const struct tdx_driver *driver, const struct tdx_unit *unit)
{
	const char *why = NULL;
	u32 i;

	for (i = 0; i < driver->fact_count; i++) {
		if (driver->facts[i].reg_base == unit->reg_base)
			why = obstacle(driver->registers[i]);
	}
	/* The agent asks again and again. */
	if (why)
		pr_warn_ratelimited("unit 0x%llx is not set up: %s\n", unit->reg_base, why);
	return why;
}
