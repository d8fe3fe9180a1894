// SPDX-License-Identifier: Apache-2.0
/** What a program that reads the output is given: one form, and each change once. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NodeStatus } from "../../src/domain/status.ts";
import { CLEAR_ALL, type Journey, startJourney, TRUST_ALL } from "./journey.ts";

const NO_KUBELET = ["--kubelet", "none", "--settle", "0.1"] as const;

let journey: Journey;
beforeEach(async () => {
  journey = startJourney();
  await journey.simulate("create", "--host", "hosts/one-unit.yaml");
  journey.manifest(TRUST_ALL);
});
afterEach(() => journey.end());

/** What an agent writes to both outputs on its way through trust, clearing and its end. */
async function writtenBy(...flags: readonly string[]): Promise<string[]> {
  const path = join(journey.folder, "written");
  const agent = journey.agentIn(`exec "$@" >"${path}" 2>&1`, ...NO_KUBELET, ...flags);
  await journey.until("offered", ({ counts }: NodeStatus) => counts.devicesOffered === 2);
  journey.manifest(CLEAR_ALL);
  await journey.until("cleared", ({ units }) => units[0]?.reason === "Cleared");
  expect(await agent.kill("SIGTERM")).toBe(0);
  return readFileSync(path, "utf8").trimEnd().split("\n");
}

/** `2026-01-01T12:00:00.000Z` and `12:00:00.000`. */
const TIME = /^\d\d:\d\d:\d\d\.\d{3} /;

describe("an agent off a terminal", () => {
  it("tells every change once, in lines of one form", async () => {
    const lines = await writtenBy();
    expect(lines.filter((line) => !TIME.test(line))).toEqual([]);
    const told = lines.map((line) => line.replace(TIME, ""));
    expect(told).toContain("device 0000:01:00.0 offered as teeio.dev/device");
    for (const change of [/^unit 0xfed90000 .* → Trusted /, /^unit 0xfed90000 .*→ Untrusted Cleared/, /^device 0000:01:00\.0 offered/])
      expect(told.filter((line) => change.test(line))).toHaveLength(1);
  });

  it("writes nothing but JSON where that is asked for", async () => {
    const lines = (await writtenBy("--output", "json")).map((line) => JSON.parse(line) as { message: string; simulated: boolean });
    expect(lines.filter(({ message }) => message === "gate opened")).toHaveLength(1);
    expect(lines.filter(({ message }) => message === "gate closed")).toHaveLength(1);
    expect(lines.every(({ simulated }) => simulated)).toBe(true);
  });
});

describe("the demonstration with --once", () => {
  it("as JSON prints the settled status as one document, and JSON lines beside it", async () => {
    const ended = await journey.run("demo", "--once", "--host", "one-unit", "--output", "json");
    expect(ended.code).toBe(0);
    expect(JSON.parse(ended.stdout)).toMatchObject({ simulated: true, counts: { unitsTrusted: 1, devicesOffered: 2 } });
    const lines = ended.stderr.trimEnd().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as { simulated: boolean }).simulated)).toEqual(lines.map(() => true));
  });
});
