/* SPDX-License-Identifier: Apache-2.0 */
/* From C values to JavaScript's and back. NULL or 0 with an exception pending when something is wrong. */
#ifndef ADDON_VALUES_H
#define ADDON_VALUES_H

#include <stdbool.h>

#include <node_api.h>

#include "../uapi/tdx_iommu.h"

napi_value value_u32(napi_env env, __u32 number);
napi_value value_u64(napi_env env, __u64 number);
napi_value value_bool(napi_env env, bool yes);
napi_value value_null(napi_env env);
napi_value value_instance(napi_env env, const __u8 *instance);

void set(napi_env env, napi_value object, const char *name, napi_value value);
void set_u32(napi_env env, napi_value object, const char *name, __u32 number);
void set_u64(napi_env env, napi_value object, const char *name, __u64 number);

napi_value value_info(napi_env env, const struct tdx_iommu_info *info);
napi_value value_unit(napi_env env, const struct tdx_iommu_unit *unit);
napi_value value_units(napi_env env, const struct tdx_iommu_unit *units, __u32 count);
napi_value value_call(napi_env env, __u32 outcome, const struct tdx_iommu_unit *unit);
/* An Error with code (the errno's name), errno and command. */
napi_value value_error(napi_env env, int error, const char *command);
/* The same; of EUCLEAN also `field`, what is wrong in the simulator's state. */
napi_value value_state_error(napi_env env, int error, const char *command, const char *field);

/* Arguments: false with a TypeError pending when the value is of another type or out of range. */
bool take_u64(napi_env env, napi_value value, __u64 *number);
bool take_u32(napi_env env, napi_value value, __u32 *number);
bool take_s32(napi_env env, napi_value value, __s32 *number);
bool take_bool(napi_env env, napi_value value, bool *yes);
/* malloc'ed, NULL with a TypeError pending. */
char *take_string(napi_env env, napi_value value);
bool member(napi_env env, napi_value object, const char *name, napi_value *value);
/* Exactly `count` arguments. */
bool take_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values);

#endif
