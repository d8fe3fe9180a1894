// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { atMostThree, releasable } from "../../src/domain/link-names.ts";
import { aSlot } from "../support/builders.ts";

const PORT = aSlot({ owner: "0000:16:01.0", port: "FarEnd", rootPort: null });
const GPU = aSlot();
const ALL = [PORT, GPU];

describe("what is to be released", () => {
  it("is function 0 of the device", () => {
    expect(releasable([GPU], ALL)).toEqual(["0000:17:00.0"]);
  });

  it("is never a root port, which has nothing to release", () => {
    expect(releasable([PORT, GPU], ALL)).toEqual(["0000:17:00.0"]);
    expect(releasable([PORT], ALL)).toEqual(["0000:17:00.0"]);
    expect(releasable([PORT], [PORT])).toEqual(["the device behind root port 0000:16:01.0, which is not on the bus"]);
  });

  it("is only the endpoint that shows the link, when the port has more behind it", () => {
    const other = aSlot({ owner: "0000:18:00.0" });
    expect(releasable([PORT, other], [...ALL, other])).toEqual(["0000:18:00.0"]);
    expect(releasable([PORT], [...ALL, other])).toEqual(["0000:17:00.0", "0000:18:00.0"]);
  });

  it("is below a switch port when nothing else shows a link", () => {
    const downstream = aSlot({ owner: "0000:18:02.0", port: "FarEnd" });
    expect(releasable([downstream], [downstream])).toEqual(["the device below port 0000:18:02.0"]);
    expect(releasable([downstream, GPU], [downstream, GPU])).toEqual(["0000:17:00.0"]);
  });
});

describe("a switch whose upstream port is function 0 of a device with other functions", () => {
  const secured = { state: "Secure", tsm: "tsm0", streamSecure: "Yes" } as const;
  const upstream = aSlot({ owner: "0000:18:00.0", port: "Upstream", link: secured });
  const below = aSlot({ owner: "0000:1a:00.0" });

  it("is released itself: a TSM connects it, and not what is below it", () => {
    expect(releasable([upstream], [PORT, upstream, below])).toEqual(["0000:18:00.0"]);
  });

  it("is what a root port's link belongs to only where it has one", () => {
    const idle = { ...upstream, link: below.link };
    expect(releasable([PORT], [PORT, idle, below])).toEqual(["0000:1a:00.0"]);
    expect(releasable([PORT], [PORT, upstream, below])).toEqual(["0000:18:00.0", "0000:1a:00.0"]);
    expect(releasable([PORT, upstream], [PORT, upstream, below])).toEqual(["0000:18:00.0"]);
  });
});

describe("a list of names", () => {
  it("has at most three, and the count of the others", () => {
    expect(atMostThree(["a", "b", "c"])).toBe("a, b, c");
    expect(atMostThree(["a", "b", "c", "d", "e"])).toBe("a, b, c and 2 more");
  });
});
