// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { AppError } from "../../src/runtime/errors.ts";
import { createLog, type LogLevel } from "../../src/runtime/log.ts";

function captured(level: LogLevel, simulated = false) {
  const lines: string[] = [];
  const log = createLog({ level, simulated, base: { node: "n1" }, write: (line) => void lines.push(line) });
  return { log, records: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test("a line carries level, time, base fields, its own fields and a constant message", () => {
  const { log, records } = captured("info");
  log.child({ part: "kubelet" }).info({ resource: "teeio.dev/gpu" }, "registered");
  expect(records()).toEqual([
    {
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      node: "n1",
      part: "kubelet",
      resource: "teeio.dev/gpu",
      message: "registered",
    },
  ]);
});

test("every line of a simulated node says so", () => {
  const { log, records } = captured("info", true);
  log.info({}, "started");
  log.child({ part: "x" }).warn({}, "odd");
  expect(records().map((record) => record["simulated"])).toEqual([true, true]);
});

test("the level can be changed while it runs, for children made before too", () => {
  const { log, records } = captured("warn");
  const child = log.child({});
  child.info({}, "hidden");
  log.setLevel("debug");
  child.debug({}, "shown");
  log.setLevel("silent");
  child.error({}, "hidden too");
  expect(records().map((record) => record["message"])).toEqual(["shown"]);
});

test("64-bit values are hex strings", () => {
  const { log, records } = captured("info");
  log.info({ status: 0x8000_0200_0000_0000n }, "seamcall");
  expect(records()[0]?.["status"]).toBe("0x8000020000000000");
});

test("an error shows code, details and causes, and its stack only at debug", () => {
  const { log, records } = captured("info");
  const cause = Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
  const err = new AppError("REGISTER_REFUSED", "kubelet refused", { details: { resource: "r" }, cause });
  log.warn({ err }, "registration failed");
  log.setLevel("debug");
  log.warn({ err }, "registration failed");
  const plain = {
    message: "kubelet refused",
    code: "REGISTER_REFUSED",
    details: { resource: "r" },
    cause: { message: "connect", code: "ECONNREFUSED" },
  };
  expect(records()[0]?.["err"]).toEqual(plain);
  expect(records()[1]?.["err"]).toMatchObject({ ...plain, stack: expect.stringContaining("log.test.ts") });
});

test("secrets are redacted by path, at the top and one level down", () => {
  const { log, records } = captured("info");
  log.info({ token: "t0", request: { authorization: "t1", path: "/api", headers: { authorization: "t2" } }, user: { password: "t3" } }, "asked");
  const text = JSON.stringify(records());
  for (const secret of ["t0", "t1", "t2", "t3"]) expect(text).not.toContain(secret);
  expect(text).toContain("/api");
});

test("a line has nothing in it that a terminal would obey, and the values stand as they are", () => {
  const lines: string[] = [];
  const log = createLog({ level: "info", simulated: false, base: {}, write: (line) => void lines.push(line) });
  const path = "a\u001b[2J\u009b31m\u202e\u007f\u2028b";
  log.warn({ path, err: new Error(path) }, "manifest refused");
  expect(lines[0]?.trimEnd()).not.toMatch(/\p{C}|\p{Zl}|\p{Zp}/u);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ path, err: { message: path } });
});
