// SPDX-License-Identifier: Apache-2.0

/** What a cluster does otherwise whose API server keeps no fields of features that are off. Pure. */
import type { OPTIONAL_FIELDS } from "./slice-spec.ts";

type OptionalField = (typeof OPTIONAL_FIELDS)[number];

/** Fields of one feature, and what is without it. */
const FEATURES: readonly { readonly fields: readonly OptionalField[]; readonly without: string }[] = [
  {
    fields: ["bindingConditions", "bindingFailureConditions"],
    without: "pods are bound before their links are secured, and wait for them on the node",
  },
  { fields: ["consumesCounters", "sharedCounters"], without: "the scheduler does not count IDE streams" },
  { fields: ["taints"], without: "the scheduler is not told of a device that is withheld while it is allocated" },
];

/** For people, with the fields by name; empty when none is dropped. */
export function droppedText(dropped: readonly string[]): string {
  const parts = FEATURES.flatMap(({ fields, without }) => {
    const missing = fields.filter((field) => dropped.includes(field));
    return missing.length === 0 ? [] : [`${missing.join(", ")} (${without})`];
  });
  return parts.length === 0 ? "" : `the API server drops fields of ResourceSlices: ${parts.join("; ")}`;
}
