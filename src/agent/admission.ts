// SPDX-License-Identifier: Apache-2.0

/**
 * Asks the gate now (I2): on the table, the function and the intent as they are at this moment, under the unit's shared lock, and refuses what it does
 * not let through. Every way to give a device away asks here. Fails closed.
 */
import type { Address, PciFunction } from "../domain/device.ts";
import { gateInputsOn } from "../domain/gate/basis.ts";
import { judge } from "../domain/gate/gate.ts";
import type { Purpose, Verdict } from "../domain/gate/inputs.ts";
import { unitFacts } from "../domain/ground.ts";
import type { Intent } from "../domain/intent.ts";
import { linkContextOf, toJudge } from "../domain/link-reading.ts";
import type { FunctionInSlot, Slot } from "../domain/slot.ts";
import type { RegBase } from "../domain/unit.ts";
import type { DriverView, Reading } from "../domain/view.ts";
import { AppError } from "../runtime/errors.ts";
import type { KeyedLocks } from "../runtime/serial.ts";
import type { DriverClient } from "./driver-client.ts";
import type { AgentPorts } from "./ports.ts";
import { shareReads } from "./shared-read.ts";
import type { AgentState } from "./state.ts";

export interface AdmissionParts {
  readonly ports: Pick<AgentPorts, "host" | "intent">;
  readonly driver: Pick<DriverClient, "observeShared">;
  readonly state: Pick<AgentState, "memory" | "pass" | "stopping">;
  /** Keyed by register base: shared by those who ask, exclusive for CLEAR. */
  readonly locks: KeyedLocks;
}

/** One device, judged on what table and function say now. */
export interface Judged {
  readonly verdict: Verdict;
  readonly vfioCdev: string | null;
  /** As it was judged; null: it is not on the bus. */
  readonly fn: PciFunction | null;
  /** As it was judged; null: the function is not on the bus. */
  readonly slot: Slot | null;
  /** The unit that the function is below now. */
  readonly regBase: RegBase | null;
  /** SEAMCALLs are answered by a simulator. */
  readonly simulated: boolean;
}

export interface Asked {
  /** Under which name of a device plugin; null: for a claim of DRA. */
  readonly resource: string | null;
  readonly address: Address;
  readonly purpose: Purpose;
  /** The start of kubelet that asks; null for a claim, which outlives it. */
  readonly kubelet: string | null;
  /** UID of the claim that asks. */
  readonly claim?: string;
}

interface ReadNow {
  readonly driver: Reading<DriverView>;
  readonly read: FunctionInSlot | null;
}

export interface Admission {
  /**
   * Runs `then` under the unit's shared lock, in the same turn in which the gate was found open.
   * @throws NOT_OFFERED with the gate's reason, or SHUTTING_DOWN
   */
  admit<T>(asked: Asked, then: (judged: Judged) => Promise<T>): Promise<T>;
  /** The same for several devices, of which each must be let through. @throws as `admit`, for the first that is not */
  admitAll<T>(asked: readonly Asked[], then: (judged: readonly Judged[]) => Promise<T>): Promise<T>;
  /** Answers without waiting where the gate is closed for every device: during a CLEAR nothing must queue behind its lock. @throws as `admit` */
  refuseEarly(): void;
}

