// SPDX-License-Identifier: Apache-2.0
import type { IntentView } from "../../../src/cluster/port.ts";
import type { Intent } from "../../../src/domain/intent.ts";
import { ALL_POINTS, DRA_POINTS, POINTS, type Point } from "../life/turnstile.ts";
import type { World } from "../life/world.ts";
import { GPU, GPU_VENDOR, KEEP, NIC, NIC_VENDOR, plainIntent, RENAMED, specOf } from "../models/shape.ts";
import type { Args, StepKind } from "./step.ts";

/** Few calls of a history are among these: a crash there is chosen more often than by chance, or it would hardly ever be met. */
const DRIVER_POINTS = ["driver.write", "driver.write.answer"] as const satisfies readonly Point[];

const TOLD_POINTS = ["claim.status.write", "claim.status.write.answer"] as const satisfies readonly Point[];

/** The agent's own life, what the admin wants, and what the API server and the node's disk do to it. */
export const AGENT_STEPS: Readonly<Record<string, StepKind>> = {
  startAgent: {
    weight: ({ process }) => (process === null ? 60 : 0),
    propose: () => ({}),
    apply: (world) => {
      if (world.process !== null) return false;
      world.startAgent();
      return true;
    },
  },
  crashAgent: {
    weight: ({ process, turnstile, shape }) => (process === null ? 0 : (turnstile.size > 0 ? 15 : 1.5) * shape.unrest),
    propose: () => ({}),
    apply: (world) => {
      if (world.process === null) return false;
      world.killAgent();
      return true;
    },
  },
  crashAgentAt: {
    weight: ({ process, killAt, shape }) => (process === null || killAt !== null ? 0 : 6 * shape.unrest),
    propose: ({ shape, dra }, dice) => {
      if (dra !== null && dice.chance(0.5))
        return { word: dice.pick(shape.linkEnable === "OnPrepare" && dice.chance(0.3) ? TOLD_POINTS : DRA_POINTS) };
      return { word: dice.pick(shape.driverBind === "Vfio" && dice.chance(0.2) ? DRIVER_POINTS : POINTS) };
    },
    apply: (world, { word }) => {
      world.killAt = ALL_POINTS.find((point) => point === word) ?? null;
      return true;
    },
  },
  stall: {
    weight: ({ turnstile, shape }) => (turnstile.stalled === null ? 2 * shape.unrest : 20),
    propose: ({ turnstile, dra }, dice) => ({ word: turnstile.stalled === null ? dice.pick(dra === null ? POINTS : ALL_POINTS) : "" }),
    apply: ({ turnstile }, { word }) => {
      turnstile.stalled = ALL_POINTS.find((point) => point === word) ?? null;
      return true;
    },
  },
  stopAgent: {
    weight: ({ process, shape }) => (process === null || process.isStopping ? 0 : shape.unrest),
    propose: () => ({}),
    apply: (world) => {
      if (world.process === null || world.process.isStopping) return false;
      world.stopAgent();
      return true;
    },
  },
  freezeAgent: {
    needs: "freezes",
    weight: ({ process, turnstile, shape }) => (process !== null && turnstile.frozen === null ? 2 * shape.unrest : 0),
    propose: () => ({}),
    apply: (world) => world.freezeAgent(true),
  },
  // The time passes before anything of the agent goes on.
  thawAgent: {
    needs: "freezes",
    weight: ({ turnstile }) => (turnstile.frozen === null ? 0 : 25),
    propose: (_world, dice) => ({ ms: dice.pick([0, 2_000, 20_000, 3_600_000]) }),
    apply: (world, { ms }) => {
      const untilMs = world.time.nowMs + (ms ?? 0);
      while (world.turnstile.frozen !== null && world.time.fireNext(untilMs));
      return world.freezeAgent(false);
    },
  },
  setIntent: {
    weight: ({ shape }) => 1 + 7 * shape.unrest,
    propose: (_world, dice) => ({ word: dice.pick(INTENT_CHOICES), at: dice.below(3) }),
    apply: (world, args) => {
      world.api.setSpec(intentOf(world, args));
      return true;
    },
  },
  // Somebody tidies up: what is missing is not proven.
  loseProofs: {
    weight: ({ process, proofs, shape }) => (process === null && proofs.lines !== null ? 4 * shape.unrest : 0),
    propose: () => ({}),
    apply: ({ process, proofs }) => {
      if (process !== null || proofs.lines === null) return false;
      proofs.lines = null;
      return true;
    },
  },
  apiDown: toggle(1, 10, ({ api }) => api.isReachable),
  proofsReadOnly: toggle(0.5, 12, ({ proofs }) => proofs.areWritable),
  auditReadOnly: toggle(0.5, 12, ({ audit }) => audit.isWritable),
  cdiReadOnly: toggle(0.7, 12, ({ specs }) => specs.areWritable),
};

