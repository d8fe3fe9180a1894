// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { decide, holderPollMs, linkPollMs, openSpecs, overtakenBy, want, withdrawals } from "../../src/agent/pass.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import type { Intent } from "../../src/domain/intent.ts";
import type { DriverView, PodResourcesView, Reading } from "../../src/domain/view.ts";
import { aDraView, aDriver, aMemory, anInfo, anIntent, aUnit, aView, GPU, INSTANCE, KUBELET, REG_BASE } from "../support/builders.ts";
import { AGENT } from "../support/node-status.ts";

describe("holders are looked at again", () => {
  const DEVICE = "0000:17:00.0";
  const read = (kubeletSinceMs: number): PodResourcesView => ({ kind: "Read", allocatable: [], pods: [], kubeletSinceMs });
  const holding = (hold: object) => {
    const held = { epoch: `${INSTANCE}/0x1`, resource: GPU, node: null, claim: null, kubelet: KUBELET, pod: "ml/train", freeSinceMs: null, ...hold };
    return { memory: { holds: new Map([[DEVICE, held]]), lastUnits: new Map([[DEVICE, REG_BASE]]), settleMs: 10_000 } };
  };
  const nobody = { holds: new Map(), lastUnits: new Map(), settleMs: 10_000 };
  const nothing = { answers: [], memory: nobody, ground: groundFrom(aView()), podResources: read(0), nowMs: 60_000 };
  const answer = { address: DEVICE, resource: GPU, node: null, claim: null, kubelet: KUBELET, atMs: 59_000, epoch: `${INSTANCE}/0x1` };

  test.each([
    ["later while a pod holds a device in the present epoch", holding({}), 15_000],
    ["soon while a device is only just free", holding({ freeSinceMs: 59_000 }), 2_000],
    ["soon while a hold of another epoch withholds its device", holding({ epoch: null }), 2_000],
    ["soon after an answer of ours", { answers: [answer] }, 2_000],
    ["soon after a kubelet start, however empty podresources is", { podResources: read(55_000) }, 2_000],
    ["not when nobody holds anything", {}, null],
    ["not on a machine without kubelet", { podResources: { kind: "None" as const } }, null],
  ])("%s", (_, facts, expected) => {
    expect(holderPollMs({ ...nothing, ...facts })).toBe(expected);
  });
});

test("links that could not be read are looked at again, from a quarter of a second to two", () => {
  expect([0, 1, 2, 3, 4, 5, 100].map((unsureLooks) => linkPollMs({ unsureLooks }))).toEqual([null, 250, 500, 1_000, 2_000, 2_000, 2_000]);
});

describe("a pass is overtaken", () => {
  const memory = aMemory();
  const decided = {
    intent: anIntent(),
    generation: 1,
    intentProblem: "",
    auditProblem: "",
    agent: AGENT,
    driver: "simulated",
    hasKubelet: true,
    previous: null,
    now: "",
    wanted: null,
  };
  const passOn = (driver: Reading<DriverView>) => decide({ ...decided, memory, ground: groundFrom(aView({ driver })) });
  const unreadable = { kind: "Unreadable", why: "EIO" } as const;
  const trusted = aDriver();
  const loaded = ({ name = "simulated", instance = INSTANCE }): Reading<DriverView> => {
    const table = { instance, generation: 1n, units: [aUnit({ state: "Untrusted" })] };
    return { kind: "Read", value: { name, info: anInfo({ instance }), table } };
  };
  const untrusted = loaded({});
  const overtaken = (first: Reading<DriverView>, last: Reading<DriverView>, intent = anIntent()): string =>
    overtakenBy(passOn(first), last, withdrawals(passOn(first), { driver: last, host: null, intent, memory }));

  test.each([
    ["by a driver that cannot be read any more", trusted, unreadable],
    ["by a driver that can be read at last", unreadable, trusted],
    ["by another driver", untrusted, loaded({ name: "tdx_host" })],
    ["by a driver loaded anew", untrusted, loaded({ instance: "f" })],
    ["by the loss of a device that it offers", trusted, untrusted],
  ])("%s", (_, first, last) => {
    expect(overtaken(first, last)).not.toBe("");
  });

  test("by an intent that does not offer what it offers", () => {
    expect(overtaken(trusted, trusted, anIntent({ state: "Cleared" }))).not.toBe("");
  });

  test("not by a reading that says the same", () => {
    expect(overtaken(trusted, aDriver())).toBe("");
    expect(overtaken(unreadable, { ...unreadable, why: "ENOENT" })).toBe("");
  });
});

test("what kubelet was offered is withdrawn, and has no CDI spec, from the moment at which the spec gives the same name to DRA", () => {
  const memory = aMemory({ isDraServed: true });
  const ground = groundFrom(aView({ driver: aDriver(), dra: aDraView() }));
  const pass = want({ intent: anIntent(), ground, memory });
  const inDra = anIntent({ resources: [{ name: GPU, ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }] });
  const known = (intent: Intent) => {
    const news = { driver: aDriver(), host: null, intent, memory };
    return [withdrawals(pass, news).flatMap(({ devices }) => devices.map(({ id }) => id)), [...openSpecs(pass, news).keys()]];
  };
  expect(known(anIntent())).not.toEqual([[], []]);
  expect(known(inDra)).toEqual([[], []]);
});
