// SPDX-License-Identifier: Apache-2.0
// JSON schemas of the Kubernetes API for kubeconform, offline: made from `api/openapi-spec` of the Kubernetes module that
// the cluster's own programs are built from, so that chart and cluster are judged by the same version.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

type JsonSchema = Record<string, unknown>;
type Definitions = Readonly<Record<string, JsonSchema>>;

interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

/** The `-schema-location` that finds the schemas of a folder: kubeconform fills in, e.g., `daemonset` and `-apps-v1`. */
export function schemaLocation(folder: string): string {
  return join(folder, "{{ .ResourceKind }}{{ .KindSuffix }}.json");
}

/** Writes one self-contained schema per kind of the API below `folder`; returns how many.
 *  @param kubernetesSource folder of the k8s.io/kubernetes module */
export async function writeSchemas(kubernetesSource: string, folder: string): Promise<number> {
  const text = await readFile(join(kubernetesSource, "api/openapi-spec/swagger.json"), "utf8");
  const schemas = schemasFromSwagger(JSON.parse(text) as { definitions: Definitions });
  await mkdir(folder, { recursive: true });
  for (const [name, schema] of schemas) await writeFile(join(folder, name), JSON.stringify(schema));
  return schemas.size;
}

/** One strict JSON schema per kind, by file name. Kinds that belong to several groups (DeleteOptions, WatchEvent) are no manifests: left out. */
export function schemasFromSwagger(swagger: { readonly definitions: Definitions }): Map<string, JsonSchema> {
  const schemas = new Map<string, JsonSchema>();
  for (const [name, definition] of Object.entries(swagger.definitions)) {
    const kinds = (definition["x-kubernetes-group-version-kind"] ?? []) as GroupVersionKind[];
    const [only] = kinds;
    if (kinds.length === 1 && only !== undefined) schemas.set(fileNameOf(only), standalone(name, only, swagger.definitions));
  }
  return schemas;
}

/** As kubeconform builds it from apiVersion and kind: only the first part of the group's name counts. */
function fileNameOf({ group, version, kind }: GroupVersionKind): string {
  const parts = [kind, ...(group === "" ? [] : [group.split(".")[0] ?? group]), version];
  return `${parts.join("-").toLowerCase()}.json`;
}

function standalone(name: string, kind: GroupVersionKind, all: Definitions): JsonSchema {
  const definitions: Record<string, JsonSchema> = {};
  for (const needed of closure(name, all)) definitions[needed] = strict(needed, all[needed] ?? {});
  const top = strict(name, all[name] ?? {});
  const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
  const identity = { apiVersion: { const: apiVersion }, kind: { const: kind.kind } };
  const required = [...new Set(["apiVersion", "kind", ...((top["required"] as string[] | undefined) ?? [])])];
  const properties = { ...(top["properties"] as JsonSchema), ...identity };
  return { $schema: "http://json-schema.org/draft-07/schema#", ...top, properties, required, definitions };
}

/** All definitions that a definition refers to, itself first. References may be circular. */
function closure(name: string, all: Definitions): Set<string> {
  const seen = new Set([name]);
  for (const each of seen) for (const reference of referencesOf(all[each] ?? {})) seen.add(reference);
  return seen;
}

function referencesOf(schema: unknown): string[] {
  if (Array.isArray(schema)) return schema.flatMap(referencesOf);
  if (typeof schema !== "object" || schema === null) return [];
  return Object.entries(schema).flatMap(([key, value]) =>
    key === "$ref" && typeof value === "string" ? [value.replace("#/definitions/", "")] : referencesOf(value),
  );
}

/** The definition as the API server reads it with strict field validation: no unknown fields. Two types are wider than the
 *  document says: a Quantity may be a number, and an int-or-string either. */
function strict(name: string, definition: JsonSchema): JsonSchema {
  if (name.endsWith(".resource.Quantity")) return { type: ["string", "number"] };
  if (definition["format"] === "int-or-string") return { type: ["string", "integer"] };
  const { type, properties, required, items, additionalProperties, $ref } = definition;
  const kept = Object.entries({ type, required, items, additionalProperties, $ref }).filter(([, value]) => value !== undefined);
  const closed = properties === undefined ? {} : { properties: strictProperties(properties as Definitions), additionalProperties: false };
  return { ...Object.fromEntries(kept), ...closed };
}

function strictProperties(properties: Definitions): JsonSchema {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, strict(name, schema)]));
}
