// SPDX-License-Identifier: Apache-2.0

/** Those of which the test is true, and the others, each in their order. */
export function parted<T>(all: readonly T[], test: (one: T) => boolean): readonly [T[], T[]] {
  return [all.filter(test), all.filter((one) => !test(one))];
}
