// SPDX-License-Identifier: Apache-2.0
/** Steps of set-up: each runs a program quietly and says on standard error what is being done and how long it took. */
import { spawn } from "node:child_process";

/** A step that ends sooner had nothing to do, and is not worth a line. */
const SILENT_MS = 1000;
const TICK_MS = 1000;

/**
 * Runs `command`; what it printed is shown only when it failed, and ends this process then.
 * @param {{what: string, isLong?: boolean, command: string, args: string[], cwd: string}} step `isLong`: said at once
 */
export async function runStep({ what, isLong = false, command, args, cwd }) {
  const line = announce(what, isLong);
  const { failure, output } = await run(command, args, cwd);
  if (failure === null) return line.end();
  line.end("failed after ");
  fail(`${output}\nset-up failed: ${what} (${command} ${args.join(" ")}: ${failure.text})`, failure.isMissing ? command : null);
}

/** Ends this process with a message. @param {string | null} missing a program that this machine does not have */
export function fail(message, missing = null) {
  process.stderr.write(`${message}\n`);
  if (missing !== null) process.stderr.write(`${missing} is missing: install it (Debian: apt-get install build-essential nodejs npm)\n`);
  process.exit(1);
}

/** @returns {Promise<{failure: {text: string, isMissing: boolean} | null, output: string}>} */
function run(command, args, cwd) {
  const isVerbose = process.env.TRUSTED_IOMMU_SETUP_VERBOSE !== undefined;
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: isVerbose ? "inherit" : ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += String(chunk)));
    child.on("error", (error) => resolve({ failure: { text: error.message, isMissing: "code" in error && error.code === "ENOENT" }, output }));
    child.on("close", (code, signal) => resolve({ failure: code === 0 ? null : { text: `exit ${signal ?? code}`, isMissing: false }, output }));
  });
}

/** A line with the step's time: counted up on a terminal, elsewhere a line when it begins and one when it ends. */
function announce(what, isLong) {
  const startedMs = performance.now();
  const isTerminal = process.stderr.isTTY === true;
  const seconds = () => (performance.now() - startedMs) / 1000;
  let isShown = false;
  const show = () => {
    if (isTerminal) process.stderr.write(`\rset-up: ${what}, ${seconds().toFixed(0)} s`);
    else if (!isShown) process.stderr.write(`set-up: ${what}\n`);
    isShown = true;
  };
  if (isLong) show();
  const timer = setInterval(show, isLong ? TICK_MS : SILENT_MS);
  return {
    end(verb = "") {
      clearInterval(timer);
      if (isShown) process.stderr.write(`${isTerminal ? "\r" : ""}set-up: ${what}, ${verb}${seconds().toFixed(1)} s\n`);
    },
  };
}
