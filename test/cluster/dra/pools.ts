// SPDX-License-Identifier: Apache-2.0
import type { DeviceTaint, Pool } from "../../../src/domain/dra/pool.ts";

/** The pool of the host bridge `pci0000:BRIDGE` of node n1. With `streams` these are counted, which takes a slice of its own. */
export function pool(
  bridge: string,
  addresses: readonly string[],
  { taints = [], streams = null }: { taints?: readonly DeviceTaint[]; streams?: number | null } = {},
): Pool {
  const device = (address: string): Pool["devices"][0] => {
    return { address, owner: address, attributes: { "teeio.dev/vendor": "10de" }, streams: streams === null ? 0 : 1, taints, bindsWhenSecured: true };
  };
  return { name: `n1/pci0000-${bridge}`, devices: addresses.map(device), streams };
}
