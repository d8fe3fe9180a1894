// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import type { PodResourcesView } from "../domain/view.ts";
import { mayHoldersChange } from "./pass.ts";

describe("holders are looked at again", () => {
  const read = (kubeletSinceMs: number): PodResourcesView => ({ kind: "Read", allocatable: [], pods: [], kubeletSinceMs });
  const nothing = { answers: [], holds: new Map(), podResources: read(0), nowMs: 60_000, settleMs: 10_000 };
  const hold = { epoch: "a/1", resource: "teeio.dev/gpu", freeSinceMs: null };
  const answer = { address: "0000:17:00.0", resource: "teeio.dev/gpu", atMs: 59_000, epoch: "a/1" };

  test.each([
    ["while a device is held, also when podresources leaves its pod out", { holds: new Map([["0000:17:00.0", hold]]) }, true],
    ["while a device is only just free", { holds: new Map([["0000:17:00.0", { ...hold, freeSinceMs: 59_000 }]]) }, true],
    ["after an answer of ours", { answers: [answer] }, true],
    ["after a kubelet start, however empty podresources is", { podResources: read(55_000) }, true],
    ["not when nobody holds anything", {}, false],
    ["not on a machine without kubelet", { podResources: { kind: "None" as const } }, false],
  ])("%s", (_, facts, expected) => {
    expect(mayHoldersChange({ ...nothing, ...facts })).toBe(expected);
  });
});
