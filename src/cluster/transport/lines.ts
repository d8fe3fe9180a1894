// SPDX-License-Identifier: Apache-2.0
import type { IncomingMessage } from "node:http";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { AppError } from "../../runtime/errors.ts";

export interface LineOptions {
  readonly clock: Clock;
  readonly silenceMs: number;
  readonly onLine: (line: string) => void;
}

/** etcd holds objects up to 1.5 MiB; JSON and managed fields make some times that. */
const MAX_LINE_CHARACTERS = 16 * 1024 * 1024;

/**
 * Hands out the body's lines until it ends. A last line without newline was cut off: it is dropped, the stream starts again before it.
 * @throws API_UNREACHABLE after `silenceMs` without a byte, on a reset, and on an endless line; what `onLine` throws
 */
export function readLines(body: IncomingMessage, { clock, silenceMs, onLine }: LineOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest = "";
    let timer: Timer | null = null;
    const finish = (settle: () => void): void => {
      timer?.stop();
      settle();
    };
    const fail = (thrown: unknown): void => {
      finish(() => reject(thrown));
      body.destroy();
    };
    const listen = (): void => {
      timer?.stop();
      timer = clock.after(silenceMs, () => fail(new AppError("API_UNREACHABLE", `the watch said nothing for ${silenceMs} ms`)));
    };
    body.setEncoding("utf8");
    body.on("data", (chunk: string) => {
      listen();
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      try {
        for (const line of lines) if (line !== "") onLine(line);
        if (rest.length > MAX_LINE_CHARACTERS) throw new AppError("API_UNREACHABLE", "the watch sent a line without end");
      } catch (thrown) {
        fail(thrown);
      }
    });
    body.on("end", () => finish(resolve));
    body.on("error", fail);
    listen();
  });
}
