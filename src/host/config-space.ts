// SPDX-License-Identifier: Apache-2.0

/** A function's configuration space, read a register at a time: only defined registers are touched, and each read may wake the device. */
export interface ConfigSpace {
  /** Bytes the kernel says the space has: 4096, or 256 for a function without extended space. A dump of 64 bytes is a truncated one. */
  readonly size: number;
  /** One little-endian register at an offset that is a multiple of 4; null when it cannot be read (unprivileged readers get 64 bytes). */
  u32(offset: number): number | null;
}

const ALL_ONES = 0xffffffff;

/** All ones is what a function that no longer answers reads as. */
export function readable(value: number | null): number | null {
  return value === ALL_ONES ? null : value;
}

/** A space that was read into memory before, `size` bytes by the kernel's word (a shorter `bytes` is a truncated space). */
export function configSpaceOf(bytes: Uint8Array, size: number): ConfigSpace {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { size, u32: (offset) => (offset >= 0 && offset + 4 <= bytes.byteLength ? view.getUint32(offset, true) : null) };
}
