// SPDX-License-Identifier: Apache-2.0
import type * as z from "zod";
import { type KindNames, TRUSTED_IOMMU, TRUSTED_IOMMU_POLICY } from "./names.ts";
import { policySpecSchema } from "./policy.ts";
import { specSchema } from "./spec.ts";
import { statusSchema } from "./status.ts";

/** A column of `kubectl get`. */
export interface Column {
  readonly name: string;
  readonly type: "string" | "integer" | "boolean" | "date";
  readonly jsonPath: string;
  readonly description: string;
  /** False: only with `-o wide`. */
  readonly always: boolean;
}

/** Everything that a CRD is made from. */
export interface Kind {
  readonly names: KindNames;
  readonly description: string;
  readonly spec: z.ZodType;
  /** Null: the kind has no status. */
  readonly status: z.ZodType | null;
  readonly columns: readonly Column[];
}

const AGE: Column = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp", description: "Age of the object.", always: true };

function column(name: string, type: Column["type"], jsonPath: string, description: string): Column {
  return { name, type, jsonPath, description, always: true };
}

function wide(name: string, type: Column["type"], jsonPath: string, description: string): Column {
  return { name, type, jsonPath, description, always: false };
}

const ready = (member: string): string => `.status.conditions[?(@.type=="Ready")].${member}`;

/** Both kinds, in the order in which people meet them. */
export const KINDS: readonly Kind[] = [
  {
    names: TRUSTED_IOMMU,
    description:
      "TrustedIommu says which VT-d units of one node shall be trusted (TDX Connect) and as what its TEE-I/O devices are offered; its status says what is, " +
      "and why. Its name is the node's name.",
    spec: specSchema,
    status: statusSchema,
    columns: [
      column("State", "string", ".spec.state", "The state wanted of the selected units."),
      column("Units", "integer", ".status.counts.unitsSelected", "Units selected."),
      column("Trusted", "integer", ".status.counts.unitsTrusted", "Units trusted now."),
      column("Offered", "integer", ".status.counts.devicesOffered", "Devices offered now."),
      column("Withheld", "integer", ".status.counts.devicesWithheld", "Devices listed and not offered."),
      column("Ready", "string", ready("status"), "Whether all is as the spec wants."),
      column("Reason", "string", ready("reason"), "Why it is ready or not."),
      column("Driver", "string", ".status.tdxModule.driver", "What issues SETUP and CLEAR; simulated: nothing is real."),
      AGE,
      wide("Module", "string", ".status.tdxModule.version", "Version of the TDX module."),
      wide("Summary", "string", ".status.summary", "The node's state in one sentence."),
    ],
  },
  {
    names: TRUSTED_IOMMU_POLICY,
    description: "TrustedIommuPolicy gives each node that its selector matches a TrustedIommu, a few nodes at a time.",
    spec: policySpecSchema,
    status: null,
    columns: [
      column("State", "string", ".spec.template.spec.state", "The state wanted of the selected units of each node."),
      column("Max-Unavailable", "integer", ".spec.rollout.maxUnavailable", "Nodes changed at once."),
      column("Paused", "boolean", ".spec.rollout.paused", "No node is changed while true."),
      AGE,
    ],
  },
];
