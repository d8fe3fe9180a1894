// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HostView } from "../../../src/domain/host.ts";
import { createHostReader } from "../../../src/host/reader.ts";
import { systemClock } from "../../../src/runtime/clock.ts";
import { createSimulatedHost } from "../../../src/stand-in/host/create.ts";
import { loadHostDescription } from "../../../src/stand-in/host/load-description.ts";
import type { SimulatedHost } from "../../../src/stand-in/host/simulated-host.ts";
import { shippedHost } from "../../support/captured.ts";
import { createRecordingControl } from "../../support/recording-control.ts";
import { createScratch, type Scratch } from "../../support/scratch.ts";

const DESCRIPTION = { ...loadHostDescription(shippedHost("one-unit")), tsm: "tsm0" };
const ENDPOINT = "0000:01:00.0";
const ROOT_PORT = "0000:00:01.0";

let scratch: Scratch;
beforeEach(() => {
  scratch = createScratch();
});
afterEach(() => scratch.remove());

function create(): SimulatedHost {
  return createSimulatedHost(join(scratch.path, "sim"), { description: DESCRIPTION, control: createRecordingControl() });
}

/** Every path below, links not followed: a sysfs tree has links in circles. */
function pathsBelow(root: string, at = ""): string[] {
  return readdirSync(join(root, at), { withFileTypes: true }).flatMap((entry) => {
    const path = at === "" ? entry.name : `${at}/${entry.name}`;
    return entry.isDirectory() ? [path, ...pathsBelow(root, path)] : [path];
  });
}

const DAMAGES = ["Deleted", "Emptied", "Garbage", "Directory", "Loop"] as const;

function damage(path: string, kind: (typeof DAMAGES)[number]): void {
  rmSync(path, { recursive: true, force: true });
  if (kind === "Emptied") writeFileSync(path, "");
  if (kind === "Garbage") writeFileSync(path, Buffer.from([0xff, 0x00, 0x31, 0x0a, 0x80, 0x78, 0x2f]));
  if (kind === "Directory") mkdirSync(path);
  if (kind === "Loop") symlinkSync(path, path);
}

/** What no damage may lead to. */
function check(view: HostView): void {
  const units = new Set(view.units.map((unit) => unit.regBase));
  // Nothing in this host is secured.
  for (const { link } of view.slots) expect(link.state).not.toBe("Secure");
  for (const one of view.functions) {
    if (one.unit.kind === "Unit") expect(units).toContain(one.unit.regBase);
    expect(one.vendor).toMatch(/^([0-9a-f]{4})?$/);
    // Only the endpoints are capable: damage makes things unknown, not different.
    if (one.teeIo === "Yes") expect(one.address).toMatch(/^0000:0[12]:00\.0$/);
  }
}

describe("a damaged tree", () => {
  it("is read all the same, and nothing becomes capable or secured by it", async () => {
    const host = create();
    const paths = pathsBelow(host.hostRoot)
      .filter((path) => !["sys", "sys/bus", "sys/bus/pci", "sys/bus/pci/devices", "sys/class/iommu", "sys/class"].includes(path))
      // A TSM's name is whatever the file says: what stands in connect counts as connected.
      .filter((path) => !/\/tsm(\/connect)?$/.test(path));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.constantFrom(...DAMAGES), async (path, kind) => {
        const at = join(host.hostRoot, path);
        const kept = join(scratch.path, "kept");
        renameSync(at, kept);
        try {
          damage(at, kind);
          const reader = createHostReader({ root: host.hostRoot });
          check(await reader.observe());
          await reader.observeFunction(ENDPOINT);
        } finally {
          rmSync(at, { recursive: true, force: true });
          renameSync(kept, at);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("a tree that changes while it is read", () => {
  /** Time runs so fast that the reader pauses after every item; at pause number `at` something happens. */
  async function observeWith(host: SimulatedHost, at: number, happen: () => void): Promise<HostView> {
    let pauses = 0;
    let now = 0;
    const clock = { ...systemClock, nowMs: () => now++ };
    const pause = async (): Promise<void> => {
      if (pauses++ === at) happen();
    };
    return createHostReader({ root: host.hostRoot, clock, pause }).observe();
  }

  it("gives functions that are there or not, whenever they vanish or come back", async () => {
    const host = create();
    for (let at = 0; at < 16; at++) {
      check(await observeWith(host, at, () => host.unplug(ROOT_PORT)));
      expect((await createHostReader({ root: host.hostRoot }).observe()).functions.map((one) => one.address)).not.toContain(ENDPOINT);
      check(await observeWith(host, at, () => host.replug(ROOT_PORT)));
    }
  });

  it("gives functions behind an unreadable unit when it is lost meanwhile", async () => {
    const host = create();
    for (let at = 0; at < 16; at++) {
      check(await observeWith(host, at, () => host.loseUnit("0xfed90000")));
      host.findUnit("0xfed90000");
    }
  });
});
