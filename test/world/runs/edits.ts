// SPDX-License-Identifier: Apache-2.0

/** One change of a source file, and how it finds its place whatever the formatter does to the lines. */
export interface Edit {
  /** Below src/. */
  readonly file: string;
  /** What is replaced: compared without white space and without commas that only end a list. It occurs once. */
  readonly find: string;
  readonly replace: string;
}

/** The source with the edit. @throws when what it looks for is not there exactly once */
export function edited(source: string, { file, find, replace }: Edit): string {
  const places = placesOf(source, find);
  const [place] = places;
  if (place === undefined || places.length > 1) throw new Error(`"${find}" occurs ${places.length} times in ${file}`);
  return source.slice(0, place.from) + replace + source.slice(place.to);
}

interface Place {
  readonly from: number;
  readonly to: number;
}

export function placesOf(source: string, find: string): readonly Place[] {
  const inSource = squeezed(source);
  const wanted = squeezed(find).text;
  const places: Place[] = [];
  for (let at = inSource.text.indexOf(wanted); at >= 0; at = inSource.text.indexOf(wanted, at + 1)) {
    places.push({ from: inSource.indexes[at] ?? 0, to: (inSource.indexes[at + wanted.length - 1] ?? 0) + 1 });
  }
  return places;
}

/** The text without what a formatter moves, and where each of its characters stood. */
function squeezed(text: string): { readonly text: string; readonly indexes: readonly number[] } {
  const indexes = [...text.matchAll(/[^\s,]|,(?!\s*[)\]}])/g)].map(({ index }) => index);
  return { text: indexes.map((index) => text[index]).join(""), indexes };
}
