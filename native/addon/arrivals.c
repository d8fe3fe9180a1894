// SPDX-License-Identifier: Apache-2.0
/*
 * How often a device came, by the kernel's own news (netlink, NETLINK_KOBJECT_UEVENT): a directory in sysfs shows only the last time. The socket is
 * read without waiting, and keeps what comes meanwhile, also while the process is stopped.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "addon.h"
#include "values.h"

#define KERNEL_GROUP 1 /* what udev sends itself is in group 2 */
#define MESSAGE 8192
#define LONGEST 48
#define LOST (-1)

/* "add@PATH" and its zero, which a message begins with. Returns the length, 0 when the path is too long. */
static size_t head_of(const char *path, char head[LONGEST])
{
	size_t length = strlen("add@") + strlen(path) + 1;

	if (length > LONGEST)
		return 0;
	memcpy(head, "add@", strlen("add@"));
	memcpy(head + strlen("add@"), path, strlen(path) + 1);
	return length;
}

/* Lets nothing else into the socket's buffer, which the news of a busy host would overrun. A load beyond a message's end drops the message. */
static int filter_by(int fd, const char *head, size_t length)
{
	struct sock_filter code[2 * LONGEST + 2];
	struct sock_fprog program = { .filter = code };
	size_t at;
	unsigned short n = 0;

	for (at = 0; at < length; at++) {
		code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, at);
		/* To the last statement but one, which drops. */
		code[n] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned char)head[at], 0, 2 * (length - at - 1));
		n++;
	}
	/* A jump of the last comparison that holds goes past the drop. */
	code[n - 1].jt = 1;
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	program.len = n;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* udev has the kernel say again what is there: that is nothing that came. */
static bool is_said_again(const char *message, size_t length)
{
	const char *line, *end = message + length;

	for (line = message; line < end; line += strnlen(line, end - line) + 1) {
		if (strncmp(line, "SYNTH_UUID=", strlen("SYNTH_UUID=")) == 0)
			return true;
	}
	return false;
}

/* Takes everything that is there. LOST: some was dropped. A negative errno when the socket cannot be read. */
static int take(int fd, __s32 *count)
{
	char message[MESSAGE + 1];

	for (*count = 0;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t length = recvfrom(fd, message, MESSAGE, MSG_DONTWAIT, (struct sockaddr *)&from, &size);

		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == ENOBUFS) {
			*count = LOST;
			continue;
		}
		if (length < 0)
			return errno == EAGAIN ? 0 : -errno;
		message[length] = 0;
		/* Port 0 is the kernel; anybody may send to a socket. */
		if (*count != LOST && from.nl_pid == 0 && !is_said_again(message, length))
			(*count)++;
	}
}

static int open_socket(const char *path)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP };
	char head[LONGEST];
	size_t length = head_of(path, head);
	int fd, rc;

	if (!length)
		return -EINVAL;
	fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);
	if (fd < 0)
		return -errno;
	if (filter_by(fd, head, length) == 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

napi_value open_arrivals(napi_env env, napi_callback_info info)
{
	napi_value values[1], result = NULL;
	char *path;
	int fd;

	if (!take_arguments(env, info, 1, values))
		return NULL;
	path = take_string(env, values[0]);
	if (!path)
		return NULL;
	fd = open_socket(path);
	free(path);
	if (fd < 0) {
		napi_throw(env, value_error(env, -fd, "openArrivals"));
		return NULL;
	}
	napi_create_int32(env, fd, &result);
	return result;
}

napi_value take_arrivals(napi_env env, napi_callback_info info)
{
	napi_value values[1], result = NULL;
	__s32 fd = -1, count = 0;
	int rc;

	if (!take_arguments(env, info, 1, values) || !take_s32(env, values[0], &fd))
		return NULL;
	rc = take(fd, &count);
	if (rc) {
		napi_throw(env, value_error(env, -rc, "takeArrivals"));
		return NULL;
	}
	napi_create_int32(env, count, &result);
	return result;
}
