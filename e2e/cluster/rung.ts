// SPDX-License-Identifier: Apache-2.0
import { type Availability, checkAvailability } from "./availability.ts";
import { ensureBinaries } from "./binaries.ts";
import { type Environment, readEnvironment } from "./environment.ts";
import { type Progress, startProgress } from "./progress.ts";

/** What a test file of the cluster rung starts with. */
export interface Rung {
  readonly environment: Environment;
  readonly progress: Progress;
  readonly availability: Availability;
  /** Why the file's tests are skipped; `null` when they run. In CI nothing is skipped: a rung that cannot run fails in `binaries`. */
  readonly skipReason: string | null;
  /** Folder with the cluster's programs, built if needed. @throws the reason when the rung cannot run, or when the build fails */
  binaries(): Promise<string>;
}

/** Looks once at what the machine can do. Called at the top of a test file: `describe.skipIf(rung.skipReason !== null)`. */
export async function openRung(): Promise<Rung> {
  const environment = readEnvironment();
  const progress = startProgress();
  const availability = await checkAvailability(environment, progress);
  const reason = availability.available ? null : availability.reason;
  if (reason !== null) progress(`the cluster rung cannot run: ${reason}`);
  return {
    environment,
    progress,
    availability,
    skipReason: environment.ci ? null : reason,
    binaries: async () => {
      if (!availability.available) throw new Error(availability.reason);
      return ensureBinaries(availability.plan, environment, progress);
    },
  };
}

/** A title that carries the reason when the tests below it are skipped. */
export function rungTitle(title: string, rung: Rung): string {
  return rung.skipReason === null ? title : `${title} (skipped: ${rung.skipReason})`;
}
