// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { compareAddress, functionZeroOf, isAddress, placeOf } from "./topology.ts";

describe("the place of a function", () => {
  it("is read from its resolved path", () => {
    const path = "../../../devices/pci0000:16/0000:16:01.0/0000:17:00.0";
    expect(placeOf(path)).toEqual({ hostBridge: "pci0000:16", rootPort: "0000:16:01.0" });
  });

  it("has no root port on the root bus", () => {
    expect(placeOf("../../../devices/pci0000:16/0000:16:01.0")).toEqual({ hostBridge: "pci0000:16", rootPort: null });
  });

  it("behind VMD is below the inner host bridge, whose segment has five digits", () => {
    const path = "/sys/devices/pci0000:16/0000:16:05.5/pci10000:00/10000:00:02.0/10000:01:00.0";
    expect(placeOf(path)).toEqual({ hostBridge: "pci10000:00", rootPort: "10000:00:02.0" });
  });

  it("is unknown when the path names no host bridge", () => {
    expect(placeOf("")).toEqual({ hostBridge: null, rootPort: null });
  });
});

describe("addresses", () => {
  it("are told from everything else, in particular from paths", () => {
    expect(["0000:17:00.0", "10000:01:1f.7"].every(isAddress)).toBe(true);
    expect(["", "0000:17:00", "0000:17:00.8", "../../proc", "0000:17:20.0", "0000:17:00.0/../x"].some(isAddress)).toBe(false);
  });

  it("are ordered by segment first", () => {
    expect(["10000:00:00.0", "0001:00:00.0", "0000:ff:1f.7"].sort(compareAddress)).toEqual(["0000:ff:1f.7", "0001:00:00.0", "10000:00:00.0"]);
  });

  it("have function 0 of their slot", () => {
    expect(functionZeroOf("0000:17:04.3")).toBe("0000:17:04.0");
  });
});