const INTENT_CHOICES = [
  "trusted",
  "trusted",
  "trusted",
  "trusted",
  "cleared",
  "cleared",
  "cleared",
  "none",
  "one-unit",
  "one-unit-cleared",
  "renamed",
  "renamed-cleared",
  "ledger",
  "swapped",
  "native",
  "gpu-only",
  "invalid",
  "refused-cleared",
  "refused-cleared",
] as const;

function intentOf(world: World, { word, at }: Args): IntentView {
  const { spec } = world.api;
  const link = { enable: world.shape.linkEnable };
  const generation = spec.generation + 1;
  const one = { regBases: [world.module.units[(at ?? 0) % world.module.units.length]?.regBase ?? ""] };
  // A world with DRA stays with it, mostly.
  const [own, other] = world.dra === null ? (["DevicePlugin", "DRA"] as const) : (["DRA", "DevicePlugin"] as const);
  const nicLedger = world.shape.spec.intent?.resources.find(({ name }) => name === NIC)?.ledger ?? "DevicePlugin";
  const gpu = { name: GPU, ledger: own, driver: { bind: world.shape.driverBind }, match: { vendors: [GPU_VENDOR] } };
  const nic = { name: NIC, ledger: nicLedger, driver: KEEP, match: { vendors: [NIC_VENDOR] } };
  const variants: Readonly<Record<string, Partial<Intent>>> = {
    trusted: {},
    cleared: { state: "Cleared" },
    "one-unit": { units: one },
    "one-unit-cleared": { units: one, state: "Cleared" },
    renamed: { resources: [{ ...gpu, name: RENAMED }, nic] },
    "renamed-cleared": { resources: [{ ...gpu, name: RENAMED }, nic], state: "Cleared" },
    ledger: { resources: [{ ...gpu, ledger: other }, nic] },
    "gpu-only": { resources: [gpu] },
    native: { resources: [{ ...gpu, driver: { bind: world.shape.driverBind === "Keep" ? "Keep" : "Native" } }, nic] },
    swapped: { resources: [{ ...nic, match: { vendors: [NIC_VENDOR, GPU_VENDOR] } }, gpu] },
  };
  if (word === "none") return specOf(null, generation);
  if (word === "invalid") return specOf(spec.intent, spec.generation, "spec.units: 0xzz is not hex");
  // A newer object that cannot be read whole, and says Cleared: what it says of units was read (at 0), or not.
  if (word === "refused-cleared") {
    const units = at === 0 ? { all: true } : {};
    return specOf(plainIntent({ state: "Cleared", units, link }), spec.generation, "spec.colour: there is no such field");
  }
  return specOf(plainIntent({ link, resources: [gpu, nic], ...variants[word ?? ""] }), generation);
}

/** Something that is mostly true, breaks now and then, and heals soon. */
function toggle(breaks: number, heals: number, factOf: (world: World) => { readonly value: boolean; set(value: boolean): boolean }): StepKind {
  return {
    weight: (world) => (factOf(world).value ? breaks * world.shape.unrest : heals),
    propose: () => ({}),
    apply: (world) => factOf(world).set(!factOf(world).value),
  };
}
