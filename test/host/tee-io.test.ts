// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { UNREADABLE_CAPABILITIES } from "../../src/host/capabilities.ts";
import { decideTeeIo } from "../../src/host/tee-io.ts";
import { capable, plain } from "./capabilities-of.ts";

const quiet = capable(false, false);

describe("TEE-I/O", () => {
  it("is what function 0 of the slot says", () => {
    expect(decideTeeIo({ own: plain, zero: quiet })).toBe("Yes");
    expect(decideTeeIo({ own: quiet, zero: plain })).toBe("No");
    expect(decideTeeIo({ own: null, zero: quiet })).toBe("Yes");
    expect(decideTeeIo({ own: plain, zero: UNREADABLE_CAPABILITIES })).toBe("Unknown");
  });

  it("without a function 0 is never yes", () => {
    expect(decideTeeIo({ own: quiet, zero: null })).toBe("Unknown");
    expect(decideTeeIo({ own: plain, zero: null })).toBe("No");
    expect(decideTeeIo({ own: null, zero: "Unknown" })).toBe("Unknown");
  });
});
