// SPDX-License-Identifier: Apache-2.0
/* scanDevices: the scan of scan.h on a thread of Node's pool. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <time.h>

#include "addon.h"
#include "scan.h"
#include "values.h"

#define MOST_NUMBERS 64

struct search {
	napi_async_work work;
	napi_deferred deferred;
	char *proc;
	struct scan_number wanted[MOST_NUMBERS];
	struct scan scan;
};

static void execute(napi_env env, void *argument)
{
	struct search *search = argument;

	(void)env;
	scan_run(&search->scan);
}

static napi_value value_text(napi_env env, const char *text)
{
	napi_value value = NULL;

	napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
	return value;
}

static napi_value value_found(napi_env env, const struct scan_found *found)
{
	static const char *const kinds[] = { "Node", "Registered", "Anonymous" };
	napi_value object = NULL;

	napi_create_object(env, &object);
	set_u32(env, object, "pid", found->pid);
	set(env, object, "kind", value_text(env, kinds[found->kind]));
	set_u32(env, object, "major", found->major);
	set_u32(env, object, "minor", found->minor);
	set(env, object, "text", value_text(env, found->text));
	return object;
}

static napi_value value_scan(napi_env env, const struct scan *scan)
{
	napi_value object = NULL, array = NULL, number = NULL;
	size_t i;

	napi_create_object(env, &object);
	napi_create_array_with_length(env, scan->found_count, &array);
	for (i = 0; i < scan->found_count; i++)
		napi_set_element(env, array, i, value_found(env, &scan->found[i]));
	set(env, object, "complete", value_bool(env, !*scan->problem));
	set(env, object, "why", value_text(env, scan->problem));
	set(env, object, "found", array);
	napi_create_double(env, scan->files, &number);
	set(env, object, "files", number);
	napi_create_double(env, scan->cpu_ns / 1e6, &number);
	set(env, object, "cpuMs", number);
	return object;
}

static void forget(struct search *search)
{
	scan_free(&search->scan);
	free(search->proc);
	free(search);
}

static void complete(napi_env env, napi_status status, void *argument)
{
	struct search *search = argument;

	if (status == napi_cancelled)
		napi_reject_deferred(env, search->deferred, value_error(env, 125, "scanDevices")); /* ECANCELED */
	else
		napi_resolve_deferred(env, search->deferred, value_scan(env, &search->scan));
	napi_delete_async_work(env, search->work);
	forget(search);
}

static bool take_numbers(napi_env env, napi_value value, struct search *search)
{
	bool is_array = false;
	__u32 count = 0, i;

	if (napi_is_array(env, value, &is_array) != napi_ok || !is_array || napi_get_array_length(env, value, &count) != napi_ok ||
	    count > MOST_NUMBERS) {
		napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "an array of at most 64 numbers was expected");
		return false;
	}
	for (i = 0; i < count; i++) {
		struct scan_number *number = &search->wanted[i];
		napi_value item, major, minor;
		napi_valuetype type = napi_undefined;

		if (napi_get_element(env, value, i, &item) != napi_ok || !member(env, item, "major", &major) ||
		    !member(env, item, "minor", &minor) || !take_u32(env, major, &number->major))
			return false;
		napi_typeof(env, minor, &type);
		number->any_minor = type == napi_null;
		if (!number->any_minor && !take_u32(env, minor, &number->minor))
			return false;
	}
	search->scan.wanted_count = count;
	return true;
}

napi_value scan_devices(napi_env env, napi_callback_info info)
{
	struct search *search = calloc(1, sizeof(*search));
	napi_value values[3], promise = NULL, name = NULL;
	__u32 deadline_ms = 0;
	struct timespec now;

	if (!search || !take_arguments(env, info, 3, values) || !take_numbers(env, values[1], search) ||
	    !take_u32(env, values[2], &deadline_ms))
		goto failed;
	search->proc = take_string(env, values[0]);
	if (!search->proc)
		goto failed;
	clock_gettime(CLOCK_MONOTONIC, &now);
	search->scan.proc = search->proc;
	search->scan.wanted = search->wanted;
	search->scan.deadline_ns = now.tv_sec * 1000000000ULL + now.tv_nsec + deadline_ms * 1000000ULL;
	napi_create_string_utf8(env, "scanDevices", NAPI_AUTO_LENGTH, &name);
	if (napi_create_async_work(env, NULL, name, execute, complete, search, &search->work) != napi_ok)
		goto failed;
	if (napi_create_promise(env, &search->deferred, &promise) == napi_ok && napi_queue_async_work(env, search->work) == napi_ok)
		return promise;
	napi_delete_async_work(env, search->work);
failed:
	if (search)
		forget(search);
	return NULL;
}
