// SPDX-License-Identifier: Apache-2.0

/** One thing in a rendered tree. */
export type Entry =
  | { readonly kind: "File"; readonly content: string | Buffer }
  | { readonly kind: "Link"; readonly target: string }
  | { readonly kind: "Directory" }
  | { readonly kind: "Node" };

/** Entries by path relative to the tree's root, without a leading slash. */
export type Entries = Map<string, Entry>;

/** A file of one line, as sysfs attributes are. */
export function line(text: string | number): Entry {
  return { kind: "File", content: `${text}\n` };
}

/** A relative link from `from` to `to`, both paths below the root: the kernel's links are relative, so that a tree may be mounted anywhere. */
export function linkTo(from: string, to: string): Entry {
  const here = from.split("/").slice(0, -1);
  const there = to.split("/");
  let common = 0;
  while (common < here.length && here[common] === there[common]) common++;
  return { kind: "Link", target: [...here.slice(common).map(() => ".."), ...there.slice(common)].join("/") };
}

/** Adds a link at `from` that leads to `to`. */
export function addLink(entries: Entries, from: string, to: string): void {
  entries.set(from, linkTo(from, to));
}
