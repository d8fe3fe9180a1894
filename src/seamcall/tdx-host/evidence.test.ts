// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { aHostUnit, ECAP, REG_BASE } from "../../testing/builders.ts";
import { conclude, type KernelEvidence, setupLineOf } from "./evidence.ts";
import { parseRecord } from "./kernel-log.ts";

const unit = aHostUnit();
const whole: KernelEvidence = {
  driverLoaded: true,
  tsm: { name: "tsm0", incarnation: 7n },
  log: { kind: "Read", lines: [{ unit: { regBase: REG_BASE }, seconds: 12.5 }] },
};

describe("a kernel that owns SETUP", () => {
  it("proves a unit trusted by its TSM and the unit's own line in the log", () => {
    expect(conclude(unit, whole)).toEqual({
      state: "Trusted",
      evidence: "tsm0 of tdx_host; ecap with TDX Connect; SETUP logged at 12.500 s; domains_supported 65536 of 65536",
    });
    const byName: KernelEvidence = { ...whole, log: { kind: "Read", lines: [{ unit: { kernelName: "dmar0" }, seconds: 1 }] } };
    expect(conclude(unit, byName).state).toBe("Trusted");
  });

  it.each<[string, Partial<KernelEvidence>, object, string]>([
    ["without a line", { log: { kind: "Read", lines: [] } }, {}, "no line of its SETUP"],
    ["with another unit's line", { log: { kind: "Read", lines: [{ unit: { regBase: "0x1000" }, seconds: 1 }] } }, {}, "no line of its SETUP"],
    ["with an unreadable log", { log: { kind: "Unreadable", why: "EPERM" } }, {}, "kernel log unreadable (EPERM)"],
    ["with a line, and registers that have no TDX Connect", {}, { ecap: ECAP & ~(1n << 50n) }, "ecap without TDX Connect"],
    ["with registers that can't be read", {}, { ecap: null }, "ecap unreadable"],
  ])("leaves a unit unknown %s, however much else there is", (_what, found, changed, words) => {
    const conclusion = conclude(aHostUnit(changed), { ...whole, ...found });
    expect(conclusion.state).toBe("Unknown");
    expect(conclusion.evidence).toContain(words);
  });

  it("has no trusted unit without a TSM, whatever the log says", () => {
    expect(conclude(unit, { ...whole, tsm: null })).toMatchObject({ state: "Untrusted", evidence: expect.stringContaining("tdx_host has no TSM") });
    expect(conclude(unit, { ...whole, tsm: null, driverLoaded: false }).evidence).toContain("tdx_host is not loaded");
  });

  it("passes over units without TDX Connect", () => {
    const plain = aHostUnit({ ecap: 0n });
    expect(conclude(plain, { ...whole, log: { kind: "Read", lines: [] } }).state).toBe("Unsupported");
    expect(conclude(plain, { ...whole, tsm: null }).state).toBe("Unsupported");
  });
});

describe("the kernel's log", () => {
  it("names units by address or by name", () => {
    expect(setupLineOf("tdx_host: Trusted DMA for TEE/IO initialized, regbase 0xFED90000", 1)).toEqual({
      unit: { regBase: "0xfed90000" },
      seconds: 1,
    });
    expect(setupLineOf("DMAR: Trusted IOMMU for TEE initialized on dmar12", 2)).toEqual({ unit: { kernelName: "dmar12" }, seconds: 2 });
    expect(setupLineOf("tdx_host: TDH.IOMMU.SETUP failed on 0xfed90000: 0xc0000f0000000000", 3)).toBeNull();
  });

  it("is read record by record, and what user space wrote into it is not the kernel's word", () => {
    const text = "Trusted IOMMU for TEE initialized on dmar0\n SUBSYSTEM=iommu\n";
    expect(parseRecord(`6,339,5140900,-;${text}`)).toEqual({ unit: { kernelName: "dmar0" }, seconds: 5.1409 });
    expect(parseRecord(`6,339,5140900,-,caller=T1;${text}`)).not.toBeNull();
    expect(parseRecord(`14,340,5140901,-;${text}`)).toBeNull();
    expect(parseRecord(text)).toBeNull();
  });
});
