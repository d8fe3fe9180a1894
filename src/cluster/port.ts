// SPDX-License-Identifier: Apache-2.0

/**
 * Where the intent comes from and where the status goes: the API server, or a manifest file and a status file (standalone).
 * Only the cluster adapter loads the API client; standalone never does.
 */
import type { Intent } from "../domain/intent.ts";
import type { NodeStatus, ReadStatus } from "../domain/status.ts";
import type { NodePodsView } from "../domain/view.ts";
import type { Rate } from "../runtime/token-bucket.ts";

export type { NodePod, NodePodsView } from "../domain/view.ts";

/**
 * The newest intent. `problem` is set when a newer object or file was refused: the last good one stays in force, unless the refused one says
 * Cleared (api/cleared.ts). `generation` is that of the last good one.
 */
export interface IntentView {
  /** Null: there is no object, or none was ever valid. Rest position: nothing is offered, set up or cleared. */
  readonly intent: Intent | null;
  readonly generation: number;
  /** Field path, value and what to write instead; empty when all is well. */
  readonly problem: string;
}

export interface IntentPort {
  /** Newest view; null before the first answer (the agent then stays at rest and not ready). */
  current(): IntentView | null;
  onChange(listener: () => void): () => void;
}

export interface StatusPort {
  /** How often `write` may be called by itself; null: as often as the status changes. */
  readonly rate: Rate | null;
  /** The status of an earlier run of this node's agent, null when there is none or it is unreadable. Read once, at start. */
  readLast(): Promise<ReadStatus | null>;
  /** Makes `status` the published one. Idempotent. @throws API_UNREACHABLE · API_REFUSED · STATUS_UNWRITABLE, all repeatable */
  write(status: NodeStatus): Promise<void>;
  /** Tells people of a change; deduplicated and best-effort: a lost event never fails the caller. */
  event(event: NodeEvent): void;
}

export interface NodeEvent {
  readonly type: "Normal" | "Warning";
  /** UpperCamelCase, from the closed lists of domain/reason.ts where one fits. */
  readonly reason: string;
  /** What it is about: a unit's regBase, or the type of a condition. Events of one reason about one thing are counted, not repeated. */
  readonly about: string;
  readonly message: string;
}

export interface NodePodsPort {
  /** Read from this machine at once. So it is asked with every look: what it shows is forgotten there without a word. */
  readonly isLocal: boolean;
  /**
   * The pods of this node that ask for a resource in one of these domains (`teeio.dev` of `teeio.dev/gpu`). `known`: the UIDs of pods that a kubelet
   * without an API server showed earlier. Never rejects.
   */
  observe(domains: ReadonlySet<string>, known: ReadonlySet<string>): Promise<NodePodsView>;
}
