// SPDX-License-Identifier: Apache-2.0
import type { Simulation } from "../../src/stand-in/module/simulation.ts";

/** A control of no TDX module at all: it writes down what it is asked. For tests of the files alone, without the native addon. */
export interface RecordingControl extends Simulation {
  /** `setLink 0xfed90000 0000:01:00.0 true`, in order. */
  readonly calls: readonly string[];
  /** Makes the next call throw. */
  failNext(error: Error): void;
}

export function createRecordingControl(): RecordingControl {
  const calls: string[] = [];
  let failure: Error | null = null;
  const note = (...words: readonly unknown[]): void => {
    const error = failure;
    failure = null;
    if (error !== null) throw error;
    calls.push(words.map(String).join(" "));
  };
  return {
    calls,
    failNext(error) {
      failure = error;
    },
    create: (_dir, { units }) => note("create", ...units.map((unit) => unit.regBase)),
    addFault: (_dir, fault) => note("addFault", fault.leaf, fault.regBase, fault.status),
    clearFaults: () => note("clearFaults"),
    setLink: (_dir, { regBase, address }, secured) => note("setLink", regBase, address, secured),
    removeUnit: (_dir, regBase) => note("removeUnit", regBase),
    restoreUnit: (_dir, regBase) => note("restoreUnit", regBase),
    reboot: () => note("reboot"),
    moduleGone: (_dir, environment) => note("moduleGone", environment),
    moduleBack: (_dir, { lost }) => note("moduleBack", lost),
    exclusively: (_lockFile, work) => work(),
    dump: () => {
      throw new Error("a recording has no TDX module to dump");
    },
  };
}
