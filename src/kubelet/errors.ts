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
  const details = thrown instanceof Error && "details" in thrown && typeof thrown.details === "string" ? thrown.details : messageOf(thrown);
  if (code === status.UNAVAILABLE) return new AppError("KUBELET_ABSENT", `kubelet does not answer: ${details}`, { cause: thrown });
  if (code === status.DEADLINE_EXCEEDED) return new AppError("DEADLINE", `kubelet did not answer in time: ${details}`, { cause: thrown });
  return new AppError(refused, details, { cause: thrown });
}
