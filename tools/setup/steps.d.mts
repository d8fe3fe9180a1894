// SPDX-License-Identifier: Apache-2.0
export interface SetupStep {
  readonly what: string;
  /** Said at once. */
  readonly isLong?: boolean;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
}

/** Runs a program quietly, with the time that it takes. What it printed is shown only when it failed, and ends this process then. */
export function runStep(step: SetupStep): Promise<void>;

/** Ends this process with a message. @param missing a program that this machine does not have */
export function fail(message: string, missing?: string | null): never;
