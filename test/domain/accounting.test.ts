// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { accountingOf } from "../../src/domain/accounting.ts";
import type { NodeClaim } from "../../src/domain/dra/claim.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import type { NodePod, PodDevices } from "../../src/domain/view.ts";
import { aClaim, aContainer, aDraView, aPod, aView, GPU, podsRead } from "../support/builders.ts";

const NIC = "teeio.dev/nic";
const NAMES = new Set([GPU]);
const shows = (ids: readonly string[], overrides: Partial<PodDevices> = {}): PodDevices => {
  return { namespace: "ml", pod: "train", resource: GPU, ids, ...overrides };
};

function accounting(pod: Partial<NodePod>, ...shown: readonly PodDevices[]): string {
  const podResources = { kind: "Read" as const, allocatable: [], pods: shown, kubeletSinceMs: 0 };
  return accountingOf(groundFrom(aView({ podResources, pods: podsRead(aPod(pod)) })), NAMES).kind;
}

const YES = "Accounted";
const NO = "Unaccounted";
const one = shows(["0000:17:00.0"]);
const claimed = shows(["gpu-0"], { resource: "gpu.example.com", claim: "train-extended" });
const init = (state: "Waiting" | "Running" | "Ended", count = 1) => aContainer({ name: "init", role: "Init", state, asks: { [GPU]: count } });
const sidecar = aContainer({ name: "side", role: "Sidecar" });
const byClaim = aContainer({ claims: { [GPU]: "train-extended" } });

it.each<readonly [string, string, Partial<NodePod>, readonly PodDevices[]]>([
  ["a pod whose device it shows", YES, {}, [one]],
  ["a pod that it leaves out", NO, {}, []],
  ["a pod of that name in another namespace", NO, {}, [shows(one.ids, { namespace: "other" })]],
  ["fewer devices than asked for", NO, { containers: [aContainer({ asks: { [GPU]: 2 } })] }, [one]],
  ["a pod that is terminating", NO, { terminating: true }, []],
  ["a pod that waits for its admission", NO, { phase: "Pending", hasRunning: false, containers: [aContainer({ state: "Waiting" })] }, []],
  ["a pod that kubelet has rejected", YES, { phase: "Failed", hasRunning: false, containers: [aContainer({ state: "Waiting" })] }, []],
  ["a pod that has ended", YES, { phase: "Succeeded", hasRunning: false, containers: [aContainer({ state: "Ended" })] }, []],
  ["a phase that is final while a container runs", NO, { phase: "Failed" }, []],
  ["a phase that nobody knows", NO, { phase: "Unknown", hasRunning: false }, []],
  ["another name of our domain", NO, { containers: [aContainer({ asks: { [NIC]: 1 } })] }, [one]],
  ["a name of another domain", YES, { containers: [aContainer({ asks: { "nvidia.com/gpu": 1 } })] }, []],
  ["an amount that cannot be read", NO, { containers: [aContainer({ asks: { [GPU]: null } })] }, [one]],
  ["a container that has ended in a pod that goes on", NO, { containers: [aContainer({ state: "Ended" })] }, []],
  ["an init container that waits", NO, { containers: [init("Waiting")] }, []],
  ["an init container that runs", NO, { containers: [init("Running")] }, []],
  ["an init container that has ended", YES, { containers: [init("Ended")] }, []],
  ["an init container whose device a container has from it", YES, { containers: [init("Running"), aContainer()] }, [one]],
  ["an init container that has more than the others together", NO, { containers: [init("Running", 2), aContainer()] }, [one]],
  ["a sidecar beside a container", NO, { containers: [sidecar, aContainer()] }, [one]],
  ["a sidecar beside a container, both shown", YES, { containers: [sidecar, aContainer()] }, [shows(["0000:17:00.0", "0000:18:00.0"])]],
  ["an init container after a sidecar", NO, { containers: [sidecar, init("Running")] }, [one]],
  ["a device that DRA serves", YES, { containers: [byClaim] }, [claimed]],
  ["a device that DRA serves, in another claim", NO, { containers: [byClaim] }, [{ ...claimed, claim: "other" }]],
  ["a device that DRA serves, which is not shown", NO, { containers: [byClaim] }, []],
  ["a claim's device for one that a plugin serves", NO, {}, [{ ...claimed, resource: GPU }]],
])("podresources and %s: %s", (_what, expected, pod, shown) => {
  expect(accounting(pod, ...shown)).toBe(expected);
});

