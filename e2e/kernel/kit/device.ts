// SPDX-License-Identifier: Apache-2.0
// What is done to a PCI function in a VM, as lines of its shell.

/** A file of the function. */
export const sys = (address: string, file: string): string => `/sys/bus/pci/devices/${address}/${file}`;

/**
 * State of the endpoint's first selective stream as 8 digits, in the simulator's IDE capability at 0xe00; 2 is secure, 0 insecure. PCIe r6.0 7.9.26.
 */
export const streamStatus = (address: string): string => `dd if=${sys(address, "config")} bs=4 skip=${0xe14 / 4} count=1 2> /dev/null | od -An -tx4`;

/** Secures and releases its link, as somebody other than the agent would. */
export const connect = (address: string): string => `echo tsm0 > ${sys(address, "tsm/connect")}`;
export const disconnect = (address: string): string => `echo tsm0 > ${sys(address, "tsm/disconnect")}`;

/** What no kernel does when a link changes: without it the agent's timer finds that. */
export const announce = (address: string): string => `echo change > ${sys(address, "uevent")}`;
