// SPDX-License-Identifier: Apache-2.0
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCommand } from "../../cluster/command.ts";

const SOURCES = fileURLToPath(new URL("../../../native/selftest", import.meta.url));

/** Builds native/selftest, without libraries, into `folder`; a second's work. @throws with the compiler's words */
export async function buildSelftest(folder: string): Promise<string> {
  const sources = readdirSync(SOURCES).filter((name) => name.endsWith(".c"));
  const program = join(folder, "selftest");
  const argv = ["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", program, ...sources];
  await runCommand(argv, { cwd: SOURCES });
  return program;
}
