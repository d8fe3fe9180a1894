// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { PciFunction } from "../../../src/domain/device.ts";
import { linkTaintsOfStart } from "../../../src/domain/dra/link-taint-memory.ts";
import { DRA_DRIVER } from "../../../src/domain/dra/names.ts";
import { groundFrom } from "../../../src/domain/ground.ts";
import type { Hold } from "../../../src/domain/holds.ts";
import type { Intent } from "../../../src/domain/intent.ts";
import { carriedOn } from "../../../src/domain/links/use.ts";
import { NO_LINK_WORK } from "../../../src/domain/links/work.ts";
import { type Memory, remember } from "../../../src/domain/memory.ts";
import { linkStepsOf, planLink, planLinks } from "../../../src/domain/plan/links.ts";
import { linkKey } from "../../../src/domain/proofs.ts";
import type { Link, Slot } from "../../../src/domain/slot.ts";
import type { NodeView } from "../../../src/domain/view.ts";
import {
  aClaim,
  aDraView,
  aDriver,
  aFunction,
  aHost,
  aMemory,
  anIntent,
  aSlot,
  aUnit,
  aView,
  GPU,
  INSTANCE,
  KUBELET,
  linkTaints,
} from "../../support/builders.ts";

const OWNER = "0000:17:00.0";
const SECOND = "0000:17:00.1";
const EPOCH = `${INSTANCE}/0x1`;
const NODE = "/dev/vfio/devices/vfio0";
const SECURED: Link = { state: "Secure", tsm: "tsm0", streamSecure: "Yes" };
const LOST: Link = { state: "Secure", tsm: "tsm0", streamSecure: "No" };
const ON_PREPARE = anIntent({ link: { enable: "OnPrepare" } });
const CONNECT = { kind: "Connect", owner: OWNER, tsm: "tsm0" };
const RELEASE = { kind: "Disconnect", owner: OWNER, tsm: "tsm0", isRepair: false };
const REPAIR = { ...RELEASE, isRepair: true };
const checkedLinks = new Set([linkKey(OWNER, EPOCH)]);
const HELD: Hold = { epoch: EPOCH, resource: GPU, node: NODE, claim: null, kubelet: KUBELET, pod: "ml/train", freeSinceMs: null };
const open = { kind: "Known", pids: [4711] } as const;

interface Given {
  readonly slot?: Partial<Slot>;
  readonly functions?: readonly PciFunction[];
  readonly memory?: Partial<Memory>;
  readonly intent?: Intent;
  readonly view?: Partial<NodeView>;
}

function inputs({ slot, functions = [aFunction()], memory, intent = ON_PREPARE, view }: Given) {
  const host = { kind: "Read" as const, value: aHost({ functions, slots: [aSlot({ ...slot })] }) };
  return { intent, ground: groundFrom(aView({ host, ...view })), memory: aMemory({ checkedLinks, ...memory }) };
}

const plan = (given: Given) => planLink(inputs(given), OWNER);
const holds = new Map([[OWNER, HELD]]);
const work = (over: Partial<typeof NO_LINK_WORK>) => ({ linkWork: { ...NO_LINK_WORK, ...over } });
/** The registers have rested for long enough, at the time of `aView`. */
const steady = new Map([[OWNER, { registers: "idle", sinceMs: 0 }]]);

describe("which links are written", () => {
  it.each([
    ["nobody asks for links", { intent: anIntent() }],
    ["another program secures them", { intent: anIntent({ link: { enable: "External" } }) }],
    ["no resource takes a function of the slot", { functions: [aFunction({ vendor: "1234" })] }],
    ["the unit is not selected", { intent: { ...ON_PREPARE, units: { regBases: ["0x1000"] } } }],
    ["it is a root port's", { slot: { port: "FarEnd" } }],
    ["it is a switch's, with others below it", { slot: { port: "Upstream" } }],
  ] as const)("none where %s", (_why, given) => {
    expect(plan({ ...given, memory: { holds } })).toBeNull();
    expect(planLinks(inputs(given))).toEqual([]);
  });
});

