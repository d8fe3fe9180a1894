// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { NodeStatus } from "../../src/domain/status.ts";
import { CLEAR_ALL, type Journey, startJourney, TRUST_ALL } from "./journey.ts";

const UNIT = "0xfed90000";
const DEVICE = "0000:01:00.0";
const NO_KUBELET = ["--kubelet", "none", "--settle", "0.3"] as const;

let journey: Journey;
beforeEach(async () => {
  journey = startJourney();
  await journey.simulate("create", "--host", "hosts/one-unit.yaml");
  journey.manifest(TRUST_ALL);
});
afterEach(() => journey.end());

const unitOf = (status: NodeStatus) => status.units.find((unit) => unit.regBase === UNIT);
const deviceOf = (status: NodeStatus) => status.devices.find((device) => device.address === DEVICE);
const condition = (status: NodeStatus, type: string) => status.conditions.find((entry) => entry.type === type);
const isTrusted = (status: NodeStatus): boolean => unitOf(status)?.state === "Trusted" && status.counts.devicesOffered === 2;

interface ModuleTable {
  readonly corruptedPage: string | null;
  readonly units: readonly { regBase: string; phase: string; tdxIommuId: string | null; setupCalls: string; clearCalls: string }[];
}

async function moduleTable(): Promise<ModuleTable> {
  return JSON.parse(await journey.simulate("show", "--output", "json")) as ModuleTable;
}

describe("an agent on one machine", () => {
  it("sets its unit up, offers what is behind it, and says that it is simulated", async () => {
    journey.agent(...NO_KUBELET);
    const status = await journey.until("trusted", isTrusted);
    expect(status.simulated).toBe(true);
    expect(unitOf(status)).toMatchObject({ reason: "SetupSucceeded", tdxIommuId: (await moduleTable()).units[0]?.tdxIommuId, kernelName: "dmar0" });
    expect(condition(status, "Ready")).toMatchObject({ status: "True", reason: "AsIntended" });
    const shown = await journey.run("status", "--status", `${journey.folder}/status.json`);
    expect(shown.stdout).toMatch(/SIMULATED/);
    expect(shown.stdout).toContain(DEVICE);
  });

  it("clears when the manifest says so, after the settling time, and sets up again", async () => {
    journey.agent(...NO_KUBELET);
    const first = await journey.until("trusted", isTrusted);
    journey.manifest(CLEAR_ALL);
    const cleared = await journey.until("cleared", (status) => unitOf(status)?.reason === "Cleared");
    expect(cleared.counts.devicesOffered).toBe(0);
    expect(deviceOf(cleared)?.reason).toBe("IntentCleared");
    journey.manifest(TRUST_ALL);
    const again = await journey.until("trusted again", isTrusted);
    expect(unitOf(again)?.setupSeq).not.toBe(unitOf(first)?.setupSeq);
    expect((await moduleTable()).corruptedPage).toBeNull();
  });

  it("names who holds a device, and clears when it is let go", async () => {
    journey.agent(...NO_KUBELET);
    await journey.until("trusted", isTrusted);
    await journey.simulate("hold", DEVICE);
    journey.manifest(CLEAR_ALL);
    const blocked = await journey.until("blocked", (status) => condition(status, "ClearBlocked")?.status === "True");
    expect(condition(blocked, "ClearBlocked")?.message).toMatch(/0000:01:00\.0 in use by pid \d+/);
    expect((await moduleTable()).units[0]?.phase).toBe("Configured");
    // An unbind that waits for the holder takes the driver from the function, and the device from nobody.
    await journey.simulate("unbind", DEVICE);
    const waiting = await journey.until("no driver", (status) => /vfio holders/.test(condition(status, "ClearBlocked")?.message ?? ""));
    expect(condition(waiting, "ClearBlocked")?.message).toMatch(/pid \d+ holds vfio\d+, which no function has/);
    expect((await moduleTable()).units[0]?.phase).toBe("Configured");
    await journey.simulate("unhold", DEVICE);
    await journey.until("cleared", (status) => unitOf(status)?.reason === "Cleared");
  });

  it("never sets up behind a link that was secured before, and does when it is released", async () => {
    await journey.simulate("secure-link", DEVICE);
    journey.agent(...NO_KUBELET);
    const held = await journey.until("held back", (status) => unitOf(status)?.reason === "LinkSecuredBeforeSetup");
    expect(deviceOf(held)).toMatchObject({ offered: false, reason: "LinkSecuredBeforeSetup" });
    expect((await moduleTable()).units[0]?.setupCalls).toBe("0x0");
    await journey.simulate("release-link", DEVICE);
    await journey.until("trusted", isTrusted);
  });

  it("retries while the TDX module is busy, with the pages it has already given", async () => {
    await journey.simulate("fault", "--status", "TDX_OPERAND_BUSY", "--leaf", "SETUP", "--times", "3");
    journey.agent(...NO_KUBELET);
    await journey.until("trusted", isTrusted);
    expect((await moduleTable()).corruptedPage).toBeNull();
  });

  it("fails a unit for good on a status that a person must look at", async () => {
    await journey.simulate("fault", "--status", "TDX_PAGE_NOT_FREE", "--leaf", "SETUP", "--times", "forever");
    journey.agent(...NO_KUBELET);
    const failed = await journey.until("failed", (status) => unitOf(status)?.reason === "SetupFailed");
    expect(unitOf(failed)).toMatchObject({ state: "Failed", lastCall: { name: "TDX_PAGE_NOT_FREE" } });
    expect(condition(failed, "Degraded")).toMatchObject({ status: "True", reason: "UnitFailed" });
  });

  it("withdraws at once and sets up anew after a reboot", async () => {
    journey.agent(...NO_KUBELET);
    const before = await journey.until("trusted", isTrusted);
    await journey.simulate("reboot");
    const after = await journey.until("trusted in the new boot", (status) => isTrusted(status) && status.bootId !== before.bootId);
    expect(after.tdxModule.instance).not.toBe(before.tdxModule.instance);
  });

  it("keeps the last good manifest in force when a newer one is wrong, and says what to write", async () => {
    journey.agent(...NO_KUBELET);
    await journey.until("trusted", isTrusted);
    journey.manifest(TRUST_ALL.replace("teeio.dev/device", "device"));
    const invalid = await journey.until("refused", (status) => condition(status, "Degraded")?.reason === "IntentInvalid");
    expect(condition(invalid, "Degraded")?.message).toMatch(/spec\.resources\[0\]\.name.*"device".*teeio\.dev\/device/s);
    expect(isTrusted(invalid)).toBe(true);
    journey.manifest(TRUST_ALL);
    await journey.until("well again", (status) => condition(status, "Degraded")?.status === "False");
  });

  it("hears Cleared in a manifest with a field that it does not know, and clears only units that it can read", async () => {
    journey.agent(...NO_KUBELET);
    await journey.until("trusted", isTrusted);
    journey.manifest(CLEAR_ALL.replace("all: true", "all: true, pool: a"));
    const withdrawn = await journey.until("withdrawn", (status) => status.counts.devicesOffered === 0);
    expect(unitOf(withdrawn)).toMatchObject({ state: "Trusted", reason: "NotSelected" });
    expect(condition(withdrawn, "Degraded")).toMatchObject({
      reason: "IntentInvalid",
      message: expect.stringMatching(/spec\.units\.pool.*no unit is cleared/s),
    });
    journey.manifest(`${CLEAR_ALL}\n  drain: 1h\n`);
    const cleared = await journey.until("cleared", (status) => unitOf(status)?.reason === "Cleared");
    expect(condition(cleared, "Degraded")?.message).toMatch(/spec\.drain/);
  });

  it("leaves units trusted and says that nothing is offered when it is stopped", async () => {
    const agent = journey.agent(...NO_KUBELET);
    await journey.until("trusted", isTrusted);
    expect(await agent.kill("SIGTERM")).toBe(0);
    const stopped = journey.status();
    expect(stopped?.units[0]?.state).toBe("Trusted");
    expect(stopped?.devices.filter((device) => device.offered)).toEqual([]);
    expect(stopped && deviceOf(stopped)?.reason).toBe("AgentStopped");
    expect((await moduleTable()).units[0]).toMatchObject({ phase: "Configured", clearCalls: "0x0" });
  });

  it("does not let a second agent onto the node", async () => {
    journey.agent(...NO_KUBELET);
    await journey.until("trusted", isTrusted);
    const second = journey.agent(...NO_KUBELET);
    expect(await second.ended()).toBe(3);
  });
});

