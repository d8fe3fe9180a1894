/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The registers that a root port or an endpoint reads as having: an IDE capability with two
 * selective streams at the end of the extended capabilities, and for an endpoint DEVCAP's TEE-I/O
 * bit and a DOE mailbox behind IDE. Plain values: who calls has the lock.
 */
#ifndef TDX_CONNECT_SIM_SHADOW_H
#define TDX_CONNECT_SIM_SHADOW_H

#include <linux/pci.h>

#include "doe.h"

#define SHADOW_IDE_AT 0xe00 /* no device of QEMU has anything there */
#define SHADOW_STREAMS 2
#define SHADOW_BLOCK 32 /* of a stream, with one address association */
#define SHADOW_WORDS ((PCI_IDE_LINK_STREAM_0 + SHADOW_STREAMS * SHADOW_BLOCK) / 4)

struct shadow {
	bool is_port;
	int devcap; /* offset of the PCIe capability, 0 for none */
	int pm; /* offset of the power management that resets on waking, 0 for none */
	int last; /* the extended capability before ours; 0: there is none */
	bool lost; /* its streams, although they are enabled */
	u32 words[SHADOW_WORDS];
	struct doe doe; /* an endpoint's */
};

/* As after a reset of the function, which is how it begins. */
void connect_sim_shadow_reset(struct shadow *shadow);
/* The word at a multiple of four, where the device itself has `real`. */
u32 connect_sim_shadow_read(const struct shadow *shadow, int where, u32 real);
/* Whether a write there stays here. */
bool connect_sim_shadow_owns(const struct shadow *shadow, int where);
void connect_sim_shadow_write(struct shadow *shadow, int where, int size, u32 value);
/*
 * Whether a write to the device itself resets the function, wakes it with a reset if it sleeps in
 * D3hot, or resets what is below the port.
 */
bool connect_sim_shadow_is_flr(const struct shadow *shadow, int where, u32 value);
bool connect_sim_shadow_is_wake(const struct shadow *shadow, int where, u32 value);
bool connect_sim_shadow_is_bus_reset(const struct shadow *shadow, int where, u32 value);

#endif