describe("a link that nobody has secured", () => {
  it("is secured for who was given a function of the slot in this epoch, and for nobody else", () => {
    expect(plan({ memory: { holds } })?.step).toEqual(CONNECT);
    expect(plan({})?.step).toBeNull();
    for (const hold of [
      { ...HELD, epoch: `${INSTANCE}/0x2` },
      { ...HELD, epoch: null },
      { ...HELD, freeSinceMs: 1 },
    ])
      expect(plan({ memory: { holds: new Map([[OWNER, hold]]) } })?.step).toBeNull();
    expect(plan({ memory: { holds }, view: { driver: aDriver([aUnit({ state: "Untrusted" })]) } })?.step).toBeNull();
    // Just answered: no view has shown the pod yet.
    expect(plan({ memory: { holds: new Map([[OWNER, { ...HELD, pod: "", freeSinceMs: 1 }]]) } })?.step).toEqual(CONNECT);
  });

  it.each([
    ["the intent is Cleared", { intent: { ...ON_PREPARE, state: "Cleared" } }],
    ["its links were not read again since SETUP", { memory: { verifying: new Set([aUnit().regBase]) } }],
    ["it was not read insecure since SETUP", { memory: { checkedLinks: new Set<string>() } }],
    ["another function of the slot is below no known unit", { functions: [aFunction(), aFunction({ address: SECOND, unit: { kind: "None" } })] }],
    ["the device has another node", { functions: [aFunction({ vfioCdev: "/dev/vfio/devices/vfio7" })] }],
    ["no stream is left", { slot: { streamsLeft: 0 } }],
    ["every block of the root port is on", { slot: { blocksLeft: { endpoint: 1, rootPort: 0 } } }],
    ["every block of the device is on", { slot: { blocksLeft: { endpoint: 0, rootPort: 4 } } }],
    ["no proof can be written", { memory: { proofProblem: "ENOSPC" } }],
  ] as const)("is left alone, with a word and another look, while %s", (_why, given) => {
    const verdict = plan({ ...given, memory: { holds, ...("memory" in given ? given.memory : {}) } } as Given);
    expect(verdict).toMatchObject({ step: null, message: expect.stringMatching(/./) });
    expect(verdict?.wakeAtMs).not.toBeNull();
  });

  it("is not tried for a new claim that is told so while its slot has a taint, nor before that is known; who has the device or is bound already waits", () => {
    const resources = [{ name: GPU, ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }] as const;
    const tried = (linkTaints: Memory["linkTaints"], more: Partial<Memory> = {}, bindingConditions = ["teeio.dev/LinkSecured"]) => {
      const [device] = aClaim().devices;
      const claim = aClaim({ devices: device === undefined ? [] : [{ ...device, bindingConditions }] });
      const view = { dra: aDraView({ claims: { kind: "Read", value: [claim] } }) };
      return plan({ intent: { ...ON_PREPARE, resources }, memory: { isDraServed: true, linkTaints, ...more }, view })?.step ?? null;
    };
    expect(tried(linkTaints())).toEqual(CONNECT);
    expect(tried(linkTaintsOfStart(new Set()))).toBeNull();
    const failed = linkTaints({ [OWNER]: "LinkFailed" });
    expect(tried(failed)).toBeNull();
    expect(tried(failed, {}, [])).toEqual(CONNECT);
    expect(tried(failed, { holds: new Map([[OWNER, { ...HELD, resource: DRA_DRIVER, claim: "c-1", kubelet: null }]]) })).toEqual(CONNECT);
  });

  it("is not secured by a reading that only stands, nor while it is written, nor by one of two TSMs", () => {
    for (const tsm of ["Blocked", "Failed", "Stands"] as const)
      expect(plan({ memory: { holds }, slot: { linkRead: { tsm, registers: "idle", problem: "" } } })?.step).toBeNull();
    const writing = { owner: OWNER, kind: "Connect", sinceMs: 0 } as const;
    expect(plan({ memory: { holds, ...work({ writing }) } })?.step).toBeNull();
    expect(plan({ memory: { holds }, slot: { tsms: ["tsm0", "tsm1"] } })?.step).toBeNull();
  });

  it("is secured where nobody can tell how many streams are left", () => {
    const unread = { streamsLeft: null, blocksLeft: { endpoint: null, rootPort: null } };
    expect(plan({ memory: { holds }, slot: unread })?.step).toEqual(CONNECT);
  });

  it("is looked at again while it cannot be read, but not while this process writes another link: the end of that wakes", () => {
    const stands = { linkRead: { tsm: "Stands", registers: "idle", problem: "" } } as const;
    expect(plan({ memory: { holds }, slot: stands })?.wakeAtMs).not.toBeNull();
    const writing = { owner: "0000:99:00.0", kind: "Connect", sinceMs: 0 } as const;
    expect(plan({ memory: { holds, ...work({ writing }) }, slot: stands })).toMatchObject({ step: null, wakeAtMs: null });
  });

  it("rests after a failure", () => {
    const { nowMs } = inputs({}).ground.view;
    const failed = (lastMs: number) => work({ failures: new Map([[OWNER, { kind: "Retry" as const, problem: "EIO", count: 1, lastMs }]]) });
    expect(plan({ memory: { holds, ...failed(nowMs - 999) } })).toMatchObject({ step: null, wakeAtMs: nowMs + 1 });
    expect(plan({ memory: { holds, ...failed(nowMs - 1_000) } })?.step).toEqual(CONNECT);
  });
});

