// SPDX-License-Identifier: Apache-2.0

/**
 * Text that a terminal shows and does not obey. Statuses, manifests, file names and errors come from elsewhere, and an escape sequence in one of them
 * could repaint the screen of who reads it.
 */

/** Control characters (C0, DEL, C1), marks that turn text round or have no width, line separators, halves of a character. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** `text` with � for each character that is not shown as itself, line ends among them. */
export function clean(text: string): string {
  return text.replace(UNPRINTABLE, "\ufffd");
}

/** The same for text of several lines. */
export function cleanLines(text: string): string {
  return text.split("\n").map(clean).join("\n");
}

/** JSON text with the same value, in which nothing is left but line ends between members that is not shown as itself. */
export function escapeInJson(json: string): string {
  return json.replace(UNPRINTABLE, (found) => (found === "\n" ? found : [...found].map(escapes).join("")));
}

function escapes(character: string): string {
  return character.replace(/[\s\S]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
