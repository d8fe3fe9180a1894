// SPDX-License-Identifier: Apache-2.0

/** The report: a NodeStatus from one observation and the decisions made on it. Pure; the conditions are in conditions.ts. */
import { conditionsFrom } from "./conditions.ts";
import type { Address } from "./device.ts";
import { listedDevices } from "./dra/holds.ts";
import type { Verdict } from "./gate/inputs.ts";
import { type Ground, inSlot } from "./ground.ts";
import { blindSpots, type Hold } from "./holds.ts";
import { atMostThree, END_STREAM, isStreamOfNobody, releasable } from "./link-names.ts";
import { withoutStreamLeft } from "./links/streams.ts";
import { linkWord } from "./links/word.ts";
import type { UnitVerdict } from "./plan/finding.ts";
import { CONDITION_REASONS } from "./reason.ts";
import type { ReportInputs } from "./report-inputs.ts";
import { decodeStatus, hexStatus } from "./seamcall-status.ts";
import type { Slot } from "./slot.ts";
import {
  type Condition,
  type DeviceStatus,
  isGateOpen,
  type NodeStatus,
  type OtherUnitStatus,
  type StatusCounts,
  type TdxModuleStatus,
  type UnitStatus,
} from "./status.ts";
import type { LastCall } from "./unit.ts";

/** TDX_FEATURES0 bit 6. */
const TDX_CONNECT = 1n << 6n;

export function reportFrom(inputs: ReportInputs): NodeStatus {
  const { ground } = inputs;
  const { host } = ground.view;
  const status: Omit<NodeStatus, "conditions" | "summary"> = {
    agent: inputs.agent,
    observedGeneration: inputs.generation,
    bootId: (host.kind === "Read" && host.value.bootId) || "",
    simulated: isSimulated(inputs),
    tdxModule: moduleStatus(inputs),
    counts: countsFrom(inputs),
    units: inputs.plan.units.map((verdict) => unitStatus(verdict, ground)),
    otherUnits: otherUnits(ground),
    devices: inputs.verdicts.filter(isWorthListing).map((verdict) => deviceStatus(verdict, inputs)),
  };
  const conditions = conditionsFrom(inputs, status).map((condition) => withTransition(condition, inputs));
  return { ...status, summary: conditions.find((condition) => condition.type === "Ready")?.message ?? "", conditions };
}

/** A kernel's SEAMCALLs may be simulated too. While the driver can't be read it is what it was. */
function isSimulated({ driver, ground, previous }: ReportInputs): boolean {
  const read = ground.view.driver;
  if (driver === "simulated") return true;
  return read.kind === "Read" ? read.value.info.simulated : (previous?.simulated ?? false);
}

/** TEE-I/O-capable, matched and undecided functions; all others are a count. */
function isWorthListing(verdict: Verdict): boolean {
  return verdict.reason !== "NotTeeCapable" || verdict.resource !== null;
}

function moduleStatus({ ground, driver }: ReportInputs): TdxModuleStatus {
  const read = ground.view.driver;
  if (read.kind !== "Read") return { version: "", connect: false, driver, environment: "", instance: "" };
  const { info } = read.value;
  // A kernel that owns SETUP does not show the module's features; that it has set up a unit says as much.
  const connect = info.features0 !== null ? (info.features0 & TDX_CONNECT) !== 0n : [...ground.units.values()].some((fact) => fact.epoch !== null);
  return { version: info.module?.version ?? "", connect, driver: read.value.name, environment: info.environment, instance: info.instance };
}

function countsFrom(inputs: ReportInputs): StatusCounts {
  const { ground, verdicts, plan } = inputs;
  const selected = plan.units.filter((verdict) => verdict.selected);
  const devicesOffered = verdicts.filter((verdict) => verdict.offered && isListed(verdict, inputs)).length;
  return {
    unitsSelected: selected.length,
    unitsTrusted: selected.filter((verdict) => ground.units.get(verdict.regBase)?.epoch != null).length,
    functions: ground.functions.size,
    devicesOffered,
    devicesWithheld: verdicts.filter(isWorthListing).length - devicesOffered,
  };
}

function unitStatus(verdict: UnitVerdict, ground: Ground): UnitStatus {
  const fact = ground.units.get(verdict.regBase);
  const { host } = ground.view;
  const hostUnit = host.kind === "Read" ? host.value.units.find((unit) => unit.regBase === verdict.regBase) : undefined;
  const entry = fact?.entry;
  // A unit that the table calls trusted and that is not proven so (another instance, no environment) is not reported as trusted.
  const listed = entry?.state === "Trusted" && fact?.epoch === null ? "Unknown" : (entry?.state ?? "Unknown");
  const state = verdict.reason === "TdxConnectMissing" ? "Unsupported" : listed;
  return {
    regBase: verdict.regBase,
    kernelName: hostUnit?.kernelName ?? "",
    state,
    tdxIommuId: entry?.tdxIommuId == null ? "" : `0x${entry.tdxIommuId.toString(16)}`,
    setupSeq: fact?.epoch == null ? "" : `0x${fact.entry.setupSeq.toString(16)}`,
    numaNode: entry?.numaNode ?? null,
    reason: verdict.reason,
    message: verdict.message,
    lastCall: entry?.lastCall ? lastCallStatus(entry.lastCall) : null,
    pagesRetained: entry?.pagesRetained ?? 0,
  };
}

function otherUnits({ view: { host } }: Ground): OtherUnitStatus[] {
  if (host.kind !== "Read") return [];
  const unreadable = host.value.unreadableUnits.map(({ kernelName, why }) => ({ kernelName, reason: "UnitUnreadable" as const, message: why }));
  const others = host.value.otherKinds.map((kernelName) => ({ kernelName, reason: "OtherKind" as const, message: "" }));
  return [...unreadable, ...others].sort((a, b) => (a.kernelName < b.kernelName ? -1 : 1));
}

