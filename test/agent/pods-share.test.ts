// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { shareClaims, sharePods } from "../../src/agent/pods-share.ts";
import type { ClaimsPort } from "../../src/cluster/dra/port.ts";
import type { NodePodsView } from "../../src/domain/view.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const OURS = new Set(["teeio.dev"]);
const UNKNOWN: ReadonlySet<string> = new Set();
const NONE: NodePodsView = { kind: "None" };

function counted() {
  const clock = createFakeClock();
  const asked: string[] = [];
  const observe = async (domains: ReadonlySet<string>): Promise<NodePodsView> => {
    asked.push([...domains].join(" "));
    return NONE;
  };
  return { clock, asked, pods: sharePods({ isLocal: false, observe }, clock) };
}

test("one list of pods serves all that is decided within two seconds", async () => {
  const { clock, asked, pods } = counted();
  expect(await Promise.all([pods.observe(OURS, UNKNOWN), pods.observe(new Set(), UNKNOWN)])).toEqual([NONE, NONE]);
  await clock.advance(1_999);
  await pods.observe(OURS, UNKNOWN);
  expect(asked).toEqual(["teeio.dev"]);
  await clock.advance(1);
  await pods.observe(OURS, UNKNOWN);
  expect(asked).toEqual(["teeio.dev", "teeio.dev"]);
});

test("a list for other names is no answer", async () => {
  const { asked, pods } = counted();
  await pods.observe(OURS, UNKNOWN);
  await pods.observe(new Set(["teeio.dev", "acme.com"]), UNKNOWN);
  expect(asked).toEqual(["teeio.dev", "teeio.dev acme.com"]);
});

test("one list of claims serves all that is decided within two seconds", async () => {
  const clock = createFakeClock();
  let lists = 0;
  const list = async () => {
    lists += 1;
    return { kind: "Read" as const, value: [] };
  };
  const claims = shareClaims({ list } as unknown as ClaimsPort, clock);
  await Promise.all([claims.list(), claims.list()]);
  await clock.advance(1_999);
  await claims.list();
  expect(lists).toBe(1);
  await clock.advance(1);
  await claims.list();
  expect(lists).toBe(2);
});
