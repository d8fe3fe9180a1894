// SPDX-License-Identifier: Apache-2.0

/** A DRA plugin's caller, as kubelet would be, in the bench's own process. */
import { Client, credentials } from "@grpc/grpc-js";
import { type ClaimMessage, loadDraWire } from "../../src/kubelet/dra/wire.ts";

export interface ClaimCaller {
  /** The plugin takes calls. */
  ready(): Promise<void>;
  /** @throws what the plugin refuses with */
  prepare(name: string): Promise<void>;
  unprepare(name: string): Promise<void>;
  close(): void;
}

const READY_MS = 10_000;

interface Answer {
  readonly claims?: Readonly<Record<string, { readonly error: string }>>;
}

export function callClaims(socket: string, namespace: string): ClaimCaller {
  const { NodePrepareResources, NodeUnprepareResources } = loadDraWire().plugin;
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1, "grpc.enable_channelz": 0 });
  const call = (method: typeof NodePrepareResources | typeof NodeUnprepareResources, name: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const claim: ClaimMessage = { namespace, name, uid: `uid-${name}` };
      const { path, requestSerialize, responseDeserialize } = method as typeof NodePrepareResources;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { claims: [claim] }, (error, answer) => {
        const problem = error?.message ?? (answer as Answer | undefined)?.claims?.[claim.uid]?.error ?? "the claim is not in the answer";
        if (problem === "") resolve();
        else reject(new Error(problem));
      });
    });
  return {
    ready: () => new Promise((resolve, reject) => client.waitForReady(Date.now() + READY_MS, (error) => (error ? reject(error) : resolve()))),
    prepare: (name) => call(NodePrepareResources, name),
    unprepare: (name) => call(NodeUnprepareResources, name),
    close: () => client.close(),
  };
}
