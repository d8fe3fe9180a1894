// SPDX-License-Identifier: Apache-2.0
// What the simulated TDX module of a VM is made to do, as lines of its shell. native/connect-sim/script.c has all of it.

export const SIM = "/sys/kernel/debug/tdx_connect_sim";

/** Its own table of units and pages. */
export const TABLE = `cat ${SIM}/table`;

/** From now on no SETUP comes to an end: each is interrupted, and resumed, until it is let go on. */
export const HOLD_SETUP = `echo leaf=setup unit=any status=0x8000000300000000 delay_ms=150 count=4000000000 > ${SIM}/fault`;
export const LET_SETUP_GO_ON = `echo clear > ${SIM}/fault`;

/** It is loaded anew, and knows of no unit. */
export const LOSE_UNITS = `echo lost > ${SIM}/environment`;
