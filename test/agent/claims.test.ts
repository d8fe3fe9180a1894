// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import type { ClaimKeeper } from "../../src/agent/claim-keeper.ts";
import { CLAIM_WAIT_MS, createClaimHandlers } from "../../src/agent/claims.ts";
import type { DriverClient } from "../../src/agent/driver-client.ts";
import { createLinkTurns } from "../../src/agent/link-wait.ts";
import type { AgentPorts } from "../../src/agent/ports.ts";
import { type AgentState, createState, type Pass } from "../../src/agent/state.ts";
import type { PciFunction } from "../../src/domain/device.ts";
import type { NodeClaim } from "../../src/domain/dra/claim.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import { AppError, messageOf } from "../../src/runtime/errors.ts";
import { createKeyedLocks } from "../../src/runtime/serial.ts";
import { aClaim, aDraView, aDriver, aFunction, anIntent, aSlot, aView, GPU, INSTANCE } from "../support/builders.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const DEVICE = "0000:17:00.0";
const IN_DRA = anIntent({ resources: [{ name: GPU, ledger: "DRA", driver: { bind: "Keep" }, match: { vendors: ["10de"] } }] });
const GIVEN = [
  {
    requests: ["gpu"],
    pool: "n1/pci0000-16",
    device: "0000-17-00-0",
    cdiNames: ["c-1_0000-17-00-0", "c-1_metadata_0"].map((name) => `teeio.dev/claim=${name}`),
  },
];
const REF = { namespace: "ml", name: "gpu", uid: "c-1" };

function anAgent({ claim = aClaim(), fn = {}, write = async () => undefined }: Partial<Given> = {}) {
  const clock = createFakeClock({ nowMs: 200_000 });
  const state = createState(10_000);
  state.noteStart(0);
  state.noteLook(IN_DRA, groundFrom(aView({ dra: aDraView() })));
  state.notePass({ plan: { units: [], links: [], binds: [] } } as unknown as Pass);
  const written: unknown[] = [];
  const removed: string[] = [];
  const files: Pick<ClaimKeeper, "write" | "remove"> = {
    write: async (file) => {
      await write();
      written.push(file);
    },
    remove: async (uid) => void removed.push(uid),
  };
  const host = { fn: aFunction(fn) };
  const ports = {
    clock,
    host: { observeFunction: async () => ({ fn: host.fn, slot: aSlot() }) },
    intent: { current: () => ({ intent: IN_DRA, generation: 1, problem: "" }) },
  } as unknown as AgentPorts;
  const turns = createLinkTurns(clock);
  const handlers = createClaimHandlers({
    ports,
    dra: { claims: { get: async () => claim } as unknown as NonNullable<AgentPorts["dra"]>["claims"] },
    files,
    driver: { observeShared: async () => aDriver() } as unknown as DriverClient,
    state,
    audit: { did: () => undefined, written: async () => undefined },
    locks: createKeyedLocks(),
    turns,
    onAnswered: () => undefined,
  });
  return { clock, state, handlers, written, removed, host, turns };
}

interface Given {
  readonly claim: NodeClaim | null;
  readonly fn: Partial<PciFunction>;
  readonly write: () => Promise<void>;
}

const prepare = (agent: ReturnType<typeof anAgent>, uid = "c-1") => agent.handlers.prepare({ ...REF, uid }, new AbortController().signal);
const refusal = (answer: Promise<unknown>): Promise<string> => answer.then(() => "no refusal", messageOf);
const holdOf = (state: AgentState) => state.memory.holds.get(DEVICE);

