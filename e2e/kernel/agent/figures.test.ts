// SPDX-License-Identifier: Apache-2.0
// How long things take on a real kernel: said, never asserted. QEMU emulates the processor, so every figure is many times what a real one is; what
// they show is where the time goes.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { microseconds, ms, number } from "../../../bench/measure/row.ts";
import { spreadOf } from "../../../bench/measure/samples.ts";
import { LOAD_PROJECT } from "../kit/modules.ts";
import { buildSelftest } from "../kit/selftest.ts";
import { LOSE_UNITS } from "../kit/simulator.ts";
import { giveToVfio, LOAD_VFIO } from "../kit/vfio.ts";
import { openKernelRung } from "../rung.ts";
import { behindPorts } from "../vm/qemu.ts";
import type { Vm } from "../vm/vm.ts";
import { bundleProgram } from "./contents.ts";
import { onlyUnit, type VmNode } from "./node.ts";
import { startAgentVm } from "./start.ts";

const rung = await openKernelRung();
const folder = mkdtempSync(join(tmpdir(), "trusted-iommu-figures-"));
const NVME = "0000:01:00.0";
const NODE = "/opt/trusted-iommu/bin/node";
/** Beside the addon. */
const PROGRAM = "opt/trusted-iommu/dist/driver-figures.mjs";
const CALLS = 4_000;
const ROUNDS = 10;
const GIVE_TO_VFIO = giveToVfio(NVME);
const METRICS = "127.0.0.1:9100";
const SCRAPE = `wget -q -O - http://${METRICS}/metrics`;
/** Loses all trust, and goes on when kubelet has the device again; in the VM, so that nobody outside takes part in what is timed. */
const LOSE = `for round in $(seq ${ROUNDS}); do
  wanted=$(($(grep -c '${NVME}' /run/kubelet.log) + 1))
  ${LOSE_UNITS}
  for look in $(seq 120); do
    [ $(grep -c '${NVME}' /run/kubelet.log) -ge $wanted ] && break
    sleep 0.5
  done
  [ $(grep -c '${NVME}' /run/kubelet.log) -ge $wanted ] || exit 1
  sleep 1
done`;

