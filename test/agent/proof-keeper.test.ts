// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { createProofKeeper } from "../../src/agent/proof-keeper.ts";
import { NOTHING_PROVEN, type Proofs } from "../../src/domain/proofs.ts";
import { AppError } from "../../src/runtime/errors.ts";
import type { Journal } from "../../src/runtime/journal.ts";
import { silentLog } from "../../src/runtime/log.ts";

const HOLD = { resource: "teeio.dev/gpu", node: "/dev/vfio/devices/vfio0", epoch: "i/0x1", kubelet: "1:2:3" };
const named = (...names: readonly string[]): Proofs => ({ ...NOTHING_PROVEN, names: new Set(names) });

/** A file in memory that can be full. */
function aFile() {
  const file = { lines: null as readonly string[] | null, isFull: false, replaced: 0 };
  const write = (lines: readonly string[]): void => {
    if (file.isFull) throw new AppError("PROOF_UNWRITABLE", "no space left");
    file.lines = lines;
  };
  const journal: Journal = {
    read: async () => file.lines,
    append: async (lines) => write([...(file.lines ?? []), ...lines]),
    replace: async (lines) => {
      write(lines);
      file.replaced += 1;
    },
    close: () => undefined,
  };
  return { file, keeper: () => createProofKeeper({ proofs: journal, log: silentLog }) };
}

test("what one process saved and noted, the next one of this boot loads", async () => {
  const { keeper } = aFile();
  const first = keeper();
  expect(await first.load("boot-1")).toEqual(NOTHING_PROVEN);
  expect(await first.save(named("teeio.dev/gpu"))).toBe("");
  await first.noteHold("0000:17:00.0", HOLD);
  const wanted = { ...named("teeio.dev/gpu"), holds: new Map([["0000:17:00.0", HOLD]]) };
  expect(await keeper().load("boot-1")).toEqual(wanted);
  expect(await keeper().load("boot-2")).toEqual(NOTHING_PROVEN);
  expect(await keeper().load(null)).toEqual(NOTHING_PROVEN);
});

test("only changes are written", async () => {
  const { file, keeper } = aFile();
  const one = keeper();
  await one.load("boot-1");
  for (const proofs of [named("a"), named("a"), named("a", "b"), named("b")]) await one.save(proofs);
  expect([file.replaced, file.lines?.length]).toEqual([1, 4]);
  expect(await keeper().load("boot-1")).toEqual(named("b"));
});

test("a hold that the file says already is not written again, and one that ended is", async () => {
  const { file, keeper } = aFile();
  const one = keeper();
  await one.load("boot-1");
  await one.save(named("a"));
  await one.noteHold("0000:17:00.0", HOLD);
  const lines = file.lines?.length ?? 0;
  await one.noteHold("0000:17:00.0", { ...HOLD });
  expect(file.lines?.length).toBe(lines);
  // A save that ends the hold is ahead in the queue.
  const saved = one.save(named("a"));
  await one.noteHold("0000:17:00.0", HOLD);
  await saved;
  expect((await keeper().load("boot-1")).holds.get("0000:17:00.0")).toEqual(HOLD);
  await one.noteHold("0000:17:00.0", { ...HOLD, node: "/dev/vfio/devices/vfio7" });
  expect((await keeper().load("boot-1")).holds.get("0000:17:00.0")?.node).toBe("/dev/vfio/devices/vfio7");
});

test("after a failure the file is written anew, with what was missed", async () => {
  const { file, keeper } = aFile();
  const one = keeper();
  await one.load("boot-1");
  await one.save(named("a"));
  file.isFull = true;
  expect(await one.save(named("a", "b"))).toContain("no space left");
  await expect(one.noteHold("0000:17:00.0", HOLD)).rejects.toMatchObject({ code: "PROOF_UNWRITABLE" });
  file.isFull = false;
  expect(await one.save(named("a", "b", "c"))).toBe("");
  expect(await keeper().load("boot-1")).toEqual(named("a", "b", "c"));
});

test("nothing is noted before the file is this process's own", async () => {
  const { keeper } = aFile();
  const one = keeper();
  await one.load("boot-1");
  await expect(one.noteHold("0000:17:00.0", HOLD)).rejects.toMatchObject({ code: "PROOF_UNWRITABLE" });
});

test("a file that cannot be read or was tampered with proves nothing", async () => {
  const { file, keeper } = aFile();
  const one = keeper();
  await one.load("boot-1");
  await one.save(named("a"));
  file.lines = [...(file.lines ?? []), '["trust","0000:17:00.0"]'];
  expect(await keeper().load("boot-1")).toEqual(NOTHING_PROVEN);
  const refusing = { read: () => Promise.reject(new AppError("PROOF_UNREADABLE", "not ours")) } as unknown as Journal;
  expect(await createProofKeeper({ proofs: refusing, log: silentLog }).load("boot-1")).toEqual(NOTHING_PROVEN);
});
