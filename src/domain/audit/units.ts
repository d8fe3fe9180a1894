// SPDX-License-Identifier: Apache-2.0

/** Units: what one more look says of them that was not so before. Pure. */
import { isSetUp } from "../clearance.ts";
import type { UnitFact } from "../ground.ts";
import type { RegBase } from "../unit.ts";
import { type AuditEvent, auditEvent } from "./event.ts";
import type { Look, Seen, SeenUnit } from "./seen.ts";

interface UnitNews {
  readonly events: readonly AuditEvent[];
  readonly now: SeenUnit | null;
}

export interface UnitsTold {
  readonly events: readonly AuditEvent[];
  readonly now: Pick<Seen, "units" | "instance" | "generation">;
}

/** A driver that cannot be read says nothing of its units, and a table that is older than what was told, neither. */
export function unitEvents(seen: Seen, { ground }: Look): UnitsTold {
  const { driver } = ground.view;
  const { instance, generation } = seen;
  if (driver.kind !== "Read") return { events: [], now: { units: seen.units, instance, generation } };
  const { table } = driver.value;
  if (table.instance === instance && table.generation < generation) return { events: [], now: { units: seen.units, instance, generation } };
  const units = new Map<RegBase, SeenUnit>();
  const events: AuditEvent[] = [];
  for (const [regBase, fact] of ground.units) {
    const news = newsOf(seen, { regBase, fact, instance: table.instance });
    events.push(...news.events);
    if (news.now !== null) units.set(regBase, news.now);
  }
  for (const [regBase, before] of seen.units) if (!units.has(regBase)) events.push(...lost(regBase, before, "the driver does not list it"));
  return { events, now: { units, instance: table.instance, generation: table.generation } };
}

interface Told {
  readonly regBase: RegBase;
  readonly fact: UnitFact;
  readonly instance: string;
}

function newsOf(seen: Seen, { regBase, fact, instance }: Told): UnitNews {
  const before = seen.units.get(regBase);
  const call = seen.calls.get(regBase);
  const { epoch, entry } = fact;
  if (epoch !== null) {
    const now = { epoch, isTrusted: true, isSetUp: true };
    if (before?.isTrusted === true && before.epoch === epoch) return { events: [], now };
    const ended = before === undefined ? [] : lost(regBase, before, "another span of trust has begun");
    const isFound = before === undefined || before.epoch === epoch;
    const by = call === "TDH.IOMMU.SETUP" && !isFound ? "agent" : "other";
    return { events: [...ended, auditEvent(isFound ? "UnitFoundTrusted" : "UnitSetUp", by, { unit: regBase, epoch })], now };
  }
  // What is under way says nothing yet.
  if (before !== undefined && (entry.state === "Clearing" || entry.state === "SettingUp")) return { events: [], now: before };
  const now = { epoch: before?.epoch ?? null, isTrusted: false, isSetUp: isSetUp(fact) };
  if (before === undefined || (!before.isTrusted && !before.isSetUp)) return { events: [], now };
  const isSameLoad = before.epoch === null || before.epoch.startsWith(`${instance}/`);
  if (entry.state === "Untrusted" && !now.isSetUp && isSameLoad) {
    const by = call === "TDH.IOMMU.CLEAR" ? "agent" : "other";
    return { events: [auditEvent("UnitCleared", by, { unit: regBase, epoch: before.epoch ?? "" })], now };
  }
  return { events: lost(regBase, before, `its state is ${entry.state}`), now };
}

function lost(unit: RegBase, { isTrusted, epoch }: SeenUnit, detail: string): readonly AuditEvent[] {
  return isTrusted ? [auditEvent("UnitLost", "other", { unit, epoch: epoch ?? "", detail })] : [];
}
