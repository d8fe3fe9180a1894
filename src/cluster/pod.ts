// SPDX-License-Identifier: Apache-2.0

/** core/v1 Pod, as much of it as decides whether a device may be in use. */
import * as z from "zod";
import type { NodePod } from "./port.ts";

const amounts = z.record(z.string(), z.union([z.string(), z.number()]));
const container = z.object({
  resources: z.object({ requests: amounts.nullish(), limits: amounts.nullish() }).nullish(),
  restartPolicy: z.string().nullish(),
});

const podSchema = z.object({
  metadata: z.object({
    namespace: z.string(),
    name: z.string(),
    uid: z.string(),
    deletionTimestamp: z.string().nullish(),
  }),
  spec: z.object({ containers: z.array(container), initContainers: z.array(container).nullish(), overhead: amounts.nullish() }),
  status: z.object({ phase: z.string().nullish() }).nullish(),
});

type Container = z.output<typeof container>;
type Amounts = Map<string, number>;

/** @throws Error on anything that is not a pod, or that asks for an extended resource in a form that is not understood */
export function podFrom(value: unknown): NodePod {
  const { metadata, spec, status } = podSchema.parse(value);
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    uid: metadata.uid,
    phase: status?.phase ?? "Unknown",
    terminating: (metadata.deletionTimestamp ?? null) !== null,
    requests: Object.fromEntries(requestsOf(spec)),
  };
}

/**
 * As the scheduler sums (component-helpers resource.PodRequests): containers together with restartable init containers, or one init container
 * with the restartable ones before it, whichever is more.
 */
function requestsOf(spec: z.output<typeof podSchema>["spec"]): Amounts {
  let restartable: Amounts = new Map();
  let starting: Amounts = new Map();
  for (const init of spec.initContainers ?? []) {
    const own = extended(asked(init));
    if (init.restartPolicy === "Always") restartable = sum(restartable, own);
    starting = most(starting, init.restartPolicy === "Always" ? restartable : sum(restartable, own));
  }
  const running = spec.containers.reduce((total, one) => sum(total, extended(asked(one))), restartable);
  return sum(most(running, starting), extended(spec.overhead ?? {}));
}

/** The API server copies limits of extended resources to requests; limits alone are read for safety's sake. */
function asked({ resources }: Container): z.output<typeof amounts> {
  return { ...resources?.limits, ...resources?.requests };
}

/** Qualified, and not of the kubernetes.io domain (v1helper.IsExtendedResourceName). */
function extended(all: z.output<typeof amounts>): Amounts {
  const names = Object.keys(all).filter((name) => name.includes("/") && !name.includes("kubernetes.io/"));
  return new Map(names.map((name) => [name, quantity(all[name] ?? 0)]));
}

const SUFFIXES: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** resource.Quantity, whole amounts only: extended resources have no fractions. */
function quantity(value: string | number): number {
  const parts = /^([0-9]+(?:e[0-9]{1,2})?)([A-Za-z]{0,2})$/.exec(String(value));
  const factor = SUFFIXES[parts?.[2] ?? ""];
  if (parts === null || factor === undefined) throw new Error(`not a whole quantity: ${String(value)}`);
  return Number(parts[1]) * factor;
}

function sum(a: Amounts, b: Amounts): Amounts {
  return merged(a, b, (x, y) => x + y);
}

function most(a: Amounts, b: Amounts): Amounts {
  return merged(a, b, Math.max);
}

function merged(a: Amounts, b: Amounts, join: (x: number, y: number) => number): Amounts {
  return new Map([...new Set([...a.keys(), ...b.keys()])].map((name) => [name, join(a.get(name) ?? 0, b.get(name) ?? 0)]));
}
