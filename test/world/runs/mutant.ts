// SPDX-License-Identifier: Apache-2.0
import type { Edit } from "./edits.ts";

export interface Mutant {
  readonly name: string;
  /** More than one where two rules guard the same thing, and either alone is enough. */
  readonly edits: readonly Edit[];
}
