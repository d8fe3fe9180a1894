// SPDX-License-Identifier: Apache-2.0
/**
 * `npm test`: every rung of the test ladder, in order of cost, and one closing line `N passed, N failed, N skipped`. A rung that cannot run here
 * says why and is counted as skipped; with CI=true it fails. Arguments choose rungs: `npm test -- pure seams`.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readEnvironment } from "../e2e/cluster/environment.ts";
import { fuzzObstacle } from "./fuzz.ts";

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

const scratch = mkdtempSync(join(tmpdir(), "trusted-iommu-test-"));

/** Runs a program to its end with its output shown; resolves to the exit code and what it printed. */
function run(command: string, args: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      process.stdout.write(chunk);
    });
    child.on("error", (error) => resolve({ code: 1, output: error.message }));
    child.on("close", (code) => resolve({ code: code ?? 1, output }));
  });
}

/** The C tests print the same closing line as this program. */
async function makeTests(target: string): Promise<Count> {
  const { code, output } = await run("make", ["-s", "-C", "native", target]);
  const lines = [...output.matchAll(/^(\d+) passed, (\d+) failed/gm)];
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const [, passed, failed] of lines) {
    count.passed += Number(passed);
    count.failed += Number(failed);
  }
  if ((code !== 0 || lines.length === 0) && count.failed === 0) count.failed = 1;
  return count;
}

/** The C tests, then the fuzzers, which need clang. */
async function native(): Promise<Count> {
  const tests = await makeTests("test");
  const obstacle = await fuzzObstacle();
  if (obstacle === null) {
    const fuzz = await makeTests("fuzz");
    return { passed: tests.passed + fuzz.passed, failed: tests.failed + fuzz.failed, skipped: tests.skipped + fuzz.skipped };
  }
  const ci = readEnvironment().ci;
  process.stdout.write(`  ${ci ? "FAILED" : "SKIPPED"} the fuzzers: ${obstacle}\n`);
  return { ...tests, failed: tests.failed + (ci ? 1 : 0), skipped: tests.skipped + (ci ? 0 : 1) };
}

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
}

async function vitest(project: string): Promise<Count> {
  const report = join(scratch, `${project}.json`);
  const args = ["run", "--project", project, "--reporter", "default", "--reporter", "json", `--outputFile.json=${report}`];
  const { code } = await run("vitest", args);
  const read = readReport(report);
  const count = { passed: read.numPassedTests, failed: read.numFailedTests, skipped: read.numPendingTests + read.numTodoTests };
  // A file that failed to load, or an unhandled rejection, fails the run without failing a test.
  if (code !== 0 && count.failed === 0) count.failed = 1;
  return count;
}

function readReport(path: string): VitestReport {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as VitestReport;
  } catch (thrown) {
    process.stderr.write(`no test report: ${String(thrown)}\n`);
    return { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0 };
  }
}

const RUNGS: Readonly<Record<string, () => Promise<Count>>> = {
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
const total = { passed: 0, failed: 0, skipped: 0 };
const lines: string[] = [];
for (const [name, rung] of Object.entries(RUNGS)) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  process.stdout.write(`\n== ${name} ==\n`);
  const startedMs = performance.now();
  const count = await rung();
  lines.push(
    `${name.padEnd(8)} ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped in ${((performance.now() - startedMs) / 1000).toFixed(0)} s`,
  );
  total.passed += count.passed;
  total.failed += count.failed;
  total.skipped += count.skipped;
}
rmSync(scratch, { recursive: true, force: true });
process.stdout.write(
  `\n${lines.map((line) => `  ${line}`).join("\n")}\n\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`,
);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
