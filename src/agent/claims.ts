// SPDX-License-Identifier: Apache-2.0

/**
 * Claims that kubelet has prepared: what was allocated in the API server is given to a pod here, or refused. Each asks the gate for all of its devices at
 * once, waits outside of every lock for what is about to be put right (a link, a claim that is ending), and is written down before it is answered.
 */
import type { Address } from "../domain/device.ts";
import { attributesOf } from "../domain/dra/attributes.ts";
import { baseRequest, baseRequestsOf, type NodeClaim } from "../domain/dra/claim.ts";
import type { ClaimFile, PreparedDevice } from "../domain/dra/claim-file.ts";
import { addressOf, claimName } from "../domain/dra/holds.ts";
import { CLAIM_CDI_KIND, claimCdiDevice, DRA_DRIVER, metadataCdiDevice } from "../domain/dra/names.ts";
import { WAITED_FOR_BY_CLAIM } from "../domain/gate/rule-sets.ts";
import type { Hold } from "../domain/holds.ts";
import type { Answer } from "../domain/view.ts";
import type { DraHandlers, GivenDevice } from "../kubelet/dra/port.ts";
import { AppError } from "../runtime/errors.ts";
import { type Admission, type AdmissionParts, createAdmission, type Judged } from "./admission.ts";
import type { AuditKeeper } from "./audit-keeper.ts";
import type { ClaimKeeper } from "./claim-keeper.ts";
import { type LinkTurns, untilLinked } from "./link-wait.ts";
import type { AgentPorts, DraPorts } from "./ports.ts";
import type { AgentState } from "./state.ts";

export interface ClaimParts extends AdmissionParts {
  readonly ports: Pick<AgentPorts, "clock" | "host" | "intent">;
  readonly dra: Pick<DraPorts, "claims">;
  readonly files: Pick<ClaimKeeper, "write" | "remove">;
  readonly state: AgentState;
  readonly audit: Pick<AuditKeeper, "did" | "written">;
  readonly turns: LinkTurns;
  /** The loop should look soon. */
  readonly onAnswered: () => void;
}

/** Kubelet's own deadline is 45 s, the plugin's 40 s, and it comes back after a failure only at its next resync of the pod, about 69 s later. */
export const CLAIM_WAIT_MS = 38_000;

export function createClaimHandlers(parts: ClaimParts): DraHandlers {
  const { ports, state, dra } = parts;
  const admission = createAdmission(parts);

  const give = async (claim: NodeClaim, judged: readonly Judged[]): Promise<readonly GivenDevice[]> => {
    const answers = judged.map((one) => answerOf(one, claim, ports.clock.nowMs()));
    const before = answers.map(({ address }) => state.memory.holds.get(address));
    for (const [index, answer] of answers.entries()) {
      state.noteAnswer(answer);
      parts.audit.did({ kind: "Prepare", answer, slot: judged[index]?.slot ?? null });
    }
    try {
      await parts.files.write(fileOf(claim, judged));
    } catch (thrown) {
      for (const [index, answer] of answers.entries()) takeBack(parts, answer, before[index]);
      throw thrown;
    }
    await parts.audit.written();
    admission.refuseEarly();
    return givenDevices(claim);
  };

  return {
    async prepare(ref, signal) {
      admission.refuseEarly();
      const untilMs = ports.clock.nowMs() + CLAIM_WAIT_MS;
      const claim = await dra.claims.get(ref);
      if (claim === null) throw new AppError("NOT_OFFERED", `${claimName(ref)} with UID ${ref.uid} is not there any more`);
      const addresses = addressesOf(claim);
      const [first = ""] = addresses;
      const asked = { address: first, untilMs, waitedFor: WAITED_FOR_BY_CLAIM, signal };
      // Two claims of one device: what the first one noted in its turn closes the gate for the second.
      const answer = await untilLinked(parts, asked, () => admitAll(admission, { claim, addresses }, (judged) => give(claim, judged)));
      parts.onAnswered();
      return answer;
    },
    async unprepare(ref) {
      await parts.files.remove(ref.uid);
      state.noteUnprepared(ref.uid);
      parts.onAnswered();
    },
  };
}

/** All of them under the locks of their units, in the same turn in which the last one was found open. */
function admitAll<T>(
  admission: Admission,
  { claim, addresses }: { readonly claim: NodeClaim; readonly addresses: readonly Address[] },
  then: (judged: readonly Judged[]) => Promise<T>,
): Promise<T> {
  const asked = addresses.map((address) => ({ resource: null, address, purpose: "Prepare" as const, kubelet: null, claim: claim.uid }));
  return admission.admitAll(asked, then);
}

/** @throws CLAIM_REFUSED naming the field and what to do */
function addressesOf(claim: NodeClaim): readonly Address[] {
  const name = claimName(claim);
  const [parameter] = claim.parameters;
  if (parameter !== undefined) throw new AppError("CLAIM_REFUSED", `${name}: ${parameter}: ${DRA_DRIVER} takes no parameters; remove it`);
  if (claim.devices.length === 0) throw new AppError("NOT_OFFERED", `${name} is not allocated a device of this node any more`);
  return claim.devices.map((device) => {
    if (device.adminAccess)
      throw new AppError("CLAIM_REFUSED", `AdminAccessRefused: ${name}: request ${device.request} asks for adminAccess; remove it`);
    const address = addressOf(device);
    if (address === null) throw new AppError("NOT_OFFERED", `${name}: ${device.device} is no device of this node`);
    return address;
  });
}

function answerOf({ verdict, vfioCdev }: Judged, claim: NodeClaim, atMs: number): Answer {
  return { address: verdict.address, resource: DRA_DRIVER, node: vfioCdev, atMs, epoch: verdict.epoch ?? "", kubelet: null, claim: claim.uid };
}

function takeBack({ state, audit }: Pick<ClaimParts, "state" | "audit">, answer: Answer, before: Hold | undefined): void {
  state.noteNotGiven(answer, before);
  audit.did({ kind: "NotGiven", answer });
}

function fileOf({ namespace, name, uid, podClaimName, devices }: NodeClaim, judged: readonly Judged[]): Omit<ClaimFile, "bootId" | "isVoid"> {
  const prepared = devices.map(({ request, pool }, index): PreparedDevice => {
    const one = judged[index];
    if (one === undefined) throw new Error("a device of a claim was not judged");
    const attributes = one.fn === null ? {} : attributesOf(one.fn, { resource: one.verdict.resource?.name ?? "", simulated: one.simulated });
    return { address: one.verdict.address, request, pool, node: one.vfioCdev, epoch: one.verdict.epoch ?? "", attributes };
  });
  return { namespace, name, uid, podClaimName, devices: prepared, simulated: judged.some(({ simulated }) => simulated) };
}

/** The names in its file: of each device, and with the first one of a request that of the request's metadata. */
function givenDevices({ uid, devices }: NodeClaim): readonly GivenDevice[] {
  const requests = baseRequestsOf(devices);
  return devices.map((one, index) => {
    const { request, pool, device } = one;
    const place = requests.indexOf(baseRequest(request));
    const isFirst = devices.findIndex((other) => baseRequest(other.request) === requests[place]) === index;
    const names = [claimCdiDevice(uid, addressOf(one) ?? ""), ...(isFirst ? [metadataCdiDevice(uid, place)] : [])];
    return { requests: [request], pool, device, cdiNames: names.map((name) => `${CLAIM_CDI_KIND}=${name}`) };
  });
}
