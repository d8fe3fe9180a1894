// SPDX-License-Identifier: Apache-2.0

/** Keeps the proof file (domain/proofs.ts) as this process's memory says, and knows what an earlier process of this boot wrote into it. */
import type { Address } from "../domain/device.ts";
import { type HoldProof, headerLine, holdLine, NOTHING_PROVEN, type Proofs, proofChanges, proofLines, proofsFrom } from "../domain/proofs.ts";
import { AppError, messageOf } from "../runtime/errors.ts";
import { createSerialQueue } from "../runtime/serial.ts";
import type { AgentPorts } from "./ports.ts";

export interface ProofKeeper {
  /** What an earlier process of this boot proved; nothing when the boot is unknown or another one, or the file is not ours or odd. Never rejects. */
  load(bootId: string | null): Promise<Proofs>;
  /** Makes the file say `proofs`. @returns why that cannot be; empty when it does */
  save(proofs: Proofs): Promise<string>;
  /** Writes down one hold before its device is handed out. @throws PROOF_UNWRITABLE */
  noteHold(address: Address, hold: HoldProof): Promise<void>;
  close(): void;
}

/** After so many changes the file is written anew, without what they replaced. */
const MOST_ADDED_LINES = 4_000;

export function createProofKeeper({ proofs: journal, log }: Pick<AgentPorts, "proofs" | "log">): ProofKeeper {
  const queue = createSerialQueue();
  let boot = "";
  /** What the file says; null when it must be written anew. */
  let written: Proofs | null = null;
  /** Lines that were added since the file was written anew. */
  let added = 0;

  const replace = async (proofs: Proofs): Promise<void> => {
    written = null;
    await journal.replace([headerLine(boot), ...proofLines(proofs)]);
    added = 0;
    written = proofs;
  };

  const append = async (proofs: Proofs, lines: readonly string[]): Promise<void> => {
    if (lines.length === 0) return;
    // What fails half-way is written anew.
    written = null;
    await journal.append(lines);
    added += lines.length;
    written = proofs;
  };

  return {
    load: (bootId) =>
      queue.run(async () => {
        boot = bootId ?? "";
        try {
          const found = bootId === null ? null : await journal.read();
          const proofs = found === null ? null : proofsFrom(found, boot);
          if (found !== null && proofs === null)
            log.info({}, "the proof file is of another boot or was not written by this program: it proves nothing");
          return proofs ?? NOTHING_PROVEN;
        } catch (thrown) {
          log.warn({ err: thrown }, "the proof file proves nothing");
          return NOTHING_PROVEN;
        }
      }),
    save: (proofs) =>
      queue.run(async () => {
        try {
          if (written === null || added > MOST_ADDED_LINES) await replace(proofs);
          else await append(proofs, proofChanges(written, proofs));
          return "";
        } catch (thrown) {
          return messageOf(thrown);
        }
      }),
    noteHold: (address, hold) =>
      queue.run(async () => {
        if (written === null) throw new AppError("PROOF_UNWRITABLE", "the proof file was not written yet");
        const known = written.holds.get(address);
        // Kubelet asks again: the file says it already.
        if (known !== undefined && holdLine(address, known) === holdLine(address, hold)) return;
        const holds = new Map(written.holds).set(address, hold);
        await append({ ...written, holds }, [holdLine(address, hold)]);
      }),
    close: () => journal.close(),
  };
}
