// SPDX-License-Identifier: Apache-2.0
import { DEVICE_REASONS } from "../../domain/reason.ts";
import { STATUS_NAMES } from "../../domain/seamcall-status.ts";
import { LEAVES, UNIT_STATES } from "../../domain/unit.ts";
import { ALLOCATE_RESULTS } from "../../kubelet/device-plugin/calls.ts";
import { DEVICE_PLUGIN_JOBS } from "../../kubelet/device-plugin/device-plugins.ts";
import { STREAM_ENDS } from "../../kubelet/device-plugin/list-stream.ts";
import { REGISTRATION_RESULTS } from "../../kubelet/device-plugin/resource-plugin.ts";
import type { MetricLists } from "../../runtime/metrics.ts";

/** Jobs of the agent, of the cluster's adapter and of standalone mode. */
const OTHER_JOBS = ["pass", "withdraw", "withdraw-by-host", "steps", "status", "watch", "events", "status-again", "manifest"];

/** Every label value there can be: metrics start at zero from these. */
export const METRIC_LISTS: MetricLists = {
  unitStates: UNIT_STATES,
  deviceReasons: Object.keys(DEVICE_REASONS),
  leaves: Object.keys(LEAVES),
  seamcallStatuses: STATUS_NAMES,
  allocateResults: ALLOCATE_RESULTS,
  registrationResults: REGISTRATION_RESULTS,
  streamEnds: STREAM_ENDS,
  jobs: [...OTHER_JOBS, ...DEVICE_PLUGIN_JOBS],
};
