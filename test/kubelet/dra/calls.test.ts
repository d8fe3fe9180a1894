// SPDX-License-Identifier: Apache-2.0
import { afterEach, describe, expect, it } from "vitest";
import type { DraHandlers } from "../../../src/kubelet/dra/port.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { recordingMetrics } from "../../support/recording-metrics.ts";
import { until } from "../scene.ts";
import type { TestKubelet } from "./kubelet.ts";
import { type DraScene, type DraSceneOptions, given, startDraScene, X, Y } from "./scene.ts";

let scene: DraScene | null = null;
afterEach(async () => {
  await scene?.close();
  scene = null;
});

async function start(handlers: Partial<DraHandlers> = {}, options: DraSceneOptions = {}): Promise<{ s: DraScene; kubelet: TestKubelet }> {
  const s = startDraScene({ handlers, ...options });
  scene = s;
  s.plugin.serve();
  await until("served", s.isServed);
  return { s, kubelet: await s.register() };
}

const GIVEN = (uid: string) => {
  const { requests, pool, device, cdiNames } = given(uid);
  return { devices: [{ requestNames: requests, poolName: pool, deviceName: device, cdiDeviceIds: cdiNames }], error: "" };
};
const refused = (error: unknown) => ({ devices: [], error });
const busy = new AppError("NOT_OFFERED", "DeviceBusy: claim ns/y has it");
/** Works until it is told to end, and then says what it waited for. */
const waiting = (_claim: unknown, signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new AppError("LINK_PENDING", "third in the queue"))));

describe("a claim of a pod", () => {
  it("is answered with its devices, and the same again", async () => {
    const { s, kubelet } = await start();
    for (let n = 0; n < 2; n += 1) expect(await kubelet.prepare(X, Y).answer).toEqual({ claims: { [X.uid]: GIVEN(X.uid), [Y.uid]: GIVEN(Y.uid) } });
    expect(await kubelet.unprepare(X, Y).answer).toEqual({ claims: { [X.uid]: { error: "" }, [Y.uid]: { error: "" } } });
    expect(s.plugin.publication()).toEqual({ registered: true, inCalls: [], problem: "" });
  });

  it("has an error of its own, which fails neither the call nor the others", async () => {
    const prepare: DraHandlers["prepare"] = async (claim) => {
      if (claim.uid === X.uid) throw busy;
      return [given(claim.uid)];
    };
    const unprepare: DraHandlers["unprepare"] = async (claim) => {
      if (claim.uid === Y.uid) throw new AppError("CDI_UNWRITABLE", "no space left");
    };
    const { kubelet } = await start({ prepare, unprepare });
    expect(await kubelet.prepare(X, Y).answer).toEqual({ claims: { [X.uid]: refused("DeviceBusy: claim ns/y has it"), [Y.uid]: GIVEN(Y.uid) } });
    expect(await kubelet.unprepare(X, Y).answer).toEqual({ claims: { [X.uid]: { error: "" }, [Y.uid]: { error: "no space left" } } });
  });

  it("is never taken for prepared because an error says nothing, and a bug is told as one", async () => {
    const thrown = [new AppError("NOT_OFFERED", ""), new TypeError("x is undefined")];
    const prepare = async (): Promise<never> => {
      throw thrown.shift();
    };
    const { kubelet } = await start({ prepare });
    expect(await kubelet.prepare(X).answer).toEqual({ claims: { [X.uid]: refused("NOT_OFFERED") } });
    expect(await kubelet.prepare(X).answer).toEqual({ claims: { [X.uid]: refused("INVARIANT_BROKEN: x is undefined") } });
  });

  it("is handed on as kubelet names it, once in a call", async () => {
    const seen: unknown[] = [];
    const prepare: DraHandlers["prepare"] = async (claim) => {
      seen.push(claim);
      return [];
    };
    const { kubelet } = await start({ prepare });
    expect(await kubelet.prepare(X, X).answer).toEqual({ claims: { [X.uid]: refused("") } });
    expect(await kubelet.prepare().answer).toEqual({ claims: {} });
    expect(seen).toEqual([X]);
  });

  it("is counted by what was answered", async () => {
    const { metrics, counted } = recordingMetrics();
    const { kubelet } = await start({ prepare: () => Promise.reject(busy) }, { metrics });
    await kubelet.prepare(X).answer;
    await kubelet.unprepare(X, Y).answer;
    expect(counted.filter((one) => one.startsWith("claim_"))).toEqual([
      "claim_answers_total prepare NOT_OFFERED",
      "claim_answers_total unprepare ok",
      "claim_answers_total unprepare ok",
    ]);
  });

  it("reaches no handler under a UID that is none", async () => {
    const { kubelet } = await start({ prepare: waiting, unprepare: () => Promise.reject(busy) });
    const claim = { ...X, uid: "../../etc/x" };
    expect(await kubelet.prepare(claim).answer).toEqual({ claims: { [claim.uid]: refused('"../../etc/x" is no UID of a claim') } });
    expect(await kubelet.unprepare(claim).answer).toEqual({ claims: { [claim.uid]: { error: "" } } });
  });
});

