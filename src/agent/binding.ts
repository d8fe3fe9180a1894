// SPDX-License-Identifier: Apache-2.0

/** The binding as the agent holds it: opened when it can be, opened again after its other side went away, and read as a value. */
import type { BindingInfo, BindingTable } from "../domain/unit.ts";
import type { Binding, Reading } from "../domain/view.ts";
import { AppError, isAppError, messageOf } from "../runtime/errors.ts";
import type { CallResult, ClearTarget, Deadline, SeamcallPort } from "../seamcall/port.ts";
import { shareReads } from "./shared-read.ts";

export interface BindingHolder {
  /** INFO and LIST, now. Never rejects: what fails is Unreadable. */
  observe(): Promise<Reading<Binding>>;
  /** The same for a caller in a hurry: concurrent callers share a LIST that began after the last of them arrived. */
  observeShared(): Promise<Reading<Binding>>;
  setup(regBase: string): Promise<CallResult>;
  /** As SeamcallPort.deadline; null while nothing is open, when nothing can be issued either. */
  deadline(ms: number): Deadline | null;
  clear(target: ClearTarget, notAfter: Deadline): Promise<CallResult>;
  close(): Promise<void>;
}

export interface BindingOptions {
  /** Opens the configured driver. @throws as SeamcallPort, and DRIVER_MISSING */
  readonly open: () => Promise<SeamcallPort>;
  readonly driver: string;
  /** The table may have changed. */
  readonly onChange: () => void;
}

/** After these the handle is of no more use: the next observation opens a new one. */
const DEAD: ReadonlySet<string> = new Set(["BACKEND_GONE", "NO_TDX_MODULE", "BINDING_CLOSED"]);

export function createBinding(options: BindingOptions): BindingHolder {
  let port: SeamcallPort | null = null;
  let stopListening: () => void = () => undefined;
  let info: BindingInfo | null = null;
  let closed = false;
  // Two openers would race for the one writer.
  const opening = shareReads(async () => {
    if (port) return port;
    if (closed) throw new AppError("BINDING_CLOSED", "the agent is stopping");
    port = await options.open();
    stopListening = port.onChange(options.onChange);
    return port;
  });

  const drop = async (): Promise<void> => {
    const old = port;
    port = null;
    info = null;
    stopListening();
    await old?.close();
  };

  const use = async <T>(call: (port: SeamcallPort) => Promise<T>): Promise<T> => {
    const current = port ?? (await opening());
    try {
      return await call(current);
    } catch (thrown) {
      if (isAppError(thrown) && DEAD.has(thrown.code) && port === current) await drop();
      throw thrown;
    }
  };

  const read = (withInfo: boolean) => (): Promise<Reading<Binding>> =>
    use(async (current) => {
      const table: BindingTable = await current.list();
      if (withInfo || info?.instance !== table.instance) info = await current.info();
      return { kind: "Read" as const, value: { driver: current.driver, info, table } };
    }).catch(unreadable);

  return {
    observe: read(true),
    observeShared: shareReads(read(false)),
    setup: (regBase) => use((current) => current.setup(regBase)),
    deadline: (ms) => port?.deadline(ms) ?? null,
    clear: (target, notAfter) => use((current) => current.clear(target, notAfter)),
    async close() {
      closed = true;
      await drop();
    },
  };
}

function unreadable(thrown: unknown): Reading<Binding> {
  const isMissing = isAppError(thrown) && thrown.code === "DRIVER_MISSING";
  return { kind: "Unreadable", why: messageOf(thrown), ...(isMissing && { isMissing }) };
}
