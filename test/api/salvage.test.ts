// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { parseStatus } from "../../src/api/salvage.ts";
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

  it("loses the entries whose words this version does not know, and keeps the others", () => {
    const [first, ...others] = status.devices;
    const newer = { ...status, devices: [{ ...first, reason: "NotYetInvented" }, ...others] };
    expect(parseStatus(newer)).toEqual({ ...status, devices: others });
  });

  it("of a version that knew of no other units has none", () => {
    const { otherUnits: _, ...older } = status;
    expect(parseStatus(older)).toEqual(status);
  });

  it.each([null, "text", {}, { ...status, tdxModule: 7 }])("is nothing when it cannot be told what it says: %j", (value) => {
    expect(parseStatus(value)).toBeNull();
  });
});
