// SPDX-License-Identifier: Apache-2.0

/** What the agent has done, noted in its memory: calls, answers, lists. Pure; the owner of the memory is agent/state.ts. */
import type { Hold } from "./holds.ts";
import type { Attempts, Memory } from "./memory.ts";
import type { RegBase } from "./unit.ts";
import type { Answer } from "./view.ts";

export interface CallEnd extends Pick<Attempts, "leaf" | "instance" | "problem"> {
  readonly regBase: RegBase;
  readonly repeat: boolean;
  readonly nowMs: number;
}

/** Memory after a SEAMCALL that left something to repeat (`repeat` true) or did not. */
export function noteCall(memory: Memory, call: CallEnd): Memory {
  const attempts = new Map(memory.attempts);
  const { regBase, repeat, nowMs, ...about } = call;
  const before = attempts.get(regBase);
  const isSame = before?.leaf === call.leaf && before.instance === call.instance;
  if (repeat) attempts.set(regBase, { ...about, lastMs: nowMs, count: (isSame ? before.count : 0) + 1 });
  else attempts.delete(regBase);
  return { ...memory, attempts };
}

/** Memory after a CLEAR that was not issued because the look at its devices had aged: no attempt, but the unit is looked at anew, and says why. */
export function noteLate(memory: Memory, { regBase, leaf, instance, problem, nowMs }: CallEnd): Memory {
  const before = memory.attempts.get(regBase);
  const isSame = before?.leaf === leaf && before.instance === instance;
  const attempts = { ...(isSame ? before : { leaf, instance, lastMs: nowMs, count: 0 }), problem, lateMs: nowMs };
  return { ...memory, attempts: new Map(memory.attempts).set(regBase, attempts) };
}

/**
 * Memory after an answer to Allocate: the device counts as handed out in this epoch, with this node, from now on, before any view shows it. Kubelet
 * allocates only what it counts free, so a newer answer replaces what was known of an older one.
 */
export function noteAnswer(memory: Memory, { address, epoch, resource, node, kubelet, claim, atMs }: Answer): Memory {
  const known = memory.holds.get(address);
  const isHeld = known !== undefined && known.freeSinceMs === null;
  const hold: Hold = { epoch, resource, node, kubelet, claim, pod: isHeld ? known.pod : "", freeSinceMs: isHeld ? null : atMs };
  return { ...memory, holds: new Map(memory.holds).set(address, hold) };
}

/** Memory after an answer that could not be given: as before it, unless a view or a later answer has said something of the device in between. */
export function noteNotGiven(memory: Memory, { address, atMs, epoch }: Answer, before: Hold | undefined): Memory {
  const known = memory.holds.get(address);
  if (known?.epoch !== epoch || known.freeSinceMs !== atMs) return memory;
  const holds = new Map(memory.holds);
  if (before === undefined) holds.delete(address);
  else holds.set(address, before);
  return { ...memory, holds };
}

/** Memory after PreStart said yes: the container may open the device at any time from now on, whatever the views show. */
export function notePreStart(memory: Memory, { address, atMs, kubelet }: Pick<Answer, "address" | "atMs" | "kubelet">): Memory {
  const known = memory.holds.get(address);
  if (known === undefined || (known.freeSinceMs === null && known.kubelet === kubelet)) return memory;
  const freeSinceMs = known.freeSinceMs === null ? null : atMs;
  return { ...memory, holds: new Map(memory.holds).set(address, { ...known, kubelet, freeSinceMs }) };
}

/** Memory after a claim was unprepared: its devices are on their way back, and every view is to show them free. */
export function noteUnprepared(memory: Memory, claim: string): Memory {
  const holds = [...memory.holds].map(([address, hold]): [string, Hold] => [address, hold.claim === claim ? { ...hold, claim: null } : hold]);
  return { ...memory, holds: new Map(holds) };
}

/** Memory with the loads of the kernel's own driver that the next process may be told of. */
export function noteLoads(memory: Memory, loads: ReadonlySet<string>): Memory {
  return { ...memory, loads };
}

/** Memory of what is about to be listed: its names count as ours from before kubelet hears them. */
export function noteListed(memory: Memory, offer: readonly { readonly resource: string }[]): Memory {
  return { ...memory, served: new Set([...memory.served, ...offer.map(({ resource }) => resource)]) };
}

/** Memory from the moment SETUP is issued. */
export function noteSetup(memory: Memory, regBase: RegBase): Memory {
  return { ...memory, verifying: new Set([...memory.verifying, regBase]) };
}

/** Memory after the links below a unit were read again, when its SETUP had ended. */
export function noteReadAgain(memory: Memory, regBase: RegBase): Memory {
  return { ...memory, verifying: new Set([...memory.verifying].filter((unit) => unit !== regBase)) };
}
