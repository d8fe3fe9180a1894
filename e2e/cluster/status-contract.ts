// SPDX-License-Identifier: Apache-2.0
// The status between versions, on a real API server: the CRD of the first release takes what a later agent writes, and gives it back whole.
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { AGENT_FIELD_MANAGER, API_VERSION, GROUP, TRUSTED_IOMMU } from "../../src/api/names.ts";
import { parseStatus } from "../../src/api/parse.ts";
import { BASELINE_FILE } from "../../test/api/baseline.ts";
import { deviceStatus, nodeStatus, unitStatus } from "../../test/support/node-status.ts";
import type { Cluster } from "./cluster.ts";
import { removeCrds } from "./remove-crds.ts";
import { met, notYet, waitUntil } from "./waiting.ts";

const CRD_NAME = `${TRUSTED_IOMMU.plural}.${GROUP}`;
const OBJECT = z.object({ status: z.record(z.string(), z.unknown()) });

/** A status with a word and a field at each depth that the first release does not know. */
function laterStatus(): Readonly<Record<string, unknown>> {
  const status = nodeStatus();
  const [condition, ...conditions] = status.conditions;
  return {
    ...status,
    mood: { weather: "fine" },
    tdxModule: { ...status.tdxModule, patch: 7 },
    units: [{ ...unitStatus(), state: "Resting", reason: "NotYetInvented", temperature: 41 }],
    devices: [
      { ...deviceStatus(), reason: "AlsoNotYetInvented", link: { ...deviceStatus().link, state: "Securing", speed: [16, 32] } },
      { ...deviceStatus({ address: "0000:18:00.0" }), streams: [{ id: 1 }] },
    ],
    conditions: [{ ...condition, severity: "Info" }, ...conditions, { type: "Rested", status: "True", reason: "Slept" }],
  };
}

export function tellOfTheStatusContract(onCluster: () => Cluster): void {
  const apply = (name: string, status: unknown) =>
    onCluster().exec(
      ["kubectl", "apply", "--server-side", "--field-manager", AGENT_FIELD_MANAGER, "--subresource=status", "--validate=strict", "-f", "-"],
      { input: JSON.stringify({ apiVersion: API_VERSION, kind: TRUSTED_IOMMU.kind, metadata: { name }, status }) },
    );
  const statusOf = async (name: string) => (await onCluster().kubectlJson(["get", TRUSTED_IOMMU.singular, name], OBJECT)).status;

  describe("the status of a later agent, in the CRD of the first release", () => {
    afterAll(() => removeCrds(onCluster(), [TRUSTED_IOMMU.plural]));

    test("is taken and read back whole", async () => {
      await onCluster().apply(parse(readFileSync(BASELINE_FILE, "utf8")));
      await onCluster().kubectl(["wait", "--for=condition=Established", `crd/${CRD_NAME}`, "--timeout=30s"]);
      const object = {
        apiVersion: API_VERSION,
        kind: TRUSTED_IOMMU.kind,
        metadata: { name: "later" },
        spec: { state: "Trusted", units: { all: true } },
      };
      // The resource is served a moment after its CRD is established.
      const create = async () => {
        const { code, stderr } = await onCluster().tryApply(object);
        return code === 0 ? met(true) : notYet<boolean>(stderr);
      };
      await waitUntil("an object of the new kind", create, { deadlineMs: 30_000 });
      await apply("later", laterStatus());
      expect(await statusOf("later")).toEqual(laterStatus());
    });

    test("is merged by key: an entry that the agent leaves out goes, a changed one is replaced whole", async () => {
      const { mood: _, ...later } = laterStatus();
      const devices = [{ ...deviceStatus(), message: "moved" }];
      await apply("later", { ...later, devices });
      expect(await statusOf("later")).toEqual({ ...later, devices });
    });

    test("keeps its words for a reader of this version, and loses only what that one has no field for", async () => {
      const read = parseStatus(await statusOf("later"));
      expect(read?.units).toEqual([{ ...unitStatus(), state: "Resting", reason: "NotYetInvented" }]);
      expect(read?.conditions.at(-1)).toEqual({
        type: "Rested",
        status: "True",
        reason: "Slept",
        observedGeneration: 0,
        lastTransitionTime: "",
        message: "",
      });
    });

    test("may leave out every field: an agent of an earlier version knows fewer", async () => {
      await apply("later", { units: [{ regBase: "0xfed90000" }], conditions: [] });
      expect(parseStatus(await statusOf("later"))?.units).toMatchObject([{ regBase: "0xfed90000", state: "", lastCall: null }]);
    });
  });
}
