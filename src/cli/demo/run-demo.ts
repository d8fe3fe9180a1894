// SPDX-License-Identifier: Apache-2.0
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Timer } from "../../runtime/clock.ts";
import { EXIT_CODES } from "../../runtime/exit-codes.ts";
import type { Part } from "../../runtime/lifecycle.ts";
import { isSignalCause } from "../../runtime/signals.ts";
import { startKubeletStandIn } from "../../stand-in/kubelet/stand-in.ts";
import type { KubeletStandIn } from "../../stand-in/kubelet/types.ts";
import { type PassView, type RunControl, runAgent } from "../agent/run-agent.ts";
import { type AgentConfig, agentConfig } from "../config/agent-config.ts";
import type { OutputForm } from "../config/settings.ts";
import type { Context } from "../context.ts";
import { hostFile } from "../host-file.ts";
import type { DemoFlags } from "./demo-command.ts";
import { type Course, moveAfter, START } from "./demo-course.ts";
import { type DemoManifest, makeHost, makeManifest } from "./demo-host.ts";
import { createDemoPod, type DemoPod } from "./demo-pod.ts";
import { demoScreen, printSettled, quietScreen } from "./demo-screen.ts";

/** The description that shows most: 21 units, a GPU, an accelerator with virtual functions, a device that its own driver holds, two segments. */
const DEFAULT_HOST = "tdx-connect-2s";
/** Short, because nothing else uses the stand-in; longer than the second in which kubelet shows no pods after its start. */
const SETTLE_SECONDS = "1.5";
/** So slow that a person sees a unit in SettingUp. */
const LIVE_LATENCY_MS = 40;
/** What has not settled by then never will. */
const GIVE_UP_MS = 120_000;
const STOP_WITHIN_MS = 5_000;

/** Runs the demonstration to its end. @returns 0, or 1 when a unit that should be trusted (or cleared) is not */
export async function runDemo(flags: DemoFlags, context: Context): Promise<number> {
  const folder = flags.keep === undefined ? await mkdtemp(join(tmpdir(), "trusted-iommu-")) : resolve(context.workingFolder, flags.keep);
  try {
    const hasTsm = makeHost(folder, hostFile(flags.host ?? DEFAULT_HOST, context.workingFolder), flags.once ? null : LIVE_LATENCY_MS);
    const manifest = await makeManifest(folder, hasTsm);
    const config = demoConfig(flags, { folder, manifest, context });
    const kubelet = kubeletPart(folder, context);
    const course = createCourse({ flags, context, manifest, folder, kubelet: hasTsm ? kubelet.standIn : () => null, output: config.output });
    return await runAgent(config, context, {
      before: [kubelet.part],
      screen: (_context, { output }) => (flags.once ? quietScreen(context, output) : demoScreen(context, output)),
      onPass: course.onPass,
      onSignal: course.onSignal,
    });
  } finally {
    if (flags.keep === undefined) await rm(folder, { recursive: true, force: true });
  }
}

function demoConfig(flags: DemoFlags, { folder, manifest, context }: { folder: string; manifest: DemoManifest; context: Context }): AgentConfig {
  const { metrics, logLevel, output } = flags;
  const given = {
    manifest: manifest.path,
    simulator: folder,
    kubeletDir: deviceDir(folder),
    settle: SETTLE_SECONDS,
    ...(metrics === undefined ? {} : { metrics }),
    ...(logLevel === undefined ? {} : { logLevel }),
    ...(output === undefined ? {} : { output }),
  };
  return agentConfig(given, { workingFolder: context.workingFolder, configFile: null });
}

function deviceDir(folder: string): string {
  return join(folder, "kubelet", "device-plugins");
}

function kubeletPart(folder: string, { clock }: Context): { readonly part: Part; readonly standIn: () => KubeletStandIn | null } {
  let standIn: KubeletStandIn | null = null;
  const part: Part = {
    name: "kubelet stand-in",
    async start() {
      const podResourcesSocket = join(folder, "kubelet", "pod-resources", "kubelet.sock");
      standIn = await startKubeletStandIn({ dir: deviceDir(folder), podResourcesSocket, clock });
    },
    stop: async () => standIn?.stop(),
    stopWithinMs: STOP_WITHIN_MS,
  };
  return { part, standIn: () => standIn };
}

interface CourseInputs {
  readonly flags: DemoFlags;
  readonly context: Context;
  readonly manifest: DemoManifest;
  readonly folder: string;
  /** Null where no link can be secured. */
  readonly kubelet: () => KubeletStandIn | null;
  readonly output: OutputForm;
}

interface RunningCourse {
  onPass(pass: PassView, control: RunControl): void;
  onSignal(cause: unknown, control: RunControl): void;
}

function createCourse({ flags, context, manifest, folder, kubelet, output }: CourseInputs): RunningCourse {
  let course: Course = START;
  let latest: PassView | null = null;
  let guard: Timer | null = null;
  let pod: DemoPod | null = null;

  const end = (control: RunControl, failures: readonly string[]): void => {
    guard?.stop();
    for (const failure of failures) control.say(`FAILED ${failure}`);
    if (failures.length === 0) control.say("withdrawn and cleared: no unit is trusted any more");
    control.cancel({ exitCode: failures.length === 0 ? EXIT_CODES.Ok : EXIT_CODES.Failed });
  };
  /** Ends in failure, naming what still moves, when the next stage is not reached in time. */
  const expect = (what: string, control: RunControl): void => {
    guard?.stop();
    const late = (): void => end(control, [`${what} within ${GIVE_UP_MS / 1000} s`, ...(latest?.settlement.waitingFor ?? [])]);
    guard = context.clock.after(GIVE_UP_MS, late);
  };
  const cleanUp = (control: RunControl): void => {
    course = { ...course, stage: "CleaningUp" };
    pod?.end();
    expect("not cleared", control);
    manifest.want("Cleared").catch(control.cancel);
  };

  const settled = (failures: readonly string[], control: RunControl): void => {
    const isUsed =
      kubelet()
        ?.devices("teeio.dev/gpu")
        .some(({ healthy }) => healthy) ?? false;
    course = { stage: isUsed ? "Securing" : "Showing", failures: flags.once ? failures : [] };
    if (!isUsed) return;
    if (flags.once) expect("the link of the pod's device is not secured", control);
    pod = createDemoPod(kubelet, context.clock, control.cancel);
    pod.begin(!flags.once);
  };
  const show = (pass: PassView, control: RunControl): void => {
    course = { ...course, stage: "Showing" };
    if (!flags.once) return;
    printSettled(context, output, pass.status);
    cleanUp(control);
  };

  return {
    onPass(pass, control) {
      latest = pass;
      if (flags.once && guard === null) expect("not settled", control);
      const move = moveAfter(course, pass);
      if (move.kind === "End") end(control, move.failures);
      if (move.kind === "Settled") settled(move.failures, control);
      if (move.kind === "Secured" || (move.kind === "Settled" && course.stage === "Showing")) show(pass, control);
    },
    onSignal(cause, control) {
      if (!isSignalCause(cause) || course.stage === "CleaningUp") return control.cancel(cause);
      control.say(`${cause.signal}: withdrawing and clearing; once more ends at once, leaving ${folder}`);
      cleanUp(control);
    },
  };
}
