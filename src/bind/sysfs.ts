// SPDX-License-Identifier: Apache-2.0

/** Changes the driver of a function through sysfs, from a helper process (native/writers/driver-writer.c). */
import { join } from "node:path";
import { BIND_FILES, type BindEnd } from "../domain/binds/error.ts";
import { errnoIn, type HelperAnswer, runHelper } from "../runtime/helper-process.ts";
import type { BindPort } from "./port.ts";

/** @param root where `sys` and `dev` are found: `/`, or the mounted host */
export function sysfsBinds(root: string, program: string | null = null): BindPort {
  return {
    async change({ address, to }, signal, onStart) {
      const args = [join(root, "sys/bus/pci"), address, to === "Vfio" ? "vfio" : "native", join(root, "dev")];
      return endOf(await runHelper({ name: "driver-writer", args, signal, program, onStart }));
    },
  };
}

/** `ok`, or the file that refused with its errno. */
function endOf(answer: HelperAnswer): BindEnd {
  if (answer.kind === "Unanswered") return answer;
  const at = BIND_FILES.find((file) => file === answer.words[0]);
  const errno = errnoIn(answer.words);
  if (answer.words[0] === "ok") return { kind: "Changed" };
  if (at !== undefined && errno !== null) return { kind: "Refused", at, errno };
  return { kind: "Unanswered", why: `the helper driver-writer answered "${answer.words.join(" ")}"` };
}
