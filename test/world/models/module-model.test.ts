// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import type { DriverTable } from "../../../src/domain/unit.ts";
import { isAppError } from "../../../src/runtime/errors.ts";
import type { CallResult, ClearTarget } from "../../../src/seamcall/port.ts";
import { SimulatorModel } from "../../models/simulator-model.ts";
import { createDice, type Dice } from "../life/dice.ts";
import { settle } from "../life/turnstile.ts";
import { ModuleModel } from "./module-model.ts";
import { CLEAR_LEAF, FAULTS, type LeafName, SETUP_LEAF, STATUS } from "./module-status.ts";
import { WORLD, WorldTime } from "./world-time.ts";

const BASES = ["0xd97fc000", "0xfed90000"] as const;
const SEEDS = 200;
const CALLS = 60;
const LINK = "0000:17:00.0";

/** The world's module beside the simulator's model, which is held against the C itself. */
function pair(interruptions: number) {
  const time = new WorldTime();
  const links = new Set<string>();
  const info = { simulated: true, realSetup: false, didUnreserved: false, honoursNotAfter: true };
  const units = BASES.map((regBase, at) => ({ regBase, canConnect: at === 0, isForeign: false }));
  const mine = new ModuleModel(time, { units, info, latencyMs: 0, interruptions, ideOn: (regBase) => links.has(regBase) });
  let boots = 0;
  const facts = { segment: 0, numaNode: 0, cap: 0n, gsts: 0xc600_0000, foreign: false };
  const theirs = new SimulatorModel({
    units: units.map(({ regBase, canConnect }) => ({ ...facts, regBase, ecap: canConnect ? 1n << 50n : 0n })),
    interruptions,
    clock: time.clockOf(WORLD),
    newInstance: () => `${boots++}`,
  });
  return { time, links, mine, theirs, port: theirs.open() };
}

type Pair = ReturnType<typeof pair>;

async function idle({ time }: Pair): Promise<void> {
  do await settle();
  while (time.fireNext(time.nowMs));
}

/** An outcome, or the code of the error. */
async function call(both: Pair, leaf: LeafName, target: ClearTarget): Promise<readonly [string, string]> {
  const answers = ["", ""];
  const note =
    (at: 0 | 1) =>
    (answer: unknown): void => {
      answers[at] = isAppError(answer) ? answer.code : (answer as CallResult).outcome;
    };
  const { regBase } = target;
  const isClear = leaf === CLEAR_LEAF;
  const notAfter = both.port.deadline(3_600_000);
  const asked = { target: isClear ? target : null, notAfter: isClear ? notAfter : null };
  both.mine.submit({ leaf, regBase, ...asked, process: 1, begins: () => undefined, done: note(0) });
  const theirs = isClear ? both.port.clear(target, notAfter) : both.port.setup(regBase);
  theirs.then(note(1), note(1));
  await idle(both);
  return [answers[0] ?? "", answers[1] ?? ""];
}

function portrait(table: DriverTable) {
  return table.units.map(({ regBase, state, tdxIommuId, setupSeq, retryable, lastCall }) => {
    const last = lastCall && { leaf: lastCall.leaf, status: lastCall.status, attempts: lastCall.attempts };
    return { regBase, state, tdxIommuId, setupSeq, retryable, last };
  });
}

/** One random thing done to both; what each answered. */
async function act(both: Pair, dice: Dice): Promise<readonly [string, string]> {
  const regBase = dice.chance(0.85) ? BASES[0] : BASES[1];
  const unit = both.mine.find(regBase);
  const none = ["", ""] as const;
  switch (dice.below(10)) {
    case 0:
    case 1:
    case 2:
      return await call(both, SETUP_LEAF, { regBase, tdxIommuId: 0n, setupSeq: 0n });
    case 3:
    case 4:
      return await call(both, CLEAR_LEAF, { regBase, tdxIommuId: unit?.id ?? 9n, setupSeq: (unit?.seq ?? 0n) + (dice.chance(0.9) ? 0n : 1n) });
    case 5: {
      const status = STATUS[dice.pick(FAULTS)];
      const leaf = dice.chance(0.5) ? SETUP_LEAF : CLEAR_LEAF;
      both.mine.faults.splice(0, both.mine.faults.length, { name: "", leaf, regBase, status, delayMs: 0, count: 2 });
      both.theirs.clearFaults();
      both.theirs.addFault({ leaf, regBase, status, count: 2 });
      return none;
    }
    case 6: {
      const isOn = dice.chance(0.5);
      if (isOn) both.links.add(regBase);
      else both.links.delete(regBase);
      both.theirs.setLink({ regBase, address: LINK }, isOn);
      return none;
    }
    case 7: {
      const isPresent = dice.chance(0.8);
      if (unit) both.mine.setPresent(unit, isPresent);
      both.theirs.setPresent(regBase, isPresent);
      return none;
    }
    case 8: {
      if (both.mine.environment.value === "Ok") {
        both.mine.setEnvironment("NotReady");
        both.theirs.moduleGone("NotReady");
      } else {
        const lost = dice.chance(0.5);
        if (lost) both.mine.loadModuleAnew();
        else both.mine.setEnvironment("Ok");
        both.theirs.moduleBack({ lost });
      }
      return none;
    }
    default:
      if (dice.chance(0.7)) return none;
      both.mine.reboot();
      both.theirs.reboot();
      both.links.clear();
      return none;
  }
}

test("the world's TDX module answers as the simulator's model does, call by call", async () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const dice = createDice(seed);
    const both = pair(dice.below(3));
    for (let number = 1; number <= CALLS; number += 1) {
      const [mine, theirs] = await act(both, dice);
      await idle(both);
      const where = `seed ${seed}, call ${number}`;
      expect({ where, answer: mine, table: portrait(both.mine.list()) }).toEqual({ where, answer: theirs, table: portrait(both.theirs.list()) });
    }
  }
});
