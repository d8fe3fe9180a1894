// SPDX-License-Identifier: Apache-2.0

/** observe: one NodeView from every port. Reads only; what fails is a value. */
import { bindWish, usesOfOne } from "../domain/binds/wish.ts";
import { clearanceOf, isSetUp, isStranded } from "../domain/clearance.ts";
import { mayBeOrphaned } from "../domain/dra/orphaned-files.ts";
import type { DraPublication, DraView } from "../domain/dra/view.ts";
import { type Ground, groundFrom, unitFacts } from "../domain/ground.ts";
import { accountedNames, waitsForPods } from "../domain/holds.ts";
import type { HostView } from "../domain/host.ts";
import type { Intent } from "../domain/intent.ts";
import { selectsUnit } from "../domain/intent.ts";
import { hostToJudge, linkContextOf } from "../domain/link-reading.ts";
import { isOurs, uncoveredOn, usesOfSlot } from "../domain/links/use.ts";
import { type Memory, namesAfter } from "../domain/memory.ts";
import { domainsOf } from "../domain/resource-name.ts";
import { unnamedHolders } from "../domain/unknown-holders.ts";
import type { Answer, DriverView, NodeView, Publication, Reading } from "../domain/view.ts";
import { type HolderInterest, wantsHolders } from "../domain/wanted-holders.ts";
import type { HostLook } from "../host/port.ts";
import { messageOf } from "../runtime/errors.ts";
import type { AgentPorts } from "./ports.ts";

export interface ObserveInputs {
  readonly ports: AgentPorts;
  readonly driver: Reading<DriverView>;
  readonly intent: Intent | null;
  readonly memory: Memory;
  /** The memory of the moment: links are judged by what is known when they have been read, which may be newer than `memory`. */
  readonly memoryNow: () => Memory;
  readonly publications: readonly Publication[];
  readonly answers: readonly Answer[];
  /** What our DRA plugin is to kubelet; null: there is none. */
  readonly draPlugin: DraPublication | null;
  /** Of what a CLEAR is decided on, nothing may be older than the question. */
  readonly holders: HostLook["age"];
  /** Reads the host's tree; what is lost there must not wait for kubelet or the API, so the reader tells others, too. */
  readonly readHost: (look: HostLook) => Promise<Reading<HostView>>;
}

/** The API's answer may be this slow before everything else is read again. */
const SLOW_API_MS = 1_000;

export async function observe(inputs: ObserveInputs): Promise<NodeView> {
  const { ports, driver, memory, publications, answers, readHost } = inputs;
  const hostLook = hostLookFor(inputs, inputs.holders);
  const readNode = async () => {
    const [nowMs, wallMs] = [ports.clock.nowMs(), ports.clock.wallMs()];
    const [host, podResources, dra] = await Promise.all([readHost(hostLook), ports.podResources.observe(), observeDra(inputs)]);
    return { nowMs, wallMs, host, driver, podResources, publications, answers, dra };
  };
  const judged = (view: NodeView): NodeView => ({ ...view, host: hostToJudge(view.host, linkContextOf(inputs.memoryNow(), unitFacts(driver))) });
  const asRead: NodeView = { ...(await readNode()), pods: { kind: "NotAsked" } };
  const view = judged(asRead);
  const ground = groundFrom({ ...view, pods: { kind: "None" }, dra: view.dra && { ...view.dra, areFresh: true } });
  if (!ports.pods.isLocal && !wantsPods(inputs, ground)) return view;
  const askedMs = ports.clock.nowMs();
  const domains = domainsOf([...namesAfter(memory, inputs.intent, ground), ...accountedNames(memory)]);
  const [pods, claims] = await Promise.all([ports.pods.observe(domains, memory.podUids), ports.dra?.claims.list() ?? null]);
  const isSlow = ports.clock.nowMs() - askedMs >= SLOW_API_MS;
  const read = isSlow ? await readNode() : asRead;
  return judged({ ...read, pods, dra: read.dra && claims && { ...read.dra, claims, areFresh: true } });
}

const NOT_READ_YET = { kind: "Unreadable", why: "not read from the API server yet" } as const;

/** DRA as the watches have it, and the claim files. */
async function observeDra({ ports: { dra }, draPlugin }: Pick<ObserveInputs, "ports" | "draPlugin">): Promise<DraView | null> {
  if (dra === null || draPlugin === null) return null;
  const claims = dra.claims.current() ?? NOT_READ_YET;
  const slices = dra.slices.current() ?? NOT_READ_YET;
  return { claims, areFresh: false, files: await dra.files.read(), slices, plugin: draPlugin };
}

/** What of a function must be found out that is not in its own files. */
export function hostLookFor(interest: HolderInterest, age: HostLook["age"]): HostLook {
  return { wantsHolders: wantsHolders(interest), wantsBinding: (fn) => bindWish(interest.intent, fn) !== null, age };
}

/** For SETUP: links count, holders don't. */
const LINKS_ALONE: HostLook = { wantsHolders: () => false, wantsBinding: () => false, age: "Recent" };

/** The host's tree now; what fails is Unreadable. */
export function readHost({ host }: Pick<AgentPorts, "host">, look: HostLook = LINKS_ALONE): Promise<Reading<HostView>> {
  return host.observe(look).then(
    (value) => ({ kind: "Read" as const, value }),
    (thrown: unknown) => ({ kind: "Unreadable" as const, why: messageOf(thrown) }),
  );
}

/**
 * Pods are asked for, by a quorum read, only when a decision hangs on them alone: a CLEAR for which everything else is free, the end of a hold that
 * no view shows, or a device in use that no pod of podresources has, which may be a terminating pod's. Kubelet's checkpoint is always read.
 */
function wantsPods({ intent, memory, driver }: ObserveInputs, ground: Ground): boolean {
  if (waitsForPods(memory, ground) || mayBeOrphaned(ground) || unnamedHolders(memory, ground).size > 0) return true;
  if (intent === null) return false;
  if (mayRelease(intent, ground, memory) || mayGiveBack(intent, ground, memory)) return true;
  return [...unitFacts(driver).values()].some((fact) => {
    const { regBase } = fact.entry;
    if (!isSetUp(fact) || !selectsUnit(intent, regBase) || (intent.state === "Trusted" && !isStranded(fact))) return false;
    return clearanceOf(memory, ground, regBase).uses.length === 0;
  });
}

/** A link could be released, or connected again for those that it does not cover, if no pod of the API's has another function of its slot. */
function mayRelease(intent: Intent, ground: Ground, memory: Memory): boolean {
  return [...ground.slots.values()].some((slot) => {
    if (slot.link.tsm === "" || !isOurs(intent, ground, slot)) return false;
    const uncovered = new Set(uncoveredOn({ ground, memory }, slot).map(({ address }) => address));
    return usesOfSlot({ ground, memory }, slot.owner, uncovered).length === 0;
  });
}

/** A function could be given its own driver if no pod of the API's has it. */
function mayGiveBack(intent: Intent, ground: Ground, memory: Memory): boolean {
  return [...ground.functions.values()].some((fn) => bindWish(intent, fn) === "Native" && usesOfOne({ ground, memory }, fn).length === 0);
}
