// SPDX-License-Identifier: Apache-2.0

/**
 * Keeps claim files as the gate says: a file resolves only while the gate of each of its devices is open in the epoch and with the node that it was given.
 * A container runtime resolves a CDI name when it makes a container, without a call to kubelet or to the agent. A file that must not resolve is renamed to
 * `.void`, and renamed back when its unit is trusted again in the same epoch: kubelet does not prepare a claim again while its pods run. A file is removed
 * when its claim is unprepared, or when neither the API server nor kubelet knows the claim any more.
 */
import type { ClaimFile, ClaimFilesView } from "../domain/dra/claim-file.ts";
import { judge } from "../domain/gate/gate.ts";
import { SPEC_RULES } from "../domain/gate/rule-sets.ts";
import type { ClaimFilesPort } from "../kubelet/dra/port.ts";
import { AppError, messageOf } from "../runtime/errors.ts";
import { createSerialQueue } from "../runtime/serial.ts";
import type { GateOn } from "./pass.ts";
import type { AgentPorts } from "./ports.ts";

export interface ClaimKeeper {
  /** @throws CDI_UNWRITABLE */
  write(file: Omit<ClaimFile, "bootId" | "isVoid">): Promise<void>;
  /** @throws CDI_UNWRITABLE */
  remove(uid: string): Promise<void>;
  /** A file is not as it should be by now, as far as was last read. */
  mustSync(): boolean;
  /**
   * Removes the files that `orphansOf` names among those that are there then, voids the others and brings them back, by the newest readings. Never rejects.
   * @returns why a file is not as it should be, empty when all are; and the claims whose files are gone
   */
  sync(orphansOf?: (files: readonly ClaimFile[]) => readonly string[]): Promise<{ readonly problem: string; readonly removed: readonly string[] }>;
}

export interface ClaimKeeperOptions {
  /** The gate by the newest readings; null before the first whole look. */
  readonly gate: () => GateOn | null;
  /** Epochs of the units that the table calls trusted: what is known before the first whole look. */
  readonly epochs: () => ReadonlySet<string>;
  readonly bootId: () => Promise<string | null>;
}

export function createClaimKeeper(files: ClaimFilesPort, { log }: Pick<AgentPorts, "log">, options: ClaimKeeperOptions): ClaimKeeper {
  // One at a time: a file that is voided must not be the one that is being written.
  const queue = createSerialQueue();
  let bootId: string | null = null;
  let last: ClaimFilesView = { files: [], unreadable: [] };

  const read = async (): Promise<ClaimFilesView> => {
    last = await files.read();
    return last;
  };
  const isWrong = (file: ClaimFile): boolean => file.isVoid === (file.bootId === bootId && mayResolve(file, options));

  /** @returns why it could not be done; empty when it was */
  const attempt = async (uid: string, work: () => Promise<void>): Promise<string> => {
    try {
      await work();
      return "";
    } catch (thrown) {
      log.warn({ err: thrown, claim: uid }, "claim file is not as it should be");
      return messageOf(thrown);
    }
  };
  const mend = (file: ClaimFile): Promise<void> => (file.isVoid ? files.write({ ...file, isVoid: false }) : files.void(file.uid));

  return {
    write: (file) =>
      queue.run(async () => {
        bootId = await options.bootId();
        if (bootId === null) throw new AppError("CDI_UNWRITABLE", "the boot id cannot be read, so that the claim's file would prove nothing");
        await files.write({ ...file, bootId, isVoid: false });
        await read();
      }),
    remove: (uid) =>
      queue.run(async () => {
        await files.remove(uid);
        await read();
      }),
    mustSync: () => last.files.some(isWrong),
    sync: (orphansOf = () => []) =>
      queue.run(async () => {
        bootId = await options.bootId();
        const view = await read();
        const problems = [...view.unreadable];
        // In the same turn of the queue as the reading: a claim that is prepared again meanwhile is written after.
        const orphans = new Set(orphansOf(view.files));
        const removed: string[] = [];
        for (const file of view.files) {
          const { uid } = file;
          const problem = await attempt(uid, async () => {
            if (orphans.has(uid)) {
              await files.remove(uid);
              removed.push(uid);
            } else if (isWrong(file)) await mend(file);
          });
          problems.push(problem);
        }
        await read();
        return { problem: problems.find((problem) => problem !== "") ?? "", removed };
      }),
  };
}

/** Of each device: the gate, as for CDI specs, in the epoch and with the node that it was given. What was void before this process looked stays so until then. */
function mayResolve({ devices, isVoid }: ClaimFile, { gate, epochs }: ClaimKeeperOptions): boolean {
  const now = gate();
  if (now === null) return !isVoid && devices.every(({ epoch }) => epochs().has(epoch));
  return devices.every(({ address, epoch, node }) => {
    const inputs = now(address);
    const verdict = judge(inputs, SPEC_RULES);
    return verdict.offered && verdict.epoch === epoch && (inputs.fn?.vfioCdev ?? null) === node;
  });
}
