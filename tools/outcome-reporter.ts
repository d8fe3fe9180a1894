// SPDX-License-Identifier: Apache-2.0
/** A reporter of vitest's that writes the run's outcome to the file that OUTCOME names. Vitest's own JSON says nothing of a hook that threw. */
import { writeFileSync } from "node:fs";
import type { SerializedError } from "vitest";
import type { Reporter, TestModule } from "vitest/node";
import { failureOf, type Outcome } from "./outcome.ts";

type Errors = readonly { readonly message: string; readonly stack?: string | undefined }[];

export default class OutcomeReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const path = process.env["OUTCOME"];
    if (path !== undefined) writeFileSync(path, JSON.stringify(outcomeOf(modules, unhandled)));
  }
}

function outcomeOf(modules: readonly TestModule[], unhandled: readonly SerializedError[]): Outcome {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  const failed = tests.filter((test) => test.result().state === "failed");
  const failures = [
    ...failed.map((test) => failureOf(`${test.module.relativeModuleId} > ${test.fullName}`, textOf(test.result().errors ?? []))),
    ...modules.flatMap(failuresOutsideTests),
    ...unhandled.map((error) => failureOf("nobody handled", textOf([error]))),
  ];
  const passed = tests.filter((test) => test.result().state === "passed").length;
  return { passed, failed: failures.length, skipped: tests.length - passed - failed.length, failures };
}

/** Of a file that could not be loaded, and of hooks. */
function failuresOutsideTests(module: TestModule): string[] {
  const broken = [module, ...module.children.allSuites()].map((one) => ({
    what: one.type === "module" ? module.relativeModuleId : `${module.relativeModuleId} > ${one.fullName}`,
    errors: one.errors(),
  }));
  return broken.filter(({ errors }) => errors.length > 0).map(({ what, errors }) => failureOf(what, textOf(errors)));
}

function textOf(errors: Errors): string {
  return errors.map(({ message, stack }) => (stack?.includes(message) ? stack : `${message}\n${stack ?? ""}`)).join("\n");
}
