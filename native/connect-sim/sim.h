/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tdx_connect_sim.ko: answers the SEAMCALLs of tdx_iommu.ko from the model of the TDX module in
 * native/simulator.
 *
 *   tdx_iommu.ko --> answer.c --> simulator/        script.c: what tests make it do (debugfs)
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
	bool attached;
	bool detached; /* answers nobody any more: -EIO */
};

extern struct connect_sim connect_sim;
extern const struct tdx_iommu_backend connect_sim_backend;

/* answer.c */
int answer_start(u32 mt_page_count, u32 profile);
void answer_stop(void);
/* script.c */
void script_start(void);
void script_stop(void);
/* main.c: something that tdx_iommu.ko should look at has changed. */
void connect_sim_changed(void);

#endif
