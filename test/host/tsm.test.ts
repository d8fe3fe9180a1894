// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { FileReading } from "../../src/host/reading.ts";
import { createTsmReader, type TsmText } from "../../src/host/tsm.ts";
import { loadFlavour } from "../native/flavours.ts";
import { createFakeClock } from "../support/fake-clock.ts";

type Answer = (reading: FileReading<string>) => void;
const value = (text: string): FileReading<string> => ({ kind: "Value", value: text });

/** A kernel whose attributes answer when the test says so. */
function setUp() {
  const open = new Map<string, Answer>();
  const started: string[] = [];
  const clock = createFakeClock();
  const readAttribute = (path: string): Promise<FileReading<string>> =>
    new Promise((resolve) => {
      started.push(path);
      open.set(path, resolve);
    });
  const reader = createTsmReader({ clock, deadlineMs: 100, readAttribute });
  const answer = async (path: string, text: string): Promise<void> => {
    open.get(path)?.(value(text));
    await clock.settle();
  };
  return { reader, clock, started, answer };
}

describe("tsm files", () => {
  it("of one slot are read one at a time, those of another slot meanwhile", async () => {
    const { reader, clock, started, answer } = setUp();
    const first = reader.read("s0", "a", "connect");
    const second = reader.read("s0", "b", "bound");
    void reader.read("s1", "c", "connect");
    await clock.settle();
    expect(started).toEqual(["a/tsm/connect", "c/tsm/connect"]);
    await answer("a/tsm/connect", "tsm0");
    expect(await first).toEqual(value("tsm0"));
    expect(started.slice(2)).toEqual(["b/tsm/bound"]);
    await answer("b/tsm/bound", "");
    expect(await second).toEqual(value(""));
  });

  it("are not read while a link is written, and who asks meanwhile is told at once", async () => {
    const { reader, clock, started, answer } = setUp();
    const under = reader.read("s0", "a", "connect");
    await clock.settle();
    let end = (): void => undefined;
    let hasBegun = false;
    const [earlier, other] = [reader.mark(), reader.mark()];
    const written = reader.without("s0", () => {
      hasBegun = true;
      return new Promise<string>((resolve) => {
        end = () => resolve("ok");
      });
    });
    await clock.settle();
    expect(hasBegun).toBe(false);
    await answer("a/tsm/connect", "");
    expect(await under).toEqual(value(""));
    await clock.settle();
    expect(hasBegun).toBe(true);
    expect(await reader.read("s1", "b", "connect")).toEqual({ kind: "Blocked", why: "this process is writing a link" });
    expect(started).toEqual(["a/tsm/connect"]);
    const during = reader.mark();
    expect([earlier("s0"), during("s0"), other("s1")]).toEqual([true, true, false]);
    end();
    expect(await written).toBe("ok");
    // Who began before its end may have read of before and after.
    expect([earlier("s0"), during("s0"), other("s1"), reader.mark()("s0")]).toEqual([true, true, false, false]);
    void reader.read("s1", "b", "connect");
    await clock.settle();
    expect(started).toEqual(["a/tsm/connect", "b/tsm/connect"]);
  });

  it("that do not answer in time block, and the slot is left alone until the read comes back", async () => {
    const { reader, clock, started, answer } = setUp();
    const stuck = reader.read("s0", "a", "bound");
    await clock.advance(100);
    expect(await stuck).toMatchObject({ kind: "Blocked" });
    expect(await reader.read("s0", "a", "connect")).toMatchObject({ kind: "Blocked" });
    expect(started).toEqual(["a/tsm/bound"]);
    await answer("a/tsm/bound", "");
    const again = reader.read("s0", "a", "bound");
    await clock.settle();
    await answer("a/tsm/bound", "tsm0");
    expect(await again).toEqual(value("tsm0"));
    expect(clock.pending()).toBe(0);
  });

  it("never hold more than two threads, however many slots are stuck", async () => {
    const { reader, clock, started } = setUp();
    for (const slot of ["s0", "s1"]) {
      const stuck = reader.read(slot, slot, "connect");
      await clock.advance(100);
      await stuck;
    }
    expect(await reader.read("s2", "s2", "connect")).toMatchObject({ kind: "Blocked" });
    expect(started).toEqual(["s0/tsm/connect", "s1/tsm/connect"]);
  });
});

describe("a kernel whose lock is held", () => {
  /** A read ends at the deadline that it was given, with the addon's word for it, until the lock is free. */
  function setUpLocked() {
    const clock = createFakeClock();
    const asked: number[] = [];
    let isLocked = true;
    const readAttribute = (_path: string, deadlineMs: number): Promise<FileReading<string>> => {
      asked.push(deadlineMs);
      if (!isLocked) return Promise.resolve(value(""));
      return new Promise((resolve) => clock.after(deadlineMs, () => resolve({ kind: "Unreadable", why: "ETIMEDOUT" })));
    };
    const reader = createTsmReader({ clock, deadlineMs: 100, readAttribute });
    const read = async (slot: string): Promise<TsmText["kind"]> => {
      const reading = reader.read(slot, slot, "connect");
      await clock.advance(50);
      return (await reading).kind;
    };
    const release = (): void => {
      isLocked = false;
    };
    return { asked, read, release };
  }

  it("blocks every slot, each for a tenth of the time of the first, until one answers", async () => {
    const { asked, read, release } = setUpLocked();
    expect([await read("s0"), await read("s1"), await read("s2")]).toEqual(["Blocked", "Blocked", "Blocked"]);
    release();
    expect([await read("s0"), await read("s1")]).toEqual(["Value", "Value"]);
    expect(asked).toEqual([50, 5, 5, 5, 50]);
  });

  it("is told from an attribute that gives an error", async () => {
    const readAttribute = async (): Promise<FileReading<string>> => ({ kind: "Unreadable", why: "EIO" });
    const reader = createTsmReader({ clock: createFakeClock(), deadlineMs: 100, readAttribute });
    expect(await reader.read("s0", "s0", "connect")).toEqual({ kind: "Unreadable", why: "EIO" });
  });
});

describe("the addon's reading of an attribute", () => {
  const { readAttribute } = loadFlavour("release");
  const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-attribute-"));
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("gives the text, or the errno", async () => {
    writeFileSync(join(folder, "text"), "tsm0\n");
    expect(await readAttribute(join(folder, "text"), 100)).toBe("tsm0\n");
    await expect(readAttribute(join(folder, "absent"), 100)).rejects.toMatchObject({ code: "ENOENT", command: "readAttribute" });
    expect(() => Reflect.apply(readAttribute, undefined, ["/dev/null"])).toThrow(TypeError);
  });

  it("is interrupted in the kernel at its deadline, however many hang, and leaves every thread free", async () => {
    const hanging = Array.from({ length: 12 }, () => readAttribute(fifo, 20).catch((thrown: { code: string }) => thrown.code));
    expect(await Promise.all(hanging)).toEqual(Array.from({ length: 12 }, () => "ETIMEDOUT"));
  });
});
