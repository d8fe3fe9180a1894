// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { createLiveView, type Terminal } from "../../../src/cli/view/live.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

/** As much of a terminal as the view uses: a screen of wrapped rows, a cursor, cursor up, clear to end of line and of screen. */
class FakeTerminal extends EventEmitter implements Terminal {
  columns = 20;
  rows = 10;
  screen: string[] = [""];
  row = 0;
  column = 0;
  cursorShown = true;
  writes = 0;
  isStopped = false;

  write(text: string): boolean {
    if (this.isStopped) return false;
    this.writes += 1;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences
    for (const token of text.match(/\u001b\[\??[0-9;]*[A-Za-z]|[^\u001b]/g) ?? []) this.#token(token);
    return true;
  }

  #token(token: string): void {
    if (token === "\n") {
      this.row += 1;
      this.column = 0;
      this.screen[this.row] ??= "";
    } else if (token === "\r") this.column = 0;
    else if (token === "\u001b[?25l") this.cursorShown = false;
    else if (token === "\u001b[?25h") this.cursorShown = true;
    else if (token === "\u001b[K") this.screen[this.row] = (this.screen[this.row] ?? "").slice(0, this.column);
    else if (token === "\u001b[J") this.screen = [...this.screen.slice(0, this.row), (this.screen[this.row] ?? "").slice(0, this.column)];
    else if (token.endsWith("A")) this.row = Math.max(0, this.row - Number(token.slice(2, -1)));
    else if (!token.startsWith("\u001b")) this.#put(token);
  }

  #put(character: string): void {
    const line = (this.screen[this.row] ?? "").padEnd(this.column);
    this.screen[this.row] = line.slice(0, this.column) + character + line.slice(this.column + 1);
    this.column += 1;
  }

  /** As a terminal does that re-wraps: rows wider than the new width become several. */
  narrow(columns: number): void {
    const chunks = (line: string): string[] => (line === "" ? [""] : (line.match(new RegExp(`.{1,${columns}}`, "g")) ?? []));
    this.screen = this.screen.flatMap(chunks);
    this.row = this.screen.length - 1;
    this.columns = columns;
    this.emit("resize");
  }
}

function world() {
  const terminal = new FakeTerminal();
  const clock = createFakeClock();
  terminal.write("before\n");
  return { terminal, clock, view: createLiveView(terminal, clock) };
}

test("a new picture replaces the old one in its place, whatever their lengths, in one write", async () => {
  const { terminal, clock, view } = world();
  view.show(() => ["one", "two", "three"]);
  await clock.advance(100);
  const before = terminal.writes;
  view.show(() => ["uno"]);
  expect(terminal.writes).toBe(before + 1);
  expect(terminal.screen).toEqual(["before", "uno", ""]);
  await clock.advance(100);
  view.show(() => ["a", "b"]);
  expect(terminal.screen).toEqual(["before", "a", "b", ""]);
});

test("a burst of changes is drawn twice: at once, and in its final state", async () => {
  const { terminal, clock, view } = world();
  const before = terminal.writes;
  for (let n = 0; n < 10; n += 1) view.show(() => [`n ${n}`]);
  await clock.advance(100);
  expect([terminal.writes - before, terminal.screen]).toEqual([2, ["before", "n 9", ""]]);
});

test("what is printed scrolls by above the picture", () => {
  const { terminal, view } = world();
  view.show(() => ["picture"]);
  view.print("first");
  view.print("second\nthird");
  expect(terminal.screen).toEqual(["before", "first", "second", "third", "picture", ""]);
});

test("a narrower terminal is redrawn without leftovers of the wrapped lines", () => {
  const { terminal, view } = world();
  view.show(({ width }) => ["x".repeat(Math.min(width, 50)), "y"]);
  terminal.narrow(30);
  expect(terminal.screen).toEqual(["before", "x".repeat(30), "y", ""]);
});

test("a picture higher than the terminal is cut, so that it never scrolls", () => {
  const { terminal, view } = world();
  view.show(() => Array.from({ length: 50 }, (_, n) => `${n}`));
  expect(terminal.screen).toHaveLength(1 + 9 + 1);
});

test("closing draws what was still due, leaves the picture and gives the cursor back", () => {
  const { terminal, clock, view } = world();
  view.show(() => ["one"]);
  expect(terminal.cursorShown).toBe(false);
  view.show(() => ["last"]);
  view.close();
  view.close();
  view.show(() => ["late"]);
  expect([terminal.screen, terminal.cursorShown, clock.pending(), terminal.listenerCount("resize")]).toEqual([["before", "last", ""], true, 0, 0]);
});

test("a terminal that was stopped gets the newest picture when it goes on, in the place of the last one that it took", async () => {
  const { terminal, clock, view } = world();
  view.show(() => ["one", "two"]);
  await clock.advance(100);
  terminal.isStopped = true;
  view.show(() => ["three"]);
  await clock.advance(5000);
  view.show(() => ["four"]);
  terminal.isStopped = false;
  await clock.advance(1000);
  expect(terminal.screen).toEqual(["before", "four", ""]);
  terminal.isStopped = true;
  view.show(() => ["five"]);
  view.close();
  expect(clock.pending()).toBe(0);
});
