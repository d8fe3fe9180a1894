// Generated from src/kubelet/proto/pluginregistration.proto by src/kubelet/proto/generate.ts. Do not edit.
// SPDX-License-Identifier: Apache-2.0

export const PLUGIN_REGISTRATION_DESCRIPTOR = {
  "nested": {
    "pluginregistration": {
      "nested": {
        "Registration": {
          "methods": {
            "GetInfo": {
              "requestType": "InfoRequest",
              "responseType": "PluginInfo"
            },
            "NotifyRegistrationStatus": {
              "requestType": "RegistrationStatus",
              "responseType": "RegistrationStatusResponse"
            }
          }
        },
        "InfoRequest": {
          "fields": {}
        },
        "PluginInfo": {
          "fields": {
            "type": {
              "type": "string",
              "id": 1
            },
            "name": {
              "type": "string",
              "id": 2
            },
            "endpoint": {
              "type": "string",
              "id": 3
            },
            "supportedVersions": {
              "rule": "repeated",
              "type": "string",
              "id": 4
            }
          }
        },
        "RegistrationStatus": {
          "fields": {
            "pluginRegistered": {
              "type": "bool",
              "id": 1
            },
            "error": {
              "type": "string",
              "id": 2
            }
          }
        },
        "RegistrationStatusResponse": {
          "fields": {}
        }
      }
    }
  }
};
