/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/* What the table's files share. Functions named here expect the lock unless they say otherwise. */
#ifndef TDX_TABLE_INTERNAL_H
#define TDX_TABLE_INTERNAL_H

#include <linux/errno.h>

#include "table.h"

struct tdx_leaf;

/* What the status of one attempt means. */
enum tdx_verdict {
	TDX_VERDICT_DONE,
	TDX_VERDICT_RESUME, /* issue again at once, registers unchanged */
	TDX_VERDICT_NO_ENTROPY, /* issue again, bounded */
	TDX_VERDICT_RETRY, /* later, with the same pages */
	TDX_VERDICT_UNSUPPORTED,
	TDX_VERDICT_FAILED,
};

#define TDX_ENTROPY_ATTEMPTS 10

enum tdx_verdict tdx_status_verdict(const struct tdx_leaf *leaf, __u64 status);
/* The attempt took no page: it was refused before it began. */
int tdx_status_took_nothing(__u64 status);
/* The pages themselves were refused: a repeat needs other ones. */
int tdx_status_blames_pages(__u64 status);

/* The pages of one IOMMU_MT set; not under lock. -ENOMEM leaves nothing behind. */
int tdx_pages_gather(struct tdx_table *table, const struct tdx_unit *unit, __u32 count,
		     struct tdx_pages *pages);
void tdx_pages_release(struct tdx_table *table, struct tdx_pages *pages);
/* Before a CLEAR that is called with the root: what is there afterwards is the module's answer. */
void tdx_pages_clear_root(struct tdx_table *table, const struct tdx_pages *pages);
int tdx_pages_root_is_blank(struct tdx_table *table, const struct tdx_pages *pages);
/* The root lists exactly the pages that the module was given, in whatever order. */
int tdx_pages_all_listed(struct tdx_table *table, const struct tdx_pages *pages);
/* All of them are the host's again, caches included. Inside begin, not under lock. */
int tdx_pages_write_back(struct tdx_table *table, const struct tdx_pages *pages);
/* How many pages the module was given. */
__u32 tdx_pages_given(const struct tdx_pages *pages);
/* Gives the set up: never freed, counted on the unit. */
void tdx_pages_abandon(struct tdx_unit *unit, struct tdx_pages *pages);

struct tdx_unit *tdx_table_find(struct tdx_table *table, __u64 reg_base);
void tdx_table_bump(struct tdx_table *table);
static inline void tdx_table_assert_locked(const struct tdx_table *table)
{
	table->ops->assert_locked(table->ctx);
}

/* Reads identity and applies a change; the worker's form of tdx_table_refresh. */
void tdx_table_refresh_locked(struct tdx_table *table);
void tdx_unit_fill(const struct tdx_unit *unit, struct tdx_iommu_unit *out);
__u32 tdx_unit_rest_state(const struct tdx_unit *unit);

/* Takes or leaves one durable step with the lock. Not under lock. */
int tdx_enter(struct tdx_table *table);
int tdx_leave(struct tdx_table *table);

void tdx_operation_begin(struct tdx_table *table, struct tdx_unit *unit,
			 const struct tdx_leaf *leaf);
/* Runs the unit's operation to its end. Not under lock. */
int tdx_operation_run(struct tdx_table *table, __u64 reg_base, __u32 *outcome);

#endif
