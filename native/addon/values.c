// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

napi_value value_u32(napi_env env, __u32 number)
{
	napi_value value = NULL;

	napi_create_uint32(env, number, &value);
	return value;
}

napi_value value_u64(napi_env env, __u64 number)
{
	napi_value value = NULL;

	napi_create_bigint_uint64(env, number, &value);
	return value;
}

napi_value value_bool(napi_env env, bool yes)
{
	napi_value value = NULL;

	napi_get_boolean(env, yes, &value);
	return value;
}

napi_value value_null(napi_env env)
{
	napi_value value = NULL;

	napi_get_null(env, &value);
	return value;
}

napi_value value_instance(napi_env env, const __u8 *instance)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * TDX_IOMMU_INSTANCE_BYTES];
	napi_value value = NULL;
	int i;

	for (i = 0; i < TDX_IOMMU_INSTANCE_BYTES; i++) {
		text[2 * i] = digits[instance[i] >> 4];
		text[2 * i + 1] = digits[instance[i] & 15];
	}
	napi_create_string_latin1(env, text, sizeof(text), &value);
	return value;
}

void set(napi_env env, napi_value object, const char *name, napi_value value)
{
	napi_set_named_property(env, object, name, value);
}

void set_u32(napi_env env, napi_value object, const char *name, __u32 number)
{
	set(env, object, name, value_u32(env, number));
}

void set_u64(napi_env env, napi_value object, const char *name, __u64 number)
{
	set(env, object, name, value_u64(env, number));
}

napi_value value_info(napi_env env, const struct tdx_iommu_info *info)
{
	napi_value object = NULL;

	napi_create_object(env, &object);
	set_u32(env, object, "flags", info->flags);
	set_u32(env, object, "abiVersion", info->abi_version);
	set_u32(env, object, "abiProfile", info->abi_profile);
	set_u32(env, object, "environment", info->environment);
	set_u32(env, object, "moduleMajor", info->module_major);
	set_u32(env, object, "moduleMinor", info->module_minor);
	set_u32(env, object, "moduleUpdate", info->module_update);
	set_u32(env, object, "moduleInternal", info->module_internal);
	set_u32(env, object, "buildNum", info->build_num);
	set_u32(env, object, "buildDate", info->build_date);
	set_u32(env, object, "mtPageCount", info->mt_page_count);
	set_u64(env, object, "features0", info->features0);
	set_u32(env, object, "valid", info->valid);
	set(env, object, "instance", value_instance(env, info->instance));
	set_u64(env, object, "pagesDonated", info->pages_donated);
	set_u64(env, object, "pagesRetained", info->pages_retained);
	return object;
}

napi_value value_unit(napi_env env, const struct tdx_iommu_unit *unit)
{
	napi_value object = NULL, numa_node = NULL;

	napi_create_object(env, &object);
	napi_create_int32(env, unit->numa_node, &numa_node);
	set_u64(env, object, "regBase", unit->reg_base);
	set_u32(env, object, "segment", unit->segment);
	set(env, object, "numaNode", numa_node);
	set_u64(env, object, "cap", unit->cap);
	set_u64(env, object, "ecap", unit->ecap);
	set_u32(env, object, "gsts", unit->gsts);
	set_u32(env, object, "state", unit->state);
	set_u32(env, object, "flags", unit->flags);
	set_u32(env, object, "leaf", unit->leaf);
	set_u64(env, object, "tdxIommuId", unit->tdx_iommu_id);
	set_u64(env, object, "setupSeq", unit->setup_seq);
	set_u64(env, object, "status", unit->status);
	set_u64(env, object, "durationNs", unit->duration_ns);
	set_u32(env, object, "attempts", unit->attempts);
	set_u32(env, object, "pagesDonated", unit->pages_donated);
	set_u32(env, object, "pagesRetained", unit->pages_retained);
	return object;
}

napi_value value_units(napi_env env, const struct tdx_iommu_unit *units, __u32 count)
{
	napi_value array = NULL;
	__u32 i;

	napi_create_array_with_length(env, count, &array);
	for (i = 0; i < count; i++)
		napi_set_element(env, array, i, value_unit(env, &units[i]));
	return array;
}

napi_value value_call(napi_env env, __u32 outcome, const struct tdx_iommu_unit *unit)
{
	napi_value object = NULL;

	napi_create_object(env, &object);
	set_u32(env, object, "outcome", outcome);
	set(env, object, "unit", value_unit(env, unit));
	return object;
}