describe("a link that was lost", () => {
  const given = (functions: readonly PciFunction[], over: Given = {}): Given => ({
    functions,
    slot: { link: LOST, ...over.slot },
    memory: { holds, ...work({ steady }), ...over.memory },
  });

  it("is repaired under its own virtual machine monitor", () => {
    expect(plan(given([aFunction()]))?.step).toEqual(REPAIR);
    expect(plan(given([aFunction({ holders: open })]))?.step).toEqual(REPAIR);
  });

  it.each([
    ["a TDI of it is bound", [aFunction({ bound: "Yes" })], "0000:17:00.0 is bound to a TD (tsm/bound)"],
    ["nobody can tell whether one is", [aFunction(), aFunction({ address: SECOND, bound: "Unknown" })], "tsm/bound of 0000:17:00.1 cannot be read"],
    ["another function is open", [aFunction(), aFunction({ address: SECOND, holders: open })], "0000:17:00.1 is open in pid 4711"],
    [
      "nobody can tell who has another function",
      [aFunction(), aFunction({ address: SECOND, holders: { kind: "Unreadable" as const, why: "EACCES" } })],
      "the holders of 0000:17:00.1 cannot be read: EACCES",
    ],
  ] as const)("is not touched while %s", (_why, functions, blocked) => {
    expect(plan(given(functions))).toMatchObject({ step: null, blocked });
  });

  it("is repaired once its registers have rested for a second, and three times a minute", () => {
    const { nowMs } = inputs({}).ground.view;
    const since = (sinceMs: number) => work({ steady: new Map([[OWNER, { registers: "idle", sinceMs }]]) });
    expect(plan(given([aFunction()], { memory: since(nowMs - 999) }))).toMatchObject({ step: null, wakeAtMs: nowMs + 1 });
    expect(plan(given([aFunction()], { memory: since(nowMs - 1_000) }))?.step).toEqual(REPAIR);
    const often = work({ steady, repairs: new Map([[OWNER, [nowMs - 59_000, nowMs - 10, nowMs - 5]]]) });
    expect(plan(given([aFunction()], { memory: often }))).toMatchObject({ step: null, wakeAtMs: nowMs + 1_000 });
  });

  it("is left to whoever knows its stream, where no TSM is connected", () => {
    expect(plan(given([aFunction()], { slot: { link: { ...LOST, tsm: "" } } }))?.step).toBeNull();
  });
});

describe("a link that does not cover a virtual function", () => {
  const VIRTUAL = aFunction({ address: "0000:17:02.1", functionType: "Virtual", physicalFunction: OWNER });
  const onlyZero = { link: SECURED, covers: [{ first: 0x1700, last: 0x1700 }] };
  const given = (zero: Partial<PciFunction>, memory: Partial<Memory> = {}, virtual: Partial<PciFunction> = {}): Given => ({
    functions: [aFunction(zero), { ...VIRTUAL, ...virtual }],
    slot: onlyZero,
    memory: { startedMs: -100_000, holds: new Map([[VIRTUAL.address, HELD]]), ...work({ steady }), ...memory },
  });

  it("is connected again while nobody uses another function, and nobody has this one open", () => {
    expect(plan(given({}))?.step).toEqual(REPAIR);
    expect(plan(given({ holders: open }))).toMatchObject({ step: null, blocked: expect.stringContaining("pid 4711") });
    expect(plan(given({}, {}, { holders: open }))).toMatchObject({ step: null, blocked: expect.stringContaining("pid 4711") });
    expect(
      plan(
        given(
          {},
          {
            holds: new Map([
              [VIRTUAL.address, HELD],
              [OWNER, HELD],
            ]),
          },
        ),
      ),
    ).toMatchObject({ step: null, blocked: expect.stringMatching(/./) });
  });
});

