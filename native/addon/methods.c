// SPDX-License-Identifier: Apache-2.0
/* The methods of a handle. All functions here run on the JavaScript thread. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "handle.h"
#include "values.h"

static const napi_type_tag handle_tag = { 0x7d1a60e7c0de4a11ULL, 0x9e3f5b62d4c81a07ULL };

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
	pending_link(handle, request);
	rc = lanes_submit(handle, request);
	if (!rc)
		return promise;
	pending_unlink(handle, request);
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

/* Some ms from now, on the clock on which the driver judges it. */
static napi_value method_deadline(napi_env env, napi_callback_info info)
{
	napi_value values[1];
	struct timespec now;
	__u32 ms = 0;

	if (!this_handle(env, info, 1, values) || !take_u32(env, values[0], &ms))
		return NULL;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return value_u64(env, (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec + ms * 1000000ULL);
}

static napi_value method_clear(napi_env env, napi_callback_info info)
{
	struct request request = { .kind = REQUEST_CLEAR };
	napi_value values[4];
	struct handle *handle = this_handle(env, info, 4, values);
	__u64 reg_base = 0, id = 0, seq = 0, not_after = 0;

	if (!handle || !take_u64(env, values[0], &reg_base) || !take_u64(env, values[1], &id) || !take_u64(env, values[2], &seq) ||
	    !take_u64(env, values[3], &not_after))
		return NULL;
	if (!not_after) {
		napi_throw_range_error(env, "ERR_OUT_OF_RANGE", "a CLEAR without a deadline");
		return NULL;
	}
	request.clear.size = sizeof(request.clear);
	request.clear.reg_base = reg_base;
	request.clear.tdx_iommu_id = id;
	request.clear.setup_seq = seq;
	request.clear.not_after = not_after;
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
	handle_keep(handle, REQUEST_CLOSED, true);
	handle_close(handle);
	return promise;
}

static void finalize(napi_env env, void *wrapped, void *hint)
{
	struct handle *handle = wrapped;

	(void)hint;
	if (!handle->finished && !handle->environment_gone)
		handle_close(handle);
	napi_delete_reference(env, handle->self);
	lanes_release(handle);
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
	if (!handle || handle_connect(env, handle)) {
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
		{ "deadline", NULL, method_deadline, NULL, NULL, NULL, napi_default_method, NULL },
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
