// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { conclude, type KernelEvidence, type ListedUnit } from "../../../src/seamcall/tdx-host/evidence.ts";
import type { NamedUnit, SetupLine } from "../../../src/seamcall/tdx-host/setup-lines.ts";
import { aHostUnit, ECAP, REG_BASE } from "../../support/builders.ts";

const listed = (changed: Partial<ListedUnit> = {}): ListedUnit => ({ ...aHostUnit(), incarnation: 3n, ...changed });
const line = (unit: NamedUnit, seconds = 1): SetupLine => ({ says: "SetUp", unit, seconds, sequence: 1 });
const unit = listed();
const whole: KernelEvidence = {
  load: 5n,
  whole: "Watched",
  tsm: { name: "tsm0", incarnation: 7n },
  log: { kind: "Read", lines: [line({ regBase: REG_BASE }, 12.5)] },
};

describe("a kernel that owns SETUP", () => {
  it("proves a unit trusted by its TSM and the unit's own line in the log", () => {
    expect(conclude(unit, whole)).toEqual({
      state: "Trusted",
      isLoadUnwatched: false,
      evidence:
        "tsm0 of tdx_host; ecap with TDX Connect; SETUP logged at 12.500 s (this load was watched from its start); domains_supported 65536 of 65536",
    });
    const byName: KernelEvidence = { ...whole, log: { kind: "Read", lines: [line({ kernelName: "dmar0" })] } };
    expect(conclude(unit, byName).state).toBe("Trusted");
  });

  it.each<[string, Partial<KernelEvidence>, Partial<ListedUnit>, string]>([
    ["without a line", { log: { kind: "Read", lines: [] } }, {}, "no line of its SETUP"],
    ["with another unit's line", { log: { kind: "Read", lines: [line({ regBase: "0x1000" })] } }, {}, "no line of its SETUP"],
    ["with an unreadable log", { log: { kind: "Unreadable", why: "EPERM" } }, {}, "kernel log unreadable (EPERM)"],
    ["with a line, and registers that have no TDX Connect", {}, { ecap: ECAP & ~(1n << 50n) }, "ecap without TDX Connect"],
    ["with registers that can't be read", {}, { ecap: null }, "ecap unreadable"],
    ["that is younger than the load", {}, { incarnation: 6n }, "added after tdx_host was loaded"],
    ["that has no directory any more", {}, { incarnation: null }, "gone or unreadable"],
  ])("leaves a unit unknown %s, however much else there is", (_what, found, changed, words) => {
    const conclusion = conclude(listed(changed), { ...whole, ...found });
    expect(conclusion.state).toBe("Unknown");
    expect(conclusion.evidence).toContain(words);
  });

  it.each<[string, Partial<KernelEvidence>, Partial<ListedUnit>, NamedUnit]>([
    ["the driver is built in", { whole: "BuiltIn" }, {}, { regBase: REG_BASE }],
    ["the load was watched", { whole: "Watched" }, {}, { regBase: REG_BASE }],
    ["a kernel that names units has halved its domain ids", { whole: null }, { domainsSupported: 32_768 }, { kernelName: "dmar0" }],
  ])("counts a line when %s", (_what, found, changed, named) => {
    const log: KernelEvidence["log"] = { kind: "Read", lines: [line(named)] };
    expect(conclude(listed(changed), { ...whole, log, ...found })).toMatchObject({ state: "Trusted", isLoadUnwatched: false });
  });

  it.each<[string, Partial<ListedUnit>, NamedUnit]>([
    ["nothing says which load it is of", {}, { kernelName: "dmar0" }],
    ["domain ids are as many as CAP has room for", { domainsSupported: 65_536 }, { kernelName: "dmar0" }],
    ["domain ids are fewer, and not half", { domainsSupported: 16_384 }, { kernelName: "dmar0" }],
    ["CAP can't be read", { cap: null, domainsSupported: 32_768 }, { kernelName: "dmar0" }],
    ["domain ids can't be read", { domainsSupported: null }, { kernelName: "dmar0" }],
    // To such a kernel a unit that was refused is set up, too.
    ["a kernel that logs addresses has halved its domain ids", { domainsSupported: 32_768 }, { regBase: REG_BASE }],
  ])("does not count a line of a load that nobody watched when %s", (_what, changed, named) => {
    const log: KernelEvidence["log"] = { kind: "Read", lines: [line(named)] };
    const conclusion = conclude(listed(changed), { ...whole, whole: null, log });
    expect(conclusion).toMatchObject({ state: "Unknown", isLoadUnwatched: true });
    expect(conclusion.evidence).toContain("by this load or an earlier one");
  });

  it("does not blame the load for what else is missing", () => {
    const bare = { ...whole, whole: null };
    expect(conclude(listed({ incarnation: 6n }), bare)).toMatchObject({ state: "Unknown", isLoadUnwatched: false });
    expect(conclude(unit, { ...bare, log: { kind: "Read", lines: [] } })).toMatchObject({ state: "Unknown", isLoadUnwatched: false });
    expect(conclude(unit, { ...bare, tsm: null })).toMatchObject({ state: "Untrusted", isLoadUnwatched: false });
  });

  it("has no trusted unit without a TSM, whatever the log says", () => {
    expect(conclude(unit, { ...whole, tsm: null })).toMatchObject({ state: "Untrusted", evidence: expect.stringContaining("tdx_host has no TSM") });
    expect(conclude(unit, { ...whole, tsm: null, load: null }).evidence).toContain("tdx_host is not loaded");
  });

  it("passes over units without TDX Connect", () => {
    const plain = listed({ ecap: 0n });
    expect(conclude(plain, { ...whole, log: { kind: "Read", lines: [] } }).state).toBe("Unsupported");
    expect(conclude(plain, { ...whole, tsm: null }).state).toBe("Unsupported");
  });
});
