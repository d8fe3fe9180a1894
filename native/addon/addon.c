// SPDX-License-Identifier: Apache-2.0
/* The addon's exports. State belongs to an environment: the main thread and each worker have their own. */
#include "addon.h"

#include <stdlib.h>

#include "values.h"

struct environment {
	napi_ref constructor;
};

static void forget(napi_env env, void *state, void *hint)
{
	struct environment *environment = state;

	(void)hint;
	napi_delete_reference(env, environment->constructor);
	free(environment);
}

static napi_value new_handle(napi_env env, struct backend *backend)
{
	struct environment *environment = NULL;
	napi_value constructor = NULL;

	napi_get_instance_data(env, (void **)&environment);
	napi_get_reference_value(env, environment->constructor, &constructor);
	return handle_new(env, constructor, backend);
}

static napi_value open_with(napi_env env, napi_callback_info info, int (*opener)(const char *, int, struct backend **), const char *command)
{
	struct backend *backend = NULL;
	napi_value values[2];
	bool writable = false;
	char *path;
	int rc;

	if (!take_arguments(env, info, 2, values) || !take_bool(env, values[1], &writable))
		return NULL;
	path = take_string(env, values[0]);
	if (!path)
		return NULL;
	rc = opener(path, writable, &backend);
	free(path);
	if (rc) {
		napi_throw(env, value_state_error(env, -rc, command, store_invalid_field()));
		return NULL;
	}
	return new_handle(env, backend);
}

static napi_value open_device(napi_env env, napi_callback_info info)
{
	return open_with(env, info, device_open, "open");
}

static napi_value open_simulator(napi_env env, napi_callback_info info)
{
	return open_with(env, info, simulated_open, "openSimulator");
}

static napi_value open_uevents(napi_env env, napi_callback_info info)
{
	struct backend *backend = NULL;
	int rc;

	if (!take_arguments(env, info, 0, NULL))
		return NULL;
	rc = uevents_open(&backend);
	if (!rc)
		return new_handle(env, backend);
	napi_throw(env, value_error(env, -rc, "openUevents"));
	return NULL;
}

static void export_function(napi_env env, napi_value exports, const char *name, napi_callback function)
{
	napi_value value = NULL;

	napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value);
	set(env, exports, name, value);
}

NAPI_MODULE_INIT()
{
	struct environment *environment = calloc(1, sizeof(*environment));

	if (!environment) {
		napi_throw_error(env, "ENOMEM", "no memory for the addon");
		return NULL;
	}
	napi_create_reference(env, handle_class(env), 1, &environment->constructor);
	napi_set_instance_data(env, environment, forget, NULL);
	export_function(env, exports, "open", open_device);
	export_function(env, exports, "openSimulator", open_simulator);
	export_function(env, exports, "openUevents", open_uevents);
	export_function(env, exports, "readAttribute", read_attribute);
	export_function(env, exports, "scanDevices", scan_devices);
	export_function(env, exports, "lockFile", lock_file);
	export_function(env, exports, "openArrivals", open_arrivals);
	export_function(env, exports, "takeArrivals", take_arrivals);
	set(env, exports, "simulation", simulation_value(env));
	return exports;
}
