// SPDX-License-Identifier: Apache-2.0

/** Writes of `tsm/connect` and `tsm/disconnect` on a simulated host, as the kernel's core answers them (Linux drivers/pci/tsm.c), and scripted ones. */
import type { Address } from "../../domain/device.ts";
import { isAppError } from "../../runtime/errors.ts";
import type { FunctionDescription } from "./host-description.ts";
import type { LinkFault } from "./host-state.ts";
import { freeBlockOf, rootPortOf, streamsLeftAt } from "./ide-streams.ts";
import { planLink } from "./link-plans.ts";
import { invalid } from "./plans.ts";
import { change, type Session } from "./session.ts";
import { loadState, saveState } from "./store.ts";

export function scriptLink({ store, description }: Session, one: FunctionDescription, fault: LinkFault): void {
  if (description.tsm === null) throw invalid("this simulated host has no TSM, so that no link can be written");
  if (one.physicalFunction !== null || !one.address.endsWith(".0")) throw invalid(`${one.address} has no link of its own; name a function 0`);
  const now = loadState(store);
  saveState(store, { ...now, linkFaults: [...now.linkFaults, fault] });
}

/** The first fault of the function answers; one that has answered often enough is gone. */
export function takeLinkFault({ store }: Session, address: Address): LinkFault | null {
  const now = loadState(store);
  const fault = now.linkFaults.find((one) => one.address === address);
  if (fault === undefined) return null;
  const left = fault.times === null ? [fault] : fault.times > 1 ? [{ ...fault, times: fault.times - 1 }] : [];
  saveState(store, { ...now, linkFaults: now.linkFaults.flatMap((one) => (one === fault ? left : one)) });
  return fault;
}

/** A stream has a register block at both ends. */
function hasFarEnd({ description }: Session, one: FunctionDescription): boolean {
  const port = rootPortOf(new Map(description.functions.map((other) => [other.address, other])), one);
  return port === null || port.ideStreams > 0 || port.image !== null;
}

export function writeLink(
  session: Session,
  one: FunctionDescription,
  { tsm, connect }: { readonly tsm: string; readonly connect: boolean },
): string | null {
  const { description, store } = session;
  const now = loadState(store);
  if (one.address in now.unplugged || description.tsm === null) return "ENOENT";
  if (tsm !== description.tsm) return connect ? "ENXIO" : "EINVAL";
  if (connect && now.connected.includes(one.address)) return "EBUSY";
  if (connect && (!hasFarEnd(session, one) || freeBlockOf(description, now, one) === null)) return "ENOMEM";
  if (connect && streamsLeftAt(description, now, one.hostBridge) === 0) return "ENOMEM";
  try {
    change(session, (state) => planLink(description, state, one, connect));
    return null;
  } catch (thrown) {
    // A device without IDE: the TSM does not take it.
    if (isAppError(thrown) && thrown.code === "SIMULATION_INVALID") return "ENXIO";
    throw thrown;
  }
}
