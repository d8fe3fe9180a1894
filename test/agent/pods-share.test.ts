// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { sharePods } from "../../src/agent/pods-share.ts";
import type { NodePodsView } from "../../src/domain/view.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const OURS = new Set(["teeio.dev"]);
const NONE: NodePodsView = { kind: "None" };

function counted() {
  const clock = createFakeClock();
  const asked: string[] = [];
  const observe = async (domains: ReadonlySet<string>): Promise<NodePodsView> => {
    asked.push([...domains].join(" "));
    return NONE;
  };
  return { clock, asked, pods: sharePods({ observe }, clock) };
}

test("one list of pods serves all that is decided within two seconds", async () => {
  const { clock, asked, pods } = counted();
  expect(await Promise.all([pods.observe(OURS), pods.observe(new Set())])).toEqual([NONE, NONE]);
  await clock.advance(1_999);
  await pods.observe(OURS);
  expect(asked).toEqual(["teeio.dev"]);
  await clock.advance(1);
  await pods.observe(OURS);
  expect(asked).toEqual(["teeio.dev", "teeio.dev"]);
});

test("a list for other names is no answer", async () => {
  const { asked, pods } = counted();
  await pods.observe(OURS);
  await pods.observe(new Set(["teeio.dev", "acme.com"]));
  expect(asked).toEqual(["teeio.dev", "teeio.dev acme.com"]);
});
