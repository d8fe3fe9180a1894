// SPDX-License-Identifier: Apache-2.0
/* From answers to promises, and the end of a handle. All functions here run on the JavaScript thread. */
#include "handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

/* Requests other than WAIT keep the process alive, and every request keeps the handle. */
void handle_keep(struct handle *handle, enum request_kind kind, bool yes)
{
	uint32_t count = 0;

	if (yes)
		napi_reference_ref(handle->env, handle->self, &count);
	else
		napi_reference_unref(handle->env, handle->self, &count);
	if (kind == REQUEST_WAIT)
		return;
	if (yes && handle->keeping++ == 0)
		napi_ref_threadsafe_function(handle->env, handle->post);
	if (!yes && --handle->keeping == 0)
		napi_unref_threadsafe_function(handle->env, handle->post);
}

void pending_link(struct handle *handle, struct request *request)
{
	request->older = handle->newest;
	if (request->older)
		request->older->newer = request;
	handle->newest = request;
	handle_keep(handle, request->kind, true);
}

void pending_unlink(struct handle *handle, struct request *request)
{
	if (request->newer)
		request->newer->older = request->older;
	else
		handle->newest = request->older;
	if (request->older)
		request->older->newer = request->newer;
	request->older = request->newer = NULL;
	handle_keep(handle, request->kind, false);
}

static napi_value units_of(struct handle *handle, const struct request *request)
{
	const struct tdx_iommu_list *list = &request->list;
	napi_value units = NULL;

	if (handle->units && handle->units_generation == list->generation &&
	    memcmp(handle->units_instance, list->instance, sizeof(list->instance)) == 0) {
		napi_get_reference_value(handle->env, handle->units, &units);
		return units;
	}
	units = value_units(handle->env, request->units, list->count);
	if (handle->units)
		napi_delete_reference(handle->env, handle->units);
	handle->units = NULL;
	napi_create_reference(handle->env, units, 1, &handle->units);
	handle->units_generation = list->generation;
	memcpy(handle->units_instance, list->instance, sizeof(list->instance));
	return units;
}

static napi_value list_value(struct handle *handle, const struct request *request)
{
	napi_value object = NULL;

	napi_create_object(handle->env, &object);
	set(handle->env, object, "instance", value_instance(handle->env, request->list.instance));
	set_u64(handle->env, object, "generation", request->list.generation);
	set(handle->env, object, "units", units_of(handle, request));
	return object;
}

static napi_value answer_value(struct handle *handle, const struct request *request)
{
	napi_value nothing = NULL;

	switch (request->kind) {
	case REQUEST_INFO:
		return value_info(handle->env, &request->info);
	case REQUEST_LIST:
		return list_value(handle, request);
	case REQUEST_SETUP:
		return value_call(handle->env, request->setup.outcome, &request->setup.unit);
	case REQUEST_CLEAR:
		return value_call(handle->env, request->clear.outcome, &request->clear.unit);
	default:
		napi_get_undefined(handle->env, &nothing);
		return nothing;
	}
}

static void settle(struct handle *handle, struct request *request)
{
	if (request->rc)
		napi_reject_deferred(handle->env, request->deferred,
				     value_state_error(handle->env, -request->rc, request_command(request->kind), request->field));
	else
		napi_resolve_deferred(handle->env, request->deferred, answer_value(handle, request));
}

static void environment_gone(void *argument)
{
	struct handle *handle = argument;

	lanes_environment_gone(handle);
	lanes_release(handle);
}

/* Nothing is left to wait for: the promises of close, and what the environment held for us. */
static void finish(struct handle *handle)
{
	struct closer *closer;
	napi_value nothing = NULL;

	handle->finished = true;
	napi_get_undefined(handle->env, &nothing);
	while ((closer = handle->closers)) {
		handle->closers = closer->next;
		napi_resolve_deferred(handle->env, closer->deferred, nothing);
		handle_keep(handle, REQUEST_CLOSED, false);
		free(closer);
	}
	if (handle->units)
		napi_delete_reference(handle->env, handle->units);
	handle->units = NULL;
	napi_remove_env_cleanup_hook(handle->env, environment_gone, handle);
	napi_release_threadsafe_function(handle->post, napi_tsfn_release);
	lanes_release(handle);
}

/* What a lane posted. Without an environment only memory is to be freed. */
static void receive(napi_env env, napi_value callback, void *context, void *posted)
{
	struct request *request = posted;
	struct handle *handle = request->handle;

	(void)callback;
	(void)context;
	if (env && request->kind == REQUEST_CLOSED) {
		finish(handle);
	} else if (env && !request->settled) {
		pending_unlink(handle, request);
		settle(handle, request);
	}
	request_free(request);
}

/* Rejects everything in flight, then stops the lanes: until they know, what they finish still comes through receive(). */
void handle_close(struct handle *handle)
{
	while (handle->newest) {
		struct request *request = handle->newest;

		pending_unlink(handle, request);
		napi_reject_deferred(handle->env, request->deferred, value_error(handle->env, ECANCELED, request_command(request->kind)));
		request->settled = true;
	}
	if (lanes_close(handle))
		finish(handle);
}

int handle_connect(napi_env env, struct handle *handle)
{
	napi_value name = NULL;

	napi_create_string_utf8(env, "tdx_iommu", NAPI_AUTO_LENGTH, &name);
	if (napi_create_threadsafe_function(env, NULL, NULL, name, 0, 1, NULL, NULL, NULL, receive, &handle->post) != napi_ok)
		return -ENOMEM;
	napi_unref_threadsafe_function(env, handle->post);
	/* After the function, so that it runs before the function goes. */
	napi_add_env_cleanup_hook(env, environment_gone, handle);
	handle->env = env;
	handle->references++;
	return 0;
}