struct errno_name {
	int number;
	const char *name;
};

#define NAME(number) { number, #number }
static const struct errno_name names[] = {
	NAME(ENODEV),	 NAME(ENOENT), NAME(EBUSY),   NAME(ESTALE),    NAME(ENOMEM), NAME(EINTR),  NAME(EOPNOTSUPP),
	NAME(EIO),	 NAME(EPERM),  NAME(EBADF),   NAME(EINVAL),    NAME(E2BIG),  NAME(ENOTTY), NAME(EFAULT),
	NAME(ENOTDIR),	 NAME(EACCES), NAME(ENOSPC),  NAME(EEXIST),    NAME(ENXIO),  NAME(EMFILE), NAME(EROFS),
	NAME(ECANCELED), NAME(EAGAIN), NAME(ENOTSUP), NAME(ETIMEDOUT), NAME(ESRCH),  NAME(ETIME),  NAME(EUCLEAN),
};

static const char *name_of(int number)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].number == number)
			return names[i].name;
	}
	return "EUNKNOWN";
}

napi_value value_error(napi_env env, int error, const char *command)
{
	napi_value text = NULL, code = NULL, object = NULL, number = NULL, name = NULL;
	char words[128];

	napi_create_string_utf8(env, strerror_r(error, words, sizeof(words)), NAPI_AUTO_LENGTH, &text);
	napi_create_string_utf8(env, name_of(error), NAPI_AUTO_LENGTH, &code);
	napi_create_string_utf8(env, command, NAPI_AUTO_LENGTH, &name);
	napi_create_int32(env, error, &number);
	napi_create_error(env, code, text, &object);
	set(env, object, "errno", number);
	set(env, object, "command", name);
	return object;
}

napi_value value_state_error(napi_env env, int error, const char *command, const char *field)
{
	napi_value object = value_error(env, error, command), text = NULL;

	if (error == EUCLEAN) {
		napi_create_string_utf8(env, field, NAPI_AUTO_LENGTH, &text);
		set(env, object, "field", text);
	}
	return object;
}

static bool refuse(napi_env env, const char *what)
{
	bool pending = false;

	napi_is_exception_pending(env, &pending);
	if (!pending)
		napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", what);
	return false;
}

bool take_u64(napi_env env, napi_value value, __u64 *number)
{
	uint64_t got = 0;
	bool lossless = false;

	if (napi_get_value_bigint_uint64(env, value, &got, &lossless) != napi_ok || !lossless)
		return refuse(env, "a bigint from 0 to 2^64 - 1 was expected");
	*number = got;
	return true;
}

static bool take_integer(napi_env env, napi_value value, double low, double high, double *number)
{
	if (napi_get_value_double(env, value, number) != napi_ok || !(*number >= low && *number <= high) ||
	    *number != (double)(long long)*number)
		return refuse(env, "an integer in the range of its C type was expected");
	return true;
}

bool take_u32(napi_env env, napi_value value, __u32 *number)
{
	double got = 0;

	if (!take_integer(env, value, 0, 4294967295.0, &got))
		return false;
	*number = (__u32)got;
	return true;
}

bool take_s32(napi_env env, napi_value value, __s32 *number)
{
	double got = 0;

	if (!take_integer(env, value, -2147483648.0, 2147483647.0, &got))
		return false;
	*number = (__s32)got;
	return true;
}

bool take_bool(napi_env env, napi_value value, bool *yes)
{
	return napi_get_value_bool(env, value, yes) == napi_ok || refuse(env, "a boolean was expected");
}

char *take_string(napi_env env, napi_value value)
{
	size_t length = 0;
	char *text;

	if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) {
		refuse(env, "a string was expected");
		return NULL;
	}
	text = malloc(length + 1);
	if (!text || napi_get_value_string_utf8(env, value, text, length + 1, &length) != napi_ok || strlen(text) != length) {
		free(text);
		refuse(env, "a string without NUL was expected");
		return NULL;
	}
	return text;
}

bool member(napi_env env, napi_value object, const char *name, napi_value *value)
{
	return napi_get_named_property(env, object, name, value) == napi_ok || refuse(env, "an object was expected");
}

bool take_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values)
{
	size_t got = count;

	if (napi_get_cb_info(env, info, &got, values, NULL, NULL) != napi_ok || got != count)
		return refuse(env, "wrong number of arguments");
	return true;
}
