// SPDX-License-Identifier: Apache-2.0
import type { BindChange } from "../../../src/bind/port.ts";
import type { AllocatedDevice, PublishedResource } from "../../../src/kubelet/port.ts";
import type { ClearTarget } from "../../../src/seamcall/port.ts";
import type { LinkWrite } from "../../../src/tsm/port.ts";
import type { PreparedYes } from "../models/dra-calls.ts";
import type { HostFunction } from "../models/host-function.ts";
import type { Pod } from "../models/pod.ts";

/** A yes of the agent to kubelet: what was asked, and when the question arrived. */
export interface Yes {
  readonly call: "Allocate" | "PreStart";
  readonly resource: string;
  readonly ids: readonly string[];
  readonly pod: Pod;
  readonly arrivedTick: number;
  readonly arrivedMs: number;
  /** What the container is to be given; null for PreStart, which gives nothing. */
  readonly given: readonly AllocatedDevice[] | null;
}

/** What the models tell the checker, at the moment at which it happens. `Process`: one life of the agent. */
export interface Witness<Process> {
  /** The agent has called SETUP; nothing has happened yet. */
  setupIssued(process: Process, regBase: string): void;
  /** The SEAMCALL begins; by the kernel's own doing without any agent. */
  setupBegins(process: Process | null, regBase: string): void;
  clearIssued(process: Process, target: ClearTarget): void;
  /** The SEAMCALL begins, however long it has waited for its turn. */
  clearBegins(process: Process, target: ClearTarget): void;
  /** The agent has handed a write of a link to its helper: from now on it may begin at any time. */
  linkWriteIssued(process: Process, write: LinkWrite): void;
  /** The agent has handed a change of a driver to its helper. */
  bindIssued(process: Process, change: BindChange): void;
  published(process: Process, resources: readonly PublishedResource[]): void;
  answered(process: Process, yes: Yes): void;
  /** The agent has said yes to the preparation of a claim; kubelet has not heard of it yet. */
  prepared(process: Process, yes: PreparedYes): void;
  /** A runtime has made a pod's sandbox from the CDI specs in place; its VM has these open now. */
  resolved(pod: Pod, functions: readonly HostFunction[]): void;
  /**
   * The host's whole tree, or podresources, was read by the agent; `held`: functions that it was shown open, or whose holders could not be read, by a
   * search that may be a second old.
   */
  looked(process: Process, view: "host" | "podresources", held: ReadonlySet<string>): void;
  /** The program says that it is broken. */
  fatal(thrown: unknown): void;
}
