// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import type { NodeEvent } from "../../src/cluster/port.ts";
import type { NodeStatus } from "../../src/domain/status.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createManifestIntent, type ManifestIntent } from "../../src/standalone/manifest-intent.ts";
import { createStatusFile, readStatusFile } from "../../src/standalone/status-file.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { AGENT } from "../support/node-status.ts";

const manifest = (state: string): string =>
  `apiVersion: teeio.dev/v1alpha1\nkind: TrustedIommu\nmetadata: {name: n1}\nspec:\n  state: ${state}\n  units: {all: true}\n`;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "standalone-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe("the manifest", () => {
  let clock: FakeClock;
  let text: string | null;
  let touch: () => void;
  let intent: ManifestIntent;

  beforeEach(() => {
    clock = createFakeClock();
    text = manifest("Trusted");
    touch = () => expect.fail("not watched");
    const files = {
      read: (): Promise<string> => (text === null ? Promise.reject(new Error("ENOENT")) : Promise.resolve(text)),
      watch(_path: string, changed: () => void): () => void {
        touch = changed;
        return () => {
          touch = () => expect.fail("watched after stop");
        };
      },
    };
    intent = createManifestIntent({ path: "/m.yaml", clock, log: silentLog, files });
  });

  afterEach(() => {
    intent.stop();
    expect(clock.pending()).toBe(0);
  });

  const rewrite = async (next: string | null): Promise<void> => {
    text = next;
    touch();
    await clock.advance(50);
  };

  test("is unknown before the start and read by it", async () => {
    expect(intent.current()).toBe(null);
    await intent.start(new AbortController().signal);
    expect(intent.current()).toMatchObject({ generation: 1, problem: "", intent: { state: "Trusted" } });
    expect(intent.nodeName()).toBe("n1");
  });

  test("is read again when it changes, and tells its listeners", async () => {
    await intent.start(new AbortController().signal);
    let changes = 0;
    const forget = intent.onChange(() => {
      changes += 1;
    });
    await rewrite(manifest("Cleared"));
    expect(intent.current()).toMatchObject({ generation: 2, intent: { state: "Cleared" } });
    await rewrite(manifest("Cleared"));
    expect(changes).toBe(1);
    forget();
    await rewrite(manifest("Trusted"));
    expect(changes).toBe(1);
  });

  const broken: [string, string | null, string][] = [
    ["broken", `${manifest("Trusted")}  regBases: [`, "line"],
    ["against the schema", manifest("trusted"), "spec.state"],
    ["empty", "", "document"],
    ["gone", null, "cannot read /m.yaml"],
  ];
  test.each(broken)("stays in force when the new one is %s, with the problem, until it is good again", async (_name, next, problem) => {
    await intent.start(new AbortController().signal);
    await rewrite(next);
    expect(intent.current()).toMatchObject({ generation: 1, intent: { state: "Trusted" }, problem: expect.stringContaining(problem) });
    await rewrite(manifest("Trusted"));
    expect(intent.current()).toMatchObject({ generation: 2, intent: { state: "Trusted" }, problem: "" });
  });

  test("that was never good leaves the node at rest, with the problem", async () => {
    text = manifest("trusted");
    await intent.start(new AbortController().signal);
    expect(intent.current()).toMatchObject({ intent: null, generation: 0, problem: expect.stringContaining("spec.state") });
  });

  test("is polled, because notices get lost", async () => {
    await intent.start(new AbortController().signal);
    text = manifest("Cleared");
    await clock.advance(5000);
    expect(intent.current()).toMatchObject({ intent: { state: "Cleared" } });
    text = manifest("Trusted");
    await clock.advance(5000);
    expect(intent.current()).toMatchObject({ generation: 3 });
  });

  test("is noticed on a real file system, written in place and replaced", async () => {
    const path = join(folder, "manifest.yaml");
    await writeFile(path, manifest("Trusted"));
    const real = createManifestIntent({ path, clock: systemClock, log: silentLog });
    await real.start(new AbortController().signal);
    try {
      await writeFile(path, manifest("Cleared"));
      await vi.waitFor(() => expect(real.current()?.intent?.state).toBe("Cleared"), { interval: 5, timeout: 10_000 });
      await writeFile(join(folder, "next"), manifest("Trusted"));
      await rename(join(folder, "next"), path);
      await vi.waitFor(() => expect(real.current()?.intent?.state).toBe("Trusted"), { interval: 5, timeout: 10_000 });
    } finally {
      real.stop();
    }
  });
});

describe("the status file", () => {
  const status: NodeStatus = {
    agent: AGENT,
    observedGeneration: 1,
    bootId: "b",
    simulated: true,
    tdxModule: { version: "2.0.18", connect: true, driver: "simulated", environment: "Ok", instance: "" },
    summary: "all well",
    counts: { unitsSelected: 0, unitsTrusted: 0, functions: 0, devicesOffered: 0, devicesWithheld: 0 },
    units: [],
    otherUnits: [],
    devices: [],
    conditions: [],
  };
  const intent = { state: "Trusted", units: { all: true }, resources: [], link: { enable: "OnPrepare" } } as const;
  const events: NodeEvent[] = [];
  const at = (path: string | null) =>
    createStatusFile({ path, clock: systemClock, node: () => "n1", intent: () => intent, onEvent: (event) => events.push(event) });

  test.each(["status.yaml", "status.json"])("holds a whole object in %s, and gives the status back", async (name) => {
    const path = join(folder, "new", name);
    const port = at(path);
    expect(await port.readLast()).toBe(null);
    await port.write(status);
    const object = { apiVersion: "teeio.dev/v1alpha1", kind: "TrustedIommu", metadata: { name: "n1" }, spec: intent, status };
    expect(parse(await readFile(path, "utf8"))).toEqual(object);
    expect(await at(path).readLast()).toEqual(status);
    expect(await readdir(join(folder, "new"))).toEqual([name]);
  });

  test("is unreadable rather than wrong when something else stands in it", async () => {
    for (const text of ["", "{", "status: {summary: 1}", "[]"]) {
      const path = join(folder, "status.yaml");
      await writeFile(path, text);
      expect(await readStatusFile(path, systemClock)).toBe(null);
    }
  });

  test("that cannot be written says so", async () => {
    const port = at(join(folder, "file", "status.yaml"));
    await writeFile(join(folder, "file"), "");
    await expect(port.write(status)).rejects.toMatchObject({ code: "STATUS_UNWRITABLE" });
    await rm(join(folder, "file"));
    await port.write(status);
    expect(await port.readLast()).toEqual(status);
  });

  test("may be nowhere", async () => {
    await at(null).write(status);
    expect(await at(null).readLast()).toBe(null);
  });

  test("passes events on", () => {
    const event = { type: "Normal", reason: "Ready", about: "Ready", message: "m" } as const;
    at(null).event(event);
    expect(events).toEqual([event]);
  });
});