describe("after kill -9", () => {
  it("during SETUP, the next agent adopts what the kernel side finished, without a second SETUP", async () => {
    await journey.simulate("fault", "--leaf", "SETUP", "--delay", "1500");
    const agent = journey.agent(...NO_KUBELET);
    await journey.until("setting up", (status) => unitOf(status)?.state === "SettingUp");
    await agent.kill("SIGKILL");
    const calls = (await moduleTable()).units[0]?.setupCalls;
    journey.agent(...NO_KUBELET);
    const status = await journey.until("trusted", isTrusted);
    const table = await moduleTable();
    expect(unitOf(status)?.tdxIommuId).toBe(table.units[0]?.tdxIommuId);
    expect(unitOf(status)?.setupSeq).toBe("0x1");
    // The interrupted operation goes on by resuming: that is the same SETUP, and no other follows it.
    expect(Number(table.units[0]?.setupCalls) - Number(calls)).toBeLessThanOrEqual(3);
    expect(table.corruptedPage).toBeNull();
  });

  it("while trusted, the next agent takes over id and sequence as they are", async () => {
    const agent = journey.agent(...NO_KUBELET);
    const before = await journey.until("trusted", isTrusted);
    await agent.kill("SIGKILL");
    const calls = (await moduleTable()).units[0]?.setupCalls;
    journey.agent(...NO_KUBELET);
    const file = journey.status();
    await journey.until("written by the second agent", (status) => isTrusted(status) && status !== file);
    expect(unitOf(journey.status() as NodeStatus)).toMatchObject({ tdxIommuId: unitOf(before)?.tdxIommuId, setupSeq: unitOf(before)?.setupSeq });
    expect((await moduleTable()).units[0]?.setupCalls).toBe(calls);
  });
});

describe("explain", () => {
  it("shows every rule with what it read, and agrees with the status", async () => {
    journey.agent(...NO_KUBELET);
    await journey.until("trusted", isTrusted);
    const args = ["--simulator", journey.simulator, "--manifest", `${journey.folder}/node.yaml`, "--kubelet", "none"];
    const json = await journey.run("explain", DEVICE, ...args, "--output", "json");
    expect(json.code).toBe(0);
    const explained = JSON.parse(json.stdout) as { offered: boolean; rules: { reason: string; passed: boolean; read: string }[] };
    expect(explained.offered).toBe(true);
    expect(explained.rules.length).toBeGreaterThan(10);
    const asToolsWriteIt = await journey.run("explain", `0000${DEVICE.toUpperCase()}`, ...args, "--output", "json");
    expect(asToolsWriteIt).toMatchObject({ code: 0, stdout: json.stdout });
    const text = await journey.run("explain", "0000:00:01.0", ...args);
    expect(text.stdout).toMatch(/NotTeeCapable/);
  });
});
