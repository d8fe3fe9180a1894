// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { MetricLists } from "../../src/runtime/metrics.ts";
import { createPrometheusMetrics } from "../../src/runtime/metrics-prometheus.ts";

const lists: MetricLists = {
  unitStates: ["Trusted", "Failed"],
  deviceReasons: ["Offered", "NoUnit"],
  leaves: ["TDH.IOMMU.SETUP"],
  seamcallStatuses: ["TDX_SUCCESS", "TDX_OPERAND_BUSY"],
  allocateResults: ["Allowed", "Refused"],
  registrationResults: ["Registered", "Refused"],
  streamEnds: ["KubeletClosed"],
  jobs: ["observe"],
};

const dropped = (): Record<string, number> => ({ stdout: 0, stderr: 7 });

async function ours(change: (metrics: ReturnType<typeof createPrometheusMetrics>) => void = () => undefined): Promise<string[]> {
  const metrics = createPrometheusMetrics({ lists, simulated: true, build: { version: "0.1.0", driver: "simulated" }, dropped });
  change(metrics);
  return (await metrics.render()).split("\n").filter((line) => line.startsWith("trusted_iommu_") && !line.includes("_bucket"));
}

test("every series is there with zero from the start", async () => {
  expect(await ours()).toEqual([
    'trusted_iommu_output_dropped_total{output="stdout"} 0',
    'trusted_iommu_output_dropped_total{output="stderr"} 7',
    "trusted_iommu_simulated 1",
    'trusted_iommu_build_info{version="0.1.0",driver="simulated"} 1',
    'trusted_iommu_units{state="Trusted"} 0',
    'trusted_iommu_units{state="Failed"} 0',
    'trusted_iommu_units{state="Other"} 0',
    'trusted_iommu_devices{reason="Offered"} 0',
    'trusted_iommu_devices{reason="NoUnit"} 0',
    'trusted_iommu_devices{reason="Other"} 0',
    'trusted_iommu_seamcalls_total{leaf="TDH.IOMMU.SETUP",status="TDX_SUCCESS"} 0',
    'trusted_iommu_seamcalls_total{leaf="TDH.IOMMU.SETUP",status="TDX_OPERAND_BUSY"} 0',
    'trusted_iommu_allocate_total{result="Allowed"} 0',
    'trusted_iommu_allocate_total{result="Refused"} 0',
    'trusted_iommu_registrations_total{result="Registered"} 0',
    'trusted_iommu_registrations_total{result="Refused"} 0',
    'trusted_iommu_stream_ends_total{cause="KubeletClosed"} 0',
    'trusted_iommu_gate_changes_total{change="opened"} 0',
    'trusted_iommu_gate_changes_total{change="closed"} 0',
    'trusted_iommu_job_runs_total{job="observe",result="ok"} 0',
    'trusted_iommu_job_runs_total{job="observe",result="failed"} 0',
    'trusted_iommu_job_duration_seconds_sum{job="observe"} 0',
    'trusted_iommu_job_duration_seconds_count{job="observe"} 0',
  ]);
});

test("a state that is not named falls back to zero", async () => {
  const lines = await ours((metrics) => {
    metrics.units({ Trusted: 3, Failed: 1 });
    metrics.units({ Trusted: 4 });
  });
  expect(lines).toContain('trusted_iommu_units{state="Trusted"} 4');
  expect(lines).toContain('trusted_iommu_units{state="Failed"} 0');
});

test("values that are not on their list are counted together", async () => {
  const lines = await ours((metrics) => {
    metrics.seamcall("TDH.IOMMU.SETUP", "TDX_SUCCESS");
    metrics.seamcall("TDH.IOMMU.SETUP", "0xc0000f9900000000");
    metrics.devices({ Invented: 2 });
    metrics.jobRan("observe", "failed", 20);
  });
  expect(lines).toContain('trusted_iommu_seamcalls_total{leaf="TDH.IOMMU.SETUP",status="TDX_SUCCESS"} 1');
  expect(lines).toContain('trusted_iommu_seamcalls_total{leaf="TDH.IOMMU.SETUP",status="Other"} 1');
  expect(lines).toContain('trusted_iommu_devices{reason="Other"} 2');
  expect(lines).toContain('trusted_iommu_job_runs_total{job="observe",result="failed"} 1');
  expect(lines).toContain('trusted_iommu_job_duration_seconds_sum{job="observe"} 0.02');
});

test("the process's own figures are read at each scrape", async () => {
  const text = await createPrometheusMetrics({ lists, simulated: false, build: { version: "0.1.0", driver: "" }, dropped }).render();
  for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"]) {
    expect(Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1])).toBeGreaterThan(0);
  }
});
