// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { type Uevents, watchUevents } from "../../src/host/change.ts";
import { loadFlavour } from "../native/flavours.ts";
import { createFakeClock } from "../support/fake-clock.ts";

interface Wait {
  readonly resolve: () => void;
  readonly reject: (cause: Error) => void;
}

/** A kernel that has news when the test says so. */
function setUp() {
  const clock = createFakeClock();
  const waits: Wait[] = [];
  const problems: string[] = [];
  let isClosed = false;
  const uevents: Uevents = {
    waitChanged: () => new Promise((resolve, reject) => waits.push({ resolve, reject })),
    close: async () => {
      isClosed = true;
      for (const one of waits) one.reject(new Error("ECANCELED"));
    },
  };
  let heard = 0;
  const options = { open: () => uevents, clock, onProblem: (why: string) => problems.push(why) };
  const stop = watchUevents(options, () => {
    heard += 1;
  });
  return { clock, waits, problems, stop, heard: () => heard, isClosed: () => isClosed };
}

describe("the kernel's news", () => {
  it("wakes at once, and a burst of it once more", async () => {
    const { clock, waits, heard, problems } = setUp();
    waits[0]?.resolve();
    await clock.settle();
    expect(heard()).toBe(1);
    expect(waits).toHaveLength(1);
    await clock.advance(100);
    expect(waits).toHaveLength(2);
    waits[1]?.resolve();
    await clock.settle();
    expect(heard()).toBe(2);
    expect(problems).toEqual([]);
  });

  it("ends with a word when the kernel has no more of it", async () => {
    const { clock, waits, heard, problems } = setUp();
    waits[0]?.reject(new Error("EIO"));
    await clock.settle();
    expect(problems).toEqual(["EIO"]);
    expect(heard()).toBe(0);
    expect(clock.pending()).toBe(0);
  });

  it("that cannot be had is said, and nothing else happens", () => {
    const problems: string[] = [];
    const open = (): Uevents => {
      throw new Error("EPROTONOSUPPORT");
    };
    watchUevents({ open, clock: createFakeClock(), onProblem: (why) => problems.push(why) }, () => undefined)();
    expect(problems).toEqual(["EPROTONOSUPPORT"]);
  });

  it("stops without a word", async () => {
    const { clock, problems, stop, isClosed } = setUp();
    stop();
    await clock.settle();
    expect(isClosed()).toBe(true);
    expect(problems).toEqual([]);
    expect(clock.pending()).toBe(0);
  });

  it("is waited for by the addon until it is closed", async () => {
    const uevents = loadFlavour("release").openUevents();
    const waiting = uevents.waitChanged().then(
      () => "news",
      (thrown: { code: string }) => thrown.code,
    );
    await uevents.close();
    // Any device of the machine may have had news meanwhile.
    expect(["ECANCELED", "news"]).toContain(await waiting);
    await expect(uevents.waitChanged()).rejects.toMatchObject({ code: "ECANCELED" });
  });
});
