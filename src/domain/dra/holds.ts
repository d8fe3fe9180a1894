// SPDX-License-Identifier: Apache-2.0

/** What claims say of who has a device: claim files say what was given, allocations what may be given at any moment. Pure. */
import type { Address } from "../device.ts";
import type { NodeView } from "../view.ts";
import type { ClaimDevice, NodeClaim } from "./claim.ts";
import type { ClaimFile } from "./claim-file.ts";
import { addressOfDraDevice } from "./names.ts";
import type { ListedDevice } from "./view.ts";

/** A device's entry in a claim file. */
export interface HoldOfFile {
  readonly claim: string;
  /** Null while the boot is not known: an epoch of another one says nothing now. */
  readonly epoch: string | null;
  readonly node: string | null;
}

/** By address. Void files too: who was given a device before its trust was lost has it still. */
export function holdsOfFiles({ dra, host }: Pick<NodeView, "dra" | "host">): ReadonlyMap<Address, HoldOfFile> {
  const isBootKnown = bootIdIn(host) !== null;
  const holds = new Map<Address, HoldOfFile>();
  for (const { uid, devices } of filesOfBoot({ dra, host }))
    for (const { address, epoch, node } of devices) holds.set(address, { claim: uid, epoch: isBootKnown ? epoch : null, node });
  return holds;
}

/** Claim files that are, or while the boot is not known may be, of this boot: one of another gives nothing that a process of this one has. */
export function filesOfBoot({ dra, host }: Pick<NodeView, "dra" | "host">): readonly ClaimFile[] {
  const bootId = bootIdIn(host);
  return (dra?.files.files ?? []).filter((file) => bootId === null || file.bootId === bootId);
}

function bootIdIn(host: NodeView["host"]): string | null {
  return host.kind === "Read" ? host.value.bootId : null;
}

/** What slices of ours list, as far as they can be read. */
export function listedDevices({ dra }: Pick<NodeView, "dra">): readonly ListedDevice[] {
  return dra?.slices.kind === "Read" ? dra.slices.value.listed : [];
}

export function claimName({ namespace, name }: Pick<NodeClaim, "namespace" | "name">): string {
  return `claim ${namespace}/${name}`;
}

/** The function that a result of an allocation means; null: none that this program has given that name. */
export function addressOf({ device }: Pick<ClaimDevice, "device">): Address | null {
  return addressOfDraDevice(device);
}

/** Claims that are allocated the device, as far as they can be read. */
export function claimsOf({ dra }: Pick<NodeView, "dra">, address: Address): readonly NodeClaim[] {
  if (dra === null || dra.claims.kind !== "Read") return [];
  return dra.claims.value.filter(({ devices }) => devices.some((one) => addressOf(one) === address));
}

/** Devices that a claim is allocated, with the claim that is. */
export function claimedDevices({ dra }: Pick<NodeView, "dra">): ReadonlyMap<Address, string> {
  const claims = dra?.claims.kind === "Read" ? dra.claims.value : [];
  return new Map(
    claims.flatMap((claim) =>
      claim.devices.flatMap((device) => {
        const address = addressOf(device);
        return address === null ? [] : [[address, claimName(claim)] as const];
      }),
    ),
  );
}

/** A pod waits for it or has it: the scheduler has reserved the claim for somebody, and not just left the allocation standing. */
export function isClaimWanted(view: Pick<NodeView, "dra">, address: Address): boolean {
  return claimsOf(view, address).some(({ reservedFor }) => reservedFor.length > 0);
}
