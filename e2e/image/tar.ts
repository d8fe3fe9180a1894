// SPDX-License-Identifier: Apache-2.0
// Writes tar archives (POSIX.1-1988 "ustar"): the format of OCI layers and of the archive around them. The same entries
// always give the same bytes: no times, no owners but root.

/** One entry of an archive. `path` is relative; folders have to come before what is in them. */
export type TarEntry =
  | { readonly kind: "file"; readonly path: string; readonly content: Buffer; readonly isExecutable: boolean }
  | { readonly kind: "folder"; readonly path: string; readonly mode: number }
  | { readonly kind: "link"; readonly path: string; readonly target: string };

const BLOCK = 512;

/** Encodes entries as one archive. @throws when a path does not fit the format (100 bytes, or 155 + 100 split at a slash) */
export function encodeTar(entries: readonly TarEntry[]): Buffer {
  const blocks: Buffer[] = [];
  for (const entry of entries) {
    blocks.push(encodeHeader(entry));
    if (entry.kind === "file") blocks.push(entry.content, Buffer.alloc((BLOCK - (entry.content.length % BLOCK)) % BLOCK));
  }
  blocks.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(blocks);
}

function encodeHeader(entry: TarEntry): Buffer {
  const header = Buffer.alloc(BLOCK);
  const { name, prefix } = splitPath(entry.kind === "folder" ? `${entry.path}/` : entry.path);
  const put = (text: string, offset: number): void => void header.write(text, offset);
  const octal = (value: number, width: number): string => value.toString(8).padStart(width - 1, "0");
  put(name, 0);
  put(octal(modeOf(entry), 8), 100);
  put(octal(0, 8), 108);
  put(octal(0, 8), 116);
  put(octal(entry.kind === "file" ? entry.content.length : 0, 12), 124);
  put(octal(0, 12), 136);
  put({ file: "0", link: "2", folder: "5" }[entry.kind], 156);
  if (entry.kind === "link") put(entry.target, 157);
  put("ustar\0" + "00", 257);
  put(prefix, 345);
  // The checksum is taken with its own field full of spaces.
  put("        ", 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(`${octal(sum, 7)}\0 `, 148);
  return header;
}

function modeOf(entry: TarEntry): number {
  if (entry.kind === "folder") return entry.mode;
  return entry.kind === "link" || entry.isExecutable ? 0o755 : 0o644;
}

function splitPath(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: "" };
  const slash = path.indexOf("/", path.length - 101);
  const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
  if (slash < 0 || name === "" || Buffer.byteLength(prefix) > 155) throw new Error(`too long for a tar archive: ${path}`);
  return { name, prefix };
}
