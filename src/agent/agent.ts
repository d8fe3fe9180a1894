// SPDX-License-Identifier: Apache-2.0

/**
 * The agent of one node: observe → plan → perform → offer → report, level-triggered. Any wake-up leads to the same pass; there is no other way to
 * hardware or to kubelet. Crash-only: everything it acts on is observed again.
 *
 *   wake ──► pass job: observe, decide, publish ──► step job: SEAMCALLs, one at a time ──► wake
 *   table, intent or host changed ──► withdraw jobs: take away at once what the gate no longer allows, also while a pass waits for something slow
 *                                              └──► status job: what changed, to the API or the file
 */
import { groundFrom } from "../domain/ground.ts";
import type { OfferedResource } from "../domain/offer.ts";
import { stepsOf } from "../domain/plan/finding.ts";
import { stoppedReport } from "../domain/report.ts";
import type { ReadStatus } from "../domain/status.ts";
import type { DevicePluginPort } from "../kubelet/port.ts";
import type { Jobs, RunAgain } from "../runtime/jobs.ts";
import { createKeyedLocks } from "../runtime/serial.ts";
import { announce } from "./announce.ts";
import { createAuditKeeper } from "./audit-keeper.ts";
import { performBinds } from "./bind-steps.ts";
import { type AgentDra, createDra } from "./dra.ts";
import { createDriverClient } from "./driver-client.ts";
import { createHandlers } from "./handlers.ts";
import { createDevicePluginLedger } from "./ledgers/device-plugin.ts";
import { performLinks } from "./link-steps.ts";
import { createLinkTurns } from "./link-wait.ts";
import { watchLinks } from "./link-watch.ts";
import { createLooks, wantedSpecs } from "./look.ts";
import { agentMetrics } from "./metrics.ts";
import { createNewest } from "./newest.ts";
import { readHost } from "./observe.ts";
import { performSteps } from "./perform.ts";
import { shareClaims, sharePods } from "./pods-share.ts";
import type { AgentOptions, AgentPorts } from "./ports.ts";
import { createProofKeeper } from "./proof-keeper.ts";
import { createPassRun, decideOn, type PassParts, timestamp, WRITE_AGAIN_MS } from "./run-pass.ts";
import { createSpecKeeper, type SpecKeeper } from "./spec-keeper.ts";
import { createState, type Pass } from "./state.ts";
import { createStatusWriter } from "./status-writer.ts";
import { createWakes } from "./wakes.ts";

export interface Agent {
  /** Reads what an earlier process left, then starts the jobs. Resolves when they run. */
  start(): Promise<void>;
  /** The newest pass; null before the first. */
  pass(): Pass | null;
  /** Calls `listener` after each pass. Returns the way to stop. */
  onPass(listener: () => void): () => void;
  /** Looks again soon. */
  wake(): void;
  /** Health of the agent's jobs. */
  jobs(): Jobs;
  /** Withdraws from kubelet, ends the jobs, closes the driver. Never clears: an upgrade is not an intent. Repeatable. */
  stop(): Promise<void>;
}

