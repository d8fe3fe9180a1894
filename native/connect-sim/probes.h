/* SPDX-License-Identifier: GPL-2.0 */
/* What a kernel shows in sysfs of VT-d units, as if they had TDX Connect: for the pose only. */
#ifndef TDX_CONNECT_SIM_PROBES_H
#define TDX_CONNECT_SIM_PROBES_H

/* A show function that can't be probed is named in the log, and shows what it did before. */
void connect_sim_probes_start(void);
void connect_sim_probes_stop(void);

#endif
