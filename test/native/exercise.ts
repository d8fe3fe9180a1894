// SPDX-License-Identifier: Apache-2.0

/**
 * Uses every way into the addon and every way out of it, in the main thread and in workers; run under the sanitizer build. Argument: the
 * addon. Ends with "exercised" on standard output.
 */
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { type Addon, loadAddon } from "../../src/native/addon.ts";
import { openSimulated } from "../../src/seamcall/drivers.ts";
import type { SeamcallPort } from "../../src/seamcall/port.ts";
import { simulationOf } from "../../src/stand-in/module/simulation.ts";
import { regBaseAt, simulatedUnits, stateDirectory } from "./simulated-units.ts";

const UNITS = 6;
const RESUMABLE = 0x8000_0003_0000_0000n;

async function live(port: SeamcallPort): Promise<void> {
  for (let n = 0; n < UNITS; n++) {
    const [{ unit }] = await Promise.all([port.setup(regBaseAt(n)), port.list(), port.info(), port.list()]);
    if (unit.tdxIommuId === null) continue;
    const { regBase, tdxIommuId, setupSeq } = unit;
    await Promise.all([port.clear({ regBase, tdxIommuId, setupSeq }, port.deadline(60_000)), port.list()]);
  }
}

/** Everything in flight, then the end without waiting for it. */
function abandon(port: SeamcallPort): Promise<unknown>[] {
  port.onChange(() => undefined);
  const calls = [port.setup(regBaseAt(0)), port.setup(regBaseAt(1)), port.list(), port.info()];
  return calls.map((call) => call.catch((error: unknown) => error));
}

function misuse(addon: Addon): number {
  const wrong: (() => unknown)[] = [
    () => Reflect.apply(addon.open, undefined, []),
    () => Reflect.apply(addon.open, undefined, [1, true]),
    () => Reflect.apply(addon.openSimulator, undefined, ["/absent", "yes"]),
    () => Reflect.apply(addon.simulation.create, undefined, ["/absent", {}]),
    () => Reflect.apply(addon.simulation.addFault, undefined, ["/absent", null]),
    () => addon.open("/dev/null/absent", true),
    () => addon.simulation.dump("/absent"),
    () => Reflect.apply(addon.openUevents, undefined, [1]),
    () => Reflect.apply(addon.readAttribute, undefined, ["/dev/null", "soon"]),
    () => Reflect.apply(addon.scanDevices, undefined, ["/proc", [{ major: -1, minor: null }], 10]),
    () => Reflect.apply(addon.scanDevices, undefined, ["/proc", Array.from({ length: 65 }, () => ({ major: 1, minor: 3 })), 10]),
    () => Reflect.apply(addon.scanDevices, undefined, [7, [], 10]),
    () => Reflect.apply(addon.lockFile, undefined, ["7"]),
    () => addon.lockFile(-1),
    () => Reflect.apply(addon.openArrivals, undefined, [7]),
    () => addon.openArrivals(`/${"x".repeat(64)}`),
    () => addon.takeArrivals(-1),
  ];
  let thrown = 0;
  for (const call of wrong) {
    try {
      call();
    } catch (error) {
      thrown += error instanceof Error ? 1 : 0;
    }
  }
  return thrown - wrong.length;
}

async function misusedHandle(addon: Addon, dir: string): Promise<void> {
  const handle = addon.openSimulator(dir, false);
  for (const method of [handle.info, handle.setup, handle.close]) {
    try {
      await Reflect.apply(method, {}, []);
      throw new Error("a foreign `this` was accepted");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  await handle.close();
}

async function round(addon: Addon, dir: string): Promise<void> {
  const simulation = simulationOf(addon);
  const port = await openSimulated(dir, { addon });
  await live(port);
  simulation.addFault(dir, { status: RESUMABLE, count: 3 });
  simulation.addFault(dir, { delayMs: 20, count: null });
  const left = abandon(port);
  await Promise.all([port.close(), port.close()]);
  await Promise.all(left);
  simulation.clearFaults(dir);
  // Not closed: its end is the garbage collector's, or the environment's.
  await (await openSimulated(dir, { addon, writable: false })).list();
  simulation.reboot(dir);
}

/** Waits for the kernel's news, and reads what does not answer: both end by themselves or with the environment. */
function listen(addon: Addon, dir: string): Promise<unknown>[] {
  const fifo = join(dir, "fifo");
  if (!existsSync(fifo)) execFileSync("mkfifo", [fifo]);
  const uevents = addon.openUevents();
  const settled = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error);
  const waiting = settled(uevents.waitChanged());
  const scans = ["/proc", "/proc/self", "/absent"].map((proc) => settled(addon.scanDevices(proc, [{ major: 1, minor: null }], 2_000)));
  return [...scans, settled(addon.readAttribute(fifo, 30)), settled(addon.readAttribute("/proc/self/comm", 30)), uevents.close(), waiting];
}

async function main(addonPath: string): Promise<void> {
  const addon = loadAddon(addonPath);
  const state = stateDirectory();
  simulationOf(addon).create(state.dir, { units: simulatedUnits(UNITS), profile: "V2", interruptions: 2 });
  if (misuse(addon) !== 0) throw new Error("a wrong argument was accepted");
  await misusedHandle(addon, state.dir);
  for (let n = 0; n < 5; n++) await round(addon, state.dir);
  await Promise.all(listen(addon, state.dir));
  for (let n = 0; n < 4; n++) await inWorker(addonPath, n % 2 === 0);
  Reflect.apply(Reflect.get(globalThis, "gc") as () => void, undefined, []);
  const truth = simulationOf(addon).dump(state.dir);
  state.remove();
  if (truth.corruptedPage !== null || truth.freedTooEarly.length > 0) throw new Error("a page was freed too early");
  process.stdout.write("exercised\n");
}

interface Order {
  readonly addonPath: string;
  readonly dir: string;
  readonly terminated: boolean;
}

/** A worker that ends by itself, or is terminated with its calls in flight. */
async function inWorker(addonPath: string, terminated: boolean): Promise<void> {
  const { dir, remove } = stateDirectory();
  const worker = new Worker(new URL(import.meta.url), { workerData: { addonPath, dir, terminated } satisfies Order });
  worker.on("message", () => void worker.terminate());
  await once(worker, "exit");
  remove();
}

async function workerMain({ addonPath, dir, terminated }: Order): Promise<void> {
  const addon = loadAddon(addonPath);
  simulationOf(addon).create(dir, { units: simulatedUnits(UNITS) });
  await round(addon, dir);
  const port = await openSimulated(dir, { addon });
  simulationOf(addon).addFault(dir, { delayMs: 60_000, count: null });
  if (!terminated) return port.close();
  void Promise.all([...abandon(port), ...listen(addon, dir)]);
  void addon.openUevents().waitChanged();
  const { parentPort } = await import("node:worker_threads");
  parentPort?.postMessage("in flight");
}

if (isMainThread) await main(process.argv[2] ?? "");
else await workerMain(workerData as Order);
