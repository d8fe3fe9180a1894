// SPDX-License-Identifier: Apache-2.0
import { isPciAddress } from "../../domain/address.ts";
import type { Address } from "../../domain/device.ts";
import type { FunctionDescription } from "./host-description.ts";
import { type HostInState, type RenderedFunction, renderFunction } from "./render-function.ts";
import type { Tree } from "./tree.ts";

/** Two states of one host. */
export interface Change {
  readonly before: HostInState;
  readonly after: HostInState;
}

/** Makes the tree show `after` where it showed `before`, for the functions named. Removes from the leaves up, adds from the root down. */
export function changeFunctions(tree: Tree, change: Change, addresses: Iterable<Address>): void {
  const affected = [...new Set(addresses)]
    .map((address) => change.after.byAddress.get(address))
    .filter((one) => one !== undefined)
    .map((one) => ({ before: renderedIn(change.before, one), after: renderedIn(change.after, one) }));
  const depth = (one: RenderedFunction | null): number => one?.directory.length ?? 0;
  for (const { before, after } of affected.toSorted((a, b) => depth(b.before) - depth(a.before))) {
    if (before !== null && after === null) removeFunction(tree, before);
  }
  for (const { before, after } of affected.toSorted((a, b) => depth(a.after) - depth(b.after))) {
    if (after !== null) showFunction(tree, before, after);
  }
}

function renderedIn(hostIn: HostInState, one: FunctionDescription): RenderedFunction | null {
  return one.address in hostIn.state.unplugged ? null : renderFunction(hostIn, one);
}

/** First what refers to the function, then the function. */
function removeFunction(tree: Tree, before: RenderedFunction): void {
  for (const path of before.around.keys()) tree.remove(path);
  tree.remove(before.directory);
}

function showFunction(tree: Tree, before: RenderedFunction | null, after: RenderedFunction): void {
  if (before === null) tree.putDirectory(after.directory, after.inside);
  else {
    for (const path of before.around.keys()) if (!after.around.has(path)) tree.remove(path);
    // A bridge's directory also holds those of the functions below it.
    tree.updateDirectory(after.directory, after.inside, isPciAddress);
  }
  tree.putAll(after.around);
  // In place of the kernel's uevent: the link in the bus directory is made anew, which watchers of that directory see.
  const link = `sys/bus/pci/devices/${after.directory.slice(after.directory.lastIndexOf("/") + 1)}`;
  const entry = after.around.get(link);
  if (entry !== undefined) tree.touch(link, entry);
}
