// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import type { ClaimCondition, NodeClaim } from "../../../src/domain/dra/claim.ts";
import { claimConditions } from "../../../src/domain/dra/conditions.ts";
import { LINK_FAILED, LINK_SECURED } from "../../../src/domain/dra/names.ts";
import type { Verdict } from "../../../src/domain/gate/inputs.ts";
import type { DeviceReason } from "../../../src/domain/reason.ts";
import { aClaim } from "../../support/builders.ts";

const [A, B] = ["0000:17:00.0", "0000:18:00.0"] as const;
const NOW = "2026-01-01T00:00:09Z";
const BEFORE = "2026-01-01T00:00:01Z";

function aWaitingClaim(conditions: readonly (readonly ClaimCondition[])[] = [[], []]): NodeClaim {
  const [device] = aClaim().devices;
  if (device === undefined) throw new Error("no device");
  const binds = { bindingConditions: [LINK_SECURED], bindingFailureConditions: [LINK_FAILED] };
  const names = ["0000-17-00-0", "0000-18-00-0"];
  return aClaim({ devices: conditions.map((said, index) => ({ ...device, ...binds, device: names[index] ?? "", conditions: said })) });
}

function told(claim: NodeClaim, reasons: Readonly<Record<string, DeviceReason>>, tainted: readonly string[] = []) {
  const judge = (address: string): Verdict => {
    const reason = reasons[address] ?? "Offered";
    return { address, offered: reason === "Offered", reason, message: "", resource: null, epoch: null, rules: [] };
  };
  const said = claimConditions({ claim, judge, isTainted: (address) => tainted.includes(address), nowIso: NOW });
  return said?.map(({ conditions }) => conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`)) ?? null;
}

const secured: ClaimCondition = {
  type: LINK_SECURED,
  status: "True",
  reason: "LinkSecured",
  message: "the link is secured",
  lastTransitionTime: BEFORE,
};

describe("a claim whose pod waits to be bound", () => {
  it("is told of each link that is secured, and of none before", () => {
    expect(told(aWaitingClaim(), { [A]: "LinkNotSecured", [B]: "LinkNotSecured" })).toBeNull();
    expect(told(aWaitingClaim(), { [B]: "LinkNotSecured" })).toEqual([[`${LINK_SECURED} True LinkSecured`], []]);
    expect(told(aWaitingClaim(), {})).toEqual([[`${LINK_SECURED} True LinkSecured`], [`${LINK_SECURED} True LinkSecured`]]);
  });

  it("is told of a failure on every device, and only when the API server shows the taint", () => {
    const reasons = { [B]: "AuthenticationFailed" } as const;
    expect(told(aWaitingClaim(), reasons)).toEqual([[`${LINK_SECURED} True LinkSecured`], []]);
    expect(told(aWaitingClaim([[secured], []]), reasons, [B])).toEqual([
      [`${LINK_SECURED} True LinkSecured`, `${LINK_FAILED} True AuthenticationFailed`],
      [`${LINK_FAILED} True AuthenticationFailed`],
    ]);
  });

  it("is told of a gate that has closed, by its reason, and not of what ends by itself", () => {
    expect(told(aWaitingClaim(), { [A]: "UnitNotTrusted", [B]: "LinkNotSecured" }, [A])).toEqual([
      [`${LINK_FAILED} True UnitNotTrusted`],
      [`${LINK_FAILED} True UnitNotTrusted`],
    ]);
    for (const reason of ["DeviceBusy", "HeldByOrphan", "NoStreamLeft", "LinkBroken"] as const)
      expect(told(aWaitingClaim(), { [A]: reason, [B]: reason }, [A, B])).toBeNull();
  });

  it("is told nothing twice, keeps its times, and never hears that a link is not secured any more", () => {
    const done = aWaitingClaim([[secured], [secured]]);
    expect(told(done, {})).toBeNull();
    expect(told(done, { [A]: "UnitNotTrusted", [B]: "LinkBroken" }, [A])).toBeNull();
    const half = claimConditions({
      claim: aWaitingClaim([[secured], []]),
      judge: (address) => ({ address, offered: true, reason: "Offered", message: "", resource: null, epoch: null, rules: [] }),
      isTainted: () => false,
      nowIso: NOW,
    });
    expect(half?.map(({ conditions }) => conditions.map(({ lastTransitionTime }) => lastTransitionTime))).toEqual([[BEFORE], [NOW]]);
  });

  it("is told nothing when nobody reserves it, or when it waits for no condition of ours", () => {
    expect(told({ ...aWaitingClaim(), reservedFor: [] }, {})).toBeNull();
    expect(told(aClaim(), {})).toBeNull();
  });
});
