// SPDX-License-Identifier: Apache-2.0

/** What people and backups do to the status, which is a report and proves nothing. */
import type { NodeStatus } from "../../../src/domain/status.ts";
import type { StepKind } from "./step.ts";

const EDITS = ["gone", "restored", "offered"] as const;

/** Every device as if the gate had found nothing wrong. */
function allOffered(status: NodeStatus): NodeStatus {
  return { ...status, devices: status.devices.map((device) => ({ ...device, reason: "Offered", message: "" })) };
}

export const STATUS_STEPS: Readonly<Record<string, StepKind>> = {
  backUpStatus: {
    needs: "editedStatus",
    weight: ({ api }) => (api.status === null ? 0 : 0.5),
    propose: () => ({}),
    apply: ({ api }) => {
      api.backup = api.status;
      return true;
    },
  },
  editStatus: {
    needs: "editedStatus",
    weight: ({ api, shape }) => (api.status === null ? 0 : shape.unrest),
    propose: ({ api }, dice) => ({ word: dice.pick(api.backup === null ? ["gone", "offered"] : EDITS) }),
    apply: ({ api }, { word }) => {
      if (api.status === null) return false;
      api.editStatus(word === "gone" ? null : word === "restored" ? api.backup : allOffered(api.status));
      return true;
    },
  },
};
