// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { addressFrom } from "../../../src/cli/address-argument.ts";
import { filesOfShell } from "../../../src/cli/agent/open-cluster.ts";
import type { OutputForm } from "../../../src/cli/config/settings.ts";
import { type Context, noDrops } from "../../../src/cli/context.ts";
import { readEnvironment } from "../../../src/cli/environment.ts";
import { createScreen } from "../../../src/cli/process/screen.ts";
import { humanLogLine } from "../../../src/cli/view/log-line.ts";
import { noStopSignals } from "../../../src/runtime/signals.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { nodeStatus } from "../../support/node-status.ts";

function screenOn(isTTY: boolean, { term = "xterm", output: form = "text" }: { term?: string; output?: OutputForm } = {}) {
  const written: string[] = [];
  const terminal = new EventEmitter();
  const output = {
    isTTY,
    columns: 80,
    rows: 40,
    write: (text: string) => void written.push(text),
    on: (event: "resize", listener: () => void) => terminal.on(event, listener),
    off: (event: "resize", listener: () => void) => terminal.off(event, listener),
  };
  const context: Context = {
    environment: readEnvironment({ TERM: term, NO_COLOR: "1" }),
    workingFolder: "/",
    output,
    errors: output,
    clock: createFakeClock({ wallMs: Date.UTC(2026, 0, 1, 12) }),
    drops: noDrops,
    signals: noStopSignals,
    exit: () => undefined,
  };
  return { screen: createScreen(context, { output: form, footer: "Ctrl-C ends" }), text: () => written.join("") };
}

describe("the screen", () => {
  test("redraws tables on a terminal, with the footer below", () => {
    const { screen, text } = screenOn(true);
    screen.show("n1", nodeStatus());
    expect(screen.isLive).toBe(true);
    expect(text()).toMatch(/SIMULATED.*node n1.*0xfed90000.*0000:17:00\.0.*Ctrl-C ends/s);
    screen.log('{"level":"warn","time":"2026-01-01T12:00:01.000Z","simulated":true,"message":"job failed","job":"pass"}');
    expect(text()).toContain("12:00:01.000 warn job failed  job=pass");
    screen.close();
  });

  test("prints what changed elsewhere, and that nothing is real", () => {
    for (const [isTTY, term] of [
      [false, "xterm"],
      [true, "dumb"],
    ] as const) {
      const { screen, text } = screenOn(isTTY, { term });
      screen.show("n1", nodeStatus({ conditions: [] }));
      screen.show("n1", nodeStatus({ conditions: [] }));
      expect(screen.isLive).toBe(false);
      expect(text()).toBe(
        "12:00:00.000 SIMULATED: no TDX hardware is used, nothing here is real\n" +
          "12:00:00.000 unit 0xfed90000 (dmar0) Trusted id 0x1 SetupSucceeded\n" +
          "12:00:00.000 device 0000:17:00.0 offered as teeio.dev/gpu\n",
      );
    }
  });
});

test("where JSON is asked for, the log is all there is, also on a terminal, and it tells the changes", () => {
  const { screen, text } = screenOn(true, { output: "json" });
  screen.show("n1", nodeStatus());
  screen.say("for people");
  screen.log('{"level":"info","message":"gate opened"}\n');
  expect(screen).toMatchObject({ isLive: false, tellsChanges: false });
  expect(text()).toBe('{"level":"info","message":"gate opened"}\n');
});

test("off a terminal changes and log have one form, and the log leaves the changes out", () => {
  const { screen, text } = screenOn(false);
  screen.say("a change");
  screen.log('{"level":"warn","time":"2026-01-01T12:00:01.500Z","message":"job failed","job":"pass"}\n');
  expect(screen.tellsChanges).toBe(true);
  expect(text()).toBe("12:00:00.000 a change\n12:00:01.500 warn job failed  job=pass\n");
});

test("a log line is one line for people, with its error in a sentence", () => {
  const json = JSON.stringify({
    level: "warn",
    time: "2026-01-01T12:00:01.250Z",
    message: "job failed",
    node: "n1",
    err: { code: "DEADLINE", message: "late\nvery" },
    n: 2,
  });
  expect(humanLogLine(json, false)).toBe("12:00:01.250 warn job failed  err=DEADLINE: late very n=2");
  expect(humanLogLine("not json\n", false)).toBe("not json");
});

test("an address is taken as people type it, and refused with an example", () => {
  expect(["17:00.0", " 0000:AB:1f.7 ", "10000:01:00.0", "00000000:17:00.0"].map(addressFrom)).toEqual([
    "0000:17:00.0",
    "0000:ab:1f.7",
    "10000:01:00.0",
    "0000:17:00.0",
  ]);
  for (const bad of ["", "17:00", "17:20.0", "17:00.8", "../17:00.0"]) expect(() => addressFrom(bad)).toThrow(/lspci -D/);
});

describe("where no kubeconfig is named", () => {
  let home = "";
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "home-"));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  test("kubectl's places are looked at: $KUBECONFIG, all its files together, else ~/.kube/config where it is", async () => {
    expect(await filesOfShell({ kubeconfig: null, home })).toEqual([]);
    mkdirSync(join(home, ".kube"));
    writeFileSync(join(home, ".kube", "config"), "");
    expect(await filesOfShell({ kubeconfig: null, home })).toEqual([join(home, ".kube", "config")]);
    expect(await filesOfShell({ kubeconfig: "/a::/b", home })).toEqual(["/a", "/b"]);
    expect(await filesOfShell({ kubeconfig: null, home: null })).toEqual([]);
  });
});
