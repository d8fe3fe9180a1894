// SPDX-License-Identifier: Apache-2.0

/**
 * Signals that end a process which must end in order. All of them kill by default, and a kill leaves kubelet with a list that nothing stands behind.
 * None means "read your configuration again".
 */
export const STOP_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR2", "SIGALRM", "SIGXCPU", "SIGPWR"] as const;
export type StopSignal = (typeof STOP_SIGNALS)[number];

/**
 * A person or a supervisor who sends one of these again means "now". The others repeat by themselves: a closing terminal sends SIGHUP from the kernel
 * and from the shell, and SIGXCPU comes every second.
 */
const INSISTING: readonly StopSignal[] = ["SIGTERM", "SIGINT", "SIGQUIT"];

/** Node opens its debugger for it. */
const DEBUGGER_SIGNAL = "SIGUSR1";

/** What a stop signal becomes as a lifecycle's cause: an expected end, not an error. */
export interface SignalCause {
  readonly signal: StopSignal;
}

export function isSignalCause(cause: unknown): cause is SignalCause {
  return typeof cause === "object" && cause !== null && "signal" in cause && STOP_SIGNALS.some((known) => known === cause.signal);
}

/** The part of `process` that is needed here. */
export interface SignalSource {
  on(signal: StopSignal | typeof DEBUGGER_SIGNAL, listener: () => void): unknown;
  off(signal: StopSignal | typeof DEBUGGER_SIGNAL, listener: () => void): unknown;
}

export interface StopSignals {
  /** Calls `listener` for the first stop signal from now on, in place of what was to be done until now. */
  onFirst(listener: (cause: SignalCause) => void): void;
  /** Calls `listener` for a second SIGTERM, SIGINT or SIGQUIT, in place of its default effect, which ends a stop that hangs. */
  onSecond(listener: (signal: StopSignal) => void): void;
}

/** For a command that simply ends when it is told to. */
export const noStopSignals: StopSignals = { onFirst: () => undefined, onSecond: () => undefined };

export interface HoldOptions {
  /** What the process was started to ignore (nohup, a background job of a script) stays ignored. */
  readonly ignored: ReadonlySet<StopSignal>;
  /** What the first signal does before `onFirst`: there is nothing to stop in order yet. */
  readonly early: (cause: SignalCause) => void;
}

/**
 * Takes every stop signal, and SIGUSR1 so that it opens no debugger. As process 1 of a container a signal without a handler is lost, so this comes
 * before anything else.
 */
export function holdStopSignals(source: SignalSource, { ignored, early }: HoldOptions): StopSignals {
  let first: ((cause: SignalCause) => void) | null = early;
  const held = new Map<StopSignal, () => void>();
  const listen = (signal: StopSignal, listener: () => void): void => {
    const before = held.get(signal);
    // The new one first: without any listener the signal would have its default effect.
    source.on(signal, listener);
    if (before !== undefined) source.off(signal, before);
    held.set(signal, listener);
  };
  const insisting = INSISTING.filter((signal) => !ignored.has(signal));
  const release = (signal: StopSignal): void => {
    const listener = held.get(signal);
    if (listener !== undefined) source.off(signal, listener);
    held.delete(signal);
  };
  const onSignal = (signal: StopSignal): void => {
    const listener = first;
    if (listener === null) return;
    first = null;
    for (const one of insisting) release(one);
    listener({ signal });
  };
  source.on(DEBUGGER_SIGNAL, () => undefined);
  for (const signal of STOP_SIGNALS) listen(signal, ignored.has(signal) ? () => undefined : () => onSignal(signal));
  return {
    onFirst(listener) {
      if (first !== null) first = listener;
    },
    onSecond(listener) {
      for (const signal of insisting) listen(signal, () => listener(signal));
    },
  };
}

/**
 * The stop signals in a mask of /proc/PID/status ("SigIgn", hexadecimal, bit N-1 for signal N; proc(5)). Empty for anything else.
 * @param numbers signal numbers of this system, by name
 */
export function signalsInMask(mask: string, numbers: Readonly<Partial<Record<string, number>>>): ReadonlySet<StopSignal> {
  const bits = /^[0-9a-f]{1,16}$/i.test(mask) ? BigInt(`0x${mask}`) : 0n;
  const isIn = (signal: StopSignal): boolean => ((bits >> BigInt((numbers[signal] ?? 1) - 1)) & 1n) === 1n;
  return new Set(STOP_SIGNALS.filter((signal) => numbers[signal] !== undefined && isIn(signal)));
}
