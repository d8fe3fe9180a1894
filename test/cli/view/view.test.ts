// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { changeLines } from "../../../src/cli/view/changes.ts";
import { explainJson, explainText } from "../../../src/cli/view/explain.ts";
import { nodeTables } from "../../../src/cli/view/tables.ts";
import { columns, truncate } from "../../../src/cli/view/text.ts";
import { nodeTree } from "../../../src/cli/view/tree.ts";
import type { Condition, NodeStatus } from "../../../src/domain/status.ts";
import { condition, deviceStatus, mixedStatus, nodeStatus, unitStatus } from "../../support/node-status.ts";

const plain80 = { width: 80, colour: false, height: null };

/** The picture without colour codes. */
function bare(lines: readonly string[]): string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colour codes
  return lines.map((line) => line.replace(/\u001b\[[0-9;]*m/g, ""));
}

test("an offered device says what its pod waits for", () => {
  const waiting = deviceStatus({ offered: true, reason: "Offered", message: "NoStreamLeft: no IDE stream is left at pci0000:16" });
  const lines = bare(nodeTree("n1", nodeStatus({ devices: [waiting] }), { ...plain80, width: 200 }));
  expect(lines.some((text) => text.includes("offered") && text.endsWith("NoStreamLeft: no IDE stream is left at pci0000:16"))).toBe(true);
});

describe("the tables", () => {
  test("show units and devices with their reasons at 80 columns", () => {
    expect(nodeTables("n1", mixedStatus(), plain80)).toEqual([
      " SIMULATED — no TDX hardware is used, nothing here is real",
      "node n1  driver simulated  TDX module 2.0.18",
      "✓ Supported  ✗ UnitsTrusted  ✓ DevicesOffered  ? Ready  ✗ Degraded",
      "Degraded UnitFailed: units and devices are as the intent says",
      "0x20b9ffc000: SetupRunning; and 1 more",
      "",
      "UNIT          LABEL   STATE        ID   REASON",
      "0xfed90000    dmar0   Trusted      0x1  SetupSucceeded",
      "0x20b9ffc000  dmar10  SettingUp         SetupRunning",
      "0x20bbffc000  dmar11  Failed            SetupFailed: TDX_IOMMU_RP_INVALID_CONFI…",
      "0xfbffc000            Unsupported       TdxConnectMissing",
      "",
      "DEVICE         UNIT          RESOURCE       OFFER     LINK    REASON",
      "0000:17:00.0   0xfed90000    teeio.dev/gpu  offered",
      "0000:17:00.1   0xfed90000    teeio.dev/gpu  offered   Secure  used by ml/train-0",
      "0000:a7:00.0   0x20b9ffc000  teeio.dev/gpu  withheld          UnitNotTrusted: u…",
      "10001:01:00.0                               withheld          NoResourceMatches…",
      "",
      "1 of 4 units trusted, 2 devices offered, 2 withheld, 483 functions on the bus",
    ]);
  });

  test("say no sentence twice above themselves", () => {
    const degraded = condition({ type: "Degraded", status: "True", reason: "UnitFailed", message: "0x1000: TrustLost" });
    const lines = nodeTables("n1", nodeStatus({ summary: "0x1000: TrustLost", conditions: [degraded] }), { ...plain80, width: 200 });
    expect(lines.filter((line) => line.includes("0x1000: TrustLost"))).toEqual(["Degraded UnitFailed: 0x1000: TrustLost"]);
    const other = nodeTables("n1", nodeStatus({ summary: "something else", conditions: [degraded] }), plain80);
    expect(other).toContain("something else");
  });

  test("name the IOMMUs that are none of the units, as the tree does", () => {
    const message = 'address reads "garbage"';
    const otherUnits = [
      { kernelName: "dmar2", reason: "UnitUnreadable" as const, message },
      { kernelName: "ivhd0", reason: "OtherKind" as const, message: "" },
    ];
    const status = nodeStatus({ units: [], otherUnits });
    for (const view of [nodeTables, nodeTree]) {
      const lines = view("n1", status, plain80);
      expect(lines).toContain(`dmar2  UnitUnreadable: ${message}`);
      expect(lines).toContain("ivhd0  OtherKind: no VT-d unit: it has no TDX Connect");
    }
  });

  test("show whole messages and the last call where there is room", () => {
    const lines = nodeTables("n1", mixedStatus(), { ...plain80, width: 200 });
    expect(lines.join("\n")).not.toContain("…");
    expect(lines).toContain("0xfed90000    dmar0   Trusted      0x1  SETUP TDX_SUCCESS, 3 attempts, 21 ms  SetupSucceeded");
  });

  test("say that a node is simulated at every width, and nothing of it when it is real", () => {
    for (const width of [5, 20, 80, 200]) expect(nodeTables("n1", nodeStatus(), { ...plain80, width })[0]).toContain("SIM");
    expect(nodeTables("n1", nodeStatus({ simulated: false }), plain80).join("\n")).not.toMatch(/simulated —|SIMULATED/);
  });

  test("count what does not fit the height, giving both tables a share", () => {
    const units = Array.from({ length: 128 }, (_, n) => unitStatus({ regBase: `0x${(0x1000 * (n + 1)).toString(16)}` }));
    const devices = Array.from({ length: 300 }, (_, n) => deviceStatus({ address: `0000:${n.toString(16).padStart(2, "0")}:00.0` }));
    const status = nodeStatus({ units, devices });
    const lines = nodeTables("n1", status, { ...plain80, height: 30 });
    expect(lines).toHaveLength(30);
    expect(lines.filter((line) => /^… and \d+ more$/.test(line))).toEqual(["… and 119 more", "… and 291 more"]);
    expect(nodeTables("n1", { ...status, units: units.slice(0, 2) }, { ...plain80, height: 30 })).toHaveLength(30);
  });

  test("say so when there is nothing", () => {
    const lines = nodeTables("n1", nodeStatus({ units: [], devices: [] }), plain80);
    expect(lines).toContain("no VT-d units");
    expect(lines).toContain("no TEE-I/O devices");
  });
});

