// SPDX-License-Identifier: Apache-2.0
/* The control functions as JavaScript sees them: `simulation` of the addon. */
#include <stdlib.h>

#include "addon.h"
#include "control.h"
#include "values.h"

#define NOT_CALLED 1 /* an exception is pending already */

/* The first argument, malloc'ed; finish() frees it. NULL with an exception pending. */
static char *start(napi_env env, napi_callback_info info, size_t count, napi_value *values)
{
	return take_arguments(env, info, count, values) ? take_string(env, values[0]) : NULL;
}

static napi_value finish(napi_env env, char *path, int rc, const char *command)
{
	free(path);
	if (rc && rc != NOT_CALLED)
		napi_throw(env, value_state_error(env, -rc, command, store_invalid_field()));
	return NULL;
}

static bool take_unit(napi_env env, napi_value from, struct tdx_unit_facts *unit)
{
	napi_value reg_base, segment, numa_node, cap, ecap, gsts, foreign;
	bool is_foreign = false;

	if (!member(env, from, "regBase", &reg_base) || !member(env, from, "segment", &segment) ||
	    !member(env, from, "numaNode", &numa_node) || !member(env, from, "cap", &cap) || !member(env, from, "ecap", &ecap) ||
	    !member(env, from, "gsts", &gsts) || !member(env, from, "foreign", &foreign))
		return false;
	if (!take_u64(env, reg_base, &unit->reg_base) || !take_u32(env, segment, &unit->segment) ||
	    !take_s32(env, numa_node, &unit->numa_node) || !take_u64(env, cap, &unit->cap) || !take_u64(env, ecap, &unit->ecap) ||
	    !take_u32(env, gsts, &unit->gsts) || !take_bool(env, foreign, &is_foreign))
		return false;
	unit->foreign = is_foreign;
	return true;
}

/* malloc'ed array; NULL with an exception pending. */
static struct tdx_unit_facts *take_units(napi_env env, napi_value from, __u32 *count)
{
	struct tdx_unit_facts *units;
	__u32 i;

	if (napi_get_array_length(env, from, count) != napi_ok) {
		napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "an array of units was expected");
		return NULL;
	}
	units = calloc(*count + 1, sizeof(*units));
	for (i = 0; units && i < *count; i++) {
		napi_value element;

		napi_get_element(env, from, i, &element);
		if (!take_unit(env, element, &units[i])) {
			free(units);
			return NULL;
		}
	}
	return units;
}

static bool take_options(napi_env env, napi_value from, struct control_options *options)
{
	napi_value profile, count, environment, features0, latency, interruptions;

	if (!member(env, from, "abiProfile", &profile) || !member(env, from, "mtPageCount", &count) ||
	    !member(env, from, "environment", &environment) || !member(env, from, "features0", &features0) ||
	    !member(env, from, "latencyMs", &latency) || !member(env, from, "interruptions", &interruptions))
		return false;
	return take_u32(env, profile, &options->abi_profile) && take_u32(env, count, &options->mt_page_count) &&
	       take_u32(env, environment, &options->environment) && take_u64(env, features0, &options->features0) &&
	       take_u32(env, latency, &options->latency_ms) && take_u32(env, interruptions, &options->interruptions);
}

static napi_value create(napi_env env, napi_callback_info info)
{
	struct control_options options = { 0 };
	struct tdx_unit_facts *units = NULL;
	napi_value values[2], list;
	char *path = start(env, info, 2, values);

	if (path && member(env, values[1], "units", &list) && take_options(env, values[1], &options))
		units = take_units(env, list, &options.unit_count);
	options.units = units;
	finish(env, path, units ? control_create(path, &options) : NOT_CALLED, "create");
	free(units);
	return NULL;
}

static bool is_null(napi_env env, napi_value value)
{
	napi_valuetype type = napi_undefined;

	napi_typeof(env, value, &type);
	return type == napi_null;
}

