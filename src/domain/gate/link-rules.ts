// SPDX-License-Identifier: Apache-2.0

/** The gate's rules about the link of a device's slot, in order: what keeps a device from being offered, and what a start waits for. */
import { requesterIdOf } from "../address.ts";
import type { TsmRead } from "../device.ts";
import type { DeviceTaint } from "../dra/pool.ts";
import type { Hold } from "../holds.ts";
import { atMostThree } from "../link-names.ts";
import { isFailed, type LinkFailure } from "../links/error.ts";
import { streamsText, withoutStreamLeft } from "../links/streams.ts";
import { isCoverable, isCovered } from "../links/use.ts";
import type { Facts, Purpose, Rule } from "./inputs.ts";
import { isOfAsking } from "./ledger-rules.ts";
import { because, hexRid, linkText, rangeText, TSM_TEXT } from "./texts.ts";

export const LINK_RULES: readonly Rule[] = [
  {
    reason: "LinkUnknown",
    passes: ({ fn, slot }) =>
      fn?.isIdeRead === true && slot !== null && slot.link.state !== "Unknown" && isTaken(slot.linkRead.tsm) && isTaken(fn.boundRead),
    read: ({ fn, slot }) => {
      const tsm = [slot?.linkRead.tsm, fn?.boundRead].find((read) => read !== undefined && read !== "Read") ?? "Read";
      const isUnread = tsm === "Read" && (slot?.link.state === "Unknown" || fn?.isIdeRead === false);
      const problem = isUnread ? (fn?.configProblem ?? "") : "";
      return `${linkText(slot)}${TSM_TEXT[tsm]}${because(problem)}`;
    },
  },
  {
    // Its session is with that function: what it says of this device is not this device's word.
    reason: "DsmElsewhere",
    passes: ({ slot }) => slot !== null && (slot.dsm === "" || slot.dsm === slot.owner),
    read: ({ slot }) => `tsm/dsm "${slot?.dsm ?? ""}" of ${slot?.owner ?? "no slot"}`,
  },
  {
    // Who was given it already keeps it.
    reason: "CarriesOthers",
    passes: ({ address, purpose, hold, memory }) => purpose === "PreStart" || isGiven(hold) || !memory.carried.has(address),
    read: ({ address, memory }) =>
      `functions that share its link: ${atMostThree(memory.carried.get(address) ?? []) || "none that may be given away"}`,
  },
  {
    // A function that DRA gives away, in a slot that a device plugin has, too: the scheduler counts its stream.
    reason: "StreamsShared",
    passes: ({ slot, purpose, hold, memory, resource }) =>
      resource?.ledger === "DRA" || purpose === "PreStart" || isGiven(hold) || !memory.streamsShared.has(slot?.owner ?? ""),
    read: ({ slot }) => `IDE streams left: ${(slot && streamsText(slot)) || "unread"}, and the scheduler gives them to devices of DRA, too`,
  },
  {
    reason: "NoStreamFree",
    passes: ({ slot, purpose, hold, memory }) => purpose === "PreStart" || isGiven(hold) || !memory.withoutStream.has(slot?.owner ?? ""),
    read: ({ slot }) => `IDE streams left: ${(slot && streamsText(slot)) || "unread"}; other devices come first`,
  },
  {
    reason: "NoTsm",
    passes: ({ intent, slot }) => intent?.link.enable !== "OnPrepare" || (slot !== null && slot.tsms.length > 0),
    read: ({ slot }) => `link TSMs of this host: ${slot?.tsms.join(" ") || "none"}`,
  },
  {
    reason: "TsmAmbiguous",
    passes: ({ intent, slot }) => intent?.link.enable !== "OnPrepare" || (slot !== null && slot.tsms.length < 2),
    read: ({ slot }) => `link TSMs of this host: ${slot?.tsms.join(" ") || "none"}`,
  },
  {
    reason: "AuthenticationFailed",
    passes: (facts) => failedAs(facts) !== "AuthenticationFailed",
    read: failureText,
  },
  {
    reason: "LinkFailed",
    passes: (facts) => failedAs(facts) !== "LinkFailed",
    read: failureText,
  },
  {
    // Who has the device already keeps it: what blocks the repair may end.
    reason: "RepairBlocked",
    passes: ({ intent, slot, memory, hold, purpose }) =>
      intent?.link.enable !== "OnPrepare" || !memory.linkWork.blocked.has(slot?.owner ?? "") || (isGiven(hold) && purpose === "List"),
    read: ({ slot, memory }) => memory.linkWork.blocked.get(slot?.owner ?? "") ?? "no repair is blocked",
  },
  {
    // The core takes no notice of a reset: tsm/connect still names the TSM when the stream is off.
    reason: "LinkBroken",
    passes: (facts) => !isLost(facts) || isRepairedForStart(facts),
    read: ({ slot }) => linkText(slot),
  },
  {
    // The range is fixed when a TSM connects: it ends at function 0, or at the last virtual function that was there then.
    reason: "LinkNotCovering",
    passes: (facts) =>
      !isNeverCovered(facts) && (isSecuredAlso(facts) || (isGiven(facts.hold) && facts.fn?.functionType === "Virtual" && isRepairedForStart(facts))),
    read: (facts) => {
      const { address, slot } = facts;
      const covers = isNeverCovered(facts) ? ", and no kernel covers a physical function but function 0" : "";
      return `requester ID ${hexRid(requesterIdOf(address))}, secured ${slot?.covers.map(rangeText).join(" ") || "none"}${covers}`;
    },
  },
];

