// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* The SEAMCALLs as the TDX module answers them; the table of leaves at the end says which. */
#include "internal.h"

/* Statuses that say "begun": the module holds the pages while the host repeats. */
static int is_holding(__u64 status)
{
	switch (status & TDX_STATUS_MASK) {
	case TDX_INTERRUPTED_RESUMABLE:
	case TDX_INTERRUPTED_BUSY:
	case TDX_IOMMU_ECMD_TIMEOUT:
		return 1;
	default:
		return 0;
	}
}

static int is_refusal(__u64 status)
{
	return !!(status & TDX_STATUS_ERROR);
}

/* The status that the script has for this call; 0: none. Success with information is one, too. */
static __u64 script_for(struct sim_module *sim, __u64 leaf, const struct sim_unit *unit,
			struct sim_fault *fault)
{
	return sim_fault_take(sim, leaf, unit, fault) && fault->has_status ? fault->status : 0;
}

/*
 * How a call that has begun ends, or what keeps it from its end: the script, then the module's own
 * interruptions.
 */
static __u64 not_yet(const struct sim_module *sim, struct sim_unit *unit, __u64 scripted)
{
	if (scripted || unit->interrupted >= sim->head->interruptions)
		return scripted;
	unit->interrupted++;
	return TDX_INTERRUPTED_RESUMABLE;
}

/*
 * Why SETUP can't begin, in the order in which the module looks. 0: it can, and the root page has
 * been read.
 */
static __u64 setup_check(struct sim_module *sim, const struct sim_unit *unit, __u64 root)
{
	if (!unit || !unit->present || !(unit->ecap & TDX_ECAP_CONNECT))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	if (unit->phase == SIM_CONFIGURING)
		return unit->root == root ? 0 : TDX_INVALID_RESUMPTION | TDX_OPERAND_RDX;
	if (unit->phase != SIM_NONE)
		return TDX_IOMMU_INVALID_STATE | TDX_OPERAND_RCX;
	if ((unit->gsts & SIM_GSTS_NEEDED) != SIM_GSTS_NEEDED)
		return TDX_IOMMU_INVALID_STATE | TDX_OPERAND_RCX;
	if (sim_links_below(sim, unit->reg_base))
		return TDX_IOMMU_RP_IDE_MUST_BE_DISABLED | TDX_OPERAND_R8;
	return sim_root_check(sim, root);
}

/* The id, or what keeps SETUP from its end; pages are taken either way. */
static __u64 setup_begin(struct sim_module *sim, struct sim_unit *unit, __u64 root)
{
	__u64 status = setup_check(sim, unit, root);

	if (status || unit->phase == SIM_CONFIGURING)
		return status;
	sim_pages_take(sim, unit);
	unit->phase = SIM_CONFIGURING;
	unit->root = root;
	unit->interrupted = 0;
	return 0;
}

static void setup(struct sim_module *sim, struct sim_unit *unit, struct tdx_regs *regs)
{
	struct sim_fault fault = { 0 };
	__u64 scripted = script_for(sim, TDX_LEAF_IOMMU_SETUP, unit, &fault);

	sim->head->setup_calls++;
	if (unit)
		unit->setup_calls++;
	regs->rax = scripted;
	if (is_refusal(scripted) && !is_holding(scripted) && !fault.keep_pages)
		return;
	regs->rax = setup_begin(sim, unit, regs->rdx);
	if (regs->rax)
		return;
	regs->rax = not_yet(sim, unit, scripted);
	if (is_refusal(regs->rax))
		return;
	unit->phase = SIM_CONFIGURED;
	unit->interrupted = 0;
	unit->root = 0;
	unit->id = sim->head->next_id++;
	regs->rcx = unit->id;
}

static __u64 clear_check(struct sim_module *sim, const struct sim_unit *unit, __u64 root)
{
	if (!unit)
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	if (unit->phase != SIM_CLEARING && sim_links_below(sim, unit->reg_base))
		return TDX_IOMMU_INVALID_STATE | TDX_OPERAND_RCX;
	/* At a resumption too: the list of released pages is written there. */
	if (sim->head->identity.abi_profile == TDX_IOMMU_PROFILE_V2 && !sim_is_hosts(sim, root))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	return 0;
}

/* Where a list may be written: the newest module has no such operand. */
static __u64 list_root(struct sim_module *sim, __u64 root)
{
	switch (sim->head->identity.abi_profile) {
	case TDX_IOMMU_PROFILE_V2:
		return root;
	case TDX_IOMMU_PROFILE_UNKNOWN:
		return sim_is_hosts(sim, root) ? root : 0;
	default:
		return 0;
	}
}

