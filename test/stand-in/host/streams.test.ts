// SPDX-License-Identifier: Apache-2.0

/** Register blocks of one root port with several devices below it, behind a switch. */
import { afterEach, expect, it } from "vitest";
import { createHostReader } from "../../../src/host/reader.ts";
import { createSimulatedHost } from "../../../src/stand-in/host/create.ts";
import { expandHost } from "../../../src/stand-in/host/expand.ts";
import { parseHostFile } from "../../../src/stand-in/host/load-description.ts";
import type { SimulatedHost } from "../../../src/stand-in/host/simulated-host.ts";
import { createRecordingControl } from "../../support/recording-control.ts";
import { createScratch, type Scratch } from "../../support/scratch.ts";

const DEVICES = ["0000:03:00.0", "0000:04:00.0", "0000:05:00.0"] as const;
const HOST = `
summary: three devices behind a switch, below a root port with two streams
tsm: tsm0
unitDefaults: { version: "6:0", cap: "19ed008c40780c66", ecap: "7ee9e86f050df" }
units: [{ name: dmar0, regBase: "0xfed90000" }]
bridges: { "0000:01": "0000:00:01.0", "0000:02": "0000:01:00.0", "0000:03": "0000:02:01.0", "0000:04": "0000:02:02.0", "0000:05": "0000:02:03.0" }
functions:
  - { address: "0000:00:01.0", unit: dmar0, vendor: "8086", device: "352a", class: "060400", ideStreams: 2 }
${["0000:01:00.0", "0000:02:01.0", "0000:02:02.0", "0000:02:03.0"]
  .map((address) => `  - { address: "${address}", unit: dmar0, vendor: "1000", device: "c030", class: "060400" }`)
  .join("\n")}
${DEVICES.map((address) => `  - { address: "${address}", unit: dmar0, vendor: "10de", device: "2335", class: "030200", teeIo: true, ideStreams: 1 }`).join("\n")}
`;

let scratch: Scratch | null = null;
afterEach(() => scratch?.remove());

function create(): SimulatedHost {
  scratch = createScratch();
  return createSimulatedHost(`${scratch.path}/sim`, { description: expandHost(parseHostFile(HOST, "host"), {}), control: createRecordingControl() });
}

it("has one block for each link below it, whichever is free, and the next link is refused when none is", async () => {
  const host = create();
  const reader = createHostReader({ root: host.hostRoot });
  const shown = async () => {
    const { slots } = await reader.observe();
    const of = (owner: string) => slots.find((slot) => slot.owner === owner);
    return { left: of(DEVICES[0])?.blocksLeft.rootPort, secure: DEVICES.map((owner) => of(owner)?.link.streamSecure) };
  };
  const [first, second, third] = DEVICES;
  expect(await shown()).toEqual({ left: 2, secure: ["No", "No", "No"] });
  host.secureLink(first);
  host.secureLink(second);
  expect(await shown()).toEqual({ left: 0, secure: ["Yes", "Yes", "No"] });
  expect(host.writeLink(third, "tsm0", true)).toBe("ENOMEM");
  expect(() => host.secureLink(third)).toThrow(/no IDE stream is left at the root port above 0000:05:00.0/);
  host.releaseLink(first);
  expect(host.writeLink(third, "tsm0", true)).toBeNull();
  expect(await shown()).toEqual({ left: 0, secure: ["No", "Yes", "Yes"] });
  host.releaseLink(second);
  expect(await shown()).toEqual({ left: 1, secure: ["No", "No", "Yes"] });
});