describe("the claims of a call", () => {
  it("are prepared at the same time", async () => {
    const begun: string[] = [];
    const prepare: DraHandlers["prepare"] = async ({ uid }) => {
      begun.push(uid);
      await until("both", () => begun.length === 2);
      return [given(uid)];
    };
    const { kubelet } = await start({ prepare });
    expect(Object.keys((await kubelet.prepare(X, Y).answer).claims).sort()).toEqual([X.uid, Y.uid]);
  });

  it("are shown while they are worked on, and the change is told", async () => {
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { s, kubelet } = await start({ prepare: async ({ uid }) => gate.then(() => [given(uid)]) });
    const told: (readonly string[])[] = [];
    s.plugin.onChange(() => told.push(s.plugin.publication().inCalls));
    const call = kubelet.prepare(Y, X);
    await until("in calls", () => s.plugin.publication().inCalls.length === 2);
    expect(s.plugin.publication().inCalls).toEqual([X.uid, Y.uid]);
    finish();
    await call.answer;
    await until("over", () => s.plugin.publication().inCalls.length === 0);
    expect(told).toEqual([[Y.uid], [X.uid, Y.uid], expect.anything(), []]);
  });
});

describe("calls for one claim", () => {
  it("wait for each other, also for a handler whose call is over", async () => {
    const steps: string[] = [];
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const prepare: DraHandlers["prepare"] = async ({ uid }) => {
      steps.push("begin");
      await gate;
      steps.push("end");
      return [given(uid)];
    };
    const { s, kubelet } = await start({ prepare, unprepare: async () => void steps.push("unprepare") });
    const first = kubelet.prepare(X);
    await until("begun", () => steps.length === 1);
    first.cancel();
    await expect(first.answer).rejects.toMatchObject({ code: 1 });
    const second = kubelet.prepare(X);
    const other = await kubelet.unprepare(Y).answer;
    expect(other).toEqual({ claims: { [Y.uid]: { error: "" } } });
    expect(s.plugin.publication().inCalls).toEqual([X.uid]);
    const third = kubelet.unprepare(X);
    finish();
    expect(await second.answer).toEqual({ claims: { [X.uid]: GIVEN(X.uid) } });
    expect(await third.answer).toEqual({ claims: { [X.uid]: { error: "" } } });
    expect(steps).toEqual(["begin", "unprepare", "end", "begin", "end", "unprepare"]);
  });

  it("of kubelet's that it gave up before their turn are not worked on", async () => {
    const begun: AbortSignal[] = [];
    const prepare: DraHandlers["prepare"] = async (claim, signal) => {
      begun.push(signal);
      return waiting(claim, signal);
    };
    const { s, kubelet } = await start({ prepare });
    const first = kubelet.prepare(X);
    await until("begun", () => begun.length === 1);
    const later = [kubelet.prepare(X), kubelet.prepare(X)];
    const answers = Promise.allSettled([first, ...later].map(({ answer }) => answer));
    await kubelet.unprepare(Y).answer;
    for (const call of later) call.cancel();
    // What the connection carried before this answer has been received.
    await kubelet.unprepare(Y).answer;
    first.cancel();
    await answers;
    await until("over", () => s.plugin.publication().inCalls.length === 0);
    expect(begun.map(({ reason }) => reason.code)).toEqual(["KUBELET_ABSENT"]);
  });
});

