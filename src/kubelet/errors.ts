// SPDX-License-Identifier: Apache-2.0
import { status } from "@grpc/grpc-js";
import { AppError, ERROR_CODES, type ErrorCode, isAppError, messageOf } from "../runtime/errors.ts";

/** What a gRPC handler hands to its callback. */
export interface GrpcFailure {
  readonly code: number;
  /** Kubelet puts it into the pod's event. */
  readonly details: string;
}

/** The answer to kubelet for anything thrown: the registry's status, the code and the message. What is no AppError is a bug: INTERNAL. */
export function toGrpcFailure(thrown: unknown): GrpcFailure {
  if (!isAppError(thrown)) return { code: status.INTERNAL, details: `INVARIANT_BROKEN: ${messageOf(thrown)}` };
  return { code: ERROR_CODES[thrown.code].grpc, details: `${thrown.code}: ${thrown.message}` };
}

/** What a failed call of ours to kubelet means, as an AppError. `refused`: the code for an answer that is an error of kubelet's own. */
export function fromGrpcFailure(thrown: unknown, refused: ErrorCode): AppError {
  if (isAppError(thrown)) return thrown;
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : null;
  const told = thrown instanceof Error && "details" in thrown && typeof thrown.details === "string" ? thrown.details : messageOf(thrown);
  const details = sameForTheSameCause(told);
  if (code === status.UNAVAILABLE) return new AppError("KUBELET_ABSENT", `kubelet does not answer: ${details}`, { cause: thrown });
  if (code === status.DEADLINE_EXCEEDED) return new AppError("DEADLINE", `kubelet did not answer in time: ${details}`, { cause: thrown });
  return new AppError(refused, details, { cause: thrown });
}

/** A socket of ours, with the folder before it: each server start has a name of its own. */
const OUR_SOCKET = /[^\s"',[\]]*tiommu-[0-9a-f]{6}-[0-9a-z]+-[0-9]+\.sock/g;
/** grpc-js puts the time behind a failed connection's error (transport.js), and before a wait's end. */
const MOMENT = /\s*\(?\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z\)?/g;
const DURATION = /\b(Deadline exceeded) after [0-9.]+s/g;

/**
 * A text without what differs each time although the cause is the same. Texts become conditions and events: one that changes with each attempt is a
 * write to the API with each attempt.
 */
export function sameForTheSameCause(text: string): string {
  return text.replace(OUR_SOCKET, "our socket").replace(MOMENT, "").replace(DURATION, "$1");
}
