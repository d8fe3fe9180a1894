// SPDX-License-Identifier: Apache-2.0
/* A handle as JavaScript sees it: methods that give promises. All functions here run on the JavaScript thread. */
#include "handle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "values.h"

static const napi_type_tag handle_tag = { 0x7d1a60e7c0de4a11ULL, 0x9e3f5b62d4c81a07ULL };

/* Requests other than WAIT keep the process alive, and every request keeps the handle. */
static void keep(struct handle *handle, enum request_kind kind, bool yes)
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

static void link_pending(struct handle *handle, struct request *request)
{
	request->older = handle->newest;
	if (request->older)
		request->older->newer = request;
	handle->newest = request;
	keep(handle, request->kind, true);
}

static void unlink_pending(struct handle *handle, struct request *request)
{
	if (request->newer)
		request->newer->older = request->older;
	else
		handle->newest = request->older;
	if (request->older)
		request->older->newer = request->newer;
	request->older = request->newer = NULL;
	keep(handle, request->kind, false);
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
		napi_reject_deferred(handle->env, request->deferred, value_error(handle->env, -request->rc, request_command(request->kind)));
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
		keep(handle, REQUEST_CLOSED, false);
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
		unlink_pending(handle, request);
		settle(handle, request);
	}
	request_free(request);
}

/* Rejects everything in flight, then stops the lanes: until they know, what they finish still comes through receive(). */
static void close_handle(struct handle *handle)
{
	while (handle->newest) {
		struct request *request = handle->newest;

		unlink_pending(handle, request);
		napi_reject_deferred(handle->env, request->deferred, value_error(handle->env, ECANCELED, request_command(request->kind)));
		request->settled = true;
	}
	if (lanes_close(handle))
		finish(handle);
}

static struct handle *this_handle(napi_env env, napi_callback_info info, size_t count, napi_value *values)
{
	size_t got = count;
	napi_value this = NULL;
	struct handle *handle = NULL;
	bool ours = false;

	if (napi_get_cb_info(env, info, &got, values, &this, NULL) != napi_ok ||
	    napi_check_object_type_tag(env, this, &handle_tag, &ours) != napi_ok || !ours ||
	    napi_unwrap(env, this, (void **)&handle) != napi_ok) {
		napi_throw_type_error(env, "ERR_INVALID_THIS", "not a handle of this addon");
		return NULL;
	}
	if (got != count) {
		napi_throw_type_error(env, "ERR_MISSING_ARGS", "wrong number of arguments");
		return NULL;
	}
	return handle;
}

static napi_value rejected(napi_env env, napi_deferred deferred, napi_value promise, int error, enum request_kind kind)
{
	napi_reject_deferred(env, deferred, value_error(env, error, request_command(kind)));
	return promise;
}

static napi_value submit(napi_env env, struct handle *handle, const struct request *template)
{
	struct request *request = malloc(sizeof(*request));
	napi_value promise = NULL;
	napi_deferred deferred;
	bool closed;
	int rc;

	if (!request || napi_create_promise(env, &deferred, &promise) != napi_ok) {
		free(request);
		return NULL;
	}
	pthread_mutex_lock(&handle->lock);
	closed = handle->closing;
	pthread_mutex_unlock(&handle->lock);
	if (closed) {
		free(request);
		return rejected(env, deferred, promise, ECANCELED, template->kind);
	}
	*request = *template;
	request->handle = handle;
	request->deferred = deferred;
	link_pending(handle, request);
	rc = lanes_submit(handle, request);
	if (!rc)
		return promise;
	unlink_pending(handle, request);
	free(request);
	return rejected(env, deferred, promise, -rc, template->kind);
}

static napi_value method_info(napi_env env, napi_callback_info info)
{
	struct request request = { .kind = REQUEST_INFO };
	struct handle *handle = this_handle(env, info, 0, NULL);

	request.info.size = sizeof(request.info);
	return handle ? submit(env, handle, &request) : NULL;
}

static napi_value method_list(napi_env env, napi_callback_info info)
{
	struct request request = { .kind = REQUEST_LIST };
	struct handle *handle = this_handle(env, info, 0, NULL);

	return handle ? submit(env, handle, &request) : NULL;
}

static napi_value method_setup(napi_env env, napi_callback_info info)
{
	struct request request = { .kind = REQUEST_SETUP };
	napi_value values[1];
	struct handle *handle = this_handle(env, info, 1, values);
	__u64 reg_base = 0;

	if (!handle || !take_u64(env, values[0], &reg_base))
		return NULL;
	request.setup.size = sizeof(request.setup);
	request.setup.reg_base = reg_base;
	return submit(env, handle, &request);
}

