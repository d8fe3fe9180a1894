// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* Who owns which page, and the pattern in the pages the module owns. */
#include "internal.h"

#define PATTERN_WORDS 8 /* looked at in each page; the allocator zeroes pages from their start */

static __u64 address_of(const struct sim_module *sim, __u32 index)
{
	return sim->head->memory_base + (__u64)index * TDX_PAGE_SIZE;
}

static struct sim_page *page_at(struct sim_module *sim, __u64 address)
{
	return &sim->pages[(address - sim->head->memory_base) / TDX_PAGE_SIZE];
}

static __u16 owner_of(const struct sim_module *sim, const struct sim_unit *unit)
{
	return (__u16)(unit - sim->units + 1);
}

int sim_in_memory(const struct sim_module *sim, __u64 address)
{
	return address >= sim->head->memory_base &&
	       address < address_of(sim, sim->head->page_count);
}

int sim_is_hosts(struct sim_module *sim, __u64 page)
{
	return !(page & TDX_PAGE_MASK) && sim_in_memory(sim, page) && !page_at(sim, page)->owner;
}

static __u64 pattern_word(__u64 address, __u32 word)
{
	return (address + word + 1) * 0x9E3779B97F4A7C15ULL;
}

static void write_pattern(struct sim_module *sim, __u64 address)
{
	__u64 words[PATTERN_WORDS];
	__u32 at, i;

	for (at = 0; at < TDX_PAGE_SIZE; at += sizeof(words)) {
		for (i = 0; i < PATTERN_WORDS; i++)
			words[i] = pattern_word(address, i);
		sim->memory->write(sim->ctx, address + at, words, sizeof(words));
	}
}

static int pattern_is_whole(struct sim_module *sim, __u64 address)
{
	__u64 words[PATTERN_WORDS];
	__u32 i;

	sim->memory->read(sim->ctx, address, words, sizeof(words));
	for (i = 0; i < PATTERN_WORDS; i++) {
		if (words[i] != pattern_word(address, i))
			return 0;
	}
	return 1;
}

void sim_check_pages(struct sim_module *sim)
{
	__u32 i;

	for (i = 0; i < sim->head->page_count && !sim->head->corrupted; i++) {
		if (sim->pages[i].owner && !pattern_is_whole(sim, address_of(sim, i)))
			sim->head->corrupted = address_of(sim, i);
	}
}

static __u32 entry_pages(__u32 entry)
{
	return entry < TDX_MT_QUEUES ? TDX_MT_QUEUE_PAGES : 1;
}

static __u64 entry_check(struct sim_module *sim, __u32 entry)
{
	__u64 value = sim->root[entry], address = value & ~TDX_PAGE_MASK;
	__u64 low = entry < TDX_MT_QUEUES ? TDX_MT_QUEUE_PAGES : 0;
	__u64 alignment = entry < TDX_MT_QUEUES ? TDX_MT_QUEUE_PAGES * TDX_PAGE_SIZE - 1
						: TDX_PAGE_MASK;
	__u32 i;

	if (!address || (value & TDX_PAGE_MASK) != low || (address & alignment))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	if (!sim_in_memory(sim, address) ||
	    !sim_in_memory(sim, address + (entry_pages(entry) - 1) * TDX_PAGE_SIZE))
		return TDX_OPERAND_ADDR_RANGE_ERROR | TDX_OPERAND_RDX;
	for (i = 0; i < entry; i++) {
		__u64 other = sim->root[i] & ~TDX_PAGE_MASK;

		if (address >= other && address < other + entry_pages(i) * TDX_PAGE_SIZE)
			return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	}
	for (i = 0; i < entry_pages(entry); i++) {
		if (page_at(sim, address + i * TDX_PAGE_SIZE)->owner)
			return TDX_PAGE_NOT_FREE | TDX_OPERAND_PAGE;
	}
	return 0;
}

