// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* The script of faults, and what happens to the module from outside. */
#include "internal.h"

struct sim_unit *sim_unit_at(struct sim_module *sim, __u64 reg_base)
{
	__u32 i;

	for (i = 0; i < sim->head->unit_count; i++) {
		if (sim->units[i].reg_base == reg_base)
			return &sim->units[i];
	}
	return NULL;
}

struct sim_unit *sim_unit_with_id(struct sim_module *sim, __u64 id)
{
	__u32 i;

	for (i = 0; i < sim->head->unit_count; i++) {
		__u32 phase = sim->units[i].phase;

		if ((phase == SIM_CONFIGURED || phase == SIM_CLEARING) && sim->units[i].id == id)
			return &sim->units[i];
	}
	return NULL;
}

static int matches(const struct sim_fault *fault, __u64 leaf, const struct sim_unit *unit)
{
	if (fault->leaf ? fault->leaf != leaf : leaf == TDX_LEAF_PHYMEM_PAGE_WBINVD)
		return 0;
	return fault->any_unit || (unit && unit->reg_base == fault->reg_base);
}

static void remove_fault(struct sim_head *head, __u32 at)
{
	for (; at + 1 < head->fault_count; at++)
		head->faults[at] = head->faults[at + 1];
	head->fault_count--;
}

int sim_fault_take(struct sim_module *sim, __u64 leaf, const struct sim_unit *unit,
		   struct sim_fault *taken)
{
	struct sim_head *head = sim->head;
	__u32 i;

	for (i = 0; i < head->fault_count; i++) {
		struct sim_fault *fault = &head->faults[i];

		if (!matches(fault, leaf, unit))
			continue;
		if (fault->skip) {
			fault->skip--;
			continue;
		}
		*taken = *fault;
		if (fault->count && --fault->count == 0)
			remove_fault(head, i);
		return 1;
	}
	return 0;
}

__u32 sim_fault_delay_ms(const struct sim_module *sim, __u64 leaf, const struct sim_unit *unit)
{
	__u32 i;

	for (i = 0; i < sim->head->fault_count; i++) {
		const struct sim_fault *fault = &sim->head->faults[i];

		if (matches(fault, leaf, unit) && !fault->skip)
			return fault->delay_ms > sim->head->latency_ms ? fault->delay_ms
								       : sim->head->latency_ms;
	}
	return sim->head->latency_ms;
}

int sim_fault_add(struct sim_module *sim, const struct sim_fault *fault)
{
	if (sim->head->fault_count == SIM_FAULTS)
		return -ENOSPC;
	sim->head->faults[sim->head->fault_count++] = *fault;
	return 0;
}

void sim_faults_clear(struct sim_module *sim)
{
	sim->head->fault_count = 0;
}

__u32 sim_links_below(const struct sim_module *sim, __u64 reg_base)
{
	__u32 i, below = 0;

	for (i = 0; i < sim->head->link_count; i++)
		below += sim->head->links[i].reg_base == reg_base;
	return below;
}

int sim_link_set(struct sim_module *sim, __u64 reg_base, __u32 device, int secured)
{
	struct sim_head *head = sim->head;
	__u32 i;

	if (!sim_unit_at(sim, reg_base))
		return -ENOENT;
	for (i = 0; i < head->link_count; i++) {
		if (head->links[i].reg_base == reg_base && head->links[i].device == device)
			break;
	}
	if (secured && i == SIM_LINKS)
		return -ENOSPC;
	if (secured) {
		head->links[i] = (struct sim_link){ .reg_base = reg_base, .device = device };
		head->link_count += i == head->link_count;
	} else if (i < head->link_count) {
		head->links[i] = head->links[--head->link_count];
	}
	return 0;
}

static void forget_unit(struct sim_unit *unit)
{
	unit->phase = unit->phase == SIM_FOREIGN ? SIM_FOREIGN : SIM_NONE;
	unit->interrupted = 0;
	unit->root = 0;
	unit->id = 0;
}

/* Reset hardware knows nothing; what it was given stays the module's. */
int sim_present_set(struct sim_module *sim, __u64 reg_base, int present)
{
	struct sim_unit *unit = sim_unit_at(sim, reg_base);

	if (!unit)
		return -ENOENT;
	if (!unit->present == !present)
		return 0;
	sim_pages_orphan(sim, unit);
	forget_unit(unit);
	unit->present = present ? 1 : 0;
	return 0;
}

static void load_anew(struct sim_module *sim)
{
	__u32 i;

	for (i = 0; i < sim->head->unit_count; i++)
		forget_unit(&sim->units[i]);
	for (i = 0; i < sim->head->page_count; i++)
		sim->pages[i] = (struct sim_page){ 0 };
	sim->head->next_id = 0;
	sim->head->identity.incarnation++;
}

void sim_environment_set(struct sim_module *sim, __u32 environment, int lost)
{
	sim->head->identity.environment = environment;
	if (lost)
		load_anew(sim);
}

void sim_reboot(struct sim_module *sim)
{
	load_anew(sim);
	sim->head->identity.environment = TDX_IOMMU_ENV_OK;
	sim->head->link_count = 0;
}
