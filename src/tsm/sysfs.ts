// SPDX-License-Identifier: Apache-2.0

/** Writes `tsm/*` of sysfs from a helper process (native/writers/link-writer.c). */
import { join } from "node:path";
import type { LinkWriteEnd } from "../domain/links/error.ts";
import { errnoIn, type HelperAnswer, runHelper } from "../runtime/helper-process.ts";
import type { LinkPort, LinkWrite } from "./port.ts";

/** @param root where `sys` is found: `/`, or the mounted host */
export function sysfsLinks(root: string, program: string | null = null): LinkPort {
  return {
    async write(write, signal) {
      return endOf(await runHelper({ name: "link-writer", args: argumentsOf(root, write), signal, program }));
    },
  };
}

function argumentsOf(root: string, { kind, owner, tsm, isWanted }: LinkWrite): readonly string[] {
  const attribute = kind === "Connect" ? "connect" : "disconnect";
  return [join(root, "sys/bus/pci/devices", owner), attribute, tsm, isWanted ? "awake" : "asleep"];
}

/** `ok`, or `open ERRNO`, or `write ERRNO`. */
function endOf(answer: HelperAnswer): LinkWriteEnd {
  if (answer.kind === "Unanswered") return answer;
  const [word] = answer.words;
  const errno = errnoIn(answer.words);
  if (word === "ok") return { kind: "Written" };
  if ((word === "open" || word === "write") && errno !== null) return { kind: "Refused", at: word, errno };
  return { kind: "Unanswered", why: `the helper link-writer answered "${answer.words.join(" ")}"` };
}
