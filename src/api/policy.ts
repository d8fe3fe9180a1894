// SPDX-License-Identifier: Apache-2.0
import * as z from "zod";
import { field, type Rule } from "./field.ts";
import { specSchema } from "./spec.ts";

const LABELS = 32;

/** An empty selector would take every node by accident. */
const someLabels: Rule = {
  cel: `size(self) > 0 && size(self) <= ${LABELS}`,
  message: `an empty nodeSelector would take every node: write 1 to ${LABELS} labels, such as kubernetes.io/os: linux`,
  messageExpression: "",
  breaches(value) {
    if (typeof value !== "object" || value === null) return [];
    const size = Object.keys(value).length;
    return size > 0 && size <= LABELS ? [] : [{ path: [], fix: `write 1 to ${LABELS} labels, such as {kubernetes.io/os: linux}` }];
  },
};

/** `spec` of a TrustedIommuPolicy. The controller that carries it out comes later; the kind is complete so that manifests can be written. */
export const policySpecSchema = field(
  z.strictObject({
    nodeSelector: field(z.record(z.string(), field(z.string().max(63), { description: "The label's value." })), {
      description: "Labels that a node must have, all of them. At least one; every Linux node has kubernetes.io/os: linux.",
      instead: "at least one label: {kubernetes.io/os: linux}",
      rules: [someLabels],
    }),
    template: field(z.strictObject({ spec: specSchema }), {
      description: "The TrustedIommu that each matching node gets.",
      instead: "{spec: {state: Trusted, units: {all: true}}}",
    }),
    rollout: field(
      z.strictObject({
        maxUnavailable: field(z.int().min(1).max(10_000), {
          description: "Nodes that may be without their devices at once while a change is carried out.",
          instead: "a whole number of nodes, 1 or more",
        }).default(1),
        paused: field(z.boolean(), {
          description: "true: no node is changed until this is false again; what is under way is finished.",
          instead: "true or false",
        }).default(false),
      }),
      { description: "How a change travels over the nodes.", instead: "{maxUnavailable: 1}" },
    ).default({ maxUnavailable: 1, paused: false }),
  }),
  { description: "Which nodes, what for each of them, and how fast.", instead: "a spec with nodeSelector and template" },
);

export type TrustedIommuPolicySpec = z.output<typeof policySpecSchema>;
