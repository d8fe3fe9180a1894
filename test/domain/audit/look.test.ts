// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { tellDeed, tellList } from "../../../src/domain/audit/deed.ts";
import type { AuditEvent } from "../../../src/domain/audit/event.ts";
import { tellLook } from "../../../src/domain/audit/look.ts";
import { type Look, NOTHING_SEEN, type Seen } from "../../../src/domain/audit/seen.ts";
import { groundFrom } from "../../../src/domain/ground.ts";
import type { Hold } from "../../../src/domain/holds.ts";
import { linkKey } from "../../../src/domain/proofs.ts";
import type { Link } from "../../../src/domain/slot.ts";
import type { DriverUnit } from "../../../src/domain/unit.ts";
import type { Answer, NodeView } from "../../../src/domain/view.ts";
import {
  aClaim,
  aDraView,
  aDriver,
  aFunction,
  aHost,
  aMemory,
  anInfo,
  anIntent,
  aUnit,
  aView,
  GPU,
  INSTANCE,
  KUBELET,
  linked,
  REG_BASE,
} from "../../support/builders.ts";

const DEVICE = "0000:17:00.0";
const EPOCH = `${INSTANCE}/0x1`;
const OFF: Link = { state: "Insecure", tsm: "", streamSecure: "No" };
const ON: Link = { state: "Secure", tsm: "tsm0", streamSecure: "Yes" };
const BROKEN: Link = { state: "Secure", tsm: "tsm0", streamSecure: "No" };
const HELD: Hold = { epoch: EPOCH, resource: GPU, node: null, claim: null, kubelet: KUBELET, pod: "ml/train", freeSinceMs: null };

interface World {
  readonly unit?: Partial<DriverUnit> | null;
  readonly link?: Link;
  readonly checked?: readonly string[];
  readonly hold?: Hold;
  readonly view?: Partial<NodeView>;
}

let nowMs = 0;
function look({ unit = {}, link = OFF, checked = [], hold, view = {} }: World = {}): Look {
  nowMs += 1_000;
  const driver = aDriver(unit === null ? [] : [aUnit(unit)]);
  const ground = groundFrom(aView({ nowMs, driver, host: { kind: "Read", value: aHost(linked(link)) }, ...view }));
  const holds = new Map(hold ? [[DEVICE, hold] as const] : []);
  return { intent: anIntent(), ground, memory: aMemory({ checkedLinks: new Set(checked), holds, lastUnits: new Map([[DEVICE, REG_BASE]]) }) };
}

const told = (events: readonly AuditEvent[]): readonly string[] => events.map(({ event, by }) => (by === "other" ? event : `${event} by ${by}`));

/** What the second of two looks tells. */
function then(first: World, second: World, between: (seen: Seen) => Seen = (seen) => seen): readonly string[] {
  return told(tellLook(between(tellLook(NOTHING_SEEN, look(first)).seen), look(second)).events);
}

const wrote = (kind: "Connect" | "Disconnect") => (seen: Seen) =>
  tellDeed(seen, {
    kind: "Link",
    step: kind === "Connect" ? { kind, owner: DEVICE, tsm: "tsm0" } : { kind, owner: DEVICE, tsm: "tsm0", isRepair: false },
  }).seen;
const UNTRUSTED = { state: "Untrusted" } as const;

describe("a first look", () => {
  test("tells what is so, and nothing of what is not", () => {
    expect(told(tellLook(NOTHING_SEEN, look({ unit: UNTRUSTED })).events)).toEqual([]);
    const all = tellLook(NOTHING_SEEN, look({ link: ON, checked: [linkKey(DEVICE, EPOCH)], hold: HELD }));
    expect(told(all.events)).toEqual(["UnitFoundTrusted", "LinkChecked by agent", "DeviceFoundHeld", "LinkFoundSecured"]);
    expect(all.events.map(({ unit, epoch }) => [unit, epoch])).toEqual(Array.from({ length: 4 }, () => [REG_BASE, EPOCH]));
    expect(all.events.at(-1)).toMatchObject({ address: DEVICE, slot: DEVICE });
  });

  test("tells of a link that is connected without a stream", () => {
    expect(told(tellLook(NOTHING_SEEN, look({ link: BROKEN })).events)).toEqual(["UnitFoundTrusted", "LinkBroken"]);
  });
});

