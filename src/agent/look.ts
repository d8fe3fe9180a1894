// SPDX-License-Identifier: Apache-2.0

/**
 * Looks at the node, and takes away at once what the gate does not allow any more by the newest readings: from every ledger, and by a job of its own from
 * the CDI specs. It never adds. Table and intent do not wait for a host that is slow to read, and the host not for kubelet or the API.
 */
import type { IntentView } from "../cluster/port.ts";
import { type Ground, groundFrom } from "../domain/ground.ts";
import type { HostView } from "../domain/host.ts";
import type { Intent } from "../domain/intent.ts";
import type { Reading } from "../domain/view.ts";
import type { HostLook } from "../host/port.ts";
import { keepAdopted, specsAllowed } from "./adopt.ts";
import type { AgentDra } from "./dra.ts";
import type { Ledger } from "./ledgers/ledger.ts";
import type { Newest } from "./newest.ts";
import { hostLookFor, observe } from "./observe.ts";
import { type News, openSpecs, withdrawals } from "./pass.ts";
import type { AgentPorts } from "./ports.ts";
import type { SpecKeeper, WantedSpecs } from "./spec-keeper.ts";
import type { AgentFacts, AgentState } from "./state.ts";

export interface LookParts {
  readonly ports: AgentPorts;
  readonly state: AgentFacts & Pick<AgentState, "noteAdopted">;
  readonly newest: Newest;
  readonly ledger: Ledger;
  /** Null: no DRA is served. */
  readonly dra: Pick<AgentDra, "publication" | "list" | "mustSync"> | null;
  readonly specs: Pick<SpecKeeper, "mustSync">;
  readonly wakeSpecs: () => void;
}

export interface Looks {
  /** A whole look at the node. */
  look(holders: HostLook["age"], intent?: Intent | null): Promise<Ground>;
  /** The newest readings, whichever job took them. */
  news(): News;
  /** Reads the table and withdraws by it. */
  withdraw(): Promise<undefined>;
  /** Reads the host and the table and withdraws by them. */
  withdrawByHost(): Promise<undefined>;
}

export function createLooks({ ports, state, newest, ledger, dra, specs, wakeSpecs }: LookParts): Looks {
  const currentIntent = (): Intent | null => ports.intent.current()?.intent ?? null;
  const news = (): News => ({ driver: newest.driver(), host: newest.host(), intent: currentIntent(), memory: state.memory });

  const closeGate = (): void => {
    if (state.stopping) return;
    if (state.pass) {
      ledger.withdraw(withdrawals(state.pass, news()));
      dra?.list(state.pass, news());
    }
    if (specs.mustSync() || dra?.mustSync() === true) wakeSpecs();
  };

  const readHost = async (look: HostLook): Promise<Reading<HostView>> => {
    const host = await newest.readHost(look);
    closeGate();
    return host;
  };

  return {
    news,
    async look(holders, intent = currentIntent()) {
      const driver = await newest.readDriver();
      const { memory, answers } = state;
      return groundFrom(
        await observe({
          ports,
          driver,
          intent,
          memory,
          memoryNow: () => state.memory,
          publications: ledger.held(),
          draPlugin: dra?.publication() ?? null,
          answers,
          holders,
          readHost,
        }),
      );
    },
    async withdraw() {
      await newest.readDriver();
      closeGate();
      return undefined;
    },
    async withdrawByHost() {
      if (state.pass) {
        const interest = { intent: currentIntent(), memory: state.memory, driver: state.pass.ground.view.driver };
        await newest.readHost(hostLookFor(interest, "Recent"));
        await newest.readDriver();
        // Until the first pass has ended, nothing but specs of an earlier process can be in place.
      } else await keepAdopted(ports, state, await newest.readDriver());
      closeGate();
      return undefined;
    },
  };
}

/** The CDI specs that may be in place by the newest readings: of the pass that is running, of the last one, or those of an earlier process. */
export function wantedSpecs(
  { draft, pass, adopted, memory }: AgentFacts,
  { news, asked, simulatedHost }: { readonly news: News; readonly asked: IntentView | null; readonly simulatedHost: boolean },
): WantedSpecs {
  const decided = draft ?? pass;
  const table = news.driver ?? { kind: "Unreadable" as const, why: "not read yet" };
  const specs = decided ? openSpecs(decided, news) : specsAllowed(adopted, { driver: table, memory, asked });
  return { specs, simulated: table.kind === "Read" ? table.value.info.simulated : simulatedHost };
}
