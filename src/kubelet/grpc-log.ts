// SPDX-License-Identifier: Apache-2.0
import { setLogger } from "@grpc/grpc-js";
import type { Log } from "../runtime/log.ts";
import { sameForTheSameCause } from "./errors.ts";

/**
 * Sends grpc-js' own lines, which it writes to stderr by itself, through `log`. Its errors are warnings here: what failed is told to the caller, too.
 * One that is repeated is said once, and then at debug.
 */
export function sendGrpcLog(log: Log): void {
  let last = "";
  const debug = (...words: readonly unknown[]): void => log.debug({ detail: textOf(words) }, "grpc says");
  setLogger({
    error(...words: readonly unknown[]) {
      const detail = textOf(words);
      log[detail === last ? "debug" : "warn"]({ detail }, "grpc says");
      last = detail;
    },
    info: debug,
    debug,
  });
}

function textOf(words: readonly unknown[]): string {
  return sameForTheSameCause(words.map(String).join(" "));
}
