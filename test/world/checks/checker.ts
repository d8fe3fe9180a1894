// SPDX-License-Identifier: Apache-2.0

/**
 * The invariants I1 to I7, stated over the truth of the models and nothing else: nothing of the agent's own decisions is imported here. A fact
 * counts as known to the agent when it is older than the last moment at which the agent had nothing left to do.
 */
import type { BindChange } from "../../../src/bind/port.ts";
import { addressOfDraDevice } from "../../../src/domain/dra/names.ts";
import type { ResourceRule } from "../../../src/domain/intent.ts";
import type { PublishedResource } from "../../../src/kubelet/port.ts";
import { messageOf } from "../../../src/runtime/errors.ts";
import type { ClearTarget } from "../../../src/seamcall/port.ts";
import type { LinkWrite } from "../../../src/tsm/port.ts";
import type { AgentProcess } from "../life/agent-process.ts";
import type { Witness, Yes } from "../life/witness.ts";
import type { World } from "../life/world.ts";
import type { PreparedYes } from "../models/dra-calls.ts";
import type { Age } from "../models/fact.ts";
import type { HostFunction } from "../models/host-function.ts";
import type { Pod } from "../models/pod.ts";
import { has } from "../runs/capabilities.ts";
import { checkAnswer, checkSandbox } from "./answer-checks.ts";
import { AuditChecks } from "./audit-checks.ts";
import { bindObjections } from "./bind-rules.ts";
import { CHECKS, type CheckName, type CheckTools } from "./check-tools.ts";
import { beginObjections, clearObjections } from "./clear-rules.ts";
import { claimFilesInPlace, draAtRest } from "./dra-checks.ts";
import { objections } from "./eligibility.ts";
import { LinkOrders } from "./link-orders.ts";
import { linkWriteObjections } from "./link-rules.ts";
import { ListChecks } from "./list-checks.ts";
import { OverdueChecks } from "./overdue-checks.ts";
import { checkPrepare } from "./prepare-checks.ts";
import { EVER, mayBeBelow, setupObjections } from "./setup-rules.ts";

export class Checker implements Witness<AgentProcess> {
  readonly violations: string[] = [];
  readonly checked: Record<CheckName, number>;
  readonly #world: World;
  readonly #tools: CheckTools;
  readonly #links: LinkOrders;
  readonly #lists: ListChecks;
  readonly #overdue: OverdueChecks;
  readonly #audit: AuditChecks;
  /** When a view last showed the unit busy. */
  readonly #busy = new Map<string, Age>();
  readonly #answeredMs = new Map<string, number>();
  /** When a search for holders last showed each function open: what was opened and closed between two looks nobody could know. */
  readonly #shownOpenMs = new Map<string, number>();
  #calls: { regBase: string; ms: number }[] = [];

