// SPDX-License-Identifier: Apache-2.0
import { isPciAddress } from "../domain/address.ts";
import type { Address } from "../domain/device.ts";

const HOST_BRIDGE = /^pci[0-9a-f]{4,8}:[0-9a-f]{2}$/;

/** Where a function hangs. Null: it cannot be told, or (root port) the function sits on the root bus itself. */
export interface Place {
  readonly hostBridge: string | null;
  readonly rootPort: Address | null;
  /** The host bridge's directory below `/sys`: `devices/pci0000:16`. */
  readonly bridgePath: string | null;
}

export const NOWHERE: Place = { hostBridge: null, rootPort: null, bridgePath: null };

/**
 * The place in a resolved `/sys/devices` path: `…/pci0000:16/0000:16:01.0/0000:17:00.0` is behind root port 0000:16:01.0 of host bridge
 * pci0000:16. Behind VMD there are two host bridges in the path: the last one counts.
 */
export function placeOf(devicePath: string): Place {
  const parts = devicePath.split("/");
  const bridge = parts.findLastIndex((part) => HOST_BRIDGE.test(part));
  const below = bridge < 0 ? [] : parts.slice(bridge + 1).filter(isPciAddress);
  const devices = parts.indexOf("devices");
  const bridgePath = bridge < 0 || devices < 0 ? null : parts.slice(devices, bridge + 1).join("/");
  return { hostBridge: parts[bridge] ?? null, rootPort: below.length > 1 ? (below[0] ?? null) : null, bridgePath };
}
