// SPDX-License-Identifier: Apache-2.0

/** Kubelet's calls. Each asks the gate again, on the binding and the function as they are now (I2), and fails closed. */
import type { Address } from "../domain/device.ts";
import { judge, type Purpose, type Verdict } from "../domain/gate.ts";
import { unitFacts } from "../domain/ground.ts";
import type { Intent } from "../domain/intent.ts";
import { functionToJudge } from "../domain/link-reading.ts";
import { noteAnswer, notePreStart } from "../domain/memory.ts";
import { specName } from "../domain/specs.ts";
import type { RegBase } from "../domain/unit.ts";
import type { Answer } from "../domain/view.ts";
import type { AllocatedDevice, DevicePluginHandlers, Placement } from "../kubelet/port.ts";
import { AppError } from "../runtime/errors.ts";
import type { KeyedLocks } from "../runtime/serial.ts";
import type { BindingHolder } from "./binding.ts";
import type { AgentPorts } from "./ports.ts";
import type { ProofKeeper } from "./proof-keeper.ts";
import { shareReads } from "./shared-read.ts";
import type { AgentState } from "./state.ts";

export interface HandlerParts {
  readonly ports: AgentPorts;
  readonly binding: BindingHolder;
  readonly state: AgentState;
  readonly proofs: Pick<ProofKeeper, "noteHold">;
  /** Keyed by register base: shared by these calls, exclusive for CLEAR. */
  readonly locks: KeyedLocks;
  /** A simulated host: it has no device nodes to give. */
  readonly simulatedHost: boolean;
  /** The loop should look soon: kubelet is about to show a new holder. */
  readonly onAnswered: () => void;
}

/** One device, judged on what the binding and its function say now. */
interface Judged {
  readonly verdict: Verdict;
  readonly vfioCdev: string | null;
  /** The unit that the function is below now. */
  readonly regBase: RegBase | null;
  /** SEAMCALLs are answered by a simulator. */
  readonly simulated: boolean;
}

interface Asked {
  readonly resource: string;
  readonly address: Address;
  readonly purpose: Purpose;
}

export function createHandlers(parts: HandlerParts): DevicePluginHandlers {
  const { ports, state } = parts;
  const readFunction = sharedByAddress((address) => ports.host.observeFunction(address));

  const judgeNow = async (address: Address, purpose: Purpose): Promise<Judged> => {
    const [binding, raw] = await Promise.all([parts.binding.observeShared(), readFunction(address)]);
    const units = binding.kind === "Read" ? unitFacts(binding) : null;
    const bindingProblem = binding.kind === "Read" ? "" : binding.why;
    const { memory } = state;
    const fn = raw && functionToJudge(raw, { links: memory.links, units });
    const verdict = judge({ address, purpose, intent: currentIntent(parts), fn, units, bindingProblem, memory });
    const regBase = fn?.unit.kind === "Unit" ? fn.unit.regBase : null;
    return { verdict, vfioCdev: fn?.vfioCdev ?? null, regBase, simulated: binding.kind === "Read" && binding.value.info.simulated };
  };

  /** The work runs under the unit's shared lock, in the same turn in which the gate was found open. */
  const admit = async <T>({ resource, address, purpose }: Asked, then: (judged: Judged) => Promise<T>): Promise<T> => {
    refuseEarly(parts);
    // A device nobody has seen has no unit to lock, and the gate refuses it.
    const regBase = state.memory.lastUnits.get(address) ?? "";
    return parts.locks.shared(regBase, async () => {
      const judged = await judgeNow(address, purpose);
      const { verdict } = judged;
      refuseEarly(parts);
      if (!verdict.offered) throw refused(address, verdict.reason, verdict.message);
      if (verdict.resource?.name !== resource)
        throw refused(address, "NoResourceMatches", `it belongs to ${verdict.resource?.name ?? "no resource"}`);
      // The lock keeps a CLEAR of one unit out: a function that is below another one by now asks again, under that one's.
      if (judged.regBase !== regBase) throw refused(address, "UnitNotTrusted", `it was below ${regBase} and is below ${judged.regBase} now`);
      return await then(judged);
    });
  };

  /** Counts against CLEAR from now on. The newest answer for a device stands for the older ones, however fast kubelet asks. */
  const remembered = ({ verdict, vfioCdev }: Judged, resource: string): Answer => {
    const noted = { address: verdict.address, resource, node: vfioCdev, atMs: ports.clock.nowMs(), epoch: verdict.epoch ?? "" };
    state.answers = [...state.answers.filter((one) => one.address !== noted.address), noted];
    return noted;
  };

  /** Written down before it is answered: a process that is killed in between must not have given what nobody can prove. */
  const answer = async (judged: Judged, resource: string): Promise<AllocatedDevice> => {
    const noted = remembered(judged, resource);
    state.memory = noteAnswer(state.memory, noted);
    await parts.proofs.noteHold(noted.address, noted);
    refuseEarly(parts);
    return allocated(judged, parts);
  };

  const start = async (judged: Judged, resource: string): Promise<void> => {
    state.memory = notePreStart(state.memory, remembered(judged, resource));
  };

  return {
    async allocate(resource, ids) {
      const answers = await Promise.all(
        ids.map((address) => admit({ resource, address, purpose: "Allocate" }, (judged) => answer(judged, resource))),
      );
      parts.onAnswered();
      return answers;
    },
    async preStart(resource, ids) {
      await Promise.all(ids.map((address) => admit({ resource, address, purpose: "PreStart" }, (judged) => start(judged, resource))));
      parts.onAnswered();
    },
    placementOf: (id) => placementOf(id, state),
  };
}

