// SPDX-License-Identifier: Apache-2.0
import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type HealthReport, reportHealth } from "../../src/runtime/health-report.ts";
import { type HttpServer, parseAddress, serveHttp } from "../../src/runtime/http.ts";
import type { JobHealth } from "../../src/runtime/job-health.ts";
import { silentLog } from "../../src/runtime/log.ts";

const job: JobHealth = {
  name: "observe",
  owner: "agent",
  kind: "loop",
  lastStartMs: 0,
  lastEndMs: 5,
  runningSinceMs: null,
  dueMs: null,
  boundMs: 1000,
  runs: 1,
  failures: 0,
  failuresInARow: 0,
  problem: "",
};

let server: HttpServer | null = null;
afterEach(async () => {
  await server?.close();
  server = null;
});

async function serve(
  over: { health?: () => HealthReport; ready?: boolean; render?: () => Promise<string>; patienceMs?: number } = {},
): Promise<string> {
  server = await serveHttp({
    address: "127.0.0.1:0",
    ...(over.patienceMs === undefined ? {} : { patienceMs: over.patienceMs }),
    log: silentLog,
    metrics: { contentType: "text/plain; version=0.0.4", render: over.render ?? (async () => "m 1\n") },
    health: over.health ?? (() => reportHealth([job], 10)),
    ready: () => (over.ready === false ? { ready: false, waitingFor: ["the first observation"] } : { ready: true, waitingFor: [] }),
  });
  return server.url;
}

test("metrics, health and readiness are served, anything else is not", async () => {
  const url = await serve();
  const metrics = await fetch(`${url}/metrics`);
  expect([metrics.status, metrics.headers.get("content-type"), await metrics.text()]).toEqual([200, "text/plain; version=0.0.4", "m 1\n"]);
  expect((await fetch(`${url}/healthz?verbose`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  expect((await fetch(`${url}/`)).status).toBe(404);
  expect((await fetch(`${url}/metrics`, { method: "POST" })).status).toBe(405);
});

test("a stuck loop makes the process unhealthy; a slow or a failing one does not and is named", async () => {
  const slow = { ...job, runningSinceMs: 100 };
  const health = (nowMs: number) => reportHealth([slow, { ...job, failuresInARow: 3, problem: "down" }], nowMs);
  expect(health(700)).toMatchObject({
    healthy: true,
    jobs: [
      { verdict: "Slow", runningMs: 600 },
      { verdict: "Failing", problem: "down" },
    ],
  });
  const url = await serve({ health: () => health(1101) });
  const answer = await fetch(`${url}/healthz`);
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ healthy: false, jobs: [{ job: "observe", owner: "agent", verdict: "Stuck" }, {}] });
});

test("readiness says what is waited for", async () => {
  const url = await serve({ ready: false });
  const answer = await fetch(`${url}/readyz`);
  expect([answer.status, await answer.json()]).toEqual([503, { ready: false, waitingFor: ["the first observation"] }]);
});

test("a failing part of an answer is a 500 with its reason and the server lives on", async () => {
  const url = await serve({ render: () => Promise.reject(new Error("no registry")) });
  const answer = await fetch(`${url}/metrics`);
  expect([answer.status, await answer.text()]).toEqual([500, "no registry\n"]);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

test("addresses are read in their usual forms and refused with an example otherwise", async () => {
  expect(parseAddress("127.0.0.1:9100")).toEqual({ host: "127.0.0.1", port: 9100 });
  expect(parseAddress("[::1]:9100")).toEqual({ host: "::1", port: 9100 });
  expect(parseAddress(":9100")).toEqual({ host: undefined, port: 9100 });
  expect(parseAddress("9100")).toEqual({ host: undefined, port: 9100 });
  for (const bad of ["localhost", "1.2.3.4:", "::1:x", "a:b:1", "h:70000", ""]) expect(() => parseAddress(bad)).toThrow(/127\.0\.0\.1:9100/);
  const url = await serve();
  await expect(
    serveHttp({
      address: url.slice("http://".length),
      log: silentLog,
      metrics: { contentType: "", render: async () => "" },
      health: () => reportHealth([], 0),
      ready: () => ({ ready: true, waitingFor: [] }),
    }),
  ).rejects.toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining("EADDRINUSE") });
});

test("a client that says nothing is let go", async () => {
  const url = new URL(await serve({ patienceMs: 100 }));
  const silent = connect(Number(url.port), url.hostname);
  silent.resume();
  await new Promise((resolve) => silent.once("close", resolve));
});
