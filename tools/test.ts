// SPDX-License-Identifier: Apache-2.0
/**
 * `npm test`: every rung of the test ladder, in order of cost, and one closing line `N passed, N failed, N skipped`. A rung that cannot run here
 * says why and is counted as skipped; with CI=true it fails. Arguments choose rungs: `npm test -- pure seams`.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readEnvironment } from "../e2e/cluster/environment.ts";
import { fuzzObstacle } from "./fuzz.ts";
import { failureOf, type Outcome, together } from "./outcome.ts";

const REPORTER = fileURLToPath(new URL("outcome-reporter.ts", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "trusted-iommu-test-"));

/** Runs a program to its end with its output shown; resolves to the exit code and what it printed. */
function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"], env: { ...process.env, ...env } });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      process.stdout.write(chunk);
    });
    child.on("error", (error) => resolve({ code: 1, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** The C tests print the same closing line as this program, and `FAILED` before the sentence that does not hold. */
async function makeTests(target: string): Promise<Outcome> {
  const { code, output } = await run("make", ["-s", "-C", "native", target]);
  const lines = [...output.matchAll(/^(\d+) passed, (\d+) failed/gm)];
  const sum = (group: number): number => lines.reduce((total, line) => total + Number(line[group]), 0);
  const failed = Math.max(sum(2), code !== 0 || lines.length === 0 ? 1 : 0);
  const said = output.split("\n").filter((line) => /^\s*FAILED |\bERROR\b/.test(line));
  const failure = failureOf(`make -C native ${target} ended with ${code}`, said.join("\n"));
  return { passed: sum(1), failed, skipped: 0, failures: failed === 0 ? [] : [failure] };
}

/** The C tests, then the fuzzers, which need clang. */
async function native(): Promise<Outcome> {
  const tests = await makeTests("test");
  const obstacle = await fuzzObstacle();
  if (obstacle === null) return together(tests, await makeTests("fuzz"));
  const ci = readEnvironment().ci;
  process.stdout.write(`  ${ci ? "FAILED" : "SKIPPED"} the fuzzers: ${obstacle}\n`);
  return together(tests, ci ? failedOnce(`the fuzzers: ${obstacle}`) : { passed: 0, failed: 0, skipped: 1, failures: [] });
}

async function vitest(project: string): Promise<Outcome> {
  const path = join(scratch, `${project}.json`);
  const { code } = await run("vitest", ["run", "--project", project, "--reporter", "default", "--reporter", REPORTER], { OUTCOME: path });
  const outcome = readOutcome(path);
  if (code === 0 || outcome.failed > 0) return outcome;
  return together(outcome, failedOnce(`vitest ended with ${code}, although nothing in ${project} failed`));
}

function readOutcome(path: string): Outcome {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Outcome;
  } catch (thrown) {
    return failedOnce(`vitest left no outcome: ${String(thrown)}`);
  }
}

function failedOnce(failure: string): Outcome {
  return { passed: 0, failed: 1, skipped: 0, failures: [failure] };
}

const RUNGS: Readonly<Record<string, () => Promise<Outcome>>> = {
  pure: () => vitest("pure"),
  native,
  seams: () => vitest("seams"),
  world: () => vitest("world"),
  kernel: () => vitest("kernel"),
  cluster: () => vitest("cluster"),
};

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in RUNGS));
if (unknown.length > 0) {
  process.stderr.write(`no such rung: ${unknown.join(", ")}; there are ${Object.keys(RUNGS).join(", ")}\n`);
  process.exit(2);
}
let total: Outcome = { passed: 0, failed: 0, skipped: 0, failures: [] };
const lines: string[] = [];
for (const [name, rung] of Object.entries(RUNGS)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  process.stdout.write(`\n== ${name} ==\n`);
  const startedMs = performance.now();
  const outcome = await rung();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  lines.push(`${name.padEnd(8)} ${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} skipped in ${seconds} s`);
  total = together(total, outcome);
}
rmSync(scratch, { recursive: true, force: true });
// Last, because of a long log somebody else may have kept the end only.
for (const failure of total.failures) process.stdout.write(`\nFAILED ${failure}\n`);
process.stdout.write(
  `\n${lines.map((line) => `  ${line}`).join("\n")}\n\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
