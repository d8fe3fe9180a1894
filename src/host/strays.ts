// SPDX-License-Identifier: Apache-2.0

/**
 * Open vfio nodes that no listed function has. Such a node may be of a function whose unbind waits for the process to close it, and nothing in sysfs
 * says of which: its `vfio-dev/vfioN` is gone, and a name remembered from before may have been given anew.
 *
 * They could mean every function that has no `vfioN` of its own and no other driver. A group's node is narrower: a function keeps its `iommu_group`
 * link during the wait, so one that has another group isn't meant.
 */
import { isPciAddress } from "../domain/address.ts";
import { type HeldFunction, type HolderScan, NO_STRAYS, type Strays } from "./holders.ts";
import type { HostPaths } from "./paths.ts";
import { readNames, readTarget } from "./reading.ts";

export function findStrays(paths: HostPaths, functions: Iterable<HeldFunction>, scan: HolderScan): Strays {
  if (scan.kind === "Unreadable" || scan.pidsByNode.size === 0) return NO_STRAYS;
  const names = new Set<string>();
  for (const one of functions) {
    names.add(one.address);
    for (const name of [one.vfioName, one.iommuGroup]) if (name.kind === "Value") names.add(name.value);
  }
  let strays = NO_STRAYS;
  for (const [node, pids] of scan.pidsByNode) {
    if (names.has(node)) continue;
    const kind = node.startsWith("vfio") || isPciAddress(node) ? "device" : "group";
    const isElsewhere = kind === "device" ? isOtherDevice(paths, node) : isOtherGroup(paths, node);
    if (!isElsewhere) strays = { ...strays, [kind]: `pid ${pids[0]} holds ${node}, which no function has` };
  }
  return strays;
}

/** A mediated or platform device is in the class for as long as it isn't unbound, and its parent is no PCI function. */
function isOtherDevice(paths: HostPaths, node: string): boolean {
  const target = readTarget(`${paths.vfioClass}/${node}`);
  const parent = target.kind === "Value" ? target.value.split("/").at(-3) : undefined;
  return parent !== undefined && !isPciAddress(parent);
}

function isOtherGroup(paths: HostPaths, node: string): boolean {
  const members = readNames(`${paths.iommuGroups}/${node}/devices`);
  return members.kind === "Value" && members.value.length > 0 && !members.value.some(isPciAddress);
}
