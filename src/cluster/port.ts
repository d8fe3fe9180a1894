// SPDX-License-Identifier: Apache-2.0

/**
 * Where the intent comes from and where the status goes: the API server, or a manifest file and a status file (standalone).
 * Only the cluster adapter loads the API client; standalone never does.
 */
import type { Intent } from "../domain/intent.ts";
import type { NodeStatus } from "../domain/status.ts";

/** The newest intent. `problem` is set when a newer object or file was refused: the last good one stays in force. */
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
  /** The status of an earlier run of this node's agent, null when there is none or it is unreadable. Read once, at start. */
  readLast(): Promise<NodeStatus | null>;
  /** Makes `status` the published one. Idempotent. @throws API_UNREACHABLE · API_REFUSED · STATUS_UNWRITABLE, all repeatable */
  write(status: NodeStatus): Promise<void>;
  /** Tells people of a change; deduplicated and best-effort: a lost event never fails the caller. */
  event(event: NodeEvent): void;
}

export interface NodeEvent {
  readonly type: "Normal" | "Warning";
  /** UpperCamelCase, from the closed lists of domain/reason.ts where one fits. */
  readonly reason: string;
  readonly message: string;
}

/** A pod of this node as the API server shows it, read afresh (not from a cache). Terminating pods are in it until they are gone. */
export interface NodePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Pending, Running, Succeeded, Failed, Unknown. Pods in Succeeded or Failed hold no device. */
  readonly phase: string;
  readonly terminating: boolean;
  /** Extended resources the pod asks for: name → count, summed as the scheduler does. */
  readonly requests: Readonly<Record<string, number>>;
}

export type NodePodsView =
  | { readonly kind: "Read"; readonly pods: readonly NodePod[] }
  | { readonly kind: "Unreadable"; readonly why: string }
  /** Standalone: there is no API server, by configuration only. */
  | { readonly kind: "None" };

export interface NodePodsPort {
  observe(): Promise<NodePodsView>;
}
