// SPDX-License-Identifier: Apache-2.0

/** The audit log as the agent sees it: lines go in, and nothing comes back but the number of the next one. */
export interface AuditPort {
  /** Who writes: `pid/start`, the start in clock ticks since the boot. */
  readonly agent: string;
  /** Milliseconds since the boot. */
  sinceBootMs(): number;
  /** Finds where the log goes on. @returns the number of the next line; 1 of a new log @throws AUDIT_UNWRITABLE */
  open(): Promise<number>;
  /**
   * Adds whole lines at the end: they are in the kernel when it resolves. Follows an `open`. `seq`: number of the first one.
   * @throws AUDIT_UNWRITABLE: open it again
   */
  append(lines: readonly string[], seq: number): Promise<void>;
  /** What was appended is on the disk when it resolves. @throws AUDIT_UNWRITABLE */
  sync(): Promise<void>;
  /** Repeatable. */
  close(): Promise<void>;
}
