// SPDX-License-Identifier: Apache-2.0
// What is done to a PCI function in a VM, as lines of its shell.

/** A file of the function. */
export const sys = (address: string, file: string): string => `/sys/bus/pci/devices/${address}/${file}`;

/** Secures and releases its link, as somebody other than the agent would. */
export const connect = (address: string): string => `echo tsm0 > ${sys(address, "tsm/connect")}`;
export const disconnect = (address: string): string => `echo tsm0 > ${sys(address, "tsm/disconnect")}`;

/** What no kernel does when a link changes: without it the agent's timer finds that. */
export const announce = (address: string): string => `echo change > ${sys(address, "uevent")}`;
