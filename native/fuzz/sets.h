/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where every page is that the host ever gave to an IOMMU_MT set. The table forgets the addresses of pages that it gave up; here they are
 * remembered, so that "retained, never freed, counted" can be held against the allocator.
 */
#ifndef FUZZ_SETS_H
#define FUZZ_SETS_H

#include "../test/host.h"

#define SETS_MAX 128
#define SET_PAGES_MAX 32

struct set {
	__u64 root;
	__u32 given; /* without root and ledger */
	__u32 pages; /* all */
	__u32 page[SET_PAGES_MAX]; /* index in the host's memory */
};

struct sets {
	struct set set[SETS_MAX];
	__u32 count;
};

/* Remembers the sets that the table's units have now. */
void sets_note(struct sets *sets, const struct host *host);
/* Forgets what has been freed, and checks: a set is whole, and what no unit holds any more is either all free or counted as retained. */
void sets_check(struct sets *sets, const struct host *host);

/* Prints and aborts. */
_Noreturn void violated(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