describe("a later look tells of a unit", () => {
  const CALLED = (kind: "Setup" | "Clear") => (seen: Seen) => tellDeed(seen, { kind, regBase: REG_BASE }).seen;
  test.each<[string, readonly string[], World, World, ((seen: Seen) => Seen)?]>([
    ["nothing new", [], {}, {}],
    ["that this agent has set up", ["UnitSetUp by agent"], { unit: UNTRUSTED }, {}, CALLED("Setup")],
    ["that somebody else has set up", ["UnitSetUp"], { unit: UNTRUSTED }, {}],
    ["that this agent has cleared", ["UnitCleared by agent"], {}, { unit: UNTRUSTED }, CALLED("Clear")],
    ["that somebody else has cleared", ["UnitCleared"], {}, { unit: UNTRUSTED }],
    ["that was lost", ["UnitLost"], {}, { unit: { state: "Unknown", tdxIommuId: 1n } }],
    ["that failed", ["UnitLost"], {}, { unit: { state: "Failed", tdxIommuId: null } }],
    ["that the driver does not list any more", ["UnitLost"], {}, { unit: null }],
    ["that is in another span of trust", ["UnitLost", "UnitSetUp"], {}, { unit: { setupSeq: 2n } }],
    ["that is being cleared: nothing yet", [], {}, { unit: { state: "Clearing", tdxIommuId: 1n } }],
    ["of a driver that cannot be read: nothing", [], {}, { view: { driver: { kind: "Unreadable", why: "EIO" } } }],
  ])("%s", (_, events, first, second, between) => {
    expect(then(first, second, between)).toEqual(events);
  });

  test("that was lost and cleared, and one whose module was loaded anew", () => {
    const lost = tellLook(tellLook(NOTHING_SEEN, look()).seen, look({ unit: { state: "Unknown", tdxIommuId: 1n } }));
    expect(told(tellLook(lost.seen, look({ unit: UNTRUSTED })).events)).toEqual(["UnitCleared"]);
    const table = { instance: "f".repeat(32), generation: 1n, units: [aUnit(UNTRUSTED)] };
    const driver = { kind: "Read" as const, value: { name: "simulated", info: anInfo({ instance: table.instance }), table } };
    expect(then({}, { view: { driver } })).toEqual(["UnitLost"]);
  });

  test("that is trusted again in the same span, which no SETUP was for", () => {
    const away = tellLook(tellLook(NOTHING_SEEN, look()).seen, look({ view: { driver: aDriver([aUnit()], { environment: "NotReady" }) } }));
    expect([told(away.events), told(tellLook(away.seen, look()).events)]).toEqual([["UnitLost"], ["UnitFoundTrusted"]]);
  });

  test("nothing by a table that is older than what was told", () => {
    const at = (generation: bigint, unit: Partial<DriverUnit>): World => {
      const table = { instance: INSTANCE, generation, units: [aUnit(unit)] };
      return { view: { driver: { kind: "Read", value: { name: "simulated", info: anInfo(), table } } } };
    };
    expect(then(at(7n, {}), at(6n, UNTRUSTED))).toEqual([]);
  });
});

