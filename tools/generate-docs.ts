// SPDX-License-Identifier: Apache-2.0

/**
 * Writes the generated blocks of docs/*.md. `--check` writes nothing and exits 1 when a block is not what the sources say.
 * Call: node tools/generate-docs.ts [--check]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { agentMetrics } from "../src/agent/metrics.ts";
import { JOB_NAMES } from "../src/agent/wakes.ts";
import { policySpecSchema } from "../src/api/policy.ts";
import { specSchema } from "../src/api/spec.ts";
import { SPEC_LEVELS } from "../src/api/spec-levels.ts";
import { statusSchema } from "../src/api/status.ts";
import { toStructural } from "../src/api/structural.ts";
import { SETTINGS } from "../src/cli/config/settings.ts";
import { METRICS_PREFIX } from "../src/cli/process/build-metrics.ts";
import { AUDIT_EVENTS } from "../src/domain/audit/event.ts";
import { pluginMetrics } from "../src/kubelet/device-plugin/metrics.ts";
import { draMetrics } from "../src/kubelet/dra/metrics.ts";
import { jobMetrics } from "../src/runtime/job-metrics.ts";
import type { Metrics } from "../src/runtime/metrics.ts";
import { withBlock } from "./documents/blocks.ts";
import { fieldTable } from "./documents/field-table.ts";
import { code, plain, sentence, table } from "./documents/markdown.ts";
import { metricTable } from "./documents/metric-table.ts";
import { conditionSections, REASON_LISTS, reasonSections } from "./documents/reason-blocks.ts";
import { settingTable } from "./documents/setting-table.ts";

const ROOT = join(import.meta.dirname, "..");

/** The parts of the agent that count something. */
function declareAll(metrics: Metrics): void {
  agentMetrics(metrics);
  pluginMetrics(metrics);
  draMetrics(metrics);
  // Those of kubelet's plugins and the API server have names of their own.
  for (const job of Object.values(JOB_NAMES)) jobMetrics(metrics, job);
}

/** What fills each block, by document and block name. */
const BLOCKS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "docs/reasons.md": {
    ...Object.fromEntries(Object.entries(REASON_LISTS).map(([name, list]) => [name, reasonSections(list)])),
    conditions: conditionSections(),
  },
  "docs/configuration.md": {
    settings: settingTable(SETTINGS),
    values: `\`\`\`yaml\n${readFileSync(join(ROOT, "charts/trusted-iommu/values.yaml"), "utf8").trim()}\n\`\`\``,
  },
  "docs/resources.md": {
    spec: fieldTable(toStructural(specSchema, "spec"), SPEC_LEVELS),
    status: fieldTable(toStructural(statusSchema, "status")),
    policy: fieldTable(toStructural(policySpecSchema, "spec")),
  },
  "docs/audit.md": {
    events: table(
      ["event", "when"],
      Object.entries(AUDIT_EVENTS).map(([event, when]) => [code(event), plain(sentence(when))]),
    ),
  },
  "docs/metrics.md": { metrics: metricTable(METRICS_PREFIX, declareAll) },
};

const check = process.argv.includes("--check");
for (const [file, blocks] of Object.entries(BLOCKS)) {
  const path = join(ROOT, file);
  const found = readFileSync(path, "utf8");
  const wanted = Object.entries(blocks).reduce((text, [name, content]) => withBlock(text, name, content), found);
  if (wanted === found) continue;
  if (check) {
    process.exitCode = 1;
    console.error(`${file} is not what the sources say: run node tools/generate-docs.ts`);
  } else {
    writeFileSync(path, wanted);
    console.log(`wrote ${file}`);
  }
}
