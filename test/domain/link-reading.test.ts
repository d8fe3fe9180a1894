// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { Tristate, TsmRead } from "../../src/domain/device.ts";
import { gateInputsOn } from "../../src/domain/gate/basis.ts";
import { judge } from "../../src/domain/gate/gate.ts";
import { groundFrom, inSlot } from "../../src/domain/ground.ts";
import { hostToJudge, toJudge } from "../../src/domain/link-reading.ts";
import { type Memory, remember } from "../../src/domain/memory.ts";
import { linkKey } from "../../src/domain/proofs.ts";
import type { FunctionInSlot, Link } from "../../src/domain/slot.ts";
import { usesOf } from "../../src/domain/use.ts";
import type { DriverView, Reading } from "../../src/domain/view.ts";
import { aDriver, aFunction, aHost, aMemory, anIntent, aSlot, aUnit, aView, INSTANCE } from "../support/builders.ts";

const ADDRESS = "0000:17:00.0";
const SECURED: Link = { state: "Secure", tsm: "tsm0", streamSecure: "Yes" };
const INSECURE: Link = { state: "Insecure", tsm: "", streamSecure: "No" };
const UNREAD: Link = { state: "Unknown", tsm: "", streamSecure: "No" };

/** What a look shows of the device: the link, how it was read, and `tsm/bound`. */
interface Shown {
  readonly link: Link;
  readonly tsm: TsmRead;
  readonly registers: string | null;
  readonly bound?: Tristate;
}

const read = (link: Link, registers: string | null, bound: Tristate = "No"): Shown => ({ link, tsm: "Read", registers, bound });
const idle = read(INSECURE, "idle");
const on = read(SECURED, "on");
/** What the reader gives for a link whose `tsm/` files block: the registers alone. */
const blocked = (registers: string | null, isOn: boolean): Shown => {
  const link: Link = isOn ? { state: "Secure", tsm: "", streamSecure: "Yes" } : UNREAD;
  return { link, tsm: "Blocked", registers, bound: "Unknown" };
};
const inSlotAs = ({ link, tsm, registers, bound = "No" }: Shown): FunctionInSlot => ({
  fn: aFunction({ bound, boundRead: tsm === "Writing" ? "Blocked" : tsm }),
  slot: aSlot({ link, linkRead: { tsm, registers, problem: "" } }),
});

/** One more look at a host with this device, as the agent takes it. */
function look(memory: Memory, shown: Shown | null, driver: Reading<DriverView> = aDriver(), nowMs = aView().nowMs) {
  const { units } = groundFrom(aView({ driver }));
  const there = shown === null ? [] : [inSlotAs(shown)];
  const value = aHost({ functions: there.map(({ fn }) => fn), slots: there.map(({ slot }) => slot) });
  const raw = aView({ driver, nowMs, host: { kind: "Read", value } });
  const ground = groundFrom({ ...raw, host: hostToJudge(raw.host, { links: memory.links, units, writing: null }) });
  const seen = inSlot(ground, ADDRESS);
  const next = remember(memory, anIntent(), ground);
  const verdict = judge(gateInputsOn({ intent: anIntent(), driver, memory: next }, "List")(ADDRESS, seen));
  return { memory: next, seen, verdict, ground };
}

