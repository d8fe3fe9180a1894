// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { placeOf } from "../../src/host/topology.ts";

describe("the place of a function", () => {
  it("is read from its resolved path", () => {
    const path = "../../../devices/pci0000:16/0000:16:01.0/0000:17:00.0";
    expect(placeOf(path)).toEqual({ hostBridge: "pci0000:16", rootPort: "0000:16:01.0", bridgePath: "devices/pci0000:16" });
  });

  it("has no root port on the root bus", () => {
    expect(placeOf("../../../devices/pci0000:16/0000:16:01.0")).toEqual({
      hostBridge: "pci0000:16",
      rootPort: null,
      bridgePath: "devices/pci0000:16",
    });
  });

  it("behind VMD is below the inner host bridge, whose segment has five digits", () => {
    const path = "/sys/devices/pci0000:16/0000:16:05.5/pci10000:00/10000:00:02.0/10000:01:00.0";
    expect(placeOf(path)).toEqual({
      hostBridge: "pci10000:00",
      rootPort: "10000:00:02.0",
      bridgePath: "devices/pci0000:16/0000:16:05.5/pci10000:00",
    });
  });

  it("is unknown when the path names no host bridge", () => {
    expect(placeOf("")).toEqual({ hostBridge: null, rootPort: null, bridgePath: null });
  });
});
