// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { DriverClient } from "../../src/agent/driver-client.ts";
import { createHandlers, type HandlerParts } from "../../src/agent/handlers.ts";
import { createLinkTurns } from "../../src/agent/link-wait.ts";
import type { AgentPorts } from "../../src/agent/ports.ts";
import { type AgentState, createState, type Pass } from "../../src/agent/state.ts";
import type { PciFunction } from "../../src/domain/device.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { AppError } from "../../src/runtime/errors.ts";
import { createKeyedLocks } from "../../src/runtime/serial.ts";
import { aDriver, aFunction, anIntent, aSlot, aUnit, aView, GPU, INSTANCE, KUBELET, REG_BASE } from "../support/builders.ts";

const DEVICE = "0000:17:00.0";
const OTHER_BASE = "0xd97fc000";
const BOTH = aDriver([aUnit(), aUnit({ regBase: OTHER_BASE, setupSeq: 2n })]);

/** What an agent knows that has looked at a healthy node once. */
function aState(): AgentState {
  const state = createState(10_000);
  state.noteStart(0);
  state.noteLook(anIntent(), groundFrom(aView({ driver: BOTH })));
  state.notePass({ plan: { units: [], links: [], binds: [] } } as unknown as Pass);
  return state;
}

function anAgent(
  parts: {
    readonly fn?: PciFunction;
    readonly noteHold?: () => Promise<void>;
    readonly audit?: HandlerParts["audit"];
    readonly state?: AgentState;
  } = {},
) {
  const { state = aState() } = parts;
  const ports = {
    clock: { nowMs: () => 200_000 },
    host: { observeFunction: async () => ({ fn: parts.fn ?? aFunction(), slot: aSlot() }) },
    intent: { current: () => ({ intent: anIntent(), generation: 1, problem: "" }) },
    cdi: null,
  } as unknown as AgentPorts;
  const driver = { observeShared: async () => BOTH } as unknown as DriverClient;
  const proofs = { noteHold: parts.noteHold ?? (async () => undefined) };
  const locks = createKeyedLocks();
  return {
    state,
    handlers: createHandlers({
      ports,
      driver,
      state,
      proofs,
      audit: parts.audit ?? { did: () => undefined, written: async () => undefined },
      locks,
      turns: createLinkTurns(systemClock),
      simulatedHost: false,
      onAnswered: () => undefined,
    }),
  };
}

const CALL = { resource: GPU, ids: [DEVICE], kubelet: KUBELET };

const reasonOf = (refusal: Promise<unknown>): Promise<unknown> =>
  refusal.then(
    () => "no refusal",
    (thrown: AppError) => thrown.details.reason ?? thrown.code,
  );

test("Allocate gives the node that the function has now, and knows it from then on", async () => {
  const { state, handlers } = anAgent();
  expect(await handlers.allocate(CALL)).toMatchObject([{ id: DEVICE, deviceNodes: ["/dev/vfio/devices/vfio0", "/dev/iommu"] }]);
  const given = { resource: GPU, node: "/dev/vfio/devices/vfio0", epoch: `${INSTANCE}/0x1` };
  expect(state.memory.holds.get(DEVICE)).toMatchObject(given);
  expect(state.answers).toMatchObject([{ address: DEVICE, ...given }]);
});

test("Allocate answers only what is written down", async () => {
  let write = (): void => undefined;
  const written = new Promise<void>((resolve) => {
    write = resolve;
  });
  const { handlers } = anAgent({ noteHold: () => written });
  const order: string[] = [];
  const answer = handlers.allocate(CALL).then(() => order.push("answered"));
  await new Promise(setImmediate);
  order.push("written");
  write();
  await answer;
  expect(order).toEqual(["written", "answered"]);
  const full = anAgent({ noteHold: () => Promise.reject(new AppError("PROOF_UNWRITABLE", "no space left")) });
  expect(await reasonOf(full.handlers.allocate(CALL))).toBe("PROOF_UNWRITABLE");
  // Kubelet was told no: nobody has the device.
  expect([full.state.memory.holds.size, full.state.answers.length]).toEqual([0, 0]);
});

