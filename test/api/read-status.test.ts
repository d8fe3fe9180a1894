// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { parseStatus } from "../../src/api/read-status.ts";
import { deviceStatus, nodeStatus } from "../support/node-status.ts";

describe("a status of another version", () => {
  const status = nodeStatus({ devices: [deviceStatus(), deviceStatus({ address: "0000:18:00.0" })] });

  it("is read as it is when every field is known", () => {
    expect(parseStatus(status)).toEqual(status);
  });

  it("loses fields that this version does not know, at any depth", () => {
    const newer = { ...status, mood: "fine", units: status.units.map((unit) => ({ ...unit, colour: "red" })) };
    expect(parseStatus(newer)).toEqual(status);
  });

  it("keeps words that this version does not know: a device must not vanish because of its reason", () => {
    const [first, ...others] = status.devices;
    const newer = { ...status, devices: [{ ...first, reason: "NotYetInvented" }, ...others] };
    expect(parseStatus(newer)).toEqual(newer);
  });

  it("loses entries that cannot be read or have no key, and keeps the others", () => {
    const { address: _, ...unnamed } = deviceStatus();
    const odd = { ...status, devices: [7, unnamed, { ...deviceStatus(), address: "" }, { ...deviceStatus(), offered: "yes" }, ...status.devices] };
    expect(parseStatus(odd)).toEqual(status);
  });

  it("of an older version says nothing where that one did not write a field", () => {
    const { otherUnits: _, agent: __, ...older } = status;
    expect(parseStatus(older)).toEqual({ ...status, agent: { version: "", specLevel: 0 } });
    const [unit] = status.units;
    const { lastCall: ___, pagesRetained: ____, ...olderUnit } = unit ?? {};
    expect(parseStatus({ ...status, units: [olderUnit] })?.units).toEqual([{ ...unit, lastCall: null, pagesRetained: 0 }]);
  });

  it.each([null, "text", {}, { ...status, tdxModule: 7 }])("is nothing when it cannot be told what it says: %j", (value) => {
    expect(parseStatus(value)).toBeNull();
  });
});
