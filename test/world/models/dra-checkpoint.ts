// SPDX-License-Identifier: Apache-2.0
import type { ClaimRef } from "../../../src/domain/dra/claim.ts";
import type { PreparedDevice } from "../../../src/domain/dra/claim-file.ts";
import { addressOfDraDevice, DRA_DRIVER } from "../../../src/domain/dra/names.ts";
import type { GivenDevice } from "../../../src/kubelet/dra/port.ts";
import type { PodDevices } from "../../../src/kubelet/port.ts";
import type { ClaimFolder } from "./claim-files-model.ts";
import type { ClaimPod } from "./claim-pod.ts";
import { deviceKey } from "./dra-objects.ts";

/** A claim as the checkpoint has it. */
export interface PreparedClaim {
  readonly ref: ClaimRef;
  readonly pods: Set<string>;
  given: readonly GivenDevice[] | null;
  /** In memory only: after a restart the next pod of the claim prepares it again. */
  isPrepared: boolean;
}

/** Kubelet's checkpoint of claims: it outlives the process, and the machine. */
export class DraCheckpoint {
  readonly #claims = new Map<string, PreparedClaim>();

  get uids(): readonly string[] {
    return [...this.#claims.keys()];
  }

  /** Written before the plugin is asked. */
  add(ref: ClaimRef, podUid: string): PreparedClaim {
    const known = this.#claims.get(ref.uid);
    const claim: PreparedClaim = known ?? { ref, pods: new Set(), given: null, isPrepared: false };
    this.#claims.set(ref.uid, claim);
    claim.pods.add(podUid);
    return claim;
  }

  drop(claim: PreparedClaim): void {
    if (this.#claims.get(claim.ref.uid) === claim) this.#claims.delete(claim.ref.uid);
  }

  forgetMemory(): void {
    for (const claim of this.#claims.values()) claim.isPrepared = false;
  }

  /** Takes those pods out, and gives the claims that nobody uses any more. */
  release(isGone: (podUid: string) => boolean): readonly PreparedClaim[] {
    for (const { pods } of this.#claims.values()) for (const uid of [...pods]) if (isGone(uid)) pods.delete(uid);
    return [...this.#claims.values()].filter(({ pods }) => pods.size === 0);
  }

  /** What the CDI names of a pod's claims stand for now; null: one does not resolve. */
  devicesOf(pod: ClaimPod, folder: ClaimFolder): readonly PreparedDevice[] | null {
    const found = pod.claimUids.map((uid) => {
      const named = (this.#claims.get(uid)?.given ?? []).filter(({ cdiNames }) => cdiNames.length > 0);
      const addresses = named.map(({ device }) => addressOfDraDevice(device) ?? device);
      return folder.resolve(uid, addresses);
    });
    return found.includes(null) ? null : found.flatMap((some) => some ?? []);
  }

  /** Dynamic resources of a pod; one unknown claim drops all of its container. */
  listed(pod: ClaimPod): readonly PodDevices[] {
    const claims = pod.claimUids.map((uid) => this.#claims.get(uid));
    if (!claims.every((claim) => claim?.pods.has(pod.uid))) return [];
    return claims.flatMap((claim) => (claim?.given ? [podDevicesOf(pod, claim.ref, claim.given)] : []));
  }
}

function podDevicesOf(pod: ClaimPod, { name }: ClaimRef, given: readonly GivenDevice[]): PodDevices {
  const aliases = [...new Set(given.flatMap(({ cdiNames }) => cdiNames))];
  return { namespace: "default", pod: pod.name, resource: DRA_DRIVER, ids: given.map(deviceKey), claim: name, aliases };
}
