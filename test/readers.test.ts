// SPDX-License-Identifier: Apache-2.0

/**
 * Every reader of a user's file, given files that are almost right. Whatever is in one, it is read or refused with a code of ours: exit 70 is for
 * bugs in this program, and a refusal names the place and what to do, not the parser's state.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { parseManifest } from "../src/api/parse.ts";
import { problemsText } from "../src/api/problem.ts";
import { agentConfig } from "../src/cli/config/agent-config.ts";
import { readStatus } from "../src/cli/read-status.ts";
import { nodeTree } from "../src/cli/view/tree.ts";
import { kubeconfigAccess } from "../src/cluster/transport/kubeconfig.ts";
import { AppError, isAppError } from "../src/runtime/errors.ts";
import { EXIT_CODES, exitCodeOf } from "../src/runtime/exit-codes.ts";
import { createSimulatedHost, openSimulatedHost } from "../src/stand-in/host/create.ts";
import { loadHostDescription } from "../src/stand-in/host/load-description.ts";
import { readStatusFile } from "../src/standalone/status-file.ts";
import { shippedHost } from "./support/captured.ts";
import { createFakeClock } from "./support/fake-clock.ts";
import { mutatedJson, mutatedText } from "./support/mutations.ts";
import { nodeStatus } from "./support/node-status.ts";
import { createRecordingControl } from "./support/recording-control.ts";
import { createScratch } from "./support/scratch.ts";

const scratch = createScratch();
const folder = scratch.path;
afterAll(() => scratch.remove());

interface Reader {
  /** A file that is read without complaint. */
  readonly valid: unknown;
  /** Reads the file at `path`. @throws an error that a person is to understand */
  readonly read: (path: string) => unknown;
}

const MANIFEST = {
  apiVersion: "teeio.dev/v1alpha1",
  kind: "TrustedIommu",
  metadata: { name: "n1", labels: { a: "b" } },
  spec: { state: "Cleared", units: { regBases: ["0xfed90000"] }, resources: [{ name: "teeio.dev/gpu", match: { vendors: ["10de"] } }] },
};

const CONFIG = { manifest: "node.yaml", settle: 3, kubelet: "none", cdiDir: "none", logLevel: "warn", metrics: "127.0.0.1:9100" };

const KUBECONFIG = {
  apiVersion: "v1",
  kind: "Config",
  "current-context": "x",
  contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
  clusters: [{ name: "c", cluster: { server: "https://api:6443/", "certificate-authority-data": "Q0E=", "tls-server-name": "api" } }],
  users: [{ name: "u", user: { token: "t", "client-certificate-data": "Q0E=", "client-key-data": "Q0E=" } }],
};

const STATUS = { apiVersion: "teeio.dev/v1alpha1", kind: "TrustedIommu", metadata: { name: "n1" }, status: nodeStatus() };

const READERS: Readonly<Record<string, Reader>> = {
  manifest: {
    valid: MANIFEST,
    read(path) {
      const verdict = parseManifest(readFileSync(path, "utf8"));
      if (!verdict.ok) throw new AppError("MANIFEST_INVALID", problemsText(verdict.problems));
    },
  },
  "config file": { valid: CONFIG, read: (path) => agentConfig({ config: path }, { workingFolder: folder, configFile: null }) },
  kubeconfig: {
    valid: KUBECONFIG,
    read: async (path) => await (await kubeconfigAccess({ files: [path], context: null, clock: createFakeClock() })).credentials(),
  },
  status: {
    valid: STATUS,
    async read(path) {
      await readStatusFile(path, createFakeClock());
      const { name, status } = await readStatus({ path, words: "an agent" });
      nodeTree(name, status, { width: 80, colour: true });
    },
  },
  "host description": {
    valid: {
      summary: "a host",
      unitDefaults: { cap: "19ed008c40780c66", ecap: "7ee9e86f050df" },
      units: [{ name: "dmar0", regBase: "0xfed90000", numaNode: 0 }],
      bridges: { "0000:01": "0000:00:01.0" },
      functions: [
        { address: "0000:00:01.0", unit: "dmar0", vendor: "8086", device: "352a", class: "060400" },
        { address: "0000:01:00.0", unit: "dmar0", vendor: "10de", device: "2335", class: "030200", teeIo: true, ideStreams: 1, vfs: { count: 2 } },
      ],
    },
    read: (path) => void createSimulatedHost(join(folder, "sim"), { description: loadHostDescription(path), control: createRecordingControl() }),
  },
};

