/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host in memory: the table over the simulator, with an allocator that poisons what is freed, fails when told to, and a process that
 * can be killed at every step. State between begin and commit survives a kill whole or not at all; memory's content always does.
 */
#ifndef HOST_H
#define HOST_H

#include "../simulator/simulator.h"
#include "../table/table.h"

#define HOST_UNITS 3
#ifndef HOST_PAGES
#define HOST_PAGES 512
#endif
#define HOST_BASE 0x100000000ULL
#define UNIT_A 0xfed90000ULL
#define UNIT_B 0xfed91000ULL
#define UNIT_C 0xfed92000ULL

struct host_state {
	struct tdx_table_head table_head;
	struct tdx_unit units[HOST_UNITS];
	struct sim_head sim_head;
	struct sim_unit sim_units[HOST_UNITS];
	struct sim_page sim_pages[HOST_PAGES];
	__u8 used[HOST_PAGES];
};

struct host {
	struct tdx_table table;
	struct sim_module sim;
	struct host_state now;
	struct host_state stored;
	__u8 (*memory)[TDX_PAGE_SIZE];
	__u64 clock;
	int allocs_until_failure; /* 0 = never */
	int steps_until_kill; /* 0 = never */
	int dead;
	int backend_gone;
	int locked;
	int in_step;
	int mistakes; /* double frees, calls without the lock or outside of a step, registers that change between attempts */
	struct tdx_regs issued; /* with the last SEAMCALL */
	void (*before_call)(struct host *host);
};

void host_start(struct host *host, __u32 profile, __u32 mt_page_count);
void host_stop(struct host *host);
/* The next process over the stored state. */
void host_restart(struct host *host);

/* Outcome, or a negative errno. */
int host_setup(struct host *host, __u64 reg_base);
int host_clear(struct host *host, __u64 reg_base);
int host_clear_by(struct host *host, __u64 reg_base, __u64 not_after);
struct tdx_iommu_unit host_unit(struct host *host, __u64 reg_base);
void host_fault(struct host *host, __u32 leaf, __u64 status, __u32 count);
void host_fault_keeping(struct host *host, __u64 status);
void host_refresh(struct host *host);

__u32 host_pages_used(const struct host *host);
__u32 host_pages_owned(const struct host *host);
/* Checks what must hold always: no mistakes, no corruption, no page free that the module owns. */
void host_check(struct host *host);

#endif
