// SPDX-License-Identifier: Apache-2.0

/** The faux device of the kernel's driver, below the host's root. */
export const DEVICE = "sys/devices/faux/tdx_host";
