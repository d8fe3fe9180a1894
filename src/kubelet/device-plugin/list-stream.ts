// SPDX-License-Identifier: Apache-2.0
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Address } from "../../domain/device.ts";
import type { PublishedDevice } from "../port.ts";
import { type Empty, HEALTHY, type ListAndWatchResponse, UNHEALTHY } from "../wire.ts";

/** One full list, with its message made once for all streams. */
export interface DeviceList {
  readonly devices: readonly PublishedDevice[];
  readonly message: ListAndWatchResponse;
}

export const EMPTY_LIST: DeviceList = { devices: [], message: { devices: [] } };

export function deviceList(devices: readonly PublishedDevice[]): DeviceList {
  const message = {
    devices: devices.map((device) => ({
      ID: device.id,
      health: device.healthy ? HEALTHY : UNHEALTHY,
      topology: device.numaNode === null ? null : { nodes: [{ ID: device.numaNode }] },
    })),
  };
  return { devices, message };
}

/** Equal lists give equal messages: kubelet rewrites and syncs its checkpoint for every list, changed or not. */
export function sameDevices(a: readonly PublishedDevice[], b: readonly PublishedDevice[]): boolean {
  return a === b || (a.length === b.length && a.every((device, index) => sameDevice(device, b[index])));
}

function sameDevice(a: PublishedDevice, b: PublishedDevice | undefined): boolean {
  return b !== undefined && a.id === b.id && a.healthy === b.healthy && a.numaNode === b.numaNode;
}

export interface ListStreamEvents {
  /** A list was taken by the transport. */
  onSent(): void;
  onEnd(cause: StreamEnd): void;
}

export const STREAM_ENDS = ["cancelled", "closed", "error"] as const;
export type StreamEnd = (typeof STREAM_ENDS)[number];

export type ListCall = ServerWritableStream<Empty, ListAndWatchResponse>;

/**
 * One ListAndWatch stream with a state of its own: what it was shown, what is on its way, what comes next. One write at a time; lists that come
 * while one is on its way replace each other, so that a slow reader costs one list of memory and gets the newest.
 */
export class ListStream {
  readonly #call: ListCall;
  readonly #events: ListStreamEvents;
  #shown: DeviceList | null = null;
  #sending: DeviceList | null = null;
  #next: DeviceList | null = null;
  #isEnded = false;

  constructor(call: ListCall, events: ListStreamEvents) {
    this.#call = call;
    this.#events = events;
    call.on("cancelled", () => this.#end("cancelled"));
    call.on("close", () => this.#end("closed"));
    call.on("error", () => this.#end("error"));
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  show(list: DeviceList): void {
    if (this.#isEnded) return;
    if (this.#sending) this.#next = list;
    else if (!this.#shown || !sameDevices(this.#shown.devices, list.devices)) this.#send(list);
  }

  /** Sends what was shown last once more, unless a list is on its way anyhow. */
  sendAgain(): void {
    if (!this.#isEnded && !this.#sending && this.#shown) this.#send(this.#shown);
  }

  /** Nothing is on its way and `list` is what was shown last. */
  hasShown(list: DeviceList): boolean {
    return !this.#sending && this.#shown !== null && sameDevices(this.#shown.devices, list.devices);
  }

  /** Every id the reader may believe in: of the list it has and of the one on its way. */
  ids(): readonly Address[] {
    return [...(this.#shown?.devices ?? []), ...(this.#sending?.devices ?? [])].map((device) => device.id);
  }

  #send(list: DeviceList): void {
    this.#sending = list;
    this.#call.write(list.message, () => this.#sent(list));
  }

  /** Also called, with an error, for a write that the end of the stream overtook. */
  #sent(list: DeviceList): void {
    if (this.#isEnded) return;
    this.#shown = list;
    this.#sending = null;
    const next = this.#next;
    this.#next = null;
    if (next) this.show(next);
    this.#events.onSent();
  }

  #end(cause: StreamEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#events.onEnd(cause);
  }
}
