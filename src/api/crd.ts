// SPDX-License-Identifier: Apache-2.0
import type { Column, Kind } from "./kinds.ts";
import { GROUP, VERSION } from "./names.ts";
import { toStructural } from "./structural.ts";

/** A CustomResourceDefinition, ready to be written as YAML. */
export type Crd = Readonly<Record<string, unknown>>;

export type Annotations = Readonly<Record<string, string>>;

/** The CRD of `kind`. @throws INVARIANT_BROKEN when one of its schemas has no structural form */
export function crdOf(kind: Kind, annotations: Annotations = {}): Crd {
  const { names } = kind;
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${names.plural}.${GROUP}`, ...(Object.keys(annotations).length > 0 && { annotations }) },
    spec: {
      group: GROUP,
      scope: "Cluster",
      names: {
        kind: names.kind,
        listKind: `${names.kind}List`,
        plural: names.plural,
        singular: names.singular,
        shortNames: [...names.shortNames],
        categories: ["teeio"],
      },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          ...(kind.status !== null && { subresources: { status: {} } }),
          additionalPrinterColumns: kind.columns.map(printerColumn),
          schema: { openAPIV3Schema: rootOf(kind) },
        },
      ],
    },
  };
}

/** apiVersion, kind and metadata are the API server's: it allows nothing but the type of metadata here, and describes it itself. */
function rootOf(kind: Kind): Record<string, unknown> {
  const status = kind.status === null ? {} : { status: toStructural(kind.status, "status") };
  return {
    description: kind.description,
    type: "object",
    required: ["spec"],
    properties: {
      apiVersion: { type: "string", description: `Version of the object's schema: ${GROUP}/${VERSION}.` },
      kind: { type: "string", description: `${kind.names.kind}.` },
      metadata: { type: "object" },
      spec: toStructural(kind.spec, "spec"),
      ...status,
    },
  };
}

function printerColumn({ name, type, jsonPath, description, always }: Column): Record<string, unknown> {
  return { name, type, jsonPath, description, ...(!always && { priority: 1 }) };
}
