/* SPDX-License-Identifier: GPL-2.0 */
/* Buses whose configuration accesses go by registers.h: on 7.x only. All under the rescan lock. */
#ifndef TDX_CONNECT_SIM_BUS_H
#define TDX_CONNECT_SIM_BUS_H

struct pci_bus;

/* A bus that is enumerated below it gets the same. Nothing when it has them. */
int connect_sim_bus_take(struct pci_bus *bus);
/* All buses have their own accessors again; none of ours runs any more when it returns. */
void connect_sim_bus_return_all(void);
/* After it, when nothing that was found through a bus is needed any more. */
void connect_sim_bus_forget(void);

#endif