export function createAgent(given: AgentPorts, options: AgentOptions): Agent {
  const ports: AgentPorts = {
    ...given,
    pods: given.pods.isLocal ? given.pods : sharePods(given.pods, given.clock),
    dra: given.dra && { ...given.dra, claims: shareClaims(given.dra.claims, given.clock) },
  };
  const locks = createKeyedLocks();
  const listeners = new Set<() => void>();
  const stops: (() => void)[] = [];
  const simulatedHost = options.driver === "simulated";
  const metrics = agentMetrics(ports.metrics);
  metrics.simulated(simulatedHost);

  const wakes = createWakes(ports, options.observeEveryMs);
  const audit = createAuditKeeper({ ports, wakeAppend: wakes.audit, wakeSync: wakes.auditSync, onProblem: wakes.pass });
  const state = createState(options.settleMs, audit.looked);
  const driver = createDriverClient({ open: ports.openSeamcall, onChange: () => wakes.table() });
  const newest = createNewest({ readDriver: () => driver.observe(), readHost: (look) => readHost(ports, look) });
  const proofs = createProofKeeper(ports);
  const turns = createLinkTurns(ports.clock);
  const handlers = createHandlers({ ports, driver, state, proofs, audit, locks, turns, simulatedHost, onAnswered: wakes.calls });
  const plugins: DevicePluginPort | null = ports.devicePlugins?.(handlers) ?? null;
  const lists: { plugin: readonly OfferedResource[]; dra: readonly OfferedResource[] } = { plugin: [], dra: [] };
  const noteList = (changed: Partial<typeof lists>): void => {
    Object.assign(lists, changed);
    audit.listed([...lists.plugin, ...lists.dra]);
  };
  const ledger = createDevicePluginLedger(plugins, (plugin) => noteList({ plugin }));
  const wanted = () => wantedSpecs(state, { news: looks.news(), asked: ports.intent.current(), simulatedHost });
  const specs = createSpecKeeper(ports, { simulatedHost, wanted });
  const dra =
    ports.dra &&
    createDra({
      ports,
      dra: ports.dra,
      driver,
      newest,
      news: () => looks.news(),
      state,
      audit,
      locks,
      turns,
      onAnswered: wakes.calls,
      onList: (offered) => noteList({ dra: [offered] }),
      nowIso: () => timestamp(ports),
    });
  const looks = createLooks({ ports, state, newest, ledger, dra, specs, wakeSpecs: wakes.specs });
  const status = createStatusWriter(ports, () => state.lastStatus);

  const onPass = (pass: Pass, previous: ReadStatus | null): void => {
    announce({ ports, metrics, logsChanges: options.logsChanges }, previous, pass.status);
    if (stepsOf(pass.plan).length > 0) wakes.steps();
    if (status.note(pass.status)) wakes.status();
    if (pass.plan.links.some(({ step }) => step !== null)) wakes.links();
    if (pass.plan.binds.some(({ step }) => step !== null)) wakes.binds();
    if (pass.plan.links.some(({ isWatched }) => isWatched)) wakes.linkWatch();
    if (dra) wakes.claims();
    turns.changed();
    for (const listener of listeners) listener();
  };
  const passParts: PassParts = {
    ports,
    state,
    newest,
    looks,
    ledger,
    dra,
    specs,
    proofs,
    auditProblem: audit.problem,
    plugins,
    agent: options.agent,
    driver: options.driver,
    onPass,
    wakeSpecs: wakes.specs,
  };
  const perform = { ports, metrics, driver, newest, state, audit, locks, observeNow: () => looks.look("Fresh"), onStep: wakes.pass };

  const onLink = (): void => {
    turns.changed();
    wakes.pass();
  };
  const links = { ports, state, audit, locks, look: looks.look, onLink };

  return {
    async start() {
      state.noteStart(ports.clock.nowMs());
      wakes.start({
        pass: createPassRun(passParts),
        steps: (signal) => performSteps(perform, signal),
        status: status.write,
        withdraw: looks.withdraw,
        withdrawByHost: looks.withdrawByHost,
        specs: () => syncSpecs(specs, dra),
        claims: async () => await dra?.tell(),
        links: (signal) => performLinks(links, signal),
        binds: (signal) => performBinds({ ports, state, audit, locks, look: looks.look, onBind: wakes.pass }, signal),
        audit: audit.append,
        auditSync: audit.sync,
        linkWatch: () => watchLinks({ ports, state, onChange: wakes.pass }),
      });
      if (dra) stops.push(dra.onChange(wakes.pass));
      dra?.serve();
      stops.push(ports.host.onChange(wakes.host), ports.intent.onChange(wakes.intent));
      if (plugins) stops.push(plugins.onChange((change) => (change === "CallsEnded" ? wakes.calls() : wakes.pass())));
    },
    pass: () => state.pass,
    onPass(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    wake: wakes.pass,
    jobs: () => wakes.jobs,
    async stop() {
      state.noteStopping();
      turns.changed();
      for (const stop of stops.splice(0)) stop();
      await Promise.all([ledger.close(), dra?.close()]);
      // Read while it can be: a CLEAR that goes on in the kernel must not be reported as trusted.
      const reading = await newest.readDriver();
      // Ends calls in flight, so that no job waits for a SETUP; what the kernel has begun it finishes.
      await driver.close();
      await audit.end();
      await wakes.stop();
      await specs.end();
      proofs.close();
      audit.close();
      if (!state.pass) return;
      const ground = groundFrom({ ...state.pass.ground.view, driver: reading });
      const last = decideOn(passParts, ports.intent.current(), { ground, previous: state.pass.status, wanted: null });
      await ports.status
        .write(stoppedReport(last.status, timestamp(ports)))
        .catch((thrown: unknown) => ports.log.warn({ err: thrown }, "last status not written"));
    },
  };
}

/** What could not be written or removed is tried again here, whatever a pass waits for. */
async function syncSpecs(specs: SpecKeeper, dra: AgentDra | null): Promise<RunAgain | undefined> {
  const [{ problem }, again] = await Promise.all([specs.sync(), dra?.sync()]);
  return problem === "" ? again : { afterMs: WRITE_AGAIN_MS };
}
