// SPDX-License-Identifier: Apache-2.0

/** The ledger of kubelet's device plugins: a list for each extended resource. */
import type { OfferedResource } from "../../domain/offer.ts";
import type { DevicePluginPort } from "../../kubelet/port.ts";
import type { Ledger } from "./ledger.ts";

/** `plugins` null: this machine has no kubelet. `onList`: told of each list before kubelet is. */
export function createDevicePluginLedger(
  plugins: DevicePluginPort | null,
  onList: (offer: readonly OfferedResource[]) => void = () => undefined,
): Ledger {
  let listed: readonly OfferedResource[] = [];
  const list = (offer: readonly OfferedResource[]): void => {
    listed = offer;
    onList(offer);
    plugins?.publish(offer);
  };
  return {
    list,
    withdraw: (offer) => list(onlyIn(listed, offer)),
    held: () => plugins?.publications() ?? [],
    async close() {
      onList([]);
      await plugins?.close();
    },
  };
}

/** `offer` without what `other` does not have: neither its devices nor their health. */
function onlyIn(offer: readonly OfferedResource[], other: readonly OfferedResource[]): readonly OfferedResource[] {
  return offer.map(({ resource, devices, isQuiet }) => {
    const kept = new Map(other.find((one) => one.resource === resource)?.devices.map((device) => [device.id, device.healthy]));
    const left = devices.filter((device) => kept.has(device.id));
    return { resource, isQuiet, devices: left.map((device) => ({ ...device, healthy: device.healthy && kept.get(device.id) === true })) };
  });
}
