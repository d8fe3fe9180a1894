// SPDX-License-Identifier: GPL-2.0
/*
 * A unit's registers, read and never written: the IOMMU driver owns them. Offsets: VT-d
 * specification, chapter 11.
 */
#include <linux/bits.h>
#include <linux/io.h>
#include <linux/io-64-nonatomic-lo-hi.h>

#include "driver.h"

#define REG_CAP 0x08
#define REG_ECAP 0x10
#define REG_GSTS 0x1c
#define REG_RTADDR 0x20
#define REG_PMEN 0x64

#define GSTS_TES BIT(31) /* translation */
#define GSTS_RTPS BIT(30) /* root table pointer */
#define GSTS_QIES BIT(26) /* queued invalidation */
#define RTADDR_TTM GENMASK_ULL(11, 10)
#define RTADDR_TTM_SCALABLE BIT_ULL(10)
#define PMEN_EPM BIT(31)
#define PMEN_PRS BIT(0)

int tdx_registers_read(struct tdx_unit_facts *facts)
{
	void __iomem *registers = ioremap(facts->reg_base, PAGE_SIZE);

	if (!registers)
		return -EIO;
	facts->cap = readq(registers + REG_CAP);
	facts->ecap = readq(registers + REG_ECAP);
	facts->gsts = readl(registers + REG_GSTS);
	iounmap(registers);
	/* All ones: nothing answers at this address. */
	return facts->cap == U64_MAX && facts->ecap == U64_MAX ? -EIO : 0;
}

const char *tdx_registers_obstacle(u64 reg_base, u32 *gsts)
{
	void __iomem *registers = ioremap(reg_base, PAGE_SIZE);
	u64 rtaddr;
	u32 pmen;

	if (!registers)
		return "its registers can't be mapped";
	*gsts = readl(registers + REG_GSTS);
	rtaddr = readq(registers + REG_RTADDR);
	pmen = readl(registers + REG_PMEN);
	iounmap(registers);
	if (*gsts == U32_MAX)
		return "its registers are gone";
	if ((*gsts & (GSTS_TES | GSTS_RTPS | GSTS_QIES)) != (GSTS_TES | GSTS_RTPS | GSTS_QIES))
		return "translation, root table or queued invalidation is off";
	if ((rtaddr & RTADDR_TTM) != RTADDR_TTM_SCALABLE)
		return "its root table is not in scalable mode (intel_iommu=sm_on)";
	if (pmen & (PMEN_EPM | PMEN_PRS))
		return "its protected memory regions are on";
	return NULL;
}
