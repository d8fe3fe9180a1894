// SPDX-License-Identifier: Apache-2.0

/** Claim files that nobody will unprepare. Pure. */
import type { Ground } from "../ground.ts";
import type { HoldMemory } from "../holds.ts";
import { kubeletSettleMs } from "../kubelet-settling.ts";
import type { ClaimFile } from "./claim-file.ts";

/**
 * By UID: those of another boot, and those whose claim is allocated nothing here by a fresh read while kubelet, which has run for long enough to show its
 * pods, shows no pod of it. Who has such a device open all the same keeps it held.
 */
export function orphanedFiles(files: readonly ClaimFile[], { view }: Ground, memory: Pick<HoldMemory, "settleMs">): readonly string[] {
  const { dra, podResources, host, nowMs } = view;
  if (dra === null || host.kind !== "Read" || host.value.bootId === null) return [];
  const { bootId } = host.value;
  const ofOtherBoots = files.filter((file) => file.bootId !== bootId).map(({ uid }) => uid);
  const { claims, areFresh, plugin } = dra;
  const canTell =
    claims.kind === "Read" && areFresh && podResources.kind === "Read" && nowMs - podResources.kubeletSinceMs >= kubeletSettleMs(memory.settleMs);
  if (!canTell) return ofOtherBoots;
  const known = new Set([...claims.value.map(({ uid }) => uid), ...plugin.inCalls]);
  const inPods = new Set(podResources.pods.map(({ namespace, claim }) => `${namespace}/${claim ?? ""}`));
  const gone = files.filter((file) => file.bootId === bootId && !known.has(file.uid) && !inPods.has(`${file.namespace}/${file.name}`));
  // A file that was written after this look had begun is of a claim that the look may have missed.
  const seen = new Set(dra.files.files.map(({ uid }) => uid));
  return [...ofOtherBoots, ...gone.map(({ uid }) => uid).filter((uid) => seen.has(uid))];
}

/** A fresh read of the claims would tell whether a file is to go. */
export function mayBeOrphaned({ view: { dra } }: Ground): boolean {
  if (dra === null || dra.claims.kind !== "Read") return false;
  const known = new Set([...dra.claims.value.map(({ uid }) => uid), ...dra.plugin.inCalls]);
  return dra.files.files.some(({ uid }) => !known.has(uid));
}
