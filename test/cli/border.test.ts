// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { atBorder, errorText } from "../../src/cli/border.ts";
import { AppError, faultOf } from "../../src/runtime/errors.ts";

test("an error names what is wrong and its code, and what lies below only when that adds something", () => {
  const cause = new Error("connect ECONNREFUSED 10.0.0.1:6443");
  expect(errorText(new AppError("API_UNREACHABLE", "the API server does not answer", { cause }), false)).toBe(
    "trusted-iommu: the API server does not answer\n  (API_UNREACHABLE: connect ECONNREFUSED 10.0.0.1:6443)\n",
  );
  expect(errorText(new AppError("API_UNREACHABLE", `no answer: ${cause.message}`, { cause }), false)).toBe(
    "trusted-iommu: no answer: connect ECONNREFUSED 10.0.0.1:6443\n  (API_UNREACHABLE)\n",
  );
});

test("a path is named once, though Node names it in its error, too", async () => {
  const cause = await readFile("/nowhere/x").catch((thrown: unknown) => thrown);
  const error = new AppError("CONFIG_INVALID", `/nowhere/x cannot be read: ${faultOf(cause)}`, { cause });
  expect(errorText(error, false)).toBe("trusted-iommu: /nowhere/x cannot be read: ENOENT: no such file or directory\n  (CONFIG_INVALID)\n");
});

test("what nobody foresaw always shows its stack", () => {
  expect(errorText(new TypeError("x is not a function"), false)).toContain("border.test.ts");
});

test("the work's result is the exit code, an error has the code of its kind", async () => {
  const lines: string[] = [];
  const errors = { write: (text: string) => lines.push(text) };
  expect(
    await atBorder(
      async () => 3,
      errors,
      () => false,
    ),
  ).toBe(3);
  const locked = () => Promise.reject(new AppError("NODE_LOCKED", "another agent runs"));
  expect(await atBorder(locked, errors, () => true)).toBe(3);
  expect(lines.join("")).toContain("border.test.ts");
});
