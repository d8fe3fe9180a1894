// SPDX-License-Identifier: Apache-2.0
import type { ClaimFile, ClaimFilesView, PreparedDevice } from "../../../src/domain/dra/claim-file.ts";
import type { ClaimFilesPort } from "../../../src/kubelet/dra/port.ts";
import { AppError } from "../../../src/runtime/errors.ts";
import type { Turnstile } from "../life/turnstile.ts";
import type { Age, Fact } from "./fact.ts";
import type { WorldTime } from "./world-time.ts";

/** A claim file as it is on disk, with what was true when it was written. */
export interface FileOnDisk {
  readonly file: ClaimFile;
  readonly since: Age;
  /** Somebody put it in order again; until then nobody could read it, nor make a container by it. */
  readonly repaired: Age | null;
  /** The span of trust of each of its devices' units when it was written, by address (`ModuleUnit.trust`). */
  readonly spans: ReadonlyMap<string, string | null>;
}

export interface ClaimFolderParts {
  readonly time: WorldTime;
  /** That of the folder's other CDI specs. */
  readonly areWritable: Fact<boolean>;
  readonly spanOf: (address: string) => string | null;
  /** `/var/run/cdi` is on a tmpfs, and empty after a reboot; `/etc/cdi` is not. */
  readonly isTmpfs: boolean;
}

/** The claim files in the folder of CDI specs: they outlive every agent process. */
export class ClaimFolder {
  readonly #time: WorldTime;
  readonly #spanOf: (address: string) => string | null;
  readonly #isTmpfs: boolean;
  readonly areWritable: Fact<boolean>;
  readonly files = new Map<string, FileOnDisk>();
  /** Files that somebody has damaged, by UID: they resolve for nobody, and tell nothing. */
  readonly damaged = new Set<string>();

  constructor({ time, areWritable, spanOf, isTmpfs }: ClaimFolderParts) {
    this.#time = time;
    this.areWritable = areWritable;
    this.#spanOf = spanOf;
    this.#isTmpfs = isTmpfs;
  }

  portOf(process: number, turnstile: Turnstile): ClaimFilesPort {
    const write = (act: () => void): Promise<void> =>
      turnstile.pass(process, "cdi.claim", () => {
        if (!this.areWritable.value) throw new AppError("CDI_UNWRITABLE", "the CDI folder is read-only");
        act();
      });
    return {
      read: () => turnstile.pass(process, "cdi.claims.read", () => this.view()),
      write: (file) => write(() => this.put(file)),
      void: (uid) => write(() => this.void(uid)),
      remove: (uid) => write(() => this.remove(uid)),
    };
  }

  view(): ClaimFilesView {
    const uids = [...this.files.keys()].sort();
    const readable = uids.filter((uid) => !this.damaged.has(uid)).flatMap((uid) => this.files.get(uid)?.file ?? []);
    const unreadable = uids.filter((uid) => this.damaged.has(uid)).map((uid) => `/var/run/cdi/trusted-iommu-claim_${uid}.json: not JSON`);
    return { files: readable, unreadable };
  }

  put(file: ClaimFile): void {
    this.#time.tick += 1;
    this.damaged.delete(file.uid);
    const spans = new Map(file.devices.map(({ address }) => [address, this.#spanOf(address)]));
    this.files.set(file.uid, { file, spans, since: { sinceTick: this.#time.tick, sinceMs: this.#time.nowMs }, repaired: null });
  }

  void(uid: string): void {
    const known = this.files.get(uid);
    if (known === undefined || known.file.isVoid) return;
    this.#time.tick += 1;
    this.files.set(uid, { ...known, file: { ...known.file, isVoid: true } });
  }

  remove(uid: string): void {
    this.#time.tick += 1;
    this.damaged.delete(uid);
    this.files.delete(uid);
  }

  /** Whoever damaged files puts them in order. */
  repair(): void {
    this.#time.tick += 1;
    const repaired = { sinceTick: this.#time.tick, sinceMs: this.#time.nowMs };
    for (const uid of this.damaged) {
      const known = this.files.get(uid);
      if (known !== undefined) this.files.set(uid, { ...known, repaired });
    }
    this.damaged.clear();
  }

  /** Files by which a container runtime resolves names right now. */
  get inPlace(): readonly FileOnDisk[] {
    return [...this.files.values()].filter(({ file }) => !file.isVoid && !this.damaged.has(file.uid));
  }

  /** What the names of a claim's devices stand for; null where one does not resolve. */
  resolve(uid: string, addresses: readonly string[]): readonly PreparedDevice[] | null {
    const found = this.inPlace.find(({ file }) => file.uid === uid)?.file;
    const devices = addresses.flatMap((address) => found?.devices.find((device) => device.address === address) ?? []);
    return devices.length < addresses.length ? null : devices;
  }

  reboot(): void {
    if (!this.#isTmpfs) return;
    this.#time.tick += 1;
    this.files.clear();
    this.damaged.clear();
  }
}
