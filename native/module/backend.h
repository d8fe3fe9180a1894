/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The border between tdx_iommu.ko and whatever answers its SEAMCALLs instead of the CPU: a
 * simulator registers itself here. Only the instruction, and ECAP as it reads in that world, are
 * replaced; gathering pages, resumption, ownership and the table are the code that runs on silicon.
 */
#ifndef TDX_IOMMU_BACKEND_H
#define TDX_IOMMU_BACKEND_H

#include <linux/module.h>
#include <linux/types.h>

#include "../table/table.h"

/* In: the leaf in rax, operands. Out: the status in rax, results. */
struct tdx_seamcall_regs {
	u64 rax;
	u64 rcx;
	u64 rdx;
	u64 r8;
	u64 r9;
	u64 r10;
	u64 r11;
};

/**
 * struct tdx_iommu_backend - what answers SEAMCALLs
 * @owner: pinned while a unit is trusted, in transition or retains pages
 * @name: for the log
 * @seamcall: one attempt. 0: it was issued, regs has the answer. -EIO: the backend is gone.
 *	TDH.SYS.RD comes from under a spinlock and must not sleep; SETUP and CLEAR come from the
 *	ordered worker and may.
 * @incarnation: differs after each load of the TDX module, never 0; must not sleep
 * @profile: enum tdx_iommu_profile, how its CLEAR wants to be called; must not sleep. A real
 *	module does not say
 * @ecap: what a unit's ECAP reads in this world
 * @attach: the units as the driver found them, before the first call; may sleep
 */
struct tdx_iommu_backend {
	struct module *owner;
	const char *name;
	int (*seamcall)(void *ctx, struct tdx_seamcall_regs *regs);
	u64 (*incarnation)(void *ctx);
	u32 (*profile)(void *ctx);
	u64 (*ecap)(void *ctx, u64 reg_base, u64 ecap);
	int (*attach)(void *ctx, const struct tdx_unit_facts *units, u32 count);
};

/*
 * Resets the table with a new instance. -EBUSY while another is registered or a unit is not clean;
 * what @attach gives.
 */
int tdx_iommu_backend_register(const struct tdx_iommu_backend *backend, void *ctx);
/*
 * Calls in flight have ended when it returns; the table is reset and real SEAMCALLs are asked
 * again.
 */
void tdx_iommu_backend_unregister(const struct tdx_iommu_backend *backend);
/* The TDX module's identity may have changed: wakes pollers. */
void tdx_iommu_backend_notify(const struct tdx_iommu_backend *backend);

#endif
