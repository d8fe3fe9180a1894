// SPDX-License-Identifier: Apache-2.0

/**
 * Why a device may not be offered, from the truth of the models alone. This is the checker's own statement of the rule; it shares nothing with
 * the agent's gate.
 */
import type { IntentView } from "../../../src/cluster/port.ts";
import type { ResourceRule } from "../../../src/domain/intent.ts";
import type { AgentProcess } from "../life/agent-process.ts";
import { knownToBeTaken } from "../life/taken.ts";
import type { World } from "../life/world.ts";
import type { Age, Fact } from "../models/fact.ts";
import type { HostFunction } from "../models/host-function.ts";
import { has } from "../runs/capabilities.ts";
import { isClaimed, isServed } from "./expected-ledger.ts";
import { youngest as younger } from "./setup-rules.ts";

/** Something that speaks against the offer, and since when. */
export interface Objection {
  readonly why: string;
  readonly sinceTick: number;
  readonly sinceMs: number;
  /** The agent was woken by it. */
  readonly isLoud: boolean;
  /** The table or the intent says so: it does not take a whole look at the node to know. */
  readonly isFast: boolean;
}

const ALWAYS = { sinceTick: -1, sinceMs: 0, loud: true };

type Since = Pick<Fact<unknown>, "sinceTick" | "sinceMs" | "loud">;

export function objection(why: string, since: Since): Objection {
  return { why, sinceTick: since.sinceTick, sinceMs: since.sinceMs, isLoud: since.loud, isFast: false };
}

export interface Question {
  readonly world: World;
  readonly process: AgentProcess;
  readonly address: string;
  readonly resource: string;
  /** What a yes would be to: a list, Allocate, PreStart, or the preparation of a claim, which is both of these for DRA. */
  readonly purpose: "List" | "Allocate" | "PreStart" | "Prepare";
  /** In whose ledger it would be; a device plugin's unless it is said. What a claim is given is always DRA's. */
  readonly ledger?: Ledger;
  /** Devices that were secured when SETUP began, as the checker saw it. */
  readonly isSecuredBefore: (address: string) => boolean;
}

export function objections(question: Question): readonly Objection[] {
  const { world, process, address, resource } = question;
  const against: Objection[] = [];
  const object = (isBad: boolean, why: string, since: Since): void => {
    if (isBad) against.push(objection(why, since));
  };
  const fn = world.host.find(address);
  if (fn === null) return [objection("it never existed", ALWAYS)];
  object(!world.host.isReadable.value, "the host cannot be read", world.host.isReadable);
  object(!world.isDriverReadable.value, "the driver cannot be read", world.isDriverReadable);
  object(!fn.isPresent.value, "it is not on the bus", fn.isPresent);
  object(!fn.isTeeCapable, "it has no TEE-I/O", ALWAYS);
  object(!fn.answers.value, "it does not answer", fn.answers);
  object(!fn.isConfigReadable.value, "nobody can tell whether it has TEE-I/O", fn.isConfigReadable);
  // While the agent itself writes its link, what it read before counts; a start waits for the end of that.
  const isStart = question.purpose === "PreStart" || question.purpose === "Prepare";
  const isWritten = !isStart && world.links.writtenBy(process) === (fn.linkOwner ?? fn).address;
  object(!fn.isLinkReadable.value && !isWritten, "its link cannot be read", fn.isLinkReadable);
  // Nor does it read anything of any tsm/ meanwhile.
  const isWriting = !isStart && world.links.writtenBy(process) !== null;
  object(!fn.isBoundReadable.value && !isWriting, "its tsm/bound cannot be read", fn.isBoundReadable);
  if (!isWritten) againstBlocked(question, fn, object);
  const enable = process.intent.value?.intent?.link.enable ?? "Never";
  // What the agent itself puts right before a container starts keeps no device from being listed and given away.
  const isRepaired = isWritten || (enable === "OnPrepare" && !isStart);
  object(fn.link.value === "Broken" && !isRepaired, "its link was reset below the TSM", fn.link);
  const isOff = isStart && enable !== "Never" && fn.link.value === "Off";
  object(isOff, "its link is not secured", fn.link);
  // A stream that comes while the agent connects the slot reads like the one that the agent has asked for.
  object(fn.link.value === "Foreign" && !isWritten, "the kernel does not know its stream", fn.link);
  object(fn.isManagedElsewhere, "another function manages its security", fn.link);
  const carrier = !isStart && enable !== "Never" && fn.linkOwner === null ? carriedBy(world, process, fn) : null;
  object(carrier !== null, "another function that may be given away has its link", carrier ?? ALWAYS);
  object(enable === "OnPrepare" && world.host.tsms.value !== 1, "no TSM, or more than one, could secure its link", world.host.tsms);
  const isNever = enable !== "Never" && fn.physical === null && fn.linkOwner !== null;
  object(isNever, "no kernel covers it, and a link is asked for", process.intent);
  object(
    fn.isUncovered && !isWritten && !(isRepaired && fn.physical !== null),
    "its slot's stream does not cover it",
    fn.isPresent.sinceTick > fn.link.sinceTick ? fn.isPresent : fn.link,
  );
  object(!fn.isOnVfio.value, "it has no vfio device", fn.isOnVfio);
  const wish = againstIntent(process.intent.value, {
    fn,
    resource,
    ledger: question.purpose === "Prepare" ? "DRA" : (question.ledger ?? "DevicePlugin"),
  });
  if (wish !== "") {
    const hasMoved = wish === NOT_SELECTED && fn.isPresent.sinceTick > process.intent.sinceTick;
    against.push({ ...objection(wish, hasMoved ? fn.isPresent : process.intent), isFast: !hasMoved });
  }
  const trust = world.module.find(fn.regBase ?? "")?.trust;
  // A link that was in order is not any more when its unit is set up anew.
  const isRenewed = trust !== undefined && trust.sinceTick > fn.link.sinceTick;
  object(question.isSecuredBefore(address), "its link was secured before SETUP", isRenewed ? trust : fn.link);
  if (trust?.value === null) {
    // Of a function that has come back below another unit, only a look at the host tells.
    const hasMoved = fn.isPresent.sinceTick > trust.sinceTick;
    against.push({ ...objection("its unit is not trusted", hasMoved ? fn.isPresent : trust), isFast: !hasMoved });
  }
  againstUnit(world, fn, object);
  againstHolder(question, fn, object);
  againstOtherName(question, object);
  againstOtherHands(question, fn, object);
  return against;
}

