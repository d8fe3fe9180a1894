// SPDX-License-Identifier: Apache-2.0

/** What each of CLEAR's blockers and SETUP's refusals does alone. */
import type { WorldShape } from "../models/shape.ts";
import type { Step } from "../steps/steps.ts";
import { advance, intent, type Scenario, start, step, UP } from "./scenario.ts";

/** Blockers of CLEAR, each alone: a step that makes it. */
const BLOCKERS: readonly (readonly [name: string, block: Step])[] = [
  ["a TD is bound", step("bindTdi", { at: 0 })],
  ["a process has it open", step("openFromOutside", { at: 0 })],
  ["its link is secured by a TSM", step("secureLink", { at: 0, word: "Tsm" })],
  ["its link has a stream", step("secureLink", { at: 0, word: "Stream" })],
  ["its link cannot be read", step("hideLink", { at: 0 })],
  ["tsm/bound cannot be read", step("hideBound", { at: 0 })],
  ["its holders cannot be read", step("hideHolders", { at: 0 })],
  ["a unit cannot be read", step("hideUnit", { at: 0 })],
  ["the host cannot be read", step("hideHost", { at: 0 })],
  ["podresources cannot be read", step("podresourcesDown")],
  ["the API server cannot be reached", step("apiDown")],
];

export const CLEAR_WAITS: readonly Scenario[] = BLOCKERS.map(([name, block]) => ({
  name: `CLEAR waits while ${name}`,
  steps: [...UP, block, intent("cleared"), advance(20_000)],
}));

/** What keeps SETUP from being issued, there before the agent starts. */
const REFUSALS: readonly (readonly [name: string, refuse: Step, shape?: Partial<WorldShape>])[] = [
  ["a link is secured by a TSM", step("secureLink", { at: 0, word: "Tsm" })],
  ["a link cannot be read", step("hideLink", { at: 1 })],
  ["the host cannot be read", step("hideHost", { at: 0 })],
  ["TDX cannot be called", step("breakEnvironment", { word: "NotReady" })],
  ["domain ids are in use", step("fillDomainIds", { at: 0, ms: 16_384 }), { didUnreserved: true }],
  ["real SETUP is not allowed", advance(1), { isSimulated: false, realSetup: false }],
  ["a function's unit cannot be told and its link is secured", step("hideUnitOfFunction", { at: 0 }, 0)],
];

export const SETUP_WAITS: readonly Scenario[] = REFUSALS.map(([name, refuse, shape = {}]) => ({
  name: `SETUP waits while ${name}`,
  shape,
  steps: [refuse, ...(refuse.kind === "hideUnitOfFunction" ? [step("secureLink", { at: 0, word: "Tsm" })] : []), start, advance(20_000)],
}));