/** No link is tried for a new claim while the device is kept from it, nor before it is known whether it is. */
export const LINK_TAINTED: Rule = {
  reason: "LinkFailed",
  passes: (facts) => facts.memory.linkTaints.isAdopted && taintOf(facts) === null,
  read: (facts) => (facts.memory.linkTaints.isAdopted ? failureText(facts) : "whether its link failed before the agent's start is not read yet"),
};

/** A start waits for it, too: it is put right when a stream is freed. */
export const NO_STREAM_LEFT: Rule = {
  reason: "NoStreamLeft",
  passes: ({ purpose, intent, slot }) =>
    !isStart(purpose) || intent?.link.enable !== "OnPrepare" || slot?.link.state !== "Insecure" || withoutStreamLeft(slot) === "",
  read: ({ slot }) => (slot && (withoutStreamLeft(slot) || `IDE streams left: ${streamsText(slot)}`)) || "IDE streams left: unread",
};

/** The last before what is written: a start waits for it, and nothing else must be in its way. */
export const LINK_NOT_SECURED: Rule = {
  reason: "LinkNotSecured",
  passes: ({ purpose, intent, slot }) =>
    !isStart(purpose) || intent?.link.enable === "Never" || (slot?.link.state === "Secure" && slot.linkRead.tsm !== "Writing"),
  read: ({ slot, intent }) => `${linkText(slot)}, spec.link.enable ${intent?.link.enable ?? "unread"}`,
};

/** After a yes the device may be opened. */
function isStart(purpose: Purpose): boolean {
  return purpose === "PreStart" || purpose === "Prepare";
}

/** Read, or what was read before is still to be taken. */
function isTaken(read: TsmRead): boolean {
  return read === "Read" || read === "Stands" || read === "Writing";
}

function isLost({ slot }: Facts): boolean {
  return slot === null || (slot.link.state === "Secure" && slot.link.streamSecure !== "Yes");
}

/** By this program, as far as is known. */
function isGiven(hold: Hold | null): boolean {
  return hold?.epoch != null;
}

/** A link is asked for, and no link can be this function's. */
function isNeverCovered({ fn, slot, intent }: Facts): boolean {
  return fn !== null && slot !== null && intent !== null && intent.link.enable !== "Never" && !isCoverable(fn, slot.owner);
}

/** Whom a stream covers that is off says nothing. */
function isSecuredAlso({ fn, slot }: Facts): boolean {
  return fn !== null && slot !== null && (slot.link.state !== "Secure" || slot.link.streamSecure !== "Yes" || isCovered(fn, slot));
}

/**
 * This agent puts the link right before a container starts with the device. Until then it keeps its place in lists and its CDI spec: each guest that
 * reboots resets its device, and kubelet fails pods whose device is unhealthy when it starts.
 */
function isRepairedForStart({ purpose, intent, slot }: Facts): boolean {
  return !isStart(purpose) && intent?.link.enable === "OnPrepare" && slot !== null && slot.link.tsm !== "" && slot.link.streamSecure !== "Unknown";
}

/** Writes of ours that failed for good, unless the link is in order all the same. */
function failureOf({ intent, slot, memory }: Facts): LinkFailure | null {
  if (intent?.link.enable !== "OnPrepare" || slot === null || slot.link.streamSecure === "Yes") return null;
  const failure = memory.linkWork.failures.get(slot.owner);
  return isFailed(failure) ? failure : null;
}

/** By the failures that are known, or by the one for which new claims are kept from the device. */
function failedAs(facts: Facts): "AuthenticationFailed" | "LinkFailed" | null {
  const [failure, taint] = [failureOf(facts), taintOf(facts)];
  if (failure === null && taint === null) return null;
  return failure?.kind === "Authentication" || (failure === null && taint?.value === "AuthenticationFailed") ? "AuthenticationFailed" : "LinkFailed";
}

/** What keeps the next claim from a device whose link could not be secured. Who has been given it waits for its repair by the failures alone. */
function taintOf(facts: Facts): DeviceTaint | null {
  const { intent, resource, slot, purpose, hold, memory } = facts;
  if (intent?.link.enable !== "OnPrepare" || resource?.ledger !== "DRA" || slot === null) return null;
  const isItsOwn = purpose === "Prepare" ? isOfAsking(facts) : isGiven(hold);
  return isItsOwn ? null : (memory.linkTaints.standing.get(slot.owner) ?? null);
}

function failureText(facts: Facts): string {
  const [failure, taint] = [failureOf(facts), taintOf(facts)];
  if (failure !== null) return `${failure.count} attempts, the last: ${failure.problem}`;
  return taint === null ? "no write of its link has failed for good" : `no claim is given it for a while, its link failed at ${taint.timeAdded}`;
}
