// SPDX-License-Identifier: Apache-2.0
// The API: what the API server makes of the CRDs and of each example.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { EXAMPLES, type Example } from "../../../src/api/examples.ts";
import { until } from "../looking.ts";
import type { Stage } from "../stage.ts";

const CRDS = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z.object({ conditions: z.array(z.object({ type: z.string(), status: z.string(), message: z.string().optional() })).default([]) }),
    }),
  ),
});

export function tellOfTheApi(onStage: () => Stage): void {
  test("the API server establishes both CRDs and finds their schemas structural", async () => {
    const stage = onStage();
    const crds = await until({
      what: "established CRDs",
      read: () => stage.api.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRDS),
      holds: (seen) => (seen?.items ?? []).filter((crd) => crd.status.conditions.some(isTrue("Established"))).length === 2,
      describe: (seen) => JSON.stringify(seen),
    });
    expect(crds?.items.map((crd) => [crd.metadata.name, crd.status.conditions.map((each) => [each.type, each.status])])).toEqual([
      ["trustediommupolicies.teeio.dev", ESTABLISHED],
      ["trustediommus.teeio.dev", ESTABLISHED],
    ]);
  });

  test("kubectl explain teaches every field of spec and status, with the meaning of each reason", async () => {
    const stage = onStage();
    // The API server publishes a new schema a moment after it has established the CRD.
    const spec = await until({
      what: "kubectl explain tiommu.spec",
      read: () => stage.cluster.tryKubectl(["explain", "tiommu.spec", "--recursive"]),
      holds: (seen) => seen.code === 0,
      describe: (seen) => seen.stderr,
    });
    const { stdout: units } = await stage.cluster.kubectl(["explain", "tiommu.spec.units"]);
    const { stdout: reasons } = await stage.cluster.kubectl(["explain", "tiommu.status.units.reason"]);
    stage.tell(`kubectl explain tiommu.spec.units\n${units}`);
    expect(spec.stdout).toContain("regBases");
    expect(units).not.toContain("<no description>");
    expect(reasons.replaceAll(/\s+/g, " ")).toContain("TdxConnectMissing: ECAP bit 50 is clear");
  });

  test("each valid example is accepted and each invalid one refused, with the field that is wrong", async () => {
    const stage = onStage();
    const answers = await createAll(stage, EXAMPLES);
    const wrong = EXAMPLES.flatMap((example) => misjudged(example, answers.get(example.name) ?? null));
    const refused = EXAMPLES.filter((example) => !example.expect.ok).length;
    stage.tell(`${EXAMPLES.length - refused} examples accepted, ${refused} refused`);
    expect(wrong).toEqual([]);
    expect(answers.get("unknown-field")).toContain("strict decoding error");
  });
}

const ESTABLISHED = [
  ["NamesAccepted", "True"],
  ["Established", "True"],
];

const isTrue = (type: string) => (condition: { readonly type: string; readonly status: string }) =>
  condition.type === type && condition.status === "True";

/** Creates every example in the API server without keeping it. @returns the API server's words, by the name of each that it refused */
async function createAll(stage: Stage, examples: readonly Example[]): Promise<ReadonlyMap<string, string>> {
  const folder = join(stage.cluster.folder, "examples");
  mkdirSync(folder, { recursive: true });
  for (const { name, yaml } of examples) writeFileSync(join(folder, `${name}.yaml`), yaml);
  const answer = await stage.cluster.tryKubectl(["create", "--dry-run=server", "--validate=strict", "-o", "name", "-f", folder]);
  expect(answer.stdout.trim().split("\n").sort()).toEqual(
    examples
      .filter((example) => example.expect.ok)
      .map(({ kind, name }) => `${kind.toLowerCase()}.teeio.dev/${name}`)
      .sort(),
  );
  // kubectl names the file in front of what the API server said, which may have several lines.
  return new Map(answer.stderr.split(/^Error from server[^\n]*?error when creating "[^"]*\/|^error: error when creating "[^"]*\//m).flatMap(refusal));
}

function refusal(text: string): [string, string][] {
  const [, name, words] = /^([a-z0-9-]+)\.yaml":? ?([\s\S]*)$/.exec(text) ?? [];
  return name === undefined ? [] : [[name, words ?? ""]];
}

/** What an admin would have to be an author of regular expressions for. */
const PATTERN = /should match|\^\[|\(\?:/;

function misjudged({ name, expect: expected }: Example, words: string | null): string[] {
  if (expected.ok) return words === null ? [] : [`${name}: refused: ${words}`];
  if (words === null) return [`${name}: accepted`];
  if (!words.includes(expected.serverPath)) return [`${name}: refused without naming ${expected.serverPath}: ${words}`];
  if (PATTERN.test(words)) return [`${name}: refused with a regular expression: ${words}`];
  // What a rule refuses it says how to put right; of a type, a word or a size the API server says what it takes.
  return expected.by === "Cel" && !/\b(write|give|join) /.test(words) ? [`${name}: refused without saying what to write: ${words}`] : [];
}