describe.skipIf(rung.skipReason !== null)("figures on a real kernel", () => {
  let vm: Vm;
  let node: VmNode;

  beforeAll(async () => {
    const contents = { selftest: await buildSelftest(folder), [PROGRAM]: await bundleProgram("driver-figures", folder) };
    ({ vm, node } = await startAgentVm(rung, folder, { devices: behindPorts(["nvme,serial=a"]), vfio: true, contents }));
    await vm.run(`${LOAD_PROJECT} && ${LOAD_VFIO} && ${GIVE_TO_VFIO}`);
  }, 3_600_000);
  afterAll(async () => {
    await vm?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("says what a call of the driver costs, beside the same call in C", async () => {
    rung.progress(`in C: ${(await vm.run("/selftest bench", 120_000)).trim()}`);
    const output = await vm.run(`${NODE} /${PROGRAM} ${CALLS}`, 600_000);
    const { rawList, together, list, info, observe } = JSON.parse(output) as Record<string, readonly number[]>;
    rung.progress(
      [
        `through the addon, ${CALLS} calls each:`,
        `LIST, addon alone           ${spread(rawList)}`,
        `LIST, addon, 64 under way   ${spread(together)}`,
        `LIST, driver               ${spread(list)}`,
        `INFO, driver               ${spread(info)}`,
        `the host's files, once over ${spread(observe)}`,
      ].join("\n  "),
    );
  });

  it("says how long after SETUP kubelet has the device", async () => {
    await node.startKubelet();
    await node.startAgent(`--metrics ${METRICS}`);
    await node.untilOffered("the device", (ids) => ids.includes(NVME));
    await vm.run("sleep 2");
    const before = jobRuns(await vm.run(SCRAPE));
    const marks = { log: lineCount(await node.log()), kubelet: lineCount(await vm.run("cat /run/kubelet.log")) };
    await vm.run(LOSE, 600_000);
    const after = jobRuns(await vm.run(SCRAPE));
    const news = (await node.log()).split("\n").slice(marks.log);
    const lists = (await vm.run("cat /run/kubelet.log")).trim().split("\n").slice(marks.kubelet);
    const rounds = roundsOf(news, lists);
    const times = (from: keyof Round, to: keyof Round): string => {
      const { p50, max } = spreadOf(rounds.map((round) => round[to] - round[from]));
      return `p50 ${ms(p50)}, max ${ms(max)}`;
    };
    const job = (name: string): string => {
      const [first, last] = [before.get(name) ?? { runs: 0, ms: 0 }, after.get(name) ?? { runs: 0, ms: 0 }];
      const runs = last.runs - first.runs;
      return `${number(runs / ROUNDS)} a round, ${ms((last.ms - first.ms) / runs)} each`;
    };
    const unit = onlyUnit(await node.status());
    rung.progress(
      [
        `trust lost and set up again, ${rounds.length} rounds of ${ROUNDS}:`,
        `SETUP returned → kubelet has the device    ${times("answeredMs", "listedMs")}`,
        `  SETUP returned → gate opened, list given ${times("answeredMs", "openedMs")}`,
        `  list given → kubelet has read it         ${times("openedMs", "listedMs")}`,
        `SETUP requested → returned                 ${times("requestedMs", "answeredMs")} (the last one took ${unit.lastCall?.durationMs} ms in the kernel)`,
        `device withdrawn → SETUP requested         ${times("withdrawnMs", "requestedMs")}`,
        `job pass: the host is read, kubelet asked, all decided   ${job("pass")}`,
        `job steps: the host is read, SETUP, the host again       ${job("steps")}`,
      ].join("\n  "),
    );
    // One whose withdrawal kubelet was not told apart from the new offer is none.
    expect(rounds).not.toEqual([]);
  });

  it("leaves nothing in the kernel's log that anybody should look at", async () => {
    expect(await vm.complaints()).toEqual([]);
  });
});

function spread(samples: readonly number[] | undefined): string {
  const { min, p50, p99, max } = spreadOf(samples ?? []);
  return `min ${microseconds(min)}, p50 ${microseconds(p50)}, p99 ${microseconds(p99)}, max ${microseconds(max)}`;
}

/** Of each of the agent's jobs: how often it ran, and how long in all. */
function jobRuns(metrics: string): ReadonlyMap<string, { readonly runs: number; readonly ms: number }> {
  const found = metrics.matchAll(/^trusted_iommu_job_duration_seconds_(sum|count)\{job="(.+?)"\} (\S+)$/gm);
  const values = new Map([...found].map(([, what = "", job = "", value = ""]) => [`${job} ${what}`, Number(value)]));
  const jobs = [...values.keys()].filter((key) => key.endsWith(" count")).map((key) => key.slice(0, -" count".length));
  return new Map(jobs.map((job) => [job, { runs: values.get(`${job} count`) ?? 0, ms: (values.get(`${job} sum`) ?? 0) * 1000 }]));
}

function lineCount(text: string): number {
  return text.trimEnd().split("\n").length;
}

/** Wall-clock milliseconds of one machine, as its programs stamped them. */
interface Round {
  /** Kubelet had a list without the device. */
  readonly withdrawnMs: number;
  readonly requestedMs: number;
  readonly answeredMs: number;
  /** Written when the list has been given to the stream. */
  readonly openedMs: number;
  /** Kubelet had a list with the device. */
  readonly listedMs: number;
}

/** From the agent's log lines and those of the stand-in for kubelet. */
function roundsOf(log: readonly string[], lists: readonly string[]): readonly Round[] {
  const lines = log.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as { time: string; message: string; leaf?: string });
  const stamps = (message: string, leaf?: string): readonly number[] =>
    lines.filter((line) => line.message === message && line.leaf === leaf).map((line) => Date.parse(line.time));
  const changes = lists.map((line) => JSON.parse(line) as { atMs: number; offered: Record<string, readonly string[]> });
  const has = (change: (typeof changes)[number]): boolean => Object.values(change.offered).flat().includes(NVME);
  return changes.flatMap((change, index) => {
    const before = changes[index - 1];
    if (!has(change) || before === undefined || has(before)) return [];
    const within = (times: readonly number[]): number | undefined =>
      times.findLast((time) => time >= before.atMs - SKEW_MS && time <= change.atMs + SKEW_MS);
    const requestedMs = within(stamps("seamcall requested", "TDH.IOMMU.SETUP"));
    const answeredMs = within(stamps("seamcall answered", "TDH.IOMMU.SETUP"));
    const openedMs = within(stamps("gate opened"));
    if (requestedMs === undefined || answeredMs === undefined || openedMs === undefined) return [];
    return [{ withdrawnMs: before.atMs, requestedMs, answeredMs, openedMs, listedMs: change.atMs }];
  });
}

/** Two processes on two processors: one may log after the other has already acted on it. */
const SKEW_MS = 1_000;
