// SPDX-License-Identifier: Apache-2.0

/** What the audit log says afterwards of a device whose story is known. */
import type { CourseStep, OrderVerdict } from "../../../src/domain/audit/course.ts";
import { ordersOf } from "../checks/audit-checks.ts";
import type { World } from "../life/world.ts";
import { plainIntent, specOf, type WorldShape } from "../models/shape.ts";
import { advance, intent, POD, type Scenario, start, step, TWO_UNITS, UP } from "./scenario.ts";

const ON_PREPARE: Partial<WorldShape> = { linkEnable: "OnPrepare", spec: specOf(plainIntent({ link: { enable: "OnPrepare" } })) };
const EXTERNAL: Partial<WorldShape> = { linkEnable: "External", spec: specOf(plainIntent({ link: { enable: "External" } })) };
const GONE = [step("terminatePod", { word: "pod-0" }), step("finishPod", { word: "pod-0", at: 0 })];
const RUNNING = [...UP, ...POD, advance(3_000)];

/** Of the first function; `steps`: of its newest span of trust. */
function audit(verdict: OrderVerdict, steps?: readonly CourseStep["step"][]): (world: World) => readonly string[] {
  return (world) => {
    const order = ordersOf(world).get(world.host.functions[0]?.address ?? "");
    const way = order?.courses.at(-1)?.steps.map((one) => one.step) ?? [];
    const wrong = order?.verdict === verdict ? [] : [`the audit log should say ${verdict}, it says ${order?.verdict}: ${order?.why}`];
    return steps === undefined || steps.join() === way.join()
      ? wrong
      : [...wrong, `the audit log should tell of ${steps.join()}, it tells of ${way.join()}`];
  };
}

const WHOLE = ["unit set up", "offered", "allocated", "link secured", "device free", "link released", "unit cleared"] as const;

export const AUDITS: readonly Scenario[] = [
  {
    name: "the order of a whole life is held, by the audit log",
    shape: ON_PREPARE,
    steps: [...RUNNING, intent("cleared"), ...GONE, advance(25_000)],
    check: audit("held", WHOLE),
  },
  {
    name: "the order of a life in which the agent was killed is held, by the audit log",
    shape: ON_PREPARE,
    steps: [...RUNNING, step("crashAgent"), start, advance(20_000), intent("cleared"), ...GONE, advance(25_000)],
    check: audit("held"),
  },
  {
    name: "the order of a life whose link was reset and repaired is held, by the audit log",
    shape: ON_PREPARE,
    steps: [...RUNNING, step("resetLink", { at: 0 }), advance(14_000), intent("cleared"), ...GONE, advance(25_000)],
    check: audit("held"),
  },
  {
    name: "a link that was released under a pod by somebody else is in the audit log",
    shape: EXTERNAL,
    steps: [
      ...UP,
      ...POD,
      advance(2_000),
      step("secureLink", { at: 0, word: "Tsm" }),
      advance(25_000),
      step("releaseLink", { at: 0 }),
      advance(25_000),
    ],
    check: audit("violated"),
  },
  {
    name: "a unit that was lost under a pod is in the audit log",
    shape: { ...TWO_UNITS, ...ON_PREPARE },
    steps: [...RUNNING, step("loseUnit", { at: 0 }), advance(25_000)],
    check: audit("violated"),
  },
  {
    name: "what somebody did to a link while no agent ran is not held against anybody by the audit log",
    shape: ON_PREPARE,
    steps: [...RUNNING, step("crashAgent"), ...GONE, step("releaseLink", { at: 0 }), start, advance(20_000), intent("cleared"), advance(25_000)],
    check: audit("unproven"),
  },
  {
    name: "an audit log that could not be written proves nothing, and keeps no device back",
    shape: ON_PREPARE,
    steps: [...UP, step("auditReadOnly"), ...POD, advance(3_000), step("auditReadOnly"), advance(5_000)],
    check: (world) => [...audit("unproven")(world), ...(world.api.pods[0]?.isRunning ? [] : ["the pod should run"])],
  },
];
