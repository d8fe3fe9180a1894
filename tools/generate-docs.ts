// SPDX-License-Identifier: Apache-2.0

/**
 * Writes the generated blocks of docs/*.md. `--check` writes nothing and exits 1 when a block is not what the sources say.
 * Call: node tools/generate-docs.ts [--check]
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withBlock } from "./documents/blocks.ts";
import { conditionSections, REASON_LISTS, reasonSections } from "./documents/reason-blocks.ts";

const ROOT = join(import.meta.dirname, "..");

/** What fills each block, by document and block name. */
const BLOCKS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "docs/reasons.md": {
    ...Object.fromEntries(Object.entries(REASON_LISTS).map(([name, list]) => [name, reasonSections(list)])),
    conditions: conditionSections(),
  },
};

const check = process.argv.includes("--check");
for (const [file, blocks] of Object.entries(BLOCKS)) {
  const path = join(ROOT, file);
  const found = readFileSync(path, "utf8");
  const wanted = Object.entries(blocks).reduce((text, [name, content]) => withBlock(text, name, content), found);
  if (wanted === found) continue;
  if (check) {
    process.exitCode = 1;
    console.error(`${file} is not what the sources say: run node tools/generate-docs.ts`);
  } else {
    writeFileSync(path, wanted);
    console.log(`wrote ${file}`);
  }
}
