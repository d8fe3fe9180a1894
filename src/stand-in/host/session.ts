// SPDX-License-Identifier: Apache-2.0
import type { Address } from "../../domain/device.ts";
import type { RegBase } from "../../domain/unit.ts";
import type { SimulatorControl } from "./control.ts";
import { addLink, type Entries, line } from "./entries.ts";
import type { HostDescription, UnitDescription } from "./host-description.ts";
import { type HostState, vfioNameOf } from "./host-state.ts";
import { functionAt, invalid, planReboot, refuseAbsent, type StateChange } from "./plans.ts";
import { BOOT_ID, classEntry, renderHolder, renderPools, renderUnit, unitDirectory } from "./render.ts";
import { directoryOf, hostInState } from "./render-function.ts";
import { loadState, type Store, saveState } from "./store.ts";
import { type Change, changeFunctions } from "./transition.ts";
import { openTree, type Tree } from "./tree.ts";

/** An opened simulated host: where it is, what it is, and the way to its TDX module. */
export interface Session {
  readonly store: Store;
  readonly description: HostDescription;
  readonly control: SimulatorControl;
  readonly newBootId: () => string;
}

/** Reads the state, plans, changes the TDX module's links and then the files, saves. When the module refuses, nothing has changed. */
export function change(session: Session, plan: (now: HostState) => StateChange): void {
  const { store, description } = session;
  const now = loadState(store);
  const planned = plan(now);
  changeModuleLinks(session, now, planned.after);
  const states = { before: hostInState(description, now), after: hostInState(description, planned.after) };
  const tree = treeOf(session, now);
  // Before what wakes watchers.
  changePools(tree, states);
  changeFunctions(tree, states, planned.functions);
  saveState(store, planned.after);
}

function changePools(tree: Tree, { before, after }: Change): void {
  const shown = renderPools(after);
  for (const path of renderPools(before).keys()) if (!shown.has(path)) tree.remove(path);
  tree.putAll(shown);
}

/** The module has a link for as long as registers or the TSM have: a reset ends neither session nor stream there, a removal ends both. */
function changeModuleLinks({ store, description, control }: Session, now: HostState, after: HostState): void {
  const linked = (state: HostState): Set<Address> => new Set([...state.streaming, ...state.connected]);
  const before = linked(now);
  const wanted = linked(after);
  for (const address of before.symmetricDifference(wanted)) {
    const one = functionAt(description, address);
    const unit = description.units.find((candidate) => candidate.name === one.unit);
    if (unit !== undefined) control.setLink(store.simulatorState, { regBase: unit.regBase, address }, wanted.has(address));
  }
}

function treeOf({ store }: Session, now: HostState): Tree {
  return openTree(store.hostRoot, store.scratch, now.deviceNodes);
}

/** Reboots: processes, links, drivers, TDX module, boot id. Returns the new boot id. */
export function reboot(session: Session): string {
  const bootId = session.newBootId();
  const { store, description, control } = session;
  const tree = treeOf(session, loadState(store));
  for (const { pid } of loadState(store).holders) tree.remove(`proc/${pid}`);
  change(session, (now) => planReboot(description, now, bootId));
  control.reboot(store.simulatorState);
  tree.put(BOOT_ID, line(bootId));
  announceUnits(session, tree);
  return bootId;
}

/** The classes' links are made anew, in place of uevents. */
function announceUnits({ description }: Session, tree: Tree): void {
  const unit = description.units[0];
  const entry = unit === undefined ? undefined : renderUnit(unit).get(classEntry(unit));
  if (unit !== undefined && entry !== undefined) tree.touch(classEntry(unit), entry);
}

const FIRST_PID = 2000;

/** A process opens the function's vfio device. */
export function hold(session: Session, address: Address): number {
  const { store, description } = session;
  const now = loadState(store);
  functionAt(description, address);
  refuseAbsent(now, address);
  if (vfioNameOf(now, address) === null) throw invalid(`${address} is not bound to a vfio driver; bind vfio-pci first`);
  const pid = Math.max(FIRST_PID, ...now.holders.map((holder) => holder.pid)) + 1;
  putProcess(treeOf(session, now), pid, renderHolder(hostInState(description, now), pid, address));
  saveState(store, { ...now, holders: [...now.holders, { pid, address }] });
  return pid;
}

/** A process appears with all its files at once. */
function putProcess(tree: Tree, pid: number, entries: Entries): void {
  const inside = [...entries].map(([path, entry]) => [path.slice(`proc/${pid}/`.length), entry] as const);
  tree.putDirectory(`proc/${pid}`, new Map(inside));
}

/** Every process that holds the function ends. */
export function unhold(session: Session, address: Address): void {
  const now = loadState(session.store);
  functionAt(session.description, address);
  const tree = treeOf(session, now);
  for (const holder of now.holders) if (holder.address === address) tree.remove(`proc/${holder.pid}`);
  saveState(session.store, { ...now, holders: now.holders.filter((holder) => holder.address !== address) });
}

/** The unit disappears from sysfs and from the driver; its functions' `iommu` links lead nowhere. */
export function loseUnit(session: Session, regBase: RegBase): void {
  const unit = unitAt(session.description, regBase);
  const now = loadState(session.store);
  session.control.removeUnit(session.store.simulatorState, regBase);
  const tree = treeOf(session, now);
  tree.remove(classEntry(unit));
  tree.remove(unitDirectory(unit));
  saveState(session.store, { ...now, lostUnits: [...new Set([...now.lostUnits, unit.name])] });
}

/** The unit is there again, as reset hardware. */
export function findUnit(session: Session, regBase: RegBase): void {
  const { description, store, control } = session;
  const unit = unitAt(description, regBase);
  const now = loadState(store);
  control.restoreUnit(store.simulatorState, regBase);
  const after = { ...now, lostUnits: now.lostUnits.filter((name) => name !== unit.name) };
  const hostIn = hostInState(description, after);
  const entries = renderUnit(unit);
  const visible = entries.get(classEntry(unit));
  entries.delete(classEntry(unit));
  for (const one of description.functions) {
    if (one.unit === unit.name && !(one.address in after.unplugged))
      addLink(entries, `${unitDirectory(unit)}/devices/${one.address}`, directoryOf(hostIn, one));
  }
  const tree = treeOf(session, now);
  tree.putAll(entries);
  if (visible !== undefined) tree.put(classEntry(unit), visible); // Last: from here on readers see the unit, whole.
  saveState(store, after);
}

function unitAt(description: HostDescription, regBase: RegBase): UnitDescription {
  const unit = description.units.find((one) => one.regBase === regBase);
  if (unit === undefined) throw invalid(`no unit ${regBase} on this simulated host`);
  return unit;
}
