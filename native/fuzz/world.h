/* SPDX-License-Identifier: Apache-2.0 */
/* The fuzzed world: the tests' host, what it must be, and what bytes do to it. */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <stddef.h>

#include "sets.h"

/* Bytes as a source of decisions; zeros when they are used up. */
struct bytes {
	const __u8 *at;
	size_t left;
};

__u8 take(struct bytes *bytes);
__u32 take_below(struct bytes *bytes, __u32 limit);

enum event {
	EVENT_NONE,
	EVENT_REBOOT,
	EVENT_VANISH, /* the unit's hardware goes, or comes back */
	EVENT_ENVIRONMENT,
	EVENT_ANOTHER_MODULE,
	EVENT_BACKEND_GONE,
	EVENT_LOOK, /* at a unit's own registers, which say what is so, or anything */
	EVENT_KINDS,
};

/* What a reader sees. */
struct snapshot {
	__u64 generation;
	__u8 instance[TDX_IOMMU_INSTANCE_BYTES];
	struct tdx_iommu_unit units[HOST_UNITS];
	__u32 count;
};

struct world {
	struct host host;
	struct sets sets;
	struct bytes *bytes;
	__u32 pending; /* an event in the middle of the next SEAMCALL */
	__u32 boots;
	__u64 max_seq; /* of what was recorded for good */
	struct snapshot during; /* before the last attempt */
	__u64 calls; /* SEAMCALLs of the operation under way */
	__u32 foreign_calls[HOST_UNITS]; /* SEAMCALLs for the unit until it was found to have another owner */
	__u32 foreign; /* bit by bit: it was */
	struct tdx_table_ops ops;
};

void world_start(struct world *world, struct bytes *bytes);
void world_stop(struct world *world);
/* One thing happens; then everything that must hold is checked. */
void world_step(struct world *world);
/* All obstacles go away: units can be used and cleared again, and pages come back. */
void world_calm(struct world *world);

struct snapshot world_look(struct world *world);

/* calls.c: SETUP and CLEAR with what their answers promise. */
void call_setup(struct world *world, __u64 reg_base);
void call_clear(struct world *world, __u64 reg_base, int with_its_id);
/* The process is dead: the next one takes over. */
void call_revive(struct world *world);

/* events.c */
void event_happens(struct world *world, enum event event);
void event_reboot(struct world *world);
/* The unit's registers say what is so. */
void event_honest_look(struct world *world, __u64 reg_base);

/* invariants.c */
void check_world(struct world *world);
const struct sim_unit *truth_of(const struct world *world, __u64 reg_base);

#endif