function placementOf(id: Address, { pass }: AgentState): Placement | null {
  const fn = pass?.ground.functions.get(id);
  return fn === undefined ? null : { unit: fn.unit.kind === "Unit" ? fn.unit.regBase : null, numaNode: fn.numaNode };
}

/** The newest intent, not the last pass's: a gate that the admin has closed is closed at once. */
function currentIntent({ ports }: HandlerParts): Intent | null {
  return ports.intent.current()?.intent ?? null;
}

/** Answers without waiting where the gate is closed for every device: during a CLEAR nothing must queue behind its lock. */
function refuseEarly(parts: HandlerParts): void {
  const { state } = parts;
  if (state.stopping) throw new AppError("SHUTTING_DOWN", "the agent is stopping");
  if (state.pass === null) throw new AppError("NOT_OFFERED", "the first observation of this node is not finished");
  if (currentIntent(parts)?.state !== "Trusted") throw new AppError("NOT_OFFERED", "the intent is not Trusted: nothing is offered");
}

function refused(address: Address, reason: string, message: string): AppError {
  const tail = message === "" ? "" : `: ${message}`;
  return new AppError("NOT_OFFERED", `${address} is withheld, ${reason}${tail}`, { details: { address, reason } });
}

function allocated({ verdict, vfioCdev, simulated }: Judged, parts: HandlerParts): AllocatedDevice {
  const { address, resource } = verdict;
  return {
    id: address,
    env: deviceEnv(simulated),
    deviceNodes: deviceNodesOf(vfioCdev, parts.simulatedHost),
    cdiDevices: parts.ports.cdi && resource ? [specName(resource.name, address)] : [],
  };
}

/** The device's own IOMMUFD node and the host's IOMMUFD, which a VMM opens beside it. A simulated host has no nodes to give. */
export function deviceNodesOf(vfioCdev: string | null, simulatedHost: boolean): readonly string[] {
  return simulatedHost || vfioCdev === null ? [] : [vfioCdev, "/dev/iommu"];
}

/** A container given a simulated device is told so. */
export function deviceEnv(simulated: boolean): Readonly<Record<string, string>> {
  return simulated ? { TEEIO_SIMULATED: "true" } : {};
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