function lastCallStatus(call: LastCall): NonNullable<UnitStatus["lastCall"]> {
  const { name, operand } = decodeStatus(call.leaf, call.status);
  const durationMs = Number(call.durationNs / 1000n) / 1000;
  return { leaf: call.leaf, status: hexStatus(call.status), name, operand, attempts: call.attempts, durationMs };
}

/** Held, as far as is known: shown by a view now, or handed out by us and not shown yet. */
function holderOf(hold: Hold | undefined): { pod: string } | null {
  const isHeld = hold !== undefined && (hold.freeSinceMs === null || hold.pod === "");
  return isHeld ? { pod: hold.pod } : null;
}

/** Kubelet has the device: the plugin of its resource is registered, and the newest list that it was sent names the device. */
function isListed({ address, resource }: Verdict, { ground, hasKubelet }: ReportInputs): boolean {
  if (resource?.ledger === "DRA") return isInSlices(address, ground);
  if (!hasKubelet) return true;
  const publication = ground.view.publications.find((one) => one.resource === resource?.name);
  return publication?.registered === true && publication.ids.includes(address);
}

/** The API server has it in a slice, and no taint of ours keeps schedulers away. */
function isInSlices(address: Address, { view }: Ground): boolean {
  return listedDevices(view).some((one) => one.address === address && one.taints.length === 0);
}

function deviceStatus(verdict: Verdict, inputs: ReportInputs): DeviceStatus {
  const { ground, holds } = inputs;
  const isAwaited = verdict.offered && !isListed(verdict, inputs);
  const { fn, slot } = inSlot(ground, verdict.address) ?? {};
  const hold = holds.get(verdict.address);
  return {
    address: verdict.address,
    regBase: fn?.unit.kind === "Unit" ? fn.unit.regBase : "",
    hostBridge: fn?.hostBridge ?? "",
    offered: verdict.offered && !isAwaited,
    reason: isAwaited ? awaited(verdict) : verdict.reason,
    message: messageOf(verdict, inputs),
    resource: verdict.resource?.name ?? hold?.resource ?? "",
    ledger: verdict.resource?.ledger ?? "",
    link: { state: slot ? linkWord(slot, inputs.linkWork) : "Unknown", tsm: slot?.link.tsm ?? "" },
    usedBy: holderOf(hold),
  };
}

function awaited({ resource }: Verdict): "AwaitingKubelet" | "AwaitingSlice" {
  return resource?.ledger === "DRA" ? "AwaitingSlice" : "AwaitingKubelet";
}

/** A link is released where it belongs to, and that may be another function. */
function messageOf(verdict: Verdict, inputs: ReportInputs): string {
  const { ground } = inputs;
  const slot = inSlot(ground, verdict.address)?.slot;
  if (verdict.offered) return slot === undefined ? verdict.message : waitMessage(verdict, slot, inputs);
  if (verdict.reason !== "LinkSecuredBeforeSetup" || !slot) return heldMessage(verdict, ground);
  if (isStreamOfNobody(slot)) return `${verdict.message}; ${END_STREAM}`;
  return `${verdict.message}; release the link of ${atMostThree(releasable([slot], ground.slots.values()))}`;
}

/** It stays offered, and who was given it waits for its link: of that the status is to tell, too. */
function waitMessage({ address, message }: Verdict, slot: Slot, { holds, securesLinks, linkWork }: ReportInputs): string {
  if (!securesLinks || holderOf(holds.get(address)) === null) return message;
  const blocker = linkWork.blocked.get(slot.owner);
  if (blocker !== undefined) return `RepairBlocked: ${blocker}`;
  const missing = slot.link.state === "Insecure" ? withoutStreamLeft(slot) : "";
  return missing === "" ? message : `NoStreamLeft: ${missing}`;
}

/** A held device waits until it is free. Who cannot see that says so, or it would wait for ever without a word. */
function heldMessage({ reason, message, address }: Verdict, ground: Ground): string {
  if (!reason.startsWith("Held")) return message;
  return [message, ...blindSpots(ground, [address]).map((what) => `cannot read ${what}`)].join("; ");
}

/** lastTransitionTime moves only when the condition's status does. */
function withTransition(condition: Omit<Condition, "lastTransitionTime" | "observedGeneration">, inputs: ReportInputs): Condition {
  const before = inputs.previous?.conditions.find((old) => old.type === condition.type);
  const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : inputs.now;
  return { ...condition, observedGeneration: inputs.generation, lastTransitionTime };
}

/** The report a stopping agent leaves: units stay as they are (trust outlives the agent), but nothing is offered any more. */
export function stoppedReport(status: NodeStatus, now: string): NodeStatus {
  const conditions = status.conditions.map((condition): Condition => {
    if (condition.type !== "Ready" && condition.type !== "DevicesOffered") return condition;
    const lastTransitionTime = condition.status === "False" ? condition.lastTransitionTime : now;
    return { ...condition, status: "False", reason: "AgentStopped", message: CONDITION_REASONS.AgentStopped, lastTransitionTime };
  });
  const devices = status.devices.map((device): DeviceStatus => (isGateOpen(device) ? { ...device, offered: false, reason: "AgentStopped" } : device));
  const { devicesOffered, devicesWithheld } = status.counts;
  const counts = { ...status.counts, devicesOffered: 0, devicesWithheld: devicesOffered + devicesWithheld };
  return { ...status, summary: CONDITION_REASONS.AgentStopped, counts, devices, conditions };
}
