// SPDX-License-Identifier: Apache-2.0
import type { YAMLError } from "yaml";

/** What to do about each kind of error in a YAML text, in our words; the library's own speak of its parser. */
export const YAML_FIXES: Readonly<Record<YAMLError["code"], string>> = {
  ALIAS_PROPS: "remove the anchor or tag before the alias (*name)",
  BAD_ALIAS: 'put it in quotes: * and & at the beginning have a meaning in YAML ("*:9100")',
  BAD_COLLECTION_TYPE: "remove the tag (!…)",
  BAD_DIRECTIVE: "remove the line that begins with %",
  BAD_DQ_ESCAPE: "write each backslash between double quotes twice, or use single quotes",
  BAD_INDENT: "indent it like its neighbours, with blanks",
  BAD_PROP_ORDER: "write anchors and tags before the value, on its line",
  BAD_SCALAR_START: "put the value in quotes",
  BLOCK_AS_IMPLICIT_KEY: "put the value in quotes, or begin a new line after the colon",
  BLOCK_IN_FLOW: "close the brackets first, or write everything between them on lines with commas",
  DUPLICATE_KEY: "remove one: the same name stands twice here",
  IMPOSSIBLE: "write a map of names and values",
  KEY_OVER_1024_CHARS: "write a shorter name before the colon",
  MISSING_CHAR: "add what is missing here: a closing quote or bracket, a comma, or a colon with a blank after it",
  MULTILINE_IMPLICIT_KEY: "write the name before a colon on one line, and a colon with a blank after it",
  MULTIPLE_ANCHORS: "remove one of the anchors (&name)",
  MULTIPLE_DOCS: "write one document: remove what follows ---",
  MULTIPLE_TAGS: "remove one of the tags (!…)",
  NON_STRING_KEY: "write a text before the colon",
  RESOURCE_EXHAUSTION: "write fewer levels",
  TAB_AS_INDENT: "indent with blanks, not with tabs",
  TAG_RESOLVE_FAILED: "remove the tag (!…), or put the value in quotes",
  UNEXPECTED_TOKEN: "remove it, or put the value in quotes",
};
