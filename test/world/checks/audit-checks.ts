// SPDX-License-Identifier: Apache-2.0

/**
 * The audit log as an independent witness, held against the truth: what it calls held must not have been broken where the agent could see it, its lines are
 * there before an Allocate is answered, and what it could not write it says.
 */
import { type Order, orderOf } from "../../../src/domain/audit/order.ts";
import { readRecord } from "../../../src/domain/audit/record.ts";
import { indexLines } from "../../../src/domain/audit/story.ts";
import type { AgentProcess } from "../life/agent-process.ts";
import type { Yes } from "../life/witness.ts";
import type { World } from "../life/world.ts";
import type { HostFunction } from "../models/host-function.ts";
import type { Pod } from "../models/pod.ts";
import type { CheckTools } from "./check-tools.ts";

/** Longer than the longest time between two looks: what was so for as long under an agent that looks was seen by it. */
const SEEN_MS = 20_000;
/** As long as an answer waits for its line. */
const WRITTEN_MS = 100;

export class AuditChecks {
  readonly #tools: CheckTools;
  /** `address epoch` → what was broken, as the truth has it. */
  readonly #broken = new Map<string, string>();
  /** Since when one and the same process has looked at everything without hindrance. */
  #watched: { readonly process: number; readonly sinceMs: number } | null = null;
  /** Links that were seen secured under a VM: by pod and device. */
  readonly #securedUnder = new Set<string>();
  /** In which boot each span of trust was seen: with a boot all its orders end, and whoever had a device then has it no more. */
  readonly #bootOf = new Map<string, number>();
  /** Slots whose link the agent has taken away in order to repair it. */
  readonly #repairs = new Set<string>();

  constructor(tools: CheckTools) {
    this.#tools = tools;
  }

  answered(process: AgentProcess, { call, ids, arrivedTick, arrivedMs }: Yes): void {
    const { audit, time } = this.#tools.world;
    if (call !== "Allocate" || audit.isInTrouble(process.number) || time.nowMs - arrivedMs >= WRITTEN_MS) return;
    this.#tools.checked.audit += 1;
    const lines = audit.since(arrivedTick);
    for (const id of ids) {
      const isThere = lines.some(({ event, address }) => event === "DeviceAllocated" && address === id);
      if (!isThere) this.#tools.violate(`Allocate of ${id}`, "is answered before its line is in the audit log");
    }
  }

  linkTaken(owner: string): void {
    this.#repairs.add(owner);
  }

  /** The agent has nothing left to do at this moment. */
  atRest(isSecuredBefore: (address: string) => boolean): void {
    const { world, violate } = this.#tools;
    for (const process of world.audit.silent.splice(0)) violate("the audit log", `agent ${process} goes on after a refusal without a Gap`);
    this.#watch();
    for (const pod of world.api.pods) {
      if (!pod.isRunning || pod.stage !== "Held") continue;
      for (const fn of pod.opened) this.#look(pod, fn, isSecuredBefore);
    }
  }

  /** When nothing more happens: all that the log says of every device. */
  judge(): void {
    const { world, violate, checked } = this.#tools;
    for (const [address, { courses }] of ordersOf(world)) {
      for (const { epoch, verdict } of courses) {
        checked.audit += 1;
        const broken = this.#broken.get(`${address} ${epoch}`);
        if (verdict === "held" && broken !== undefined) violate(`the audit log calls the order of ${address} held`, broken);
      }
    }
  }

  #look(pod: Pod, fn: HostFunction, isSecuredBefore: (address: string) => boolean): void {
    const { world } = this.#tools;
    const span = pod.spans.get(fn.address) ?? null;
    if (span === null) return;
    const spanNow = world.module.find(fn.regBase ?? "")?.trust;
    if (spanNow?.value === span) this.#bootOf.set(span, world.host.bootId);
    if (this.#bootOf.get(span) !== world.host.bootId) return;
    const { link } = fn;
    const owner = fn.linkOwner?.address ?? fn.address;
    const key = `${pod.key} ${fn.address}`;
    if (link.value !== "Off") {
      this.#repairs.delete(owner);
      if (this.#isSeen(link.sinceMs, fn)) this.#securedUnder.add(key);
      if (spanNow?.value === span && isSecuredBefore(fn.address)) this.#break(fn, span, "its link was secured before SETUP");
    }
    const isReleased = link.value === "Off" && this.#securedUnder.has(key) && !this.#repairs.has(owner);
    if (isReleased && this.#isSeen(link.sinceMs, fn)) this.#break(fn, span, `its link was released under ${pod.key}`);
    if (spanNow !== undefined && spanNow.value !== span && this.#isSeen(spanNow.sinceMs, fn))
      this.#break(fn, span, `the trust of its unit ended under ${pod.key}`);
  }

  #break(fn: HostFunction, span: string, why: string): void {
    const [instance = "", seq = "0"] = span.split("/");
    this.#broken.set(`${fn.address} ${instance}/0x${BigInt(seq).toString(16)}`, why);
  }

  /** It has been so for long enough, and the agent has looked all the while, at everything that shows it. */
  #isSeen(sinceMs: number, fn: HostFunction): boolean {
    const { world } = this.#tools;
    const untilMs = world.time.nowMs - SEEN_MS;
    const shown = [fn.isLinkReadable, fn.areHoldersReadable, fn.areOpensShown, fn.isPresent, fn.opens, world.host.isTsmFree];
    const isShown = shown.every((fact) => fact.value !== false && fact.sinceMs <= untilMs);
    return isShown && sinceMs <= untilMs && this.#watched !== null && this.#watched.sinceMs <= untilMs;
  }

  #watch(): void {
    const { process, turnstile, host, isDriverReadable, time } = this.#tools.world;
    const isWatching = process !== null && !process.isStopping && turnstile.stalled === null && turnstile.frozen === null;
    const canSee = host.isReadable.value && isDriverReadable.value && process?.agent.pass() !== null;
    if (!isWatching || !canSee) this.#watched = null;
    else if (this.#watched?.process !== process.number) this.#watched = { process: process.number, sinceMs: time.nowMs };
  }
}

/** What the log says of each device, by the very judge of `trusted-iommu audit`. */
export function ordersOf({ audit }: Pick<World, "audit">): ReadonlyMap<string, Order> {
  const { lines } = readRecord([{ name: "audit", text: audit.lines.map((line) => `${line}\n`).join("") }]);
  const index = indexLines(lines);
  return new Map(index.devices().map((address) => [address, orderOf(index.storyOf(address))]));
}
