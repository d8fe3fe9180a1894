// SPDX-License-Identifier: Apache-2.0
// The line to the VM's first process (init.sh), over the socket of its second serial port.
import { connect, type Socket } from "node:net";

/** What a command in the VM left behind; standard output and error in one. */
export interface Ended {
  readonly code: number;
  readonly output: string;
}

export interface Shell {
  /** Runs lines of busybox sh. One at a time: a second waits for the first. @throws when the VM gives no answer within `deadlineMs` */
  run(commands: string, deadlineMs: number): Promise<Ended>;
  /** Resolves when the VM says that it is up. */
  readonly ready: Promise<string>;
  close(): void;
}

interface Waiting {
  readonly resolve: (ended: Ended) => void;
  readonly reject: (cause: Error) => void;
}

/** Connects to a socket. `null` while nobody listens on it: QEMU's is in the folder a moment before that. @throws for any other reason */
export function dial(path: string): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT" || cause.code === "ECONNREFUSED") resolve(null);
      else reject(cause);
    });
  });
}

/** Speaks over a connection to QEMU's second serial port. */
export function openShell(socket: Socket, onLost: (cause: Error) => void): Shell {
  const waiting = new Map<string, Waiting>();
  let isReady: (release: string) => void = () => undefined;
  const ready = new Promise<string>((resolve) => {
    isReady = resolve;
  });
  socket.setEncoding("utf8");
  const lose = (cause: Error): void => {
    for (const one of waiting.values()) one.reject(cause);
    waiting.clear();
    onLost(cause);
  };
  socket.on("error", lose);
  socket.on("close", () => lose(new Error("the VM has gone")));
  onLines(socket, (line) => {
    const [id = "", code = "", output = ""] = line.trim().split(" ");
    const text = Buffer.from(output, "base64").toString();
    if (id === "ready") isReady(text.trim());
    waiting.get(id)?.resolve({ code: Number(code), output: text });
    waiting.delete(id);
  });
  let turn: Promise<unknown> = Promise.resolve();
  let count = 0;
  const ask = (commands: string, deadlineMs: number): Promise<Ended> =>
    new Promise((resolve, reject) => {
      const id = `c${++count}`;
      const timer = setTimeout(() => {
        waiting.delete(id);
        reject(new Error(`the VM gave no answer within ${deadlineMs / 1000} s to: ${commands}`));
      }, deadlineMs);
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          then(value);
        };
      waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
      socket.write(`${id} ${Buffer.from(`${commands}\n`).toString("base64")}\n`);
    });
  return {
    ready,
    run(commands, deadlineMs) {
      const answer = turn.then(() => ask(commands, deadlineMs));
      turn = answer.catch(() => undefined);
      return answer;
    },
    close: () => socket.destroy(),
  };
}

function onLines(socket: Socket, take: (line: string) => void): void {
  let rest = "";
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  });
}
