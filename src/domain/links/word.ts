// SPDX-License-Identifier: Apache-2.0

/** The one word for the state of a device's link: what is observed of its slot, and what this process is doing to it. Pure. */
import type { Slot } from "../slot.ts";
import { isFailed } from "./error.ts";
import type { LinkWork } from "./work.ts";

export const LINK_WORDS = ["Insecure", "Secure", "Broken", "Busy", "Unknown", "Securing", "Releasing", "Failed"] as const;
export type LinkWord = (typeof LINK_WORDS)[number];

/** Busy: somebody else connects or disconnects a device of the host, and what was read before stands. */
export function linkWord({ owner, link, linkRead }: Pick<Slot, "owner" | "link" | "linkRead">, work: LinkWork): LinkWord {
  if (work.writing?.owner === owner) return work.writing.kind === "Connect" ? "Securing" : "Releasing";
  // While this process writes another link it does not read this one, and knows why.
  if (linkRead.tsm === "Stands" && work.writing === null) return "Busy";
  if (link.state === "Insecure") return isFailed(work.failures.get(owner)) ? "Failed" : "Insecure";
  return link.state === "Secure" && link.streamSecure === "No" ? "Broken" : link.state;
}
