/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
#ifndef TDX_SIMULATOR_INTERNAL_H
#define TDX_SIMULATOR_INTERNAL_H

#include <linux/errno.h>

#include "../uapi/tdx_iommu.h"
#include "simulator.h"

#define SIM_GSTS_NEEDED 0xC4000000U /* translation, root-table pointer, queued invalidation */

struct sim_unit *sim_unit_at(struct sim_module *sim, __u64 reg_base);
struct sim_unit *sim_unit_with_id(struct sim_module *sim, __u64 id);
/* The fault that answers this attempt, or none; uses it up. */
int sim_fault_take(struct sim_module *sim, __u64 leaf, const struct sim_unit *unit,
		   struct sim_fault *taken);
/* How long the next such attempt takes, by the script or by the latency of every call. */
__u32 sim_fault_delay_ms(const struct sim_module *sim, __u64 leaf, const struct sim_unit *unit);

int sim_in_memory(const struct sim_module *sim, __u64 address);
/* A page, and the module owns nothing of it. */
int sim_is_hosts(struct sim_module *sim, __u64 page);
/* Reads the root page and checks all of it: 0 or the status to answer with. */
__u64 sim_root_check(struct sim_module *sim, __u64 root);
/* Takes the pages of the root page last checked. */
void sim_pages_take(struct sim_module *sim, const struct sim_unit *unit);
/* Gives them back; with a root, lists them there, or what enum sim_list says instead. */
void sim_pages_return(struct sim_module *sim, const struct sim_unit *unit, __u64 root, __u32 list);
/* They stay the module's, without a unit. */
void sim_pages_orphan(struct sim_module *sim, const struct sim_unit *unit);

#endif
