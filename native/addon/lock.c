// SPDX-License-Identifier: Apache-2.0
/* lockFile: the lock that keeps a second agent off a node. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>

#include "addon.h"
#include "values.h"

/*
 * The bytes that SQLite locks for an exclusive transaction (os_unix.c: PENDING_BYTE, RESERVED_BYTE and the SHARED range of 510): earlier versions
 * of the agent took their lock with it, and both must be in each other's way.
 */
#define FIRST_BYTE 0x40000000
#define BYTES 512

/*
 * Of the open file description (F_OFD_SETLK): it ends with the last descriptor, at the latest with the process. Unlike a lock of the process it is not
 * lost when any other descriptor of the same file is closed.
 */
napi_value lock_file(napi_env env, napi_callback_info info)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = FIRST_BYTE, .l_len = BYTES };
	napi_value values[1], nothing = NULL;
	__s32 fd = -1;

	if (!take_arguments(env, info, 1, values) || !take_s32(env, values[0], &fd))
		return NULL;
	if (fcntl(fd, F_OFD_SETLK, &lock)) {
		napi_throw(env, value_error(env, errno, "lockFile"));
		return NULL;
	}
	napi_get_undefined(env, &nothing);
	return nothing;
}