/** The first virtual function that a resource of the spec takes, as long as nobody has been given function 0. Since when it is there. */
function carriedBy(world: World, process: AgentProcess, fn: HostFunction): Since | null {
  const { api, host } = world;
  if (isClaimed(world, fn.address) || api.pods.some((pod) => pod.isAlive && pod.ids.includes(fn.address))) return null;
  const intent = process.intent.value?.intent;
  const takerOf = ({ vendor }: HostFunction) => intent?.resources.find((rule) => rule.match.vendors?.includes(vendor));
  const one = host.functions.find(
    (other) =>
      other.physical === fn &&
      other.isPresent.value &&
      other.isTeeCapable &&
      other.isUnitLinked.value &&
      intent != null &&
      isServed(world, takerOf(other)) &&
      (intent.units.all === true || (intent.units.regBases ?? []).includes(other.regBase ?? "")),
  );
  if (one === undefined) return null;
  const since = younger(younger(one.isPresent, one.isUnitLinked), process.intent);
  return { sinceTick: since.sinceTick, sinceMs: since.sinceMs, loud: false };
}

type Object = (isBad: boolean, why: string, since: Since) => void;

/** Reading tsm/ blocks: only what this process read in this span of trust still says something, and only until the link changes. */
function againstBlocked({ world, process }: Question, fn: HostFunction, object: Object): void {
  const { isTsmFree } = fn;
  if (isTsmFree.value) return;
  const span = world.module.find(fn.regBase ?? "")?.span;
  object(process.startedMs > isTsmFree.sinceMs, "the agent has never read its link", ALWAYS);
  if (span) object(span.sinceTick > isTsmFree.sinceTick, "nobody has read its link in this span of trust", span);
  object(fn.link.value !== fn.linkBeforeBlock, "its link has changed since it could be read", fn.link);
}

function againstUnit(world: World, fn: HostFunction, object: Object): void {
  object(fn.regBase === null, "it is behind no unit", ALWAYS);
  if (fn.regBase === null) return;
  const hostUnit = world.host.unit(fn.regBase);
  object(!fn.isUnitReadable.value, "its unit cannot be told", fn.isUnitReadable);
  object(!fn.isUnitLinked.value, "the kernel shows no unit above it", fn.isUnitLinked);
  // It may have come below that unit since.
  const sinceThere = (fact: Since | undefined): Since => (fact === undefined || fn.isPresent.sinceTick > fact.sinceTick ? fn.isPresent : fact);
  object(hostUnit?.isReadable.value === false, "its unit has no readable address", sinceThere(hostUnit?.isReadable));
  object(hostUnit?.isPresent.value === false, "its unit is not on the host", sinceThere(hostUnit?.isPresent));
}

/** So old a search for holders may be. */
const SEARCH_IS_GOOD_MS = 1_000;

/** A pod, running or not, has had it since another span of trust than today's. */
function againstHolder({ world, process }: Question, fn: HostFunction, object: Object): void {
  const trust = world.module.find(fn.regBase ?? "")?.trust;
  if (!trust || trust.value === null) return;
  for (const pod of world.api.pods) {
    // Who gave it away remembers; another agent has to see it.
    if (!fn.areHoldersReadable.value && pod.givenBy !== process.number) continue;
    if (!fn.areOpensShown.value && (pod.isTerminating || pod.isForgotten || pod.givenBy !== process.number)) continue;
    const isShown = has("stoppedHolders") && pod.stage === "Held" && !pod.isTerminating && !pod.isForgotten && believesKubelet(world, process);
    // A search for holders may be so old.
    const isFound = pod.isRunning && world.time.nowMs - fn.opens.sinceMs > SEARCH_IS_GOOD_MS;
    if (!(isFound || isShown) || !pod.ids.includes(fn.address) || pod.spans.get(fn.address) === trust.value) continue;
    const latest = [trust, fn.opens, fn.areHoldersReadable, fn.areOpensShown, fn.isPresent].reduce((one, other) =>
      other.sinceTick > one.sinceTick ? other : one,
    );
    object(true, `${pod.name} has held it since before a loss of trust`, { sinceTick: latest.sinceTick, sinceMs: latest.sinceMs, loud: false });
  }
}

