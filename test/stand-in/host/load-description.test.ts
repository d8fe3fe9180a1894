// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ECAP_TDX_CONNECT } from "../../../src/domain/unit.ts";
import { loadHostDescription } from "../../../src/stand-in/host/load-description.ts";
import { shippedHost } from "../../support/captured.ts";
import { createScratch, type Scratch } from "../../support/scratch.ts";

let scratch: Scratch;
beforeEach(() => {
  scratch = createScratch();
});
afterEach(() => scratch.remove());

const START = `summary: a host
unitDefaults: {cap: "19ed008c40780c66", ecap: "7ee9e86f050df"}
`;
const UNIT = `units: [{name: dmar0, regBase: "0xfed90000"}]
`;

function problemOf(text: string): string {
  scratch.file("host.yaml", text);
  try {
    loadHostDescription(join(scratch.path, "host.yaml"));
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "SIMULATION_INVALID" });
    return thrown instanceof Error ? thrown.message : "";
  }
  return "(accepted)";
}

describe("the shipped hosts", () => {
  const tdxConnect = (ecap: string): boolean => (BigInt(`0x${ecap}`) & ECAP_TDX_CONNECT) !== 0n;

  it("include the real Xeon as it is: 20 units, 483 functions, no TDX Connect", () => {
    const host = loadHostDescription(shippedHost("sapphire-rapids-2s"));
    expect([host.units.length, host.functions.length]).toEqual([20, 483]);
    expect(host.units.some((unit) => tdxConnect(unit.ecap))).toBe(false);
    expect(host.functions.filter((one) => one.unit === "dmar19")).toHaveLength(432);
  });

  it("include the same with TDX Connect, virtual functions, a second segment and a native driver", () => {
    const host = loadHostDescription(shippedHost("tdx-connect-2s"));
    expect(host.units.every((unit) => unit.ecap === "7ee9e86f050df")).toBe(true);
    expect(host.functions.find((one) => one.address === "0000:16:00.0")?.virtualFunctions).toEqual([
      "0000:16:04.0",
      "0000:16:04.1",
      "0000:16:04.2",
      "0000:16:04.3",
    ]);
    expect(host.functions.find((one) => one.address === "0001:17:00.0")).toMatchObject({ unit: "dmar20", hostBridge: "pci0001:16", teeIo: true });
    expect(host.functions.find((one) => one.address === "0000:27:00.0")).toMatchObject({ driver: "mlx5_core", teeIo: true });
    expect(host.functions.some((one) => one.secured)).toBe(false);
  });

  it("include the smallest and the largest", () => {
    expect(loadHostDescription(shippedHost("one-unit")).units).toHaveLength(1);
    const large = loadHostDescription(shippedHost("large"));
    expect([large.units.length, large.functions.length]).toEqual([128, 4096]);
  });
});

describe("a mistake in HOST.yaml", () => {
  it("is named with its path, the value found and what to write", () => {
    expect(problemOf(`${START}units: [{name: dmar0, regBase: "0xfed90010"}]`)).toContain(
      'units[0].regBase: found "0xfed90010"; write a multiple of 0x1000 in hex with 0x',
    );
    expect(problemOf(`${START}units: [{name: gpu, regBase: "0xfed90000"}]`)).toContain('units[0].name: found "gpu"; write a unit\'s kernel name');
    expect(problemOf(`${START}colour: red`)).toContain("colour");
    expect(problemOf(`${START}functions: [{address: "0000:17:00.0"}]`)).toContain(
      "functions[0].unit: found nothing; write a unit's kernel name, like dmar3",
    );
    expect(problemOf("summary: a host")).toContain("unitDefaults: found nothing");
    expect(problemOf(`${START}${UNIT}functions: [{address: "17:00", unit: dmar0, vendor: "10de", device: 2335, class: "030200"}]`)).toMatch(
      /functions\[0\]\.address: found "17:00"; write a PCI address DDDD:BB:DD\.F[\s\S]*functions\[0\]\.device: found 2335; write 4 hex digits in quotes/,
    );
  });

  it("is not in an address as tools write it: with upper case, without or with eight digits of segment", () => {
    const one = (address: string): string => `{address: "${address}", unit: dmar0, vendor: "10de", device: "2335", class: "030200"}`;
    const functions = ["1A:00.0", "00000000:02:00.0", "00010000:E1:00.0"].map(one).join(", ");
    scratch.file("host.yaml", `${START}${UNIT}functions: [${functions}]`);
    const host = loadHostDescription(join(scratch.path, "host.yaml"));
    expect(host.functions.map(({ address, hostBridge }) => [address, hostBridge])).toEqual([
      ["0000:1a:00.0", "pci0000:1a"],
      ["0000:02:00.0", "pci0000:02"],
      ["10000:e1:00.0", "pci10000:e1"],
    ]);
  });

  it("across entries is named too", () => {
    const one = (rest: string): string => `{address: "0000:01:00.0", vendor: "10de", device: "2335", class: "030200", ${rest}}`;
    expect(problemOf(`${START}${UNIT}functions: [${one("unit: dmar1")}]`)).toContain("unit dmar1 is not listed under units");
    expect(problemOf(`${START}${UNIT}functions: [${one("unit: dmar0")}, ${one("unit: dmar0")}]`)).toContain("function 0000:01:00.0 is there twice");
    expect(problemOf(`${START}${UNIT}functions: [${one("unit: dmar0, image: none")}]`)).toContain("image none is not listed under images");
    expect(problemOf(`${START}${UNIT}functions: [${one("unit: dmar0, secured: true")}]`)).toContain("secured needs");
    expect(problemOf(`${START}units: [{name: dmar0, regBase: "0xfed90000"}, {name: dmar1, regBase: "0xFED90000"}]`)).toContain(
      "0xfed90000 is there twice",
    );
    expect(problemOf(`${START}${UNIT}bridges: {"0000:01": "0000:02:00.0"}\nfunctions: [${one("unit: dmar0")}]`)).toContain("is not a function");
    expect(problemOf(`${START}${UNIT}bridges: {"0000:01": "0000:01:01.0"}\nfunctions: [${one("unit: dmar0")}]`)).toContain("in a circle");
  });

  it("in a file it names is reported with that file's name", () => {
    expect(problemOf(`${START}listing: {file: nowhere.tsv}`)).toContain("nowhere.tsv cannot be read");
    scratch.file("list.tsv", "unit\taddress\n");
    expect(problemOf(`${START}listing: {file: list.tsv}`)).toContain("list.tsv:1: the first line must name the columns");
    scratch.file("image.hex", "00: 00\n");
    expect(problemOf(`${START}images: {a: image.hex}`)).toContain("image.hex");
    expect(problemOf("{")).toMatch(/host\.yaml:\nline \d+, column \d+ is .*: /);
  });
});
