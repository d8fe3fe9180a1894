// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { Link, LinkRead, PciFunction } from "../../src/domain/device.ts";
import { judge } from "../../src/domain/gate/gate.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import { functionToJudge, hostToJudge } from "../../src/domain/link-reading.ts";
import { type Memory, remember } from "../../src/domain/memory.ts";
import { linkKey } from "../../src/domain/proofs.ts";
import { usesOf } from "../../src/domain/use.ts";
import type { DriverView, Reading } from "../../src/domain/view.ts";
import { aDriver, aFunction, aHost, aMemory, anIntent, aUnit, aView, INSTANCE } from "../support/builders.ts";

const ADDRESS = "0000:17:00.0";
const SECURED: Link = { state: "Secure", tsm: "tsm0", bound: "No", streamSecure: "Yes" };
const read = (registers: string | null): LinkRead => ({ tsm: "Read", registers });
/** What the reader gives for a link whose `tsm/` files block: the registers alone. */
const blocked = (registers: string | null, isOn: boolean): Partial<PciFunction> => ({
  link: { state: isOn ? "Secure" : "Unknown", tsm: "", bound: "Unknown", streamSecure: isOn ? "Yes" : "No" },
  linkRead: { tsm: "Blocked", registers },
});
const idle = aFunction({ linkRead: read("idle") });

/** One more look at a host with this function, as the agent takes it. */
function look(memory: Memory, fn: Partial<PciFunction> | null, driver: Reading<DriverView> = aDriver()) {
  const { units } = groundFrom(aView({ driver }));
  const raw = aView({ driver, host: { kind: "Read", value: aHost({ functions: fn === null ? [] : [aFunction(fn)] }) } });
  const ground = groundFrom({ ...raw, host: hostToJudge(raw.host, { links: memory.links, units }) });
  const seen = ground.functions.get(ADDRESS) ?? null;
  const next = remember(memory, anIntent(), ground);
  const verdict = judge({ purpose: "List", address: ADDRESS, intent: anIntent(), fn: seen, units, driverProblem: "", kubelet: null, memory: next });
  return { memory: next, seen, verdict, ground };
}

describe("a link whose reading blocks", () => {
  it("stands as this process read it in this epoch", () => {
    const before = look(aMemory(), idle).memory;
    const { seen, verdict } = look(before, blocked("idle", false));
    expect(seen).toMatchObject({ link: { state: "Insecure", tsm: "" }, linkRead: { tsm: "Stands" } });
    expect(verdict.reason).toBe("Offered");
    expect(verdict.rules.find((rule) => rule.reason === "LinkUnknown")?.read).toContain("the last reading stands");
    const secured = look(look(aMemory(), idle).memory, { link: SECURED, linkRead: read("on") }).memory;
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
    const secured = look(look(aMemory(), idle).memory, { link: SECURED, linkRead: read("on") }).memory;
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
    const unread = look(aMemory(), { ...idle, linkRead: read(null) }).memory;
    expect(look(unread, blocked(null, false)).verdict.reason).toBe("LinkUnknown");
  });

  it("of a function that was off the bus meanwhile, or gave an error meanwhile, is unknown", () => {
    const gone = look(look(aMemory(), idle).memory, null).memory;
    expect(look(gone, blocked("idle", false)).verdict.reason).toBe("LinkUnknown");
    const failed = look(look(aMemory(), idle).memory, { link: idle.link, linkRead: { tsm: "Failed", registers: "idle" } });
    expect(failed.verdict.reason).toBe("LinkUnknown");
    expect(look(failed.memory, blocked("idle", false)).verdict.reason).toBe("LinkUnknown");
  });

  it("frees nothing while it stands: a TDI may have been bound", () => {
    const { ground, memory } = look(look(aMemory(), idle).memory, blocked("idle", false));
    const uses = usesOf({ ground, lastUnits: memory.lastUnits, ours: new Set(), accounted: new Set(), settleMs: 0 }, "0xfed90000");
    expect(uses).toEqual([{ address: ADDRESS, kind: "Unreadable", by: "tsm/bound" }]);
    const bound = look(aMemory(), { ...idle, link: { ...SECURED, bound: "Yes" } }).memory;
    expect(look(bound, blocked("idle", true)).seen?.link.bound).toBe("Yes");
  });

  it("is the same for one function as for the whole host", () => {
    const { memory } = look(aMemory(), idle);
    const context = { links: memory.links, units: groundFrom(aView()).units };
    const [raw] = [aFunction(blocked("idle", false))];
    const host = hostToJudge({ kind: "Read", value: aHost({ functions: [raw] }) }, context);
    expect(host).toMatchObject({ value: { functions: [functionToJudge(raw, context)] } });
    expect(functionToJudge(raw, { ...context, units: null })).toBe(raw);
  });
});

describe("looks that leave a link unsure", () => {
  it("are counted in a row", () => {
    const counts: number[] = [];
    let memory = aMemory();
    for (const fn of [
      idle,
      blocked("x", false),
      blocked("x", false),
      { link: idle.link, linkRead: { tsm: "Failed", registers: null } } as const,
      idle,
    ]) {
      ({ memory } = look(memory, fn));
      counts.push(memory.unsureLooks);
    }
    expect(counts).toEqual([0, 1, 2, 3, 0]);
  });
});
