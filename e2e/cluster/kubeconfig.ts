// SPDX-License-Identifier: Apache-2.0
import { writeFileSync } from "node:fs";
import { API_SERVER_URL } from "./network.ts";
import type { Authority, Certificate } from "./pki.ts";

/** Who a kubeconfig makes its bearer: a certificate, or a token. */
export type Credential = { readonly certificate: Certificate } | { readonly token: string };

/** Writes a kubeconfig (as JSON, which is YAML too) that refers to the certificates' files. */
export function writeKubeconfig(file: string, authority: Pick<Authority, "certificateFile">, credential: Credential): void {
  const user =
    "token" in credential
      ? { token: credential.token }
      : { "client-certificate": credential.certificate.certificateFile, "client-key": credential.certificate.keyFile };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "e2e", cluster: { server: API_SERVER_URL, "certificate-authority": authority.certificateFile } }],
    users: [{ name: "e2e", user }],
    contexts: [{ name: "e2e", context: { cluster: "e2e", user: "e2e" } }],
    "current-context": "e2e",
  };
  writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 });
}
