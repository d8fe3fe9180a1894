// Generated from src/kubelet/proto/drahealth.proto by src/kubelet/proto/generate.ts. Do not edit.
// SPDX-License-Identifier: Apache-2.0

export const DRA_HEALTH_DESCRIPTOR = {
  "nested": {
    "v1": {
      "nested": {
        "DRAResourceHealth": {
          "methods": {
            "NodeWatchResources": {
              "requestType": "NodeWatchResourcesRequest",
              "responseType": "NodeWatchResourcesResponse",
              "responseStream": true
            }
          }
        },
        "NodeWatchResourcesRequest": {
          "fields": {}
        },
        "NodeWatchResourcesResponse": {
          "fields": {
            "devices": {
              "rule": "repeated",
              "type": "DeviceHealth",
              "id": 1
            }
          }
        },
        "HealthStatus": {
          "values": {
            "UNKNOWN": 0,
            "HEALTHY": 1,
            "UNHEALTHY": 2
          }
        },
        "DeviceIdentifier": {
          "fields": {
            "poolName": {
              "type": "string",
              "id": 1
            },
            "deviceName": {
              "type": "string",
              "id": 2
            }
          }
        },
        "DeviceHealth": {
          "fields": {
            "device": {
              "type": "DeviceIdentifier",
              "id": 1
            },
            "health": {
              "type": "HealthStatus",
              "id": 2
            },
            "lastUpdatedTime": {
              "type": "int64",
              "id": 3
            },
            "healthCheckTimeoutSeconds": {
              "type": "int64",
              "id": 4
            },
            "message": {
              "type": "string",
              "id": 5
            }
          }
        }
      }
    }
  }
};
