// SPDX-License-Identifier: Apache-2.0
// The chart against outside judges: Helm's own lint, the schemas of the Kubernetes API, and an API server without nodes.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { SCHEMAS_FOLDER } from "./binaries.ts";
import { tellOfTheChartsLife } from "./chart-life.ts";
import { type Cluster, startCluster } from "./cluster.ts";
import { runCommand } from "./command.ts";
import { openRung, rungTitle } from "./rung.ts";
import { schemaLocation } from "./schemas.ts";
import { tellOfTheStatusContract } from "./status-contract.ts";

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
      const rendered = await helm("template", "trusted-iommu", CHART, "--namespace", "trusted-iommu", ...flags);
      const location = schemaLocation(join(binaries, SCHEMAS_FOLDER));
      const kubeconform = [join(binaries, "kubeconform"), "-strict", "-summary", "-output", "json", "-schema-location", location];
      const judged = await runCommand(kubeconform, { input: rendered.stdout });
      const { summary } = JSON.parse(judged.stdout) as { summary: { valid: number } };
      expect(summary).toEqual({ valid: rendered.stdout.match(/^kind:/gm)?.length, invalid: 0, errors: 0, skipped: 0 });
    },
  );
});

describe.skipIf(rung.skipReason !== null)(rungTitle("the chart on an API server", rung), () => {
  let cluster: Cluster | null = null;
  let failed = false;

  const onCluster = (): Cluster => {
    if (cluster === null) throw new Error("no cluster");
    return cluster;
  };

  beforeAll(async () => {
    cluster = await startCluster({ nodes: [], binaries: await rung.binaries(), environment: rung.environment, progress: rung.progress });
  });

  afterEach(({ task }) => {
    failed ||= task.result?.state === "fail";
  });

  afterAll(async () => {
    await cluster?.stop({ failed });
  });

  tellOfTheChartsLife(CHART, onCluster);
  tellOfTheStatusContract(onCluster);
});
