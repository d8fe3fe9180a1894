// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { bySlot, functionZeroOf, slotOwnerOf } from "../../src/domain/slot.ts";
import { aFunction } from "../support/builders.ts";

const virtual = (address: string, physicalFunction: string | null) => aFunction({ address, functionType: "Virtual", physicalFunction });

test("function 0 of an address", () => {
  expect(functionZeroOf("0000:17:04.3")).toBe("0000:17:04.0");
});

test("a slot has the functions of its device and their virtual functions, wherever these are", () => {
  const functions = [
    aFunction(),
    aFunction({ address: "0000:17:00.1" }),
    virtual("0000:17:08.4", "0000:17:00.1"),
    aFunction({ address: "0000:18:00.0" }),
  ];
  const found = [...bySlot(functions)].map(([owner, on]) => [owner, on.map(({ address }) => address)]);
  expect(found).toEqual([
    ["0000:17:00.0", ["0000:17:00.0", "0000:17:00.1", "0000:17:08.4"]],
    ["0000:18:00.0", ["0000:18:00.0"]],
  ]);
});

test("a slot is known by its function 0, on the bus or not", () => {
  expect(slotOwnerOf(aFunction({ address: "0000:17:00.1" }))).toBe("0000:17:00.0");
});

test("root ports that are functions of one device are a slot each: each has a link of its own", () => {
  expect(slotOwnerOf(aFunction({ address: "0000:00:1c.1", class: "0604" }))).toBe("0000:00:1c.1");
});

test("a virtual function whose physical one cannot be told is on no slot of another function", () => {
  expect(slotOwnerOf(virtual("0000:17:00.4", null))).toBe("0000:17:00.4");
});
