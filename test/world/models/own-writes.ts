// SPDX-License-Identifier: Apache-2.0

/** What an agent's readings of the host show of a link that it has been writing itself meanwhile: files and registers of before and after at once. */
import type { Address, PciFunction } from "../../../src/domain/device.ts";
import type { HostView } from "../../../src/domain/host.ts";
import { type Slot, slotOwnerOf } from "../../../src/domain/slot.ts";

export type WasWritten = (owner: Address) => boolean;

/** The writes of one process. */
export class OwnWrites {
  readonly #writing = new Set<Address>();
  readonly #ended: Address[] = [];

  async during<T>(owner: Address, work: () => Promise<T>): Promise<T> {
    this.#writing.add(owner);
    try {
      return await work();
    } finally {
      this.#writing.delete(owner);
      this.#ended.push(owner);
    }
  }

  mark(): WasWritten {
    const since = this.#ended.length;
    return (owner) => this.#writing.has(owner) || this.#ended.includes(owner, since);
  }
}

export function overlapped(view: HostView, wasWritten: WasWritten): HostView {
  return {
    ...view,
    functions: view.functions.map((fn) => boundOverlapped(fn, wasWritten)),
    slots: view.slots.map((slot) => linkOverlapped(slot, wasWritten)),
  };
}

export function boundOverlapped(fn: PciFunction, wasWritten: WasWritten): PciFunction {
  return wasWritten(slotOwnerOf(fn)) ? { ...fn, bound: "Unknown", boundRead: "Blocked" } : fn;
}

export function linkOverlapped(slot: Slot, wasWritten: WasWritten): Slot {
  if (!wasWritten(slot.owner)) return slot;
  return { ...slot, link: { state: "Unknown", tsm: "", streamSecure: "Unknown" }, covers: [], linkRead: { ...slot.linkRead, tsm: "Writing" } };
}
