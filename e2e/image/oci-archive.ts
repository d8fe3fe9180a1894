// SPDX-License-Identifier: Apache-2.0
// Writes OCI image archives without a builder or a registry: an OCI layout in a tar file, as `ctr images import` reads it.
import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { encodeTar, type TarEntry } from "./tar.ts";

/** What an image is made of and how it starts. */
export interface ImageSpec {
  /** Full reference, e.g. `docker.io/library/trusted-iommu:e2e`: the name pods use. */
  readonly name: string;
  /** From the lowest; files of a later layer cover those of an earlier one. */
  readonly layers: readonly (readonly TarEntry[])[];
  readonly entrypoint: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

interface Blob {
  readonly digest: string;
  readonly content: Buffer;
}

/** Writes the image to `file`. The same specification gives the same bytes.
 *  @see OCI image-spec 1.1: image-layout, index, manifest, config */
export async function writeOciArchive(image: ImageSpec, file: string): Promise<void> {
  const layers = image.layers.map((entries) => blobOf(encodeTar(entries)));
  const config = blobOfJson({
    architecture: process.arch === "x64" ? "amd64" : process.arch,
    os: "linux",
    config: { Entrypoint: image.entrypoint, Env: Object.entries(image.env).map(([name, value]) => `${name}=${value}`), WorkingDir: "/" },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.digest) },
  });
  const manifest = blobOfJson({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: descriptor("application/vnd.oci.image.config.v1+json", config),
    layers: layers.map((layer) => descriptor("application/vnd.oci.image.layer.v1.tar", layer)),
  });
  const annotations = { "io.containerd.image.name": image.name, "org.opencontainers.image.ref.name": image.name };
  const index = { schemaVersion: 2, manifests: [{ ...descriptor("application/vnd.oci.image.manifest.v1+json", manifest), annotations }] };
  const layout = [fileOf("oci-layout", json({ imageLayoutVersion: "1.0.0" })), fileOf("index.json", json(index))];
  const blobs = [...layers, config, manifest].map((blob) => fileOf(`blobs/${blob.digest.replace(":", "/")}`, blob.content));
  await writeFile(file, encodeTar([...layout, folderOf("blobs"), folderOf("blobs/sha256"), ...blobs]));
}

/** A folder that everybody may read. */
export function folderOf(path: string, mode = 0o755): TarEntry {
  return { kind: "folder", path, mode };
}

/** A file that everybody may read. */
export function fileOf(path: string, content: Buffer, isExecutable = false): TarEntry {
  return { kind: "file", path, content, isExecutable };
}

function blobOf(content: Buffer): Blob {
  return { content, digest: `sha256:${createHash("sha256").update(content).digest("hex")}` };
}

function blobOfJson(value: unknown): Blob {
  return blobOf(json(value));
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function descriptor(mediaType: string, blob: Blob): Record<string, unknown> {
  return { mediaType, digest: blob.digest, size: blob.content.length };
}
