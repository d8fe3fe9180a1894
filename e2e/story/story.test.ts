// SPDX-License-Identifier: Apache-2.0
// The story: from a manifest to a running pod on a real cluster, and everything that may go wrong on the way. One cluster, told in order: each
// test goes on where the one before it ended, so after a failure the rest is skipped.
import { afterAll, afterEach, beforeAll, beforeEach, describe } from "vitest";
import { openRung, rungTitle } from "../cluster/rung.ts";
import { tellOfTheApi } from "./chapters/api.ts";
import { tellOfClaims } from "./chapters/claims.ts";
import { tellOfClear } from "./chapters/clear.ts";
import { tellOfCrashes } from "./chapters/crashes.ts";
import { tellOfLoss } from "./chapters/loss.ts";
import { tellOfRights } from "./chapters/rights.ts";
import { tellOfTrust } from "./chapters/trust.ts";
import { keepEvidence } from "./evidence.ts";
import { openStage, type Stage } from "./stage.ts";

const rung = await openRung();

describe.skipIf(rung.skipReason !== null)(rungTitle("the story on a real cluster", rung), () => {
  let stage: Stage | null = null;
  let wentWrong: string | null = null;

  const onStage = (): Stage => {
    if (stage === null) throw new Error("no stage");
    return stage;
  };

  beforeAll(async () => {
    stage = await openStage(rung);
  });

  beforeEach(({ task, skip }) => {
    skip(wentWrong !== null, "something went wrong before");
    rung.progress(`# ${task.name}`);
  });

  afterEach(async ({ task }) => {
    if (task.result?.state !== "fail" || wentWrong !== null) return;
    wentWrong = task.name;
    await keepEvidence(onStage(), `${task.name}: ${task.result.errors?.[0]?.message}`);
  });

  afterAll(async () => {
    await stage?.cluster.stop({ failed: wentWrong !== null });
  });

  describe("the API", () => tellOfTheApi(onStage));
  describe("trust", () => tellOfTrust(onStage));
  describe("rights", () => tellOfRights(onStage));
  describe("crashes", () => tellOfCrashes(onStage));
  describe("clear", () => tellOfClear(onStage));
  describe("loss", () => tellOfLoss(onStage));
  describe("claims", () => tellOfClaims(onStage));
});
