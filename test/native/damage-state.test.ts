// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openSimulated } from "../../src/seamcall/drivers.ts";
import { simulationOf } from "../../src/stand-in/module/simulation.ts";
import { buildFlavour, loadFlavour, sanitizerEnvironment } from "./flavours.ts";
import { type StateDirectory, simulatedUnits, stateDirectory } from "./simulated-units.ts";

const SCRIPT = fileURLToPath(new URL("./damage-state.ts", import.meta.url));
const ROUNDS = 250;

const addon = loadFlavour("release");
const simulation = simulationOf(addon);
let state: StateDirectory;
beforeEach(() => {
  state = stateDirectory();
  simulation.create(state.dir, { units: simulatedUnits(3) });
});
afterEach(() => state.remove());

/** struct store_header, 32 bytes; then struct tdx_table_head, whose last member is unit_count. */
const UNITS_OF_HEADER = 20;
const PAGES_OF_HEADER = 24;
const UNITS_OF_TABLE = 32 + 16 + 8 + 8 + 56 + 4;

function write(at: number, value: number): void {
  const file = join(state.dir, "state");
  const bytes = readFileSync(file);
  if (at !== PAGES_OF_HEADER) expect(bytes.readUInt32LE(at)).toBe(3);
  bytes.writeUInt32LE(value, at);
  writeFileSync(file, bytes);
}

describe("a simulator's state that cannot be", () => {
  it.each([
    [UNITS_OF_TABLE, 3_000_000, "table.head.unit_count = 3000000"],
    [UNITS_OF_TABLE, 2, "table.head.unit_count = 2"],
    [UNITS_OF_HEADER, 3_000_000, "header.unit_count = 3000000"],
    [PAGES_OF_HEADER, 0xffff_ffff, "header.page_count = 4294967295"],
  ])("is refused with the field and the fix, by who opens it and by who changes it (offset %i)", async (at, value, field) => {
    write(at, value);
    const refusal = { code: "SIMULATION_INVALID", message: expect.stringMatching(`${field}.*simulate create`) };
    await expect(openSimulated(state.dir, { addon })).rejects.toMatchObject(refusal);
    expect(() => simulation.dump(state.dir)).toThrow(expect.objectContaining(refusal));
    simulation.create(state.dir, { units: simulatedUnits(3) });
    await (await openSimulated(state.dir, { addon })).close();
  });

  it("is refused by a handle that is open, which goes on when the state is sound again", async () => {
    const port = await openSimulated(state.dir, { addon, writable: false });
    const sound = readFileSync(join(state.dir, "state"));
    // Another version, or it would not be read at all.
    const damaged = Buffer.from(sound);
    damaged.writeBigUInt64LE(sound.readBigUInt64LE(8) + 1n, 8);
    damaged.writeUInt32LE(7, UNITS_OF_TABLE);
    writeFileSync(join(state.dir, "state"), damaged);
    await expect(port.list()).rejects.toMatchObject({ code: "SIMULATION_INVALID", message: expect.stringContaining("table.head.unit_count = 7") });
    writeFileSync(join(state.dir, "state"), sound);
    expect((await port.list()).units).toHaveLength(3);
    await port.close();
  });

  it("leads to no access outside of its memory, whatever is in it", () => {
    const words = [SCRIPT, buildFlavour("asan"), "1", String(ROUNDS)];
    const output = execFileSync(process.execPath, words, { env: sanitizerEnvironment(), encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    const { refused, used } = JSON.parse(output) as { refused: number; used: number };
    expect({ whole: refused + used, some: Math.min(refused, used) > ROUNDS / 10 }).toEqual({ whole: ROUNDS, some: true });
  }, 300_000);
});
