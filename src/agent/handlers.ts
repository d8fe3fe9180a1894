// SPDX-License-Identifier: Apache-2.0

/** Kubelet's calls to a device plugin: each asks the gate (admission.ts), and what is given away is written down before it is answered. */
import type { Address } from "../domain/device.ts";
import { specName } from "../domain/specs.ts";
import type { Answer } from "../domain/view.ts";
import type { AllocatedDevice, DeviceCall, DevicePluginHandlers, Placement } from "../kubelet/port.ts";
import { type Admission, type AdmissionParts, createAdmission, type Judged } from "./admission.ts";
import type { AuditKeeper } from "./audit-keeper.ts";
import { deviceEnv, deviceNodesOf } from "./given.ts";
import { LINK_WAIT_MS, type LinkTurns, untilLinked } from "./link-wait.ts";
import type { AgentPorts } from "./ports.ts";
import type { ProofKeeper } from "./proof-keeper.ts";
import type { AgentState } from "./state.ts";

export interface HandlerParts extends AdmissionParts {
  readonly ports: Pick<AgentPorts, "clock" | "cdi" | "host" | "intent">;
  readonly state: AgentState;
  readonly proofs: Pick<ProofKeeper, "noteHold">;
  readonly audit: Pick<AuditKeeper, "did" | "written">;
  /** For starts that wait for a link. */
  readonly turns: LinkTurns;
  /** A simulated host: it has no device nodes to give. */
  readonly simulatedHost: boolean;
  /** The loop should look soon: kubelet is about to show a new holder. */
  readonly onAnswered: () => void;
}

export function createHandlers(parts: HandlerParts): DevicePluginHandlers {
  const { state } = parts;
  const admission: Admission = createAdmission(parts);

  const answerOf = ({ verdict, vfioCdev }: Judged, { resource, kubelet }: DeviceCall): Answer => {
    return { address: verdict.address, resource, node: vfioCdev, atMs: parts.ports.clock.nowMs(), epoch: verdict.epoch ?? "", kubelet, claim: null };
  };

  /** Written down before it is answered: a process that is killed in between must not have given what no later process can prove. */
  const give = async (judged: Judged, call: DeviceCall): Promise<AllocatedDevice> => {
    const answer = answerOf(judged, call);
    const before = state.memory.holds.get(answer.address);
    state.noteAnswer(answer);
    parts.audit.did({ kind: "Allocate", answer });
    try {
      await parts.proofs.noteHold(answer.address, answer);
    } catch (thrown) {
      state.noteNotGiven(answer, before);
      parts.audit.did({ kind: "NotGiven", answer });
      throw thrown;
    }
    // Bounded, and no condition: a log that cannot be written refuses nobody a device.
    await parts.audit.written();
    admission.refuseEarly();
    return allocated(judged, parts);
  };

  const noteStart = (judged: Judged, call: DeviceCall): void => {
    const answer = answerOf(judged, call);
    state.notePreStart(answer);
    parts.audit.did({ kind: "PreStart", answer, slot: judged.slot });
  };

  return {
    async allocate(call) {
      const giveOne = (address: Address): Promise<AllocatedDevice> =>
        admission.admit({ ...call, address, purpose: "Allocate" }, (judged) => give(judged, call));
      const answers = await Promise.all(call.ids.map(giveOne));
      parts.onAnswered();
      return answers;
    },
    async preStart(call) {
      const untilMs = parts.ports.clock.nowMs() + LINK_WAIT_MS;
      const start = (address: Address): Promise<void> =>
        untilLinked(parts, { address, untilMs }, () =>
          admission.admit({ ...call, address, purpose: "PreStart" }, async (judged) => noteStart(judged, call)),
        );
      await Promise.all(call.ids.map(start));
      parts.onAnswered();
    },
    placementOf: (id) => placementOf(id, state),
  };
}

function placementOf(id: Address, { pass }: Pick<AgentState, "pass">): Placement | null {
  const fn = pass?.ground.functions.get(id);
  return fn === undefined ? null : { unit: fn.unit.kind === "Unit" ? fn.unit.regBase : null, numaNode: fn.numaNode };
}

function allocated({ verdict, vfioCdev, simulated }: Judged, { ports, simulatedHost }: HandlerParts): AllocatedDevice {
  const { address, resource } = verdict;
  return {
    id: address,
    env: deviceEnv(simulated),
    deviceNodes: deviceNodesOf(vfioCdev, simulatedHost),
    cdiDevices: ports.cdi && resource ? [specName(resource.name, address)] : [],
  };
}
