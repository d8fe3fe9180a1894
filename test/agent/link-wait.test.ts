// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { createLinkTurns, type LinkWaitParts, untilLinked } from "../../src/agent/link-wait.ts";
import { createState, type Pass } from "../../src/agent/state.ts";
import { groundFrom } from "../../src/domain/ground.ts";
import type { LinkEnable } from "../../src/domain/intent.ts";
import type { LinkVerdict } from "../../src/domain/plan/link-step.ts";
import { AppError } from "../../src/runtime/errors.ts";
import { anIntent, aView } from "../support/builders.ts";
import { createFakeClock } from "../support/fake-clock.ts";

const OWNER = "0000:17:00.0";
const closed = (reason: string) => new AppError("NOT_OFFERED", `${OWNER} is withheld, ${reason}`, { details: { address: OWNER, reason } });

function setUp(enable: LinkEnable = "OnPrepare", links: readonly LinkVerdict[] = []) {
  const clock = createFakeClock();
  const state = createState(3_000);
  const intent = anIntent({ link: { enable } });
  state.notePass({ ground: groundFrom(aView()), plan: { units: [], binds: [], links } } as unknown as Pass);
  const turns = createLinkTurns(clock);
  const parts: LinkWaitParts = {
    ports: { clock, intent: { current: () => ({ intent, generation: 1, problem: "" }), onChange: () => () => undefined } },
    state,
    turns,
  };
  const answers: (AppError | string)[] = [];
  const ask = async (): Promise<string> => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer instanceof AppError) throw answer;
    return answer ?? "";
  };
  const wait = () => untilLinked(parts, { address: OWNER, untilMs: clock.nowMs() + 20_000 }, ask);
  return { clock, state, turns, answers, wait };
}

const verdict = (over: Partial<LinkVerdict>): LinkVerdict => ({
  owner: OWNER,
  step: null,
  message: "",
  blocked: "",
  isWatched: true,
  wakeAtMs: null,
  ...over,
});
const settled = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => String(value),
    (thrown: AppError) => `${thrown.code}: ${thrown.message}`,
  );

describe("a start that waits for its link", () => {
  it("asks again when a link has changed, and once a second anyway", async () => {
    const { clock, turns, answers, wait } = setUp();
    answers.push(closed("LinkNotSecured"), closed("LinkBroken"), "yes");
    const end = settled(wait());
    await clock.settle();
    expect(answers).toHaveLength(2);
    turns.changed();
    await clock.settle();
    expect(answers).toHaveLength(1);
    await clock.advance(1_000);
    expect(await end).toBe("yes");
    expect(clock.pending()).toBe(0);
  });

  it("does not wait for what nobody is about to put right, nor where links are nobody's business", async () => {
    for (const [enable, reason] of [
      ["OnPrepare", "UnitNotTrusted"],
      ["OnPrepare", "AuthenticationFailed"],
      ["Never", "LinkUnknown"],
    ] as const) {
      const { clock, answers, wait } = setUp(enable);
      answers.push(closed(reason));
      expect(await settled(wait())).toBe(`NOT_OFFERED: ${OWNER} is withheld, ${reason}`);
      expect(clock.pending()).toBe(0);
    }
  });

  it.each([
    ["is being secured for 20 s", [], true, "LinkNotSecured"],
    ["waits to be secured (1 in the queue)", [verdict({ step: { kind: "Connect", owner: OWNER, tsm: "tsm0" } })], false, "LinkNotSecured"],
    ["is not secured (NoStreamLeft): no IDE stream is left", [verdict({ message: "no IDE stream is left" })], false, "NoStreamLeft"],
    [
      "is not secured (RepairBlocked): 0000:17:00.1 is open in pid 4711",
      [verdict({ blocked: "0000:17:00.1 is open in pid 4711" })],
      false,
      "RepairBlocked",
    ],
    [`is not secured: ${OWNER} is withheld, LinkNotSecured`, [], false, "LinkNotSecured"],
  ] as const)("is refused after 20 s: %s", async (text, links, isWriting, reason) => {
    const { clock, state, answers, wait } = setUp("OnPrepare", links);
    if (isWriting) state.noteLinkBegins({ owner: OWNER, kind: "Connect", sinceMs: clock.nowMs() });
    answers.push(closed(reason));
    const end = settled(wait());
    await clock.advance(20_000);
    expect(await end).toBe(`LINK_PENDING: link of ${OWNER} ${text}`);
    expect(clock.pending()).toBe(0);
  });

  it("ends with the agent", async () => {
    const { clock, state, turns, answers, wait } = setUp();
    answers.push(closed("LinkNotSecured"));
    const end = settled(wait());
    await clock.settle();
    state.noteStopping();
    turns.changed();
    expect(await end).toBe("SHUTTING_DOWN: the agent is stopping");
  });
});
