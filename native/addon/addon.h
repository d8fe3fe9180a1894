/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADDON_ADDON_H
#define ADDON_ADDON_H

#include <node_api.h>

#include "backend.h"
#include "store.h"

/* The `simulation` object. */
napi_value simulation_value(napi_env env);
/* readAttribute(path, deadline in ms): a promise of the text; ETIMEDOUT. */
napi_value read_attribute(napi_env env, napi_callback_info info);
/* scanDevices(proc, numbers, deadline in ms): a promise of who has which device node open. Counts from the call. */
napi_value scan_devices(napi_env env, napi_callback_info info);
/* lockFile(fd): locks the file for this process alone, without waiting; EAGAIN. */
napi_value lock_file(napi_env env, napi_callback_info info);
/* openArrivals(path below /sys): a descriptor that counts how often that device comes from now on. */
napi_value open_arrivals(napi_env env, napi_callback_info info);
/* takeArrivals(fd): how often since the last time; -1 when some of the kernel's news was lost. */
napi_value take_arrivals(napi_env env, napi_callback_info info);
napi_value dump_value(napi_env env, const struct store *store);

/* The class of what open and openSimulator return; kept per environment. */
napi_value handle_class(napi_env env);
/* A new handle over the backend, which it owns from now on, also on failure. NULL with an exception pending. */
napi_value handle_new(napi_env env, napi_value constructor, struct backend *backend);

#endif