const FOR_POD: Partial<NodeClaim> = { name: "train-extended", reservedFor: [{ resource: "pods", name: "train", uid: aPod().uid }] };

it.each<readonly [string, string, Partial<NodeClaim>, Partial<NodePod>]>([
  ["is allocated it", YES, {}, {}],
  ["is allocated it, while the pod ends", YES, {}, { terminating: true }],
  ["is allocated nothing here", NO, { devices: [] }, {}],
  ["is allocated fewer devices", NO, {}, { containers: [aContainer({ asks: { [GPU]: 2 }, claims: { [GPU]: "train-extended" } })] }],
  ["has another name", NO, { name: "other" }, {}],
  ["is of another namespace", NO, { namespace: "other" }, {}],
  ["is reserved for another pod", NO, { reservedFor: [{ resource: "pods", name: "train", uid: "other" }] }, {}],
  ["is allocated it, beside a device of a plugin's", NO, {}, { containers: [byClaim, aContainer({ name: "second" })] }],
])("a pod that DRA serves and podresources does not show, whose claim %s: %s", (_what, expected, claim, pod) => {
  const dra = aDraView({ claims: { kind: "Read", value: [aClaim({ ...FOR_POD, ...claim })] } });
  const podResources = { kind: "Read" as const, allocatable: [], pods: [], kubeletSinceMs: 0 };
  const pods = podsRead(aPod({ containers: [byClaim], ...pod }));
  const kindIn = (view: typeof dra): string => accountingOf(groundFrom(aView({ podResources, pods, dra: view })), NAMES).kind;
  expect(kindIn(dra)).toBe(expected);
  expect(kindIn({ ...dra, areFresh: false })).toBe(NO);
  expect(kindIn({ ...dra, claims: { kind: "Unreadable", why: "EACCES" } })).toBe(NO);
});

it("names the pods that are not accounted for", () => {
  const pods = podsRead(aPod(), aPod({ name: "other" }));
  const podResources = { kind: "Read" as const, allocatable: [], pods: [one], kubeletSinceMs: 0 };
  expect(accountingOf(groundFrom(aView({ podResources, pods })), NAMES)).toMatchObject({ pods: [{ name: "other" }] });
});

it("is not told by pods that were read for the names of other domains", () => {
  const pods = { kind: "Read" as const, domains: new Set(["nvidia.com"]), pods: [] };
  expect(accountingOf(groundFrom(aView({ pods })), NAMES)).toEqual({ kind: "NotAsked" });
});

const GIVEN = { podUid: "uid-1", resource: GPU, ids: ["0000:17:00.0"] };

interface Checkpoint {
  readonly given: readonly (typeof GIVEN)[];
  readonly forgotten?: readonly string[];
}

it.each<readonly [string, string, Checkpoint, readonly PodDevices[]]>([
  ["given what podresources shows", YES, { given: [GIVEN] }, [one]],
  ["given nothing", YES, { given: [] }, [one]],
  ["given a device that podresources leaves out", "Behind", { given: [GIVEN] }, []],
  ["given a device that podresources shows under another name", "Behind", { given: [GIVEN] }, [shows(one.ids, { resource: NIC })]],
  ["forgotten a pod that runs", "Ending", { given: [], forgotten: ["uid-1"] }, []],
  ["forgotten a pod that runs, and given its device to another one", "Ending", { given: [GIVEN], forgotten: ["uid-0"] }, [one]],
])("without an API server, kubelet's checkpoint has %s: %s", (_what, expected, checkpoint, shown) => {
  const podResources = { kind: "Read" as const, allocatable: [], pods: shown, kubeletSinceMs: 0 };
  const pods = { kind: "Checkpoint" as const, domains: new Set(["teeio.dev"]), forgotten: [], ...checkpoint };
  expect(accountingOf(groundFrom(aView({ podResources, pods })), NAMES).kind).toBe(expected);
});
