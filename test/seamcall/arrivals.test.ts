// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import { expect, test } from "vitest";
import { loadAddon } from "../../src/native/addon.ts";
import { openArrivals } from "../../src/seamcall/tdx-host/arrivals.ts";

const addon = loadAddon();

test("nothing has come when nothing did, however often it is asked", () => {
  const fd = addon.openArrivals("/devices/faux/tdx_host");
  expect([addon.takeArrivals(fd), addon.takeArrivals(fd)]).toEqual([0, 0]);
  closeSync(fd);
  expect(() => addon.takeArrivals(fd)).toThrow(expect.objectContaining({ code: "EBADF" }));
});

test("a path that a filter has no room for is refused", () => {
  expect(() => addon.openArrivals(`/devices/${"x".repeat(64)}`)).toThrow(expect.objectContaining({ code: "EINVAL" }));
});

test("who may not hear the kernel's news, or has lost some, knows no number", () => {
  const refuse = (): number => {
    throw new Error("EPERM");
  };
  expect(openArrivals({ openArrivals: refuse, takeArrivals: () => 1 }).take()).toBeNull();
  expect(openArrivals({ openArrivals: () => 7, takeArrivals: refuse }).take()).toBeNull();
  expect(openArrivals({ openArrivals: () => 7, takeArrivals: () => -1 }).take()).toBeNull();
  expect(openArrivals({ openArrivals: () => 7, takeArrivals: () => 2 }).take()).toBe(2);
});
