// SPDX-License-Identifier: Apache-2.0

/** observe: one NodeView from every port. Reads only; what fails is a value. */
import type { HostView } from "../domain/device.ts";
import { unitFacts } from "../domain/ground.ts";
import type { Intent } from "../domain/intent.ts";
import { selectsUnit } from "../domain/intent.ts";
import { isStranded } from "../domain/memory.ts";
import type { Answer, Binding, NodePodsView, NodeView, Publication, Reading } from "../domain/view.ts";
import { messageOf } from "../runtime/errors.ts";
import type { AgentPorts } from "./ports.ts";

export interface ObserveInputs {
  readonly ports: AgentPorts;
  readonly binding: Reading<Binding>;
  readonly intent: Intent | null;
  readonly publications: readonly Publication[];
  readonly answers: readonly Answer[];
}

export async function observe(inputs: ObserveInputs): Promise<NodeView> {
  const { ports, binding, intent } = inputs;
  const nowMs = ports.clock.nowMs();
  const [host, podResources, pods] = await Promise.all([
    readHost(ports),
    ports.podResources.observe(),
    wantsClear(intent, binding) ? ports.pods.observe() : NOT_ASKED,
  ]);
  return { nowMs, host, binding, podResources, pods, publications: inputs.publications, answers: inputs.answers };
}

/** Pods are only asked for when a CLEAR hangs on them; for every other decision, not asked reads as unreadable. */
const NOT_ASKED: NodePodsView = { kind: "Unreadable", why: "not asked" };

/** The host's tree now; what fails is Unreadable. */
export async function readHost(ports: AgentPorts): Promise<Reading<HostView>> {
  try {
    return { kind: "Read", value: await ports.host.observe() };
  } catch (thrown) {
    return { kind: "Unreadable", why: messageOf(thrown) };
  }
}

function wantsClear(intent: Intent | null, binding: Reading<Binding>): boolean {
  if (intent === null) return false;
  return [...unitFacts(binding).values()].some(
    (fact) => selectsUnit(intent, fact.entry.regBase) && fact.entry.tdxIommuId !== null && (intent.state === "Cleared" || isStranded(fact)),
  );
}
