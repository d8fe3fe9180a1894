// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { gateChanges } from "../../src/agent/changes.ts";
import type { DeviceStatus, NodeStatus } from "../../src/domain/status.ts";
import { nodeStatus } from "../support/node-status.ts";

function withDevice(change: Partial<DeviceStatus>): NodeStatus {
  const status = nodeStatus();
  return { ...status, devices: status.devices.map((device) => ({ ...device, ...change })) };
}

test("the gate opens before kubelet lists the device, and stays open while kubelet is away", () => {
  const withheld = withDevice({ offered: false, reason: "UnitNotTrusted" });
  const awaiting = withDevice({ offered: false, reason: "AwaitingKubelet" });
  const offered = withDevice({});
  expect(gateChanges(withheld, awaiting)).toEqual({ opened: ["0000:17:00.0"], closed: [] });
  expect(gateChanges(awaiting, offered)).toEqual({ opened: [], closed: [] });
  expect(gateChanges(offered, awaiting)).toEqual({ opened: [], closed: [] });
  expect(gateChanges(awaiting, withheld)).toEqual({ opened: [], closed: ["0000:17:00.0"] });
});
