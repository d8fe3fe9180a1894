// Generated from src/kubelet/proto/draplugin.proto by src/kubelet/proto/generate.ts. Do not edit.
// SPDX-License-Identifier: Apache-2.0

export const DRA_PLUGIN_DESCRIPTOR = {
  "nested": {
    "k8s": {
      "nested": {
        "io": {
          "nested": {
            "kubelet": {
              "nested": {
                "pkg": {
                  "nested": {
                    "apis": {
                      "nested": {
                        "dra": {
                          "nested": {
                            "v1": {
                              "nested": {
                                "DRAPlugin": {
                                  "methods": {
                                    "NodePrepareResources": {
                                      "requestType": "NodePrepareResourcesRequest",
                                      "responseType": "NodePrepareResourcesResponse"
                                    },
                                    "NodeUnprepareResources": {
                                      "requestType": "NodeUnprepareResourcesRequest",
                                      "responseType": "NodeUnprepareResourcesResponse"
                                    }
                                  }
                                },
                                "NodePrepareResourcesRequest": {
                                  "fields": {
                                    "claims": {
                                      "rule": "repeated",
                                      "type": "Claim",
                                      "id": 1
                                    }
                                  }
                                },
                                "NodePrepareResourcesResponse": {
                                  "fields": {
                                    "claims": {
                                      "keyType": "string",
                                      "type": "NodePrepareResourceResponse",
                                      "id": 1
                                    }
                                  }
                                },
                                "NodePrepareResourceResponse": {
                                  "fields": {
                                    "devices": {
                                      "rule": "repeated",
                                      "type": "Device",
                                      "id": 1
                                    },
                                    "error": {
                                      "type": "string",
                                      "id": 2
                                    }
                                  }
                                },
                                "Device": {
                                  "fields": {
                                    "requestNames": {
                                      "rule": "repeated",
                                      "type": "string",
                                      "id": 1
                                    },
                                    "poolName": {
                                      "type": "string",
                                      "id": 2
                                    },
                                    "deviceName": {
                                      "type": "string",
                                      "id": 3
                                    },
                                    "cdiDeviceIds": {
                                      "rule": "repeated",
                                      "type": "string",
                                      "id": 4
                                    }
                                  }
                                },
                                "NodeUnprepareResourcesRequest": {
                                  "fields": {
                                    "claims": {
                                      "rule": "repeated",
                                      "type": "Claim",
                                      "id": 1
                                    }
                                  }
                                },
                                "NodeUnprepareResourcesResponse": {
                                  "fields": {
                                    "claims": {
                                      "keyType": "string",
                                      "type": "NodeUnprepareResourceResponse",
                                      "id": 1
                                    }
                                  }
                                },
                                "NodeUnprepareResourceResponse": {
                                  "fields": {
                                    "error": {
                                      "type": "string",
                                      "id": 1
                                    }
                                  }
                                },
                                "Claim": {
                                  "fields": {
                                    "namespace": {
                                      "type": "string",
                                      "id": 1
                                    },
                                    "uid": {
                                      "type": "string",
                                      "id": 2
                                    },
                                    "name": {
                                      "type": "string",
                                      "id": 3
                                    }
                                  }
                                }
                              }
                            }
                          }
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }
};
