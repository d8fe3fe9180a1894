// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { AppError } from "../../src/runtime/errors.ts";
import { EXIT_CODES, exitCodeOf } from "../../src/runtime/exit-codes.ts";

test("an error that says what is wrong has a code of its own, an unforeseen one counts as a bug", () => {
  expect(exitCodeOf(new AppError("MANIFEST_INVALID", ""))).toBe(EXIT_CODES.Usage);
  expect(exitCodeOf(new AppError("NODE_LOCKED", ""))).toBe(EXIT_CODES.NodeLocked);
  expect(exitCodeOf(new AppError("STALE_ID", ""))).toBe(EXIT_CODES.Failed);
  expect(exitCodeOf(new TypeError("x is not a function"))).toBe(EXIT_CODES.Internal);
});

test("no two exit codes are the same", () => {
  expect(new Set(Object.values(EXIT_CODES)).size).toBe(Object.keys(EXIT_CODES).length);
});
