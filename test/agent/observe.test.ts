// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { observe } from "../../src/agent/observe.ts";
import type { AgentPorts } from "../../src/agent/ports.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import type { HostView } from "../../src/domain/host.ts";
import { type Memory, remember } from "../../src/domain/memory.ts";
import type { Slot } from "../../src/domain/slot.ts";
import { aDriver, aFunction, aHost, aMemory, anIntent, aSlot, aView } from "../support/builders.ts";

const read = (link: Slot["link"], tsm: Slot["linkRead"]["tsm"], registers: string): HostView =>
  aHost({ functions: [aFunction({ boundRead: tsm })], slots: [aSlot({ link, linkRead: { tsm, registers, problem: "" } })] });

test("a link is judged by what is known when it has been read: another look may have read it, and a write of another link begun", async () => {
  const remembered = (memory: Memory, value: HostView): Memory =>
    remember(memory, anIntent(), groundFrom(aView({ driver: aDriver(), host: { kind: "Read", value } })));
  const before = remembered(aMemory(), read({ state: "Insecure", tsm: "", streamSecure: "No" }, "Read", "idle"));
  let now = before;
  const view = await observe({
    ports: {
      clock: { nowMs: () => aView().nowMs, wallMs: () => aView().wallMs },
      podResources: { observe: async () => aView().podResources },
      dra: null,
      pods: { isLocal: true, observe: async () => aView().pods },
    } as unknown as AgentPorts,
    driver: aDriver(),
    intent: anIntent(),
    memory: before,
    memoryNow: () => now,
    publications: [],
    draPlugin: null,
    answers: [],
    holders: "Recent",
    readHost: async () => {
      now = remembered(before, read({ state: "Secure", tsm: "tsm0", streamSecure: "Yes" }, "Read", "on"));
      return { kind: "Read", value: read({ state: "Secure", tsm: "", streamSecure: "Yes" }, "Blocked", "on") };
    },
  });
  expect(view.host.kind === "Read" && view.host.value.slots[0]).toMatchObject({ link: { tsm: "tsm0" }, linkRead: { tsm: "Stands" } });
});
