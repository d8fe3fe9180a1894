// SPDX-License-Identifier: GPL-2.0
/*
 * SEAMCALLs, answered by the model. It owns pages of this kernel's real memory, and writes its
 * pattern into them.
 */
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "sim.h"

#define FIELD_NOT_READABLE 0xC0000C0200000000ULL

struct connect_sim connect_sim;

/* The version of a module that exists, so that it is not taken for a newer one. */
static const struct tdx_identity version = {
	.environment = TDX_IOMMU_ENV_OK,
	.module_major = 2,
	.module_update = 18,
	.build_num = 1,
	.build_date = 20260101,
	.valid = TDX_IOMMU_VALID_VERSION | TDX_IOMMU_VALID_FEATURES0 |
		 TDX_IOMMU_VALID_MT_PAGE_COUNT,
	.features0 = TDX_FEATURES0_CONNECT | TDX_FEATURES0_NO_RBP_MOD,
	.incarnation = 1,
};

static void *address_of(u64 address)
{
	return page_address(pfn_to_page(PHYS_PFN(address))) + offset_in_page(address);
}

static void memory_read(void *ctx, u64 address, void *to, u32 bytes)
{
	memcpy(to, address_of(address), bytes);
}

static void memory_write(void *ctx, u64 address, const void *from, u32 bytes)
{
	memcpy(address_of(address), from, bytes);
}

/* TDH.SYS.RD. */
static u64 field_read(const struct tdx_identity *identity, u64 field, u64 *value)
{
	u32 needed = TDX_IOMMU_VALID_VERSION;

	switch (field) {
	case TDX_FIELD_FEATURES0:
		needed = TDX_IOMMU_VALID_FEATURES0;
		*value = identity->features0;
		break;
	case TDX_FIELD_IOMMU_MT_PAGE_COUNT:
		needed = TDX_IOMMU_VALID_MT_PAGE_COUNT;
		*value = identity->mt_page_count;
		break;
	case TDX_FIELD_MAJOR_VERSION:
		*value = identity->module_major;
		break;
	case TDX_FIELD_MINOR_VERSION:
		*value = identity->module_minor;
		break;
	case TDX_FIELD_UPDATE_VERSION:
		*value = identity->module_update;
		break;
	case TDX_FIELD_INTERNAL_VERSION:
		*value = identity->module_internal;
		break;
	case TDX_FIELD_BUILD_DATE:
		*value = identity->build_date;
		break;
	case TDX_FIELD_BUILD_NUM:
		*value = identity->build_num;
		break;
	default:
		return FIELD_NOT_READABLE;
	}
	return identity->valid & needed ? TDX_SUCCESS : FIELD_NOT_READABLE;
}

static u64 environment_status(u32 environment)
{
	switch (environment) {
	case TDX_IOMMU_ENV_UD:
		return TDX_SEAMCALL_UD;
	case TDX_IOMMU_ENV_GP:
		return TDX_SEAMCALL_GP;
	case TDX_IOMMU_ENV_VMFAILINVALID:
		return TDX_SEAMCALL_VMFAILINVALID;
	case TDX_IOMMU_ENV_NOT_READY:
		return TDX_SYS_NOT_READY;
	default:
		return TDX_SUCCESS;
	}
}

static void answer_read(struct connect_sim *sim, struct tdx_seamcall_regs *regs)
{
	struct tdx_identity identity;

	lockdep_assert_held(&sim->lock);
	sim_identity(&sim->module, &identity);
	regs->rax = environment_status(identity.environment);
	if (!regs->rax)
		regs->rax = field_read(&identity, regs->rdx, &regs->r8);
}

static void answer_call(struct connect_sim *sim, struct tdx_seamcall_regs *regs)
{
	struct tdx_regs call = { .rax = regs->rax, .rcx = regs->rcx, .rdx = regs->rdx };

	lockdep_assert_held(&sim->lock);
	sim_seamcall(&sim->module, &call);
	regs->rax = call.rax;
	regs->rcx = call.rcx;
	regs->rdx = call.rdx;
}

static int answer(void *ctx, struct tdx_seamcall_regs *regs)
{
	struct connect_sim *sim = ctx;
	bool detached;
	u32 delay_ms;

	/* None for TDH.SYS.RD, which comes from under a spinlock. */
	spin_lock(&sim->lock);
	delay_ms = sim_delay_ms(&sim->module, regs->rax, regs->rcx);
	spin_unlock(&sim->lock);
	if (delay_ms)
		msleep(delay_ms);
	spin_lock(&sim->lock);
	detached = sim->detached;
	if (!detached && regs->rax == TDX_LEAF_SYS_RD)
		answer_read(sim, regs);
	else if (!detached)
		answer_call(sim, regs);
	spin_unlock(&sim->lock);
	return detached ? -EIO : 0;
}

static u64 incarnation(void *ctx)
{
	struct connect_sim *sim = ctx;

	return READ_ONCE(sim->head.identity.incarnation);
}

static u32 profile(void *ctx)
{
	struct connect_sim *sim = ctx;

	return sim->head.identity.abi_profile;
}

static u64 ecap(void *ctx, u64 reg_base, u64 value)
{
	return value | TDX_ECAP_CONNECT;
}

static int attach(void *ctx, const struct tdx_unit_facts *units, u32 count)
{
	struct connect_sim *sim = ctx;
	u32 i;

	sim->module.units = kcalloc(count, sizeof(*sim->module.units), GFP_KERNEL);
	if (!sim->module.units)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		sim->module.units[i] = (struct sim_unit){
			.reg_base = units[i].reg_base,
			.ecap = units[i].ecap | TDX_ECAP_CONNECT,
			.gsts = units[i].gsts,
			.present = 1,
		};
	}
	sim->head.unit_count = count;
	return 0;
}

const struct tdx_iommu_backend connect_sim_backend = {
	.owner = THIS_MODULE,
	.name = "tdx_connect_sim",
	.seamcall = answer,
	.incarnation = incarnation,
	.profile = profile,
	.ecap = ecap,
	.attach = attach,
};

/* max_pfn is not for modules. */
static unsigned long last_pfn(void)
{
	unsigned long last = 0;
	int node;

	for_each_online_node(node)
		last = max(last, node_end_pfn(node));
	return last;
}

int connect_sim_answer_start(u32 mt_page_count, u32 abi_profile)
{
	struct connect_sim *sim = &connect_sim;

	spin_lock_init(&sim->lock);
	sim->memory = (struct sim_memory){ .read = memory_read, .write = memory_write };
	sim->head.identity = version;
	sim->head.identity.mt_page_count = mt_page_count;
	sim->head.identity.abi_profile = abi_profile;
	sim->head.page_count = last_pfn();
	sim->module.memory = &sim->memory;
	sim->module.ctx = sim;
	sim->module.head = &sim->head;
	sim->module.pages = vzalloc(array_size(sim->head.page_count, sizeof(*sim->module.pages)));
	return sim->module.pages ? 0 : -ENOMEM;
}

void connect_sim_answer_stop(void)
{
	vfree(connect_sim.module.pages);
	kfree(connect_sim.module.units);
}
