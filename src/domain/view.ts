// SPDX-License-Identifier: Apache-2.0

/**
 * One observation of the node, as plain values: what every decision is made from. Nothing in it is remembered; what must be known over time
 * is in memory.ts.
 */
import type { Address } from "./device.ts";
import type { DraView } from "./dra/view.ts";
import type { HostView } from "./host.ts";
import type { Reading } from "./reading.ts";
import type { DriverInfo, DriverTable } from "./unit.ts";

export type { Reading } from "./reading.ts";

/** What one reading of the driver says: which driver it is, INFO and LIST. */
export interface DriverView {
  readonly name: string;
  readonly info: DriverInfo;
  readonly table: DriverTable;
}

/** What podresources shows one pod to hold, by one resource. */
export interface PodDevices {
  readonly namespace: string;
  readonly pod: string;
  /** Extended resource; of a claim the name of its DRA driver. */
  readonly resource: string;
  /** As the ledger that gave them names them. Ours are addresses. */
  readonly ids: readonly string[];
  /** Name of the ResourceClaim that holds them; absent for a device plugin's. */
  readonly claim?: string;
  /** Other names of the same devices: CDI names of a claim. */
  readonly aliases?: readonly string[];
}

/** One look at podresources. Errors are values: what can't be read counts as in use. */
export type PodResourcesView =
  | {
      readonly kind: "Read";
      /** GetAllocatableResources: every id that kubelet lists, by resource. */
      readonly allocatable: readonly { readonly resource: string; readonly ids: readonly Address[] }[];
      /** List: devices of active pods. Leaves out terminating pods and orphans; empty just after a kubelet start. */
      readonly pods: readonly PodDevices[];
      /** Monotonic ms at which this kubelet (by its podresources socket's identity: ctime) was first seen. */
      readonly kubeletSinceMs: number;
    }
  | { readonly kind: "Unreadable"; readonly why: string }
  /** The machine has no kubelet, by configuration only (`--kubelet none`). */
  | { readonly kind: "None" };

/**
 * A pod of this node as the API server shows it, read afresh (not from a cache), that asks for an extended resource in one of our domains. Terminating
 * pods are in it until they are gone.
 */
export interface NodePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Pending, Running, Succeeded, Failed, Unknown. Every user with the right to write the status can set it. */
  readonly phase: string;
  readonly terminating: boolean;
  /** At least one of its containers, of whatever role, runs. */
  readonly hasRunning: boolean;
  /** The containers that ask, in the order in which they start. */
  readonly containers: readonly PodContainer[];
}

/** `Init` runs to its end before the next one starts; `Sidecar` is an init container that goes on (restartPolicy Always). */
export type ContainerRole = "Init" | "Sidecar" | "Main";

export interface PodContainer {
  readonly name: string;
  readonly role: ContainerRole;
  /** `Waiting` also when kubelet has not written its state yet. */
  readonly state: "Waiting" | "Running" | "Ended";
  /** Extended resource → how many of it. Null: an amount that cannot be read, which may be any. */
  readonly asks: Readonly<Record<string, number | null>>;
  /** Extended resource → name of the ResourceClaim that DRA serves it by; the others are a device plugin's. */
  readonly claims: Readonly<Record<string, string>>;
}

export type NodePodsView =
  /** `domains`: those for whose names the pods were read. */
  | { readonly kind: "Read"; readonly domains: ReadonlySet<string>; readonly pods: readonly NodePod[] }
  | { readonly kind: "Unreadable"; readonly why: string }
  /** There is no API server to ask: what kubelet has written down to have given to pods, in our domains. It forgets an ended pod when it next writes. */
  | {
      readonly kind: "Checkpoint";
      readonly domains: ReadonlySet<string>;
      readonly given: readonly { readonly podUid: string; readonly resource: string; readonly ids: readonly string[] }[];
      /** UIDs of pods that had something there at an earlier look, have nothing there now, and have a process all the same. */
      readonly forgotten: readonly string[];
    }
  /** No decision hung on them in this view. Never taken for free. */
  | { readonly kind: "NotAsked" }
  /** Standalone: there is no API server, by configuration only. */
  | { readonly kind: "None" };

/** What our device plugin of one resource has handed to kubelet, for the withdraw protocol (I5). */
export interface Publication {
  readonly resource: string;
  /** The plugin's socket is listening or a stream is open: kubelet can call us. */
  readonly serving: boolean;
  /** Register succeeded and a ListAndWatch stream of it is open. */
  readonly registered: boolean;
  /** The start of kubelet that the plugin is, or was last, registered with: the identity of kubelet's socket. Null: none yet. */
  readonly kubelet: string | null;
  /** Allocate, PreStart and GetPreferredAllocation calls being answered. */
  readonly callsInFlight: number;
  /** Devices that the calls of these being answered name which give or start something (Allocate, PreStart). */
  readonly inCalls: readonly Address[];
  /** Ids in the newest list handed to kubelet. */
  readonly ids: readonly Address[];
  /** Last registration problem, empty when none. */
  readonly problem: string;
  /** Registered without PreStart; the list is empty. */
  readonly isQuiet?: boolean;
}

/** An answer of ours, to Allocate, PreStart or a claim's Prepare, whose effect kubelet and the API may not show yet. */
export interface Answer {
  readonly address: Address;
  readonly resource: string;
  /** The vfio device node that was given; null on a host that has none to give. */
  readonly node: string | null;
  readonly atMs: number;
  /** Epoch (ground.ts) of the unit when the gate passed. */
  readonly epoch: string;
  /** The start of kubelet that was answered; null for a claim, which outlives it. */
  readonly kubelet: string | null;
  /** UID of the claim that it was given for; null for a device plugin's. */
  readonly claim: string | null;
}

export interface NodeView {
  /** Monotonic ms when this observation began: every value in it is at least as new. */
  readonly nowMs: number;
  /** The wall clock's ms at that moment: for what outlives a process in the API server. */
  readonly wallMs: number;
  readonly host: Reading<HostView>;
  readonly driver: Reading<DriverView>;
  readonly podResources: PodResourcesView;
  readonly pods: NodePodsView;
  readonly publications: readonly Publication[];
  readonly answers: readonly Answer[];
  /** Null: this node serves no DRA. */
  readonly dra: DraView | null;
}
