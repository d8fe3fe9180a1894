/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The driver's half of /dev/tdx_iommu in portable C: unit states, resumption, page ownership,
 * outcomes. No libc and no OS: a kernel module and the user-space simulator give it memory, locks
 * and the SEAMCALL through struct tdx_table_ops.
 *
 *   tdx_table_setup/clear --> begin..commit: gather pages, record
 *                         --> ops.seamcall (slow, nothing held) --> record --> ...
 *   tdx_table_info/fill   --> a snapshot under ops.lock; never behind a SEAMCALL
 *
 * setup, clear and resume run on one ordered worker; everything else may run at the same time.
 */
#ifndef TDX_TABLE_H
#define TDX_TABLE_H

#include "../uapi/tdx_iommu.h"
#include "seamcall.h"

/* One SEAMCALL attempt. */
struct tdx_call {
	__u64 leaf;
	struct tdx_regs regs;
	__u64 incarnation; /* in: issue only if the module is this one; 0 = any */
	__u8 instance[TDX_IOMMU_INSTANCE_BYTES]; /* in: of the table whose operation this is */
	struct tdx_identity identity; /* out: as read right before the instruction */
};

struct tdx_unit;

struct tdx_table_ops {
	/*
	 * The short lock: no sleeping inside. Taken by everything that reads or writes the table.
	 */
	void (*lock)(void *ctx);
	void (*unlock)(void *ctx);
	/* Complains, where that can be told, when the caller does not have the lock. */
	void (*assert_locked)(void *ctx);
	/*
	 * What lies between begin and commit survives the death of the process whole or not at all
	 * (a kernel has nothing to do here). May sleep; taken outside of lock. Both give 0 or -EIO;
	 * after a failed commit nothing of the step has happened.
	 */
	int (*begin)(void *ctx);
	int (*commit)(void *ctx);
	/*
	 * Issues the leaf. 0: it was issued, regs has its answer, and begin() is in effect, so that
	 * effect and record are one step. Else it was not issued and begin is not in effect: -EIO
	 * the backend is gone, -ECANCELED the driver stops and leaves the operation to
	 * tdx_table_resume(), -ESTALE the module is not call->incarnation. A backend that others
	 * may reset asks tdx_table_expects() first.
	 */
	int (*seamcall)(void *ctx, struct tdx_call *call);
	void (*identity)(void *ctx, struct tdx_identity *identity);
	/*
	 * 2^order zeroed contiguous pages, naturally aligned, from this node or the nearest; 0 when
	 * there are none. Between begin and commit.
	 */
	__u64 (*pages_alloc)(void *ctx, __s32 numa_node, __u32 order);
	/*
	 * The pages keep their content and are not given away before commit: until then the step
	 * may not have happened.
	 */
	void (*pages_free)(void *ctx, __u64 address, __u32 order);
	__u64 (*entry_read)(void *ctx, __u64 page, __u32 index);
	void (*entry_write)(void *ctx, __u64 page, __u32 index, __u64 value);
	/*
	 * TDH.PHYMEM.PAGE.WBINVD of a page that the module has released: writes back what caches
	 * hold of it under the module's key, so that nothing of that comes over what the host
	 * writes. Inside begin, not under lock. 0, or not 0 when the module refuses, which its
	 * public source does for every page that is not free in its PAMT.
	 */
	int (*write_back)(void *ctx, __u64 page);
	/* CLOCK_MONOTONIC: callers name times on it. */
	__u64 (*now_ns)(void *ctx);
	/*
	 * Whether the unit's own registers forbid a SETUP. Under lock; NULL where there are no
	 * registers to be read.
	 */
	int (*forbids)(void *ctx, const struct tdx_unit *unit);
	/* The generation changed: wake pollers. Under lock. */
	void (*changed)(void *ctx);
};

/*
 * One set of IOMMU_MT pages. The ledger is our own copy of the root's entries, which no module
 * writes to.
 */
struct tdx_pages {
	__u64 root; /* 0 = no set */
	__u64 ledger;
	__u32 count; /* iommu_mt_page_count it was made for */
	__u32 tainted; /* an attempt may have taken pages, and no id holds them */
};

#define TDX_UNIT_PRESENT 0x1U
#define TDX_UNIT_FOREIGN 0x2U
#define TDX_UNIT_ID_VALID 0x4U
#define TDX_UNIT_RETRYABLE 0x8U
#define TDX_UNIT_CLEAR_BY_ID 0x10U /* the last CLEAR that began is called with the id alone */

