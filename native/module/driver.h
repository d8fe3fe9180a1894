/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of tdx_iommu.ko share.
 *
 *   chardev.c --> worker.c --> table/ --> ops.c --> seamcall.c --> the registered backend | the CPU
 *
 * Lock order: PCI/TSM's semaphore (held by the caller of a backend's link TSM), then
 * driver.change, then driver.lock. Nothing here ever takes PCI/TSM's semaphore.
 */
#ifndef TDX_IOMMU_DRIVER_H
#define TDX_IOMMU_DRIVER_H

#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "backend.h"

struct tdx_driver {
	struct tdx_table table;
	struct tdx_table_head head;
	/* As read from DMAR and the registers, before a backend's ecap(). */
	struct tdx_unit_facts *facts;
	void __iomem **registers; /* of each of them */
	u32 fact_count;
	spinlock_t lock; /* the table */
	wait_queue_head_t changed;
	/* backend, stopping, sleeping; held for the time of an operation by the worker. */
	struct mutex change;
	const struct tdx_iommu_backend *backend;
	void *backend_ctx;
	bool backend_gone; /* it answered -EIO when last asked */
	bool pinned; /* this module and the backend's, while a unit is not clean */
	unsigned long stopping; /* no SETUP any more: since when, in jiffies; 0: not yet */
	bool sleeping; /* no SETUP until the machine has woken up */
	unsigned long writer; /* bit 0: taken */
};

extern const struct tdx_table_ops tdx_driver_ops; /* ops.c */

/* driver.c */
extern struct tdx_driver tdx_driver;
/*
 * All units anew, under a new instance. Sequence numbers go on: none is ever used twice. Under
 * driver.change, as the two below.
 */
int tdx_driver_renew(struct tdx_driver *driver);
bool tdx_driver_is_clean(struct tdx_driver *driver);
/* Holds both modules while a unit is not clean. */
void tdx_driver_pin(struct tdx_driver *driver, bool wanted);

/* dmar.c: -ENODEV without a DMAR table or units. */
int tdx_dmar_read(struct tdx_driver *driver);
void tdx_dmar_free(struct tdx_driver *driver);
/* registers.c: maps and reads those of one unit; NULL when nothing answers. */
void __iomem *tdx_registers_open(struct tdx_unit_facts *facts);
/* Reads every unit's status into the table. */
void tdx_registers_look(struct tdx_driver *driver);
/* Whether they forbid a SETUP; the log says why. */
bool tdx_registers_forbid(const struct tdx_driver *driver, const struct tdx_unit *unit);

/*
 * seamcall.c: one attempt, by the backend or on this CPU, where faults come back as statuses. -EIO:
 * the backend is gone. Under driver.lock or driver.change.
 */
int tdx_seamcall(struct tdx_driver *driver, struct tdx_seamcall_regs *regs);
/* identity.c: under driver.lock. */
void tdx_identity_read(struct tdx_driver *driver, struct tdx_identity *identity);

/* worker.c: 0 and the outcome in the argument, or the errno of the contract. */
int tdx_worker_start(void);
void tdx_worker_stop(void);
int tdx_worker_setup(struct tdx_iommu_setup *setup);
int tdx_worker_clear(struct tdx_iommu_clear *clear);
/* Stops new SETUPs and clears what can be cleared; for reboot and kexec. */
void tdx_worker_clear_all(void);

/* chardev.c, power.c, testing.c */
int tdx_chardev_start(void);
void tdx_chardev_stop(void);
int tdx_power_start(void);
void tdx_power_stop(void);
#ifdef TDX_TESTING
void tdx_testing_start(void);
void tdx_testing_stop(void);
bool tdx_testing_fails_alloc(void);
bool tdx_testing_fails_seamcall(void);
u32 tdx_testing_gsts(u32 gsts);
enum tdx_mode tdx_testing_mode(enum tdx_mode mode);
/* As a driver of version 1 of the contract. */
size_t tdx_testing_clear_size(size_t size);
void tdx_testing_info(struct tdx_iommu_info *info);
#else
static inline void tdx_testing_start(void) {}
static inline void tdx_testing_stop(void) {}
static inline bool tdx_testing_fails_alloc(void)
{
	return false;
}

static inline bool tdx_testing_fails_seamcall(void)
{
	return false;
}

static inline u32 tdx_testing_gsts(u32 gsts)
{
	return gsts;
}

static inline enum tdx_mode tdx_testing_mode(enum tdx_mode mode)
{
	return mode;
}

static inline size_t tdx_testing_clear_size(size_t size)
{
	return size;
}

static inline void tdx_testing_info(struct tdx_iommu_info *info) {}
#endif

#endif
