// SPDX-License-Identifier: Apache-2.0
import type { ClaimRef } from "../../../src/domain/dra/claim.ts";
import { DRA_DRIVER } from "../../../src/domain/dra/names.ts";
import type { PodDevices } from "../../../src/kubelet/port.ts";
import type { ClaimFolder } from "./claim-files-model.ts";
import type { ClaimPod } from "./claim-pod.ts";
import type { DraApi } from "./dra-api.ts";
import { type Cancel, callPrepare, callUnprepare, type DraCallParts, type PrepareAnswer } from "./dra-calls.ts";
import { DraCheckpoint, type PreparedClaim } from "./dra-checkpoint.ts";
import type { DraKubeletSide, DraPluginModel } from "./dra-plugin-model.ts";
import { SliceWiper } from "./slice-wiper.ts";
import { WORLD } from "./world-time.ts";

/** A pod whose claims could not be prepared is tried again so much later. */
const RESYNC_MS = 69_000;
/** Claims of pods that are not there any more are unprepared so often, and for the first time so long after kubelet's start. */
const RECONCILE_MS = 60_700;
/** Between two starts of a container that could not be made. */
const CONTAINER_BACKOFF_MS = 10_000;

/** devicemanager's words for a container of which it knows no device. */
const NOT_IN_CACHE = "no devices found allocated in local cache";

/** What the process is; its device manager is another model. */
export interface KubeletProcess {
  readonly isRunning: boolean;
  readonly isBlind: boolean;
  readonly isCutOff: boolean;
  /** No container with the resource starts (KubeletModel). */
  failsByPreStart(resource: string): boolean;
}

export interface DraKubeletParts extends DraCallParts {
  readonly api: DraApi;
  readonly kubelet: KubeletProcess;
  readonly folder: ClaimFolder;
  /** A container runs, or has ended: what its VM opens is not this model's. */
  readonly onRun?: (pod: ClaimPod, isRunning: boolean) => void;
}

/** Kubelet's DRA manager, as version 1.37 behaves, and the containers of its pods. */
export class DraKubelet implements DraKubeletSide {
  readonly #parts: DraKubeletParts;
  readonly #wiper: SliceWiper;
  readonly #checkpoint = new DraCheckpoint();
  readonly #plugins = new Map<number, DraPluginModel>();
  /** Pods whose claims are being prepared, or will be again only at the next resync. */
  readonly #busy = new Map<string, "Call" | "Resync">();
  readonly #calls = new Set<Cancel>();
  plugin: DraPluginModel | null = null;
  /** Registrations that will be refused. */
  refusals = 0;
  /** Calls to unprepare that will fail; it comes back to them at its next reconciliation. */
  unprepareFailures = 0;
  #incarnation = 0;

  constructor(parts: DraKubeletParts) {
    this.#parts = parts;
    this.#wiper = new SliceWiper(parts.api);
    parts.api.onPods(() => this.look());
    this.start();
  }

  get isRunning(): boolean {
    return this.#parts.kubelet.isRunning;
  }

  /** UIDs of claims in its checkpoint. */
  get known(): readonly string[] {
    return this.#checkpoint.uids;
  }

  /** When it has wiped slices. */
  get wipedMs(): readonly number[] {
    return this.#wiper.wipedMs;
  }

  /** A process whose socket this kubelet looks for. */
  attach(plugin: DraPluginModel): void {
    this.#plugins.set(plugin.process, plugin);
  }

  register(plugin: DraPluginModel): string | null {
    if (this.refusals > 0) {
      this.refusals -= 1;
      return "refused";
    }
    this.plugin = plugin;
    return null;
  }

  pluginGone(plugin: DraPluginModel): void {
    if (this.plugin !== plugin) return;
    this.plugin = null;
    this.#wiper.pluginGone();
  }

  /** The process is gone, and its sockets with it. */
  forget(process: number): void {
    const plugin = this.#plugins.get(process);
    this.#plugins.delete(process);
    plugin?.gone();
    if (plugin) this.pluginGone(plugin);
  }