describe("the tree", () => {
  test("hangs devices below units below host bridges, with what belongs nowhere at its place", () => {
    expect(nodeTree("n1", mixedStatus(), plain80).slice(6)).toEqual([
      "host bridge unknown",
      "└─ no unit",
      "   └─ 10001:01:00.0                 withheld  NoResourceMatches: no match",
      "pci0000:16",
      "└─ 0xfed90000 (dmar0)  Trusted  id 0x1  SetupSucceeded",
      "   ├─ 0000:17:00.0  teeio.dev/gpu  offered",
      "   └─ 0000:17:00.1  teeio.dev/gpu  offered   link Secure by tsm0  used by ml/tr…",
      "pci0000:a6",
      "└─ 0x20b9ffc000 (dmar10)  SettingUp  SetupRunning",
      "   └─ 0000:a7:00.0  teeio.dev/gpu  withheld  UnitNotTrusted: unit 0x20b9ffc000 …",
      "units without TEE-I/O devices",
      "├─ 0x20bbffc000 (dmar11)  Failed  SetupFailed: TDX_IOMMU_RP_INVALID_CONFIGURATI…",
      "└─ 0xfbffc000  Unsupported  TdxConnectMissing",
    ]);
  });
});

test("no view is ever wider than its canvas, and colour changes nothing but colour", () => {
  const word = fc.string({ maxLength: 60, unit: "binary" });
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 220 }), word, word, (width, message, resource) => {
      const base = mixedStatus();
      const status = {
        ...base,
        summary: message,
        units: base.units.map((unit) => ({ ...unit, message })),
        devices: base.devices.map((device) => ({ ...device, resource, message })),
      };
      const views = (colour: boolean) => [
        ...nodeTables(message, status, { width, colour, height: null }),
        ...nodeTree(message, status, { width, colour }),
      ];
      const lines = views(false);
      for (const line of lines) expect(columns(line)).toBeLessThanOrEqual(width);
      expect(bare(views(true)).map((line) => line.trimEnd())).toEqual(bare(lines));
    }),
  );
});

test("a cut text ends in … and has the width asked for", () => {
  expect(["abc", "abcd", "abcde"].map((text) => truncate(text, 4))).toEqual(["abc", "abcd", "abc…"]);
  expect(truncate("abc", 0)).toBe("");
});

