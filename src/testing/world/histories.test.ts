// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { runHistory } from "./history.ts";
import { Tally } from "./tally.ts";

test("the invariants hold in random histories of the node", async () => {
  const tally = new Tally();
  const broken: string[] = [];
  for (let seed = 1; seed <= 20; seed += 1) {
    const { violations } = await runHistory(seed, tally);
    if (violations.length > 0) broken.push(`seed ${seed}: ${violations[0]}`);
  }
  expect(broken).toEqual([]);
});
