// SPDX-License-Identifier: Apache-2.0

import { createDriverClient } from "../../agent/driver-client.ts";
import { observe, readHost } from "../../agent/observe.ts";
import type { AgentPorts } from "../../agent/ports.ts";
import { createProofKeeper } from "../../agent/proof-keeper.ts";
import { gateInputsOn } from "../../domain/gate/basis.ts";
import { judge } from "../../domain/gate/gate.ts";
import type { Verdict } from "../../domain/gate/inputs.ts";
import { type Ground as DomainGround, groundFrom, inSlot } from "../../domain/ground.ts";
import type { Intent } from "../../domain/intent.ts";
import { emptyMemory, remember } from "../../domain/memory.ts";
import { AppError } from "../../runtime/errors.ts";
import type { Part } from "../../runtime/lifecycle.ts";
import { createLog } from "../../runtime/log.ts";
import { noMetrics } from "../../runtime/metrics.ts";
import { addressFrom } from "../address-argument.ts";
import type { AgentConfig } from "../config/agent-config.ts";
import type { Context } from "../context.ts";
import { logScreen } from "../process/screen.ts";
import { buildPorts } from "./build-ports.ts";

/** How long the intent is waited for: a file is there at once, an API server answers within seconds or not at all. */
const INTENT_WITHIN_MS = 10_000;

/**
 * The gate's verdict on one device, from a look at the node taken now. What an agent remembers (who was given which device, in which span of trust) is
 * taken from its proof file where that can be read; nothing is set up, published or written.
 * @throws CONFIG_INVALID (no address) · HOST_UNREADABLE · DEADLINE (no intent in time) · as the ports
 */
export async function explainDevice(text: string, config: AgentConfig, context: Context): Promise<Verdict> {
  const address = addressFrom(text);
  const { log: write } = logScreen(context, config.output);
  const log = createLog({ level: config.logLevel ?? "error", simulated: config.driver.kind === "Simulated", base: {}, write });
  const onFatal = (thrown: unknown): void => log.error({ err: thrown }, "invariant broken");
  const built = await buildPorts({ config, context, random: Math.random, log, metrics: noMetrics, onFatal, readOnly: true });
  return await withParts(built.parts, async () => {
    const intent = await intentOf(built.ports, config, context);
    return await verdictOn(address, { ports: built.ports, intent, settleMs: built.options.settleMs });
  });
}

interface Look {
  readonly ports: AgentPorts;
  readonly intent: Intent | null;
  readonly settleMs: number;
}

async function verdictOn(address: string, { ports, intent, settleMs }: Look): Promise<Verdict> {
  const driver = createDriverClient({ open: ports.openSeamcall, onChange: () => undefined });
  try {
    const proofs = await createProofKeeper(ports).load(await ports.host.bootId());
    ports.loads?.believe(proofs.loads);
    const fresh = emptyMemory(ports.clock.nowMs(), settleMs, proofs);
    const view = await observe({
      ports,
      driver: await driver.observe(),
      intent,
      memory: fresh,
      memoryNow: () => fresh,
      publications: [],
      draPlugin: null,
      answers: [],
      holders: "Fresh",
      readHost: (look) => readHost(ports, look),
    });
    // No function is "not on the bus" of a host that cannot be looked at.
    if (view.host.kind !== "Read") throw new AppError("HOST_UNREADABLE", `HostUnreadable: ${view.host.why}`);
    const ground: DomainGround = groundFrom(view);
    const memory = remember(fresh, intent, ground);
    return judge(gateInputsOn({ intent, driver: view.driver, memory }, "List")(address, inSlot(ground, address)));
  } finally {
    await driver.close();
  }
}

/** Waits for the first view of the intent. A refused one is said, for nothing follows from it. */
async function intentOf({ intent }: AgentPorts, { source }: AgentConfig, { clock }: Context): Promise<Intent | null> {
  const view = await new Promise<ReturnType<typeof intent.current>>((resolve) => {
    const done = (): void => {
      timer.stop();
      stop();
      resolve(intent.current());
    };
    const timer = clock.after(INTENT_WITHIN_MS, done);
    const stop = intent.onChange(() => intent.current() !== null && done());
    if (intent.current() !== null) done();
  });
  if (view === null) {
    const where = source.kind === "Cluster" ? `of node ${source.node} in the cluster; is its API server up?` : `in ${source.manifest}`;
    throw new AppError("DEADLINE", `no answer within ${INTENT_WITHIN_MS / 1000} s about the TrustedIommu ${where}`);
  }
  if (view.intent === null && view.problem !== "") throw new AppError("MANIFEST_INVALID", view.problem);
  return view.intent;
}

async function withParts<T>(parts: readonly Part[], work: () => Promise<T>): Promise<T> {
  const started: Part[] = [];
  try {
    for (const part of parts) {
      await part.start(new AbortController().signal);
      started.push(part);
    }
    return await work();
  } finally {
    for (const part of started.toReversed()) await part.stop(null);
  }
}
