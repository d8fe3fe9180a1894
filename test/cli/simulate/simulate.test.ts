// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import {
  addressArgument,
  faultFrom,
  leafArgument,
  linkFaultFrom,
  regBaseArgument,
  statusArgument,
  streamsFrom,
} from "../../../src/cli/simulate/arguments.ts";
import { moduleJson, moduleTable } from "../../../src/cli/simulate/show.ts";
import type { ModuleDump } from "../../../src/stand-in/module/simulation.ts";

const flags = { leaf: "any", delay: "0", times: "1", after: "0" };

test("a fault is written with names, numbers or hex", () => {
  expect(
    faultFrom({ ...flags, leaf: "SETUP", unit: "0xFED90000", status: "tdx_operand_busy", times: "forever", after: "2", keepPages: true }),
  ).toEqual({
    leaf: "TDH.IOMMU.SETUP",
    regBase: "0xfed90000",
    status: 0x8000_0200_0000_0000n,
    delayMs: 0,
    count: null,
    skip: 2,
    keepPages: true,
  });
  expect(faultFrom({ ...flags, delay: "250" })).toMatchObject({ leaf: null, regBase: null, status: null, delayMs: 250, count: 1 });
  expect(statusArgument("0xc000010000000001")).toBe(0xc000_0100_0000_0001n);
  expect(leafArgument("TDH.IOMMU.CLEAR")).toBe("TDH.IOMMU.CLEAR");
});

test("streams that are left are a count, and the host bridge's name where it is given", () => {
  expect(streamsFrom({ ...flags, streams: "0" })).toEqual({ hostBridge: null, left: 0 });
  expect(streamsFrom({ ...flags, streams: "4", hostBridge: "pci0000:16" })).toEqual({ hostBridge: "pci0000:16", left: 4 });
});

test("a wrong argument is refused with the field, the value and what to write instead", () => {
  const cases: [() => unknown, RegExp][] = [
    [() => faultFrom(flags), /^--status is \(missing\): give --status NAME, --delay MS, or both$/],
    [() => statusArgument("TDX_OPERAND_BUZY"), /^--status is "TDX_OPERAND_BUZY": write TDX_OPERAND_BUSY/],
    [() => statusArgument("0x10000000000000000"), /64 bits/],
    [() => leafArgument("SETDOWN"), /^--leaf is "SETDOWN": write SETUP, CLEAR or any/],
    [() => addressArgument("address", "gpu0"), /^address is "gpu0": write a PCI address DDDD:BB:DD\.F/],
    [() => regBaseArgument("--unit", "dmar0"), /^--unit is "dmar0": write the unit's register base in hex/],
    [() => faultFrom({ ...flags, status: "TDX_SYS_BUSY", times: "0" }), /^--times is "0": write a whole number from 1$/],
    [() => streamsFrom({ ...flags, streams: "few" }), /^--streams is "few": write a whole number from 0$/],
    [() => streamsFrom({ ...flags, streams: "1", link: "0000:01:00.0" }), /^--link is "0000:01:00.0": .*leave it out with --streams$/],
    [() => streamsFrom({ ...flags, streams: "1", status: "TDX_SYS_BUSY" }), /^--status is "TDX_SYS_BUSY": .*leave it out with --streams$/],
    [
      () => linkFaultFrom({ ...flags, link: "0000:01:00.0", errno: "EIO", hostBridge: "pci0000:16" }),
      /^--host-bridge is .*: it goes with --streams$/,
    ],
    [() => faultFrom({ ...flags, status: "TDX_SYS_BUSY", hostBridge: "pci0000:16" }), /^--host-bridge is .*: it goes with --streams$/],
    [() => faultFrom({ ...flags, status: "TDX_SYS_BUSY", delay: "" }), /^--delay is "": write a whole number from 0$/],
  ];
  for (const [act, message] of cases)
    expect(act).toThrow(expect.objectContaining({ code: "SIMULATION_INVALID", message: expect.stringMatching(message) }));
});

const dump: ModuleDump = {
  incarnation: 2n,
  environment: "Ok",
  profile: "Newest",
  mtPageCount: 4,
  corruptedPage: null,
  freedTooEarly: [0x5000n],
  calls: { "TDH.IOMMU.SETUP": 3n, "TDH.IOMMU.CLEAR": 0n },
  pagesTotal: 96,
  pagesAllocated: 4,
  faults: [{ leaf: null, regBase: null, status: 0x8000_0200_0000_0000n, delayMs: 5, count: null, skip: 1, keepPages: false }],
  units: [
    {
      regBase: "0x1000",
      present: true,
      phase: "Configured",
      tdxIommuId: 0n,
      ownedPages: [1n, 2n],
      securedLinks: ["0000:01:00.0"],
      setupCalls: 3n,
      clearCalls: 0n,
    },
    { regBase: "0x2000", present: false, phase: "None", tdxIommuId: null, ownedPages: [], securedLinks: [], setupCalls: 0n, clearCalls: 0n },
  ],
};

test("the module's own table shows units, faults, and what must never happen", () => {
  expect(moduleTable(dump, { width: 100, colour: false })).toEqual([
    "simulated TDX module, load 2, profile Newest, environment Ok, 4 of 96 pages taken",
    "the host freed a page the module owns: 0x5000",
    "",
    "UNIT    PHASE       ID   PAGES  SETUPS  CLEARS  SECURED LINKS",
    "0x1000  Configured  0x0  2      3       0       0000:01:00.0",
    "0x2000  absent           0      0       0",
    "",
    "fault: SETUP and CLEAR of any unit answers TDX_OPERAND_BUSY after 5 ms, for ever, from attempt 2 on",
  ]);
});

test("as JSON its 64-bit values are hex strings", () => {
  expect(JSON.parse(moduleJson(dump))).toMatchObject({ incarnation: "0x2", calls: { "TDH.IOMMU.SETUP": "0x3" }, units: [{ tdxIommuId: "0x0" }, {}] });
});
