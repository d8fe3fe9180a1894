// SPDX-License-Identifier: Apache-2.0
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSpecKeeper } from "../../src/agent/spec-keeper.ts";
import type { SpecProof } from "../../src/domain/proofs.ts";
import { createCdi, specFileName } from "../../src/kubelet/cdi/cdi.ts";
import type { CdiPort } from "../../src/kubelet/port.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { GPU } from "../support/builders.ts";

const NIC = "teeio.dev/nic";
const ONE = "0000:17:00.0";
const OTHER = "0000:18:00.0";
const proof = (number: number, epoch = "i/0x1"): SpecProof => ({ node: `/dev/vfio/devices/vfio${number}`, epoch });

let dir = "";
let wanted: ReadonlyMap<string, SpecProof> = new Map();
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "ti-spec-keeper-"));
  wanted = new Map();
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const keeperOver = (cdi: CdiPort) =>
  createSpecKeeper({ cdi, log: silentLog }, { simulatedHost: false, wanted: () => ({ specs: wanted, simulated: false }) });
const aKeeper = () => keeperOver(createCdi({ dir }));
/** Nothing is written before `open` is called. */
function heldKeeper() {
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const cdi = createCdi({ dir });
  const keeper = keeperOver({ sync: (resources) => gate.then(() => cdi.sync(resources)) });
  return { keeper, open };
}
const written = (resource: string) => JSON.parse(readFileSync(join(dir, specFileName(resource)), "utf8"));

test("specs name what is wanted, with its node, and are proven then", async () => {
  wanted = new Map([[`${GPU}=${ONE}`, proof(0)]]);
  const keeper = aKeeper();
  expect(keeper.mustSync()).toBe(true);
  expect(await keeper.sync()).toMatchObject({ problem: "", proven: wanted, stale: new Set() });
  expect(written(GPU).devices).toMatchObject([{ name: ONE, containerEdits: { deviceNodes: [{ hostPath: "/dev/vfio/devices/vfio0" }, {}] } }]);
  expect(keeper.mustSync()).toBe(false);
});

test("a node that changed, an epoch that changed, and a device that is not wanted any more, are work to do", async () => {
  const keeper = aKeeper();
  wanted = new Map([[`${GPU}=${ONE}`, proof(0)]]);
  await keeper.sync();
  for (const next of [new Map([[`${GPU}=${ONE}`, proof(1)]]), new Map([[`${GPU}=${ONE}`, proof(1, "i/0x2")]]), new Map<string, SpecProof>()]) {
    wanted = next;
    expect(keeper.mustSync()).toBe(true);
    expect((await keeper.sync()).proven).toEqual(next);
  }
});

test("what is wanted is asked when the writing begins, not when it was called for", async () => {
  const { keeper, open } = heldKeeper();
  wanted = new Map([[`${GPU}=${ONE}`, proof(0)]]);
  const first = keeper.sync();
  await Promise.resolve();
  const second = keeper.sync();
  wanted = new Map();
  open();
  await first;
  expect((await second).proven.size).toBe(0);
  expect(readdirSync(dir)).toEqual([]);
});

test("a gate that closes while its spec is being written leaves work to do", async () => {
  const { keeper, open } = heldKeeper();
  wanted = new Map([[`${GPU}=${ONE}`, proof(0)]]);
  const writing = keeper.sync();
  await new Promise(setImmediate);
  wanted = new Map();
  expect(keeper.mustSync()).toBe(true);
  open();
  await writing;
  expect(keeper.mustSync()).toBe(true);
});

test("a spec that cannot be written is not proven, and those of other resources are", async () => {
  const keeper = aKeeper();
  // No file can take the place of a folder.
  mkdirSync(join(dir, specFileName(GPU)));
  wanted = new Map([
    [`${GPU}=${ONE}`, proof(0)],
    [`${NIC}=${OTHER}`, proof(1)],
  ]);
  const specs = await keeper.sync();
  expect(specs.problem).not.toBe("");
  expect([...specs.proven.keys()]).toEqual([`${NIC}=${OTHER}`]);
  expect(specs.unreadable).toEqual([specFileName(GPU)]);
});

test("specs that an earlier process left stay while they are wanted, and go with the first sync else", async () => {
  await createCdi({ dir }).sync([{ resource: GPU, devices: [{ id: ONE, deviceNodes: ["/dev/vfio/devices/vfio0", "/dev/iommu"], env: {} }] }]);
  wanted = new Map([[`${GPU}=${ONE}`, proof(0)]]);
  expect(await aKeeper().sync()).toMatchObject({ stale: new Set(), proven: wanted });
  wanted = new Map();
  expect(await aKeeper().sync()).toMatchObject({ stale: new Set(), proven: wanted });
  expect(readdirSync(dir)).toEqual([]);
});

test("an end removes all specs, whatever is wanted", async () => {
  const keeper = aKeeper();
  wanted = new Map([[`${GPU}=${ONE}`, proof(0)]]);
  await keeper.sync();
  await keeper.end();
  expect(readdirSync(dir)).toEqual([]);
});