__u64 sim_root_check(struct sim_module *sim, __u64 root)
{
	__u32 used = TDX_MT_QUEUES + sim->head->identity.mt_page_count;
	__u64 status = 0;
	__u32 i;

	if (used > TDX_MT_ENTRIES || !sim_is_hosts(sim, root))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	sim->memory->read(sim->ctx, root, sim->root, sizeof(sim->root));
	for (i = 0; i < used && !status; i++)
		status = entry_check(sim, i);
	for (i = used; i < TDX_MT_ENTRIES && !status; i++) {
		if (sim->root[i])
			status = TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	}
	return status;
}

void sim_pages_take(struct sim_module *sim, const struct sim_unit *unit)
{
	__u32 i, j;

	for (i = 0; i < TDX_MT_QUEUES + sim->head->identity.mt_page_count; i++) {
		for (j = 0; j < entry_pages(i); j++) {
			__u64 address = (sim->root[i] & ~TDX_PAGE_MASK) + j * TDX_PAGE_SIZE;

			*page_at(sim, address) = (struct sim_page){ .owner = owner_of(sim, unit),
								    .entry = (__u16)i };
			write_pattern(sim, address);
		}
	}
}

/* The unit's pages are the host's again; sim->root lists them as they were given. */
static void give_back(struct sim_module *sim, const struct sim_unit *unit)
{
	__u32 i;

	__builtin_memset(sim->root, 0, sizeof(sim->root));
	for (i = 0; i < sim->head->page_count; i++) {
		struct sim_page *page = &sim->pages[i];
		__u64 low = page->entry < TDX_MT_QUEUES ? TDX_MT_QUEUE_PAGES : 0;

		if (page->owner != owner_of(sim, unit))
			continue;
		if (!sim->root[page->entry])
			sim->root[page->entry] = address_of(sim, i) | low;
		*page = (struct sim_page){ 0 };
	}
}

static void shuffle_list(struct sim_module *sim, __u32 last)
{
	__u32 i;

	for (i = 0; i < last - i; i++) {
		__u64 other = sim->root[last - i];

		sim->root[last - i] = sim->root[i];
		sim->root[i] = other;
	}
}

/* The page of the list's last entry stays the module's; something else is in its place. */
static void keep_last(struct sim_module *sim, __u32 last, __u32 list)
{
	__u64 kept = sim->root[last] & ~TDX_PAGE_MASK;

	*page_at(sim, kept) = (struct sim_page){ .owner = SIM_NOBODYS, .entry = (__u16)last };
	write_pattern(sim, kept);
	sim->root[last] = list == SIM_LIST_FOREIGN ? sim->head->memory_base
			  : list == SIM_LIST_TWICE ? sim->root[last - 1] & ~TDX_PAGE_MASK
						   : 0;
}

void sim_pages_return(struct sim_module *sim, const struct sim_unit *unit, __u64 root, __u32 list)
{
	__u32 last = TDX_MT_QUEUES + sim->head->identity.mt_page_count - 1;
	int lists = sim->head->identity.abi_profile == TDX_IOMMU_PROFILE_V2;

	if (list == SIM_LIST_OF_PROFILE)
		list = lists ? SIM_LIST_WHOLE : SIM_LIST_NONE;
	/* Nothing could tell this one. */
	if (list == SIM_LIST_NONE_SHORT && sim->head->lax && !lists)
		list = SIM_LIST_NONE;
	give_back(sim, unit);
	if (!root || list == SIM_LIST_NONE)
		return;
	if (list == SIM_LIST_SHUFFLED)
		shuffle_list(sim, last);
	else if (list == SIM_LIST_MORE && last + 1 < TDX_MT_ENTRIES)
		sim->root[last + 1] = sim->head->memory_base;
	else if (list != SIM_LIST_WHOLE)
		keep_last(sim, last, list);
	if (list != SIM_LIST_NONE_SHORT)
		sim->memory->write(sim->ctx, root, sim->root, sizeof(sim->root));
}

void sim_pages_orphan(struct sim_module *sim, const struct sim_unit *unit)
{
	__u32 i;

	for (i = 0; i < sim->head->page_count; i++) {
		if (sim->pages[i].owner == owner_of(sim, unit))
			sim->pages[i].owner = SIM_NOBODYS;
	}
}
