// SPDX-License-Identifier: Apache-2.0

/**
 * Writes what it likes into a simulator's stored state and then uses it in every way; run under the sanitizer build, which ends it at the first
 * access outside. Arguments: the addon, the seed of the first round, how many rounds. Prints how many states were refused and how many were used.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Addon, loadAddon, type NativeHandle } from "../../src/native/addon.ts";
import { openSimulated } from "../../src/seamcall/drivers.ts";
import { simulationOf } from "../../src/stand-in/module/simulation.ts";
import { regBaseAt, simulatedUnits, stateDirectory } from "./simulated-units.ts";

const UNITS = 3;
const RESUMABLE = 0x8000_0003_0000_0000n;
const MEMORY_BASE = 0x1_0000_0000;
/** Numbers at which counts, indexes, addresses and choices go wrong. */
const NUMBERS = [
  0, 1, 2, 3, 7, 8, 9, 64, 65, 128, 129, 510, 511, 512, 513, 4096, 4097, 0xffff, 0x1_0000, 3_000_000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

/** Mulberry32: the same rounds for the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One unit that is trusted, one half-way, one with faults and links. */
async function fill(addon: Addon, dir: string, profile: "V2" | "Newest"): Promise<void> {
  const simulation = simulationOf(addon);
  simulation.create(dir, { units: simulatedUnits(UNITS), profile, mtPageCount: 2 });
  const port = await openSimulated(dir, { addon });
  await port.setup(regBaseAt(0));
  simulation.addFault(dir, { status: 0x8000_0002_0000_0000n, regBase: regBaseAt(1), keepPages: true });
  await port.setup(regBaseAt(1));
  simulation.addFault(dir, { status: RESUMABLE, count: 2, skip: 1 });
  simulation.setLink(dir, { regBase: regBaseAt(2), address: "0000:01:00.0" }, true);
  await port.close();
}

function damage(file: string, random: (below: number) => number, most: number): void {
  const bytes = readFileSync(file);
  const places = Math.floor(Math.min(bytes.length, most) / 4);
  for (let left = 1 + random(3); left > 0 && places > 0; left--) {
    const at = random(places) * 4;
    const kind = random(4);
    if (kind === 0) bytes.writeUInt32LE((bytes.readUInt32LE(at) ^ (1 << random(32))) >>> 0, at);
    else if (kind === 1 && at + 8 <= bytes.length) bytes.writeBigUInt64LE(BigInt(MEMORY_BASE + (random(2048) - 1024) * 4096 + random(3)), at);
    else bytes.writeUInt32LE(NUMBERS[random(NUMBERS.length)] ?? 0, at);
  }
  writeFileSync(file, bytes);
}

const ignore = (): undefined => undefined;

/** A damaged state may say that a call goes on for ever: closing ends it. */
const CLOSE_AFTER_MS = 40;

async function useHandle(handle: NativeHandle): Promise<void> {
  const calls: Promise<unknown>[] = [handle.list(), handle.info()];
  for (let n = 0; n < UNITS; n++) calls.push(handle.setup(BigInt(regBaseAt(n))));
  for (let n = 0; n < UNITS; n++) calls.push(handle.clear(BigInt(regBaseAt(n)), BigInt(n), BigInt(n + 1), process.hrtime.bigint() + 60_000_000_000n));
  const all = Promise.all(calls.map((call) => call.catch(ignore)));
  const timer = setTimeout(() => void handle.close(), CLOSE_AFTER_MS);
  await all;
  clearTimeout(timer);
  await handle.close();
}

function control(addon: Addon, dir: string): void {
  const { simulation } = addon;
  const regBase = BigInt(regBaseAt(1));
  const fault = { leaf: 0, regBase: null, status: null, delayMs: 0, count: 1, skip: 0, keepPages: false } as const;
  const acts: (() => unknown)[] = [
    () => simulation.dump(dir),
    () => simulation.setLink(dir, regBase, 0x100, true),
    () => simulation.setLink(dir, regBase, 0x100, false),
    () => Reflect.apply(simulation.addFault, undefined, [dir, { ...fault, list: 0 }]),
    () => simulation.setUnitPresent(dir, regBase, false),
    () => simulation.setUnitPresent(dir, regBase, true),
    () => simulation.dump(dir),
    () => simulation.setEnvironment(dir, 0, true),
    () => simulation.reboot(dir),
  ];
  for (const act of acts) {
    try {
      act();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
  }
}

async function round(addon: Addon, dir: string, random: (below: number) => number): Promise<"refused" | "used"> {
  const file = join(dir, "state");
  // Half of the rounds at the front, where the counts are.
  damage(file, random, random(2) === 0 ? 700 : Number.MAX_SAFE_INTEGER);
  if (random(3) === 0) damage(join(dir, "memory"), random, Number.MAX_SAFE_INTEGER);
  const damaged = readFileSync(file);
  try {
    const handle = addon.openSimulator(dir, true);
    await useHandle(handle);
  } catch {
    control(addon, dir);
    return "refused";
  }
  writeFileSync(file, damaged);
  control(addon, dir);
  return "used";
}

async function main(addonPath: string, first: number, rounds: number): Promise<void> {
  const addon = loadAddon(addonPath);
  const counts = { refused: 0, used: 0 };
  const good = { V2: stateDirectory(), Newest: stateDirectory() } as const;
  await fill(addon, good.V2.dir, "V2");
  await fill(addon, good.Newest.dir, "Newest");
  const place = stateDirectory();
  for (let n = 0; n < rounds; n++) {
    const random = randomOf(first + n);
    const { dir } = random(2) === 0 ? good.V2 : good.Newest;
    for (const name of ["state", "memory"]) writeFileSync(join(place.dir, name), readFileSync(join(dir, name)));
    process.stderr.write(`seed ${first + n}\n`);
    counts[await round(addon, place.dir, random)] += 1;
  }
  for (const one of [good.V2, good.Newest, place]) one.remove();
  process.stdout.write(`${JSON.stringify(counts)}\n`);
}

const [addonPath = "", first = "1", rounds = "300"] = process.argv.slice(2);
await main(addonPath, Number(first), Number(rounds));
