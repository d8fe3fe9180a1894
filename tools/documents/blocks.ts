// SPDX-License-Identifier: Apache-2.0

/**
 * Generated blocks inside written documents: `<!-- begin generated: NAME -->`, the block, `<!-- end generated: NAME -->`. The text around a block is
 * written by hand, the block by tools/generate-docs.ts.
 */

const begin = (name: string): string => `<!-- begin generated: ${name} -->`;
const end = (name: string): string => `<!-- end generated: ${name} -->`;

/** Names of the blocks that `text` has, in order. */
export function blocksIn(text: string): readonly string[] {
  return [...text.matchAll(/^<!-- begin generated: (\S+) -->$/gm)].map((found) => found[1] ?? "");
}

/** `text` with the content of block `name` replaced. @throws when the block is not there exactly once, from begin to end */
export function withBlock(text: string, name: string, content: string): string {
  const [before, rest, ...repeated] = text.split(`${begin(name)}\n`);
  const [, after, ...twice] = (rest ?? "").split(end(name));
  if (before === undefined || after === undefined || repeated.length + twice.length > 0)
    throw new Error(`it must have "${begin(name)}" and "${end(name)}" once, each on a line of its own`);
  return `${before}${begin(name)}\n\n${content.trim()}\n\n${end(name)}${after}`;
}
