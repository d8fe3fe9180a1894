// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { claimFrom, wholeClaimFrom } from "../../../src/cluster/dra/claim-object.ts";
import { allocation, claimObject, result, SECURED } from "./objects.ts";

const ours = { driver: "teeio.dev", parameters: { apiVersion: "teeio.dev/v1", kind: "X" } };
const others = { driver: "disks.example", parameters: { size: 1 } };

const parametersOf = (config: unknown[], spec: unknown[] = []): readonly string[] | undefined =>
  claimFrom(claimObject({}, { allocation: allocation({ config }) }, { config: spec }), "n1")?.parameters;

describe("a claim", () => {
  test("is kept as far as it gives devices of ours on this node away", () => {
    const given = {
      request: "gpu",
      pool: "n1/pci0000-16",
      adminAccess: false,
      bindingConditions: ["teeio.dev/LinkSecured"],
      bindingFailureConditions: ["teeio.dev/LinkFailed"],
    };
    const devices = [{ driver: "teeio.dev", pool: "n1/pci0000-16", device: "0000-17-00-1", conditions: [{ ...SECURED, observedGeneration: 1 }] }];
    expect(claimFrom(claimObject({}, { devices }), "n1")).toEqual({
      namespace: "tenant",
      name: "vm-gpus-x7k2p",
      uid: "c-1",
      resourceVersion: "700",
      isForExtendedResources: false,
      podClaimName: "gpus",
      reservedFor: [{ resource: "pods", name: "vm", uid: "p-1" }],
      devices: [
        { ...given, device: "0000-17-00-0", conditions: [] },
        { ...given, device: "0000-17-00-1", conditions: [SECURED] },
      ],
      parameters: [],
    });
  });

  test.each(["../../etc/passwd", "Upper", "", "-a", "a".repeat(64)])("has no name in its pod that it cannot have there: %j", (name) => {
    const annotations = { "resource.kubernetes.io/pod-claim-name": name };
    expect(claimFrom(claimObject({ annotations }), "n1")?.podClaimName).toBeNull();
  });

  test.each([
    ["that is not allocated", { allocation: undefined }],
    ["that is allocated to another driver's device", { allocation: allocation({ results: [result("x", { driver: "disks.example" })] }) }],
    ["that is allocated on another node", { allocation: allocation({ results: [result("x", { pool: "n2/pci0000-16" })] }) }],
    ["that is allocated on a node whose name begins alike", { allocation: allocation({ results: [result("x", { pool: "n10/pci0000-16" })] }) }],
    ["without a status", undefined],
  ])("%s is none of this node", (_what, status) => {
    expect(claimFrom({ ...claimObject(), status: status && { ...(claimObject()["status"] as object), ...status } }, "n1")).toBeNull();
  });

  test("that is over here still is itself", () => {
    expect(wholeClaimFrom(claimObject({}, { allocation: undefined, reservedFor: undefined }), "n1")).toMatchObject({ devices: [], reservedFor: [] });
  });

  test("may be the scheduler's for the extended resources of a pod, and may ask for access beside its holder", () => {
    const annotations = { "resource.kubernetes.io/extended-resource-claim": "true" };
    const results = [result("0000-17-00-0", { adminAccess: true, bindingConditions: undefined, bindingFailureConditions: undefined })];
    expect(claimFrom(claimObject({ annotations }, { allocation: allocation({ results }) }), "n1")).toMatchObject({
      isForExtendedResources: true,
      podClaimName: null,
      devices: [{ adminAccess: true, bindingConditions: [], bindingFailureConditions: [] }],
    });
  });

  test.each([
    ["a device without a name", { allocation: allocation({ results: [result("x", { device: undefined })] }) }],
    [
      "a condition of no known status",
      { devices: [{ driver: "teeio.dev", pool: "n1/pci0000-16", device: "x", conditions: [{ type: "a", status: "Yes" }] }] },
    ],
  ])("of ours with %s is no answer of an API server", (_what, status) => {
    expect(() => claimFrom(claimObject({}, status), "n1")).toThrow("an object is none of resource.k8s.io/v1");
  });

  test("of others may hold anything", () => {
    expect(claimFrom({ metadata: {}, status: { allocation: { devices: { results: [null, 1, { driver: 2 }] } } } }, "n1")).toBeNull();
    const devices = [{ driver: "disks.example", conditions: "?" }];
    expect(claimFrom(claimObject({}, { devices }), "n1")?.devices).toHaveLength(2);
  });
});

describe("parameters for our driver", () => {
  test("are found where their author wrote them, though the allocation has only those that apply", () => {
    const written = [
      { requests: ["disk"], opaque: others },
      { requests: ["nic"], opaque: ours },
      { opaque: ours },
      { requests: ["gpu"], opaque: ours },
    ];
    const copied = [written[0], written[2], written[3]].map((entry) => ({ source: "FromClaim", ...entry }));
    expect(parametersOf(copied, written)).toEqual(["spec.devices.config[2]", "spec.devices.config[3]"]);
  });

  test("are told apart when they say the same", () => {
    const same = { opaque: ours };
    expect(
      parametersOf(
        [same, same].map((entry) => ({ source: "FromClaim", ...entry })),
        [same, same],
      ),
    ).toEqual(["spec.devices.config[0]", "spec.devices.config[1]"]);
  });

  test("of a class are named by the requests that name it", () => {
    const config = [
      { source: "FromClass", requests: ["gpu"], opaque: ours },
      { source: "FromClass", requests: ["gpu", "nic"], opaque: ours },
      { source: "FromClass", opaque: ours },
      { source: "FromClass", requests: ["disk"], opaque: others },
    ];
    expect(parametersOf(config)).toEqual(['the class of request "gpu"', 'the class of requests "gpu", "nic"', "the class of every request"]);
  });

  test("that nobody seems to have written are named where they stand", () => {
    expect(parametersOf([{ source: "FromClaim", opaque: ours }])).toEqual(["status.allocation.devices.config[0]"]);
  });
});
