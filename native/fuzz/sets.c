// SPDX-License-Identifier: Apache-2.0
#include "sets.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void violated(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("INVARIANT: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	abort();
}

static __u32 index_of(__u64 address)
{
	if (address < HOST_BASE || address >= HOST_BASE + (__u64)HOST_PAGES * TDX_PAGE_SIZE)
		violated("the table holds %llx, which is no memory", (unsigned long long)address);
	return (__u32)((address - HOST_BASE) / TDX_PAGE_SIZE);
}

static struct set read_set(const struct host *host, const struct tdx_pages *pages)
{
	struct set set = { .root = pages->root, .given = TDX_MT_PAGES(pages->count) };
	__u32 ledger = index_of(pages->ledger), i;

	if (set.given + 2 > SET_PAGES_MAX)
		violated("a set of %u pages", set.given);
	set.page[set.pages++] = index_of(pages->root);
	set.page[set.pages++] = ledger;
	for (i = 0; i < TDX_MT_QUEUES + pages->count; i++) {
		__u64 entry;

		memcpy(&entry, &host->memory[ledger][i * 8], sizeof(entry));
		set.page[set.pages++] = index_of(entry & ~TDX_PAGE_MASK);
		if (i < TDX_MT_QUEUES) {
			set.page[set.pages] = set.page[set.pages - 1] + 1;
			set.pages++;
		}
	}
	return set;
}

static int share_pages(const struct set *a, const struct set *b)
{
	__u32 i, j;

	for (i = 0; i < a->pages; i++) {
		for (j = 0; j < b->pages; j++) {
			if (a->page[i] == b->page[j])
				return 1;
		}
	}
	return 0;
}

/* A set made of pages of older ones replaces them: the allocator had them back. */
static void note(struct sets *sets, const struct host *host, const struct tdx_pages *pages)
{
	struct set set;
	__u32 i, kept = 0;

	if (!pages->root)
		return;
	set = read_set(host, pages);
	for (i = 0; i < sets->count; i++) {
		if (!share_pages(&sets->set[i], &set))
			sets->set[kept++] = sets->set[i];
	}
	if (kept == SETS_MAX)
		violated("more than %d sets: some must have been lost", SETS_MAX);
	sets->set[kept++] = set;
	sets->count = kept;
}

void sets_note(struct sets *sets, const struct host *host)
{
	__u32 i;

	for (i = 0; i < host->now.table_head.unit_count; i++) {
		note(sets, host, &host->now.units[i].held);
		note(sets, host, &host->now.units[i].tried);
	}
}

/* How many sets that units hold have this page. */
static __u32 mark_held(const struct host *host, __u8 *held)
{
	__u32 i, j, k, marked = 0;

	for (i = 0; i < host->now.table_head.unit_count; i++) {
		const struct tdx_pages *both[] = { &host->now.units[i].held, &host->now.units[i].tried };

		for (j = 0; j < 2; j++) {
			struct set set;

			if (!both[j]->root)
				continue;
			set = read_set(host, both[j]);
			for (k = 0; k < set.pages; k++) {
				if (host->now.used[set.page[k]] != 1)
					violated("page %u of unit %llx is free", set.page[k],
						 (unsigned long long)host->now.units[i].reg_base);
				if (held[set.page[k]]++)
					violated("page %u is in two sets", set.page[k]);
				marked++;
			}
		}
	}
	return marked;
}

/* Whether all pages of the set (1), or none (0), are used and in no unit's set. */
static int is_given_up(const struct set *set, const struct host *host, const __u8 *held)
{
	__u32 i, up = 0;

	for (i = 0; i < set->pages; i++)
		up += host->now.used[set->page[i]] && !held[set->page[i]];
	if (up && up != set->pages)
		violated("a set is torn: %u of %u pages have no holder and are not free", up, set->pages);
	return up != 0;
}

void sets_check(struct sets *sets, const struct host *host)
{
	__u8 held[HOST_PAGES] = { 0 };
	__u32 i, kept = 0, lost_pages = 0, lost_given = 0, retained = 0, marked = mark_held(host, held);

	for (i = 0; i < sets->count; i++) {
		const struct set *set = &sets->set[i];

		if (!is_given_up(set, host, held))
			continue;
		lost_pages += set->pages;
		lost_given += set->given;
		sets->set[kept++] = *set;
	}
	sets->count = kept;
	sets_note(sets, host);
	for (i = 0; i < host->now.table_head.unit_count; i++)
		retained += host->now.units[i].retained;
	if (lost_given != retained)
		violated("%u pages were given up, %u are counted as retained", lost_given, retained);
	if (host_pages_used(host) != marked + lost_pages)
		violated("%u pages are used: %u in sets, %u given up", host_pages_used(host), marked, lost_pages);
}