static void clear(struct sim_module *sim, struct sim_unit *unit, struct tdx_regs *regs)
{
	struct sim_fault fault = { 0 };
	__u64 scripted = script_for(sim, TDX_LEAF_IOMMU_CLEAR, unit, &fault);

	sim->head->clear_calls++;
	if (unit)
		unit->clear_calls++;
	regs->rax = scripted;
	if (is_refusal(scripted) && !is_holding(scripted))
		return;
	regs->rax = clear_check(sim, unit, regs->rdx);
	if (regs->rax)
		return;
	unit->phase = SIM_CLEARING;
	regs->rax = not_yet(sim, unit, scripted);
	if (is_refusal(regs->rax))
		return;
	sim_pages_return(sim, unit, list_root(sim, regs->rdx), fault.list);
	unit->phase = SIM_NONE;
	unit->interrupted = 0;
	unit->id = 0;
}

static __u64 write_back_check(struct sim_module *sim, __u64 page)
{
	struct sim_fault fault = { 0 };
	__u64 scripted = script_for(sim, TDX_LEAF_PHYMEM_PAGE_WBINVD, NULL, &fault);

	if (is_refusal(scripted))
		return scripted;
	if ((page & TDX_PAGE_MASK) || !sim_in_memory(sim, page))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	return sim->head->lax || sim_is_hosts(sim, page)
		       ? 0
		       : TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_RCX;
}

static void write_back(struct sim_module *sim, struct sim_unit *unit, struct tdx_regs *regs)
{
	(void)unit;
	regs->rax = write_back_check(sim, regs->rcx);
	sim->head->write_backs++;
	sim->head->write_backs_refused += regs->rax != 0;
}

struct sim_leaf {
	__u64 number;
	/* The unit that operand RCX names; NULL: the leaf names none, and is never slow. */
	struct sim_unit *(*unit)(struct sim_module *sim, __u64 rcx);
	void (*answer)(struct sim_module *sim, struct sim_unit *unit, struct tdx_regs *regs);
};

static const struct sim_leaf leaves[] = {
	{ TDX_LEAF_IOMMU_SETUP, sim_unit_at, setup },
	{ TDX_LEAF_IOMMU_CLEAR, sim_unit_with_id, clear },
	/* Comes in tens. */
	{ TDX_LEAF_PHYMEM_PAGE_WBINVD, NULL, write_back },
	{ 0, NULL, NULL },
};

static const struct sim_leaf *leaf_of(__u64 number)
{
	const struct sim_leaf *leaf = leaves;

	while (leaf->answer && leaf->number != number)
		leaf++;
	return leaf->answer ? leaf : NULL;
}

__u32 sim_delay_ms(struct sim_module *sim, __u64 number, __u64 rcx)
{
	const struct sim_leaf *leaf = leaf_of(number);

	return leaf && leaf->unit ? sim_fault_delay_ms(sim, number, leaf->unit(sim, rcx)) : 0;
}

static __u64 environment_status(__u32 environment)
{
	switch (environment) {
	case TDX_IOMMU_ENV_OK:
		return TDX_SUCCESS;
	case TDX_IOMMU_ENV_UD:
		return TDX_SEAMCALL_UD;
	case TDX_IOMMU_ENV_GP:
		return TDX_SEAMCALL_GP;
	case TDX_IOMMU_ENV_VMFAILINVALID:
		return TDX_SEAMCALL_VMFAILINVALID;
	case TDX_IOMMU_ENV_NOT_READY:
		return TDX_SYS_NOT_READY;
	default:
		/* Without TDX Connect the leaf does not exist. */
		return TDX_OPERAND_INVALID | TDX_OPERAND_RAX;
	}
}

void sim_seamcall(struct sim_module *sim, struct tdx_regs *regs)
{
	const struct sim_leaf *leaf = leaf_of(regs->rax);

	regs->rax = environment_status(sim->head->identity.environment);
	if (regs->rax)
		return;
	sim_check_pages(sim);
	if (leaf)
		leaf->answer(sim, leaf->unit ? leaf->unit(sim, regs->rcx) : NULL, regs);
	else
		regs->rax = TDX_OPERAND_INVALID | TDX_OPERAND_RAX;
}

/*
 * What TDH.SYS.RD gives in this environment: nothing without a module, no TDX Connect fields
 * without the opt-in.
 */
void sim_identity(struct sim_module *sim, struct tdx_identity *identity)
{
	__u32 environment = sim->head->identity.environment;

	*identity = sim->head->identity;
	if (environment == TDX_IOMMU_ENV_OK)
		return;
	if (environment == TDX_IOMMU_ENV_NOT_OPTED_IN) {
		identity->valid &= ~TDX_IOMMU_VALID_MT_PAGE_COUNT;
		identity->mt_page_count = 0;
		return;
	}
	*identity = (struct tdx_identity){ .environment = environment,
					   .incarnation = identity->incarnation };
}
