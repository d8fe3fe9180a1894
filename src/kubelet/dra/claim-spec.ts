// SPDX-License-Identifier: Apache-2.0

/**
 * Content of a claim file: a CDI specification of kind `teeio.dev/claim` with a device for each of the claim's, whose annotations hold the rest of the
 * fact. CDI reads what a container is given, this program reads it all. Pure.
 */
import * as z from "zod";
import { isPciAddress } from "../../domain/address.ts";
import type { Address } from "../../domain/device.ts";
import type { ClaimFile, PreparedDevice } from "../../domain/dra/claim-file.ts";
import { CLAIM_CDI_KIND, claimCdiDevice, DRA_DRIVER, metadataCdiDevice } from "../../domain/dra/names.ts";
import { AppError } from "../../runtime/errors.ts";
import { CDI_VERSION_0_6, type CdiMount, type ContainerEdits, cdiDeviceName, cdiName, containerEdits } from "../cdi/cdi-spec.ts";
import type { CdiDevice } from "../port.ts";
import { isClaimUid } from "./claim-uid.ts";

/** What a container is given of a device; of its nodes, the device's own is the first. */
export type EditsOf = (device: PreparedDevice & Pick<ClaimFile, "simulated">) => Pick<CdiDevice, "deviceNodes" | "env">;

/** Files that a container is given to read, one for each request of the claim in the order of the allocation. */
export type Mounts = readonly Pick<CdiMount, "hostPath" | "containerPath">[];

/** What kubelet is answered, and a runtime resolves by the claim's file. */
export function claimCdiName(uid: string, address: Address): string {
  return cdiName(CLAIM_CDI_KIND, claimCdiDevice(uid, address));
}

const OF_CLAIM = {
  bootId: `${DRA_DRIVER}/boot-id`,
  namespace: `${DRA_DRIVER}/namespace`,
  name: `${DRA_DRIVER}/name`,
  /** Only of a claim that was made from a template. */
  podClaimName: `${DRA_DRIVER}/pod-claim-name`,
  uid: `${DRA_DRIVER}/uid`,
  simulated: `${DRA_DRIVER}/simulated`,
} as const;
const OF_DEVICE = {
  address: `${DRA_DRIVER}/address`,
  request: `${DRA_DRIVER}/request`,
  pool: `${DRA_DRIVER}/pool`,
  epoch: `${DRA_DRIVER}/epoch`,
  /** JSON. */
  attributes: `${DRA_DRIVER}/attributes`,
  /** Only where there is one. */
  node: `${DRA_DRIVER}/node`,
} as const;

/** The same file gives the same bytes. @throws INVARIANT_BROKEN for what is no claim file, or would be none that CDI takes */
export function renderClaimSpec(file: Omit<ClaimFile, "isVoid">, edits: EditsOf, mounts: Mounts): string {
  const { uid, namespace, name, podClaimName, bootId, devices, simulated } = file;
  if (!isClaimUid(uid)) throw new AppError("INVARIANT_BROKEN", `${JSON.stringify(uid)} cannot be the UID of a claim file`);
  if (devices.length === 0) throw new AppError("INVARIANT_BROKEN", `claim ${namespace}/${name} has no device to be prepared`);
  if (new Set(devices.map(({ address }) => address)).size < devices.length)
    throw new AppError("INVARIANT_BROKEN", `claim ${namespace}/${name} has a device twice`);
  const spec = {
    cdiVersion: CDI_VERSION_0_6,
    kind: CLAIM_CDI_KIND,
    annotations: {
      [OF_CLAIM.bootId]: bootId,
      [OF_CLAIM.namespace]: namespace,
      [OF_CLAIM.name]: name,
      ...(podClaimName === null ? {} : { [OF_CLAIM.podClaimName]: podClaimName }),
      [OF_CLAIM.uid]: uid,
      [OF_CLAIM.simulated]: String(simulated),
    },
    devices: [
      ...devices.map((device) => renderDevice(uid, device, edits({ ...device, simulated }))),
      ...mounts.map((mount, place) => renderMount(uid, place, mount)),
    ],
  };
  return `${JSON.stringify(spec, null, 2)}\n`;
}

