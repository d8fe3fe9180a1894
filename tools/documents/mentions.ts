// SPDX-License-Identifier: Apache-2.0

/** Names of files that documents and comments mention, held against the tree. Pure. */

/** A mention of a file that is not there. */
export interface Missing {
  readonly place: string;
  readonly name: string;
}

const NAME = /(?<![\w./*{}$<>-])((?:[\w.-]+\/)*[\w-]+(?:\.[\w-]+)*\.(?:ts|mjs|md|proto))(?![\w/*])/g;

/** Names of TypeScript files and documents in the comments of a source file, or in the whole of a document. */
export function mentionsIn(path: string, text: string): readonly string[] {
  const spoken = path.endsWith(".md") ? text : commentsOf(text);
  return [...spoken.matchAll(NAME)].map(([, name = ""]) => name);
}

function commentsOf(text: string): string {
  return [...text.matchAll(/\/\*[\s\S]*?\*\/|(?<![:"'`])\/\/[^\n]*/g)].map(([comment]) => comment).join("\n");
}

/** Whether some file of the tree has the name, as a whole path or as the end of one. */
export function isInTree(name: string, files: readonly string[]): boolean {
  const plain = name.replace(/^(?:\.\.?\/)+/, "");
  return files.some((file) => file === plain || file.endsWith(`/${plain}`));
}
