// SPDX-License-Identifier: Apache-2.0
import type { IntentView } from "../../../src/cluster/port.ts";
import type { NodeStatus } from "../../../src/domain/status.ts";
import type { NodePod, NodePodsView } from "../../../src/domain/view.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import { Fact } from "./fact.ts";
import type { Pod } from "./pod.ts";
import type { WorldTime } from "./world-time.ts";

/** The API server: pods of this node, the TrustedIommu's spec and its status. In standalone mode: a manifest and a status file, and no pods. */
export class ApiModel {
  readonly pods: Pod[] = [];
  readonly isReachable: Fact<boolean>;
  readonly isStandalone: boolean;
  /** The newest spec, whether an agent has seen it or not. */
  spec: IntentView;
  status: NodeStatus | null = null;
  /** When each status came. */
  readonly writtenMs: number[] = [];
  readonly #time: WorldTime;
  /** When a pod was last over. */
  lastEnd = { sinceTick: -1, sinceMs: 0 };
  /** An earlier one, as a backup has it. */
  backup: NodeStatus | null = null;
  /** Somebody else wrote it last. */
  isStatusEdited = false;
  readonly #watchers = new Map<number, (view: IntentView) => void>();

  /** Pods whose extended resources claims serve. */
  podsByClaims: () => readonly NodePod[] = () => [];

  constructor(time: WorldTime, shape: { readonly isStandalone: boolean; readonly spec: IntentView }) {
    this.#time = time;
    this.isReachable = new Fact(time, true);
    this.isStandalone = shape.isStandalone;
    this.spec = shape.spec;
  }

  /** An answer to a fresh read of the pods of this node. */
  podsView(domains: ReadonlySet<string>): NodePodsView {
    if (this.isStandalone) return { kind: "None" };
    if (!this.isReachable.value) return { kind: "Unreadable", why: "connection refused" };
    const pods = this.pods.filter((pod) => pod.isInApi).map((pod) => pod.asSeen());
    return { kind: "Read", domains, pods: [...pods, ...this.podsByClaims()] };
  }

  writeStatus(status: NodeStatus): void {
    if (!this.isReachable.value && !this.isStandalone) throw new AppError("API_UNREACHABLE", "connection refused");
    this.writtenMs.push(this.#time.nowMs);
    this.status = status;
    this.isStatusEdited = false;
  }

  /** `kubectl edit --subresource=status`, or a restore from a backup. */
  editStatus(status: NodeStatus | null): void {
    this.status = status;
    this.isStatusEdited = true;
  }

  readStatus(): NodeStatus | null {
    return this.isReachable.value || this.isStandalone ? this.status : null;
  }

  watch(process: number, onSpec: (view: IntentView) => void): void {
    this.#watchers.set(process, onSpec);
    onSpec(this.spec);
  }

  forget(process: number): void {
    this.#watchers.delete(process);
  }

  setSpec(view: IntentView): void {
    this.spec = view;
    for (const onSpec of [...this.#watchers.values()]) onSpec(view);
  }
}
