// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "selftest.h"

#define MOST_OPEN 256

static int opened[MOST_OPEN], opened_count;

int device_open(int flags)
{
	int fd = open(DEVICE, flags | O_CLOEXEC);

	if (fd >= 0 && opened_count < MOST_OPEN)
		opened[opened_count++] = fd;
	return fd;
}

void close_all(void)
{
	while (opened_count > 0)
		close(opened[--opened_count]);
}

int call_info(int fd, struct tdx_iommu_info *info)
{
	*info = (struct tdx_iommu_info){ .size = sizeof(*info) };
	return ioctl(fd, TDX_IOMMU_IOC_INFO, info);
}

int call_list(int fd, struct tdx_iommu_unit *units, unsigned int capacity, struct tdx_iommu_list *list)
{
	*list = (struct tdx_iommu_list){
		.size = sizeof(*list),
		.entry_size = sizeof(*units),
		.capacity = capacity,
		.entries = (unsigned long)units,
	};
	return ioctl(fd, TDX_IOMMU_IOC_LIST, list);
}

int call_setup(int fd, unsigned long long reg_base, struct tdx_iommu_setup *setup)
{
	*setup = (struct tdx_iommu_setup){ .size = sizeof(*setup), .reg_base = reg_base };
	return ioctl(fd, TDX_IOMMU_IOC_SETUP, setup);
}

int call_clear(int fd, const struct tdx_iommu_unit *unit, struct tdx_iommu_clear *clear)
{
	*clear = (struct tdx_iommu_clear){
		.size = sizeof(*clear),
		.reg_base = unit->reg_base,
		.tdx_iommu_id = unit->tdx_iommu_id,
		.setup_seq = unit->setup_seq,
	};
	return ioctl(fd, TDX_IOMMU_IOC_CLEAR, clear);
}

struct tdx_iommu_unit first_unit(int fd)
{
	struct tdx_iommu_unit unit = { 0 };
	struct tdx_iommu_list list;

	if (call_list(fd, &unit, 1, &list) || list.count != 1)
		unit.reg_base = 0;
	return unit;
}

static int write_line(const char *folder, const char *file, const char *line)
{
	char path[256];
	ssize_t written;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	written = write(fd, line, strlen(line));
	close(fd);
	return written < 0 ? -1 : 0;
}

int script(const char *file, const char *line)
{
	return write_line("tdx_connect_sim", file, line);
}

int script_driver(const char *file, const char *line)
{
	return write_line("tdx_iommu", file, line);
}

unsigned long long module_says(const char *word)
{
	char text[4096], *found;
	int fd = open("/sys/kernel/debug/tdx_connect_sim/table", O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return ~0ULL;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	found = strstr(text, word);
	return found ? strtoull(found + strlen(word), NULL, 0) : ~0ULL;
}

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}
