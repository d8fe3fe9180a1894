// SPDX-License-Identifier: Apache-2.0

/** Prints one line of progress, with the seconds since the start in front of it. */
export type Progress = (line: string) => void;

/** Starts a clock and returns the function that prints against it; `write` receives whole lines. */
export function startProgress(write: (line: string) => void = writeToStderr): Progress {
  const start = performance.now();
  return (line) => write(`[${((performance.now() - start) / 1000).toFixed(1).padStart(6)} s] ${line}\n`);
}

function writeToStderr(line: string): void {
  process.stderr.write(line);
}
