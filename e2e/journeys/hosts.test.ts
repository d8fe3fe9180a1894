// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Journey, startJourney, TRUST_ALL } from "./journey.ts";

let journey: Journey;
beforeEach(() => {
  journey = startJourney();
});
afterEach(() => journey.end());

describe("a real two-socket Xeon without TDX Connect", () => {
  it("reads Unsupported on every unit, offers nothing, and is no error", async () => {
    await journey.simulate("create", "--host", "hosts/sapphire-rapids-2s.yaml");
    journey.manifest(TRUST_ALL);
    const agent = journey.agent("--kubelet", "none");
    const status = await journey.until("observed", (now) => now.units.length === 20);
    expect(status.units.every((unit) => unit.state === "Unsupported" && unit.reason === "TdxConnectMissing")).toBe(true);
    expect(status.counts).toMatchObject({ functions: 483, devicesOffered: 0, unitsTrusted: 0 });
    expect(status.conditions.find((entry) => entry.type === "Supported")).toMatchObject({ status: "False", reason: "TdxConnectMissing" });
    expect(status.conditions.find((entry) => entry.type === "Degraded")).toMatchObject({ status: "False" });
    expect(await agent.kill("SIGTERM")).toBe(0);
    expect(await journey.simulate("show", "--output", "json")).toMatch(/"TDH.IOMMU.SETUP": "0x0"/);
  });
});

describe("the demonstration", () => {
  it("with --once prints the tables, withdraws, clears and ends well", async () => {
    const ended = await journey.run("demo", "--once");
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stdout).toMatch(/SIMULATED/);
    expect(ended.stdout).toMatch(/21 of 21 units trusted, 7 devices offered/);
    expect(ended.stdout).toMatch(/NoVfioDevice/);
    expect(ended.stdout).toMatch(/withdrawn and cleared/);
  });

  it("with --once ends well on a host without TDX Connect", async () => {
    const ended = await journey.run("demo", "--once", "--host", "sapphire-rapids-2s");
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stdout).toMatch(/TdxConnectMissing/);
  });
});

describe("bad input", () => {
  it.each([
    [["agent"], /--manifest|--node/],
    [["agent", "--manifest", "m.yaml", "--node", "n1"], /--manifest.*--node|--node.*--manifest/s],
    [["agent", "--manifest", "m.yaml", "--settle", "soon"], /settle.*"soon"/s],
    [["agent", "--manifest", "m.yaml", "--driver", "simulated"], /driver.*simulat/s],
    [["agent", "--manifest", "m.yaml", "--simulator", "/nowhere"], /\/nowhere/],
    [["explain", "seventeen", "--manifest", "m.yaml"], /seventeen/],
    [["simulate", "create", "--host", "nothing.yaml", "--root", "/tmp/none"], /nothing\.yaml/],
  ] as const)("%j is refused with the field, the value and a way out", async (args, message) => {
    const ended = await journey.run(...args);
    expect(ended.code).not.toBe(0);
    expect(ended.stderr).toMatch(message);
    expect(ended.stderr).not.toMatch(/at .*\.js:\d+/);
  });
});
