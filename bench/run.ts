// SPDX-License-Identifier: Apache-2.0

/**
 * `npm run bench`: measures what the design aims at and says whether it is met. Nothing is asserted: the exit code is 0 unless something could
 * not be measured.
 *
 *   --quick            fewer samples, shorter waits: to see that it works, not to quote
 *   --only NAME,NAME   only these figures
 */
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { abuse } from "./figures/abuse.ts";
import { allocate } from "./figures/allocate.ts";
import { claims } from "./figures/claims.ts";
import { driverCall } from "./figures/driver-call.ts";
import { idle } from "./figures/idle.ts";
import { links } from "./figures/links.ts";
import { lostUnit } from "./figures/lost-unit.ts";
import { observe } from "./figures/observe.ts";
import { startUp } from "./figures/start-up.ts";
import { type BenchContext, createScratches, type Figure, ROOT } from "./measure/context.ts";
import { createProcesses } from "./measure/processes.ts";
import { type Row, tableOf } from "./measure/row.ts";

const FIGURES: readonly Figure[] = [startUp, lostUnit, allocate, links, claims, observe, driverCall, idle, abuse];

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false }, only: { type: "string" } } });
const wanted = values.only?.split(",") ?? FIGURES.map((figure) => figure.name);
const unknown = wanted.filter((name) => !FIGURES.some((figure) => figure.name === name));
if (unknown.length > 0) {
  process.stderr.write(`no figure ${unknown.join(", ")}; there are ${FIGURES.map((figure) => figure.name).join(", ")}\n`);
  process.exit(2);
}

const processes = createProcesses(process.env);
const scratches = createScratches();
const say = (text: string): void => void process.stderr.write(`${text}\n`);
const context: BenchContext = { quick: values.quick, root: ROOT, processes, scratch: scratches.make, say };

// The last resort, also after an exception: nothing that was started outlives this process.
process.on("exit", () => {
  processes.killAll();
  scratches.removeAll();
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

const rows: Row[] = [];
const problems: string[] = [];
for (const figure of FIGURES.filter(({ name }) => wanted.includes(name))) {
  say(`measuring ${figure.name}`);
  try {
    rows.push(...(await figure.measure(context)));
  } catch (thrown) {
    problems.push(`${figure.name} could not be measured: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  await processes.stopAll();
}

const load = loadavg()[0] ?? 0;
const lines = [
  "",
  ...tableOf(rows),
  "",
  `On ${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), load average ${load.toFixed(1)}, Node ${process.version}. Callers of Allocate run in this process and share the cores.`,
  ...(values.quick ? ["--quick: few samples; not for quoting."] : []),
  ...problems,
];
process.stdout.write(`${lines.join("\n")}\n`);
process.exit(problems.length === 0 ? 0 : 1);
