// SPDX-License-Identifier: Apache-2.0
// The chart against outside judges: Helm's own lint, and the schemas of the Kubernetes API. Needs the programs, but no cluster.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { SCHEMAS_FOLDER } from "./binaries.ts";
import { runCommand } from "./command.ts";
import { openRung, rungTitle } from "./rung.ts";
import { schemaLocation } from "./schemas.ts";

const rung = await openRung();
const CHART = fileURLToPath(new URL("../../charts/trusted-iommu", import.meta.url));

describe.skipIf(rung.skipReason !== null)(rungTitle("the chart", rung), () => {
  let binaries: string;
  let home: string;

  beforeAll(async () => {
    binaries = await rung.binaries();
    home = mkdtempSync(join(tmpdir(), "trusted-iommu-helm-"));
  });

  afterAll(() => rmSync(home, { recursive: true, force: true }));

  const helm = (...args: string[]) => runCommand([join(binaries, "helm"), ...args], { env: { HOME: home, PATH: "/usr/bin:/bin" } });

  test("passes helm lint without a warning", async () => {
    await helm("lint", "--strict", CHART);
  });

  test.each([[[]], [["--set-json", 'agent.nodeSelector={"kubernetes.io/arch":"arm64","story":"here"}']]])(
    "keeps the agent on Linux nodes on amd64, with %j",
    async (flags) => {
      const { stdout } = await helm("template", "trusted-iommu", CHART, ...flags);
      const daemonSet = parseAllDocuments(stdout)
        .map((document) => document.toJS())
        .find((object) => object?.kind === "DaemonSet");
      const own = flags.length === 0 ? {} : { story: "here" };
      expect(daemonSet.spec.template.spec.nodeSelector).toEqual({ "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", ...own });
    },
  );

  test.each([[[]], [["--set", "simulator.enabled=true"]], [["--set", "image.pullPolicy=Never", "--set", "agent.driver=tdx_iommu"]]])(
    "renders only what the Kubernetes API knows, with %j",
    async (flags) => {
      const rendered = await helm("template", "trusted-iommu", CHART, "--namespace", "trusted-iommu", "--include-crds", ...flags);
      const location = schemaLocation(join(binaries, SCHEMAS_FOLDER));
      const kubeconform = [join(binaries, "kubeconform"), "-strict", "-summary", "-output", "json", "-schema-location", location];
      const judged = await runCommand(kubeconform, { input: rendered.stdout });
      const { summary } = JSON.parse(judged.stdout) as { summary: { valid: number } };
      expect(summary).toEqual({ valid: rendered.stdout.match(/^kind:/gm)?.length, invalid: 0, errors: 0, skipped: 0 });
    },
  );
});
