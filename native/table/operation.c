// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/* One SETUP or CLEAR from its record in the table to its end: the resume loop. */
#include "internal.h"
#include "leaf.h"

struct tdx_run {
	__u32 entropy; /* refusals for want of entropy in a row */
	__u32 outcome;
	struct tdx_ending ending;
};

void tdx_operation_begin(struct tdx_table *table, struct tdx_unit *unit,
			 const struct tdx_leaf *leaf)
{
	tdx_table_assert_locked(table);
	unit->op_leaf = leaf->number;
	unit->op_attempts = 0;
	unit->op_started = table->ops->now_ns(table->ctx);
	unit->state = leaf->state;
	unit->flags &= ~TDX_UNIT_RETRYABLE;
	tdx_table_bump(table);
}

static void end(struct tdx_table *table, struct tdx_unit *unit, __u64 status)
{
	unit->last_leaf = unit->op_leaf;
	unit->last_attempts = unit->op_attempts;
	unit->last_status = status;
	unit->last_duration = table->ops->now_ns(table->ctx) - unit->op_started;
	unit->op_leaf = 0;
	tdx_table_bump(table);
}

/*
 * The operands are made anew for every attempt from what the table holds of the unit, never from
 * the module's identity, which is read again meanwhile: registers never change between attempts.
 */
static struct tdx_call next_call(const struct tdx_table *table, const struct tdx_unit *unit)
{
	struct tdx_call call = { .leaf = unit->op_leaf };

	__builtin_memcpy(call.instance, table->head->instance, sizeof(call.instance));
	call.regs.rax = unit->op_leaf;
	tdx_leaf_of(unit->op_leaf)->operands(table, unit, &call);
	return call;
}

static int is_same_operation(const struct tdx_table *table, const struct tdx_unit *unit,
			     const struct tdx_call *call)
{
	return unit->op_leaf == call->leaf &&
	       __builtin_memcmp(table->head->instance, call->instance, sizeof(call->instance)) == 0;
}

int tdx_table_expects(struct tdx_table *table, const struct tdx_call *call)
{
	__u32 i;

	for (i = 0; i < table->head->unit_count; i++) {
		struct tdx_call expected;

		if (!is_same_operation(table, &table->units[i], call))
			continue;
		expected = next_call(table, &table->units[i]);
		if (expected.regs.rcx == call->regs.rcx && expected.regs.rdx == call->regs.rdx)
			return 1;
	}
	return 0;
}

/* The backend is gone for good: what it did with the pages cannot be known. */
static int give_up(struct tdx_table *table, __u64 reg_base, const struct tdx_call *call, int error)
{
	struct tdx_unit *unit;

	if (tdx_enter(table))
		return error;
	unit = tdx_table_find(table, reg_base);
	if (unit && is_same_operation(table, unit, call)) {
		unit->op_leaf = 0;
		unit->state = TDX_IOMMU_UNKNOWN;
		tdx_table_refresh_locked(table);
		tdx_table_bump(table);
	}
	tdx_leave(table);
	return error;
}

#define GO_ON 1

/*
 * Records the answer and, unless the leaf must be issued again (GO_ON), ends the operation. Called,
 * and returns, as inside begin.
 */
static int settle(struct tdx_table *table, struct tdx_unit *unit, const struct tdx_call *call,
		  struct tdx_run *run)
{
	const struct tdx_leaf *leaf = tdx_leaf_of(call->leaf);
	enum tdx_verdict verdict = tdx_status_verdict(leaf, call->regs.rax);

	tdx_table_assert_locked(table);
	unit->op_attempts++;
	if (leaf->note)
		leaf->note(table, unit, call);
	run->entropy = verdict == TDX_VERDICT_NO_ENTROPY ? run->entropy + 1 : 0;
	if (verdict == TDX_VERDICT_RESUME)
		return GO_ON;
	if (verdict == TDX_VERDICT_NO_ENTROPY && run->entropy < TDX_ENTROPY_ATTEMPTS)
		return GO_ON;
	tdx_table_refresh_locked(table);
	run->outcome = leaf->end(table, unit, call, &run->ending);
	end(table, unit, call->regs.rax);
	return 0;
}

/* The pages under the unit's id; false when the answer is of no operation of the table any more. */
static int expected_pages(struct tdx_table *table, __u64 reg_base, const struct tdx_call *call,
			  struct tdx_pages *held)
{
	struct tdx_unit *unit;
	int same;

	table->ops->lock(table->ctx);
	unit = tdx_table_find(table, reg_base);
	same = is_same_operation(table, unit, call);
	*held = unit->held;
	table->ops->unlock(table->ctx);
	return same;
}

/* One SEAMCALL and its record. GO_ON, 0 at the end, or an error. */
static int attempt(struct tdx_table *table, __u64 reg_base, struct tdx_run *run)
{
	const struct tdx_leaf *leaf;
	struct tdx_unit *unit;
	struct tdx_pages held;
	struct tdx_call call;
	int rc, stored;
	__u64 root;

	table->ops->lock(table->ctx);
	call = next_call(table, tdx_table_find(table, reg_base));
	table->ops->unlock(table->ctx);
	root = call.regs.rdx;
	rc = table->ops->seamcall(table->ctx, &call);
	if (rc)
		return rc == -ECANCELED ? rc : give_up(table, reg_base, &call, rc);
	leaf = tdx_leaf_of(call.leaf);
	if (leaf->released && expected_pages(table, reg_base, &call, &held))
		run->ending.released = leaf->released(table, &held, &call, root);

	table->ops->lock(table->ctx);
	unit = tdx_table_find(table, reg_base);
	if (is_same_operation(table, unit, &call))
		rc = settle(table, unit, &call, run);
	else
		/* A boot, or the unit's removal, came between: the answer belongs to no caller. */
		rc = unit->flags & TDX_UNIT_PRESENT ? -EIO : -ENOENT;
	table->ops->unlock(table->ctx);
	tdx_pages_release(table, &run->ending.freed);
	stored = table->ops->commit(table->ctx);
	return stored ? stored : rc;
}

int tdx_operation_run(struct tdx_table *table, __u64 reg_base, __u32 *outcome)
{
	struct tdx_run run = { 0 };
	int rc;

	do
		rc = attempt(table, reg_base, &run);
	while (rc == GO_ON);
	*outcome = run.outcome;
	return rc;
}

int tdx_table_resume(struct tdx_table *table)
{
	__u32 i, count, outcome;
	int rc, first = 0;

	rc = table->ops->begin(table->ctx);
	if (rc)
		return rc;
	count = table->head->unit_count;
	rc = table->ops->commit(table->ctx);
	for (i = 0; !rc && i < count; i++) {
		__u64 reg_base = 0;

		table->ops->lock(table->ctx);
		if (table->units[i].op_leaf)
			reg_base = table->units[i].reg_base;
		table->ops->unlock(table->ctx);
		if (!reg_base)
			continue;
		rc = tdx_operation_run(table, reg_base, &outcome);
		first = first ? first : rc;
		if (rc != -ECANCELED)
			rc = 0;
	}
	return first ? first : rc;
}