/* One unit. Plain memory without pointers: user space writes it to a file. */
struct tdx_unit {
	__u64 reg_base;
	__u32 segment;
	__s32 numa_node;
	__u64 cap;
	__u64 ecap;
	__u32 gsts;
	__u32 flags; /* TDX_UNIT_* */
	__u32 state; /* enum tdx_iommu_unit_state */
	__u32 retained; /* pages given up for good */
	__u64 id;
	__u64 id_incarnation; /* of the module that gave the id */
	__u64 setup_seq;
	struct tdx_pages held; /* under the id */
	struct tdx_pages tried; /* of a SETUP that has not given an id */
	__u32 last_leaf;
	__u32 last_attempts;
	__u64 last_status;
	__u64 last_duration;
	__u32 op_leaf; /* the operation under way, 0 for none */
	__u32 op_attempts;
	__u64 op_started;
};

/* The rest of the table; plain memory too. */
struct tdx_table_head {
	__u8 instance[TDX_IOMMU_INSTANCE_BYTES];
	__u64 generation;
	__u64 next_seq;
	struct tdx_identity identity; /* under which TRUSTED is true */
	__u32 flags; /* TDX_IOMMU_INFO_* */
	__u32 unit_count;
};

struct tdx_table {
	const struct tdx_table_ops *ops;
	void *ctx;
	struct tdx_table_head *head;
	struct tdx_unit *units; /* by reg_base ascending */
};

/* What firmware and registers say of a unit. */
struct tdx_unit_facts {
	__u64 reg_base;
	__u32 segment;
	__s32 numa_node;
	__u64 cap;
	__u64 ecap;
	__u32 gsts;
	__u32 foreign; /* in TDX mode already */
};

/*
 * Adds a unit; room for it is the caller's matter. -EINVAL: not 4 KiB aligned; -EEXIST. Before the
 * table is used.
 */
int tdx_table_add(struct tdx_table *table, const struct tdx_unit_facts *facts);
/* Forgets everything as a boot does. Under lock. */
void tdx_table_reset(struct tdx_table *table, const __u8 *instance);
/*
 * The unit's hardware is gone, or is there again: it loses its id, and pages it had stay retained.
 * -ENOENT. Inside begin.
 */
int tdx_table_set_present(struct tdx_table *table, __u64 reg_base, int present);

/* What a unit's status registers say of TDX mode. */
enum tdx_mode {
	TDX_MODE_UNREAD, /* it has no such register */
	TDX_MODE_OFF,
	TDX_MODE_ON,
};

#define TDX_GSTS_GONE 0xFFFFFFFFU /* nothing answers at this address */

/*
 * The unit's registers as they read now. One whose registers are gone, or that is not in TDX mode,
 * is not trusted any more: UNKNOWN, with its id and pages. One in TDX mode without an id of ours is
 * FOREIGN for as long as it is.
 */
void tdx_table_look(struct tdx_table *table, __u64 reg_base, __u32 gsts, enum tdx_mode mode);
/*
 * The same for a caller that has the lock, and has read the registers under it: what was read
 * before a SETUP ended says nothing of after.
 */
void tdx_table_look_locked(struct tdx_table *table, __u64 reg_base, __u32 gsts, enum tdx_mode mode);

/* Whether the module's identity differs from the table's: refresh would change something. */
int tdx_table_stale(struct tdx_table *table);
/* Reads the module's identity; on a change or a fault TRUSTED becomes UNKNOWN. Inside begin. */
void tdx_table_refresh(struct tdx_table *table);

/* Fills everything but size. */
void tdx_table_info(struct tdx_table *table, struct tdx_iommu_info *info);
/* Copies at most capacity units; fills count, total, generation and instance. */
void tdx_table_fill(struct tdx_table *table, struct tdx_iommu_unit *units, __u32 capacity,
		    struct tdx_iommu_list *list);

/*
 * Whether the operation that makes this call still is the table's: a boot or a removal may have
 * ended it. Inside begin.
 */
int tdx_table_expects(struct tdx_table *table, const struct tdx_call *call);

/* On the worker only. 0 and an outcome, or a negative errno of the contract. */
int tdx_table_setup(struct tdx_table *table, struct tdx_iommu_setup *setup);
int tdx_table_clear(struct tdx_table *table, struct tdx_iommu_clear *clear);
/* Finishes operations that were under way when the process died. 0, or the first error. */
int tdx_table_resume(struct tdx_table *table);

#endif
