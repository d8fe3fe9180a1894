// SPDX-License-Identifier: Apache-2.0
/*
 * Whether a stored state can be one of ours. Table and simulator trust their memory; a file may have been written by anybody. Everything that is
 * used as an index, a count, an address or a choice is looked at before they see it. What the pages themselves contain is not: host-memory.c lets
 * no address in there lead out of the simulated memory.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../table/leaf.h"
#include "store.h"

#define MAX_NODES 64U
/* control.c gives each unit room for three sets of pages, and some. */
#define MAX_PAGES(units) ((units) * 3ULL * (TDX_MT_PAGES(TDX_MT_MAX_COUNT) + 4) + 64 + 4 * MAX_NODES)

struct check {
	const struct store *store;
	char *field;
	size_t room;
};

/* Names the first thing that is wrong. Always false. */
static __attribute__((format(printf, 2, 3))) bool wrong(struct check *check, const char *format, ...)
{
	va_list words;

	va_start(words, format);
	vsnprintf(check->field, check->room, format, words);
	va_end(words);
	return false;
}

bool store_check_header(const struct store_header *header, __u64 file_size, char *field, size_t room)
{
	struct check check = { .field = field, .room = room };

	if (header->unit_count > STORE_MAX_UNITS)
		return wrong(&check, "header.unit_count = %u", header->unit_count);
	if (header->page_count > MAX_PAGES(header->unit_count))
		return wrong(&check, "header.page_count = %u", header->page_count);
	if (header->numa_nodes < 1 || header->numa_nodes > MAX_NODES)
		return wrong(&check, "header.numa_nodes = %u", header->numa_nodes);
	if (header->size != store_size(header) || file_size != header->size)
		return wrong(&check, "header.size = %u", header->size);
	return true;
}

static bool is_page(const struct check *check, __u64 address)
{
	return !(address & TDX_PAGE_MASK) && address >= STORE_MEMORY_BASE &&
	       address < STORE_MEMORY_BASE + (__u64)check->store->header->page_count * TDX_PAGE_SIZE;
}

static bool is_leaf(__u32 leaf)
{
	return !leaf || tdx_leaf_of(leaf);
}

static bool check_identity(struct check *check, const char *where, const struct tdx_identity *identity)
{
	if (identity->environment > TDX_IOMMU_ENV_NOT_OPTED_IN)
		return wrong(check, "%s.identity.environment = %u", where, identity->environment);
	if (identity->abi_profile > TDX_IOMMU_PROFILE_NEWEST)
		return wrong(check, "%s.identity.abi_profile = %u", where, identity->abi_profile);
	if (identity->mt_page_count > 0xFFFF)
		return wrong(check, "%s.identity.mt_page_count = %u", where, identity->mt_page_count);
	return true;
}

static bool check_set(struct check *check, __u32 unit, const char *name, const struct tdx_pages *pages)
{
	if (!pages->root != !pages->ledger || (pages->root && !is_page(check, pages->root)))
		return wrong(check, "table.units[%u].%s.root = 0x%llx", unit, name, (unsigned long long)pages->root);
	if (pages->ledger && !is_page(check, pages->ledger))
		return wrong(check, "table.units[%u].%s.ledger = 0x%llx", unit, name, (unsigned long long)pages->ledger);
	if (pages->count > TDX_MT_MAX_COUNT)
		return wrong(check, "table.units[%u].%s.count = %u", unit, name, pages->count);
	if (pages->tainted > 1)
		return wrong(check, "table.units[%u].%s.tainted = %u", unit, name, pages->tainted);
	return true;
}

static bool check_table_unit(struct check *check, __u32 at)
{
	const struct tdx_table *table = &check->store->table;
	const struct tdx_unit *unit = &table->units[at];
	const __u32 flags = TDX_UNIT_PRESENT | TDX_UNIT_FOREIGN | TDX_UNIT_ID_VALID | TDX_UNIT_RETRYABLE | TDX_UNIT_CLEAR_BY_ID;

	if ((unit->reg_base & TDX_PAGE_MASK) || (at && unit->reg_base <= table->units[at - 1].reg_base))
		return wrong(check, "table.units[%u].reg_base = 0x%llx", at, (unsigned long long)unit->reg_base);
	if (unit->flags & ~flags)
		return wrong(check, "table.units[%u].flags = 0x%x", at, unit->flags);
	if (unit->state > TDX_IOMMU_FOREIGN)
		return wrong(check, "table.units[%u].state = %u", at, unit->state);
	if (unit->setup_seq >= table->head->next_seq)
		return wrong(check, "table.units[%u].setup_seq = %llu", at, (unsigned long long)unit->setup_seq);
	if (!is_leaf(unit->last_leaf))
		return wrong(check, "table.units[%u].last_leaf = %u", at, unit->last_leaf);
	if (!is_leaf(unit->op_leaf))
		return wrong(check, "table.units[%u].op_leaf = %u", at, unit->op_leaf);
	return check_set(check, at, "held", &unit->held) && check_set(check, at, "tried", &unit->tried);
}

static bool check_table(struct check *check)
{
	const struct tdx_table_head *head = check->store->table.head;
	__u32 i;

	if (head->unit_count != check->store->header->unit_count)
		return wrong(check, "table.head.unit_count = %u", head->unit_count);
	if (head->flags != TDX_IOMMU_INFO_SIMULATED)
		return wrong(check, "table.head.flags = 0x%x", head->flags);
	if (!check_identity(check, "table.head", &head->identity))
		return false;
	for (i = 0; i < head->unit_count; i++) {
		if (!check_table_unit(check, i))
			return false;
	}
	return true;
}

