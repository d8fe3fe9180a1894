// SPDX-License-Identifier: Apache-2.0

/** The C simulator and its model side by side: each call goes to both, and everything that can be seen is compared. */
import { expect } from "vitest";
import type { DriverTable, DriverUnit, Leaf, RegBase } from "../../../src/domain/unit.ts";
import type { Addon } from "../../../src/native/addon.ts";
import { isAppError } from "../../../src/runtime/errors.ts";
import { openSimulated } from "../../../src/seamcall/drivers.ts";
import type { CallResult, ClearTarget, SeamcallPort } from "../../../src/seamcall/port.ts";
import { type ModuleDump, type Simulation, type SimulationOptions, simulationOf } from "../../../src/stand-in/module/simulation.ts";
import { regBaseAt } from "../../native/simulated-units.ts";
import { createFakeClock, type FakeClock } from "../../support/fake-clock.ts";
import { SimulatorModel } from "../simulator-model.ts";
import type { Command, HostEvent } from "./commands.ts";

const HOUR_MS = 3_600_000;

/** Thrown when the real one's memory is used up, which the model's never is: the history ends there. */
export class OutOfMemory extends Error {}

/** What a call gave, comparable: durations are nobody's promise. */
type Answer = { readonly outcome: string; readonly unit: DriverUnit } | { readonly code: string };

interface Parts {
  readonly simulation: Simulation;
  readonly clock: FakeClock;
  readonly model: SimulatorModel;
  readonly real: SeamcallPort;
}

export class SimulatorPair {
  readonly counts: Record<string, number> = {};
  readonly #dir: string;
  readonly #addon: Addon;
  readonly #simulation: Simulation;
  readonly #clock: FakeClock;
  readonly #model: SimulatorModel;
  #real: SeamcallPort;
  #modelled: SeamcallPort;
  #before: { readonly real: DriverTable; readonly modelled: DriverTable } | null = null;

  private constructor(dir: string, addon: Addon, parts: Parts) {
    this.#dir = dir;
    this.#addon = addon;
    this.#simulation = parts.simulation;
    this.#clock = parts.clock;
    this.#model = parts.model;
    this.#real = parts.real;
    this.#modelled = parts.model.open();
  }

  static async create(dir: string, addon: Addon, options: SimulationOptions): Promise<SimulatorPair> {
    const simulation = simulationOf(addon);
    simulation.create(dir, options);
    let instances = 0;
    const clock = createFakeClock();
    const model = new SimulatorModel({ ...options, clock, newInstance: () => (++instances).toString(16).padStart(32, "0") });
    return new SimulatorPair(dir, addon, { simulation, clock, model, real: await openSimulated(dir, { addon }) });
  }

  close(): Promise<void> {
    return this.#real.close();
  }

  async run(command: Command): Promise<void> {
    this.counts[command.kind] = (this.counts[command.kind] ?? 0) + 1;
    switch (command.kind) {
      case "setup":
        await this.#both((port) => port.setup(regBaseAt(command.unit)));
        break;
      case "clear":
        await this.#clear(command);
        break;
      case "crash":
        await this.#crash(command);
        break;
      default:
        this.#happen(command);
    }
    await this.#compare();
  }

