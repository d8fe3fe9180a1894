// SPDX-License-Identifier: Apache-2.0
/** Metrics of the DRA plugin: what kubelet asked for claims, and how long it waited. */
import type { Metrics } from "../../runtime/metrics.ts";

export const CLAIM_CALLS = ["prepare", "unprepare"] as const;
export type ClaimCall = (typeof CLAIM_CALLS)[number];

export interface DraMetrics {
  /** One answer for one claim: ok, or the code of the error. */
  answer(call: ClaimCall, result: string, durationMs: number): void;
}

const RESULTS = ["ok", "NOT_OFFERED", "LINK_PENDING", "UNKNOWN_DEVICE", "DEADLINE", "KUBELET_ABSENT", "SHUTTING_DOWN", "INVARIANT_BROKEN"] as const;
/** An answer without a link takes milliseconds, one with it seconds; kubelet gives up after 45 s. */
const SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 5, 10, 20, 40];

export function draMetrics(metrics: Metrics): DraMetrics {
  const answers = metrics.counter({
    name: "claim_answers_total",
    help: "Answers to kubelet for ResourceClaims",
    labels: { call: CLAIM_CALLS, result: RESULTS },
  });
  const seconds = metrics.histogram({
    name: "claim_answer_seconds",
    help: "Time until kubelet was answered for a ResourceClaim",
    labels: { call: CLAIM_CALLS },
    buckets: SECONDS,
  });
  return {
    answer(call, result, durationMs) {
      answers({ call, result });
      seconds({ call }, durationMs / 1000);
    },
  };
}
