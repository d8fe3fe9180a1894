// SPDX-License-Identifier: Apache-2.0
import { type ChannelOptions, Client, credentials, type MethodDefinition } from "@grpc/grpc-js";

/** One call of ours that waits for its answer. */
export interface PendingCall<Answer> {
  /** Rejects with grpc-js' ServiceError. Never left unobserved by the callers here. */
  readonly answer: Promise<Answer>;
  /** Ends the call; `answer` then rejects with CANCELLED. Harmless when it is over. */
  cancel(): void;
}

/**
 * A client of a unix socket. Own subchannel pool: nothing is shared with, or left behind for, another client of the same path; that path may be
 * another kubelet's by then. grpc-js sends `:authority: localhost`, which Go's servers accept.
 */
export function unixClient(path: string, options: ChannelOptions = {}): Client {
  return new Client(`unix:${path}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_channelz": 0,
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_retries": 0,
    ...options,
  });
}

/** Starts a unary call. Bounded by the caller, through `cancel`: deadlines here are monotonic, grpc-js' own are not. */
export function startUnary<Request, Answer>(client: Client, method: MethodDefinition<Request, Answer>, request: Request): PendingCall<Answer> {
  let cancel = (): void => undefined;
  const answer = new Promise<Answer>((resolve, reject) => {
    const call = client.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, (error, value) => {
      if (error) reject(error);
      else if (value === undefined) reject(new Error(`${method.path} answered nothing`));
      else resolve(value);
    });
    cancel = () => call.cancel();
  });
  return { answer, cancel };
}
