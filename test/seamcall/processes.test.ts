// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadAddon } from "../../src/native/addon.ts";
import { openSimulated } from "../../src/seamcall/drivers.ts";
import { simulationOf } from "../../src/stand-in/module/simulation.ts";
import { buildFlavour, sanitizerEnvironment } from "../native/flavours.ts";
import { regBaseAt, type StateDirectory, simulatedUnits, stateDirectory } from "../native/simulated-units.ts";

const release = buildFlavour("release");
const addon = loadAddon(release);
const simulation = simulationOf(addon);
const script = (name: string): string => fileURLToPath(new URL(`../native/${name}.ts`, import.meta.url));

describe("the simulator's state and the processes that use it", () => {
  let state: StateDirectory;

  beforeEach(() => {
    state = stateDirectory();
  });
  afterEach(() => state.remove());

  const startVictim = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [script("victim"), release, state.dir], { stdio: ["ignore", "pipe", "inherit"] });
    if (child.stdout === null) throw new Error("no pipe");
    await once(child.stdout, "data");
    return child;
  };
  const kill = async (child: ChildProcess): Promise<void> => {
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  };

  it("survives kill -9 in the middle of SETUP: the unit is SettingUp for readers, and the next opener finishes it", async () => {
    simulation.create(state.dir, { units: simulatedUnits(2) });
    simulation.addFault(state.dir, { leaf: "TDH.IOMMU.SETUP", status: 0x8000_0003_0000_0000n });
    simulation.addFault(state.dir, { leaf: "TDH.IOMMU.SETUP", delayMs: 3_600_000, count: null });
    const reader = await openSimulated(state.dir, { addon, writable: false });
    const victim = await startVictim();
    await expect.poll(async () => (await reader.list()).units[0]).toMatchObject({ state: "SettingUp", pagesRetained: 8 });
    await kill(victim);
    expect((await reader.list()).units[0]).toMatchObject({ state: "SettingUp", tdxIommuId: null, pagesRetained: 8 });
    simulation.clearFaults(state.dir);

    const next = await openSimulated(state.dir, { addon });
    await expect
      .poll(async () => (await next.list()).units[0])
      .toMatchObject({ state: "Trusted", tdxIommuId: 0n, pagesDonated: 8, pagesRetained: 0 });
    expect((await next.setup(regBaseAt(0))).outcome).toBe("Already");
    await Promise.all([reader.close(), next.close()]);
  });

  it("survives kill -9 at any moment: table and module agree once the next opener has finished", async () => {
    simulation.create(state.dir, { units: simulatedUnits(4), profile: "V2", interruptions: 1 });
    let begun = 0n;
    for (let round = 0; round < 12; round++) {
      const victim = await startVictim();
      const before = simulation.dump(state.dir).calls["TDH.IOMMU.SETUP"];
      await expect.poll(() => simulation.dump(state.dir).calls["TDH.IOMMU.SETUP"] > before + BigInt(round), { interval: 1 }).toBe(true);
      await kill(victim);
      const next = await openSimulated(state.dir, { addon });
      await expect.poll(async () => (await next.list()).units.some(({ state }) => state === "SettingUp" || state === "Clearing")).toBe(false);
      const { units } = await next.list();
      const truth = simulation.dump(state.dir);
      expect(truth.corruptedPage).toBeNull();
      expect(truth.freedTooEarly).toEqual([]);
      expect(units.map((unit) => unit.tdxIommuId)).toEqual(truth.units.map((unit) => unit.tdxIommuId));
      // Eight given, and root and ledger, for each trusted unit; nothing leaks.
      expect(truth.pagesAllocated).toBe(units.filter((unit) => unit.state === "Trusted").length * 10);
      begun = truth.calls["TDH.IOMMU.SETUP"];
      await next.close();
    }
    expect(begun).toBeGreaterThan(12n);
  });

  it.each([
    { what: "longer than its look is good", goodForMs: 500, answer: "TOO_LATE", state: "Trusted", clears: 0n },
    { what: "for less than that", goodForMs: 600_000, answer: "Done", state: "Untrusted", clears: 1n },
  ])("clears by the age of the look: its process is stopped $what between look and call", async ({ goodForMs, answer, state: left, clears }) => {
    simulation.create(state.dir, { units: simulatedUnits(1) });
    const first = await openSimulated(state.dir, { addon });
    await first.setup(regBaseAt(0));
    await first.close();
    const child = spawn(process.execPath, [script("looker"), release, state.dir, `${goodForMs}`], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const notAfter = BigInt((await lines.next()).value ?? 0);
    child.kill("SIGSTOP");
    child.stdin.write("clear\n");
    // The same clock as the addon's.
    if (clears === 0n) await expect.poll(() => process.hrtime.bigint() > notAfter, { timeout: 10_000 }).toBe(true);
    child.kill("SIGCONT");
    expect((await lines.next()).value).toBe(answer);
    await once(child, "exit");
    const reader = await openSimulated(state.dir, { addon, writable: false });
    expect((await reader.list()).units).toMatchObject([{ state: left }]);
    expect(simulation.dump(state.dir).calls["TDH.IOMMU.CLEAR"]).toBe(clears);
    await reader.close();
  });

  it("finishes, under the next opener, what was in flight when a handle was closed", async () => {
    simulation.create(state.dir, { units: simulatedUnits(2) });
    simulation.addFault(state.dir, { delayMs: 3_600_000, count: null });
    const port = await openSimulated(state.dir, { addon });
    const calls = [port.setup(regBaseAt(0)), port.setup(regBaseAt(1)), port.setup(regBaseAt(0))].map((call) => call.catch((error: unknown) => error));
    await expect.poll(async () => (await port.list()).units[0]?.state).toBe("SettingUp");
    await port.close();
    expect(await Promise.all(calls)).toEqual(calls.map(() => expect.objectContaining({ code: "DRIVER_CLOSED" })));
    simulation.clearFaults(state.dir);

    const next = await openSimulated(state.dir, { addon });
    await expect.poll(async () => (await next.list()).units.map((unit) => unit.state)).toEqual(["Trusted", "Untrusted"]);
    await next.close();
  });

  it("ends an operation when the host boots in the middle of it", async () => {
    simulation.create(state.dir, { units: simulatedUnits(1) });
    simulation.addFault(state.dir, { delayMs: 1000 });
    const port = await openSimulated(state.dir, { addon });
    const setup = port.setup(regBaseAt(0)).catch((error: unknown) => error);
    await expect.poll(async () => (await port.list()).units[0]?.state).toBe("SettingUp");
    simulation.reboot(state.dir);
    expect(await setup).toMatchObject({ code: "BACKEND_GONE" });
    expect((await port.list()).units[0]).toMatchObject({ state: "Untrusted", lastCall: null });
    expect(simulation.dump(state.dir).calls["TDH.IOMMU.SETUP"]).toBe(0n);
    await port.close();
  });

  it("closes the gate when the state is gone or is not ours", async () => {
    simulation.create(state.dir, { units: simulatedUnits(1) });
    const port = await openSimulated(state.dir, { addon });
    state.remove();
    await expect(port.list()).rejects.toMatchObject({ code: "BACKEND_GONE" });
    await expect(port.setup(regBaseAt(0))).rejects.toMatchObject({ code: "BACKEND_GONE" });
    await port.close();
    const empty = stateDirectory();
    await expect(openSimulated(empty.dir, { addon })).rejects.toMatchObject({ code: "SIMULATION_INVALID" });
    empty.remove();
  });

  it("runs clean under the address and undefined-behaviour sanitizers, with workers and with calls in flight at every end", () => {
    const output = execFileSync(process.execPath, ["--expose-gc", script("exercise"), buildFlavour("asan")], {
      env: sanitizerEnvironment(),
      encoding: "utf8",
    });
    expect(output).toBe("exercised\n");
  });
});
