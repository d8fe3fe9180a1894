// SPDX-License-Identifier: Apache-2.0
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { planCgroupPaths } from "./cgroups.ts";
import { type Identity, isAlive, killIdentity } from "./identity.ts";
import { releaseStaleRuns } from "./run-folder.ts";
import { openRung, rungTitle } from "./rung.ts";
import { met, notYet, waitUntil } from "./waiting.ts";

const rung = await openRung();
const FIXTURE = fileURLToPath(new URL("killed-run.fixture.ts", import.meta.url));

describe.skipIf(rung.skipReason !== null)(rungTitle("a run that is killed", rung), () => {
  let runs: string;

  beforeEach(() => {
    runs = mkdtempSync(join(tmpdir(), "trusted-iommu-killed-"));
  });

  afterEach(async () => {
    await releaseStaleRuns(runs);
    rmSync(runs, { recursive: true, force: true });
  });

  test("is cleaned up by its guardian, which leaves the logs", async () => {
    const { child, id } = await startFixture(runs);
    const held = heldBy(runs, id);
    expect(held.filter(isAlive)).toHaveLength(held.length);
    child.kill("SIGKILL");
    const look = () => (readdirSync(join(runs, id)).length > 1 ? notYet<true>("not cleaned up") : met(true as const));
    await waitUntil("the guardian's work", look, { deadlineMs: 30_000 });
    expect(held.filter(isAlive)).toEqual([]);
    expect(cgroupsOf(id)).toEqual([]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(id);
    expect(readdirSync(join(runs, id))).toEqual(["logs"]);
  });

  test("is cleaned up by the next run when its guardian is killed too", async () => {
    const { child, id } = await startFixture(runs);
    const held = heldBy(runs, id);
    killIdentity(JSON.parse(readFileSync(join(runs, id, "guardian.json"), "utf8")) as Identity);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(cgroupsOf(id)).not.toEqual([]);
    expect(await releaseStaleRuns(runs)).toEqual([id]);
    expect(held.filter(isAlive)).toEqual([]);
    expect(cgroupsOf(id)).toEqual([]);
    expect(readdirSync(runs)).toEqual([]);
  });

  test("is left alone by others as long as it lives", async () => {
    const { child, id } = await startFixture(runs);
    expect(await releaseStaleRuns(runs)).toEqual([]);
    expect(heldBy(runs, id).filter(isAlive)).not.toEqual([]);
    child.kill("SIGKILL");
    await once(child, "exit");
  });
});

async function startFixture(runs: string): Promise<{ child: ChildProcess; id: string }> {
  const child = spawn(process.execPath, [FIXTURE, runs], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, id: line.toString().trim() };
}

/** The processes in a run's ledger. */
function heldBy(runs: string, id: string): Identity[] {
  const lines = readFileSync(join(runs, id, "ledger.jsonl"), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as Identity & { kind: string }).filter((resource) => resource.kind === "process");
}

function cgroupsOf(id: string): string[] {
  return planCgroupPaths(`trusted-iommu-${id}-fixture`).filter(existsSync);
}
