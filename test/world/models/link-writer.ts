// SPDX-License-Identifier: Apache-2.0
import type { LinkWriteEnd } from "../../../src/domain/links/error.ts";
import type { LinkWrite } from "../../../src/tsm/port.ts";
import type { Witness } from "../life/witness.ts";
import type { HostFunction } from "./host-function.ts";
import type { HostModel } from "./host-model.ts";
import { WORLD, type WorldTime } from "./world-time.ts";

/** A scripted answer: connected, and no stream is on. */
const NO_STREAM = "nothing";

/** How long a write waits for the one of somebody else. */
const AGAIN_MS = 100;

/**
 * The kernel's side of writes to `tsm/connect` and `tsm/disconnect`, and the TSM's: one at a time on the host, nothing of `tsm/` can be read meanwhile,
 * and what has begun goes on whatever becomes of the process that asked.
 */
export class LinkWriter<Process> {
  readonly #time: WorldTime;
  readonly #host: HostModel;
  readonly #witness: () => Witness<Process>;
  /** What the next writes take. */
  latencyMs = 0;
  /** What the next writes answer, of which function; none: the TSM's own answer. */
  readonly faults: { readonly address: string; readonly errno: string }[] = [];
  /** A boot ends every write. */
  #boot = 0;
  isBusy = false;
  /** When a write of each slot last failed by script. */
  readonly failedMs = new Map<string, number>();
  /** Of which slot each process has called for a write that is not in the kernel yet. */
  readonly #called = new Map<Process, string>();
  /** Of which slot each process has asked for a write that it has no answer to. */
  readonly #asking = new Map<Process, string>();

  constructor(time: WorldTime, host: HostModel, witness: () => Witness<Process>) {
    this.#time = time;
    this.#host = host;
    this.#witness = witness;
  }

  /** The process has made the call, which may be stuck before it is in the kernel. */
  called(process: Process, owner: string): void {
    this.#called.set(process, owner);
  }

  /** The write is in the kernel now. `isAlive`: a process that has died before its turn came is gone, with its helper. */
  begin(asked: { readonly process: Process; readonly isAlive: () => boolean; readonly write: LinkWrite }, done: (end: LinkWriteEnd) => void): void {
    const boot = this.#boot;
    this.#witness().linkWriteIssued(asked.process, asked.write);
    this.#called.delete(asked.process);
    this.#asking.set(asked.process, asked.write.owner);
    const answered = (end: LinkWriteEnd): void => {
      this.#asking.delete(asked.process);
      done(end);
    };
    const go = (): void => {
      if (boot !== this.#boot || !asked.isAlive()) return;
      if (!this.#host.isTsmFree.value) {
        this.#time.after(WORLD, AGAIN_MS, go);
        return;
      }
      this.#run(asked, boot, answered);
    };
    go();
  }

  /** The owner of the slot whose link the process is writing; null: none. */
  askedBy(process: Process): string | null {
    return this.#asking.get(process) ?? null;
  }

  /** The same, from the call on: it reads nothing of any `tsm/` from then on, and what it read before stands. */
  writtenBy(process: Process): string | null {
    return this.askedBy(process) ?? this.#called.get(process) ?? null;
  }

  reboot(): void {
    this.#boot += 1;
    if (this.isBusy) this.#host.blockTsm(true);
    for (const fn of this.#host.functions) fn.isHalfWritten.set(false);
    this.isBusy = false;
  }

  #run({ write }: { readonly write: LinkWrite }, boot: number, done: (end: LinkWriteEnd) => void): void {
    const fn = this.#host.find(write.owner);
    const isStreamLeft = this.#host.streamsLeft !== 0;
    this.isBusy = true;
    this.#host.blockTsm(false);
    fn?.isHalfWritten.set(true);
    const end = (): void => {
      if (boot !== this.#boot) return;
      const errno = this.#answer(fn, write, isStreamLeft);
      fn?.isHalfWritten.set(false);
      this.isBusy = false;
      this.#host.blockTsm(true);
      done(errno === null ? { kind: "Written" } : { kind: "Refused", at: "write", errno });
    };
    if (this.latencyMs === 0) end();
    else this.#time.after(WORLD, this.latencyMs, end);
  }

  #answer(fn: HostFunction | null, { kind }: LinkWrite, isStreamLeft: boolean): string | null {
    if (fn === null || !fn.isPresent.value) return "ENODEV";
    const fault = this.faults.findIndex(({ address, errno }) => address === fn.address && (errno !== NO_STREAM || kind === "Connect"));
    if (fault >= 0) {
      this.failedMs.set(fn.address, this.#time.nowMs);
      const errno = this.faults.splice(fault, 1)[0]?.errno ?? null;
      if (errno !== NO_STREAM) return errno;
      if (fn.link.value !== "Off") return "EBUSY";
      // It says yes, and there is no stream.
      this.#host.secure(fn, "Broken");
      return null;
    }
    const isConnected = fn.link.value === "Tsm" || fn.link.value === "Broken";
    if (kind === "Connect") {
      if (isConnected) return "EBUSY";
      // Another stream has the registers.
      if (fn.link.value !== "Off") return "ENXIO";
      if (!isStreamLeft) {
        this.failedMs.set(fn.address, this.#time.nowMs);
        return "ENOMEM";
      }
      this.#host.secure(fn, "Tsm");
      return null;
    }
    if (!isConnected) return null;
    for (const one of this.#host.functions) if (one === fn || one.linkOwner === fn) one.isBound.set(false);
    this.#host.secure(fn, "Off");
    return null;
  }
}
