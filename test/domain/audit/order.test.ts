// SPDX-License-Identifier: Apache-2.0
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEVICE, judged, LIFE, OTHER, type Said, SECOND, until, without } from "./log-builder.ts";

describe("the order is held", () => {
  const HELD: readonly (readonly [string, readonly Said[]])[] = [
    ["by a whole life", LIFE],
    ["as far as it went: offered", until("DeviceOffered")],
    ["as far as it went: a link that is being secured", until("LinkSecuring")],
    ["when the unit was found trusted", [["UnitFoundTrusted", {}], ...LIFE.slice(2)]],
    [
      "when the link was lost and repaired",
      [...until("LinkSecured"), "LinkBroken", "LinkRepair", "LinkReleased", "LinkSecuring", "LinkSecured", "DeviceFree"],
    ],
    ["when another program secured it while it was allocated", [...until("DeviceAllocated"), ["LinkFoundSecured", { by: "other" }], "DeviceFree"]],
    ["when the unit was lost with nobody behind it", [...until("DeviceOffered"), "UnitLost", "DeviceWithdrawn"]],
    [
      "when another function of the slot wanted the link",
      [...until("DeviceOffered"), ["DeviceAllocated", { address: OTHER }], "LinkSecuring", "LinkSecured"],
    ],
    ["when the pod went while its link was being secured", [...until("LinkSecuring"), "DeviceFree", "LinkSecured", "LinkReleasing", "LinkReleased"]],
    [
      "across a restart of the agent",
      [
        ...until("LinkSecured"),
        "AgentStopped",
        "AgentStarted",
        "UnitFoundTrusted",
        "DeviceFoundHeld",
        "LinkFoundSecured",
        "DeviceOffered",
        "DeviceFree",
      ],
    ],
    [
      "when the agent was killed while it secured the link",
      [...until("LinkSecuring"), "AgentStarted", "UnitFoundTrusted", "DeviceFoundHeld", ["LinkFoundSecured", { by: "other" }]],
    ],
    ["by the second span when the first was held, too", [...LIFE, ...LIFE.slice(1).map((one): Said => [one as "Gap", { epoch: SECOND }])]],
    ["when the unit was out of sight for a while under the pod", [...until("LinkSecured"), "UnitLost", "UnitFoundTrusted", "DeviceFree"]],
    ["when lines are missing before the unit was set up", ["Gap", ...LIFE]],
    ["when a withdrawn device was still asked for", [...until("DeviceOffered"), "DeviceWithdrawn", "DeviceAllocated"]],
  ];
  test.each(HELD)("%s", (_, said) => {
    expect(judged(...said)).toMatchObject({ verdict: "held", why: "" });
  });

  test("and its steps name their lines", () => {
    const [course] = judged(...LIFE).courses;
    expect(course?.steps.map(({ step, seq }) => `${step} ${seq}`)).toEqual([
      "unit set up 2",
      "offered 4",
      "allocated 5",
      "link secured 7",
      "device free 9",
      "link released 11",
      "unit cleared 13",
    ]);
  });
});

describe("the order is violated", () => {
  const VIOLATED: readonly (readonly [string, readonly Said[], RegExp])[] = [
    ["by an offer after the unit was lost", [...until("UnitSetUp"), "UnitLost", "DeviceOffered"], /DeviceOffered at line 4, after .* line 3/],
    ["by an offer after the unit was cleared", [...LIFE, "DeviceOffered"], /DeviceOffered at line 14, after .* line 13/],
    ["by an allocation after the unit was lost", [...until("DeviceOffered"), "UnitLost", "DeviceAllocated"], /DeviceAllocated at line 6/],
    ["by an allocation without an offer", without("DeviceOffered"), /allocated at line 4 without having been offered/],
    ["by a link secured for nobody", without("DeviceAllocated"), /began to secure the link at line 5/],
    ["by a link that somebody secured for nobody", [...until("DeviceOffered"), "LinkFoundSecured"], /secured at line 5 while no function/],
    [
      "by a link secured before SETUP",
      ["AgentStarted", "LinkFoundSecured", "UnitSetUp", "DeviceOffered"],
      /offered at line 4, .* line 2, before SETUP/,
    ],
    ["by a release under the pod", [...until("LinkSecured"), "LinkReleasing", "LinkReleased"], /began to release the link at line 8/],
    ["by somebody's release under the pod", [...until("LinkSecured"), ["LinkReleased", { by: "other" }]], /released by somebody else at line 8/],
    ["by a unit cleared under the pod", [...until("LinkSecured"), "UnitCleared"], /cleared at line 8 while 0000:17:00.0 was held \(line 5\)/],
    ["by a unit cleared under a secured link", without("LinkReleasing", "LinkReleased"), /cleared at line 11 while the link was secured \(line 7\)/],
    ["by a unit lost under the pod", [...until("LinkSecured"), "UnitLost"], /lost at line 8 while 0000:17:00.0 was held/],
    [
      "by an earlier span of trust",
      [...until("LinkSecured"), "UnitLost", "DeviceFree", "LinkReleased", ["UnitSetUp", { epoch: SECOND }], ["DeviceOffered", { epoch: SECOND }]],
      /lost/,
    ],
    ["by an earlier boot", [...until("LinkSecured"), "UnitLost", ["UnitSetUp", { boot: "boot-2" }], ["DeviceOffered", { boot: "boot-2" }]], /lost/],
  ];
  test.each(VIOLATED)("%s", (_, said, why) => {
    expect(judged(...said)).toMatchObject({ verdict: "violated", why: expect.stringMatching(why) as string });
  });
});