static bool take_fault(napi_env env, napi_value from, struct sim_fault *fault)
{
	napi_value leaf, reg_base, status, delay, count, skip, keep;
	bool keep_pages = false;

	if (!member(env, from, "leaf", &leaf) || !member(env, from, "regBase", &reg_base) || !member(env, from, "status", &status) ||
	    !member(env, from, "delayMs", &delay) || !member(env, from, "count", &count) || !member(env, from, "skip", &skip) ||
	    !member(env, from, "keepPages", &keep))
		return false;
	fault->any_unit = is_null(env, reg_base);
	fault->has_status = !is_null(env, status);
	if ((!fault->any_unit && !take_u64(env, reg_base, &fault->reg_base)) ||
	    (fault->has_status && !take_u64(env, status, &fault->status)))
		return false;
	if (!take_u32(env, leaf, &fault->leaf) || !take_u32(env, delay, &fault->delay_ms) || !take_u32(env, count, &fault->count) ||
	    !take_u32(env, skip, &fault->skip) || !take_bool(env, keep, &keep_pages))
		return false;
	fault->keep_pages = keep_pages;
	return true;
}

static napi_value add_fault(napi_env env, napi_callback_info info)
{
	struct sim_fault fault = { 0 };
	napi_value values[2];
	char *path = start(env, info, 2, values);
	bool taken = path && take_fault(env, values[1], &fault);

	return finish(env, path, taken ? control_add_fault(path, &fault) : NOT_CALLED, "addFault");
}

static napi_value clear_faults(napi_env env, napi_callback_info info)
{
	napi_value values[1];
	char *path = start(env, info, 1, values);

	return finish(env, path, path ? control_clear_faults(path) : NOT_CALLED, "clearFaults");
}

static napi_value set_link(napi_env env, napi_callback_info info)
{
	napi_value values[4];
	char *path = start(env, info, 4, values);
	bool secured = false, taken;
	__u64 reg_base = 0;
	__u32 device = 0;

	taken = path && take_u64(env, values[1], &reg_base) && take_u32(env, values[2], &device) && take_bool(env, values[3], &secured);
	return finish(env, path, taken ? control_set_link(path, reg_base, device, secured) : NOT_CALLED, "setLink");
}

static napi_value set_unit_present(napi_env env, napi_callback_info info)
{
	napi_value values[3];
	char *path = start(env, info, 3, values);
	bool present = false, taken;
	__u64 reg_base = 0;

	taken = path && take_u64(env, values[1], &reg_base) && take_bool(env, values[2], &present);
	return finish(env, path, taken ? control_set_present(path, reg_base, present) : NOT_CALLED, "setUnitPresent");
}

static napi_value reboot(napi_env env, napi_callback_info info)
{
	napi_value values[1];
	char *path = start(env, info, 1, values);

	return finish(env, path, path ? control_reboot(path) : NOT_CALLED, "reboot");
}

static napi_value set_environment(napi_env env, napi_callback_info info)
{
	napi_value values[3];
	char *path = start(env, info, 3, values);
	bool lost = false, taken;
	__u32 environment = 0;

	taken = path && take_u32(env, values[1], &environment) && take_bool(env, values[2], &lost);
	return finish(env, path, taken ? control_set_environment(path, environment, lost) : NOT_CALLED, "setEnvironment");
}

static napi_value dump(napi_env env, napi_callback_info info)
{
	napi_value values[1], result;
	char *path = start(env, info, 1, values);
	struct store store;
	int rc = path ? control_look(path, &store) : NOT_CALLED;

	finish(env, path, rc, "dump");
	if (rc)
		return NULL;
	result = dump_value(env, &store);
	store_close(&store);
	return result;
}

napi_value simulation_value(napi_env env)
{
	static const struct {
		const char *name;
		napi_callback function;
	} functions[] = {
		{ "create", create },
		{ "addFault", add_fault },
		{ "clearFaults", clear_faults },
		{ "setLink", set_link },
		{ "setUnitPresent", set_unit_present },
		{ "reboot", reboot },
		{ "setEnvironment", set_environment },
		{ "dump", dump },
	};
	napi_value object = NULL;
	size_t i;

	napi_create_object(env, &object);
	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		napi_value function = NULL;

		napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, NULL, &function);
		set(env, object, functions[i].name, function);
	}
	return object;
}
