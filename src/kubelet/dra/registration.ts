// SPDX-License-Identifier: Apache-2.0
import type { handleUnaryCall } from "@grpc/grpc-js";
import type { Log } from "../../runtime/log.ts";
import { sameForTheSameCause } from "../errors.ts";
import {
  DRA_PLUGIN_TYPE,
  DRA_SERVICES,
  type InfoRequest,
  type PluginInfo,
  type RegistrationStatus,
  type RegistrationStatusResponse,
} from "./wire.ts";

export interface RegistrationOptions {
  /** Name of the driver. */
  readonly driver: string;
  /** Path of the plugin's socket, the same for kubelet and for this process. */
  readonly endpoint: string;
  readonly log: Log;
  readonly onChange: () => void;
}

export interface RegistrationHandlers {
  readonly GetInfo: handleUnaryCall<InfoRequest, PluginInfo>;
  readonly NotifyRegistrationStatus: handleUnaryCall<RegistrationStatus, RegistrationStatusResponse>;
}

/** What kubelet has said about the registration. It asks by itself, when the socket comes and at its own start, and repeats what failed. */
export class Registration {
  readonly handlers: RegistrationHandlers;
  readonly #options: RegistrationOptions;
  #isRegistered = false;
  #problem = "";

  constructor(options: RegistrationOptions) {
    const { driver, endpoint } = options;
    this.#options = options;
    this.handlers = {
      GetInfo: (_call, callback) => callback(null, { type: DRA_PLUGIN_TYPE, name: driver, endpoint, supportedVersions: [...DRA_SERVICES] }),
      NotifyRegistrationStatus: (call, callback) => {
        this.#told(call.request);
        callback(null, {});
      },
    };
  }

  get isRegistered(): boolean {
    return this.#isRegistered;
  }

  /** Why kubelet refused, empty when it did not. */
  get problem(): string {
    return this.#problem;
  }

  /** The socket has gone, and kubelet drops the registration with it. */
  forget(): void {
    this.#set(false, this.#problem);
  }

  #told({ pluginRegistered, error }: RegistrationStatus): void {
    const { log, driver } = this.#options;
    const problem = pluginRegistered ? "" : `kubelet refused the DRA plugin: ${sameForTheSameCause(error) || "it says no reason"}`;
    if (pluginRegistered) log.info({ driver }, "registered with kubelet for DRA");
    else if (problem !== this.#problem) log.warn({ driver, problem }, "registration for DRA failed");
    this.#set(pluginRegistered, problem);
  }

  #set(isRegistered: boolean, problem: string): void {
    if (this.#isRegistered === isRegistered && this.#problem === problem) return;
    this.#isRegistered = isRegistered;
    this.#problem = problem;
    this.#options.onChange();
  }
}
