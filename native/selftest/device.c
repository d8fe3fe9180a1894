// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define COMPAT_IOCTL 54
#define PAGE 4096UL

const char *modules_folder = "/";

_Noreturn void bail_out(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	printf("Bail out! ");
	vprintf(format, arguments);
	printf("\n");
	va_end(arguments);
	exit(1);
}

int call(int fd, unsigned long command, void *argument)
{
	return ioctl(fd, command, argument) ? errno : 0;
}

int call_compat(int fd, unsigned long command, void *argument)
{
	long rc;

	asm volatile("int $0x80"
		     : "=a"(rc)
		     : "0"((long)COMPAT_IOCTL), "b"((long)fd), "c"(command), "d"(argument)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)-(int)rc;
}

void *pages_below_4g(size_t bytes)
{
	size_t whole = (bytes + PAGE - 1) / PAGE * PAGE;
	char *at = mmap(NULL, whole + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (at == MAP_FAILED)
		bail_out("no memory below 4 GiB");
	munmap(at + whole, PAGE);
	return at;
}

int open_device(int flags)
{
	int fd = open(DEVICE, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int must_open(int flags)
{
	int fd = open_device(flags);

	if (fd < 0)
		bail_out("%s: %s", DEVICE, strerror(-fd));
	return fd;
}

int take_snapshot(int fd, struct snapshot *snapshot)
{
	memset(snapshot, 0, sizeof(*snapshot));
	snapshot->list = (struct tdx_iommu_list){
		.size = sizeof(snapshot->list),
		.entry_size = sizeof(snapshot->units[0]),
		.capacity = UNITS_MAX,
		.entries = (uintptr_t)snapshot->units,
	};
	return call(fd, TDX_IOMMU_IOC_LIST, &snapshot->list);
}

struct tdx_iommu_unit unit_now(int fd)
{
	struct snapshot snapshot;
	int error = take_snapshot(fd, &snapshot);

	if (error || !snapshot.list.count)
		bail_out("LIST: %s, %u units", strerror(error), snapshot.list.count);
	return snapshot.units[0];
}

struct tdx_iommu_info info_now(int fd)
{
	struct tdx_iommu_info info = { .size = sizeof(info) };
	int error = call(fd, TDX_IOMMU_IOC_INFO, &info);

	if (error)
		bail_out("INFO: %s", strerror(error));
	return info;
}

uint64_t first_unit(void)
{
	int fd = must_open(O_RDONLY);
	uint64_t reg_base = unit_now(fd).reg_base;

	close(fd);
	return reg_base;
}

int set_up(int fd, uint64_t reg_base)
{
	struct tdx_iommu_setup setup = { .size = sizeof(setup), .reg_base = reg_base };
	int error = call(fd, TDX_IOMMU_IOC_SETUP, &setup);

	return error ? ERRNO(error) : (int)setup.outcome;
}

int clear_up(int fd, uint64_t reg_base)
{
	struct tdx_iommu_clear clear = { .size = sizeof(clear), .reg_base = reg_base };
	struct snapshot snapshot;
	unsigned int i;
	int error = take_snapshot(fd, &snapshot);

	for (i = 0; !error && i < snapshot.list.count; i++) {
		if (snapshot.units[i].reg_base != reg_base)
			continue;
		clear.tdx_iommu_id = snapshot.units[i].tdx_iommu_id;
		clear.setup_seq = snapshot.units[i].setup_seq;
	}
	error = error ? error : call(fd, TDX_IOMMU_IOC_CLEAR, &clear);
	return error ? ERRNO(error) : (int)clear.outcome;
}

static int write_line(const char *folder, const char *name, const char *format, va_list arguments)
{
	char path[128], line[256];
	int fd, length, error = 0;

	snprintf(path, sizeof(path), "%s%s", folder, name);
	length = vsnprintf(line, sizeof(line), format, arguments);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, line, (size_t)length) != length)
		error = errno;
	close(fd);
	return error;
}

int knob(const char *folder, const char *name, const char *format, ...)
{
	va_list arguments;
	int error;

	va_start(arguments, format);
	error = write_line(folder, name, format, arguments);
	va_end(arguments);
	return error;
}

static void read_file(const char *folder, const char *name, char *text, size_t room)
{
	char path[128];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%s%s", folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = fd < 0 ? -1 : read(fd, text, room - 1);
	if (length < 0)
		bail_out("%s: %s", path, strerror(errno));
	text[length] = '\0';
	close(fd);
}

uint64_t knob_value(const char *folder, const char *name)
{
	char text[64];

	read_file(folder, name, text, sizeof(text));
	return strtoull(text, NULL, 0);
}

uint64_t sim_table(const char *name)
{
	char text[4096], *at;

	read_file(SIM_FOLDER, "table", text, sizeof(text));
	at = strstr(text, name);
	if (!at)
		bail_out("the simulator's table has no %s: %s", name, text);
	return strtoull(at + strlen(name), NULL, 0);
}

void script(const char *format, ...)
{
	va_list arguments;
	int error;

	va_start(arguments, format);
	error = write_line(SIM_FOLDER, "fault", format, arguments);
	va_end(arguments);
	if (error)
		bail_out("the simulator takes no fault: %s", strerror(error));
}

int waits_in_kernel(int process)
{
	char path[64], state = 0;
	int tries;

	snprintf(path, sizeof(path), "/proc/%d/stat", process);
	for (tries = 0; tries < 100 && state != 'D'; tries++) {
		FILE *stat = fopen(path, "r");

		if (!stat || fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
			state = 0;
		if (stat)
			fclose(stat);
		usleep(50000);
	}
	return state == 'D';
}

unsigned int sim_faults(void)
{
	char text[4096], *at;
	unsigned int lines = 0;

	read_file(SIM_FOLDER, "fault", text, sizeof(text));
	for (at = text; *at; at++)
		lines += *at == '\n';
	return lines;
}

void clean_up(void)
{
	int fd, tries, outcome = ERRNO(EBUSY);
	uint64_t reg_base;

	knob(SIM_FOLDER, "fault", "clear");
	knob(SIM_FOLDER, "detached", "0");
	knob(SIM_FOLDER, "environment", "ok");
	knob(SIM_FOLDER, "latency_ms", "0");
	knob(SIM_FOLDER, "interruptions", "0");
	knob(DRIVER_FOLDER, "fail_alloc", "0");
	knob(DRIVER_FOLDER, "fail_seamcall", "0");
	fd = must_open(O_RDWR);
	reg_base = unit_now(fd).reg_base;
	if (!(info_now(fd).flags & TDX_IOMMU_INFO_SIMULATED))
		bail_out("load tdx_connect_sim.ko first: this program plays with units");
	/* What is kept for a repeat is given back by a SETUP that succeeds and a CLEAR. */
	if (unit_now(fd).state == TDX_IOMMU_FAILED && !(unit_now(fd).flags & TDX_IOMMU_UNIT_ID_VALID))
		set_up(fd, reg_base);
	for (tries = 0; tries < 3 && (unit_now(fd).flags & TDX_IOMMU_UNIT_ID_VALID) && outcome != TDX_IOMMU_DONE; tries++)
		outcome = clear_up(fd, reg_base);
	close(fd);
}

int load_module(const char *name, const char *parameters)
{
	char path[128];
	int fd, error;

	snprintf(path, sizeof(path), "%s/%s.ko", modules_folder, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	error = syscall(SYS_finit_module, fd, parameters, 0) ? errno : 0;
	close(fd);
	return error;
}

int unload_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? errno : 0;
}

int wait_for_state(int fd, uint32_t state)
{
	struct pollfd change = { .fd = fd, .events = POLLIN };
	int tries;

	for (tries = 0; tries < 100; tries++) {
		if (unit_now(fd).state == state)
			return 1;
		/* Wakes with the table's next change. */
		poll(&change, 1, 1000);
	}
	return 0;
}
