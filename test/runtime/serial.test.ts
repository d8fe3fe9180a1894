// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createKeyedLocks, createSerialQueue } from "../../src/runtime/serial.ts";

function gate() {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("keyed locks", () => {
  test("let shared work of a key run together and keep exclusive work out until it is done", async () => {
    const locks = createKeyedLocks();
    const [first, second] = [gate(), gate()];
    const events: string[] = [];
    const work = (name: string, until: Promise<void>) => async () => {
      events.push(`${name} starts`);
      await until;
      events.push(`${name} ends`);
    };
    const all = [
      locks.shared("u", work("a", first.opened)),
      locks.shared("u", work("b", second.opened)),
      locks.exclusive("u", work("clear", Promise.resolve())),
      locks.shared("u", work("c", Promise.resolve())),
    ];
    await settle();
    expect(locks.load("u")).toEqual({ shared: 2, exclusive: false, waiting: 2 });
    first.open();
    await settle();
    second.open();
    await Promise.all(all);
    expect(events).toEqual(["a starts", "b starts", "a ends", "b ends", "clear starts", "clear ends", "c starts", "c ends"]);
    expect(locks.load("u")).toEqual({ shared: 0, exclusive: false, waiting: 0 });
  });

  test("do not hold up other keys", async () => {
    const locks = createKeyedLocks();
    const held = gate();
    const first = locks.exclusive("u", () => held.opened);
    expect(await locks.exclusive("v", async () => "ran")).toBe("ran");
    held.open();
    await first;
  });

  test("give the lock back when the work fails", async () => {
    const locks = createKeyedLocks();
    await expect(locks.exclusive("u", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await locks.exclusive("u", async () => 1)).toBe(1);
  });

  test("answer null at once to whoever does not want to wait", async () => {
    const locks = createKeyedLocks();
    const held = gate();
    const first = locks.shared("u", () => held.opened);
    expect(locks.tryExclusive("u", async () => 1)).toBeNull();
    held.open();
    await first;
    expect(await locks.tryExclusive("u", async () => 1)).toBe(1);
  });

  test("never run exclusive work beside anything, in any order of calls", async () => {
    const call = fc.record({ key: fc.constantFrom("u", "v"), exclusive: fc.boolean(), turns: fc.nat(3), fails: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 30 }), async (calls) => {
        const locks = createKeyedLocks();
        const inside = { u: { shared: 0, exclusive: 0 }, v: { shared: 0, exclusive: 0 } };
        const done = calls.map(({ key, exclusive, turns, fails }) => {
          const mine = inside[key as "u" | "v"];
          const kind = exclusive ? "exclusive" : "shared";
          return locks[kind](key, async () => {
            mine[kind] += 1;
            expect(mine.exclusive === 0 || (mine.exclusive === 1 && mine.shared === 0)).toBe(true);
            for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
            mine[kind] -= 1;
            if (fails) throw new Error("fails");
          }).catch((thrown: Error) => expect(thrown.message).toBe("fails"));
        });
        await Promise.all(done);
        expect(locks.load("u")).toEqual({ shared: 0, exclusive: false, waiting: 0 });
      }),
    );
  });
});

describe("a serial queue", () => {
  test("runs one thing at a time in the order of the calls", async () => {
    const queue = createSerialQueue();
    const events: number[] = [];
    const work = (n: number) => async () => {
      events.push(n);
      await Promise.resolve();
      events.push(n);
    };
    const all = [1, 2, 3].map((n) => queue.run(work(n)));
    expect(queue.size()).toBe(3);
    await Promise.all(all);
    expect(events).toEqual([1, 1, 2, 2, 3, 3]);
    expect(queue.size()).toBe(0);
  });
});
