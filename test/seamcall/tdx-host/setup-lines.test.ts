// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { parseRecord } from "../../../src/seamcall/tdx-host/kernel-log.ts";
import { type LogLine, linesOfLastLoad, logLineOf } from "../../../src/seamcall/tdx-host/setup-lines.ts";

const at = { sequence: 339, seconds: 1 };
const NEW = "Trusted DMA for TEE/IO initialized, regbase 0xfed90000";
const OLD = "DMAR: Trusted IOMMU for TEE initialized on dmar12";

describe("the kernel's log", () => {
  it("names units by address or by name", () => {
    const byAddress = { ...at, says: "SetUp", unit: { regBase: "0xfed90000" } };
    expect(logLineOf(NEW, at)).toEqual(byAddress);
    expect(logLineOf(`tdx_host: ${NEW.replace("fed", "FED")}`, at)).toEqual(byAddress);
    expect(logLineOf(OLD, at)).toEqual({ ...at, says: "SetUp", unit: { kernelName: "dmar12" } });
  });

  it("says what ended a load", () => {
    for (const message of [
      "TDH.IOMMU.SETUP failed, regbase 0xfed90000 status 0xc000010000000001",
      "tdx_host: TDH.IOMMU.CLEAR failed, status 0x8000020000000000",
      "DMAR: dmar3: Failed to initialize trusted DMA for TEE, error 0xc000010000000001",
      "DMAR: dmar3: Fail to disable trusted DMA for TEE, error 0xc000010000000001",
    ]) {
      expect(logLineOf(message, at)).toEqual({ ...at, says: "Ended" });
    }
  });

  it("does not speak for the driver when it quotes somebody", () => {
    for (const line of [NEW, OLD]) {
      expect(logLineOf(`usb 1-1: Product: ${line}`, at)).toBeNull();
      expect(logLineOf(`${line} and more`, at)).toBeNull();
    }
    expect(logLineOf(OLD.replace("DMAR: ", ""), at)).toBeNull();
  });

  it("is read record by record, and what user space wrote into it is not the kernel's word", () => {
    const text = `${OLD}\n SUBSYSTEM=iommu\n`;
    const line: LogLine = { says: "SetUp", sequence: 339, seconds: 5.1409, unit: { kernelName: "dmar12" } };
    expect(parseRecord(`6,339,5140900,-;${text}`)).toEqual({ sequence: 339, line });
    expect(parseRecord(`6,339,5140900,-,caller=T1;${text}`)).toEqual({ sequence: 339, line });
    expect(parseRecord(`14,340,5140901,-;${text}`)).toEqual({ sequence: 340, line: null });
    expect(parseRecord(text)).toEqual({ sequence: -1, line: null });
  });
});

describe("the lines of the last load", () => {
  /** A letter is a unit that was set up, a stroke the end of a load. */
  const linesOf = (text: string): LogLine[] =>
    [...text].map((letter, sequence) =>
      letter === "|" ? { says: "Ended", sequence, seconds: 0 } : { says: "SetUp", sequence, seconds: 0, unit: { kernelName: letter } },
    );
  const lastOf = (text: string, over = -1): string =>
    linesOfLastLoad(linesOf(text), over)
      .map(({ unit }) => ("kernelName" in unit ? unit.kernelName : ""))
      .join("");

  it.each([
    ["", ""],
    ["CABD", "CABD"],
    ["ABCABC", "ABC"],
    ["ABCAC", "AC"],
    ["ABCB", "B"],
    ["ABCCBA", "A"],
    ["AB|C", "C"],
    ["AB|", ""],
    ["ACBCA", "A"],
  ])("of %s are %s", (text, expected) => {
    expect(lastOf(text)).toBe(expected);
  });

  it("are none that were there before", () => {
    expect(lastOf("ABC", 1)).toBe("C");
    expect(lastOf("ABC", 2)).toBe("");
    // What is known to be over says nothing of the order after it, either.
    expect(lastOf("ABCBA", 2)).toBe("BA");
  });
});
