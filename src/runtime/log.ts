// SPDX-License-Identifier: Apache-2.0
import { pino } from "pino";
import { isAppError } from "./errors.ts";
import { escapeInJson } from "./printable.ts";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** camelCase keys. `err` takes anything thrown; bigints become hex strings. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Structured log. The message is a constant lower-case phrase, variables are fields. error = a person must act; warn = handled but unwanted;
 * info = a change of state that was asked for; debug = a decision with its inputs. A healthy idle process writes nothing at info.
 */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** The same log with `fields` in every line. */
  child(fields: LogFields): Log;
}

/** The process's own log; its level, and that of all its children, can be changed while it runs. */
export interface RootLog extends Log {
  setLevel(level: LogLevel): void;
  level(): LogLevel;
  /** From now on every line says `simulated: true`: what is found out only when the driver answers. */
  markSimulated(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Puts `simulated: true` into every line. */
  readonly simulated: boolean;
  /** In every line, e.g. {node: "n1"}. */
  readonly base: LogFields;
  /** Where lines go, each ending in a newline. Must neither throw nor wait. */
  readonly write: (line: string) => void;
}

/** Field paths whose values are never written; one list, tested. `*` stands for one level. */
export const REDACTED_PATHS = [
  "token",
  "authorization",
  "password",
  "secret",
  "privateKey",
  "*.token",
  "*.authorization",
  "*.password",
  "*.secret",
  "*.privateKey",
  "*.headers.authorization",
  "headers.authorization",
] as const;

type WriteLevel = "debug" | "info" | "warn" | "error";

/** JSON lines by pino. */
export function createLog(options: LogOptions): RootLog {
  const state = { level: options.level, simulated: options.simulated };
  const root = pino(
    {
      // Pino itself lets everything through: the level is `state`'s, so that one switch serves children made before it.
      level: "debug",
      base: { ...options.base },
      redact: { paths: [...REDACTED_PATHS], censor: "[redacted]" },
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: "message",
      // Pino's own would flatten the chain of causes; plainError does it.
      serializers: { err: (err: unknown) => err },
      formatters: { level: (label) => ({ level: label }) },
    },
    // JSON lets C1 and what turns text round through, and a terminal would obey it.
    { write: (line: string) => options.write(escapeInJson(line)) },
  );
  return {
    ...wrap(root, state),
    setLevel(level) {
      state.level = level;
    },
    level: () => state.level,
    markSimulated() {
      state.simulated = true;
    },
  };
}

/** Swallows everything; for tests and for code run without a log. */
export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

function wrap(logger: pino.Logger, state: { readonly level: LogLevel; readonly simulated: boolean }): Log {
  const writer = (level: WriteLevel) => (fields: LogFields, message: string) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(state.level)) return;
    const said = state.simulated ? { simulated: true, ...fields } : fields;
    logger[level](plainFields(said, state.level === "debug"), message);
  };
  return {
    debug: writer("debug"),
    info: writer("info"),
    warn: writer("warn"),
    error: writer("error"),
    child: (fields) => wrap(logger.child(plainFields(fields, false)), state),
  };
}

function plainFields(fields: LogFields, withStack: boolean): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) plain[key] = plainValue(value, withStack);
  return plain;
}

function plainValue(value: unknown, withStack: boolean): unknown {
  if (typeof value === "bigint") return `0x${value.toString(16)}`;
  return value instanceof Error ? plainError(value, withStack) : value;
}

/** Code, message, details and the chain of causes; the stack only where depth was asked for. */
function plainError(error: Error, withStack: boolean): Record<string, unknown> {
  const plain: Record<string, unknown> = { message: error.message };
  if (isAppError(error)) {
    plain["code"] = error.code;
    if (Object.keys(error.details).length > 0) plain["details"] = error.details;
  } else if ("code" in error) plain["code"] = error.code;
  if (error.cause !== undefined) plain["cause"] = plainValue(error.cause, withStack);
  if (withStack) plain["stack"] = error.stack;
  return plain;
}