  async #clear({ unit, wrong }: Extract<Command, { kind: "clear" }>): Promise<void> {
    const own = await this.#target(unit);
    const target = { ...own, tdxIommuId: own.tdxIommuId + (wrong === "id" ? 1n : 0n), setupSeq: own.setupSeq + (wrong === "seq" ? 1n : 0n) };
    await this.#both((port) => port.clear(target, port.deadline(24 * HOUR_MS)));
  }

  async #target(unit: number): Promise<ClearTarget> {
    const regBase = regBaseAt(unit);
    const listed = (await this.#modelled.list()).units.find((one) => one.regBase === regBase);
    return { regBase, tdxIommuId: listed?.tdxIommuId ?? 0n, setupSeq: listed?.setupSeq ?? 0n };
  }

  async #both(call: (port: SeamcallPort) => Promise<CallResult>): Promise<void> {
    const [real, modelled] = await Promise.all([answerOf(call(this.#real)), answerOf(call(this.#modelled))]);
    if ("code" in real && real.code === "OUT_OF_MEMORY") throw new OutOfMemory();
    expect(real).toEqual(modelled);
    const seen = "code" in real ? real.code : `${real.unit.lastCall?.leaf ?? "no call"} ${real.outcome}`;
    this.counts[seen] = (this.counts[seen] ?? 0) + 1;
  }

  /** Both stop before an attempt that would take an hour, and are dropped there. */
  async #crash({ call, unit, attempts, event }: Extract<Command, { kind: "crash" }>): Promise<void> {
    const target = await this.#target(unit);
    const stop = { delayMs: HOUR_MS, count: null, skip: attempts };
    this.#simulation.addFault(this.#dir, stop);
    this.#model.addFault(stop);
    const begin = (port: SeamcallPort): Promise<CallResult> =>
      call === "setup" ? port.setup(target.regBase) : port.clear(target, port.deadline(24 * HOUR_MS));
    const modelled = settled(begin(this.#modelled));
    const real = settled(begin(this.#real));
    await this.#clock.settle();
    const leaf = call === "setup" ? "TDH.IOMMU.SETUP" : "TDH.IOMMU.CLEAR";
    await expect.poll(async () => real.done || (await this.#stopped(leaf, target.regBase)), { interval: 1 }).toBe(true);
    if (real.code === "OUT_OF_MEMORY") throw new OutOfMemory();
    expect(modelled.done).toBe(real.done);
    this.#model.crash();
    await this.#real.close();
    const reader = await openSimulated(this.#dir, { addon: this.#addon, writable: false });
    const seen = this.#model.open({ writable: false });
    expect(comparable(await reader.list())).toEqual(comparable(await seen.list()));
    await Promise.all([reader.close(), seen.close()]);
    if (event !== null) this.#happen(event);
    this.#happen({ kind: "clearFaults" });
    await this.#reopen();
  }

  async #reopen(): Promise<void> {
    this.#real = await openSimulated(this.#dir, { addon: this.#addon });
    this.#modelled = this.#model.open();
    await expect.poll(async () => underWay(await this.#real.list()), { interval: 1 }).toBe(false);
    await this.#clock.settle();
  }

  /** The real one has recorded everything before the attempt it now waits for: no other fault answers first. */
  async #stopped(leaf: Leaf, regBase: RegBase): Promise<boolean> {
    const { faults } = this.#simulation.dump(this.#dir);
    const matching = faults.filter((fault) => [null, leaf].includes(fault.leaf) && [null, regBase].includes(fault.regBase));
    // In this order: an operation still under way after the last attempt it may make is one that waits.
    return matching.find((fault) => fault.skip === 0)?.delayMs === HOUR_MS && underWay(await this.#real.list());
  }

  #happen(event: HostEvent): void {
    const [dir, real, model] = [this.#dir, this.#simulation, this.#model];
    if (event.kind === "link") {
      const target = { regBase: regBaseAt(event.unit), address: `0000:17:00.${event.device}` };
      real.setLink(dir, target, event.secured);
      model.setLink(target, event.secured);
    } else if (event.kind === "present") {
      const regBase = regBaseAt(event.unit);
      real[event.present ? "restoreUnit" : "removeUnit"](dir, regBase);
      model.setPresent(regBase, event.present);
    } else if (event.kind === "gone") {
      real.moduleGone(dir, event.environment);
      model.moduleGone(event.environment);
    } else if (event.kind === "back") {
      real.moduleBack(dir, event);
      model.moduleBack(event);
    } else if (event.kind === "fault") {
      real.addFault(dir, event.fault);
      model.addFault(event.fault);
    } else if (event.kind === "reboot") {
      real.reboot(dir);
      model.reboot();
    } else {
      real.clearFaults(dir);
      model.clearFaults();
    }
  }

  async #compare(): Promise<void> {
    const [real, modelled] = [await this.#real.list(), await this.#modelled.list()];
    expect(comparable(real)).toEqual(comparable(modelled));
    const { instance: _real, ...info } = await this.#real.info();
    const { instance: _modelled, ...expected } = await this.#modelled.info();
    expect(info).toEqual(expected);
    const dump = this.#simulation.dump(this.#dir);
    expect(truthOf(dump)).toEqual(truthOf(this.#modelDump()));
    expect([dump.corruptedPage, dump.freedTooEarly]).toEqual([null, []]);
    if (this.#before !== null) {
      expect(real.instance !== this.#before.real.instance).toBe(modelled.instance !== this.#before.modelled.instance);
      expect(real.generation).toBeGreaterThanOrEqual(this.#before.real.generation);
      if (real.generation === this.#before.real.generation) expect(real.units).toEqual(this.#before.real.units);
    }
    this.#before = { real, modelled };
  }

  #modelDump(): Omit<ModuleDump, "corruptedPage" | "freedTooEarly" | "pagesTotal"> {
    const dump = this.#model.dump();
    const units = dump.units.map(({ facts, id, owned, links, ...rest }) => ({
      ...rest,
      regBase: facts.regBase,
      tdxIommuId: id,
      ownedPages: Array.from({ length: owned }, () => 0n),
      securedLinks: [...links],
    }));
    return { ...dump, units };
  }
}

function underWay(table: DriverTable): boolean {
  return table.units.some(({ state }) => state === "SettingUp" || state === "Clearing");
}

function truthOf(dump: Omit<ModuleDump, "corruptedPage" | "freedTooEarly" | "pagesTotal">): unknown {
  const { incarnation, environment, profile, mtPageCount, calls, pagesAllocated, faults } = dump;
  const units = dump.units.map(({ regBase, present, phase, tdxIommuId, ownedPages, securedLinks, setupCalls, clearCalls }) => ({
    ...{ regBase, present, phase, tdxIommuId, setupCalls, clearCalls },
    owned: ownedPages.length,
    links: [...securedLinks].sort(),
  }));
  return { incarnation, environment, profile, mtPageCount, calls, pagesAllocated, faults, units };
}

function withoutDuration(unit: DriverUnit): DriverUnit {
  return { ...unit, lastCall: unit.lastCall === null ? null : { ...unit.lastCall, durationNs: 0n } };
}

function comparable(table: DriverTable): readonly DriverUnit[] {
  return table.units.map(withoutDuration);
}

async function answerOf(call: Promise<CallResult>): Promise<Answer> {
  try {
    const { outcome, unit } = await call;
    return { outcome, unit: withoutDuration(unit) };
  } catch (error) {
    if (!isAppError(error)) throw error;
    return { code: error.code };
  }
}

function settled(call: Promise<CallResult>): { done: boolean; code: string | null } {
  const state: { done: boolean; code: string | null } = { done: false, code: null };
  answerOf(call).then(
    (answer) => Object.assign(state, { done: true, code: "code" in answer ? answer.code : null }),
    () => Object.assign(state, { done: true, code: "unknown" }),
  );
  return state;
}
