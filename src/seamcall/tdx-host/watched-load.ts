// SPDX-License-Identifier: Apache-2.0

/** A load of the kernel's driver that was watched from its start, in a form that outlives the process that watched it. Pure. */
export interface WatchedLoad {
  /** Number of `/sys/devices/faux/tdx_host`, and of its TSM: each is another one after every load, in one boot. */
  readonly load: bigint;
  readonly tsm: bigint;
  /** Records of the kernel log up to this one are of earlier loads. */
  readonly over: number;
}

const TEXT = /^(\d+)\/(\d+)\/(-1|\d+)$/;

export function textOfLoad({ load, tsm, over }: WatchedLoad): string {
  return `${load}/${tsm}/${over}`;
}

/** Null when `textOfLoad` has not written it. */
export function loadFromText(text: string): WatchedLoad | null {
  const [, load, tsm, over] = TEXT.exec(text) ?? [];
  return load === undefined || tsm === undefined ? null : { load: BigInt(load), tsm: BigInt(tsm), over: Number(over) };
}
