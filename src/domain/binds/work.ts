// SPDX-License-Identifier: Apache-2.0

/** What must be known over time to change drivers. Of this process: nothing of it outlives it, and the next one observes. Pure. */
import type { Address, PciFunction } from "../device.ts";
import { type BindEnd, type BindFailure, bindText } from "./error.ts";

/** The driver that a function is given: vfio-pci, or its own. */
export type BindTarget = "Vfio" | "Native";

/** A change of a driver that has begun and has not ended. */
export interface BindRunning {
  readonly to: BindTarget;
  readonly sinceMs: number;
  /** The helper process that waits in the kernel; null: not started. */
  readonly pid: number | null;
}

export interface BindWork {
  readonly running: ReadonlyMap<Address, BindRunning>;
  /** Of these, the ones that the agent no longer waits for. */
  readonly stuck: ReadonlySet<Address>;
  readonly failures: ReadonlyMap<Address, BindFailure>;
  /** Of functions that are to get their own driver back: since when every view has shown them free. */
  readonly freeSince: ReadonlyMap<Address, number>;
  /** Why a function has not been given the spec's driver yet, as the last pass found it. */
  readonly waits: ReadonlyMap<Address, string>;
}

export const NO_BIND_WORK: BindWork = { running: new Map(), stuck: new Set(), failures: new Map(), freeSince: new Map(), waits: new Map() };

/** An unbind waits in the kernel until the driver lets go, which may be never. The agent goes on with others after this time. */
export const BIND_STUCK_MS = 20_000;

export function noteBindBegins(work: BindWork, address: Address, running: BindRunning): BindWork {
  return { ...work, running: new Map(work.running).set(address, running) };
}

export function noteBindStuck(work: BindWork, address: Address): BindWork {
  return work.running.has(address) ? { ...work, stuck: new Set(work.stuck).add(address) } : work;
}

export interface BindEnded {
  readonly address: Address;
  readonly end: BindEnd;
  readonly nowMs: number;
}

export function noteBindEnds(work: BindWork, { address, end, nowMs }: BindEnded): BindWork {
  const running = new Map(work.running);
  running.delete(address);
  const stuck = new Set(work.stuck);
  stuck.delete(address);
  const freeSince = new Map(work.freeSince);
  freeSince.delete(address);
  if (end.kind === "Changed") return { ...work, running, stuck, freeSince };
  const count = (work.failures.get(address)?.count ?? 0) + 1;
  return {
    ...work,
    running,
    stuck,
    freeSince,
    failures: new Map(work.failures).set(address, {
      problem: bindText(end),
      isInUse: end.kind === "Refused" && end.at === "disk",
      count,
      lastMs: nowMs,
    }),
  };
}

/** After a plan: what it waits for. */
export function noteBindWaits(work: BindWork, verdicts: readonly { readonly address: Address; readonly message: string }[]): BindWork {
  const waits = new Map(verdicts.flatMap(({ address, message }) => (message === "" ? [] : [[address, message] as const])));
  return waits.size === 0 && work.waits.size === 0 ? work : { ...work, waits };
}

/** After one more look at the host. `wishOf`, `isFree`: of a function in this look. */
export function bindWorkAfterLook(
  work: BindWork,
  { functions, nowMs }: { readonly functions: Iterable<PciFunction>; readonly nowMs: number },
  { wishOf, isFree }: { readonly wishOf: (fn: PciFunction) => BindTarget | null; readonly isFree: (fn: PciFunction) => boolean },
): BindWork {
  const freeSince = new Map<Address, number>();
  const failures = new Map<Address, BindFailure>();
  for (const fn of functions) {
    const wish = wishOf(fn);
    if (wish === null) continue;
    const failure = work.failures.get(fn.address);
    if (failure !== undefined) failures.set(fn.address, failure);
    if (wish === "Native" && isFree(fn)) freeSince.set(fn.address, work.freeSince.get(fn.address) ?? nowMs);
  }
  return { ...work, freeSince, failures };
}
