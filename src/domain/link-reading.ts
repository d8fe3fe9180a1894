// SPDX-License-Identifier: Apache-2.0

/**
 * Which link a decision is made on when `tsm/*` could not be read. A read that fails proves nothing. One that blocks says only that some device of the
 * host is being connected or disconnected: then the last value stands, as long as it is of this process and epoch and no register of either end has
 * changed since. From the first that differs it is unknown until it is read again.
 */
import type { Address, HostView, Link, PciFunction } from "./device.ts";
import type { Ground, UnitFact } from "./ground.ts";
import type { RegBase } from "./unit.ts";
import type { Reading } from "./view.ts";

/** The last whole reading of a link. */
export interface LastLink {
  readonly link: Link;
  readonly registers: string;
  /** Epoch of the unit above when it was read. */
  readonly epoch: string;
}

export type LastLinks = ReadonlyMap<Address, LastLink>;

/** What a link is judged by besides its own reading. */
export interface LinkContext {
  readonly links: LastLinks;
  /** Null: the driver cannot be read, so nothing has an epoch. */
  readonly units: ReadonlyMap<RegBase, UnitFact> | null;
}

/** The function with the link to judge. The gate, the lists and kubelet's calls all ask here. */
export function functionToJudge(fn: PciFunction, { links, units }: LinkContext): PciFunction {
  const { tsm, registers } = fn.linkRead;
  if (tsm !== "Blocked") return fn;
  const last = links.get(fn.address);
  const epoch = epochOf(fn, units);
  if (last === undefined || epoch === null || last.epoch !== epoch || last.registers !== registers) return fn;
  // It stands for the gate. For what frees something, a TDI may have been bound meanwhile.
  const bound = last.link.bound === "Yes" ? "Yes" : "Unknown";
  return { ...fn, link: { ...last.link, bound }, linkRead: { tsm: "Stands", registers } };
}

/** The host with the links to judge. */
export function hostToJudge(host: Reading<HostView>, context: LinkContext): Reading<HostView> {
  if (host.kind !== "Read" || !host.value.functions.some((fn) => fn.linkRead.tsm === "Blocked")) return host;
  return { kind: "Read", value: { ...host.value, functions: host.value.functions.map((fn) => functionToJudge(fn, context)) } };
}

/** The last links after one more look at the host. What did not stand once does not stand later, though its registers come back. */
export function linksAfterLook(before: LastLinks, { functions, units, view }: Ground): LastLinks {
  if (view.host.kind !== "Read") return before;
  const links = new Map<Address, LastLink>();
  for (const fn of functions.values()) {
    const { tsm, registers } = fn.linkRead;
    const last = before.get(fn.address);
    const epoch = fn.teeIo === "Yes" ? epochOf(fn, units) : null;
    if (tsm === "Stands" && last !== undefined) links.set(fn.address, last);
    else if (tsm === "Read" && registers !== null && epoch !== null) links.set(fn.address, { link: fn.link, registers, epoch });
  }
  return links;
}

/** True when the link of a device cannot be told, or only by what was read before: nothing announces the end of that. */
export function isLinkUnsure({ teeIo, link, linkRead }: PciFunction): boolean {
  return linkRead.tsm !== "Read" || (teeIo === "Yes" && link.state === "Unknown");
}

function epochOf({ unit }: PciFunction, units: LinkContext["units"]): string | null {
  return (unit.kind === "Unit" && units?.get(unit.regBase)?.epoch) || null;
}