/** Words of parsers and engines, which help nobody. */
const FOREIGN = /Maximum call stack|Unexpected (?:token|end|scalar)|Cannot read propert|undefined \(|ReferenceError|TypeError|alias anchor/;

async function outcome({ read }: Reader, text: string): Promise<string> {
  const path = join(folder, "file");
  writeFileSync(path, text);
  return await outcomeOf(() => read(path));
}

/** What a person is told; empty when the work is done. @throws whatever is no error of ours */
async function outcomeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return "";
  } catch (thrown) {
    if (!isAppError(thrown) || exitCodeOf(thrown) === EXIT_CODES.Internal) throw thrown;
    return thrown.message;
  }
}

describe.each(Object.entries(READERS))("the reader of a %s", (_name, reader) => {
  const forms = [stringify(reader.valid), JSON.stringify(reader.valid, null, 2)];

  test.each(["YAML", "JSON"])("takes a good one, with a byte order mark and between document markers, too (%s)", async (form) => {
    const text = form === "YAML" ? stringify(reader.valid) : JSON.stringify(reader.valid);
    for (const one of [text, `\ufeff${text}`, `---\n${text}\n---\n`, `${text}\n...\n`]) expect(await outcome(reader, one)).toBe("");
  });

  test("refuses what is not one document, by place, in our words", async () => {
    const [yaml = ""] = forms;
    const odd = [`${yaml}---\n${yaml}`, `x: *:9100\n`, "[".repeat(5_000), '{"a":'.repeat(5_000), `${"a: {".repeat(100)}`, "\u0000", "a: b: c", "'"];
    for (const text of odd) {
      const said = await outcome(reader, text);
      expect(said).not.toBe("");
      expect(said).not.toMatch(FOREIGN);
    }
  });

  test("reads or refuses whatever else is in a file, and nothing of it is a bug of ours", async () => {
    const changed = fc.oneof(
      mutatedText(forms[0] ?? ""),
      mutatedText(forms[1] ?? ""),
      mutatedJson(reader.valid).map((value) => stringify(value) ?? ""),
      mutatedJson(reader.valid).map((value) => JSON.stringify(value) ?? ""),
    );
    await fc.assert(
      fc.asyncProperty(changed, async (text) => {
        expect(await outcome(reader, text)).not.toMatch(FOREIGN);
      }),
      { numRuns: 200 },
    );
  });
});

describe.each(["simulated-host.json", "state.json"])("a simulated host's own %s", (name) => {
  const root = (): string => join(folder, "changed");
  const address = "0000:01:00.0";
  const work = (): void => {
    const host = openSimulatedHost(root(), { control: createRecordingControl() });
    host.unplug(address);
    host.replug(address);
    host.bind(address, "vfio-pci");
    host.secureLink(address);
    host.reboot();
  };

  test("is read or refused, whatever is in it, and names no file outside the folder", async () => {
    writeFileSync(join(folder, "host.yaml"), stringify(READERS["host description"]?.valid));
    const description = loadHostDescription(join(folder, "host.yaml"));
    const make = (): void => void createSimulatedHost(root(), { description, control: createRecordingControl() });
    make();
    work();
    const text = readFileSync(join(root(), name), "utf8");
    const changed = fc.oneof(
      mutatedText(text),
      mutatedJson(JSON.parse(text)).map((value) => JSON.stringify(value) ?? ""),
    );
    await fc.assert(
      fc.asyncProperty(changed, async (content) => {
        make();
        writeFileSync(join(root(), name), content);
        const said = await outcomeOf(work);
        rmSync(root(), { recursive: true });
        expect(said).not.toMatch(FOREIGN);
      }),
      { numRuns: 100 },
    );
  });
});

test("the shipped hosts are read, the smallest of them in any state of repair", async () => {
  const text = readFileSync(shippedHost("one-unit"), "utf8");
  const reader = { valid: null, read: loadHostDescription };
  await fc.assert(
    fc.asyncProperty(mutatedText(text), async (changed) => {
      expect(await outcome(reader, changed)).not.toMatch(FOREIGN);
    }),
    { numRuns: 150 },
  );
});