describe("the order is unproven", () => {
  const UNPROVEN: readonly (readonly [string, readonly Said[], RegExp])[] = [
    ["of a device without lines", ["AgentStarted", "UnitSetUp"], /no line says that it was offered/],
    ["without the line of the unit", without("UnitSetUp"), /no line before line 3 says that its unit was set up/],
    ["without a line that the link was insecure after SETUP", without("LinkChecked"), /no line says that it was insecure after SETUP/],
    [
      "with lines missing in the span",
      [...until("DeviceAllocated"), ["Gap", { detail: "3 events are lost" }], "LinkSecured"],
      /missing after line 6: 3 events/,
    ],
    ["with a number missing in the span", [...until("DeviceOffered"), ["DeviceAllocated", { seq: 9 }]], /lines 5 to 8 are missing/],
    [
      "without an allocation, where lines before may be missing",
      [["UnitFoundTrusted", {}], "LinkChecked", "DeviceOffered", "LinkSecuring"],
      /began to secure/,
    ],
    ["of a device that somebody was found to hold", [...until("DeviceOffered"), "DeviceFoundHeld"], /no line says that it was allocated/],
    [
      "when the unit's trust ended while no agent ran",
      [...until("LinkSecured"), "AgentStarted", "DeviceFoundHeld", "DeviceStarted"],
      /not found trusted any more/,
    ],
    [
      "when another span of trust was found under the pod",
      [...until("LinkSecured"), "AgentStarted", ["UnitFoundTrusted", { epoch: SECOND }], "DeviceFoundHeld", "DeviceFree"],
      /not found trusted any more at line 8/,
    ],
    [
      "when the link went off while no agent ran",
      [...until("LinkSecured"), "AgentStarted", "UnitFoundTrusted", "DeviceFoundHeld", "DeviceFree"],
      /link was not found secured any more at line 8/,
    ],
    ["when all of it was in another boot", [...until("UnitSetUp"), ["DeviceOffered", { boot: "boot-2" }]], /no line before line 3/],
    ["of a device offered in another span than the unit's", [...until("LinkChecked"), ["DeviceOffered", { epoch: SECOND }]], /another span of trust/],
  ];
  test.each(UNPROVEN)("%s", (_, said, why) => {
    const order = judged(...said);
    const whys = [order.why, ...order.courses.flatMap(({ findings }) => findings.map((finding) => finding.why))];
    expect([order.courses.some(({ verdict }) => verdict === "violated"), whys]).toEqual([
      false,
      expect.arrayContaining([expect.stringMatching(why)]),
    ]);
    expect(order.courses.every(({ verdict }) => verdict === "held") && order.courses.length > 0).toBe(false);
  });
});

/** Each step needs the one before it: whatever line of a life is missing without a trace, and whichever two are exchanged, it is never acquitted for it. */
describe("a life that was tampered with", () => {
  const NEEDED = ["UnitSetUp", "LinkChecked", "DeviceOffered", "DeviceAllocated"] as const;
  test.each(NEEDED)("without %s is not held", (event) => {
    expect(judged(...without(event)).verdict).not.toBe("held");
  });

  test("with a line cut out is never held from there on, because its number is missing", () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: LIFE.length - 2 }), (cut) => {
        const said = LIFE.map((one, at): Said => [one as "Gap", { seq: at + 1 }]).filter((_, at) => at !== cut);
        expect(judged(...said).verdict).toBe("unproven");
      }),
    );
  });

  test("in any other order never throws, and has an answer with a reason", () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray([...LIFE, "UnitLost", "LinkFoundSecured", "AgentStarted", "DeviceFoundHeld", "Gap", "LinkGone"] as Said[]),
        (said) => {
          const { verdict, why } = judged(...said);
          expect(verdict === "held").toBe(why === "");
        },
      ),
    );
  });

  test("with the numbers of the device's lines pointing at lines that are there", () => {
    expect(judged(...until("LinkSecured"), "UnitLost").why).toContain(DEVICE);
  });
});
