// SPDX-License-Identifier: Apache-2.0

/**
 * Since which level each field of the spec is understood. A field that is added takes the next level, and no field ever changes its own. The agent
 * writes its level into the status, so that a controller that writes specs for many nodes knows which fields each of them understands.
 */

/** By path below `spec`; `[]` stands for an entry of a list. Level 1 is the spec of the first release. */
export const SPEC_LEVELS: Readonly<Record<string, number>> = {
  state: 1,
  units: 1,
  "units.all": 1,
  "units.regBases": 1,
  resources: 1,
  "resources[].name": 1,
  "resources[].ledger": 1,
  "resources[].driver": 2,
  "resources[].driver.bind": 2,
  "resources[].match": 1,
  "resources[].match.vendors": 1,
  "resources[].match.devices": 1,
  "resources[].match.classes": 1,
  "resources[].match.addresses": 1,
  "resources[].match.functions": 1,
  link: 1,
  "link.enable": 1,
};

/** The level of the spec that this version understands. */
export const SPEC_LEVEL = Math.max(...Object.values(SPEC_LEVELS));
