// SPDX-License-Identifier: Apache-2.0

/** The little Markdown that generated blocks and the test of links need. */

/** A table with a header row. Cells are Markdown; line ends and pipes in them are taken care of. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll(/\s*\n\s*/g, " ");
}

/** Inline code; empty stays empty. */
export function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

/** A description as a sentence: capital letter first, full stop last. Names in camel case keep their first letter. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const isPlainWord = /^[a-z]+(?=[\s,;:.'-]|$)/.test(trimmed);
  const first = isPlainWord ? trimmed.charAt(0).toUpperCase() + trimmed.slice(1) : trimmed;
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** Text that stands outside of code must not be taken for HTML. */
export function plain(text: string): string {
  return text.replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** The anchor that GitHub gives a heading, before it numbers repeated ones. */
export function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, "")
    .replaceAll(" ", "-");
}
