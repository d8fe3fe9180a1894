// SPDX-License-Identifier: Apache-2.0
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Clock } from "../../runtime/clock.ts";
import type { DeviceHealth } from "./port.ts";
import type { HealthStatus, NodeWatchResourcesRequest, NodeWatchResourcesResponse } from "./wire.ts";

export type HealthCall = ServerWritableStream<NodeWatchResourcesRequest, NodeWatchResourcesResponse>;

const STATUS: Readonly<Record<DeviceHealth["health"], HealthStatus>> = { Healthy: "HEALTHY", Unhealthy: "UNHEALTHY", Unknown: "UNKNOWN" };

/**
 * Kubelet's health streams, each with the whole list. One write at a time: what comes while one is on its way is sent after it, as it is by then, so
 * that a slow reader costs one list of memory and gets the newest.
 */
export class HealthStreams {
  readonly #clock: Clock;
  readonly #streams = new Set<Stream>();
  /** Null: nothing is known yet, and nothing is said. */
  #devices: readonly DeviceHealth[] | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  show(devices: readonly DeviceHealth[]): void {
    if (this.#devices && sameHealth(this.#devices, devices)) return;
    this.#devices = devices;
    this.sendAgain();
  }

  /** Kubelet takes what it has not heard of for 30 s for Unknown. */
  sendAgain(): void {
    for (const stream of this.#streams) this.#send(stream);
  }

  open(call: HealthCall): void {
    const stream: Stream = { call, isSending: false, isDue: false };
    const end = (): void => void this.#streams.delete(stream);
    for (const event of ["cancelled", "close", "error"]) call.on(event, end);
    this.#streams.add(stream);
    this.#send(stream);
  }

  end(): void {
    for (const { call } of this.#streams) call.end();
    this.#streams.clear();
  }

  #send(stream: Stream): void {
    if (this.#devices === null || !this.#streams.has(stream)) return;
    stream.isDue = stream.isSending;
    if (stream.isSending) return;
    stream.isSending = true;
    // Also called, with an error, for a write that the end of the stream overtook.
    stream.call.write(healthMessage(this.#devices, this.#clock.wallMs()), () => {
      stream.isSending = false;
      if (stream.isDue) this.#send(stream);
    });
  }
}

interface Stream {
  readonly call: HealthCall;
  isSending: boolean;
  isDue: boolean;
}

function healthMessage(devices: readonly DeviceHealth[], wallMs: number): NodeWatchResourcesResponse {
  return {
    devices: devices.map(({ pool, device, health, message }) => ({
      device: { poolName: pool, deviceName: device },
      health: STATUS[health],
      lastUpdatedTime: Math.floor(wallMs / 1000),
      healthCheckTimeoutSeconds: 0,
      message,
    })),
  };
}

function sameHealth(a: readonly DeviceHealth[], b: readonly DeviceHealth[]): boolean {
  return a.length === b.length && a.every((one, index) => sameDevice(one, b[index]));
}

function sameDevice(a: DeviceHealth, b: DeviceHealth | undefined): boolean {
  return b !== undefined && a.pool === b.pool && a.device === b.device && a.health === b.health && a.message === b.message;
}
