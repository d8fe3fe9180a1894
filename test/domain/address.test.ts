// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { busOf, compareAddress, isPciAddress, parseAddress } from "../../src/domain/address.ts";

describe("an address", () => {
  it.each([
    ["0000:01:00.0", "0000:01:00.0"],
    ["0000:1A:1F.7", "0000:1a:1f.7"],
    ["01:00.0", "0000:01:00.0"],
    ["00000000:01:00.0", "0000:01:00.0"],
    ["00010000:E1:00.0", "10000:e1:00.0"],
    ["0:01:00.0", "0000:01:00.0"],
    ["10000:e1:00.0", "10000:e1:00.0"],
    ["ffffffff:ff:1f.7", "ffffffff:ff:1f.7"],
    [" 0001:01:00.0\n", "0001:01:00.0"],
  ])("%j is understood as %s", (text, address) => {
    expect(parseAddress(text)).toBe(address);
    expect(isPciAddress(address)).toBe(true);
  });

  it.each([
    "",
    "0000:01:00",
    "0000:01:00.8",
    "0000:01:20.0",
    "000000000:01:00.0",
    "0000:1:00.0",
    "pci0000:01:00.0",
    "0000:01:00.0,1",
    "42",
    "vfio3",
    "../../proc",
    "0000:17:00.0/../x",
  ])("%j is none", (text) => {
    expect(parseAddress(text)).toBe(null);
    expect(isPciAddress(text)).toBe(false);
  });

  it("has one form: what is understood as another text is not in it", () => {
    const hex = fc.stringMatching(/^[0-9a-fA-F]{0,9}$/);
    const parts = fc.tuple(hex, fc.stringMatching(/^[0-9a-fA-F]{2}:[012][0-9a-fA-F]\.[0-8]$/), fc.boolean());
    fc.assert(
      fc.property(parts, ([segment, rest, hasSegment]) => {
        const text = hasSegment ? `${segment}:${rest}` : rest;
        const address = parseAddress(text);
        expect(isPciAddress(text)).toBe(address === text);
        if (address !== null) expect(parseAddress(address)).toBe(address);
      }),
    );
  });

  it("is on a bus, and in an order, also in a segment above ffff", () => {
    expect(["0000:17:00.0", "10000:e1:00.0"].map(busOf)).toEqual(["0000:17", "10000:e1"]);
    expect(["10000:e1:00.0", "0001:00:00.0", "0000:ff:1f.7"].sort(compareAddress)).toEqual(["0000:ff:1f.7", "0001:00:00.0", "10000:e1:00.0"]);
  });
});