/** Kubelet has answered, and the agent has not been stopped, for so long that it has looked. */
export function believesKubelet({ kubelet, time, thawedMs }: World, process: AgentProcess): boolean {
  return kubelet.isAnswering.value && time.nowMs - Math.max(kubelet.showsSinceMs, process.startedMs, thawedMs) >= NOTICED_MS;
}

/** Another plugin's pod has it, or a process that is no pod's that kubelet knows. */
function againstOtherHands({ world, process, address, purpose }: Question, fn: HostFunction, object: Object): void {
  if (!believesKubelet(world, process)) return;
  const { api, kubelet } = world;
  const latest = { sinceMs: Math.max(kubelet.showsSinceMs, process.startedMs), loud: false };
  const other = knownToBeTaken(world, fn);
  // Nobody tells the agent: it sees it at its next look, and kubelet's calls wait for none, not even after the agent was stopped.
  const isNews = other !== null && purpose !== "List" && world.quiet.ms - other.since.sinceMs < NOTICED_MS;
  if (other !== null && !isNews) object(true, "another plugin's pod has it", { ...other.since, loud: false });
  // Its own VM may be the holder when a container starts.
  if (!has("unknownHolders") || purpose === "PreStart" || purpose === "Prepare" || !fn.areHoldersReadable.value || !fn.isSeenOpen) return;
  // While a pod ends, the processes that it leaves behind are its own.
  if (api.pods.some((pod) => pod.isInApi && pod.isAlive && pod.isTerminating)) return;
  const isByClaim = world.dra?.hasOpen(address) === true;
  const isKnown = isByClaim || api.pods.some((pod) => pod.stage === "Held" && !pod.isForgotten && pod.ids.includes(address));
  const since = [fn.opens, fn.areOpensShown, fn.areHoldersReadable, fn.isPresent, api.lastEnd].map(ageOf).reduce(younger);
  // A search for holders may be so old when it is listed.
  if (world.time.nowMs - since.sinceMs <= SEARCH_IS_GOOD_MS) return;
  // For the settling time after its pod has ended, who has a device open may be what the pod left behind. A list counts from the look that saw the end.
  const seenMs = purpose === "List" ? world.shape.observeEveryMs : 0;
  if (world.time.nowMs - api.lastEnd.sinceMs <= seenMs + world.shape.settleMs + SEARCH_IS_GOOD_MS) return;
  object(!isKnown, "a process has it open, and no pod has it", { ...latest, ...since, sinceMs: Math.max(latest.sinceMs, since.sinceMs) });
}

function ageOf({ sinceTick, sinceMs }: Age): Age {
  return { sinceTick, sinceMs };
}

/** Kubelet counts by resource: under another name it would give the device away a second time. */
function againstOtherName({ world, process, address, resource }: Question, object: Object): void {
  const { kubelet, api } = world;
  const knownMs = Math.max(kubelet.showsSinceMs, process.startedMs);
  if (!believesKubelet(world, process)) return;
  for (const pod of api.pods) {
    const isOther = pod.stage === "Held" && !pod.isTerminating && !pod.isForgotten && pod.resource !== resource && pod.ids.includes(address);
    const sinceTick = Math.max(pod.since.sinceTick, process.intent.sinceTick);
    object(isOther, `${pod.name} has it as ${pod.resource}`, { sinceTick, sinceMs: Math.max(knownMs, process.intent.sinceMs), loud: false });
  }
}

type Ledger = ResourceRule["ledger"];

/** After so long an agent has looked at podresources again, whatever woke it. */
const NOTICED_MS = 30_000;

/** Of a function that has come back below another unit, only a look at the host tells. */
const NOT_SELECTED = "its unit is not selected";

export function againstIntent(
  view: IntentView | null,
  asked: { readonly fn: HostFunction; readonly resource: string; readonly ledger: Ledger },
): string {
  const intent = view?.intent ?? null;
  const { fn, resource, ledger } = asked;
  if (intent === null) return "nobody wants anything";
  if (intent.state !== "Trusted") return "the intent is Cleared";
  if (!intent.units.all && !(intent.units.regBases ?? []).includes(fn.regBase ?? "")) return NOT_SELECTED;
  const taker = intent.resources.find((rule) => rule.match.vendors?.includes(fn.vendor) || rule.match.addresses?.includes(fn.address));
  if (taker === undefined) return "no resource takes it";
  if (taker.ledger !== ledger) return "another ledger has it";
  if (taker.driver.bind === "Native") return "its own driver is to have it";
  return taker.name === resource ? "" : `it belongs to ${taker.name}`;
}
