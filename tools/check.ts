// SPDX-License-Identifier: Apache-2.0
/** `npm run check`: what must hold before a commit, in under a minute. Every part runs, so that all problems are seen at once. */
import { spawnSync } from "node:child_process";

const PARTS: readonly (readonly [string, readonly string[]])[] = [
  ["format and lint, import rules included", ["biome", "check", "--error-on-warnings", "."]],
  ["format of C", ["node", "tools/format-c.ts", "--check"]],
  ["types", ["tsc", "--noEmit"]],
  ["generated CRDs are up to date", ["node", "tools/generate-crds.ts", "--check"]],
  ["generated wire formats are up to date", ["node", "src/kubelet/proto/generate.ts", "--check"]],
  ["generated parts of the documents are up to date", ["node", "tools/generate-docs.ts", "--check"]],
  ["pure tests", ["vitest", "run", "--project", "pure", "--reporter", "default"]],
];

let failed = 0;
for (const [what, [command = "", ...args]] of PARTS) {
  const startedMs = performance.now();
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(`${status === 0 ? "ok    " : "FAILED"} ${what} (${seconds} s)\n`);
  if (status === 0) continue;
  failed += 1;
  process.stdout.write(`${stdout}${stderr}\n`);
}
process.exitCode = failed === 0 ? 0 : 1;
