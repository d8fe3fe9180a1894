// SPDX-License-Identifier: Apache-2.0
/*
 * Reads one small file with a deadline that reaches into the kernel. A read of tsm/bound can wait there for a lock whose holder waits for this
 * very read to end: both hang until the reader gets a signal. So the reading thread sends itself one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "addon.h"
#include "values.h"

#define ATTRIBUTE_BYTES 512
/* A signal just before the system call interrupts nothing: more follow. */
#define AGAIN_NS 10000000L

struct reading {
	napi_async_work work;
	napi_deferred deferred;
	char *path;
	__u32 deadline_ms;
	int rc;
	size_t length;
	char text[ATTRIBUTE_BYTES];
};

static int interrupting_signal(void)
{
	return SIGRTMIN + 7;
}

static void interrupted(int number)
{
	(void)number;
}

/* Without SA_RESTART: what the thread waits for ends with EINTR. */
static void install(void)
{
	struct sigaction action = { .sa_handler = interrupted };

	sigemptyset(&action.sa_mask);
	sigaction(interrupting_signal(), &action, NULL);
}

static int start_timer(timer_t *timer, __u32 deadline_ms)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = interrupting_signal() };
	struct itimerspec when = {
		.it_value = { .tv_sec = deadline_ms / 1000, .tv_nsec = deadline_ms % 1000 * 1000000L + 1 },
		.it_interval = { .tv_nsec = AGAIN_NS },
	};

	event._sigev_un._tid = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, timer))
		return -errno;
	if (timer_settime(*timer, 0, &when, NULL)) {
		timer_delete(*timer);
		return -errno;
	}
	return 0;
}

static int read_once(struct reading *reading)
{
	int fd = open(reading->path, O_RDONLY | O_CLOEXEC);
	ssize_t length;
	int rc;

	if (fd < 0)
		return -errno;
	length = read(fd, reading->text, sizeof(reading->text));
	rc = length < 0 ? -errno : 0;
	if (!rc)
		reading->length = length;
	close(fd);
	return rc;
}

/* On a thread of Node's pool. */
static void execute(napi_env env, void *argument)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct reading *reading = argument;
	sigset_t ours, before;
	timer_t timer;

	(void)env;
	pthread_once(&once, install);
	sigemptyset(&ours);
	sigaddset(&ours, interrupting_signal());
	pthread_sigmask(SIG_UNBLOCK, &ours, &before);
	reading->rc = start_timer(&timer, reading->deadline_ms);
	if (!reading->rc) {
		reading->rc = read_once(reading);
		timer_delete(timer);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (reading->rc == -EINTR)
		reading->rc = -ETIMEDOUT;
}

static void complete(napi_env env, napi_status status, void *argument)
{
	struct reading *reading = argument;
	napi_value text = NULL;

	if (status == napi_cancelled)
		reading->rc = -ECANCELED;
	if (reading->rc) {
		napi_reject_deferred(env, reading->deferred, value_error(env, -reading->rc, "readAttribute"));
	} else {
		napi_create_string_utf8(env, reading->text, reading->length, &text);
		napi_resolve_deferred(env, reading->deferred, text);
	}
	napi_delete_async_work(env, reading->work);
	free(reading->path);
	free(reading);
}

napi_value read_attribute(napi_env env, napi_callback_info info)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	napi_value values[2], promise = NULL, name = NULL;

	if (!reading || !take_arguments(env, info, 2, values) || !take_u32(env, values[1], &reading->deadline_ms))
		goto failed;
	reading->path = take_string(env, values[0]);
	if (!reading->path)
		goto failed;
	napi_create_string_utf8(env, "readAttribute", NAPI_AUTO_LENGTH, &name);
	if (napi_create_async_work(env, NULL, name, execute, complete, reading, &reading->work) != napi_ok)
		goto failed;
	if (napi_create_promise(env, &reading->deferred, &promise) == napi_ok && napi_queue_async_work(env, reading->work) == napi_ok)
		return promise;
	napi_delete_async_work(env, reading->work);
failed:
	if (reading)
		free(reading->path);
	free(reading);
	return NULL;
}
