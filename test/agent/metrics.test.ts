// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { agentMetrics } from "../../src/agent/metrics.ts";
import { pluginMetrics } from "../../src/kubelet/device-plugin/metrics.ts";
import { createPrometheusMetrics } from "../../src/runtime/metrics-prometheus.ts";

test("agent and device plugins declare their metrics, each series with zero from the start and none twice", async () => {
  const metrics = createPrometheusMetrics({ prefix: "trusted_iommu_", dropped: () => ({}) });
  const agent = agentMetrics(metrics);
  pluginMetrics(metrics);
  const series = (await metrics.render()).split("\n").filter((line) => line.startsWith("trusted_iommu_"));
  expect(series.filter((line) => !line.endsWith(" 0"))).toEqual([]);
  expect(new Set(series).size).toBe(series.length);
  expect([...new Set(series.map((line) => line.split(/[{ ]/)[0]))].toSorted()).toEqual([
    "trusted_iommu_allocate_total",
    "trusted_iommu_devices",
    "trusted_iommu_gate_changes_total",
    "trusted_iommu_links",
    "trusted_iommu_registrations_total",
    "trusted_iommu_seamcalls_total",
    "trusted_iommu_simulated",
    "trusted_iommu_stream_ends_total",
    "trusted_iommu_units",
  ]);
  agent.units({ Trusted: 2 });
  agent.gateChange("opened");
  const text = await metrics.render();
  expect(text).toContain('trusted_iommu_units{state="Trusted"} 2\n');
  expect(text).toContain('trusted_iommu_gate_changes_total{change="opened"} 1\n');
});