describe("a link that is secured", () => {
  const settled = (over: Partial<Memory> = {}): Given => ({
    slot: { link: SECURED },
    memory: { ...work({ freeSince: new Map([[OWNER, 0]]) }), ...over },
  });

  it("is released when nobody has used a function of the slot for the settling time, whatever the gate says", () => {
    const { nowMs } = inputs({}).ground.view;
    expect(plan(settled({ startedMs: nowMs - 100_000 }))?.step).toEqual(RELEASE);
    expect(plan({ ...settled({ startedMs: nowMs - 100_000 }), intent: { ...ON_PREPARE, state: "Cleared" } })?.step).toEqual(RELEASE);
    expect(plan({ ...settled({ startedMs: nowMs - 100_000 }), view: { driver: aDriver([aUnit({ state: "Unknown" })]) } })?.step).toEqual(RELEASE);
    expect(plan(settled({ startedMs: nowMs - 1 }))?.step).toBeNull();
    expect(plan({ slot: { link: SECURED } })?.step).toBeNull();
  });

  it.each([
    ["a hold", { memory: { holds: new Map([[OWNER, { ...HELD, freeSinceMs: 1 }]]) } }],
    ["a process", { functions: [aFunction({ holders: open })] }],
    ["a process that cannot be seen", { functions: [aFunction({ holders: { kind: "Unreadable", why: "EACCES" } })] }],
    ["a TD", { functions: [aFunction(), aFunction({ address: SECOND, bound: "Yes" })] }],
    ["a TD that cannot be seen", { functions: [aFunction({ bound: "Unknown" })] }],
    ["podresources that cannot be read", { view: { podResources: { kind: "Unreadable", why: "no kubelet" } } }],
    ["pods that were not asked for", { view: { pods: { kind: "NotAsked" } } }],
    [
      "a call about it",
      {
        view: {
          publications: [
            { resource: GPU, serving: true, registered: true, kubelet: KUBELET, callsInFlight: 1, inCalls: [OWNER], ids: [], problem: "" },
          ],
        },
      },
    ],
  ] as const)("is not released because of %s", (_why, given) => {
    const { memory = {}, ...rest } = given as Given;
    const { nowMs } = inputs({}).ground.view;
    expect(plan({ ...settled({ startedMs: nowMs - 100_000, ...memory }), ...rest })?.step).toBeNull();
  });

  it("is not released while a pod has a virtual function that is off the bus, and may have been on its slot", () => {
    const { nowMs } = inputs({}).ground.view;
    const away = (lastUnits: ReadonlyMap<string, string>) => {
      const memory = { startedMs: nowMs - 100_000, lastUnits, holds: new Map([["0000:17:02.1", HELD]]) };
      return plan(settled(memory))?.step;
    };
    expect(away(new Map([["0000:17:02.1", aUnit().regBase]]))).toBeNull();
    expect(away(new Map())).toBeNull();
    expect(away(new Map([["0000:17:02.1", "0x1000"]]))).toEqual(RELEASE);
  });

  it("is not released because of a call about another device", () => {
    const { nowMs } = inputs({}).ground.view;
    const publications = [
      { resource: GPU, serving: true, registered: true, kubelet: KUBELET, callsInFlight: 1, inCalls: ["0000:99:00.0"], ids: [], problem: "" },
    ];
    const lastUnits = new Map([["0000:99:00.0", "0x1000"]]);
    expect(plan({ ...settled({ startedMs: nowMs - 100_000, lastUnits }), view: { publications } })?.step).toEqual(RELEASE);
  });

  it("counts as free from the first look that shows it so, and anew after one that does not", () => {
    const { ground, memory, intent } = inputs({ slot: { link: SECURED } });
    const free = remember(memory, intent, ground);
    expect(free.linkWork.freeSince.get(OWNER)).toBe(ground.view.nowMs);
    const used = inputs({ slot: { link: SECURED }, functions: [aFunction({ holders: open })] });
    expect(remember(free, intent, used.ground).linkWork.freeSince.has(OWNER)).toBe(false);
    const unread = groundFrom(aView({ host: { kind: "Unreadable", why: "EIO" } }));
    expect(remember(free, intent, unread).linkWork.freeSince.size).toBe(0);
  });
});

