// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { Counter, Gauge, type Registry } from "prom-client";

/**
 * CPU, memory and descriptors of this process, under the names that dashboards know, read when scraped. prom-client's own default metrics would
 * start an event loop monitor that wakes an idle process a hundred times a second.
 */
export function registerProcessMetrics(registry: Registry, startedAtMs: number): void {
  const registers = [registry];
  new Counter({
    name: "process_cpu_seconds_total",
    help: "User and system CPU time spent",
    registers,
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  gauge(registers, "process_resident_memory_bytes", "Resident memory", () => process.memoryUsage.rss());
  gauge(registers, "process_open_fds", "Open file descriptors", () => readdirSync("/proc/self/fd").length);
  gauge(registers, "process_start_time_seconds", "Start of the process, seconds since the epoch", () => startedAtMs / 1000);
}

function gauge(registers: Registry[], name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers,
    collect() {
      this.set(read());
    },
  });
}
