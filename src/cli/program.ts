// SPDX-License-Identifier: Apache-2.0
import { Command, CommanderError } from "commander";
import { EXIT_CODES } from "../runtime/exit-codes.ts";
import { cleanLines } from "../runtime/printable.ts";
import { atBorder } from "./border.ts";
import { type Act, type Context, canvasOf } from "./context.ts";
import { wrapHelp } from "./help.ts";

/** A command of the program, with its definition loaded only when it is asked for: start-up time is paid by every command. */
interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<(program: Command, context: Context, act: Act) => void>;
}

const COMMANDS: readonly CommandEntry[] = [
  { name: "agent", summary: "run the agent of one node", load: async () => (await import("./agent/agent-command.ts")).addAgentCommand },
  {
    name: "status",
    summary: "show the node as a tree: host bridge, unit, device",
    load: async () => (await import("./status-command.ts")).addStatusCommand,
  },
  {
    name: "explain",
    summary: "show every rule a device passed or failed",
    load: async () => (await import("./explain-command.ts")).addExplainCommand,
  },
  {
    name: "audit",
    summary: "show whether a device went the promised way, and by which events",
    load: async () => (await import("./audit-command.ts")).addAuditCommand,
  },
  {
    name: "preflight",
    summary: "show what this node needs for TDX Connect, found or not, with the fix",
    load: async () => (await import("./preflight-command.ts")).addPreflightCommand,
  },
  {
    name: "simulate",
    summary: "make a simulated host and do things to it",
    load: async () => (await import("./simulate/simulate-command.ts")).addSimulateCommand,
  },
  {
    name: "demo",
    summary: "agent, simulated host and kubelet stand-in in one process (npm start)",
    load: async () => (await import("./demo/demo-command.ts")).addDemoCommand,
  },
];

/** Wider lines of prose are hard to read. */
const MAX_HELP_COLUMNS = 120;

const ABOUT = `Puts the VT-d units of a node into trusted mode for Intel TDX Connect and offers TEE-I/O devices to Kubernetes only behind them.`;

/**
 * Runs the program and resolves to its exit code; prints what there is to print. Never rejects.
 * @param words the command line without the interpreter and the script
 */
export async function run(words: readonly string[], context: Context, version: string): Promise<number> {
  let result: number = EXIT_CODES.Ok;
  const withStack = (): boolean => wantsStack(words);
  const act: Act = async (work) => {
    result = await atBorder(work, context.errors, withStack);
  };
  const code = await atBorder(() => parse(words, context, { act, version }), context.errors, withStack);
  return code === EXIT_CODES.Ok ? result : code;
}

function wantsStack(words: readonly string[]): boolean {
  return words.some((word, index) => word === "--log-level=debug" || (word === "--log-level" && words[index + 1] === "debug"));
}

/** Commander says what is wrong with the words itself; only the exit code is ours. */
async function parse(words: readonly string[], context: Context, given: { act: Act; version: string }): Promise<number> {
  const program = await buildProgram(words, context, given);
  try {
    await program.parseAsync([...words], { from: "user" });
    return EXIT_CODES.Ok;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT_CODES.Ok : EXIT_CODES.Usage;
    throw thrown;
  }
}

async function buildProgram(words: readonly string[], context: Context, given: { act: Act; version: string }): Promise<Command> {
  const program = new Command("trusted-iommu").description(ABOUT).version(given.version).exitOverride();
  program.configureOutput({ writeOut: (text) => context.output.write(text), writeErr: (text) => context.errors.write(cleanLines(text)) });
  program.configureHelp({ helpWidth: Math.min(canvasOf(context).width, MAX_HELP_COLUMNS), boxWrap: wrapHelp });
  program.showHelpAfterError("(--help shows what there is)");
  const asked = words.find((word) => !word.startsWith("-"));
  for (const { name, summary, load } of COMMANDS) {
    if (asked === name || asked === "help") (await load())(program, context, given.act);
    // Only its line in the list of commands is shown: the definition stays unloaded.
    else program.command(name).summary(summary).description(summary);
  }
  return program;
}
