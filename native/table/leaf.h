/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The SEAMCALL leaves that are operations on a unit, one struct each. The resume loop knows what is
 * in here and no leaf by name:
 *
 *   setup.c, clear.c (a request) --> operation.c (its attempts) --> leaf.c
 *                                --> leaf-setup.c, leaf-clear.c
 */
#ifndef TDX_TABLE_LEAF_H
#define TDX_TABLE_LEAF_H

#include "table.h"

/* How an operation ends, besides its outcome. */
struct tdx_ending {
	int released; /* in: what the leaf's released() said of the last attempt */
	struct tdx_pages freed; /* out: what must be freed afterwards, without the lock */
};

struct tdx_leaf {
	__u32 number;
	__u32 state; /* of a unit while the operation is under way */
	__u64 unsupported; /* the status that says that the unit can't; 0: there is none */
	/*
	 * The registers but RAX, and the module that the call is for. The same for every attempt.
	 * Under lock.
	 */
	void (*operands)(const struct tdx_table *table, const struct tdx_unit *unit,
			 struct tdx_call *call);
	/* What one attempt has done to the unit, whether it was the last or not. Under lock. */
	void (*note)(struct tdx_table *table, struct tdx_unit *unit, const struct tdx_call *call);
	/*
	 * Whether a call that answered so has released all of held, whose root was an operand.
	 * Inside begin, not under lock.
	 */
	int (*released)(struct tdx_table *table, const struct tdx_pages *held,
			const struct tdx_call *call, __u64 root);
	/* Records the end of the operation and gives its outcome. Under lock. */
	__u32 (*end)(struct tdx_table *table, struct tdx_unit *unit, const struct tdx_call *call,
		     struct tdx_ending *ending);
};

extern const struct tdx_leaf tdx_leaf_setup;
extern const struct tdx_leaf tdx_leaf_clear;

/* NULL: it is no operation's. */
const struct tdx_leaf *tdx_leaf_of(__u64 number);

#endif
