// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { createDevicePluginLedger } from "../../../src/agent/ledgers/device-plugin.ts";
import type { OfferedResource } from "../../../src/domain/offer.ts";
import { GPU } from "../../support/builders.ts";

const ONE = "0000:17:00.0";
const OTHER = "0000:18:00.0";

test("withdrawing adds nothing, and takes health away", () => {
  const lists: (readonly OfferedResource[])[] = [];
  const plugins = {
    publish: (list: readonly OfferedResource[]) => void lists.push(list),
    publications: () => [],
    sendAgain: () => undefined,
    onChange: () => () => undefined,
  };
  const ledger = createDevicePluginLedger({ ...plugins, close: async () => undefined });
  const list = (devices: Readonly<Record<string, boolean>>): readonly OfferedResource[] => [
    { resource: GPU, isQuiet: false, devices: Object.entries(devices).map(([id, healthy]) => ({ id, healthy, numaNode: 0 })) },
  ];
  ledger.list(list({ [ONE]: true }));
  ledger.withdraw(list({ [ONE]: false, [OTHER]: true }));
  ledger.withdraw(list({ [ONE]: true, [OTHER]: true }));
  expect(lists.at(-1)).toEqual(list({ [ONE]: false }));
});
