// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { pciResourceEnvName } from "../../src/domain/env-name.ts";

const EXAMPLES = join(import.meta.dirname, "../../examples");
const read = (name: string) => parse(readFileSync(join(EXAMPLES, name), "utf8"));

test("the pod of the examples asks for a resource that their node offers, and names the variable that it finds", () => {
  const offered = read("node.yaml").spec.resources.map(({ name }: { name: string }) => name);
  const [container] = read("pod.yaml").spec.containers;
  const asked = Object.keys(container.resources.limits);
  expect(asked).toHaveLength(1);
  expect(offered).toContain(asked[0]);
  expect(readFileSync(join(EXAMPLES, "pod.yaml"), "utf8")).toContain(pciResourceEnvName(asked[0] ?? ""));
});
