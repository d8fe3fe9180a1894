// SPDX-License-Identifier: Apache-2.0

/** The CRD of the first release, as it was: what agents and schemas of later versions must get along with. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";

export const BASELINE_FILE = new URL("./fixtures/trustediommus-v1alpha1-baseline.yaml", import.meta.url);

interface Schema {
  readonly properties: Readonly<Record<"spec" | "status", Readonly<Record<string, unknown>>>>;
}

/** The schemas of its spec and status. */
export function baseline(): Schema["properties"] {
  const crd = parse(readFileSync(BASELINE_FILE, "utf8")) as { spec: { versions: { schema: { openAPIV3Schema: Schema } }[] } };
  const [version] = crd.spec.versions;
  if (version === undefined) throw new Error("the CRD has no version");
  return version.schema.openAPIV3Schema.properties;
}
