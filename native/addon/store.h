/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of both halves, table and simulated module, in a directory, so that it outlives every process:
 *
 *   state        everything but page contents; replaced by rename, so that a reader always sees one whole step and needs no lock
 *   memory       the contents of the simulated host's pages, sparse
 *   state.lock   held (flock) around each step by the process that changes something
 *   writer.lock  held by the one opener that may SETUP and CLEAR
 *
 * No mmap: watchers of the directory see every change.
 */
#ifndef ADDON_STORE_H
#define ADDON_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "../simulator/simulator.h"
#include "../table/table.h"

#define STORE_MEMORY_BASE 0x100000000ULL
#define STORE_MAX_UNITS 4096U

struct store_header {
	char magic[8];
	__u64 version; /* grows with each change, also over re-creation */
	__u32 size; /* of the whole file */
	__u32 unit_count;
	__u32 page_count;
	__u32 numa_nodes; /* the pages are divided evenly among them */
};

enum store_page { STORE_FREE = 0, STORE_USED = 1, STORE_FREED_IN_STEP = 2 };

/* One thread's view of the directory. Not shared between threads. */
struct store {
	int dir;
	int lock;
	int memory;
	int stop; /* poll-able: readable when waiting must end; not owned */
	size_t size;
	char *buffer; /* the state being worked on */
	char *saved; /* the state as stored */
	struct store_header *header;
	__u8 *used; /* enum store_page for each page */
	struct tdx_table table;
	struct sim_module sim;
};

struct store_shape {
	__u32 unit_count;
	__u32 page_count;
	__u32 numa_nodes;
};

/* 0 or a negative errno. `stop` may be -1. The state itself is read by store_load. */
int store_open(struct store *store, const char *path, int stop);
void store_close(struct store *store);
/* Reads the newest state unless it is the one we have. -EIO: there is none, or it is not ours; -EUCLEAN: something in it can't be. */
int store_load(struct store *store);
/* Lock and load. */
int store_begin(struct store *store);
/* Writes what changed, unlocks. */
int store_commit(struct store *store);
/* Unlocks; the next load reads everything again. */
void store_abort(struct store *store);
/* Under the lock taken by store_lock: an empty state of this shape, replacing any other. */
int store_shape(struct store *store, const struct store_shape *shape);
int store_lock(struct store *store);

#define STORE_FIELD_BYTES 96
/* What made store_load answer -EUCLEAN on this thread last. */
const char *store_invalid_field(void);
/* The whole file's, for this header. */
size_t store_size(const struct store_header *header);
/* False: `field` says what is wrong. The header first: what it says decides where everything else is. */
bool store_check_header(const struct store_header *header, __u64 file_size, char *field, size_t room);
bool store_check(const struct store *store, char *field, size_t room);
int store_random(void *to, size_t bytes);

extern const struct tdx_table_ops store_table_ops;
extern const struct sim_memory store_sim_memory;

#endif
