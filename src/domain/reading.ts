// SPDX-License-Identifier: Apache-2.0

/**
 * Something read, or why it could not be. Unreadable is never taken for empty. `isMissing`: there is no such thing on this machine, so that there is
 * nothing to repair either.
 */
export type Reading<T> =
  | { readonly kind: "Read"; readonly value: T }
  | { readonly kind: "Unreadable"; readonly why: string; readonly isMissing?: true };
