// SPDX-License-Identifier: Apache-2.0
import { runCommand } from "../cluster/command.ts";

/** Paths of everything a program loads at start, its loader included, as `ldd` finds them here. */
export async function sharedObjectsOf(program: string): Promise<string[]> {
  const { stdout } = await runCommand(["ldd", program]);
  const paths = stdout.split("\n").map((line) => /(?:=> )?(\/\S+) \(0x[0-9a-f]+\)/.exec(line)?.[1]);
  return paths.filter((path) => path !== undefined);
}
