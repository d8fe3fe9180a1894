// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { parseManifest } from "../../../src/api/parse.ts";
import type { PassView } from "../../../src/cli/agent/run-agent.ts";
import { moveAfter, START } from "../../../src/cli/demo/demo-course.ts";
import { manifestText } from "../../../src/cli/demo/demo-host.ts";
import { condition, deviceStatus, nodeStatus, unitStatus } from "../../support/node-status.ts";

const cleared = nodeStatus({ conditions: [condition({ type: "DevicesOffered", status: "False", reason: "IntentCleared" })] });

function pass(settled: boolean, failures: string[] = [], status = nodeStatus()): PassView {
  return { status, settlement: { settled, waitingFor: settled ? [] : ["a unit"], failures } };
}

test("nothing happens until all has settled, and then the failures of that moment count", () => {
  expect(moveAfter(START, pass(false, ["u: SetupPending"]))).toEqual({ kind: "Nothing" });
  expect(moveAfter(START, pass(true, ["u: SetupFailed"]))).toEqual({ kind: "Settled", failures: ["u: SetupFailed"] });
});

test("while it is shown, nothing ends it", () => {
  expect(moveAfter({ stage: "Showing", failures: [] }, pass(true))).toEqual({ kind: "Nothing" });
});

test("cleaning up ends when a pass that has seen the changed intent has settled", () => {
  const course = { stage: "CleaningUp", failures: ["u: SetupFailed"] } as const;
  expect(moveAfter(course, pass(true))).toEqual({ kind: "Nothing" });
  expect(moveAfter(course, pass(false, [], cleared))).toEqual({ kind: "Nothing" });
  expect(moveAfter(course, pass(true, ["v: ClearFailed"], cleared))).toEqual({ kind: "End", failures: ["u: SetupFailed", "v: ClearFailed"] });
});

test("a pod's device is shown when its link is secured, and what it had is waited for at the end", () => {
  const course = { stage: "Securing", failures: [] } as const;
  const device = (state: "Securing" | "Secure") =>
    nodeStatus({ devices: [deviceStatus({ link: { state, tsm: "tsm0" }, usedBy: { pod: "demo/vm" } })] });
  expect(moveAfter(course, pass(true, [], device("Securing")))).toEqual({ kind: "Nothing" });
  expect(moveAfter(course, pass(true, [], device("Secure")))).toEqual({ kind: "Secured" });
  const held = { ...cleared, units: [unitStatus({ reason: "ClearBlocked" })] };
  expect(moveAfter({ stage: "CleaningUp", failures: [] }, pass(true, ["u: ClearBlocked"], held))).toEqual({ kind: "Nothing" });
});

test("its manifests are valid, and ask for links where the host has a TSM", () => {
  for (const state of ["Trusted", "Cleared"] as const) {
    expect(parseManifest(manifestText(state))).toMatchObject({ ok: true, value: { name: "demo", intent: { state, link: { enable: "OnPrepare" } } } });
    expect(parseManifest(manifestText(state, false))).toMatchObject({ ok: true, value: { intent: { link: { enable: "Never" } } } });
  }
});