describe("a call that takes too long", () => {
  it("is told to end after 40 s, and answered with what each claim waited for", async () => {
    const clock = createFakeClock();
    const reasons: unknown[] = [];
    const prepare: DraHandlers["prepare"] = async (claim, signal) => {
      if (claim.uid === Y.uid) return [given(Y.uid)];
      signal.addEventListener("abort", () => reasons.push(signal.reason));
      return waiting(claim, signal);
    };
    const { s, kubelet } = await start({ prepare }, { clock });
    const call = kubelet.prepare(X, Y);
    await until("in calls", () => s.plugin.publication().inCalls.length === 2);
    await clock.advance(39_999);
    expect({ reasons, inCalls: s.plugin.publication().inCalls }).toEqual({ reasons: [], inCalls: [X.uid, Y.uid] });
    await clock.advance(1);
    expect(await call.answer).toEqual({ claims: { [X.uid]: refused("third in the queue"), [Y.uid]: GIVEN(Y.uid) } });
    expect(reasons).toMatchObject([{ code: "DEADLINE" }]);
  });

  it("is answered before kubelet's 45 s also where a handler does not end, whose claim stays in calls", async () => {
    const clock = createFakeClock();
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { s, kubelet } = await start({ prepare: async () => gate.then(() => []), unprepare: () => gate }, { clock });
    const calls = [kubelet.prepare(X), kubelet.unprepare(Y)];
    await until("in calls", () => s.plugin.publication().inCalls.length === 2);
    await clock.advance(42_000);
    const error = "not done within 40 s; kubelet asks again";
    expect(await Promise.all(calls.map(({ answer }) => answer))).toEqual([
      { claims: { [X.uid]: refused(error) } },
      { claims: { [Y.uid]: { error } } },
    ]);
    expect(s.plugin.publication().inCalls).toEqual([X.uid, Y.uid]);
    finish();
    await until("over", () => s.plugin.publication().inCalls.length === 0);
  });

  it("ends with kubelet's connection", async () => {
    const signals: AbortSignal[] = [];
    const prepare: DraHandlers["prepare"] = (claim, signal) => {
      signals.push(signal);
      return waiting(claim, signal);
    };
    const { s, kubelet } = await start({ prepare });
    const call = kubelet.prepare(X);
    await until("begun", () => signals.length === 1);
    call.cancel();
    kubelet.close();
    await expect(call.answer).rejects.toThrow();
    await until("over", () => s.plugin.publication().inCalls.length === 0);
    expect(signals[0]?.reason).toMatchObject({ code: "KUBELET_ABSENT" });
  });
});

describe("a plugin that closes", () => {
  it("ends what is being prepared with an answer, and then its sockets", async () => {
    const begun: string[] = [];
    const prepare: DraHandlers["prepare"] = (claim, signal) => {
      begun.push(claim.uid);
      return waiting(claim, signal);
    };
    const { s, kubelet } = await start({ prepare });
    const call = kubelet.prepare(X);
    await until("begun", () => begun.length === 1);
    const closed = s.plugin.close();
    expect(await call.answer).toEqual({ claims: { [X.uid]: refused("third in the queue") } });
    await closed;
    await expect(kubelet.prepare(Y).answer).rejects.toMatchObject({ code: 14 });
    expect(begun).toEqual([X.uid]);
  });

  it("waits no longer than its bound for a handler that does not end", async () => {
    let finish = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { s, kubelet } = await start({ unprepare: () => gate }, { limits: { drainMs: 50 } });
    const call = kubelet.unprepare(X);
    await until("in calls", () => s.plugin.publication().inCalls.length === 1);
    const answer = expect(call.answer).rejects.toThrow();
    await s.plugin.close();
    await answer;
    finish();
    await until("over", () => s.plugin.publication().inCalls.length === 0);
  });
});
