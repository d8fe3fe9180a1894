// SPDX-License-Identifier: Apache-2.0

/** The driver as the agent holds it: opened when it can be, opened again after its other side went away, and read as a value. */
import type { DriverInfo, DriverTable } from "../domain/unit.ts";
import type { DriverView, Reading } from "../domain/view.ts";
import { AppError, isAppError, messageOf } from "../runtime/errors.ts";
import type { CallResult, ClearTarget, Deadline, SeamcallPort } from "../seamcall/port.ts";
import { shareReads } from "./shared-read.ts";

export interface DriverClient {
  /** INFO and LIST, now. Never rejects: what fails is Unreadable. */
  observe(): Promise<Reading<DriverView>>;
  /** The same for a caller in a hurry: concurrent callers share a LIST that began after the last of them arrived. */
  observeShared(): Promise<Reading<DriverView>>;
  setup(regBase: string): Promise<CallResult>;
  /** As SeamcallPort.deadline; null while nothing is open, when nothing can be issued either. */
  deadline(ms: number): Deadline | null;
  clear(target: ClearTarget, notAfter: Deadline): Promise<CallResult>;
  close(): Promise<void>;
}

export interface DriverClientOptions {
  /** Opens the configured driver. @throws as SeamcallPort, and DRIVER_MISSING */
  readonly open: () => Promise<SeamcallPort>;
  /** The table may have changed. */
  readonly onChange: () => void;
}

/** After these the handle is of no more use: the next observation opens a new one. */
const DEAD: ReadonlySet<string> = new Set(["BACKEND_GONE", "NO_TDX_MODULE", "DRIVER_CLOSED"]);

export function createDriverClient(options: DriverClientOptions): DriverClient {
  let port: SeamcallPort | null = null;
  let stopListening: () => void = () => undefined;
  let info: DriverInfo | null = null;
  let closed = false;
  // Two openers would race for the one writer.
  const opening = shareReads(async () => {
    if (port) return port;
    if (closed) throw new AppError("DRIVER_CLOSED", "the agent is stopping");
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

  const read = (withInfo: boolean) => (): Promise<Reading<DriverView>> =>
    use(async (current) => {
      const table: DriverTable = await current.list();
      if (withInfo || info?.instance !== table.instance) info = await current.info();
      return { kind: "Read" as const, value: { name: current.driver, info, table } };
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

function unreadable(thrown: unknown): Reading<DriverView> {
  const isMissing = isAppError(thrown) && thrown.code === "DRIVER_MISSING";
  return { kind: "Unreadable", why: messageOf(thrown), ...(isMissing && { isMissing }) };
}
