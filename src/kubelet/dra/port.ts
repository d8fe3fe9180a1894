// SPDX-License-Identifier: Apache-2.0

/**
 * Kubelet's DRA manager as the agent sees it: it names claims, and is answered with CDI names. KEP-4381; k8s.io/kubelet/pkg/apis/dra/v1.
 *
 *   kubelet ──► registration socket (pluginregistration v1) ──► plugin socket: NodePrepareResources, NodeUnprepareResources, health
 */
import type { ClaimRef } from "../../domain/dra/claim.ts";
import type { ClaimFile, ClaimFilesView } from "../../domain/dra/claim-file.ts";
import type { DraPublication } from "../../domain/dra/view.ts";

/** What kubelet is answered for one device of a claim. */
export interface GivenDevice {
  /** Names of the requests that it was allocated for. */
  readonly requests: readonly string[];
  readonly pool: string;
  readonly device: string;
  /** Fully qualified CDI names. */
  readonly cdiNames: readonly string[];
}

/** The agent's side of kubelet's calls. Each rejects with an AppError, whose message becomes the claim's error in the answer. */
export interface DraHandlers {
  /**
   * For one claim of a call; idempotent. `signal` is aborted when the call is over, 40 s after it began at the latest: what the handler then rejects
   * with within 2 s is still answered, so that it can say what it waited for. Never two calls of the handlers for one claim at once.
   */
  prepare(claim: ClaimRef, signal: AbortSignal): Promise<readonly GivenDevice[]>;
  /** Idempotent; also for a claim that was never prepared here. */
  unprepare(claim: ClaimRef): Promise<void>;
}

export interface DeviceHealth {
  readonly pool: string;
  readonly device: string;
  readonly health: "Healthy" | "Unhealthy" | "Unknown";
  /** Why; at most 1,024 characters are shown. */
  readonly message: string;
}

export type { DraPublication } from "../../domain/dra/view.ts";

export interface DraPluginPort {
  /** Serves both sockets from now on; returns at once, the work is the plugin's own loops'. Repeatable. */
  serve(): void;
  publication(): DraPublication;
  /** What kubelet's health stream is told, the whole list; sent when it changed, and again every 10 s. */
  health(devices: readonly DeviceHealth[]): void;
  /** Calls `listener` when the publication changes. Returns the way to stop. */
  onChange(listener: () => void): () => void;
  /** Ends calls (3 s for their answers) and streams, closes and removes both sockets. Repeatable. */
  close(): Promise<void>;
}

/** The claim files of a node, `trusted-iommu-claim_<uid>.json` in the folder of CDI specifications, and void ones beside them. */
export interface ClaimFilesPort {
  /** Never rejects. One file for each claim: one that is in place and void at once is in place. */
  read(): Promise<ClaimFilesView>;
  /** Atomically, and on disk before it resolves: a half-written file is never seen. Ends a void one. @throws CDI_UNWRITABLE · INVARIANT_BROKEN */
  write(file: ClaimFile): Promise<void>;
  /** So that nothing resolves it any more. Does nothing where it is void or gone. @throws CDI_UNWRITABLE */
  void(uid: string): Promise<void>;
  /** Void or not. Does nothing where there is none. @throws CDI_UNWRITABLE */
  remove(uid: string): Promise<void>;
}
