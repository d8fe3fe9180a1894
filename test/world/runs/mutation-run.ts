// SPDX-License-Identifier: Apache-2.0

/**
 * Runs each mutant of mutants.ts through scenarios and random histories until an invariant breaks: `node test/world/runs/mutation-run.ts`, with a part of a
 * name those that have it, with `--share 0/2` every other one. One line of JSON for each, as MutantResult. A mutant is the agent's source with one edit,
 * loaded beside the real one.
 */
import { registerHooks } from "node:module";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Scenario } from "../scenarios/scenario.ts";
import { edited } from "./edits.ts";
import type { Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";

export interface MutantResult {
  readonly name: string;
  /** Empty when nothing noticed. */
  readonly caughtBy: string;
  readonly histories: number;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const HISTORIES = 400;
/** The agent as it is: whatever catches it catches nothing. */
const WHOLE: Mutant = { name: "nothing", edits: [] };
const HISTORIES_OF_THE_WHOLE = 20;
/** What is loaded anew for each mutant: the agent, and the world that starts it. */
const ROOMS = ["src/agent/", "src/domain/", "src/seamcall/tdx-host/", "test/world/"];
const QUERY = /\?mutant=(\d+)$/;

/** Modules asked for by a mutant's module are the mutant's own copies; the one that is edited gets its edit. */
function loadMutants(mutants: readonly Mutant[]): void {
  registerHooks({
    resolve(specifier, context, next) {
      const resolved = next(specifier, context);
      const mark = QUERY.exec(context.parentURL ?? "")?.[0];
      const isOurs = resolved.url.startsWith("file:") && ROOMS.some((room) => fileURLToPath(resolved.url).startsWith(`${ROOT}${room}`));
      return mark && isOurs && !QUERY.test(resolved.url) ? { ...resolved, url: `${resolved.url}${mark}` } : resolved;
    },
    load(url, context, next) {
      const loaded = next(url, context);
      const mutant = mutants[Number(QUERY.exec(url)?.[1] ?? Number.NaN)];
      const path = url.startsWith("file:") ? fileURLToPath(url.replace(QUERY, "")) : "";
      const edits = (mutant?.edits ?? []).filter((edit) => path === `${ROOT}src/${edit.file}`);
      return edits.length === 0 ? loaded : { ...loaded, source: edits.reduce(edited, String(loaded.source)) };
    },
  });
}

function hasClaims({ shape }: Scenario): boolean {
  return shape?.dra != null;
}

async function run(number: number, mutant: Mutant): Promise<MutantResult> {
  const { runHistory }: typeof import("./history.ts") = await import(`./history.ts?mutant=${number}`);
  const { SCENARIOS, runScenario }: typeof import("../scenarios/scenarios.ts") = await import(`../scenarios/scenarios.ts?mutant=${number}`);
  // Those with the mutant's own part of the world first: most mutants are caught there.
  const isClaims = mutant.name.startsWith("DRA: ");
  for (const scenario of SCENARIOS.toSorted((a, b) => Number(hasClaims(b) === isClaims) - Number(hasClaims(a) === isClaims))) {
    const [violation] = await runScenario(scenario);
    if (violation !== undefined) return { name: mutant.name, caughtBy: `${scenario.name}: ${violation}`, histories: 0 };
  }
  const histories = mutant === WHOLE ? HISTORIES_OF_THE_WHOLE : HISTORIES;
  for (let seed = 1; seed <= histories; seed += 1) {
    const [violation] = (await runHistory(seed)).violations;
    if (violation !== undefined) return { name: mutant.name, caughtBy: violation, histories: seed };
  }
  return { name: mutant.name, caughtBy: "", histories };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { share: { type: "string", default: "0/1" } }, allowPositionals: true });
  const [share = 0, of = 1] = values.share.split("/").map(Number);
  const [only = ""] = positionals;
  const all = [WHOLE, ...MUTANTS];
  loadMutants(all);
  for (const [number, mutant] of all.entries()) {
    if (number % of === share && mutant.name.includes(only)) console.log(JSON.stringify(await run(number, mutant)));
  }
}

await main();
