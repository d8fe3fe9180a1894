// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vitest/config";

/**
 * The rungs of the test ladder: `pure` needs nothing, `world` is the whole agent in one process, `seams` need the native build, real sockets and
 * files, `kernel` needs root and boots virtual machines, `cluster` needs Kubernetes' own binaries and root. `kernel-debug` is no rung: it builds a
 * kernel first, and has a script of its own.
 */
const pureRooms = ["domain", "api", "runtime", "cli", "tools"].map((room) => `test/${room}/**/*.test.ts`);
/** Needs no world, and `check` is to notice a mutant whose line has changed. */
const mutantEdits = "test/world/runs/edits.test.ts";
const seamRooms = [
  "host",
  "tsm",
  "bind",
  "audit-log",
  "native",
  "seamcall",
  "kubelet",
  "cluster",
  "standalone",
  "stand-in",
  "agent",
  "models",
  "support",
].map((room) => `test/${room}/**/*.test.ts`);

export default defineConfig({
  test: {
    projects: [
      { test: { name: "pure", include: [...pureRooms, mutantEdits], testTimeout: 60_000 } },
      { test: { name: "world", include: ["test/world/**/*.test.ts"], exclude: [mutantEdits], testTimeout: 600_000 } },
      {
        test: {
          name: "seams",
          include: [...seamRooms, "test/*.test.ts", "e2e/journeys/**/*.test.ts"],
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: "kernel",
          include: ["e2e/kernel/!(debug)/**/*.test.ts", "e2e/kernel/*.test.ts"],
          testTimeout: 900_000,
          hookTimeout: 3_600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "kernel-debug",
          include: ["e2e/kernel/debug/*.test.ts"],
          testTimeout: 1_800_000,
          hookTimeout: 10_800_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "cluster",
          include: ["e2e/cluster/**/*.test.ts", "e2e/story/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 3_600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
