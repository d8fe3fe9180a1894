// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* IOMMU_MT: gathering the pages that SETUP hands over, and giving them back. */
#include "internal.h"

static __u32 entry_order(__u32 index)
{
	return index < TDX_MT_QUEUES ? 1 : 0;
}

static void free_entries(struct tdx_table *table, __u64 ledger, __u32 entries)
{
	__u32 i;

	for (i = 0; i < entries; i++) {
		__u64 entry = table->ops->entry_read(table->ctx, ledger, i);

		table->ops->pages_free(table->ctx, entry & ~TDX_PAGE_MASK, entry_order(i));
	}
}

static int gather_entries(struct tdx_table *table, const struct tdx_unit *unit,
			  struct tdx_pages *pages)
{
	const struct tdx_table_ops *ops = table->ops;
	__u32 i;

	for (i = 0; i < TDX_MT_QUEUES + pages->count; i++) {
		__u64 page = ops->pages_alloc(table->ctx, unit->numa_node, entry_order(i));
		__u64 entry = i < TDX_MT_QUEUES ? page | TDX_MT_QUEUE_PAGES : page;

		if (!page) {
			free_entries(table, pages->ledger, i);
			return -ENOMEM;
		}
		ops->entry_write(table->ctx, pages->ledger, i, entry);
		ops->entry_write(table->ctx, pages->root, i, entry);
	}
	return 0;
}

int tdx_pages_gather(struct tdx_table *table, const struct tdx_unit *unit, __u32 count,
		     struct tdx_pages *pages)
{
	const struct tdx_table_ops *ops = table->ops;
	struct tdx_pages fresh = { .count = count };

	fresh.root = ops->pages_alloc(table->ctx, unit->numa_node, 0);
	if (!fresh.root)
		return -ENOMEM;
	fresh.ledger = ops->pages_alloc(table->ctx, unit->numa_node, 0);
	if (!fresh.ledger)
		goto free_root;
	if (gather_entries(table, unit, &fresh))
		goto free_ledger;
	*pages = fresh;
	return 0;

free_ledger:
	ops->pages_free(table->ctx, fresh.ledger, 0);
free_root:
	ops->pages_free(table->ctx, fresh.root, 0);
	return -ENOMEM;
}

void tdx_pages_release(struct tdx_table *table, struct tdx_pages *pages)
{
	if (!pages->root)
		return;
	free_entries(table, pages->ledger, TDX_MT_QUEUES + pages->count);
	table->ops->pages_free(table->ctx, pages->ledger, 0);
	table->ops->pages_free(table->ctx, pages->root, 0);
	*pages = (struct tdx_pages){ 0 };
}

/* All of it: a CLEAR before may have left there what it liked. */
void tdx_pages_clear_root(struct tdx_table *table, const struct tdx_pages *pages)
{
	__u32 i;

	for (i = 0; i < TDX_MT_ENTRIES; i++)
		table->ops->entry_write(table->ctx, pages->root, i, 0);
}

int tdx_pages_root_is_blank(struct tdx_table *table, const struct tdx_pages *pages)
{
	__u32 i;

	for (i = 0; i < TDX_MT_ENTRIES; i++) {
		if (table->ops->entry_read(table->ctx, pages->root, i))
			return 0;
	}
	return 1;
}

static __u64 first_page(__u64 entry)
{
	return entry & ~TDX_PAGE_MASK;
}

/* How many pages an entry names: its low bits, where 0 is one page. */
static __u64 entry_pages(__u64 entry)
{
	return entry & TDX_PAGE_MASK ? entry & TDX_PAGE_MASK : 1;
}

static int names_page(__u64 entry, __u64 page)
{
	__u64 first = first_page(entry);

	return entry && page >= first && page < first + entry_pages(entry) * TDX_PAGE_SIZE;
}

/* Where it was given first, for the usual case; then anywhere. */
static int is_listed(struct tdx_table *table, const struct tdx_pages *pages, __u64 page, __u32 at)
{
	const struct tdx_table_ops *ops = table->ops;
	__u32 i;

	if (names_page(ops->entry_read(table->ctx, pages->root, at), page))
		return 1;
	for (i = 0; i < TDX_MT_ENTRIES; i++) {
		if (names_page(ops->entry_read(table->ctx, pages->root, i), page))
			return 1;
	}
	return 0;
}

static __u64 pages_listed(struct tdx_table *table, const struct tdx_pages *pages)
{
	__u64 listed = 0;
	__u32 i;

	for (i = 0; i < TDX_MT_ENTRIES; i++) {
		__u64 entry = table->ops->entry_read(table->ctx, pages->root, i);

		listed += entry ? entry_pages(entry) : 0;
	}
	return listed;
}

/*
 * As many as were given and each of those: then it is the same set, without a page that is foreign
 * or named twice.
 */
int tdx_pages_all_listed(struct tdx_table *table, const struct tdx_pages *pages)
{
	__u32 i;

	if (pages_listed(table, pages) != tdx_pages_given(pages))
		return 0;
	for (i = 0; i < TDX_MT_QUEUES + pages->count; i++) {
		__u64 entry = table->ops->entry_read(table->ctx, pages->ledger, i), page;

		for (page = first_page(entry); names_page(entry, page); page += TDX_PAGE_SIZE) {
			if (!is_listed(table, pages, page, i))
				return 0;
		}
	}
	return 1;
}

int tdx_pages_write_back(struct tdx_table *table, const struct tdx_pages *pages)
{
	__u32 i;

	for (i = 0; i < TDX_MT_QUEUES + pages->count; i++) {
		__u64 entry = table->ops->entry_read(table->ctx, pages->ledger, i), page;

		for (page = first_page(entry); names_page(entry, page); page += TDX_PAGE_SIZE) {
			if (table->ops->write_back(table->ctx, page))
				return 0;
		}
	}
	return 1;
}

__u32 tdx_pages_given(const struct tdx_pages *pages)
{
	return pages->root ? TDX_MT_PAGES(pages->count) : 0;
}

void tdx_pages_abandon(struct tdx_unit *unit, struct tdx_pages *pages)
{
	unit->retained += tdx_pages_given(pages);
	*pages = (struct tdx_pages){ 0 };
}
