// SPDX-License-Identifier: Apache-2.0

/** `teeio.dev` of `teeio.dev/gpu`; a core resource (`cpu`) is its own. */
export function domainOf(resource: string): string {
  return resource.split("/", 1)[0] ?? resource;
}

/** The domains of these resources. Ours is every name in them: the intent may have had other names in the life of a pod. */
export function domainsOf(resources: Iterable<string>): ReadonlySet<string> {
  return new Set([...resources].map(domainOf));
}
