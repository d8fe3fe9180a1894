// SPDX-License-Identifier: Apache-2.0
// The cluster's network: a bridge in the control plane's own network namespace, each node on a link to it. Nothing of it
// exists in the host's network, so runs do not meet each other and nothing is left to remove.
//
//   control plane: br0 10.77.0.1/16 + 10.96.0.1/32 (the API server's service address: no kube-proxy is needed)
//   node i:        eth0 10.77.0.(10+i), pods on cni0 10.78.i.0/24, routed through eth0
import type { Namespace } from "./namespace.ts";

/** Address of the control plane on the bridge. */
export const CONTROL_PLANE_ADDRESS = "10.77.0.1";
/** Services' range, and in it the address under which pods find the API server. */
export const SERVICE_RANGE = "10.96.0.0/16";
export const API_SERVER_SERVICE_ADDRESS = "10.96.0.1";
/** Where everything but pods finds the API server. */
export const API_SERVER_URL = `https://${CONTROL_PLANE_ADDRESS}:443`;

const BRIDGE = "br0";

/** Address of the node with this index (from 1). */
export function nodeAddress(index: number): string {
  return `10.77.0.${10 + index}`;
}

/** Range of the pods of the node with this index (from 1). */
export function podRange(index: number): string {
  return `10.78.${index}.0/24`;
}

/** Makes the bridge, with both addresses of the API server. */
export async function createBridge(controlPlane: Namespace): Promise<void> {
  await runAll(controlPlane, [
    `ip link add ${BRIDGE} type bridge`,
    `ip addr add ${CONTROL_PLANE_ADDRESS}/16 dev ${BRIDGE}`,
    `ip addr add ${API_SERVER_SERVICE_ADDRESS}/32 dev ${BRIDGE}`,
    `ip link set ${BRIDGE} up`,
  ]);
}

/** Links a node to the bridge and routes its pods; `nodeCount` says how many other nodes there are to route to. */
export async function connectNode(controlPlane: Namespace, node: Namespace, place: { index: number; nodeCount: number }): Promise<void> {
  const { index } = place;
  await runAll(controlPlane, [`ip link add node${index} type veth peer name eth0 netns ${node.pid}`, `ip link set node${index} master ${BRIDGE} up`]);
  await runAll(node, nodeNetwork(place));
  await node.run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]);
  // Pods are dialled by the API server directly (--enable-aggregator-routing).
  await runAll(controlPlane, [routeToPods(index)]);
}

/** What a node does to its own network: the lines of `ip`, and no others, for a node whose `eth0` is on the bridge. */
export function nodeNetwork({ index, nodeCount }: { index: number; nodeCount: number }): readonly string[] {
  const others = Array.from({ length: nodeCount }, (_, i) => i + 1).filter((other) => other !== index);
  return [
    `ip addr add ${nodeAddress(index)}/16 dev eth0`,
    "ip link set eth0 up",
    `ip route add ${API_SERVER_SERVICE_ADDRESS}/32 via ${CONTROL_PLANE_ADDRESS}`,
    // Without this, traffic to other service addresses would look for a default route instead of failing at once.
    `ip route add unreachable ${SERVICE_RANGE}`,
    ...others.map(routeToPods),
  ];
}

/** Puts a tap device on the bridge, for the machine that becomes node `index`, and routes its pods from everywhere. Returns the device's name:
 *  it exists in the control plane's network only, and goes with it. */
export async function connectTap(controlPlane: Namespace, nodes: readonly Namespace[], index: number): Promise<string> {
  const tap = `node${index}`;
  await runAll(controlPlane, [`ip tuntap add dev ${tap} mode tap`, `ip link set ${tap} master ${BRIDGE} up`]);
  for (const each of [controlPlane, ...nodes]) await runAll(each, [routeToPods(index)]);
  return tap;
}

function routeToPods(index: number): string {
  return `ip route add ${podRange(index)} via ${nodeAddress(index)}`;
}

async function runAll(namespace: Namespace, lines: readonly string[]): Promise<void> {
  for (const line of lines) await namespace.runInNetwork(line.split(" "));
}
