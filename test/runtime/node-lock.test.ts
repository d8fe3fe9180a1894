// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { holderFromLocks } from "../../src/runtime/node-lock.ts";

test("the holder is read from the line of this inode with SQLite's lock byte", () => {
  const text = [
    "1: FLOCK  ADVISORY  WRITE 11 fe:00:77 0 EOF",
    "2: POSIX  ADVISORY  WRITE 22 fe:00:177 1073741824 1073742335",
    "3: POSIX  ADVISORY  WRITE 33 fe:00:77 1073741824 1073742335",
  ].join("\n");
  expect([holderFromLocks(text, 77), holderFromLocks(text, 7)]).toEqual([33, null]);
});
