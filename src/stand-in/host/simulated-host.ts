// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { Address } from "../../domain/device.ts";
import type { Environment, RegBase } from "../../domain/unit.ts";
import type { ModuleDump, SimulatedFault } from "../module/simulation.ts";
import type { FunctionDescription, HostDescription } from "./host-description.ts";
import type { HostState, LinkFault } from "./host-state.ts";
import { planBound, planFlr, planLink, planReset, planStreams, planVirtual } from "./link-plans.ts";
import { scriptLink, takeLinkFault, writeLink } from "./link-writes.ts";
import { functionAt, planBind, planDriver, planReplug, planUnplug, type StateChange } from "./plans.ts";
import { change as changeHost, findUnit, hold, loseUnit, reboot, type Session, unhold } from "./session.ts";

/**
 * What can be done to a simulated host from outside, also while an agent runs on it in another process. Each operation reads the state, changes
 * files and module, and saves the state; repeating one changes nothing. Errors are SIMULATION_INVALID and say what is wrong.
 */
export interface SimulatedHost {
  readonly directory: string;
  /** For `--host-root`. */
  readonly hostRoot: string;
  /** State directory of the simulator, for the `simulated` driver. */
  readonly simulatorState: string;
  readonly description: HostDescription;
  /** Scripts a fault of the TDX module. */
  fault(fault: Partial<SimulatedFault>): void;
  /** Forgets faults of the TDX module and of the TSM, and how many streams are left. */
  clearFaults(): void;
  /** Takes a function off the bus, with what is below it and its virtual functions. */
  unplug(address: Address): void;
  replug(address: Address): void;
  /** Secures the link of a function 0 as another program would: stream registers, `tsm/connect` and the TDX module's table. */
  secureLink(address: Address): void;
  releaseLink(address: Address): void;
  /** Scripts an answer of the TSM. */
  linkFault(fault: LinkFault): void;
  /** Takes the scripted answer to a write of the link that begins now; null: none is scripted. */
  takeLinkFault(address: Address): LinkFault | null;
  /** What the kernel and the TSM make of a write of `tsm/connect` or `tsm/disconnect`. @returns an errno, or null when it is done */
  writeLink(address: Address, tsm: string, connect: boolean): string | null;
  /** A function-level reset: the stream registers are cleared; the TSM stays connected. */
  resetFunction(address: Address): void;
  /** A function-level reset, as a virtual machine monitor makes one. @returns whether a stream that was on has lost its near end */
  flr(address: Address): boolean;
  /** Makes or removes virtual functions, until there are `count`. */
  setVirtual(address: Address, count: number): void;
  /** From now on the host bridge (null: the only one with links) has `left` IDE streams left. */
  setStreams(hostBridge: string | null, left: number): void;
  /** Binds a TDI: `tsm/bound` names the TSM. */
  bindTdi(address: Address): void;
  unbindTdi(address: Address): void;
  /** A new boot: boot id, links, holders, drivers and the TDX module start again. Returns the new boot id. */
  reboot(): string;
  /** A process opens the function's vfio device. Returns its pid. */
  hold(address: Address): number;
  unhold(address: Address): void;
  bind(address: Address, driver: string): void;
  unbind(address: Address): void;
  /** Gives it vfio-pci, or its own driver, as writes to sysfs do. @returns false while an unbind waits for who has it open */
  changeDriver(address: Address, isVfio: boolean): boolean;
  /** The unit disappears, from sysfs and from the driver. */
  loseUnit(regBase: RegBase): void;
  findUnit(regBase: RegBase): void;
  loseModule(environment: Exclude<Environment, "Ok">): void;
  restoreModule(options: { readonly lost: boolean }): void;
  /** The TDX module's own table. */
  show(): ModuleDump;
}

/** The operations on an opened simulated host. */
export function simulatedHost(session: Session): SimulatedHost {
  const { store, description, control } = session;
  const state = store.simulatorState;
  const at = (address: Address): FunctionDescription => functionAt(description, address);
  // The agent writes links while `simulate` does other things.
  const alone = <T>(work: () => T): T => control.exclusively(join(store.directory, "lock"), work);
  const change = (plan: (now: HostState) => StateChange): void => alone(() => changeHost(session, plan));
  return {
    directory: store.directory,
    hostRoot: store.hostRoot,
    simulatorState: state,
    description,
    fault: (fault) => control.addFault(state, fault),
    clearFaults: () => {
      control.clearFaults(state);
      change((now) => ({ after: { ...now, linkFaults: [], streamPools: {} }, functions: [] }));
    },
    unplug: (address) => change((now) => planUnplug(description, now, at(address))),
    replug: (address) => change((now) => planReplug(description, now, at(address))),
    secureLink: (address) => change((now) => planLink(description, now, at(address), true)),
    releaseLink: (address) => change((now) => planLink(description, now, at(address), false)),
    resetFunction: (address) => change((now) => planReset(now, at(address))),
    flr: (address) => {
      let isLost = false;
      change((now) => {
        const planned = planFlr(now, at(address));
        isLost = planned.after.streaming.length < now.streaming.length;
        return planned;
      });
      return isLost;
    },
    setVirtual: (address, count) => change((now) => planVirtual(description, now, at(address), count)),
    setStreams: (hostBridge, left) => change((now) => planStreams(description, now, hostBridge, left)),
    linkFault: (fault) => alone(() => scriptLink(session, at(fault.address), fault)),
    takeLinkFault: (address) => alone(() => takeLinkFault(session, address)),
    writeLink: (address, tsm, connect) => alone(() => writeLink(session, at(address), { tsm, connect })),
    bindTdi: (address) => change((now) => planBound(now, at(address), true)),
    unbindTdi: (address) => change((now) => planBound(now, at(address), false)),
    reboot: () => alone(() => reboot(session)),
    hold: (address) => alone(() => hold(session, address)),
    unhold: (address) => alone(() => unhold(session, address)),
    bind: (address, driver) => change((now) => planBind(now, at(address), driver)),
    unbind: (address) => change((now) => planBind(now, at(address), null)),
    changeDriver: (address, isVfio) =>
      alone(() => {
        let isDone = false;
        changeHost(session, (now) => {
          const { isDone: ended, ...planned } = planDriver(now, at(address), isVfio);
          isDone = ended;
          return planned;
        });
        return isDone;
      }),
    loseUnit: (regBase) => alone(() => loseUnit(session, regBase)),
    findUnit: (regBase) => alone(() => findUnit(session, regBase)),
    loseModule: (environment) => control.moduleGone(state, environment),
    restoreModule: (options) => control.moduleBack(state, options),
    show: () => control.dump(state),
  };
}
