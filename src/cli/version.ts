// SPDX-License-Identifier: Apache-2.0
import manifest from "../../package.json" with { type: "json" };

/** Of package.json; put into the bundle when it is built. */
export const VERSION: string = manifest.version;