  constructor(world: World) {
    this.#world = world;
    this.#links = new LinkOrders(world);
    this.checked = Object.fromEntries(CHECKS.map((name) => [name, 0])) as Record<CheckName, number>;
    const isSecuredBefore = (address: string): boolean => this.#links.isSecuredBefore(address);
    this.#tools = {
      world,
      checked: this.checked,
      against: (process, address, resource, purpose = "List", ledger = "DevicePlugin") =>
        objections({ world, process, address, resource, purpose, ledger, isSecuredBefore }),
      violate: (what, why) => this.#violate(what, why),
    };
    this.#lists = new ListChecks(this.#tools);
    this.#overdue = new OverdueChecks(this.#tools, () => (world.dra === null ? [] : claimFilesInPlace(world, world.dra.folder)));
    this.#audit = new AuditChecks(this.#tools);
  }

  fatal(thrown: unknown): void {
    this.#violate("the program broke", messageOf(thrown));
  }

  /** Something that a quiet world should not look like. */
  complain(phase: string, what: string): void {
    this.#violate(`at rest ${phase}`, what);
  }

  setupIssued(process: AgentProcess, regBase: string): void {
    this.checked.setup += 1;
    const known = setupObjections(this.#world, process, regBase).filter((one) => one.sinceTick < this.#world.quiet.tick);
    for (const { why } of known) this.#violate(`SETUP of ${regBase}`, why);
    this.#pace(regBase, "SETUP");
  }

  setupBegins(_process: AgentProcess | null, regBase: string): void {
    this.#links.setupBegins(regBase);
  }

  clearIssued(process: AgentProcess, target: ClearTarget): void {
    this.checked.clear += 1;
    const { regBase } = target;
    const evidence = { busy: this.#busy.get(regBase) ?? EVER, answeredMs: this.#answeredMs };
    const known = clearObjections({ world: this.#world, process, target, ...evidence }).filter((one) => one.sinceTick < this.#world.quiet.tick);
    for (const { why } of known) this.#violate(`CLEAR of ${regBase}`, why);
    this.#pace(regBase, "CLEAR");
  }

  clearBegins(process: AgentProcess, target: ClearTarget): void {
    this.checked.clearBegins += 1;
    if (!has("clearBegins")) return;
    for (const { why } of beginObjections({ world: this.#world, process, target })) this.#violate(`CLEAR of ${target.regBase} begins`, why);
  }

  linkWriteIssued(process: AgentProcess, write: LinkWrite): void {
    this.checked.linkWrite += 1;
    if (write.kind === "Disconnect" && write.isWanted) this.#audit.linkTaken(write.owner);
    const isSecuredBefore = (address: string): boolean => this.#links.isSecuredBefore(address);
    const asked = { world: this.#world, process, write, isSecuredBefore, shownOpenMs: this.#shownOpenMs };
    const known = linkWriteObjections(asked).filter((one) => one.sinceTick < this.#world.quiet.tick);
    for (const { why } of known) this.#violate(`${write.kind} of ${write.owner}`, why);
  }

  bindIssued(process: AgentProcess, change: BindChange): void {
    this.checked.bind += 1;
    const against = ({ name, ledger }: ResourceRule) => this.#tools.against(process, change.address, name, "List", ledger);
    const asked = { world: this.#world, process, change, against, shownOpenMs: this.#shownOpenMs };
    const known = bindObjections(asked).filter((one) => one.sinceTick < this.#world.quiet.tick);
    for (const { why } of known) this.#violate(`${change.to} for ${change.address}`, why);
  }

  published(process: AgentProcess, resources: readonly PublishedResource[]): void {
    this.#lists.published(process, resources);
  }

  answered(process: AgentProcess, yes: Yes): void {
    const { call, ids } = yes;
    this.checked[call === "Allocate" ? "allocate" : "preStart"] += 1;
    checkAnswer(this.#tools, process, yes);
    this.#audit.answered(process, yes);
    if (call === "Allocate" || has("slowStarts")) for (const id of ids) this.#answeredMs.set(id, this.#world.time.nowMs);
  }

  prepared(process: AgentProcess, yes: PreparedYes): void {
    const { dra } = this.#world;
    if (dra === null) return;
    this.checked.prepare += 1;
    checkPrepare({ tools: this.#tools, process, yes, folder: dra.folder, api: dra.api });
    for (const { device } of yes.given) this.#answeredMs.set(addressOfDraDevice(device) ?? device, this.#world.time.nowMs);
  }

  resolved(pod: Pod, functions: readonly HostFunction[]): void {
    this.checked.resolved += 1;
    checkSandbox(this.#tools, pod, functions);
  }

  looked(_process: AgentProcess, view: "host" | "podresources", held: ReadonlySet<string>): void {
    const { host, kubelet, module, time } = this.#world;
    if (view === "host") this.#links.look();
    if (view === "host") for (const address of held) this.#shownOpenMs.set(address, time.nowMs);
    for (const { regBase } of module.units) {
      // A function that no look has ever placed below the unit shows nothing of it.
      const below = host.functions.filter((fn) => mayBeBelow(this.#world, fn, regBase));
      const isBusyOnHost = host.isReadable.value && below.some((fn) => fn.isPresent.value && (fn.isBusyBesides || held.has(fn.address)));
      const isListed = below.some(({ address }) => kubelet.listed().some(({ ids }) => ids.includes(address)));
      if (view === "host" ? isBusyOnHost : isListed) this.#busy.set(regBase, { sinceMs: time.nowMs, sinceTick: time.tick });
    }
  }

  /** The agent has nothing left to do at this moment. */
  atRest(): void {
    this.checked.rest += 1;
    this.#links.look();
    this.#links.forgetReleased();
    this.#overdue.atRest();
    for (const why of draAtRest(this.#world)) this.#violate("DRA", why);
    this.#audit.atRest((address) => this.#links.isSecuredBefore(address));
  }

  /** Nothing more happens. */
  ended(): void {
    this.#audit.judge();
  }

  /** SEAMCALLs of one unit never come in a burst. */
  #pace(regBase: string, leaf: string): void {
    const { nowMs } = this.#world.time;
    this.#calls = this.#calls.filter((call) => nowMs - call.ms < 1_000);
    this.#calls.push({ regBase, ms: nowMs });
    if (this.#calls.filter((call) => call.regBase === regBase).length > 6) this.#violate(`${leaf} of ${regBase}`, "more than six within a second");
  }

  #violate(what: string, why: string): void {
    const process = this.#world.process?.number ?? 0;
    this.violations.push(`${this.#world.time.nowMs} ms, agent ${process}: ${what}: ${why}`);
  }
}
