// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { loadFlavour } from "../native/flavours.ts";
import { stateDirectory } from "../native/simulated-units.ts";
import { commands, hosts, PLAIN_HOST, RARE } from "./simulator/commands.ts";
import { OutOfMemory, SimulatorPair } from "./simulator/pair.ts";

const RUNS = 100;

/** Without these the comparison would say nothing about them. */
const MUST_OCCUR = [
  ...["setup", "clear", "crash", "link", "present", "reboot", "gone", "back", "fault"],
  ...["TDH.IOMMU.SETUP Done", "TDH.IOMMU.SETUP Already", "TDH.IOMMU.SETUP Retry", "TDH.IOMMU.SETUP Failed", "TDH.IOMMU.SETUP Unsupported"],
  ...["TDH.IOMMU.CLEAR Done", "TDH.IOMMU.CLEAR Retry", "TDH.IOMMU.CLEAR Failed"],
  ...["STALE_ID", "UNKNOWN_UNIT", "NO_TDX_MODULE"],
];

describe("the model of the simulator", () => {
  it("shows the same as the C simulator after every one of the same random calls, deaths and events", async () => {
    const addon = loadFlavour("release");
    const totals: Record<string, number> = {};
    await fc.assert(
      fc.asyncProperty(hosts, commands, async (host, history) => {
        const state = stateDirectory();
        const pair = await SimulatorPair.create(state.dir, addon, host);
        try {
          for (const command of history) await pair.run(command);
        } catch (error) {
          if (!(error instanceof OutOfMemory)) throw error;
          totals["out of memory"] = (totals["out of memory"] ?? 0) + 1;
        } finally {
          await pair.close();
          state.remove();
        }
        for (const [what, count] of Object.entries(pair.counts)) totals[what] = (totals[what] ?? 0) + count;
      }),
      { numRuns: RUNS, examples: [[PLAIN_HOST, [...RARE]]] },
    );
    console.log(
      Object.entries(totals)
        .map(([what, count]) => `${what}: ${count}`)
        .join(", "),
    );
    for (const what of MUST_OCCUR) expect(totals[what] ?? 0, what).toBeGreaterThan(0);
  });
});
