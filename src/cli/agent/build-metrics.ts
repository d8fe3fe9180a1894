// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "../../runtime/clock.ts";
import { reportHealth } from "../../runtime/health-report.ts";
import type { JobHealth } from "../../runtime/job-health.ts";
import type { Part } from "../../runtime/lifecycle.ts";
import type { Log } from "../../runtime/log.ts";
import { type Metrics, noMetrics } from "../../runtime/metrics.ts";
import type { AgentConfig } from "../config/agent-config.ts";
import { VERSION } from "../version.ts";

export interface BuiltMetrics {
  readonly metrics: Metrics;
  readonly parts: readonly Part[];
}

export interface MetricsSources {
  readonly log: Log;
  readonly clock: Clock;
  /** Every job of the process. */
  readonly jobs: () => readonly JobHealth[];
  /** What readiness waits for; empty when ready. */
  readonly ready: () => readonly string[];
  /** Texts dropped so far, by output. */
  readonly dropped: () => Readonly<Record<string, number>>;
}

const STOP_WITHIN_MS = 2_000;

/** Metrics and the server of /metrics, /healthz and /readyz; neither prom-client nor the HTTP server is loaded without --metrics. */
export async function buildMetrics(config: AgentConfig, sources: MetricsSources): Promise<BuiltMetrics> {
  const { metrics: address, driver } = config;
  if (address === null) return { metrics: noMetrics, parts: [] };
  const [{ createPrometheusMetrics }, { serveHttp }] = await Promise.all([
    import("../../runtime/metrics-prometheus.ts"),
    import("../../runtime/http.ts"),
  ]);
  const metrics = createPrometheusMetrics({ prefix: "trusted_iommu_", dropped: sources.dropped });
  metrics.info({ name: "build_info", help: "Always 1" }, { version: VERSION, driver: driver.kind === "Simulated" ? "simulated" : driver.driver });
  const { log, clock } = sources;
  let close = async (): Promise<void> => undefined;
  const part: Part = {
    name: "metrics server",
    async start() {
      const waitingFor = sources.ready;
      const ready = () => ({ ready: waitingFor().length === 0, waitingFor: waitingFor() });
      const server = await serveHttp({ address, log, metrics, health: () => reportHealth(sources.jobs(), clock.nowMs()), ready });
      close = () => server.close();
      log.info({ url: server.url }, "metrics served");
    },
    stop: () => close(),
    stopWithinMs: STOP_WITHIN_MS,
  };
  return { metrics, parts: [part] };
}
