// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { slotsOf } from "../../src/domain/slot.ts";
import { aFunction } from "../support/builders.ts";

test("a slot has the functions of its device and their virtual functions, wherever these are", () => {
  const at = (address: string, physicalFunction: string | null = null, rootPort: string | null = "0000:16:01.0") =>
    aFunction({ address, physicalFunction, rootPort });
  const functions = [at("0000:17:00.0"), at("0000:17:00.1"), at("0000:17:08.4", "0000:17:00.1"), at("0000:00:02.0", null, null)];
  expect(slotsOf(functions)).toEqual([
    { owner: "0000:17:00.0", functions: ["0000:17:00.0", "0000:17:00.1", "0000:17:08.4"], rootPort: "0000:16:01.0" },
    { owner: "0000:00:02.0", functions: ["0000:00:02.0"], rootPort: null },
  ]);
});

test("a slot is known by its function 0, on the bus or not", () => {
  expect(slotsOf([aFunction({ address: "0000:17:00.1" })])).toMatchObject([{ owner: "0000:17:00.0", functions: ["0000:17:00.1"] }]);
});