static napi_value method_clear(napi_env env, napi_callback_info info)
{
	struct request request = { .kind = REQUEST_CLEAR };
	napi_value values[3];
	struct handle *handle = this_handle(env, info, 3, values);
	__u64 reg_base = 0, id = 0, seq = 0;

	if (!handle || !take_u64(env, values[0], &reg_base) || !take_u64(env, values[1], &id) || !take_u64(env, values[2], &seq))
		return NULL;
	request.clear.size = sizeof(request.clear);
	request.clear.reg_base = reg_base;
	request.clear.tdx_iommu_id = id;
	request.clear.setup_seq = seq;
	return submit(env, handle, &request);
}

static napi_value method_wait(napi_env env, napi_callback_info info)
{
	struct request request = { .kind = REQUEST_WAIT };
	struct handle *handle = this_handle(env, info, 0, NULL);

	return handle ? submit(env, handle, &request) : NULL;
}

static napi_value method_close(napi_env env, napi_callback_info info)
{
	struct handle *handle = this_handle(env, info, 0, NULL);
	struct closer *closer = calloc(1, sizeof(*closer));
	napi_value promise = NULL, nothing = NULL;
	napi_deferred deferred;

	if (!handle || !closer || napi_create_promise(env, &deferred, &promise) != napi_ok) {
		free(closer);
		return NULL;
	}
	if (handle->finished) {
		free(closer);
		napi_get_undefined(env, &nothing);
		napi_resolve_deferred(env, deferred, nothing);
		return promise;
	}
	closer->deferred = deferred;
	closer->next = handle->closers;
	handle->closers = closer;
	keep(handle, REQUEST_CLOSED, true);
	close_handle(handle);
	return promise;
}

static void finalize(napi_env env, void *wrapped, void *hint)
{
	struct handle *handle = wrapped;

	(void)hint;
	if (!handle->finished && !handle->environment_gone)
		close_handle(handle);
	napi_delete_reference(env, handle->self);
	lanes_release(handle);
}

static int connect_environment(napi_env env, struct handle *handle)
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

/* Orphaned operations of another process are finished without being asked. */
static void resume(struct handle *handle)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return;
	request->kind = REQUEST_RESUME;
	if (lanes_submit(handle, request))
		free(request);
}

static napi_value construct(napi_env env, napi_callback_info info)
{
	napi_value this = NULL, argument;
	struct backend *backend = NULL;
	struct handle *handle;
	size_t count = 1;

	if (napi_get_cb_info(env, info, &count, &argument, &this, NULL) != napi_ok || count != 1 ||
	    napi_get_value_external(env, argument, (void **)&backend) != napi_ok) {
		napi_throw_type_error(env, "ERR_ILLEGAL_CONSTRUCTOR", "use open or openSimulator");
		return NULL;
	}
	handle = lanes_new(backend);
	if (!handle || connect_environment(env, handle)) {
		if (handle)
			lanes_release(handle);
		backend->ops->destroy(backend);
		napi_throw(env, value_error(env, ENOMEM, "open"));
		return NULL;
	}
	napi_type_tag_object(env, this, &handle_tag);
	napi_wrap(env, this, handle, finalize, NULL, &handle->self);
	if (backend->ops->resume)
		resume(handle);
	return this;
}

napi_value handle_class(napi_env env)
{
	static const napi_property_descriptor methods[] = {
		{ "info", NULL, method_info, NULL, NULL, NULL, napi_default_method, NULL },
		{ "list", NULL, method_list, NULL, NULL, NULL, napi_default_method, NULL },
		{ "setup", NULL, method_setup, NULL, NULL, NULL, napi_default_method, NULL },
		{ "clear", NULL, method_clear, NULL, NULL, NULL, napi_default_method, NULL },
		{ "waitChanged", NULL, method_wait, NULL, NULL, NULL, napi_default_method, NULL },
		{ "close", NULL, method_close, NULL, NULL, NULL, napi_default_method, NULL },
	};
	napi_value constructor = NULL;

	napi_define_class(env, "TdxIommuHandle", NAPI_AUTO_LENGTH, construct, NULL, sizeof(methods) / sizeof(methods[0]), methods,
			  &constructor);
	return constructor;
}

napi_value handle_new(napi_env env, napi_value constructor, struct backend *backend)
{
	napi_value external = NULL, handle = NULL;

	if (napi_create_external(env, backend, NULL, NULL, &external) != napi_ok) {
		backend->ops->destroy(backend);
		return NULL;
	}
	napi_new_instance(env, constructor, 1, &external, &handle);
	return handle;
}
