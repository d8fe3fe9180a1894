// SPDX-License-Identifier: Apache-2.0
/* The threads of a handle. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "handle.h"

#define LANE_STACK (512 * 1024)

const char *request_command(enum request_kind kind)
{
	static const char *const names[] = { "INFO", "LIST", "SETUP", "CLEAR", "WAIT", "RESUME", "CLOSE" };

	return names[kind];
}

void request_free(struct request *request)
{
	free(request->units);
	free(request);
}

static enum lane_kind lane_of(enum request_kind kind)
{
	switch (kind) {
	case REQUEST_INFO:
	case REQUEST_LIST:
		return LANE_READ;
	case REQUEST_WAIT:
		return LANE_WATCH;
	default:
		return LANE_ORDERED;
	}
}

static int perform(struct backend *backend, struct request *request)
{
	switch (request->kind) {
	case REQUEST_INFO:
		return backend->ops->info(backend, &request->info);
	case REQUEST_LIST:
		return backend->ops->list(backend, &request->list, &request->units);
	case REQUEST_SETUP:
		return backend->ops->setup(backend, &request->setup);
	case REQUEST_CLEAR:
		return backend->ops->clear(backend, &request->clear);
	case REQUEST_WAIT:
		return backend->ops->wait(backend);
	default:
		return backend->ops->resume ? backend->ops->resume(backend) : 0;
	}
}

static void post(struct handle *handle, struct request *request)
{
	if (napi_call_threadsafe_function(handle->post, request, napi_tsfn_nonblocking) != napi_ok)
		request_free(request);
}

/* Under the lock: gives the answer to JavaScript, or frees it when its caller is gone. */
static void deliver(struct handle *handle, struct request *request)
{
	if (handle->closing || request->kind == REQUEST_RESUME)
		request_free(request);
	else
		post(handle, request);
}

/* In a call that cannot be interrupted. */
static bool is_stuck(const struct handle *handle, int lane)
{
	return lane == LANE_ORDERED && handle->backend->ops->blocking && handle->lanes[lane].calling;
}

static int lanes_running(const struct handle *handle, bool without_stuck)
{
	int i, running = 0;

	for (i = 0; i < LANES; i++)
		running += handle->lanes[i].running && !(without_stuck && is_stuck(handle, i));
	return running;
}

/* Under the lock; closing. Destroys the backend with the last lane, and tells JavaScript when nothing is left to wait for. */
static void after_leaving(struct handle *handle)
{
	bool quiet = lanes_running(handle, true) == 0;

	if (lanes_running(handle, false) == 0) {
		handle->backend->ops->destroy(handle->backend);
		handle->backend = NULL;
	}
	if (quiet && !handle->closed_posted && !handle->environment_gone) {
		handle->closed_posted = true;
		post(handle, handle->closed);
		handle->closed = NULL;
	}
	pthread_cond_broadcast(&handle->left);
}

static struct request *next_request(struct lane *lane)
{
	struct request *request;

	while (!lane->first && !lane->handle->closing)
		pthread_cond_wait(&lane->wake, &lane->handle->lock);
	request = lane->first;
	if (request)
		lane->first = request->next;
	if (!lane->first)
		lane->last = NULL;
	return request;
}

static void *lane_main(void *argument)
{
	struct lane *lane = argument;
	struct handle *handle = lane->handle;
	struct request *request;

	pthread_mutex_lock(&handle->lock);
	while ((request = next_request(lane))) {
		if (handle->closing) {
			request->rc = -ECANCELED;
		} else {
			lane->calling = true;
			pthread_mutex_unlock(&handle->lock);
			request->rc = perform(handle->backend, request);
			if (request->rc == -EUCLEAN)
				memcpy(request->field, store_invalid_field(), sizeof(request->field));
			pthread_mutex_lock(&handle->lock);
			lane->calling = false;
		}
		deliver(handle, request);
	}
	lane->running = false;
	after_leaving(handle);
	pthread_mutex_unlock(&handle->lock);
	lanes_release(handle);
	return NULL;
}

/* Under the lock. Signals stay with the threads that expect them. */
static int start(struct lane *lane)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;
	int rc;

	sigfillset(&all);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, LANE_STACK);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread, &attributes, lane_main, lane);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (rc)
		return -EAGAIN;
	lane->running = true;
	lane->handle->references++;
	return 0;
}

struct handle *lanes_new(struct backend *backend)
{
	struct handle *handle = calloc(1, sizeof(*handle));
	int i;

	if (!handle)
		return NULL;
	handle->closed = calloc(1, sizeof(*handle->closed));
	if (!handle->closed) {
		free(handle);
		return NULL;
	}
	handle->closed->kind = REQUEST_CLOSED;
	handle->closed->handle = handle;
	handle->backend = backend;
	handle->references = 1;
	pthread_mutex_init(&handle->lock, NULL);
	pthread_cond_init(&handle->left, NULL);
	for (i = 0; i < LANES; i++) {
		handle->lanes[i].handle = handle;
		pthread_cond_init(&handle->lanes[i].wake, NULL);
	}
	return handle;
}

int lanes_submit(struct handle *handle, struct request *request)
{
	struct lane *lane = &handle->lanes[lane_of(request->kind)];
	int rc = 0;

	pthread_mutex_lock(&handle->lock);
	if (!lane->running)
		rc = start(lane);
	if (!rc) {
		request->next = NULL;
		if (lane->last)
			lane->last->next = request;
		else
			lane->first = request;
		lane->last = request;
		pthread_cond_signal(&lane->wake);
	}
	pthread_mutex_unlock(&handle->lock);
	return rc;
}

static void stop(struct handle *handle)
{
	int i;

	handle->closing = true;
	for (i = 0; i < LANES; i++)
		pthread_cond_signal(&handle->lanes[i].wake);
	if (handle->backend)
		handle->backend->ops->interrupt(handle->backend);
}

bool lanes_close(struct handle *handle)
{
	bool quiet;

	pthread_mutex_lock(&handle->lock);
	stop(handle);
	if (handle->backend && lanes_running(handle, false) == 0) {
		handle->backend->ops->destroy(handle->backend);
		handle->backend = NULL;
	}
	quiet = !handle->closed_posted && (!handle->backend || lanes_running(handle, true) == 0);
	if (quiet)
		handle->closed_posted = true;
	pthread_mutex_unlock(&handle->lock);
	return quiet;
}

void lanes_environment_gone(struct handle *handle)
{
	pthread_mutex_lock(&handle->lock);
	handle->environment_gone = true;
	stop(handle);
	while (handle->backend && lanes_running(handle, true) > 0)
		pthread_cond_wait(&handle->left, &handle->lock);
	if (handle->backend && lanes_running(handle, false) == 0) {
		handle->backend->ops->destroy(handle->backend);
		handle->backend = NULL;
	}
	pthread_mutex_unlock(&handle->lock);
}

void lanes_release(struct handle *handle)
{
	int i, left;

	pthread_mutex_lock(&handle->lock);
	left = --handle->references;
	pthread_mutex_unlock(&handle->lock);
	if (left)
		return;
	while (handle->closers) {
		struct closer *closer = handle->closers;

		handle->closers = closer->next;
		free(closer);
	}
	for (i = 0; i < LANES; i++)
		pthread_cond_destroy(&handle->lanes[i].wake);
	pthread_cond_destroy(&handle->left);
	pthread_mutex_destroy(&handle->lock);
	free(handle->closed);
	free(handle);
}
