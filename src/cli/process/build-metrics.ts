// SPDX-License-Identifier: Apache-2.0
/** Metrics of a role, and the server of /metrics, /healthz and /readyz. */
import type { Clock } from "../../runtime/clock.ts";
import { reportHealth } from "../../runtime/health-report.ts";
import type { JobHealth } from "../../runtime/job-health.ts";
import type { Part } from "../../runtime/lifecycle.ts";
import type { Log } from "../../runtime/log.ts";
import { type Metrics, noMetrics } from "../../runtime/metrics.ts";
import { VERSION } from "../version.ts";

/** What is scraped, and where. */
export interface Scrape {
  /** HOST:PORT; null: metrics are off. */
  readonly address: string | null;
  /** Labels of build_info beside the version. */
  readonly build: Readonly<Record<string, string>>;
}

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
  readonly waitingFor: () => readonly string[];
  /** Texts dropped so far, by output. */
  readonly dropped: () => Readonly<Record<string, number>>;
}

/** Before the names of all metrics but the process's own. */
export const METRICS_PREFIX = "trusted_iommu_";
const STOP_WITHIN_MS = 2_000;

/** Neither prom-client nor the HTTP server is loaded without an address. */
export async function buildMetrics({ address, build }: Scrape, sources: MetricsSources): Promise<BuiltMetrics> {
  if (address === null) return { metrics: noMetrics, parts: [] };
  const [{ createPrometheusMetrics }, { serveHttp }] = await Promise.all([
    import("../../runtime/metrics-prometheus.ts"),
    import("../../runtime/http.ts"),
  ]);
  const metrics = createPrometheusMetrics({ prefix: METRICS_PREFIX, dropped: sources.dropped });
  metrics.info({ name: "build_info", help: "Always 1" }, { version: VERSION, ...build });
  const { log, clock, waitingFor } = sources;
  let close = async (): Promise<void> => undefined;
  const part: Part = {
    name: "metrics server",
    async start() {
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