describe("a later look tells of a link", () => {
  test.each<[string, readonly string[], World, World, ((seen: Seen) => Seen)?]>([
    ["that this agent secured", ["LinkSecured by agent"], {}, { link: ON }, wrote("Connect")],
    ["that somebody else secured", ["LinkFoundSecured"], {}, { link: ON }],
    ["that this agent released", ["LinkReleased by agent"], { link: ON }, {}, wrote("Disconnect")],
    ["that somebody else released", ["LinkReleased"], { link: ON }, {}],
    ["that was reset", ["LinkBroken"], { link: ON }, { link: BROKEN }],
    ["whose slot has left the bus", ["LinkGone"], { link: ON }, { view: { host: { kind: "Read", value: aHost({ functions: [] }) } } }],
    ["that is unknown: nothing", [], { link: ON }, { link: { state: "Unknown", tsm: "", streamSecure: "Unknown" } }],
    ["of a host that cannot be read: nothing", [], { link: ON }, { view: { host: { kind: "Unreadable", why: "EIO" } } }],
    ["that was read insecure after SETUP", ["LinkChecked by agent"], {}, { checked: [linkKey(DEVICE, EPOCH)] }],
  ])("%s", (_, events, first, second, between) => {
    expect(then(first, second, between)).toEqual(events);
  });

  test("once, and not of slots that no resource takes", () => {
    const seen = tellLook(tellLook(NOTHING_SEEN, look()).seen, look({ checked: [linkKey(DEVICE, EPOCH)] })).seen;
    expect(tellLook(seen, look({ checked: [linkKey(DEVICE, EPOCH), linkKey("0000:99:00.0", EPOCH)] })).events).toEqual([]);
  });

  test("that this agent secured, and no more by it when it was lost and came back", () => {
    const secured = tellLook(wrote("Connect")(tellLook(NOTHING_SEEN, look()).seen), look({ link: ON })).seen;
    const broken = tellLook(secured, look({ link: BROKEN })).seen;
    expect(told(tellLook(broken, look({ link: ON })).events)).toEqual(["LinkFoundSecured"]);
  });

  test("nothing by a reading that began before the newest one", () => {
    const seen = tellLook(NOTHING_SEEN, look({ link: ON })).seen;
    expect(tellLook(seen, look({ view: { nowMs: 1 } })).events).toEqual([]);
  });
});

describe("a later look tells of a device", () => {
  const answer: Answer = { address: DEVICE, resource: GPU, node: null, atMs: 0, epoch: EPOCH, claim: null, kubelet: KUBELET };
  const given = (seen: Seen): Seen => tellDeed(seen, { kind: "Allocate", answer: { ...answer, atMs: nowMs } }).seen;

  test("that is free in every view", () => {
    expect(then({ hold: HELD }, { hold: { ...HELD, freeSinceMs: 5 } })).toEqual(["DeviceFree"]);
    expect(then({ hold: HELD }, {})).toEqual(["DeviceFree"]);
  });

  test("that was only just given away: nothing, whatever the views show", () => {
    expect(then({}, { hold: { ...HELD, pod: "", freeSinceMs: 5 } }, given)).toEqual([]);
  });

  test("that somebody has, and not that it cannot be seen to be free", () => {
    expect(then({}, { hold: HELD })).toEqual([]);
    const host = { kind: "Read" as const, value: aHost({ functions: [aFunction({ holders: { kind: "Known", pids: [7] } })] }) };
    expect(then({}, { hold: HELD, view: { host } })).toEqual(["DeviceFoundHeld"]);
  });
});

test("a look tells what ended before what began, and forgets nothing", () => {
  const other = { ...HELD, pod: "" };
  const host = { kind: "Read" as const, value: aHost({ ...linked(OFF, [aFunction({ holders: { kind: "Known", pids: [7] } })]) }) };
  expect(then({ link: ON }, { unit: UNTRUSTED, hold: other, view: { host } })).toEqual(["LinkReleased", "UnitCleared", "DeviceFoundHeld"]);
  expect(then({ hold: HELD }, { unit: UNTRUSTED, link: ON })).toEqual(["DeviceFree", "UnitCleared", "LinkFoundSecured"]);
});

