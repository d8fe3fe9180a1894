/* SPDX-License-Identifier: GPL-2.0 */
/* Functions that read as having the registers of shadow.h on top of their own: on 7.x only. */
#ifndef TDX_CONNECT_SIM_REGISTERS_H
#define TDX_CONNECT_SIM_REGISTERS_H

#include <linux/pci.h>

/*
 * The function reads so as soon as its bus asks here (bus.h). Under the rescan lock, as everything
 * that changes which functions there are. Until the last are forgotten a port's pci_dev is held.
 */
int connect_sim_registers_add(struct pci_dev *pdev, bool is_port);
void connect_sim_registers_forget(void);
/* Calls visit for each root port among them. Under the rescan lock. */
void connect_sim_registers_each_port(void (*visit)(struct pci_dev *port));

bool connect_sim_registers_has(struct pci_bus *bus, unsigned int devfn);
/*
 * Its streams read insecure although they are enabled, as after an integrity failure; until the
 * next reset. -ENODEV.
 */
int connect_sim_registers_lose_streams(u32 segment, u8 bus, u8 devfn);

/* As pci_ops has them, for any function of a bus whose own accessors are real's. */
int connect_sim_registers_read(struct pci_bus *bus, unsigned int devfn, struct pci_ops *real,
			       int where, int size, u32 *value);
int connect_sim_registers_write(struct pci_bus *bus, unsigned int devfn, struct pci_ops *real,
				int where, int size, u32 value);

#endif