function renderDevice(uid: string, device: PreparedDevice, given: ReturnType<EditsOf>): object {
  const { address, request, pool, epoch, attributes, node } = device;
  const [first] = given.deviceNodes;
  if (!isPciAddress(address)) throw new AppError("INVARIANT_BROKEN", `${address} is no PCI address`);
  if (first !== undefined && first !== node) throw new AppError("INVARIANT_BROKEN", `${address} is given ${first} for its node ${node}`);
  return {
    name: cdiDeviceName(claimCdiDevice(uid, address)),
    annotations: {
      [OF_DEVICE.address]: address,
      [OF_DEVICE.request]: request,
      [OF_DEVICE.pool]: pool,
      [OF_DEVICE.epoch]: epoch,
      [OF_DEVICE.attributes]: JSON.stringify(attributes),
      ...(node === null ? {} : { [OF_DEVICE.node]: node }),
    },
    containerEdits: containerEdits(address, given),
  };
}

function renderMount(uid: string, place: number, { hostPath, containerPath }: Mounts[number]): object {
  return { name: cdiDeviceName(metadataCdiDevice(uid, place)), containerEdits: { mounts: [{ hostPath, containerPath, options: READ_ONLY }] } };
}

const READ_ONLY = ["ro", "bind"];

const deviceNode = z.strictObject({ path: z.string(), hostPath: z.string(), permissions: z.literal("rw") });
const edits = z.strictObject({ env: z.array(z.string()).optional(), deviceNodes: z.array(deviceNode).optional() });
const { node, ...always } = OF_DEVICE;
const { podClaimName, ...ofEach } = OF_CLAIM;
const text = <K extends string>(keys: Readonly<Record<string, K>>): { [key in K]: z.ZodString } =>
  Object.fromEntries(Object.values(keys).map((key) => [key, z.string()])) as { [key in K]: z.ZodString };
const device = z.strictObject({
  name: z.string(),
  annotations: z.strictObject({ ...text(always), [node]: z.string().optional() }),
  containerEdits: edits,
});
const mount = z.strictObject({ hostPath: z.string(), containerPath: z.string(), options: z.array(z.string()) });
const mounted = z.strictObject({ name: z.string(), containerEdits: z.strictObject({ mounts: z.tuple([mount]) }) });
const attributes = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const spec = z.strictObject({
  cdiVersion: z.literal(CDI_VERSION_0_6),
  kind: z.literal(CLAIM_CDI_KIND),
  annotations: z.strictObject({ ...text(ofEach), [podClaimName]: z.string().optional() }),
  devices: z.array(z.union([device, mounted])),
});

/** A claim file's content without whether it is void. @throws whatever is wrong with it: it is not what this program would write for that UID */
export function parseClaimSpec(content: string, uid: string): Omit<ClaimFile, "isVoid"> {
  const read = spec.safeParse(JSON.parse(content));
  if (!read.success) throw new Error(read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`)[0]);
  const { annotations, devices } = read.data;
  if (annotations[OF_CLAIM.uid] !== uid) throw new Error(`it is of claim ${JSON.stringify(annotations[OF_CLAIM.uid])}`);
  const given = new Map<string, ContainerEdits>();
  const mounts = devices.flatMap((one) => ("annotations" in one ? [] : one.containerEdits.mounts));
  const prepared = devices.flatMap((one): readonly PreparedDevice[] => {
    if (!("annotations" in one)) return [];
    given.set(one.annotations[OF_DEVICE.address], one.containerEdits as ContainerEdits);
    return [preparedFrom(one.annotations)];
  });
  const file = {
    namespace: annotations[OF_CLAIM.namespace],
    name: annotations[OF_CLAIM.name],
    podClaimName: annotations[OF_CLAIM.podClaimName] ?? null,
    uid,
    bootId: annotations[OF_CLAIM.bootId],
    devices: prepared,
    simulated: annotations[OF_CLAIM.simulated] === "true",
  };
  if (renderClaimSpec(file, ({ address }) => givenBy(given.get(address) ?? {}), mounts) !== content)
    throw new Error("it is not as this program writes it");
  return file;
}

/** @throws for attributes that are none */
function preparedFrom(of: z.output<typeof device>["annotations"]): PreparedDevice {
  return {
    address: of[OF_DEVICE.address],
    request: of[OF_DEVICE.request],
    pool: of[OF_DEVICE.pool],
    node: of[OF_DEVICE.node] ?? null,
    epoch: of[OF_DEVICE.epoch],
    attributes: attributes.parse(JSON.parse(of[OF_DEVICE.attributes])),
  };
}

function givenBy({ env = [], deviceNodes = [] }: ContainerEdits): ReturnType<EditsOf> {
  const pairs = env.map((entry) => [entry.split("=")[0] ?? "", entry.slice(entry.indexOf("=") + 1)] as const);
  return { deviceNodes: deviceNodes.map(({ hostPath }) => hostPath), env: Object.fromEntries(pairs) };
}
