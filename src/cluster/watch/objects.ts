// SPDX-License-Identifier: Apache-2.0

/** What every Kubernetes object and list has, looked at one member at a time: nothing is believed of an answer that was not seen in it. */
import { AppError, isAppError } from "../../runtime/errors.ts";

export type Plain = Readonly<Record<string, unknown>>;

/** The members of a map; of anything else none. */
export function asPlain(value: unknown): Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Plain) : {};
}

/** `namespace/name`, or `name` of an object without namespace. @throws API_UNREACHABLE, garbled */
export function keyOf(object: unknown): string {
  const { namespace, name } = asPlain(asPlain(object)["metadata"]);
  if (typeof name !== "string" || name === "") throw garbled("an object has no metadata.name");
  return typeof namespace === "string" && namespace !== "" ? `${namespace}/${name}` : name;
}

/** Of an object or a list. @throws API_UNREACHABLE, garbled */
export function versionOf(object: unknown): string {
  const { resourceVersion } = asPlain(asPlain(object)["metadata"]);
  if (typeof resourceVersion !== "string" || resourceVersion === "") throw garbled("an object has no metadata.resourceVersion");
  return resourceVersion;
}

/** The answer is no answer of an API server: what it was to say is unknown. */
export function garbled(message: string, cause?: unknown): AppError {
  return new AppError("API_UNREACHABLE", message, { details: { garbled: true }, cause });
}

export function isGarbled(thrown: unknown): boolean {
  return isAppError(thrown) && thrown.details["garbled"] === true;
}