describe("deeds", () => {
  const seen = tellLook(NOTHING_SEEN, look()).seen;
  const answer: Answer = { address: DEVICE, resource: GPU, node: "/dev/vfio/devices/vfio0", atMs: 1e9, epoch: EPOCH, claim: null, kubelet: KUBELET };

  test("are told with whom they are about", () => {
    const { events } = tellDeed(seen, { kind: "Allocate", answer });
    expect(events).toEqual([
      {
        event: "DeviceAllocated",
        by: "kubelet",
        address: DEVICE,
        slot: DEVICE,
        unit: REG_BASE,
        epoch: EPOCH,
        detail: `${GPU} /dev/vfio/devices/vfio0`,
      },
    ]);
  });

  test.each<[string, readonly string[], Parameters<typeof tellDeed>[1]]>([
    ["an answer that did not come about", ["DeviceFree by agent"], { kind: "NotGiven", answer }],
    ["a connect", ["LinkSecuring by agent"], { kind: "Link", step: { kind: "Connect", owner: DEVICE, tsm: "tsm0" } }],
    ["a repair", ["LinkRepair by agent"], { kind: "Link", step: { kind: "Disconnect", owner: DEVICE, tsm: "tsm0", isRepair: true } }],
    ["a release", ["LinkReleasing by agent"], { kind: "Link", step: { kind: "Disconnect", owner: DEVICE, tsm: "tsm0", isRepair: false } }],
    ["a driver", ["DriverBound by agent"], { kind: "Driver", address: DEVICE, to: "Vfio" }],
    ["a driver given back", ["DriverGivenBack by agent"], { kind: "Driver", address: DEVICE, to: "Native" }],
    ["the end", ["AgentStopped by agent"], { kind: "Stop" }],
    ["a SEAMCALL: what came of it is told by the next look", [], { kind: "Setup", regBase: REG_BASE }],
  ])("%s", (_, events, deed) => {
    expect(told(tellDeed(seen, deed).events)).toEqual(events);
  });

  test("a start tells first that its link is secured, if that was read for it, and an older look changes nothing of it", () => {
    const slot = linked(ON).slots[0] ?? null;
    const started = tellDeed(wrote("Connect")(seen), { kind: "PreStart", answer, slot });
    expect(told(started.events)).toEqual(["LinkSecured by agent", "DeviceStarted by kubelet"]);
    expect(tellLook(started.seen, look()).events).toEqual([]);
  });

  test("lists tell what came and what went", () => {
    const events = tellList(seen, new Set([`${GPU} a`, `${GPU} b`]), new Set([`${GPU} b`, `${GPU} ${DEVICE}`]));
    expect(events.map(({ event, address, epoch }) => [event, address, epoch])).toEqual([
      ["DeviceWithdrawn", "a", ""],
      ["DeviceOffered", DEVICE, EPOCH],
    ]);
  });
});

describe("a claim", () => {
  const inClaim = (link: Link = OFF): World => ({ link, view: { dra: aDraView({ claims: { kind: "Read", value: [aClaim()] } }) } });
  const inDra: World = { view: { dra: aDraView() } };
  const prepared: Answer = { address: DEVICE, resource: "teeio.dev", node: null, atMs: 0, epoch: EPOCH, kubelet: null, claim: "c-1" };

  test("that the scheduler allocates is told as soon as it is seen, before the link that is secured for it", () => {
    expect(then(inDra, inClaim())).toEqual(["DeviceAllocated"]);
    expect(then(inDra, inClaim(ON), wrote("Connect"))).toEqual(["DeviceAllocated", "LinkSecured by agent"]);
    expect(then(inClaim(), inClaim())).toEqual([]);
    expect(then(inClaim(), inDra)).toEqual(["DeviceFree"]);
  });

  test("that was allocated before this process looked proves nothing about the order", () => {
    expect(told(tellLook(NOTHING_SEEN, look(inClaim())).events)).toEqual(["UnitFoundTrusted", "DeviceFoundHeld"]);
  });

  test("whose preparation comes before a look has shown it is told as allocated then, and once", () => {
    const deed = (seen: Seen) => tellDeed(seen, { kind: "Prepare", answer: prepared, slot: null });
    const unseen = deed(tellLook(NOTHING_SEEN, look(inDra)).seen);
    expect(told(unseen.events)).toEqual(["DeviceAllocated by kubelet", "DeviceStarted by kubelet"]);
    expect(told(deed(unseen.seen).events)).toEqual(["DeviceStarted by kubelet"]);
    expect(then(inDra, inClaim(), (seen) => deed(seen).seen)).toEqual([]);
  });
});