  /** Goes with the process, after it: the checkpoint and the containers stay. */
  kill(): void {
    this.#incarnation += 1;
    this.plugin = null;
    for (const cancel of [...this.#calls]) cancel();
    this.#busy.clear();
    this.#wiper.kill();
    this.#checkpoint.forgetMemory();
  }

  /** To be called when the process runs again: slices are wiped, plugins are looked for, pods that have not got on are tried again. */
  start(): void {
    this.#incarnation += 1;
    this.#wiper.start();
    for (const plugin of this.#plugins.values()) plugin.lookedFor();
    this.#in(RECONCILE_MS, () => this.#reconcile());
    for (const pod of this.#own()) if (pod.stage === "Prepared") this.#startContainer(pod);
    this.look();
  }

  /** Every sandbox is gone: all is prepared again, and nothing unprepared. To be called between `kill` and `start`. */
  reboot(): void {
    for (const pod of this.#own()) {
      if (pod.stage === "Running") this.#parts.onRun?.(pod, false);
      if (pod.stage !== "Over") pod.stage = "Pending";
    }
  }

  /** A change of the pod brings the next try at once. */
  touch(pod: ClaimPod): void {
    if (this.#busy.get(pod.uid) === "Resync") this.#busy.delete(pod.uid);
    this.look();
  }

  /** The container is made again, without a call to the plugin. False: a CDI name does not resolve. */
  restartContainer(pod: ClaimPod): boolean {
    if (!this.canWork || pod.stage !== "Running") return false;
    this.#parts.onRun?.(pod, false);
    pod.stage = "Prepared";
    return this.#startContainer(pod);
  }

  /** The pod has ended: what only it had is unprepared. */
  end(pod: ClaimPod, isKept: boolean): void {
    if (pod.stage === "Running") this.#parts.onRun?.(pod, false);
    pod.stage = "Over";
    pod.phase = "Succeeded";
    pod.isInApi = isKept;
    this.#parts.api.podsChanged();
    if (this.canWork) this.#release((uid) => uid === pod.uid);
  }

  /** `kubectl delete --force`: the API forgets it at once; kubelet ends it when it hears of that. */
  forceDelete(pod: ClaimPod): void {
    pod.isInApi = false;
    this.#parts.api.podsChanged();
  }

  /** Dynamic resources of podresources: of active pods. */
  listed(): readonly PodDevices[] {
    const active = this.#own().filter((pod) => pod.isInApi && !pod.isTerminating && pod.stage !== "Over");
    return active.flatMap((pod) => this.#checkpoint.listed(pod));
  }

  /** It runs, and hears of pods. */
  get canWork(): boolean {
    const { isRunning, isBlind } = this.#parts.kubelet;
    return isRunning && !isBlind;
  }

  #own(): readonly ClaimPod[] {
    return this.#parts.api.pods.filter(({ node }) => node === this.#parts.api.node);
  }

  /** As long as this process lives. */
  #in(ms: number, then: () => void): void {
    const incarnation = this.#incarnation;
    this.#parts.api.time.after(WORLD, ms, () => {
      if (this.#incarnation === incarnation && this.isRunning) then();
    });
  }

  /** It hears of pods: of those that wait, and of those that are gone. */
  look(): void {
    const { isCutOff } = this.#parts.kubelet;
    for (const pod of this.canWork && !isCutOff ? this.#own() : []) {
      const isWanted = pod.isInApi && !pod.isTerminating;
      if (!pod.isInApi && pod.stage !== "Over") this.end(pod, false);
      else if (isWanted && pod.stage === "Pending" && !this.#busy.has(pod.uid)) this.#prepare(pod);
    }
  }

  #prepare(pod: ClaimPod): void {
    this.#busy.set(pod.uid, "Call");
    const refs = pod.claimUids.map((uid) => this.#readable(pod, uid));
    const refusal = refs.find((ref) => typeof ref === "string");
    const claims = refs.flatMap((ref) => (typeof ref === "string" || refusal !== undefined ? [] : [this.#checkpoint.add(ref, pod.uid)]));
    const asked = claims.filter(({ isPrepared }) => !isPrepared);
    if (refusal !== undefined) this.#refused(pod, refusal);
    else if (asked.length === 0) this.#prepared(pod);
    else if (this.plugin === null) this.#refused(pod, `DRA driver ${DRA_DRIVER} is not registered`);
    else this.#call(callPrepare, this.plugin, asked, (answer) => this.#answered(pod, asked, answer));
  }

  /** A fresh read of the claim; a string: why the pod may not have it. */
  #readable(pod: ClaimPod, uid: string): ClaimRef | string {
    const { api } = this.#parts;
    if (!api.isReachable.value) return "connection refused";
    const claim = api.claims.get(uid)?.value;
    if (claim === undefined) return `claim ${uid} is not there`;
    const isAllowed = claim.allocation?.node === api.node && claim.reservedFor.some((user) => user.uid === pod.uid);
    return isAllowed ? { namespace: claim.namespace, name: claim.name, uid } : `pod ${pod.name} is not allowed to use claim ${claim.name}`;
  }

  #call<T>(
    call: (parts: DraCallParts, plugin: DraPluginModel, claims: readonly ClaimRef[], then: (answer: T) => void) => Cancel,
    plugin: DraPluginModel,
    claims: readonly PreparedClaim[],
    then: (answer: T) => void,
  ): void {
    const incarnation = this.#incarnation;
    const refs = claims.map(({ ref }) => ref);
    const cancel = call(this.#parts, plugin, refs, (answer) => {
      this.#calls.delete(cancel);
      if (this.#incarnation === incarnation) then(answer);
    });
    this.#calls.add(cancel);
  }

  #answered(pod: ClaimPod, asked: readonly PreparedClaim[], answer: PrepareAnswer): void {
    const refusals: string[] = [];
    for (const claim of asked) {
      const given = answer.get(claim.ref.uid) ?? "no answer for this claim";
      if (typeof given === "string") refusals.push(given);
      else Object.assign(claim, { given, isPrepared: true });
    }
    if (refusals.length > 0) this.#refused(pod, refusals.join("; "));
    else this.#prepared(pod);
  }

  #refused(pod: ClaimPod, why: string): void {
    pod.refusals.push(why);
    this.#busy.set(pod.uid, "Resync");
    if (pod.stage === "Over") this.#release((uid) => uid === pod.uid);
    this.#in(RESYNC_MS, () => this.touch(pod));
  }

  #prepared(pod: ClaimPod): void {
    this.#busy.delete(pod.uid);
    if (pod.stage === "Over") this.#release((uid) => uid === pod.uid);
    if (pod.stage !== "Pending") return;
    pod.stage = "Prepared";
    this.#startContainer(pod);
  }

  /** The container runtime makes it by the CDI names that are in place now. */
  #startContainer(pod: ClaimPod): boolean {
    const devices = this.#checkpoint.devicesOf(pod, this.#parts.folder);
    const isAsked = pod.extended !== null && this.#parts.kubelet.failsByPreStart(pod.extended.resource);
    if (devices === null || isAsked) {
      pod.refusals.push(devices === null ? "unresolvable CDI devices" : NOT_IN_CACHE);
      this.#in(CONTAINER_BACKOFF_MS, () => {
        if (pod.stage === "Prepared" && pod.isInApi && !pod.isTerminating) this.#startContainer(pod);
      });
      return false;
    }
    pod.devices = devices;
    pod.stage = "Running";
    pod.phase = "Running";
    this.#parts.onRun?.(pod, true);
    return true;
  }

  /** What nobody uses any more is unprepared, in one call, and goes from the checkpoint only with a yes. */
  #release(isGone: (podUid: string) => boolean): void {
    const free = this.#checkpoint.release((uid) => isGone(uid) && this.#busy.get(uid) !== "Call");
    if (free.length === 0 || this.plugin === null) return;
    if (this.unprepareFailures > 0) {
      this.unprepareFailures -= 1;
      return;
    }
    // A pod that comes to it meanwhile prepares it anew.
    for (const claim of free) claim.isPrepared = false;
    this.#call(callUnprepare, this.plugin, free, (answer: ReadonlyMap<string, string | null>) => {
      for (const claim of free) if (claim.pods.size === 0 && answer.get(claim.ref.uid) === null) this.#checkpoint.drop(claim);
    });
  }

  #reconcile(): void {
    this.#in(RECONCILE_MS, () => this.#reconcile());
    if (this.canWork) this.#release((uid) => !this.#own().some((pod) => pod.uid === uid && pod.isInApi && pod.stage !== "Over"));
  }
}
