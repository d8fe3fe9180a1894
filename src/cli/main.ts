// SPDX-License-Identifier: Apache-2.0

/**
 * The first code of the process, and so small that it runs a few milliseconds after the start. What must be so before anything else is loaded: a
 * lasting command hears its signals, files are made for this user only, and compiled code comes from a safe place.
 */
import { enableCompileCache } from "node:module";
import { constants } from "node:os";
import { holdStopSignals, noStopSignals, signalsInMask } from "../runtime/signals.ts";
import { cacheCandidates, compileCacheFolder } from "./compile-cache.ts";
import { readEnvironment } from "./environment.ts";

/** Commands that others depend on until they are told to end. The others end by a signal's default effect. */
const LASTING: readonly (string | undefined)[] = ["agent", "demo"];

const words = process.argv.slice(2);
const environment = readEnvironment();
const isLasting = LASTING.includes(words.find((word) => !word.startsWith("-")));
const ignored = signalsInMask(environment.ignoredSignals ?? "", constants.signals);
const signals = isLasting ? holdStopSignals(process, { ignored, early: () => process.exit(0) }) : noStopSignals;

// Whatever is to be read by others gets its mode explicitly.
process.umask(0o077);

const cache = compileCacheFolder(cacheCandidates(import.meta.dirname, environment));
if (cache !== null) enableCompileCache(cache);

const { start } = await import("./start.ts");
await start({ words, environment, signals, isLasting });
