// SPDX-License-Identifier: Apache-2.0
// The chart's CRDs from release to release: Helm upgrades them, and nothing that it does to a release removes them or their objects.
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { API_VERSION, GROUP, TRUSTED_IOMMU, TRUSTED_IOMMU_POLICY } from "../../src/api/names.ts";
import type { Cluster } from "./cluster.ts";
import { removeCrds } from "./remove-crds.ts";
import { met, notYet, waitUntil } from "./waiting.ts";

const PLURALS = [TRUSTED_IOMMU_POLICY, TRUSTED_IOMMU].map(({ plural }) => plural);
const CRDS = PLURALS.map((plural) => `${plural}.${GROUP}`);

/** As an admin would who knows what belongs to whom (charts/trusted-iommu/README.md). */
const TAKE_OVER = ["--take-ownership", "--force-conflicts"];

const CRD = z.object({
  metadata: z.object({ name: z.string(), annotations: z.record(z.string(), z.string()).default({}) }),
  spec: z.object({ versions: z.array(z.object({ schema: z.object({ openAPIV3Schema: z.object({ description: z.string() }) }) })) }),
});
const LIST = z.object({ items: z.array(CRD) });

/** What a description may hold that a template must not: Helm would end with an error, or replace it. */
const AS_IT_IS = 'later: {{ .Values.crds.enabled }} {{ include "nothing" }} {{';

export function tellOfTheChartsLife(chart: string, onCluster: () => Cluster): void {
  /** `helm COMMAND NAME CHART`, in a namespace of the release's name. */
  const helm = (command: "install" | "upgrade", name: string, from: string, ...flags: readonly string[]) =>
    onCluster().exec(["helm", command, name, from, "--namespace", name, "--create-namespace", ...flags]);
  const uninstall = (name: string) => onCluster().exec(["helm", "uninstall", name, "--namespace", name]);

  /** Owner and description of each CRD, by name; empty when there are none. */
  const crds = async () => {
    const { items } = await onCluster().kubectlJson(["get", "crd"], LIST);
    return Object.fromEntries(
      items.map(({ metadata, spec }) => {
        const owner = metadata.annotations["meta.helm.sh/release-name"] ?? null;
        return [metadata.name, { owner, isLater: spec.versions[0]?.schema.openAPIV3Schema.description === AS_IT_IS }];
      }),
    );
  };
  const all = (owner: string | null, { isLater }: { isLater: boolean }) => Object.fromEntries(CRDS.map((name) => [name, { owner, isLater }]));

  const makeObject = async () => {
    await onCluster().kubectl(["wait", "--for=condition=Established", ...CRDS.map((name) => `crd/${name}`), "--timeout=30s"]);
    const object = {
      apiVersion: API_VERSION,
      kind: TRUSTED_IOMMU.kind,
      metadata: { name: "kept" },
      spec: { state: "Cleared", units: { all: true } },
    };
    // The resource is served a moment after its CRD is established.
    const look = async () => {
      const { code, stderr } = await onCluster().tryApply(object);
      return code === 0 ? met(true) : notYet<boolean>(stderr);
    };
    await waitUntil("an object of the new kind", look, { deadlineMs: 30_000 });
  };
  const objects = async () => (await onCluster().kubectl(["get", TRUSTED_IOMMU.plural, "-o", "name"])).stdout.trim();
  const KEPT = `${TRUSTED_IOMMU.singular}.${GROUP}/kept`;

  const removeAll = () => removeCrds(onCluster(), PLURALS);

  describe("its CRDs", () => {
    afterAll(removeAll);

    test("come with a release and are upgraded with it, whatever their descriptions hold", async () => {
      await helm("install", "first", chart);
      expect(await crds()).toEqual(all("first", { isLater: false }));
      await makeObject();
      await helm("upgrade", "first", laterChart(onCluster(), chart));
      expect(await crds()).toEqual(all("first", { isLater: true }));
      expect(await objects()).toBe(KEPT);
    });

    test("stay as they are while crds.enabled is false, and are upgraded again after", async () => {
      await helm("upgrade", "first", chart, "--set", "crds.enabled=false");
      expect(await crds()).toEqual(all("first", { isLater: true }));
      expect(await objects()).toBe(KEPT);
      await helm("upgrade", "first", chart, "--set", "crds.enabled=true");
      expect(await crds()).toEqual(all("first", { isLater: false }));
    });

    test("outlive the release with their objects, and a release of the same name takes them up", async () => {
      await uninstall("first");
      expect(await crds()).toEqual(all("first", { isLater: false }));
      expect(await objects()).toBe(KEPT);
      await helm("install", "first", laterChart(onCluster(), chart));
      expect(await crds()).toEqual(all("first", { isLater: true }));
      expect(await objects()).toBe(KEPT);
    });

    test("belong to one release: another one is installed without them, or told to take them over", async () => {
      await expect(helm("install", "second", chart)).rejects.toThrow('key "meta.helm.sh/release-name" must equal "second": current value is "first"');
      await helm("install", "second", chart, "--set", "crds.enabled=false");
      expect(await crds()).toEqual(all("first", { isLater: true }));
      await uninstall("first");
      await helm("upgrade", "second", chart, "--set", "crds.enabled=true", ...TAKE_OVER);
      expect(await crds()).toEqual(all("second", { isLater: false }));
      expect(await objects()).toBe(KEPT);
      await uninstall("second");
    });

    test("that Helm installed from the crds/ folder of an older chart are taken over by an upgrade", async () => {
      await removeAll();
      await helm("install", "older", olderChart(onCluster(), chart));
      expect(await crds()).toEqual(all(null, { isLater: false }));
      await makeObject();
      await expect(helm("upgrade", "older", chart)).rejects.toThrow('missing key "meta.helm.sh/release-name": must be set to "older"');
      await helm("upgrade", "older", laterChart(onCluster(), chart), ...TAKE_OVER);
      expect(await crds()).toEqual(all("older", { isLater: true }));
      expect(await objects()).toBe(KEPT);
      await uninstall("older");
    });

    test.each(["--server-side=true", "--server-side=false"])("that kubectl apply %s made are taken over by an installation", async (how) => {
      await removeAll();
      await onCluster().kubectl(["apply", how, "-f", join(chart, "../../crds")]);
      await helm("install", "third", laterChart(onCluster(), chart), ...TAKE_OVER);
      expect(await crds()).toEqual(all("third", { isLater: true }));
      await uninstall("third");
    });
  });
}

const CRDS_IN_CHART = "files/crds";

/** The chart of a later version, whose CRDs have changed. @returns its folder */
function laterChart(cluster: Cluster, chart: string): string {
  const folder = copyOf(cluster, chart, "later");
  for (const name of readdirSync(join(folder, CRDS_IN_CHART))) {
    const path = join(folder, CRDS_IN_CHART, name);
    const crd = parse(readFileSync(path, "utf8"));
    crd.spec.versions[0].schema.openAPIV3Schema.description = AS_IT_IS;
    writeFileSync(path, stringify(crd));
  }
  return folder;
}

/** The chart as it was when Helm installed CRDs from its crds/ folder, and never touched them again. @returns its folder */
function olderChart(cluster: Cluster, chart: string): string {
  const folder = copyOf(cluster, chart, "older");
  renameSync(join(folder, CRDS_IN_CHART), join(folder, "crds"));
  rmSync(join(folder, "templates/crds.yaml"));
  return folder;
}

function copyOf(cluster: Cluster, chart: string, name: string): string {
  const folder = join(cluster.folder, "charts", name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(chart, folder, { recursive: true });
  return folder;
}
