// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PciFunction } from "../../../src/domain/device.ts";
import type { HostUnit } from "../../../src/domain/host.ts";
import { type Slot, slotOwnerOf } from "../../../src/domain/slot.ts";
import { createHostReader } from "../../../src/host/reader.ts";
import { expandHost } from "../../../src/stand-in/host/expand.ts";
import type { FunctionDescription, HostDescription, UnitDescription } from "../../../src/stand-in/host/host-description.ts";
import { hostSchema } from "../../../src/stand-in/host/host-schema.ts";
import { initialState } from "../../../src/stand-in/host/host-state.ts";
import { renderHost } from "../../../src/stand-in/host/render.ts";
import { hostInState } from "../../../src/stand-in/host/render-function.ts";
import { makeTree } from "../../../src/stand-in/host/tree.ts";
import { createScratch } from "../../support/scratch.ts";

/** A described function as YAML would have it, on slot `index` of a root bus or below the root port. */
const functionArbitrary = fc.record({
  unit: fc.constantFrom("dmar0", "dmar1", null),
  belowPort: fc.boolean(),
  segment: fc.constantFrom("0000", "0001", "10000"),
  vendor: fc.constantFrom("8086", "10de"),
  driver: fc.constantFrom(null, "vfio-pci", "nvme"),
  teeIo: fc.boolean(),
  ideStreams: fc.nat(3),
  configBytes: fc.constantFrom(64, 256, 4096),
  secured: fc.boolean(),
  vfs: fc.nat(2),
  numaNode: fc.constantFrom(null, 0, 1),
});

const hostArbitrary = fc
  .record({
    functions: fc.array(functionArbitrary, { maxLength: 5 }),
    tsm: fc.constantFrom(null, "tsm0"),
    iommufd: fc.boolean(),
    tdxConnect: fc.boolean(),
  })
  .map(({ functions, tsm, iommufd, tdxConnect }) => {
    const unit = (name: string, regBase: string) => ({ name, regBase, numaNode: 0, tdxConnect });
    const port = (segment: string) => ({
      address: `${segment}:00:1f.0`,
      unit: "dmar0",
      vendor: "8086",
      device: "352a",
      class: "060400",
      ideStreams: 8,
    });
    const file = hostSchema.parse({
      summary: "random",
      tsm,
      iommufd,
      unitDefaults: { cap: "19ed008c40780c66", ecap: "3ee9e86f050df" },
      units: [unit("dmar0", "0xfed90000"), unit("dmar1", "0xd97fc000")],
      bridges: { "0000:01": "0000:00:1f.0", "0001:01": "0001:00:1f.0", "00010000:01": "10000:00:1f.0" },
      functions: [port("0000"), port("0001"), port("10000"), ...functions.map(describedFunction)],
    });
    return expandHost(file, {});
  });

function describedFunction(one: typeof functionArbitrary extends fc.Arbitrary<infer T> ? T : never, index: number) {
  const { belowPort, segment, secured, vfs, ...rest } = one;
  const hasLink = rest.ideStreams > 0 && rest.configBytes === 4096;
  return {
    ...rest,
    address: `${segment}:${belowPort ? "01" : "00"}:${(index + 1).toString(16).padStart(2, "0")}.0`,
    device: "2335",
    class: "030200",
    secured: secured && hasLink,
    ...(vfs > 0 ? { vfs: { count: vfs, firstOffset: 0x40, stride: 1 } } : {}),
  };
}

/** What the reader must say of a described unit and function, from the description alone. */
function expectedUnit(unit: UnitDescription): HostUnit {
  const { regBase, name, domainsUsed } = unit;
  const registers = { cap: BigInt(`0x${unit.cap}`), ecap: BigInt(`0x${unit.ecap}`) };
  return { regBase, kernelName: name, ...registers, domainsSupported: 65536, domainsUsed };
}

function expectedFunction(
  host: HostDescription,
  one: FunctionDescription,
): Omit<PciFunction, "vfioCdev" | "configProblem" | "teeIoWhy"> & Pick<Slot, "link"> {
  const zero = host.functions.find((other) => other.address === (one.physicalFunction ?? one.address)) ?? one;
  const unit = host.units.find((other) => other.name === one.unit);
  const readable = zero.configBytes > 64;
  const extended = zero.configBytes === 4096;
  // A port has the other end of each link below it.
  const isSecured = zero.secured || host.functions.some((other) => other.bridge === one.address && other.secured);
  const isNamed = host.tsm !== null && zero.secured && zero.bridge !== null;
  // Every described function is an Express one: 256 bytes of it hide the extended space.
  const streamSecure = extended ? (isNamed ? "Yes" : "No") : "Unknown";
  return {
    address: one.address,
    vendor: one.vendor,
    device: one.device,
    class: one.class.slice(0, 4),
    numaNode: one.numaNode,
    iommuGroup: one.iommuGroup,
    unit: unit === undefined ? { kind: "None" } : { kind: "Unit", regBase: unit.regBase, kernelName: unit.name },
    functionType: one.physicalFunction === null ? "Physical" : "Virtual",
    physicalFunction: one.physicalFunction,
    teeIo: readable ? (zero.teeIo ? "Yes" : "No") : "Unknown",
    ideStreams: extended && zero.ideStreams > 0 ? zero.ideStreams : null,
    link: {
      state: isSecured ? "Secure" : extended ? "Insecure" : "Unknown",
      tsm: zero.secured ? (host.tsm ?? "") : "",
      streamSecure,
    },
    bound: "No",
    boundRead: "Read",
    isIdeRead: one.physicalFunction !== null || one.configBytes === 4096,
    hostBridge: one.hostBridge,
    rootPort: one.bridge,
    driver: one.driver,
    holders: { kind: "Known", pids: [] },
    answers: true,
    binding: null,
  };
}

describe("a rendered host", () => {
  it("reads back as it was described", async () => {
    await fc.assert(
      fc.asyncProperty(hostArbitrary, async (host) => {
        const scratch = createScratch();
        try {
          const state = initialState(host, { bootId: "boot-1", deviceNodes: "Files" });
          makeTree(join(scratch.path, "host"), renderHost(hostInState(host, state)), "Files");
          const view = await createHostReader({ root: join(scratch.path, "host") }).observe();
          expect(view.bootId).toBe("boot-1");
          expect(view.units).toEqual([host.units[1], host.units[0]].flatMap((unit) => (unit === undefined ? [] : [expectedUnit(unit)])));
          const byAddress = (a: { address: string }, b: { address: string }): number => (a.address < b.address ? -1 : 1);
          const expected = host.functions.map((one) => expectedFunction(host, one)).sort(byAddress);
          const links = new Map(view.slots.map(({ owner, link }) => [owner, link]));
          const seen = view.functions.map(({ vfioCdev: _, configProblem: __, teeIoWhy: ___, ...fn }) => ({
            ...fn,
            link: links.get(slotOwnerOf(fn)),
          }));
          expect(seen).toEqual(expected);
          const cdevs = view.functions.flatMap((one) => (one.vfioCdev === null ? [] : [one.vfioCdev]));
          expect(cdevs).toHaveLength(host.iommufd ? host.functions.filter((one) => one.driver === "vfio-pci").length : 0);
          expect(new Set(cdevs).size).toBe(cdevs.length);
        } finally {
          scratch.remove();
        }
      }),
      { numRuns: 60 },
    );
  });
});
