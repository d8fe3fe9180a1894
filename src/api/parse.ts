// SPDX-License-Identifier: Apache-2.0
import type * as z from "zod";
import type { Intent } from "../domain/intent.ts";

export { parseStatus } from "./read-status.ts";

import { clearedPartOf, type Refusal } from "./cleared.ts";
import { readDocument, type Source } from "./document.ts";
import { API_VERSION, type KindNames, TRUSTED_IOMMU, TRUSTED_IOMMU_POLICY } from "./names.ts";
import { policySpecSchema, type TrustedIommuPolicySpec } from "./policy.ts";
import { type Parsed, type Problem, valueText } from "./problem.ts";
import { type Place, parsedBy, unknownFieldFix } from "./problems-of.ts";
import { intentOf, specSchema } from "./spec.ts";

/** A valid TrustedIommu: what the agent needs of it. */
export interface Manifest {
  /** The node's name. */
  readonly name: string;
  /** metadata.generation; 0 when the object does not come from an API server. */
  readonly generation: number;
  readonly intent: Intent;
}

/** A valid TrustedIommuPolicy. */
export interface PolicyManifest {
  readonly name: string;
  readonly generation: number;
  readonly spec: TrustedIommuPolicySpec;
}

const NO_SOURCE: Place["source"] = () => null;

/** A refused object is still heard where it says `state: Cleared` (cleared.ts). */
export type ParsedManifest = { readonly ok: true; readonly value: Manifest } | Refusal;

/** Reads one TrustedIommu from YAML (or JSON). Every problem at once, each with path, value and what to write instead. */
export function parseManifest(text: string): ParsedManifest {
  const document = readDocument(text);
  if (!document.ok) return { ...document, cleared: null };
  return parseIntent(document.value, true);
}

/** Reads one TrustedIommu from the API server. Unknown metadata is the API server's business; unknown fields of the spec are refused. */
export function parseTrustedIommu(value: unknown): ParsedManifest {
  return parseIntent({ value, source: NO_SOURCE }, false);
}

function parseIntent(object: Source, strictMetadata: boolean): ParsedManifest {
  const verdict = parseObject({ ...object, names: TRUSTED_IOMMU, schema: specSchema, strictMetadata }, (head, spec) => ({
    ...head,
    intent: intentOf(spec),
  }));
  return verdict.ok ? verdict : { ...verdict, cleared: clearedPartOf(object.value) };
}

/** Reads one TrustedIommuPolicy from the API server. */
export function parseTrustedIommuPolicy(value: unknown): Parsed<PolicyManifest> {
  return parseObject({ value, source: NO_SOURCE, names: TRUSTED_IOMMU_POLICY, schema: policySpecSchema, strictMetadata: false }, (head, spec) => ({
    ...head,
    spec,
  }));
}

interface ObjectSource<T extends z.ZodType> extends Source {
  readonly names: KindNames;
  readonly schema: T;
  readonly strictMetadata: boolean;
}

interface Head {
  readonly name: string;
  readonly generation: number;
}

const MEMBERS = ["apiVersion", "kind", "metadata", "spec", "status"];

function parseObject<T extends z.ZodType, M>(object: ObjectSource<T>, make: (head: Head, spec: z.output<T>) => M): Parsed<M> {
  const { value, names } = object;
  if (!isPlain(value)) return { ok: false, problems: [{ path: "", value: valueText(value), fix: `write a ${names.kind} object` }] };
  const problems = [...typeProblems(value, names), ...unknownMembers(value, MEMBERS, ""), ...metadataProblems(value["metadata"], object)];
  const spec = parsedBy(object.schema, value["spec"], { path: ["spec"], source: object.source });
  if (!spec.ok) return { ok: false, problems: [...problems, ...spec.problems] };
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, value: make(headOf(value["metadata"]), spec.value) };
}

type Plain = Readonly<Record<string, unknown>>;

function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function typeProblems(value: Plain, names: KindNames): Problem[] {
  const expected = { apiVersion: API_VERSION, kind: names.kind };
  return Object.entries(expected).flatMap(([member, text]) =>
    value[member] === text ? [] : [{ path: member, value: valueText(value[member]), fix: `write ${text}` }],
  );
}

function unknownMembers(value: Plain, known: readonly string[], prefix: string): Problem[] {
  return Object.keys(value)
    .filter((key) => !known.includes(key))
    .map((key) => ({ path: `${prefix}${key}`, value: valueText(value[key]), fix: unknownFieldFix(key, known) }));
}

/** ObjectMeta of apimachinery v1; a manifest may be the output of `kubectl get -o yaml`. */
const METADATA = [
  ..."name namespace generateName labels annotations uid resourceVersion generation creationTimestamp deletionTimestamp".split(" "),
  ..."deletionGracePeriodSeconds finalizers ownerReferences managedFields selfLink".split(" "),
];

const NODE_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function metadataProblems(metadata: unknown, { strictMetadata }: { strictMetadata: boolean }): Problem[] {
  if (!isPlain(metadata)) return [{ path: "metadata", value: valueText(metadata), fix: "write metadata with a name: {name: NODE}" }];
  const name = metadata["name"];
  const named = typeof name === "string" && name.length <= 253 && NODE_NAME.test(name);
  const problem = { path: "metadata.name", value: valueText(name), fix: "write the node's name: lower-case letters, digits, - and ." };
  return [...(named ? [] : [problem]), ...(strictMetadata ? unknownMembers(metadata, METADATA, "metadata.") : [])];
}

function headOf(metadata: unknown): Head {
  const { name, generation } = isPlain(metadata) ? metadata : {};
  return { name: String(name), generation: typeof generation === "number" ? generation : 0 };
}
