// SPDX-License-Identifier: Apache-2.0
import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import { AppError } from "../../runtime/errors.ts";
import { fromGrpcFailure } from "../errors.ts";
import { startUnary, unixClient } from "../grpc-call.ts";
import { DEVICE_PLUGIN_VERSION, type DevicePluginOptionsMessage, type DevicePluginWire, KUBELET_SOCKET } from "../wire.ts";

export interface RegisterOptions {
  readonly dir: string;
  readonly wire: DevicePluginWire;
  readonly clock: Clock;
  readonly resource: string;
  readonly options: Required<DevicePluginOptionsMessage>;
  readonly socketName: string;
  /** Above the 10 s for which kubelet dials back within this call, so that it never gives up after we did. */
  readonly registerMs: number;
  /** Ends the call at once: the registration became pointless. */
  readonly signal: AbortSignal;
}

/**
 * One Register, to its end: when this returns, no Register of ours is in flight. kubelet answers after it dialled back.
 * @throws REGISTER_REFUSED · KUBELET_ABSENT · DEADLINE, all repeatable, with another socket name
 */
export async function register(options: RegisterOptions): Promise<void> {
  const { dir, wire, clock, resource, socketName, registerMs, signal } = options;
  const client = unixClient(join(dir, KUBELET_SOCKET));
  const call = startUnary(client, wire.registration.Register, {
    version: DEVICE_PLUGIN_VERSION,
    endpoint: socketName,
    resourceName: resource,
    options: options.options,
  });
  const state = { isLate: false };
  const timer = clock.after(registerMs, () => {
    state.isLate = true;
    call.cancel();
  });
  const abort = (): void => call.cancel();
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    await call.answer;
  } catch (thrown) {
    if (state.isLate) throw new AppError("DEADLINE", `kubelet did not answer Register within ${registerMs} ms`, { cause: thrown });
    if (signal.aborted) throw new AppError("KUBELET_ABSENT", "kubelet or our socket went away during Register", { cause: thrown });
    throw fromGrpcFailure(thrown, "REGISTER_REFUSED");
  } finally {
    timer.stop();
    signal.removeEventListener("abort", abort);
    client.close();
  }
}
