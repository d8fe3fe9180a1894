/* SPDX-License-Identifier: GPL-2.0 */
/* /dev/tdx_iommu as a caller sees it, and the knobs of simulator and driver below debugfs. */
#ifndef SELFTEST_DEVICE_H
#define SELFTEST_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include "../table/seamcall.h"
#include "../uapi/tdx_iommu.h"

#define DEVICE "/dev/tdx_iommu"
#define SIM_FOLDER "/sys/kernel/debug/tdx_connect_sim/"
#define DRIVER_FOLDER "/sys/kernel/debug/tdx_iommu/"
#define UNITS_MAX 16
#define FILL 0xA5

/* 0, or the errno. */
int call(int fd, unsigned long command, void *argument);
/* As a 32 bit program: through int 0x80. The argument lies below 4 GiB. */
int call_compat(int fd, unsigned long command, void *argument);
/* Memory that a 32 bit address reaches; the page behind it is not mapped. */
void *pages_below_4g(size_t bytes);

/* The descriptor, or a negative errno. */
int open_device(int flags);
/* Aborts the program when it can't be had: nothing else makes sense then. */
int must_open(int flags);

struct snapshot {
	struct tdx_iommu_list list;
	struct tdx_iommu_unit units[UNITS_MAX];
};

/* 0, or the errno. */
int take_snapshot(int fd, struct snapshot *snapshot);
/* The first unit; aborts when LIST fails. */
struct tdx_iommu_unit unit_now(int fd);
struct tdx_iommu_info info_now(int fd);
/* Key of the first unit. */
uint64_t first_unit(void);

#define ERRNO(number) (0x1000 + (number))

/* Outcome, or ERRNO(errno). */
int set_up(int fd, uint64_t reg_base);
/* With the id and the sequence that LIST gives. */
int clear_up(int fd, uint64_t reg_base);

/* Writes one line below debugfs; 0 or the errno. */
int knob(const char *folder, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
uint64_t knob_value(const char *folder, const char *name);
/* A number of the simulator's `table`, e.g. "pages_owned". */
uint64_t sim_table(const char *name);
void script(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* How many scripted faults have not come to their end. */
unsigned int sim_faults(void);

/* Everything scripted goes, and the unit is cleared: how a case finds the world. */
void clean_up(void);

/* Where the modules' files are. */
extern const char *modules_folder;
/* 0, or the errno. */
int load_module(const char *name, const char *parameters);
int unload_module(const char *name);

/* Whether, before a deadline, its call has reached the driver and waits there. */
int waits_in_kernel(int process);
/* Waits, with a deadline, until the first unit is in this state; 0 when it never was. */
int wait_for_state(int fd, uint32_t state);
_Noreturn void bail_out(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