describe("a link whose security another function manages", () => {
  const elsewhere = { link: SECURED, dsm: "0000:15:00.0" };
  const seen = (memory: Partial<Memory>, slot: Partial<Slot>) => {
    const { ground, memory: before, intent } = inputs({ slot, memory });
    return remember(before, intent, ground);
  };
  const count = ({ linkWork }: Pick<Memory, "linkWork">): number => linkWork.failures.get(OWNER)?.count ?? 0;

  it("has failed, once for each connect, and still when it was released: connected, it would only show the same again", () => {
    const unread = new Set([OWNER]);
    const once = seen(work({ unread }), elsewhere);
    expect(once.linkWork.failures.get(OWNER)).toMatchObject({ kind: "Other", count: 1, problem: expect.stringContaining("0000:15:00.0") });
    expect([count(seen(once, elsewhere)), count(seen(once, {}))]).toEqual([1, 1]);
    expect(count(seen({ linkWork: { ...once.linkWork, unread } }, elsewhere))).toBe(2);
    expect(count(seen(once, { ...elsewhere, dsm: OWNER }))).toBe(0);
  });

  it("is released all the same", () => {
    const { nowMs } = inputs({}).ground.view;
    const failures = new Map([[OWNER, { kind: "Other" as const, problem: "tsm/dsm", count: 3, lastMs: nowMs }]]);
    const memory = work({ failures, freeSince: new Map([[OWNER, 0]]) });
    expect(plan({ slot: elsewhere, memory })?.step).toEqual(RELEASE);
    expect(plan({ slot: { link: LOST }, memory })).toMatchObject({ step: null });
  });
});

describe("what function 0 carries", () => {
  const VIRTUAL = aFunction({ address: "0000:17:02.1", functionType: "Virtual", physicalFunction: OWNER });
  const carriedBy = (fn: PciFunction, intent: Intent = ON_PREPARE, held: ReadonlyMap<string, Hold> = new Map()) =>
    carriedOn({ holds: held }, intent, inputs({ functions: [aFunction(), fn] }).ground).get(OWNER) ?? [];

  it("is every other function that may be given away with the link of the slot", () => {
    expect(carriedBy(VIRTUAL)).toEqual([VIRTUAL.address]);
    expect(carriedBy({ ...VIRTUAL, vfioCdev: null })).toEqual([VIRTUAL.address]);
    expect(carriedBy({ ...VIRTUAL, vendor: "1234" })).toEqual([]);
    expect(carriedBy({ ...VIRTUAL, vendor: "1234" }, ON_PREPARE, new Map([[VIRTUAL.address, HELD]]))).toEqual([VIRTUAL.address]);
    expect(carriedBy({ ...VIRTUAL, teeIo: "No" })).toEqual([]);
    expect(carriedBy(aFunction({ address: SECOND }))).toEqual([]);
    expect(carriedBy({ ...VIRTUAL, unit: { kind: "None" } })).toEqual([]);
    expect(carriedBy(VIRTUAL, { ...ON_PREPARE, units: { regBases: ["0x1000"] } })).toEqual([]);
  });

  it("is nothing where nobody asks for links", () => {
    expect(carriedBy(VIRTUAL, anIntent())).toEqual([]);
  });
});

it("writes first what was repaired least, and secures before it releases", () => {
  const nowMs = 100_000;
  const [a, b, c] = ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"] as const;
  const verdict = (step: NonNullable<ReturnType<typeof plan>>["step"]) => ({
    owner: "",
    step,
    message: "",
    blocked: "",
    isWatched: true,
    wakeAtMs: null,
  });
  const steps = [
    verdict({ kind: "Disconnect", owner: b, tsm: "tsm0", isRepair: false }),
    verdict({ kind: "Connect", owner: a, tsm: "tsm0" }),
    verdict(null),
    verdict({ kind: "Connect", owner: c, tsm: "tsm0" }),
  ];
  const memory = work({ repairs: new Map([[a, [nowMs - 10]]]) });
  expect(linkStepsOf(steps, memory, nowMs).map(({ owner }) => owner)).toEqual([c, b, a]);
});
