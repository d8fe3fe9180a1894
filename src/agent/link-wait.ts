// SPDX-License-Identifier: Apache-2.0

/** A start that waits for the link of its device, and what kubelet is told when that takes too long: it repeats the call. */
import type { Address } from "../domain/device.ts";
import { WAITED_FOR } from "../domain/gate/rule-sets.ts";
import { linkStepsOf } from "../domain/plan/links.ts";
import type { DeviceReason } from "../domain/reason.ts";
import { slotOwnerOf } from "../domain/slot.ts";
import type { Clock } from "../runtime/clock.ts";
import { AppError, isAppError } from "../runtime/errors.ts";
import type { AgentPorts } from "./ports.ts";
import type { AgentState } from "./state.ts";

/** For a whole call, however many devices it names; kubelet's own deadline is 30 s. */
export const LINK_WAIT_MS = 20_000;
/** Another program that secures links tells nobody. */
const ASK_AGAIN_MS = 1_000;

export interface LinkTurns {
  /** Something may be different for who waits. */
  changed(): void;
  /** The next `changed`, or when it is time to ask again anyway. To be taken before the question whose answer may change. */
  next(): LinkTurn;
}

export interface LinkTurn {
  readonly comes: Promise<void>;
  /** Nobody waits for it any more. Repeatable. */
  end(): void;
}

export function createLinkTurns(clock: Clock): LinkTurns {
  const waiting = new Set<() => void>();
  return {
    changed() {
      for (const go of [...waiting]) go();
    },
    next() {
      const { promise, resolve } = Promise.withResolvers<void>();
      const go = (): void => {
        timer.stop();
        waiting.delete(go);
        resolve();
      };
      const timer = clock.after(ASK_AGAIN_MS, go);
      waiting.add(go);
      return { comes: promise, end: go };
    },
  };
}

export interface LinkWaitParts {
  readonly ports: Pick<AgentPorts, "clock" | "intent">;
  readonly state: Pick<AgentState, "pass" | "memory" | "stopping">;
  readonly turns: LinkTurns;
}

export interface LinkWait {
  readonly address: Address;
  /** Monotonic ms. */
  readonly untilMs: number;
  /** Reasons of the gate that end by themselves; those of a start when not given. */
  readonly waitedFor?: ReadonlySet<DeviceReason>;
  /** Nobody waits for the answer any more. */
  readonly signal?: AbortSignal;
}

/**
 * Repeats `ask` while the gate is closed only by what is about to be put right. Nothing is locked between two questions.
 * @throws what `ask` throws, or LINK_PENDING at `untilMs`
 */
export async function untilLinked<T>(parts: LinkWaitParts, asked: LinkWait, ask: () => Promise<T>): Promise<T> {
  const { ports, state, turns } = parts;
  for (;;) {
    const turn = turns.next();
    try {
      const answer = await ask();
      turn.end();
      return answer;
    } catch (thrown) {
      const isLate = ports.clock.nowMs() >= asked.untilMs || asked.signal?.aborted === true;
      const isOver = !isWaitedFor(thrown, asked.waitedFor ?? WAITED_FOR) || isNobodys(parts, asked);
      if (isOver || isLate) turn.end();
      if (isOver) throw thrown;
      if (isLate) throw isWaitedFor(thrown, WAITED_FOR) ? pending(parts, asked.address, thrown) : thrown;
    }
    await turn.comes;
    if (state.stopping) throw new AppError("SHUTTING_DOWN", "the agent is stopping");
  }
}

/** A start waits for links alone, and where nobody asks for them nobody puts them right. */
function isNobodys({ ports }: LinkWaitParts, { waitedFor }: LinkWait): boolean {
  return waitedFor === undefined && ports.intent.current()?.intent?.link.enable === "Never";
}

function isWaitedFor(thrown: unknown, reasons: ReadonlySet<DeviceReason>): thrown is AppError {
  return isAppError(thrown) && thrown.code === "NOT_OFFERED" && reasons.has(thrown.details["reason"] as DeviceReason); // Of the gate's own making.
}

/** Kubelet puts it into the pod's event. */
function pending({ ports, state }: LinkWaitParts, address: Address, why: AppError): AppError {
  const { memory, pass } = state;
  const nowMs = ports.clock.nowMs();
  const fn = pass?.ground.functions.get(address);
  const owner = fn === undefined ? address : slotOwnerOf(fn);
  const { writing } = memory.linkWork;
  const how = (): string => {
    if (writing?.owner === owner)
      return `is being ${writing.kind === "Connect" ? "secured" : "released"} for ${Math.round((nowMs - writing.sinceMs) / 1000)} s`;
    const place = pass === null ? -1 : linkStepsOf(pass.plan.links, memory, nowMs).findIndex((step) => step.owner === owner);
    if (place >= 0) return `waits to be secured (${place + 1} in the queue)`;
    const verdict = pass?.plan.links.find((link) => link.owner === owner);
    const text = verdict?.blocked || verdict?.message || why.message;
    const reason = why.details["reason"];
    return `is not secured${reason === "LinkNotSecured" ? "" : ` (${String(reason)})`}: ${text}`;
  };
  return new AppError("LINK_PENDING", `link of ${owner} ${how()}`, { cause: why, details: { address } });
}
