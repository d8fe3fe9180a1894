// SPDX-License-Identifier: Apache-2.0
import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./command.ts";

/** Files of one certificate with its key, both PEM. */
export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Whom a certificate names. To Kubernetes the common name is the user, the organizations are the groups. */
export interface Subject {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** As openssl writes them: `IP:10.0.0.1`, `DNS:localhost`. Needed by whatever serves. */
  readonly alternativeNames?: readonly string[];
}

/** The cluster's certificate authority: one for everything, good for a day. */
export interface Authority {
  readonly certificateFile: string;
  /** Key pair that signs service account tokens; the private half also verifies. */
  readonly serviceAccountKeyFile: string;
  /** Issues a certificate for serving and for calling. */
  issue(fileName: string, subject: Subject): Promise<Certificate>;
}

/** Makes a new authority in `folder`. */
export async function createAuthority(folder: string): Promise<Authority> {
  const own = { certificateFile: join(folder, "ca.crt"), keyFile: join(folder, "ca.key") };
  const extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,digitalSignature"];
  await sign(own, { commonName: "trusted-iommu-e2e" }, { extensions, signer: null });
  const serviceAccountKeyFile = join(folder, "service-account.key");
  writeKey(serviceAccountKeyFile);
  return {
    certificateFile: own.certificateFile,
    serviceAccountKeyFile,
    issue: async (fileName, subject) => {
      const issued = { certificateFile: join(folder, `${fileName}.crt`), keyFile: join(folder, `${fileName}.key`) };
      await sign(issued, subject, { extensions: leafExtensions(subject), signer: own });
      return issued;
    },
  };
}

function leafExtensions(subject: Subject): string[] {
  const names = subject.alternativeNames ?? [];
  const usage = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature", "extendedKeyUsage=serverAuth,clientAuth"];
  return names.length === 0 ? usage : [...usage, `subjectAltName=${names.join(",")}`];
}

interface Signing {
  readonly extensions: readonly string[];
  /** `null`: signed by itself. */
  readonly signer: Certificate | null;
}

/** openssl makes the certificate, from a configuration of our own: the system's would mark each as an authority. */
async function sign(files: Certificate, subject: Subject, { extensions, signer }: Signing): Promise<void> {
  writeKey(files.keyFile);
  const configFile = files.keyFile.replace(/\.key$/, ".cnf");
  writeFileSync(configFile, ["[req]", "distinguished_name=dn", "[dn]", "[extensions]", ...extensions, ""].join("\n"));
  const name = [...(subject.organizations ?? []).map((group) => `/O=${group}`), `/CN=${subject.commonName}`].join("");
  const request = ["openssl", "req", "-x509", "-new", "-config", configFile, "-extensions", "extensions", "-days", "2"];
  const by = signer === null ? [] : ["-CA", signer.certificateFile, "-CAkey", signer.keyFile];
  await runCommand([...request, ...by, "-key", files.keyFile, "-subj", name, "-out", files.certificateFile]);
}

/** SEC1, because the API server takes a service account's public key out of no other form of private key. */
function writeKey(file: string): void {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(file, privateKey.export({ type: "sec1", format: "pem" }), { mode: 0o600 });
}
