/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The TDX module's part of TDH.IOMMU.SETUP and TDH.IOMMU.CLEAR, freestanding: no libc, no OS. It
 * knows its own units, who owns which page, and a script of faults. All of its state is plain
 * memory that the caller keeps; pages are reached through struct sim_memory.
 *
 * It writes a pattern into each page it owns and looks at it at every later call, so that a page
 * which the host freed too early and gave to another user is found.
 */
#ifndef TDX_SIMULATOR_H
#define TDX_SIMULATOR_H

#include "../table/seamcall.h"

/* The host's physical memory as the module sees it: one range of convertible pages. */
struct sim_memory {
	void (*read)(void *ctx, __u64 address, void *to, __u32 bytes);
	void (*write)(void *ctx, __u64 address, const void *from, __u32 bytes);
};

enum sim_phase {
	SIM_NONE = 0,
	SIM_CONFIGURING = 1, /* pages taken, SETUP not finished */
	SIM_CONFIGURED = 2,
	SIM_CLEARING = 3, /* CLEAR begun, pages still owned */
	SIM_FOREIGN = 4, /* in TDX mode by another owner */
};

struct sim_unit {
	__u64 reg_base;
	__u64 ecap;
	__u32 gsts;
	__u32 phase;
	__u32 present;
	__u32 interrupted; /* how often the call under way was interrupted */
	__u64 root; /* operand RDX of the SETUP under way */
	__u64 id; /* CONFIGURED and CLEARING */
	__u64 setup_calls;
	__u64 clear_calls;
};

/* Who owns a page. */
struct sim_page {
	__u16 owner; /* 0 = the host, else unit index + 1, or SIM_NOBODYS */
	__u16 entry; /* index in the root page */
};

#define SIM_NOBODYS 0xFFFFU /* the module's, but no unit's */

/* What a CLEAR that is called with a root page writes there. */
enum sim_list {
	SIM_LIST_OF_PROFILE = 0, /* V2: whole; else nothing */
	SIM_LIST_WHOLE = 1,
	SIM_LIST_SHUFFLED = 2,
	SIM_LIST_SHORT = 3, /* the last page is not in it, and stays the module's */
	SIM_LIST_FOREIGN = 4, /* another page is in its place */
	SIM_LIST_TWICE = 5, /* the one before is in its place */
	SIM_LIST_NONE = 6,
	SIM_LIST_NONE_SHORT = 7, /* none, and the last page stays the module's */
	SIM_LIST_MORE = 8, /* and a page that it was never given */
};

struct sim_fault {
	__u32 leaf; /* 0 = SETUP or CLEAR */
	__u32 any_unit;
	__u64 reg_base;
	__u64 status;
	__u32 has_status; /* else only the delay, then the module's own answer */
	__u32 delay_ms;
	__u32 count; /* attempts left, 0 = for ever */
	__u32 skip; /* matching attempts to let pass first */
	__u32 keep_pages; /* take the pages although the answer is status */
	__u32 list; /* of a CLEAR that comes to its end: enum sim_list */
};

struct sim_link {
	__u64 reg_base;
	__u32 device;
	__u32 reserved;
};

#define SIM_FAULTS 64
#define SIM_LINKS 512

struct sim_head {
	struct tdx_identity identity;
	__u64 memory_base;
	__u32 page_count;
	__u32 unit_count;
	__u32 fault_count;
	__u32 link_count;
	__u32 latency_ms;
	__u32 interruptions; /* RESUMABLE answers before each success */
	__u64 next_id;
	__u64 corrupted; /* address of the first page found overwritten, 0 = none */
	__u64 setup_calls;
	__u64 clear_calls;
	__u64 write_backs; /* of released pages, and those refused */
	__u64 write_backs_refused;
	__u32 lax; /* writes back whatever page it is asked for, its own too */
	__u32 reserved;
	struct sim_fault faults[SIM_FAULTS];
	struct sim_link links[SIM_LINKS];
};

struct sim_module {
	const struct sim_memory *memory;
	void *ctx;
	struct sim_head *head;
	struct sim_unit *units;
	struct sim_page *pages;
	__u64 root[TDX_MT_ENTRIES]; /* scratch: a page is too much for a kernel's stack */
};

/* How long the next attempt with this leaf number takes. */
__u32 sim_delay_ms(struct sim_module *sim, __u64 number, __u64 rcx);
/* One attempt. rcx and rdx change only with success. */
void sim_seamcall(struct sim_module *sim, struct tdx_regs *regs);
void sim_identity(struct sim_module *sim, struct tdx_identity *identity);

/* -ENOSPC when the script is full. */
int sim_fault_add(struct sim_module *sim, const struct sim_fault *fault);
void sim_faults_clear(struct sim_module *sim);
/* -ENOENT unknown unit, -ENOSPC. */
int sim_link_set(struct sim_module *sim, __u64 reg_base, __u32 device, int secured);
int sim_present_set(struct sim_module *sim, __u64 reg_base, int present);
/* ENV_OK: the module is there again, knowing its units unless lost. */
void sim_environment_set(struct sim_module *sim, __u32 environment, int lost);
/* A boot: nothing is known, links are insecure; the script stays. */
void sim_reboot(struct sim_module *sim);
/* Looks at the pattern of every owned page. */
void sim_check_pages(struct sim_module *sim);
__u32 sim_links_below(const struct sim_module *sim, __u64 reg_base);

#endif
