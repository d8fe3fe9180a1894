// SPDX-License-Identifier: Apache-2.0

/**
 * Parts of the world that can be switched off: kinds of things that happen, and kinds of things that are checked. One that is off waits for what
 * its comment names; `WORLD_WITH=name,name` switches it on all the same.
 */
import { worldEnvironment } from "./environment.ts";

const SWITCHES = {
  /** Facts are judged when a leaf begins, not only when it is asked for. */
  clearBegins: true,
  /** The agent is stopped for up to an hour wherever it is, and goes on. */
  freezes: true,
  /** Two functions get each other's vfio node. */
  renumbers: true,
  /** CDI specs in place are judged like lists, and their content. */
  specContents: true,
  /** A runtime makes a pod's sandbox anew from the CDI names in place, and asks nobody. */
  sandboxes: true,
  /** A kubelet that starts without its API server answers podresources with success, and empty. */
  blindKubelet: true,
  /** The same on a node without an API server. */
  blindAlone: true,
  /** Kubelet's device checkpoint is lost or rolled back: it gives away what a running pod has. */
  checkpoints: true,
  /** Other plugins' pods have functions of ours. */
  otherPlugins: true,
  /** A device that a process has open, and no pod that kubelet shows, is not listed. */
  unknownHolders: true,
  /** Holders whose container does not run are judged, too. */
  stoppedHolders: true,
  /** Pods with the name of an earlier one. */
  podNames: true,
  /** Somebody writes a pod's phase. */
  editedPods: true,
  /** A descriptor in flight over a socket: a scan does not find who has the device open. */
  hiddenFds: true,
  /** A function's `iommu` link goes while the function stays. */
  unitLinks: true,
  /** A function comes back below another unit. */
  movedFunctions: true,
  /** A function comes back with a secured link. */
  securedReturns: true,
  /** The status is edited, put back from a backup, deleted. */
  editedStatus: true,
  /** No list takes a withdrawal back while its cause stands. */
  undoneWithdrawals: true,
  /** What one agent has watched of the kernel's driver the next one knows. */
  provenLoads: true,
  /** Nodes whose kernel owns TDX Connect: the driver tdx_host. */
  kernelOwned: true,
  /** The agent secures, repairs and releases links, or waits for somebody who does. */
  links: true,
  /** The spec has the agent change drivers, and others change them, too. */
  drivers: true,
  /** A resource is DRA's: slices, a scheduler, claims and the pods that use them. */
  claims: true,
  /** Time between PreStart's yes and the VM's open, and force-delete in it. */
  slowStarts: true,
} as const satisfies Record<string, boolean>;

export type Capability = keyof typeof SWITCHES;

const asked = new Set(worldEnvironment().capabilities);
const unknown = [...asked].filter((name) => !Object.hasOwn(SWITCHES, name));
if (unknown.length > 0) throw new Error(`WORLD_WITH names ${unknown.join(", ")}: write ${Object.keys(SWITCHES).join(", ")}`);

export function has(capability: Capability): boolean {
  return SWITCHES[capability] || asked.has(capability);
}
