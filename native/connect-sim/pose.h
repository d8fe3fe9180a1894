/* SPDX-License-Identifier: GPL-2.0 */
/* The pose as a kernel's own tdx_host driver, for tests of who reads what such a kernel shows. */
#ifndef TDX_CONNECT_SIM_POSE_H
#define TDX_CONNECT_SIM_POSE_H

#include <linux/errno.h>
#include <linux/kconfig.h>
#include <linux/types.h>

#if IS_ENABLED(CONFIG_PCI_TSM)
/* Without log units are set up in silence, as those are that the TDX module refuses. */
int connect_sim_pose_start(bool log);
void connect_sim_pose_stop(void);
#else
static inline int connect_sim_pose_start(bool log)
{
	return -EOPNOTSUPP;
}

static inline void connect_sim_pose_stop(void) {}
#endif

#endif
