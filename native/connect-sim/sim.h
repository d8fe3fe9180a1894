/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tdx_connect_sim.ko: answers the SEAMCALLs of tdx_iommu.ko from the model of the TDX module in
 * native/simulator.
 *
 *   tdx_iommu.ko --> answer.c --> simulator/
 *   main.c --> script.c (what tests make it do, in debugfs) --> border.c (tdx_iommu.ko), link.c
 *          --> pose.c --> link.c --> overlay.c
 *
 * Lock order: the table's lock of tdx_iommu.ko, then connect_sim.lock.
 */
#ifndef TDX_CONNECT_SIM_H
#define TDX_CONNECT_SIM_H

#include <linux/spinlock.h>

#include "../module/backend.h"
#include "../simulator/simulator.h"

struct connect_sim {
	struct sim_module module;
	struct sim_head head;
	struct sim_memory memory;
	spinlock_t lock; /* the model */
	bool detached; /* does not answer any more: -EIO */
	/* Of links; scripted by tests. */
	struct {
		u32 auth_fails; /* so many connects fail: an endpoint answers ERROR */
		u32 exchanges; /* so many requests of SPDM have come to endpoints */
		u32 connect_ms; /* SPDM takes so long, as long as it says so; no signal ends it */
		u32 remove_ms; /* a context takes so long to go, under PCI/TSM's semaphore */
		bool reset_keeps_streams; /* a function's own reset leaves its streams alone */
		bool before_setup; /* one may be secured although its unit is not trusted */
	} link;
};

/* answer.c */
extern struct connect_sim connect_sim;
extern const struct tdx_iommu_backend connect_sim_backend;
int connect_sim_answer_start(u32 mt_page_count, u32 profile);
void connect_sim_answer_stop(void);
/* border.c: tdx_iommu.ko asks us from now on. -ENOENT: it is not loaded. */
int connect_sim_border_start(void);
void connect_sim_border_stop(void);
/* Something that tdx_iommu.ko should look at has changed. */
void connect_sim_border_notify(void);
/* script.c */
void connect_sim_script_start(void);
void connect_sim_script_stop(void);

#endif
