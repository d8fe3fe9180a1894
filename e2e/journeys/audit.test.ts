// SPDX-License-Identifier: Apache-2.0
import { chmodSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { CLEAR_ALL, type Journey, startJourney, TRUST_ALL } from "./journey.ts";

const DEVICE = "0000:01:00.0";
const NO_KUBELET = ["--kubelet", "none", "--settle", "0.3"] as const;

let journey: Journey;
beforeEach(async () => {
  journey = startJourney();
  await journey.simulate("create", "--host", "hosts/one-unit.yaml");
  journey.manifest(TRUST_ALL);
});
afterEach(() => journey.end());

const audit = (...words: readonly string[]) => journey.run("audit", "--simulator", journey.simulator, ...words);
const isOffered = async () => await journey.until("offered", ({ counts }) => counts.devicesOffered === 2);
const folder = () => join(journey.simulator, "audit");
const files = () => readdirSync(folder()).sort();

interface Answer {
  readonly verdict: string;
  readonly why: string;
  readonly courses: readonly { readonly steps: readonly { readonly step: string; readonly seq: number }[] }[];
  readonly lines: readonly { readonly event: string }[];
}

it("says while the agent runs that the order is held, and tells the whole way when the unit is cleared", async () => {
  expect(await audit(DEVICE)).toMatchObject({ code: 5, stderr: expect.stringContaining("no audit log") as string });
  journey.agent(...NO_KUBELET);
  await isOffered();
  const running = await audit(DEVICE);
  expect([running.code, running.stdout.split("\n")[0]]).toEqual([0, expect.stringMatching(/^0000:01:00\.0: the order is held/)]);
  expect(running.stdout).toMatch(/unit set up \(\d+\) → offered \(\d+\)\n/);
  journey.manifest(CLEAR_ALL);
  await journey.until("cleared", ({ units }) => units.every(({ reason }) => reason === "Cleared"));
  const { stdout, code } = await audit("01:00.0", "--output", "json");
  const answer = JSON.parse(stdout) as Answer;
  expect([code, answer.verdict, answer.courses[0]?.steps.map(({ step }) => step)]).toEqual([0, "held", ["unit set up", "offered", "unit cleared"]]);
  expect(answer.lines.map(({ event }) => event)).toEqual([
    "AgentStarted",
    "UnitSetUp",
    "LinkChecked",
    "DeviceOffered",
    "DeviceWithdrawn",
    "UnitCleared",
  ]);
});

it("shows every device, and says no with what is missing when the log was tampered with", async () => {
  const agent = journey.agent(...NO_KUBELET);
  await isOffered();
  await agent.kill("SIGTERM");
  const whole = await audit();
  expect([whole.code, whole.stdout.match(/ held /g)?.length]).toEqual([0, 2]);
  const [name = ""] = files();
  const path = join(folder(), name);
  const lines = readFileSync(path, "utf8").split("\n");
  writeFileSync(path, lines.filter((line) => !line.includes("UnitSetUp")).join("\n"));
  const cut = await audit(DEVICE);
  expect([cut.code, cut.stdout]).toEqual([6, expect.stringMatching(/the order is unproven[\s\S]*says that its unit was set up/)]);
  truncateSync(path, 300);
  const short = await audit();
  expect([short.code, short.stdout]).toEqual([6, expect.stringMatching(/not read: .* line \d+: not finished[\s\S]*the last one is/)]);
});

it("goes on with the numbers of an agent that was killed", async () => {
  const first = journey.agent(...NO_KUBELET);
  await isOffered();
  await first.kill("SIGKILL");
  journey.agent(...NO_KUBELET);
  const deadline = performance.now() + 40_000;
  for (;;) {
    const { stdout, code } = await audit(DEVICE, "--output", "json");
    const { lines } = JSON.parse(stdout) as Answer;
    if (lines.filter(({ event }) => event === "DeviceOffered").length === 2) {
      expect([code, lines.map(({ event }) => event).filter((event) => event === "Gap")]).toEqual([0, []]);
      break;
    }
    if (performance.now() > deadline) throw new Error(`the second agent has told nothing: ${stdout}`);
  }
});

it("a log that cannot be written makes the node Degraded, and offers all the same", async () => {
  writeFileSync(folder(), "somebody's file");
  journey.agent(...NO_KUBELET);
  await isOffered();
  const degraded = await journey.until("degraded", ({ conditions }) => conditions.some(({ reason }) => reason === "AuditUnwritable"));
  const { status, message } = degraded.conditions.find(({ type }) => type === "Degraded") ?? {};
  expect([status, message]).toEqual(["True", expect.stringContaining(folder())]);
  expect(degraded.conditions.find(({ type }) => type === "Ready")).toMatchObject({ status: "True" });
  rmSync(folder());
  await journey.until("written again", ({ conditions }) => conditions.some(({ type, status: now }) => type === "Degraded" && now === "False"));
  const { code, stdout } = await audit(DEVICE);
  expect([code, stdout]).toEqual([0, expect.stringContaining("Gap")]);
  chmodSync(folder(), 0o700);
});

it("writes none when it is told so", async () => {
  journey.agent(...NO_KUBELET, "--audit", "none");
  await isOffered();
  expect((await audit()).code).toBe(5);
  expect((await journey.run("audit", "--audit", join(journey.folder, "none"), "17:0x")).code).toBe(2);
});
