// Generated from src/kubelet/proto/podresources.proto by src/kubelet/proto/generate.ts. Do not edit.
// SPDX-License-Identifier: Apache-2.0

export const POD_RESOURCES_DESCRIPTOR = {
  "nested": {
    "v1": {
      "nested": {
        "PodResourcesLister": {
          "methods": {
            "List": {
              "requestType": "ListPodResourcesRequest",
              "responseType": "ListPodResourcesResponse"
            },
            "GetAllocatableResources": {
              "requestType": "AllocatableResourcesRequest",
              "responseType": "AllocatableResourcesResponse"
            },
            "Get": {
              "requestType": "GetPodResourcesRequest",
              "responseType": "GetPodResourcesResponse"
            }
          }
        },
        "ListPodResourcesRequest": {
          "fields": {}
        },
        "ListPodResourcesResponse": {
          "fields": {
            "podResources": {
              "rule": "repeated",
              "type": "PodResources",
              "id": 1
            }
          }
        },
        "AllocatableResourcesRequest": {
          "fields": {}
        },
        "AllocatableResourcesResponse": {
          "fields": {
            "devices": {
              "rule": "repeated",
              "type": "ContainerDevices",
              "id": 1
            }
          }
        },
        "GetPodResourcesRequest": {
          "fields": {
            "podName": {
              "type": "string",
              "id": 1
            },
            "podNamespace": {
              "type": "string",
              "id": 2
            }
          }
        },
        "GetPodResourcesResponse": {
          "fields": {
            "podResources": {
              "type": "PodResources",
              "id": 1
            }
          }
        },
        "PodResources": {
          "fields": {
            "name": {
              "type": "string",
              "id": 1
            },
            "namespace": {
              "type": "string",
              "id": 2
            },
            "containers": {
              "rule": "repeated",
              "type": "ContainerResources",
              "id": 3
            }
          }
        },
        "ContainerResources": {
          "fields": {
            "name": {
              "type": "string",
              "id": 1
            },
            "devices": {
              "rule": "repeated",
              "type": "ContainerDevices",
              "id": 2
            },
            "dynamicResources": {
              "rule": "repeated",
              "type": "DynamicResource",
              "id": 5
            }
          }
        },
        "DynamicResource": {
          "fields": {
            "claimName": {
              "type": "string",
              "id": 2
            },
            "claimNamespace": {
              "type": "string",
              "id": 3
            },
            "claimResources": {
              "rule": "repeated",
              "type": "ClaimResource",
              "id": 4
            }
          }
        },
        "ClaimResource": {
          "fields": {
            "cdiDevices": {
              "rule": "repeated",
              "type": "CDIDevice",
              "id": 1
            },
            "driverName": {
              "type": "string",
              "id": 2
            },
            "poolName": {
              "type": "string",
              "id": 3
            },
            "deviceName": {
              "type": "string",
              "id": 4
            }
          }
        },
        "CDIDevice": {
          "fields": {
            "name": {
              "type": "string",
              "id": 1
            }
          }
        },
        "ContainerDevices": {
          "fields": {
            "resourceName": {
              "type": "string",
              "id": 1
            },
            "deviceIds": {
              "rule": "repeated",
              "type": "string",
              "id": 2
            },
            "topology": {
              "type": "TopologyInfo",
              "id": 3
            }
          }
        },
        "TopologyInfo": {
          "fields": {
            "nodes": {
              "rule": "repeated",
              "type": "NUMANode",
              "id": 1
            }
          }
        },
        "NUMANode": {
          "fields": {
            "ID": {
              "type": "int64",
              "id": 1
            }
          }
        }
      }
    }
  }
};
