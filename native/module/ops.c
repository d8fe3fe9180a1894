// SPDX-License-Identifier: GPL-2.0
/* What the portable table needs of a kernel: a lock, memory, time, and the SEAMCALL. */
#include <linux/cacheflush.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "driver.h"

#define MSR_KEYID_PARTITIONING 0x87 /* IA32_MKTME_KEYID_PARTITIONING */
#define LAST_CLEARS (10 * HZ) /* of all units, before a reboot */

static void take_lock(void *ctx)
{
	struct tdx_driver *driver = ctx;

	spin_lock(&driver->lock);
}

static void drop_lock(void *ctx)
{
	struct tdx_driver *driver = ctx;

	spin_unlock(&driver->lock);
}

static void assert_lock(void *ctx)
{
	struct tdx_driver *driver = ctx;

	lockdep_assert_held(&driver->lock);
}

/* Nothing of the table outlives the kernel. */
static int durable(void *ctx)
{
	return 0;
}

/* A machine that goes down does not wait for a module that never gets done. */
static bool is_too_late(struct tdx_driver *driver, u64 leaf)
{
	unsigned long since = READ_ONCE(driver->stopping);

	return since && (leaf == TDX_LEAF_IOMMU_SETUP || time_after(jiffies, since + LAST_CLEARS));
}

/* On the worker. */
static int issue(void *ctx, struct tdx_call *call)
{
	struct tdx_driver *driver = ctx;
	struct tdx_seamcall_regs regs = { .rax = call->regs.rax,
					  .rcx = call->regs.rcx,
					  .rdx = call->regs.rdx };
	int rc = 0;

	lockdep_assert_held(&driver->change);
	if (is_too_late(driver, call->leaf))
		return -ECANCELED;
	cond_resched();
	take_lock(driver);
	tdx_identity_read(driver, &call->identity);
	drop_lock(driver);
	if (driver->backend_gone)
		return -EIO;
	if (call->incarnation && call->incarnation != call->identity.incarnation)
		return -ESTALE;
	if (tdx_testing_fails_seamcall())
		regs.rax = TDX_OPERAND_BUSY;
	else
		rc = tdx_seamcall(driver, &regs);
	if (rc)
		return rc;
	call->regs.rax = regs.rax;
	call->regs.rcx = regs.rcx;
	call->regs.rdx = regs.rdx;
	return 0;
}

static void identity(void *ctx, struct tdx_identity *identity)
{
	tdx_identity_read(ctx, identity);
}

static u64 pages_alloc(void *ctx, s32 numa_node, u32 order)
{
	struct tdx_driver *driver = ctx;
	struct page *pages;

	lockdep_assert_held(&driver->change);
	if (tdx_testing_fails_alloc())
		return 0;
	pages = alloc_pages_node(numa_node, GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN, order);
	if (!pages)
		return 0;
	if (driver->head.identity.features0 & TDX_FEATURES0_CLFLUSH_BEFORE_ALLOC)
		clflush_cache_range(page_address(pages), PAGE_SIZE << order);
	return page_to_phys(pages);
}

static void pages_free(void *ctx, u64 address, u32 order)
{
	__free_pages(pfn_to_page(PHYS_PFN(address)), order);
}

/*
 * The page's address under the module's key: key ids are the uppermost bits of an address, and the
 * module's own is the first behind those of MKTME (arch/x86/virt/vmx/tdx/tdx.c). A backend has no
 * keys. 0: no such key.
 */
static u64 keyed_address(const struct tdx_driver *driver, u64 page)
{
	u32 mktme_keys, tdx_keys;

	lockdep_assert_held(&driver->change);
	if (driver->backend)
		return page;
	if (rdmsr_safe(MSR_KEYID_PARTITIONING, &mktme_keys, &tdx_keys) || !tdx_keys)
		return 0;
	return page | (u64)(mktme_keys + 1) << boot_cpu_data.x86_phys_bits;
}

static int write_back(void *ctx, u64 page)
{
	struct tdx_driver *driver = ctx;
	struct tdx_seamcall_regs regs = { .rax = TDX_LEAF_PHYMEM_PAGE_WBINVD };

	regs.rcx = keyed_address(driver, page);
	if (!regs.rcx)
		return -EIO;
	cond_resched();
	return tdx_seamcall(driver, &regs) ?: regs.rax != TDX_SUCCESS;
}

static u64 *entry_of(u64 page, u32 index)
{
	return (u64 *)page_address(pfn_to_page(PHYS_PFN(page))) + index;
}

static u64 entry_read(void *ctx, u64 page, u32 index)
{
	return READ_ONCE(*entry_of(page, index));
}

static void entry_write(void *ctx, u64 page, u32 index, u64 value)
{
	WRITE_ONCE(*entry_of(page, index), value);
}

static u64 now_ns(void *ctx)
{
	return ktime_get_ns();
}

static int forbids(void *ctx, const struct tdx_unit *unit)
{
	return tdx_registers_forbid(ctx, unit);
}

static void changed(void *ctx)
{
	struct tdx_driver *driver = ctx;

	wake_up_interruptible_poll(&driver->changed, EPOLLIN);
}

const struct tdx_table_ops tdx_driver_ops = {
	.lock = take_lock,
	.unlock = drop_lock,
	.assert_locked = assert_lock,
	.begin = durable,
	.commit = durable,
	.seamcall = issue,
	.identity = identity,
	.pages_alloc = pages_alloc,
	.pages_free = pages_free,
	.entry_read = entry_read,
	.entry_write = entry_write,
	.write_back = write_back,
	.now_ns = now_ns,
	.forbids = forbids,
	.changed = changed,
};
