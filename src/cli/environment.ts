// SPDX-License-Identifier: Apache-2.0

/** What the environment says, read once, here and nowhere else in src/. Null: not set or empty. */
export interface Environment {
  /** https://no-color.org: any value turns colour off. */
  readonly noColour: boolean;
  /** Colour although the output is no terminal (CI logs). */
  readonly forceColour: boolean;
  /** `dumb` can neither colour nor move the cursor. */
  readonly term: string | null;
  /** kubectl's own: a list of files. */
  readonly kubeconfig: string | null;
  /** The API server as kubelet names it to pods. */
  readonly service: { readonly host: string; readonly port: string } | null;
  /** Where the agent looks for its config file when --config is not given. */
  readonly configFile: string | null;
  readonly home: string | null;
  /** https://specifications.freedesktop.org/basedir-spec: instead of ~/.cache. */
  readonly cacheHome: string | null;
  /** From bin/trusted-iommu: "SigIgn" of /proc/PID/status before Node gave every signal its default effect. */
  readonly ignoredSignals: string | null;
}

export function readEnvironment(variables: Readonly<Record<string, string | undefined>> = process.env): Environment {
  const read = (name: string): string | null => variables[name] || null;
  return {
    noColour: read("NO_COLOR") !== null,
    forceColour: read("FORCE_COLOR") !== null,
    term: read("TERM"),
    kubeconfig: read("KUBECONFIG"),
    service: serviceFrom(read("KUBERNETES_SERVICE_HOST"), read("KUBERNETES_SERVICE_PORT")),
    configFile: read("TRUSTED_IOMMU_CONFIG"),
    home: read("HOME"),
    cacheHome: read("XDG_CACHE_HOME"),
    ignoredSignals: read("TRUSTED_IOMMU_IGNORED_SIGNALS"),
  };
}

function serviceFrom(host: string | null, port: string | null): Environment["service"] {
  return host === null || port === null ? null : { host, port };
}
