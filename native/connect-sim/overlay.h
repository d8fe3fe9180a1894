/* SPDX-License-Identifier: GPL-2.0 */
/* Configuration space as it would read if the machine could do TEE-I/O and IDE: on 7.x only. */
#ifndef TDX_CONNECT_SIM_OVERLAY_H
#define TDX_CONNECT_SIM_OVERLAY_H

/*
 * Root ports, and endpoints below them, read as capable from now on. Before a TSM is registered.
 * Every function on a bus with such an endpoint is removed and enumerated anew, at the start and at
 * the end: both wait until its driver, and a user of VFIO, has let go.
 */
int connect_sim_overlay_start(void);
/* After it is unregistered. */
void connect_sim_overlay_stop(void);

#endif