export function createAdmission(parts: AdmissionParts): Admission {
  const { ports, state } = parts;
  const readFunction = sharedByAddress((address) => ports.host.observeFunction(address));
  // The newest intent, not the last pass's: a gate that the admin has closed is closed at once.
  const currentIntent = (): Intent | null => ports.intent.current()?.intent ?? null;

  const readNow = async ({ address }: Asked): Promise<ReadNow> => {
    const [driver, read] = await Promise.all([parts.driver.observeShared(), readFunction(address)]);
    return { driver, read };
  };

  /** By what is known in this turn. */
  const judgeRead = ({ address, purpose, kubelet, claim }: Asked, { driver, read }: ReadNow): Judged => {
    const { memory } = state;
    const units = driver.kind === "Read" ? unitFacts(driver) : null;
    const seen = read && toJudge(read, linkContextOf(memory, units));
    const basis = { intent: currentIntent(), driver, memory, kubelet, ...(claim === undefined ? {} : { claim }) };
    const verdict = judge(gateInputsOn(basis, purpose)(address, seen));
    const fn = seen?.fn ?? null;
    const { unit = null, vfioCdev = null } = fn ?? {};
    const regBase = unit?.kind === "Unit" ? unit.regBase : null;
    return { verdict, vfioCdev, fn, slot: seen?.slot ?? null, regBase, simulated: driver.kind === "Read" && driver.value.info.simulated };
  };

  const refuseEarly = (): void => {
    if (state.stopping) throw new AppError("SHUTTING_DOWN", "the agent is stopping");
    if (state.pass === null) throw new AppError("NOT_OFFERED", "the first observation of this node is not finished");
    if (currentIntent()?.state !== "Trusted") throw new AppError("NOT_OFFERED", "the intent is not Trusted: nothing is offered");
  };

  const admitAll = async <T>(asked: readonly Asked[], then: (judged: readonly Judged[]) => Promise<T>): Promise<T> => {
    refuseEarly();
    // A device that no look has seen has no unit to lock, and the gate refuses it.
    const bases = asked.map(({ address }) => state.memory.lastUnits.get(address) ?? "");
    const decide = async (): Promise<T> => {
      const reads = await Promise.all(asked.map(async (one) => [one, await readNow(one)] as const));
      refuseEarly();
      const judged = reads.map(([one, read]) => judgeRead(one, read));
      for (const [index, one] of judged.entries()) refuseUnlessOpen(one, { resource: asked[index]?.resource ?? null, regBase: bases[index] ?? "" });
      return await then(judged);
    };
    // In ascending order, as everyone who takes more than one.
    const inOrder = [...new Set(bases)].sort();
    return inOrder.reduceRight<() => Promise<T>>((inner, regBase) => () => parts.locks.shared(regBase, inner), decide)();
  };

  return {
    refuseEarly,
    admit: (asked, then) => admitAll([asked], ([judged]) => then(judged as Judged)), // As many as were asked.
    admitAll,
  };
}

function refuseUnlessOpen({ verdict, regBase }: Judged, asked: { readonly resource: string | null; readonly regBase: RegBase }): void {
  const { address } = verdict;
  if (!verdict.offered) throw refused(address, verdict.reason, verdict.message);
  if (asked.resource === null && verdict.resource?.ledger !== "DRA") throw refused(address, "NoResourceMatches", "its ledger is DevicePlugin");
  if (asked.resource !== null && (verdict.resource?.name !== asked.resource || verdict.resource.ledger === "DRA"))
    throw refused(
      address,
      "NoResourceMatches",
      `it belongs to ${verdict.resource?.name ?? "no resource"}, ledger ${verdict.resource?.ledger ?? "none"}`,
    );
  // The lock keeps a CLEAR of one unit out: a function that is below another one by now asks again, under that one's.
  if (regBase !== asked.regBase) throw refused(address, "UnitNotTrusted", `it was below ${asked.regBase} and is below ${regBase} now`);
}

function refused(address: Address, reason: string, message: string): AppError {
  const tail = message === "" ? "" : `: ${message}`;
  return new AppError("NOT_OFFERED", `${address} is withheld, ${reason}${tail}`, { details: { address, reason } });
}

function sharedByAddress<T>(read: (address: Address) => Promise<T>): (address: Address) => Promise<T> {
  const readers = new Map<Address, { read: () => Promise<T>; users: number }>();
  return async (address) => {
    const reader = readers.get(address) ?? { read: shareReads(() => read(address)), users: 0 };
    readers.set(address, reader);
    reader.users += 1;
    try {
      return await reader.read();
    } finally {
      reader.users -= 1;
      if (reader.users === 0) readers.delete(address);
    }
  };
}
