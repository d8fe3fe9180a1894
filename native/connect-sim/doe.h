/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A DOE mailbox (PCIe r6.0, 6.30 and 7.9.24) with the smallest responder that the PCI core and a
 * TSM can talk to: discovery, and of SPDM (DMTF DSP0274) only GET_VERSION.
 */
#ifndef TDX_CONNECT_SIM_DOE_H
#define TDX_CONNECT_SIM_DOE_H

#include <linux/types.h>

/* The first word of a message, of version 1.0 as all of these are. */
#define SPDM_VERSION_1_0 0x10
#define SPDM_CODE GENMASK(15, 8)
#define SPDM_PARAM1 GENMASK(23, 16)
#define SPDM_PARAM2 GENMASK(31, 24)
#define SPDM_GET_VERSION 0x84
#define SPDM_VERSION 0x04
#define SPDM_ERROR 0x7f
/* The second word of VERSION. */
#define SPDM_VERSION_COUNT GENMASK(15, 8)
#define SPDM_VERSION_FIRST GENMASK(31, 16)

struct doe {
	u32 request[3]; /* its first words: no answer depends on more */
	u32 written; /* words, all of them */
	u32 response[4];
	u32 length; /* words; 0: there is none */
	u32 at; /* the one to be read */
	bool error;
};

/* As after an abort, or a reset of the function. */
void connect_sim_doe_reset(struct doe *doe);
/* A word at an offset in the capability, whose header is the caller's. */
u32 connect_sim_doe_read(const struct doe *doe, int at);
/*
 * Answers at once, so the mailbox is never busy. `value` has zeroes where nothing is written, and
 * `whole` is false when that is so.
 */
void connect_sim_doe_write(struct doe *doe, int at, u32 value, bool whole);

#endif