test("a function that is below another unit by now is refused: the lock that was taken keeps no CLEAR of that one out", async () => {
  const moved = aFunction({ unit: { kind: "Unit", regBase: OTHER_BASE, kernelName: "dmar1" } });
  expect(await reasonOf(anAgent({ fn: moved }).handlers.allocate(CALL))).toBe("UnitNotTrusted");
  const same = aFunction({ unit: { kind: "Unit", regBase: REG_BASE, kernelName: "dmar0" } });
  expect(await reasonOf(anAgent({ fn: same }).handlers.allocate(CALL))).toBe("no refusal");
});

test("a yes of PreStart counts as an answer, and only what was given can start", async () => {
  const { state, handlers } = anAgent();
  expect(await reasonOf(handlers.preStart(CALL))).toBe("HeldAcrossTrustLoss");
  await handlers.allocate(CALL);
  state.noteAnswersSeen(groundFrom(aView({ nowMs: 900_000 })));
  expect(state.answers).toEqual([]);
  await handlers.preStart(CALL);
  expect(state.answers).toMatchObject([{ address: DEVICE, atMs: 200_000 }]);
});

test("a container does not start with a node that is another device's by now", async () => {
  const { state, handlers } = anAgent();
  await handlers.allocate(CALL);
  const renumbered = anAgent({ fn: aFunction({ vfioCdev: "/dev/vfio/devices/vfio1" }), state });
  expect(await reasonOf(renumbered.handlers.preStart(CALL))).toBe("GivenNodeChanged");
});

test("Allocate refuses what an earlier start of kubelet was given, until a look has shown that the present one knows it", async () => {
  const { state, handlers } = anAgent();
  const again = { ...CALL, kubelet: "4:5:6" };
  await handlers.allocate(CALL);
  expect(await reasonOf(handlers.allocate(CALL))).toBe("no refusal");
  expect(await reasonOf(handlers.allocate(again))).toBe("HeldByUnknown");
  const publications = [
    { resource: GPU, serving: true, registered: true, kubelet: "4:5:6", callsInFlight: 0, inCalls: [], ids: [DEVICE], problem: "" },
  ];
  const pods = [{ namespace: "ml", pod: "train", resource: GPU, ids: [DEVICE] }];
  const podResources = { kind: "Read" as const, allocatable: [], pods, kubeletSinceMs: 0 };
  state.noteLook(anIntent(), groundFrom(aView({ driver: BOTH, publications, podResources })));
  expect(await reasonOf(handlers.allocate(again))).toBe("no refusal");
});

test("Allocate refuses what a process has open, PreStart does not: it may be the pod's own", async () => {
  const fn = aFunction({ holders: { kind: "Known", pids: [4711] } });
  expect(await reasonOf(anAgent({ fn }).handlers.allocate(CALL))).toBe("HeldByUnknown");
  const given = anAgent();
  await given.handlers.allocate(CALL);
  expect(await reasonOf(anAgent({ fn, state: given.state }).handlers.preStart(CALL))).toBe("no refusal");
});

test("Allocate answers only what is in the audit log, or what it is not waited for any more", async () => {
  let write = (): void => undefined;
  const written = new Promise<void>((resolve) => {
    write = resolve;
  });
  const order: string[] = [];
  const { handlers } = anAgent({ audit: { did: ({ kind }) => void order.push(kind), written: () => written } });
  const answer = handlers.allocate(CALL).then(() => order.push("answered"));
  await new Promise(setImmediate);
  order.push("written");
  write();
  await answer;
  await handlers.preStart(CALL);
  expect(order).toEqual(["Allocate", "written", "answered", "PreStart"]);
});

test("what was not given after all is in the audit log, too", async () => {
  const order: string[] = [];
  const audit = { did: ({ kind }: { readonly kind: string }) => void order.push(kind), written: async () => undefined };
  const { handlers } = anAgent({ audit, noteHold: () => Promise.reject(new AppError("PROOF_UNWRITABLE", "no space left")) });
  expect(await reasonOf(handlers.allocate(CALL))).toBe("PROOF_UNWRITABLE");
  expect(order).toEqual(["Allocate", "NotGiven"]);
});