describe("a link whose reading blocks", () => {
  it("keeps the streams that were left while this process writes, and has those that are left while somebody else does", () => {
    const { links } = look(aMemory(), idle).memory;
    const { units } = groundFrom(aView({ driver: aDriver() }));
    const { fn, slot } = inSlotAs(blocked("idle", false));
    const taken = { fn, slot: { ...slot, streamsLeft: 3, blocksLeft: { endpoint: 1, rootPort: 3 } } };
    const judged = (writing: string | null) => toJudge(taken, { links, units, writing }).slot;
    for (const writing of [ADDRESS, "0000:99:00.0"])
      expect(judged(writing)).toMatchObject({ streamsLeft: 4, blocksLeft: { endpoint: 1, rootPort: 4 } });
    expect(judged(null)).toMatchObject({ streamsLeft: 3, blocksLeft: { endpoint: 1, rootPort: 3 } });
  });

  it("stands as another look read it that was remembered while this one was taken", () => {
    const before = look(aMemory(), idle, aDriver(), 1_000).memory;
    const newer = look(before, on, aDriver(), 2_000).memory;
    // Judged by what was known when it began, and remembered after the other one.
    const late = look(before, blocked("on", true), aDriver(), 3_000);
    expect(late.verdict.reason).toBe("LinkUnknown");
    const after = remember(newer, anIntent(), late.ground);
    expect(look(after, blocked("on", true), aDriver(), 4_000).seen?.slot).toMatchObject({ link: SECURED, linkRead: { tsm: "Stands" } });
  });

  it("stands as this process read it in this epoch", () => {
    const before = look(aMemory(), idle).memory;
    const { seen, verdict } = look(before, blocked("idle", false));
    expect(seen).toMatchObject({ slot: { link: { state: "Insecure", tsm: "" }, linkRead: { tsm: "Stands" } }, fn: { boundRead: "Stands" } });
    expect(verdict.reason).toBe("Offered");
    expect(verdict.rules.find((rule) => rule.reason === "LinkUnknown")?.read).toContain("the last reading stands");
    const secured = look(look(aMemory(), idle).memory, on).memory;
    expect(look(secured, blocked("on", true)).verdict.offered).toBe(true);
  });

  it("stands for look after look, against the reading and not against the look before", () => {
    let { memory } = look(aMemory(), idle);
    for (let looks = 0; looks < 3; looks += 1) {
      const next = look(memory, blocked("idle", false));
      expect(next.verdict.reason).toBe("Offered");
      ({ memory } = next);
    }
  });

  it("is unknown from the first register that differs, also when it is as before again", () => {
    const secured = look(look(aMemory(), idle).memory, on).memory;
    const changed = look(secured, blocked("off", false));
    expect(changed.verdict.reason).toBe("LinkUnknown");
    expect(look(changed.memory, blocked("on", true)).verdict.reason).toBe("LinkUnknown");
    expect(look(secured, blocked(null, false)).verdict.reason).toBe("LinkUnknown");
  });

  it("is unknown to a process that has not read it, has read it in another epoch, or could not read its registers", () => {
    expect(look(aMemory({ checkedLinks: new Set([linkKey("0000:17:00.0", `${INSTANCE}/0x1`)]) }), blocked("idle", false)).verdict.reason).toBe(
      "LinkUnknown",
    );
    const later = look(look(aMemory(), idle).memory, blocked("idle", false), aDriver([aUnit({ setupSeq: 2n })]));
    expect(later.verdict.offered).toBe(false);
    const untrusted = look(aMemory(), idle, aDriver([aUnit({ state: "Untrusted" })])).memory;
    expect(look(untrusted, blocked("idle", false)).verdict.offered).toBe(false);
    const unread = look(aMemory(), read(INSECURE, null)).memory;
    expect(look(unread, blocked(null, false)).verdict.reason).toBe("LinkUnknown");
  });

  it("of a function that was off the bus meanwhile, or gave an error meanwhile, is unknown", () => {
    const gone = look(look(aMemory(), idle).memory, null).memory;
    expect(look(gone, blocked("idle", false)).verdict.reason).toBe("LinkUnknown");
    const failed = look(look(aMemory(), idle).memory, { link: INSECURE, tsm: "Failed", registers: "idle" });
    expect(failed.verdict.reason).toBe("LinkUnknown");
    expect(look(failed.memory, blocked("idle", false)).verdict.reason).toBe("LinkUnknown");
  });

  it("stands whatever its registers read when this process was writing it meanwhile, and proves nothing", () => {
    const before = look(aMemory(), idle).memory;
    for (const link of [UNREAD, SECURED, INSECURE]) {
      const meanwhile = look(before, { link, tsm: "Writing", registers: "on", bound: "Unknown" });
      expect(meanwhile.seen).toMatchObject({ slot: { link: INSECURE, linkRead: { tsm: "Writing" } } });
      expect(meanwhile.verdict.reason).toBe("Offered");
      expect(meanwhile.memory.links).toEqual(before.links);
    }
    const unknown = look(aMemory(), { link: SECURED, tsm: "Writing", registers: "on" });
    expect(unknown.verdict.reason).toBe("LinkUnknown");
  });

  it("stands as the look read it that began last, also when an older one ends after it", () => {
    const at = (memory: Memory, shown: Shown, nowMs: number) => look(memory, shown, aDriver(), nowMs);
    const newer = at(at(aMemory(), idle, 1_000).memory, on, 3_000).memory;
    for (const older of [idle, blocked("idle", false)]) {
      const { memory } = at(newer, older, 2_000);
      expect(at(memory, blocked("on", true), 4_000).seen).toMatchObject({ slot: { link: SECURED, linkRead: { tsm: "Stands" } } });
    }
  });

  it("frees nothing while it stands: a TDI may have been bound", () => {
    const { ground, memory } = look(look(aMemory(), idle).memory, blocked("idle", false));
    const uses = usesOf({ ground, lastUnits: memory.lastUnits, ours: new Set(), accounted: new Set(), settleMs: 0 }, "0xfed90000");
    expect(uses).toEqual([{ address: ADDRESS, kind: "Unreadable", by: "tsm/bound" }]);
    const bound = look(aMemory(), read(SECURED, "idle", "Yes")).memory;
    expect(look(bound, blocked("idle", true)).seen?.fn.bound).toBe("Yes");
  });

  it("is the same for one function as for the whole host", () => {
    const { memory } = look(aMemory(), idle);
    const context = { links: memory.links, units: groundFrom(aView()).units, writing: null };
    const raw = inSlotAs(blocked("idle", false));
    const host = hostToJudge({ kind: "Read", value: aHost({ functions: [raw.fn], slots: [raw.slot] }) }, context);
    const judged = toJudge(raw, context);
    expect(host).toMatchObject({ value: { functions: [judged.fn], slots: [judged.slot] } });
    expect(judged).not.toEqual(raw);
    expect(toJudge(raw, { ...context, units: null })).toEqual(raw);
  });
});

describe("looks that leave a link unsure", () => {
  it("are counted in a row", () => {
    const counts: number[] = [];
    let memory = aMemory();
    const failed: Shown = { link: INSECURE, tsm: "Failed", registers: null };
    for (const shown of [idle, blocked("x", false), blocked("x", false), failed, idle]) {
      ({ memory } = look(memory, shown));
      counts.push(memory.unsureLooks);
    }
    expect(counts).toEqual([0, 1, 2, 3, 0]);
  });
});
