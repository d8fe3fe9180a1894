// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { type Capabilities, UNREADABLE_CAPABILITIES } from "../../src/host/capabilities.ts";
import { decideBound, decideLinkRead, decideState, type FarEnd, isIdeRead, type LinkEnd, textOf } from "../../src/host/link.ts";
import type { FileReading } from "../../src/host/reading.ts";
import type { TsmText } from "../../src/host/tsm.ts";
import { capable, plain } from "./capabilities-of.ts";

const text = (value: string): FileReading<string> => ({ kind: "Value", value });
const stuck: FileReading<string> = { kind: "Unreadable", why: "no answer" };
const blocked: TsmText = { kind: "Blocked", why: "no answer" };
const quiet = capable(false, false);
const streaming = capable(true, true);
const none: TsmText = { kind: "Missing" };
const READ = { connect: text(""), dsm: none };
/** A slot with function 0 alone. */
const alone = (zero: Capabilities): LinkEnd => ({ zero, others: [] });

describe("the state of a link", () => {
  it("is insecure when every register and the TSM say so", () => {
    expect(decideState(alone(quiet), text(""))).toBe("Insecure");
  });

  it("is secure as soon as a stream is enabled, or secure, or a TSM is connected", () => {
    for (const [caps, connect] of [
      [streaming, none],
      [capable(true, false), none],
      [capable(false, true), none],
      [quiet, text("tsm0")],
      [UNREADABLE_CAPABILITIES, text("tsm0")],
    ] as const) {
      expect(decideState(alone(caps), connect)).toBe("Secure");
    }
  });

  it("is unknown when registers or the TSM cannot be read and nothing says secure", () => {
    expect(decideState(alone(UNREADABLE_CAPABILITIES), none)).toBe("Unknown");
    expect(decideState(alone(quiet), stuck)).toBe("Unknown");
    expect(decideState({ zero: "Unknown", others: [] }, none)).toBe("Unknown");
    expect(decideState({ zero: null, others: [] }, none)).toBe("Unknown");
  });

  it("is unknown as well when the TSM does not answer, unless a stream says secure", () => {
    expect(decideState(alone(quiet), blocked)).toBe("Unknown");
    expect(decideState(alone(streaming), blocked)).toBe("Secure");
    expect(textOf(blocked)).toBe("");
  });

  it("is secure by a stream of any function of the slot, and unknown by function 0 alone", () => {
    expect(decideState({ zero: quiet, others: [plain, streaming] }, none)).toBe("Secure");
    expect(decideState({ zero: quiet, others: [UNREADABLE_CAPABILITIES] }, none)).toBe("Insecure");
    expect(decideState({ zero: UNREADABLE_CAPABILITIES, others: [plain] }, none)).toBe("Unknown");
  });

  it("is what the others say while function 0 is not on the bus", () => {
    expect(decideState({ zero: null, others: [streaming] }, none)).toBe("Secure");
    expect(decideState({ zero: null, others: [quiet, UNREADABLE_CAPABILITIES] }, none)).toBe("Unknown");
    expect(decideState({ zero: null, others: [quiet] }, none)).toBe("Insecure");
  });
});

describe("the reading of a link", () => {
  const far = (rootPort: FarEnd["rootPort"], ...blocks: number[]): FarEnd => ({ rootPort, blocks: new Set(blocks) });
  const registers = (zero: Capabilities, port: FarEnd["rootPort"], ...others: Capabilities[]) =>
    decideLinkRead({ zero, others }, far(port, 0), READ).registers;

  it("failed when an error came back, and blocked when nothing did", () => {
    const how = (connect: TsmText, dsm: TsmText = none) => decideLinkRead(alone(quiet), far(null), { connect, dsm }).tsm;
    expect([text(""), none, stuck, blocked].map((connect) => how(connect))).toEqual(["Read", "Read", "Failed", "Blocked"]);
    expect([stuck, blocked].map((dsm) => how(text("tsm0"), dsm))).toEqual(["Failed", "Blocked"]);
  });

  it("has other registers as soon as one of either end differs", () => {
    const all = [
      registers(quiet, null),
      registers(quiet, quiet),
      registers(quiet, streaming),
      registers(streaming, quiet),
      registers(capable(true, false), quiet),
      registers(quiet, quiet, quiet),
      registers(quiet, quiet, streaming),
      registers(quiet, quiet, UNREADABLE_CAPABILITIES),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(registers(quiet, quiet)).toBe(registers(quiet, quiet));
    expect(registers(quiet, quiet, plain)).toBe(registers(quiet, quiet));
  });

  it("has nothing of the root port's blocks in which other slots' streams end, unless it cannot be told which these are", () => {
    const inBlocks = (port: FarEnd["rootPort"], blocks: FarEnd["blocks"]) =>
      decideLinkRead({ zero: quiet, others: [] }, { rootPort: port, blocks }, READ).registers;
    expect(inBlocks(streaming, new Set())).toBe(inBlocks(quiet, new Set()));
    expect(inBlocks(streaming, null)).not.toBe(inBlocks(quiet, null));
    expect(inBlocks(UNREADABLE_CAPABILITIES, new Set())).toBeNull();
  });

  it("has none when those of function 0 or of the root port cannot be read", () => {
    expect([registers(UNREADABLE_CAPABILITIES, quiet), registers(quiet, UNREADABLE_CAPABILITIES), registers(quiet, "Unknown")]).toEqual([
      null,
      null,
      null,
    ]);
    expect(decideLinkRead({ zero: "Unknown", others: [] }, far(quiet), READ).registers).toBeNull();
    expect(decideLinkRead({ zero: null, others: [] }, far(quiet), READ).registers).toBeNull();
  });
});

describe("a TDI", () => {
  it("is bound when tsm/bound has a name, and unknown when it cannot be read", () => {
    expect(decideBound(text("tsm0"))).toEqual({ bound: "Yes", boundRead: "Read" });
    expect(decideBound(text(""))).toEqual({ bound: "No", boundRead: "Read" });
    expect(decideBound(none)).toEqual({ bound: "No", boundRead: "Read" });
    expect(decideBound(stuck)).toEqual({ bound: "Unknown", boundRead: "Failed" });
    expect(decideBound(blocked)).toEqual({ bound: "Unknown", boundRead: "Blocked" });
  });
});

test("a function's own IDE registers are read when all of them are, or when it has none", () => {
  expect([null, plain, quiet, streaming, UNREADABLE_CAPABILITIES].map(isIdeRead)).toEqual([true, true, true, true, false]);
});
