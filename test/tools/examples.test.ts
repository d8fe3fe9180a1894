// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { pciResourceEnvName } from "../../src/domain/env-name.ts";

const EXAMPLES = join(import.meta.dirname, "../../examples");
const read = (name: string) => parse(readFileSync(join(EXAMPLES, name), "utf8"));

const asked = (name: string): string => {
  const [container] = read(name).spec.containers;
  const names = Object.keys(container.resources.limits);
  expect(names).toHaveLength(1);
  return names[0] ?? "";
};

test.each(["pod.yaml", "pod-kata.yaml"])("the example %s asks for a resource that the node of the examples offers", (name) => {
  const offered = read("node.yaml").spec.resources.map((rule: { name: string }) => rule.name);
  expect(offered).toContain(asked(name));
});

test("the pod of the examples names the variable that it finds", () => {
  expect(readFileSync(join(EXAMPLES, "pod.yaml"), "utf8")).toContain(pciResourceEnvName(asked("pod.yaml")));
});
