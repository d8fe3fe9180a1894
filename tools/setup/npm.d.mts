// SPDX-License-Identifier: Apache-2.0
/** Types of npm.mjs, for tests. */

export interface LockedPackage {
  readonly version?: string;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

export interface LockFile {
  readonly packages?: Readonly<Record<string, LockedPackage>>;
}

export function installArguments(root: string): string[];
export function missingPackages(lock: LockFile, installed: LockFile, platform: { os: string; cpu: string; libc: string }): string[];
