// SPDX-License-Identifier: Apache-2.0
import type { NodePod } from "../../../src/domain/view.ts";
import type { HostFunction } from "./host-function.ts";

/** Where kubelet is with a pod. `Over`: it holds nothing any more, or was never admitted. */
export type PodStage = "Waiting" | "Admitting" | "Held" | "Over";

/** One pod that asks for one extended resource, on both sides: as the API shows it and as kubelet has it. */
export class Pod {
  /** Its name in a history. */
  readonly key: string;
  /** As the API and kubelet show it; another pod may have had it before. */
  readonly name: string;
  readonly resource: string;
  readonly count: number;
  isInApi = true;
  isTerminating = false;
  stage: PodStage = "Waiting";
  phase: NodePod["phase"] = "Pending";
  /** What kubelet gave it, and the span of trust in which our plugin said yes. */
  ids: readonly string[] = [];
  readonly spans = new Map<string, string | null>();
  /** Device nodes of the answer, by device: kubelet gives them to every container start. None on a simulated host. */
  readonly nodes = new Map<string, readonly string[]>();
  /** What its VM has open. */
  opened: readonly HostFunction[] = [];
  /** The agent process that said yes. */
  givenBy = 0;
  /** Its container runs, and the VM in it has the devices open. */
  isRunning = false;
  isStarting = false;
  /** PreStart has said yes, and the VM is about to open its devices, whatever becomes of the pod. */
  isOpening = false;
  /** What kubelet was told each time when a start of its container was refused. */
  readonly refusals: string[] = [];
  /** When PreStart last said yes. */
  startedMs = 0;
  /** The agent process that said so. */
  startedBy = 0;
  /** Kubelet has lost what it had written down of it: it shows no device of this pod, and counts them as free. */
  isForgotten = false;
  /** Number of what had happened when it was made, or was given its devices. */
  since = { sinceTick: -1, sinceMs: 0 };
  /** It has a process, be it only the one that holds its namespaces: from its first container start until it is over, or the machine goes down. */
  hasProcess = false;
  /** The agent process that has made a whole pass in which kubelet's checkpoint had it. */
  knownTo = 0;

  constructor(number: number, asks: { readonly resource: string; readonly count: number; readonly name: string | null }) {
    this.key = `pod-${number}`;
    this.name = asks.name ?? this.key;
    this.resource = asks.resource;
    this.count = asks.count;
  }

  /** True while it has, or may be about to get, a device in hand. */
  get isAlive(): boolean {
    return this.stage !== "Over";
  }

  asSeen(): NodePod {
    return {
      namespace: "default",
      name: this.name,
      uid: this.key,
      phase: this.phase,
      terminating: this.isTerminating,
      hasRunning: this.isRunning,
      containers: [{ name: "main", role: "Main", state: this.isRunning ? "Running" : "Waiting", asks: { [this.resource]: this.count }, claims: {} }],
    };
  }
}
