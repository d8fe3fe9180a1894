// SPDX-License-Identifier: Apache-2.0

/** Names that DRA has for what this program gives away. Pure. */
import { addressesIn } from "../address.ts";
import type { Address } from "../device.ts";
import type { ResourceRule } from "../intent.ts";

/** The DRA driver's name, in slices, claims and kubelet's registration. It is also the name under which a device of a claim is held. */
export const DRA_DRIVER = "teeio.dev";

/** What the scheduler waits for before it binds a pod to the node, and what ends that wait. Condition types in a claim's `status.devices`. */
export const LINK_SECURED = "teeio.dev/LinkSecured";
export const LINK_FAILED = "teeio.dev/LinkFailed";

/** Keys of taints on devices; their values are reasons (reason.ts). What failed to prove itself has a key of its own, for rules of an admin. */
export const WITHHELD_TAINT = "teeio.dev/withheld";
export const LINK_FAILED_TAINT = "teeio.dev/link-failed";

/** `0000-17-00-0` of `0000:17:00.0`: a device's name is a DNS label. */
export function draDeviceName(address: Address): string {
  return address.replaceAll(/[:.]/g, "-");
}

/** The address that a device of ours is named by; null for a name that this program gives to nothing. */
export function addressOfDraDevice(name: string): Address | null {
  const [address, ...more] = addressesIn(name);
  return address !== undefined && more.length === 0 && draDeviceName(address) === name ? address : null;
}

/** `node-1/pci0000-16` of the host bridge `pci0000:16`. What IDE streams are counted in is a pool of its own, so that one link touches two slices. */
export function poolName(node: string, hostBridge: string): string {
  return `${node}/${hostBridge.replaceAll(":", "-")}`;
}

/** The name under which the ledger of a resource gives its devices away: the resource's for a device plugin, the driver's for DRA. */
export function nameInLedger(resource: ResourceRule | null): string | null {
  return resource?.ledger === "DRA" ? DRA_DRIVER : (resource?.name ?? null);
}

/** The kind of the CDI specifications that claims have, and the name in it of a device of a claim. */
export const CLAIM_CDI_KIND = `${DRA_DRIVER}/claim`;
export function claimCdiDevice(uid: string, address: Address): string {
  return `${uid}_${draDeviceName(address)}`;
}

/** That of the metadata file of the claim's request at this place. Without its name, which a tenant writes: the names that podresources shows are searched for addresses. */
export function metadataCdiDevice(uid: string, place: number): string {
  return `${uid}_metadata_${place}`;
}
