/* SPDX-License-Identifier: GPL-2.0 */
/* Configuration space as it would read if the machine could do TEE-I/O and IDE: on 7.x only. */
#ifndef TDX_CONNECT_SIM_OVERLAY_H
#define TDX_CONNECT_SIM_OVERLAY_H

#include <linux/pci.h>

/*
 * Root ports, and endpoints below them, read as capable from now on. Before a TSM is registered.
 * Every function on a bus with such an endpoint is removed and enumerated anew, at the start and at
 * the end: both wait until its driver, and a user of VFIO, has let go.
 */
int overlay_start(void);
/* After it is unregistered. */
void overlay_stop(void);
/* Whether the function is one of those. */
bool overlay_has(struct pci_dev *pdev);
/*
 * Its streams read insecure although they are enabled, as after an integrity failure; until the
 * next reset. -ENODEV.
 */
int overlay_lose_streams(u32 segment, u8 bus, u8 devfn);

#endif
