// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { isFailed, isForgotten, kindOf, type LinkErrorKind, nextAttemptMs, textOf } from "../../../src/domain/links/error.ts";

const failure = (kind: LinkErrorKind, count: number) => ({ kind, count, problem: "EIO", lastMs: 1_000 });

it.each([
  ["EBUSY", "Observe"],
  ["EINTR", "Retry"],
  ["EIO", "Retry"],
  ["ETIMEDOUT", "Retry"],
  ["EKEYREJECTED", "Authentication"],
  ["EACCES", "Authentication"],
  ["EBADMSG", "Authentication"],
  ["ENXIO", "Gone"],
  ["ENOMEM", "Other"],
])("takes %s of a write for %s", (errno, kind) => {
  expect(kindOf({ kind: "Refused", at: "write", errno })).toBe(kind);
});

it("does not take a right that is missing for a device that proves nothing", () => {
  const end = { kind: "Refused", at: "open", errno: "EACCES" } as const;
  expect(kindOf(end)).toBe("Other");
  expect(textOf(end)).toBe("EACCES when opening it, /sys must be writable for the agent");
});

it("gives up soon on what is refused, later on what fails, and never on what may pass", () => {
  expect([1, 2, 3].map((count) => isFailed(failure("Other", count)))).toEqual([false, false, true]);
  expect(isFailed(failure("Authentication", 1))).toBe(true);
  expect([1, 2, 3, 4].map((count) => nextAttemptMs(failure("Other", count)) - 1_000)).toEqual([1_000, 2_000, 300_000, 300_000]);
  expect([1, 3, 9].map((count) => nextAttemptMs(failure("Retry", count)) - 1_000)).toEqual([1_000, 4_000, 30_000]);
  expect(nextAttemptMs(failure("Authentication", 1)) - 1_000).toBe(300_000);
  expect([isForgotten(failure("Other", 3), 300_999), isForgotten(failure("Other", 3), 301_000)]).toEqual([false, true]);
});