describe("a claim that kubelet has prepared", () => {
  test("is written down, held from then on, and answered with the names of its file", async () => {
    const agent = anAgent();
    expect(await prepare(agent)).toEqual(GIVEN);
    const device = { address: DEVICE, request: "gpu", pool: "n1/pci0000-16", node: "/dev/vfio/devices/vfio0", epoch: `${INSTANCE}/0x1` };
    const attributes = expect.objectContaining({ "resource.kubernetes.io/pciBusID": DEVICE, resource: GPU, simulated: true });
    expect(agent.written).toEqual([{ ...REF, podClaimName: null, devices: [{ ...device, attributes }], simulated: true }]);
    expect(holdOf(agent.state)).toMatchObject({ resource: "teeio.dev", claim: "c-1", epoch: `${INSTANCE}/0x1`, node: "/dev/vfio/devices/vfio0" });
  });

  test("is prepared again with the same answer, also while its virtual machine monitor has the device open", async () => {
    const agent = anAgent();
    await prepare(agent);
    agent.host.fn = aFunction({ holders: { kind: "Known", pids: [4711] } });
    expect(await prepare(agent)).toEqual(GIVEN);
  });

  test("gives nothing when its file cannot be written", async () => {
    const agent = anAgent({ write: () => Promise.reject(new AppError("CDI_UNWRITABLE", "no space left")) });
    expect(await refusal(prepare(agent))).toBe("no space left");
    expect(holdOf(agent.state)).toBeUndefined();
  });

  test("waits while another claim has its device, and is told so after 40 s", async () => {
    const agent = anAgent({ claim: aClaim({ uid: "c-2", name: "other" }) });
    await prepare(agent, "c-2");
    const second = anAgent();
    second.state.noteAnswer({ address: DEVICE, resource: "teeio.dev", node: null, atMs: 0, epoch: `${INSTANCE}/0x1`, kubelet: null, claim: "c-2" });
    const answer = refusal(prepare(second));
    await second.clock.advance(CLAIM_WAIT_MS - 1_000);
    expect(await Promise.race([answer, "waiting"])).toBe("waiting");
    await second.clock.advance(2_000);
    expect(await answer).toBe(`${DEVICE} is withheld, DeviceBusy: the claim with UID c-2 has it`);
  });

  test("goes on when the claim before it is unprepared", async () => {
    const agent = anAgent();
    agent.state.noteAnswer({ address: DEVICE, resource: "teeio.dev", node: null, atMs: 0, epoch: `${INSTANCE}/0x1`, kubelet: null, claim: "c-2" });
    const answer = prepare(agent);
    await agent.clock.advance(500);
    await agent.handlers.unprepare({ ...REF, uid: "c-2" });
    agent.turns.changed();
    expect(await answer).toEqual(GIVEN);
    expect(agent.removed).toEqual(["c-2"]);
  });

  test("waits for what an ended claim's process has open still (HeldByOrphan)", async () => {
    const agent = anAgent({ fn: { holders: { kind: "Known", pids: [4711] } } });
    agent.state.noteAnswer({ address: DEVICE, resource: "teeio.dev", node: null, atMs: 0, epoch: `${INSTANCE}/0x1`, kubelet: null, claim: null });
    const answer = refusal(prepare(agent));
    await agent.clock.advance(CLAIM_WAIT_MS + 1_000);
    expect(await answer).toBe(`${DEVICE} is withheld, HeldByOrphan: pid 4711`);
  });

  test.each([
    [{ parameters: ["spec.devices.config[0]"] }, "claim ml/gpu: spec.devices.config[0]: teeio.dev takes no parameters; remove it"],
    [{ devices: [] }, "claim ml/gpu is not allocated a device of this node any more"],
    [{ devices: devices({ adminAccess: true }) }, "AdminAccessRefused: claim ml/gpu: request gpu asks for adminAccess; remove it"],
    [{ devices: devices({ device: "gpu-0" }) }, "claim ml/gpu: gpu-0 is no device of this node"],
  ])("is refused for what it asks: %j", async (overrides, text) => {
    const agent = anAgent({ claim: aClaim(overrides) });
    expect(await refusal(prepare(agent))).toBe(text);
    expect(agent.written).toEqual([]);
  });

  test("is refused when it is gone, and at once when the gate is closed for what does not end by itself", async () => {
    expect(await refusal(prepare(anAgent({ claim: null })))).toBe("claim ml/gpu with UID c-1 is not there any more");
    expect(await refusal(prepare(anAgent({ fn: { teeIo: "No" } })))).toMatch("is withheld, NotTeeCapable");
  });
});

function devices(overrides: Partial<NodeClaim["devices"][number]>): NodeClaim["devices"] {
  return aClaim().devices.map((device) => ({ ...device, ...overrides }));
}
