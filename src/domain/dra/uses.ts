// SPDX-License-Identifier: Apache-2.0

/** What DRA shows of who uses a device (I4, I8): allocations of the API server, claim files of the node, calls of kubelet. What can't be read is a use. */
import type { Address } from "../device.ts";
import type { NodeView } from "../view.ts";
import { addressOf, claimName, filesOfBoot } from "./holds.ts";
import type { DraView } from "./view.ts";

interface DraUse {
  /** Null when the view does not say which device. */
  readonly address: Address | null;
  readonly kind: "Claim" | "Spec" | "CallInFlight" | "Unreadable";
  readonly by: string;
}

/** Whether a device that a view names is, or may be, one of those that are asked about (use.ts `BelowTest`). */
type IsIn = (address: Address, isOurs: boolean) => boolean;

/** Every use of the devices that `isIn` tells. Empty means free in every view of DRA. */
export function draUses(view: Pick<NodeView, "dra" | "host">, isIn: IsIn): readonly DraUse[] {
  const { dra } = view;
  return dra === null ? [] : [...allocatedUses(dra, isIn), ...preparedUses(view, isIn), ...unreadUses(dra), ...callUses(dra)];
}

/** A claim that the scheduler allocates after the watch was last heard shows only in a fresh read. */
export function isNotAsked(dra: DraView | null): boolean {
  return dra !== null && dra.claims.kind === "Read" && !dra.areFresh;
}

/** Allocated is enough: its pod may be about to be bound, and an allocation whose reservation has just ended may be reserved again. */
function allocatedUses({ claims }: DraView, isIn: IsIn): readonly DraUse[] {
  if (claims.kind !== "Read") return claims.isMissing === true ? [] : [{ address: null, kind: "Unreadable", by: `claims: ${claims.why}` }];
  return claims.value.flatMap((claim) =>
    claim.devices.flatMap((device): readonly DraUse[] => {
      const address = addressOf(device);
      const isNamed = address === null || isIn(address, true);
      return isNamed ? [{ address, kind: "Claim", by: claimName(claim) }] : [];
    }),
  );
}

function preparedUses(view: Pick<NodeView, "dra" | "host">, isIn: IsIn): readonly DraUse[] {
  return filesOfBoot(view).flatMap((file) =>
    file.devices
      .filter(({ address }) => isIn(address, true))
      .map(({ address }): DraUse => ({ address, kind: "Claim", by: `${claimName(file)}, which is prepared` })),
  );
}

function unreadUses({ files }: DraView): readonly DraUse[] {
  return files.unreadable.map((file): DraUse => ({ address: null, kind: "Spec", by: `a claim file that cannot be read (${file})` }));
}

function callUses({ plugin }: DraView): readonly DraUse[] {
  return plugin.inCalls.map((uid): DraUse => ({ address: null, kind: "CallInFlight", by: `a kubelet call for the claim with UID ${uid}` }));
}
