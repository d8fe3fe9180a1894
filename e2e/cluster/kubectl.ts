// SPDX-License-Identifier: Apache-2.0
import type { z } from "zod";
import type { CommandOptions, CommandResult } from "./command.ts";

/** kubectl against the cluster, as the administrator. */
export interface Kubectl {
  /** Runs kubectl. @throws when it fails, with its words */
  kubectl(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Runs kubectl and returns its exit code, whatever it is: for what the API server is expected to refuse. */
  tryKubectl(args: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** Runs kubectl with `-o json` and reads its answer against a schema. */
  kubectlJson<T>(args: readonly string[], schema: z.ZodType<T>): Promise<T>;
  /** Applies objects, with strict field validation. @throws when the API server refuses one */
  apply(...objects: readonly object[]): Promise<void>;
  /** Applies objects and returns the outcome, whatever it is. */
  tryApply(...objects: readonly object[]): Promise<CommandResult>;
}

/** Builds the wrapper over whatever runs kubectl with arguments. */
export function kubectlFor(run: (args: readonly string[], options?: CommandOptions) => Promise<CommandResult>): Kubectl {
  const kubectl: Kubectl["kubectl"] = async (args, options) => {
    const result = await run(args, options);
    if (result.code !== 0) throw new Error(`kubectl ${args.join(" ")}: exit code ${result.code}\n${result.stderr}`.trimEnd());
    return result;
  };
  const applying = ["apply", "--server-side", "--validate=strict", "-f", "-"];
  const listOf = (items: readonly object[]): CommandOptions => ({ input: JSON.stringify({ apiVersion: "v1", kind: "List", items }) });
  return {
    kubectl,
    tryKubectl: run,
    kubectlJson: async (args, schema) => schema.parse(JSON.parse((await kubectl([...args, "-o", "json"])).stdout)),
    apply: async (...objects) => void (await kubectl(applying, listOf(objects))),
    tryApply: (...objects) => run(applying, listOf(objects)),
  };
}
