/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One handle: a backend, three threads ("lanes") started when first needed, and the way of their answers back to JavaScript.
 *
 *   JavaScript thread ──► lane queue ──► lane thread: backend call ──► thread-safe function ──► JavaScript thread: promise
 *
 * Ownership: a request belongs to its lane until it is posted, then to the JavaScript thread. Once the handle is closing nothing is posted
 * any more and the lane frees it; by then JavaScript has settled its promise and forgotten it. The handle is freed with its last reference: the JavaScript object, the environment
 * (until the handle is closed), and each running lane hold one.
 */
#ifndef ADDON_HANDLE_H
#define ADDON_HANDLE_H

#include <pthread.h>
#include <stdbool.h>

#include "addon.h"

enum lane_kind { LANE_ORDERED, LANE_READ, LANE_WATCH, LANES };

enum request_kind { REQUEST_INFO, REQUEST_LIST, REQUEST_SETUP, REQUEST_CLEAR, REQUEST_WAIT, REQUEST_RESUME, REQUEST_CLOSED };

struct handle;

struct request {
	enum request_kind kind;
	int rc;
	struct request *next; /* in the lane's queue */
	struct handle *handle;
	napi_deferred deferred;
	bool settled; /* JavaScript thread: rejected by close */
	struct request *newer; /* JavaScript thread: all unsettled requests */
	struct request *older;
	struct tdx_iommu_unit *units;
	char field[STORE_FIELD_BYTES]; /* of a state that can't be: what is wrong in it */
	union {
		struct tdx_iommu_info info;
		struct tdx_iommu_list list;
		struct tdx_iommu_setup setup;
		struct tdx_iommu_clear clear;
	};
};

struct lane {
	struct handle *handle;
	pthread_cond_t wake;
	struct request *first;
	struct request *last;
	bool running;
	bool calling; /* in the backend */
};

struct closer {
	napi_deferred deferred;
	struct closer *next;
};

struct handle {
	pthread_mutex_t lock;
	pthread_cond_t left; /* a lane has left */
	/* Under the lock. */
	int references;
	bool closing;
	bool environment_gone;
	bool closed_posted;
	struct request *closed; /* made at the start, so that closing can't fail */
	struct lane lanes[LANES];
	struct backend *backend; /* NULL once destroyed */
	/* JavaScript thread only. */
	napi_env env;
	napi_threadsafe_function post;
	napi_ref self;
	struct request *newest;
	struct closer *closers;
	unsigned int keeping; /* requests that keep the process alive */
	bool finished;
	/* The last list's units, reused while nothing changed. */
	napi_ref units;
	__u64 units_generation;
	__u8 units_instance[TDX_IOMMU_INSTANCE_BYTES];
};

const char *request_command(enum request_kind kind);
void request_free(struct request *request);

/* handle.c: the JavaScript thread's side. Requests other than WAIT keep the process alive, and every request keeps the handle. */
void handle_keep(struct handle *handle, enum request_kind kind, bool yes);
void pending_link(struct handle *handle, struct request *request);
void pending_unlink(struct handle *handle, struct request *request);
/* Rejects everything in flight; the lanes, or their last messages, free it. */
void handle_close(struct handle *handle);
/* The handle's part of the environment: the way back for the lanes, and the hook at its end. -ENOMEM. */
int handle_connect(napi_env env, struct handle *handle);

/* lanes.c: threads. */
struct handle *lanes_new(struct backend *backend);
/* 0, or -EAGAIN when no thread could be started; the request is then the caller's again. */
int lanes_submit(struct handle *handle, struct request *request);
/* Interrupts everything. True: nothing is left to wait for. */
bool lanes_close(struct handle *handle);
/* The environment goes: nothing may be posted from now on. Waits for the lanes that can be interrupted. */
void lanes_environment_gone(struct handle *handle);
void lanes_release(struct handle *handle);

#endif