static bool check_fault(struct check *check, __u32 at)
{
	const struct sim_fault *fault = &check->store->sim.head->faults[at];

	if (!is_leaf(fault->leaf))
		return wrong(check, "sim.head.faults[%u].leaf = %u", at, fault->leaf);
	if (fault->any_unit > 1 || fault->has_status > 1 || fault->keep_pages > 1)
		return wrong(check, "sim.head.faults[%u]: a flag is neither 0 nor 1", at);
	if (fault->list > SIM_LIST_MORE)
		return wrong(check, "sim.head.faults[%u].list = %u", at, fault->list);
	return true;
}

static bool check_sim_head(struct check *check)
{
	const struct store_header *header = check->store->header;
	const struct sim_head *head = check->store->sim.head;
	__u32 i;

	if (head->memory_base != STORE_MEMORY_BASE)
		return wrong(check, "sim.head.memory_base = 0x%llx", (unsigned long long)head->memory_base);
	if (head->page_count != header->page_count)
		return wrong(check, "sim.head.page_count = %u", head->page_count);
	if (head->unit_count != header->unit_count)
		return wrong(check, "sim.head.unit_count = %u", head->unit_count);
	if (head->fault_count > SIM_FAULTS)
		return wrong(check, "sim.head.fault_count = %u", head->fault_count);
	if (head->link_count > SIM_LINKS)
		return wrong(check, "sim.head.link_count = %u", head->link_count);
	if (head->corrupted && !is_page(check, head->corrupted))
		return wrong(check, "sim.head.corrupted = 0x%llx", (unsigned long long)head->corrupted);
	if (head->lax > 1)
		return wrong(check, "sim.head.lax = %u", head->lax);
	for (i = 0; i < head->fault_count; i++) {
		if (!check_fault(check, i))
			return false;
	}
	return check_identity(check, "sim.head", &head->identity);
}

static bool has_pages(const struct sim_unit *unit)
{
	return unit->phase == SIM_CONFIGURING || unit->phase == SIM_CONFIGURED || unit->phase == SIM_CLEARING;
}

static bool check_sim_unit(struct check *check, __u32 at)
{
	const struct sim_unit *unit = &check->store->sim.units[at];
	const __u32 count = check->store->sim.head->identity.mt_page_count;

	if (unit->reg_base & TDX_PAGE_MASK)
		return wrong(check, "sim.units[%u].reg_base = 0x%llx", at, (unsigned long long)unit->reg_base);
	if (unit->phase > SIM_FOREIGN)
		return wrong(check, "sim.units[%u].phase = %u", at, unit->phase);
	if (unit->present > 1)
		return wrong(check, "sim.units[%u].present = %u", at, unit->present);
	if (has_pages(unit) && (count < 1 || count > TDX_MT_MAX_COUNT))
		return wrong(check, "sim.head.identity.mt_page_count = %u", count);
	return true;
}

/* A unit that has pages has all of them, each once: the answer to a CLEAR is made from them. */
static bool check_sets(struct check *check, const __u8 *seen)
{
	const struct sim_module *sim = &check->store->sim;
	__u32 i, entry;

	for (i = 0; i < sim->head->unit_count; i++) {
		for (entry = 0; entry < TDX_MT_ENTRIES; entry++) {
			__u32 given = TDX_MT_QUEUES + sim->head->identity.mt_page_count;
			__u32 pages = entry < TDX_MT_QUEUES ? TDX_MT_QUEUE_PAGES : 1;

			if (seen[i * TDX_MT_ENTRIES + entry] != (has_pages(&sim->units[i]) && entry < given ? pages : 0))
				return wrong(check, "sim.pages: entry %u of unit %u", entry, i);
		}
	}
	return true;
}

static bool count_pages(struct check *check, __u8 *seen)
{
	const struct sim_module *sim = &check->store->sim;
	__u32 i;

	for (i = 0; i < sim->head->page_count; i++) {
		const struct sim_page *page = &sim->pages[i];
		__u8 *count = NULL;

		if (page->entry >= TDX_MT_ENTRIES)
			return wrong(check, "sim.pages[%u].entry = %u", i, page->entry);
		if (page->owner && page->owner != SIM_NOBODYS && page->owner > sim->head->unit_count)
			return wrong(check, "sim.pages[%u].owner = %u", i, page->owner);
		if (check->store->used[i] > STORE_USED)
			return wrong(check, "used[%u] = %u", i, check->store->used[i]);
		if (page->owner && page->owner != SIM_NOBODYS)
			count = &seen[(page->owner - 1) * TDX_MT_ENTRIES + page->entry];
		if (count && ++*count > TDX_MT_QUEUE_PAGES)
			return wrong(check, "sim.pages[%u].entry = %u", i, page->entry);
	}
	return check_sets(check, seen);
}

static bool check_sim(struct check *check)
{
	__u8 *seen;
	__u32 i;
	bool ok;

	if (!check_sim_head(check))
		return false;
	for (i = 0; i < check->store->sim.head->unit_count; i++) {
		if (!check_sim_unit(check, i))
			return false;
	}
	seen = calloc(check->store->header->unit_count + 1, TDX_MT_ENTRIES);
	if (!seen)
		return wrong(check, "no memory to look at it");
	ok = count_pages(check, seen);
	free(seen);
	return ok;
}

bool store_check(const struct store *store, char *field, size_t room)
{
	struct check check = { .store = store, .field = field, .room = room };

	return check_table(&check) && check_sim(&check);
}
