// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { type Capabilities, UNREADABLE_CAPABILITIES } from "../../src/host/capabilities.ts";
import { decideLink, decideLinkRead, decideTeeIo } from "../../src/host/link.ts";
import type { Reading } from "../../src/host/reading.ts";
import { NO_TSM, type TsmText } from "../../src/host/tsm.ts";

const text = (value: string): Reading<string> => ({ kind: "Value", value });
const stuck: Reading<string> = { kind: "Unreadable", why: "no answer" };
const blocked: TsmText = { kind: "Blocked", why: "no answer" };
const plain: Capabilities = { teeIo: "No", teeIoWhy: "", ide: { kind: "Absent" }, doe: [], totalVfs: 0, problem: "" };
const capable = (enabled: boolean, secure: boolean): Capabilities => ({
  teeIo: "Yes",
  teeIoWhy: "",
  ide: {
    kind: "Present",
    offset: 0x100,
    selectiveStreams: 1,
    teeLimited: true,
    keyManagement: true,
    streams: [{ kind: "Selective", enabled, secure, streamId: 0, control: enabled ? 1 : 0, status: secure ? 2 : 0 }],
  },
  doe: [],
  totalVfs: 0,
  problem: "",
});
const quiet = capable(false, false);
const streaming = capable(true, true);

describe("a link", () => {
  it("is insecure when every register and the TSM say so", () => {
    const tsm = { connect: text(""), bound: text("") };
    expect(decideLink({ own: quiet, zero: quiet }, tsm)).toEqual({ state: "Insecure", tsm: "", bound: "No", streamSecure: "No" });
  });

  it("is secure as soon as a stream is enabled, or secure, or a TSM is connected", () => {
    for (const [caps, tsm] of [
      [streaming, NO_TSM],
      [capable(true, false), NO_TSM],
      [capable(false, true), NO_TSM],
      [quiet, { connect: text("tsm0"), bound: text("") }],
      [UNREADABLE_CAPABILITIES, { connect: text("tsm0"), bound: text("") }],
    ] as const) {
      expect(decideLink({ own: caps, zero: caps }, tsm).state).toBe("Secure");
    }
  });

  it("after a function-level reset is secure by the TSM, with no stream enabled", () => {
    const link = decideLink({ own: quiet, zero: quiet }, { connect: text("tsm0"), bound: text("") });
    expect(link).toEqual({ state: "Secure", tsm: "tsm0", bound: "No", streamSecure: "No" });
  });

  it("whose stream is on and not secure, or secure and off, is no safe one and has no secure stream", () => {
    for (const lost of [capable(true, false), capable(false, true)]) {
      for (const connect of ["tsm0", ""]) {
        expect(decideLink({ own: lost, zero: lost }, { connect: text(connect), bound: text("") })).toMatchObject({
          state: "Secure",
          streamSecure: "No",
        });
      }
    }
  });

  it("is unknown when registers or the TSM cannot be read and nothing says secure", () => {
    expect(decideLink({ own: UNREADABLE_CAPABILITIES, zero: UNREADABLE_CAPABILITIES }, NO_TSM).state).toBe("Unknown");
    expect(decideLink({ own: quiet, zero: quiet }, { connect: stuck, bound: stuck })).toMatchObject({ state: "Unknown", bound: "Unknown" });
    expect(decideLink({ own: null, zero: "Unknown" }, NO_TSM).state).toBe("Unknown");
    expect(decideLink({ own: null, zero: null }, NO_TSM).state).toBe("Unknown");
  });

  it("whose TSM does not answer is unknown as well, unless its stream says secure", () => {
    expect(decideLink({ own: quiet, zero: quiet }, { connect: blocked, bound: blocked })).toMatchObject({ state: "Unknown", bound: "Unknown" });
    expect(decideLink({ own: streaming, zero: streaming }, { connect: blocked, bound: blocked })).toMatchObject({ state: "Secure", tsm: "" });
  });

  it("of a sub-function or virtual function is that of its function 0", () => {
    expect(decideLink({ own: plain, zero: streaming }, NO_TSM)).toMatchObject({ state: "Secure", streamSecure: "Yes" });
    expect(decideLink({ own: null, zero: streaming }, NO_TSM).state).toBe("Secure");
    expect(decideLink({ own: plain, zero: UNREADABLE_CAPABILITIES }, NO_TSM).state).toBe("Unknown");
  });
});

describe("the reading of a link", () => {
  const read = { connect: text(""), bound: text("") };
  const registers = (own: Capabilities, port: Parameters<typeof decideLinkRead>[1]) => decideLinkRead({ own, zero: own }, port, read).registers;

  it("failed when an error came back, and blocked when nothing did", () => {
    const how = (connect: TsmText, bound: TsmText) => decideLinkRead({ own: quiet, zero: quiet }, null, { connect, bound }).tsm;
    expect([how(text(""), text("")), how(stuck, text("")), how(text(""), stuck), how(blocked, blocked), how(stuck, blocked)]).toEqual([
      "Read",
      "Failed",
      "Failed",
      "Blocked",
      "Failed",
    ]);
    expect(decideLinkRead({ own: quiet, zero: quiet }, null, NO_TSM).tsm).toBe("Read");
  });

  it("has other registers as soon as one of either end differs", () => {
    const all = [
      registers(quiet, null),
      registers(quiet, quiet),
      registers(quiet, streaming),
      registers(streaming, quiet),
      registers(capable(true, false), quiet),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(registers(quiet, quiet)).toBe(registers(quiet, quiet));
  });

  it("has none when one of either end cannot be read", () => {
    expect([registers(UNREADABLE_CAPABILITIES, quiet), registers(quiet, UNREADABLE_CAPABILITIES), registers(quiet, "Unknown")]).toEqual([
      null,
      null,
      null,
    ]);
    expect(decideLinkRead({ own: null, zero: "Unknown" }, quiet, read).registers).toBeNull();
  });
});

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
