// SPDX-License-Identifier: Apache-2.0
/**
 * Draws a captured terminal as SVG: `tmux capture-pane -pe | node tools/terminal-picture.ts > docs/terminal.svg`. Knows the few SGR codes that the
 * views use; anything else is dropped.
 */
import { readFileSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";

const COLORS: Readonly<Record<string, string>> = {
  "31": "#ff7b72",
  "32": "#7ee787",
  "33": "#e3b341",
  "34": "#79c0ff",
  "36": "#76e3ea",
  "37": "#c9d1d9",
  "90": "#8b949e",
};
const CHAR = { width: 8.4, height: 18, size: 14 } as const;
const MARGIN = 16;

/** Backgrounds are used for one thing only: the banner. */
const BACKGROUNDS: Readonly<Record<string, string>> = { "43": "#e3b341", "41": "#ff7b72", "49": "" };

interface Style {
  color: string;
  background: string;
  bold: boolean;
  dim: boolean;
}

const PLAIN: Style = { color: "#c9d1d9", background: "", bold: false, dim: false };

/** Changes by code; codes that are not here are colours. */
const EFFECTS: Readonly<Record<string, Partial<Style>>> = {
  "": PLAIN,
  "0": PLAIN,
  "1": { bold: true },
  "2": { dim: true },
  "22": { bold: false, dim: false },
  "30": { color: "#0d1117" },
  "39": { color: PLAIN.color },
};

function styleAfter(style: Style, codes: readonly string[]): Style {
  const next = { ...style };
  for (const code of codes) {
    const color = COLORS[code];
    const background = BACKGROUNDS[code];
    Object.assign(next, EFFECTS[code], color === undefined ? {} : { color }, background === undefined ? {} : { background });
  }
  return next;
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function drawLine(line: string, row: number): string {
  let style = { ...PLAIN };
  let column = 0;
  const y = MARGIN + (row + 1) * CHAR.height;
  const parts: string[] = [];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is parsed here
  for (const piece of line.split(/(\x1b\[[0-9;]*m)/)) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
    const codes = /^\x1b\[([0-9;]*)m$/.exec(piece);
    if (codes) {
      style = styleAfter(style, (codes[1] ?? "").split(";"));
      continue;
    }
    if (piece === "") continue;
    const x = MARGIN + column * CHAR.width;
    const width = [...piece].length * CHAR.width;
    if (style.background !== "")
      parts.push(`<rect x="${x}" y="${y - CHAR.height + 4}" width="${width}" height="${CHAR.height}" fill="${style.background}"/>`);
    const weight = style.bold ? ' font-weight="bold"' : "";
    const opacity = style.dim ? ' opacity="0.6"' : "";
    parts.push(
      `<text x="${x}" y="${y}" fill="${style.color}"${weight}${opacity} textLength="${width}" xml:space="preserve">${escaped(piece)}</text>`,
    );
    column += [...piece].length;
  }
  return parts.join("");
}

const lines = readFileSync(0, "utf8").trimEnd().split("\n");
const columns = Math.max(...lines.map((line) => [...stripVTControlCharacters(line)].length));
const width = Math.ceil(2 * MARGIN + columns * CHAR.width);
const height = Math.ceil(2 * MARGIN + lines.length * CHAR.height);
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="${CHAR.size}">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${lines.map(drawLine).join("\n")}
</svg>
`);