describe("change lines", () => {
  test("name what is new, what changed and what is gone", () => {
    const before = nodeStatus({ units: [unitStatus({ state: "SettingUp", tdxIommuId: "", reason: "SetupRunning" })], conditions: [] });
    const after = nodeStatus({ devices: [] });
    expect(changeLines(before, after)).toEqual([
      "unit 0xfed90000 (dmar0) SettingUp → Trusted id 0x1 SetupSucceeded",
      "device 0000:17:00.0 is gone",
      "condition Supported True TdxConnectPresent: units and devices are as the intent says",
      "condition Ready True AsIntended: units and devices are as the intent says",
    ]);
  });

  test("tell each change once: no sum of what units and devices tell, no other words for the same state", () => {
    const conditions = (change: Partial<Condition>): Condition[] =>
      nodeStatus().conditions.map((one) => (one.type === change.type ? { ...one, ...change } : one));
    const before = nodeStatus();
    const setUp = nodeStatus({
      units: [unitStatus({ message: "other words" })],
      devices: [deviceStatus({ message: "other words" })],
      conditions: conditions({ type: "UnitsTrusted", status: "False", reason: "SomeNotTrusted", message: "0xfed90000: SetupPending" }),
    });
    expect(changeLines(before, setUp)).toEqual([]);
    const notReady = nodeStatus({ conditions: conditions({ type: "Ready", status: "False", reason: "NotYetAsIntended", message: "0xfed90000: x" }) });
    expect(changeLines(before, notReady)).toEqual(["condition Ready True → False NotYetAsIntended"]);
    expect(changeLines(null, nodeStatus({ units: [], devices: [], conditions: notReady.conditions }))).toEqual([
      "condition Supported True TdxConnectPresent: units and devices are as the intent says",
    ]);
    const blocked = (message: string): NodeStatus =>
      nodeStatus({ conditions: conditions({ type: "ClearBlocked", status: "True", reason: "DeviceInUse", message }) });
    expect(changeLines(before, blocked("pid 7"))).toEqual(["condition ClearBlocked False → True DeviceInUse: pid 7"]);
    expect(changeLines(blocked("pid 7"), blocked("pid 8"))).toEqual(["condition ClearBlocked True DeviceInUse: pid 8"]);
    expect(changeLines(blocked("pid 7"), before)).toEqual([
      "condition ClearBlocked True → False NothingToClear: units and devices are as the intent says",
    ]);
  });

  test("are none when nothing changed, and everything at first", () => {
    expect(changeLines(mixedStatus(), mixedStatus())).toEqual([]);
    expect(changeLines(null, nodeStatus())).toHaveLength(4);
  });
});

describe("explain", () => {
  const verdict = {
    address: "0000:17:00.0",
    offered: false,
    reason: "UnitNotTrusted",
    resource: { name: "teeio.dev/gpu" },
    rules: [
      { reason: "DeviceMissing", passed: true, read: "0000:17:00.0 10de:2331" },
      { reason: "UnitNotTrusted", passed: false, read: "unit 0xfed90000 is Failed, epoch none" },
      { reason: "NoVfioDevice", passed: false, read: "driver none" },
    ],
  } as const;

  test("shows every rule with what it read and marks the one that decides", () => {
    expect(explainText(verdict, { width: 80, colour: false })).toEqual([
      "0000:17:00.0 is withheld: UnitNotTrusted",
      "UnitNotTrusted: the unit above the function is not trusted; the message says it…",
      "",
      "RULE    WITHHELD WHEN IT FAILS AS  READ",
      "✓ pass  DeviceMissing              0000:17:00.0 10de:2331",
      "✗ FAIL  UnitNotTrusted             unit 0xfed90000 is Failed, epoch none",
      "✗ fail  NoVfioDevice               driver none",
    ]);
  });

  test("an offered device names its resource", () => {
    const offered = { ...verdict, offered: true, reason: "Offered" as const, rules: verdict.rules.slice(0, 1) };
    expect(explainText(offered, { width: 80, colour: false })[0]).toBe("0000:17:00.0 is offered as teeio.dev/gpu");
  });

  test("as JSON has the same rules", () => {
    expect(JSON.parse(explainJson(verdict))).toMatchObject({
      offered: false,
      reason: "UnitNotTrusted",
      resource: "teeio.dev/gpu",
      rules: [
        { rule: "DeviceMissing", passed: true, read: "0000:17:00.0 10de:2331", reason: "" },
        { rule: "UnitNotTrusted", passed: false, reason: "UnitNotTrusted" },
        { rule: "NoVfioDevice" },
      ],
    });
  });
});
