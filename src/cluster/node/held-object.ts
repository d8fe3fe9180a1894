// SPDX-License-Identifier: Apache-2.0
import { inForceAfter } from "../../api/cleared.ts";
import { parseTrustedIommu } from "../../api/parse.ts";
import type { IntentView } from "../port.ts";

/** What is known of the node's TrustedIommu. */
export interface Held {
  readonly view: IntentView;
  /** Of the object; null: there is none. A re-created object has another one. */
  readonly uid: string | null;
  /** Its status, unchecked. */
  readonly status: unknown;
}

const ABSENT: Held = { view: { intent: null, generation: 0, problem: "" }, uid: null, status: undefined };

/**
 * What is known after `object` was seen (null: there is none). An object that breaks its schema leaves the last good intent in force, unless it
 * says Cleared (api/cleared.ts) or is another object of the same name: the intent of a deleted object is over.
 */
export function hold(previous: Held | null, object: unknown): Held {
  if (object === null) return ABSENT;
  const uid = uidOf(object);
  const status = typeof object === "object" ? Reflect.get(object, "status") : undefined;
  const verdict = parseTrustedIommu(object);
  if (verdict.ok) {
    const { intent, generation } = verdict.value;
    return { view: { intent, generation, problem: "" }, uid, status };
  }
  const last = previous !== null && previous.uid === uid ? previous.view : ABSENT.view;
  return { view: { ...inForceAfter(last.intent, verdict), generation: last.generation }, uid, status };
}

/** True when the two say the same to the agent: its own status writes come back as events and must not wake it. */
export function saysTheSame(a: Held | null, b: Held): boolean {
  return a !== null && a.uid === b.uid && JSON.stringify(a.view) === JSON.stringify(b.view);
}

function uidOf(object: unknown): string {
  const metadata: unknown = typeof object === "object" && object !== null ? Reflect.get(object, "metadata") : null;
  const uid: unknown = typeof metadata === "object" && metadata !== null ? Reflect.get(metadata, "uid") : "";
  return typeof uid === "string" ? uid : "";
}
