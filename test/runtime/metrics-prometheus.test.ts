// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { jobMetrics } from "../../src/runtime/job-metrics.ts";
import type { Metrics } from "../../src/runtime/metrics.ts";
import { createPrometheusMetrics } from "../../src/runtime/metrics-prometheus.ts";

const dropped = (): Record<string, number> => ({ stdout: 0, stderr: 7 });

/** The lines that a scrape shows of the metrics that `declare` declares and counts. */
async function scraped(declare: (metrics: Metrics) => void): Promise<string[]> {
  const metrics = createPrometheusMetrics({ prefix: "our_", dropped });
  declare(metrics);
  return (await metrics.render()).split("\n").filter((line) => line.startsWith("our_") && !line.includes("_bucket") && !line.includes("_dropped_"));
}

const CALLS = { name: "calls_total", help: "Calls", labels: { leaf: ["SETUP", "CLEAR"], status: ["ok", "busy"] } } as const;

test("every series is there with zero from the start", async () => {
  const lines = await scraped((metrics) => {
    metrics.counter(CALLS);
    metrics.gauge({ name: "units", help: "Units", labels: { state: ["Trusted", "Failed"] } });
    metrics.flag({ name: "simulated", help: "Simulated" });
    metrics.info({ name: "build_info", help: "Always 1" }, { version: "0.1.0", driver: "simulated" });
    jobMetrics(metrics, "observe");
  });
  expect(lines).toEqual([
    'our_calls_total{leaf="SETUP",status="ok"} 0',
    'our_calls_total{leaf="SETUP",status="busy"} 0',
    'our_calls_total{leaf="CLEAR",status="ok"} 0',
    'our_calls_total{leaf="CLEAR",status="busy"} 0',
    'our_units{state="Trusted"} 0',
    'our_units{state="Failed"} 0',
    'our_units{state="Other"} 0',
    "our_simulated 0",
    'our_build_info{version="0.1.0",driver="simulated"} 1',
    'our_job_runs_total{job="observe",result="ok"} 0',
    'our_job_runs_total{job="observe",result="failed"} 0',
    'our_job_duration_seconds_sum{job="observe"} 0',
    'our_job_duration_seconds_count{job="observe"} 0',
  ]);
});

test("a state that is not named falls back to zero, and a flag to what was said last", async () => {
  const lines = await scraped((metrics) => {
    const units = metrics.gauge({ name: "units", help: "Units", labels: { state: ["Trusted", "Failed"] } });
    units({ Trusted: 3, Failed: 1 });
    units({ Trusted: 4 });
    const simulated = metrics.flag({ name: "simulated", help: "Simulated" });
    simulated(false);
    simulated(true);
  });
  expect(lines).toEqual(['our_units{state="Trusted"} 4', 'our_units{state="Failed"} 0', 'our_units{state="Other"} 0', "our_simulated 1"]);
});

test("values that are not on their list are counted together", async () => {
  const lines = await scraped((metrics) => {
    const count = metrics.counter(CALLS);
    count({ leaf: "SETUP", status: "ok" });
    count({ leaf: "SETUP", status: "0xc0000f9900000000" });
    metrics.gauge({ name: "devices", help: "Devices", labels: { reason: ["Offered"] } })({ Invented: 2, Odd: 1 });
  });
  expect(lines).toContain('our_calls_total{leaf="SETUP",status="ok"} 1');
  expect(lines).toContain('our_calls_total{leaf="SETUP",status="Other"} 1');
  expect(lines).toContain('our_devices{reason="Other"} 3');
});

test("parts of the program that declare the same metric add series to it", async () => {
  const lines = await scraped((metrics) => {
    const [pass, status] = [jobMetrics(metrics, "pass"), jobMetrics(metrics, "status")];
    pass("ok", 20);
    status("failed", 1500);
    // As another part does that has a job of the same name: what was counted stays.
    jobMetrics(metrics, "pass")("ok", 20);
  });
  expect(lines).toContain('our_job_runs_total{job="pass",result="ok"} 2');
  expect(lines).toContain('our_job_runs_total{job="status",result="failed"} 1');
  expect(lines).toContain('our_job_duration_seconds_sum{job="pass"} 0.04');
  expect(lines).toContain('our_job_duration_seconds_sum{job="status"} 1.5');
});

test("what the process itself did is read at each scrape", async () => {
  const text = await createPrometheusMetrics({ prefix: "our_", dropped }).render();
  expect(text).toContain('our_output_dropped_total{output="stderr"} 7');
  for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"]) {
    expect(Number(new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1])).toBeGreaterThan(0);
  }
});
