// SPDX-License-Identifier: Apache-2.0

/** API group of every kind of this project. */
export const GROUP = "teeio.dev";
/** The one served and stored version. */
export const VERSION = "v1alpha1";
/** `apiVersion` of every object. */
export const API_VERSION = `${GROUP}/${VERSION}`;

/** What a kind is called in its different places. */
export interface KindNames {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
}

/** One per node, named after it. */
export const TRUSTED_IOMMU: KindNames = {
  kind: "TrustedIommu",
  plural: "trustediommus",
  singular: "trustediommu",
  shortNames: ["tiommu"],
};

/** Renders a TrustedIommu for each matching node. */
export const TRUSTED_IOMMU_POLICY: KindNames = {
  kind: "TrustedIommuPolicy",
  plural: "trustediommupolicies",
  singular: "trustediommupolicy",
  shortNames: ["tiommupolicy"],
};

/** Owner of the status fields in server-side apply. */
export const AGENT_FIELD_MANAGER = "trusted-iommu-agent";
