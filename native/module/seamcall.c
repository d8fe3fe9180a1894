// SPDX-License-Identifier: GPL-2.0
/*
 * Where a SEAMCALL goes: to the backend, or to the CPU by an instruction of our own. Mainline lends
 * its own to named modules only.
 */
#include <linux/bits.h>
#include <asm/asm.h>
#include <asm/trapnr.h>

#include "driver.h"

#define SW_ERROR (BIT_ULL(63) | GENMASK_ULL(47, 40))

/*
 * One attempt, with interrupts on and preemption off, so that all of it runs on one CPU. Without
 * VMX the instruction raises #UD, without TDX #GP: the exception table brings the vector back in
 * RAX, with CF as it was, clear. VMfailInvalid sets CF, which is looked at first. RBX, RSI, RDI and
 * RBP are the module's to keep; every other register that a leaf may write is clobbered.
 */
static void execute(struct tdx_seamcall_regs *regs)
{
	register u64 r8 asm("r8") = regs->r8;
	register u64 r9 asm("r9") = regs->r9;
	register u64 r10 asm("r10") = regs->r10;
	register u64 r11 asm("r11") = regs->r11;
	u64 rax = regs->rax, rcx = regs->rcx, rdx = regs->rdx;
	u64 faulted = 1;
	bool failed;

	preempt_disable();
	/* clang-format off */
	asm volatile("clc\n"
		     "1:	.byte 0x66, 0x0f, 0x01, 0xcf\n"
		     "	movq $0, %[faulted]\n"
		     "2:\n"
		     _ASM_EXTABLE_FAULT(1b, 2b)
		     : "=@ccc" (failed), "+a" (rax), "+c" (rcx), "+d" (rdx), "+r" (r8), "+r" (r9),
		       "+r" (r10), "+r" (r11), [faulted] "+m" (faulted)
		     :
		     : "memory", "r12", "r13", "r14", "r15");
	/* clang-format on */
	preempt_enable();
	if (failed)
		rax = TDX_SEAMCALL_VMFAILINVALID;
	else if (faulted)
		rax |= SW_ERROR;
	regs->rax = rax;
	regs->rcx = rcx;
	regs->rdx = rdx;
	regs->r8 = r8;
	regs->r9 = r9;
	regs->r10 = r10;
	regs->r11 = r11;
}

int tdx_seamcall(struct tdx_driver *driver, struct tdx_seamcall_regs *regs)
{
	lockdep_assert(lockdep_is_held(&driver->lock) || lockdep_is_held(&driver->change));
	if (driver->backend)
		return driver->backend->seamcall(driver->backend_ctx, regs);
	execute(regs);
	return 0;
}
