// SPDX-License-Identifier: GPL-2.0
/*
 * Makes each allocation, then each SEAMCALL, of a passing SETUP and CLEAR fail in turn, until a sequence passes with the countdown left
 * over. Needs a driver built with TDX_TESTING.
 */
#include <fcntl.h>
#include <unistd.h>

#include "selftest.h"

#define MOST 400

/* One SETUP and CLEAR, repeated until both are done; NULL, or what went wrong. */
static const char *sequence(int fd, unsigned int *refused)
{
	struct tdx_iommu_setup setup = { 0 };
	struct tdx_iommu_clear clear;
	struct tdx_iommu_unit unit;
	struct tdx_iommu_info info;
	int tries;

	for (tries = 0; tries < 3; tries++) {
		if (call_setup(fd, first_unit(fd).reg_base, &setup)) {
			if (errno != ENOMEM)
				return "SETUP fails otherwise than for want of memory";
			(*refused)++;
			if (call_info(fd, &info) || info.pages_donated || info.pages_retained)
				return "pages are counted after a SETUP without memory";
			continue;
		}
		if (setup.outcome == TDX_IOMMU_DONE)
			break;
		(*refused)++;
		if (setup.outcome != TDX_IOMMU_RETRY)
			return "SETUP fails for good";
	}
	unit = first_unit(fd);
	if (unit.state != TDX_IOMMU_TRUSTED || module_says("pages_owned ") != unit.pages_donated)
		return "the unit is not trusted, or the module owns other pages than were given";
	for (tries = 0; tries < 3; tries++) {
		if (call_clear(fd, &unit, &clear))
			return "CLEAR fails";
		if (clear.outcome == TDX_IOMMU_DONE)
			break;
		(*refused)++;
		if (!(clear.unit.flags & TDX_IOMMU_UNIT_ID_VALID) || clear.unit.pages_donated != unit.pages_donated)
			return "a refused CLEAR loses the id or pages";
	}
	if (call_info(fd, &info) || info.pages_donated || info.pages_retained)
		return "pages are left after CLEAR";
	return module_says("pages_owned ") == 0 && module_says("corrupted ") == 0 ? NULL : "the module owns or found pages that are ours";
}

int run_once(void)
{
	unsigned int refused = 0;
	int fd = device_open(O_RDWR);
	const char *problem = fd < 0 ? "the device cannot be opened" : sequence(fd, &refused);

	if (problem)
		printf("not ok - %s (errno %d)\n", problem, errno);
	return problem ? 1 : 0;
}

static int left(const char *file)
{
	char path[128], text[16] = "";
	int fd, value = -1;

	snprintf(path, sizeof(path), "/sys/kernel/debug/tdx_iommu/%s", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		sscanf(text, "%d", &value);
	close(fd);
	return value;
}

static int sweep(const char *file)
{
	unsigned int refused = 0;
	int at, fd = device_open(O_RDWR);

	if (fd < 0)
		return 1;
	for (at = 1; at < MOST; at++) {
		const char *problem;
		char line[16];

		snprintf(line, sizeof(line), "%d", at);
		if (script_driver(file, line))
			return 1;
		problem = sequence(fd, &refused);
		if (problem) {
			printf("not ok - %s %d: %s (errno %d)\n", file, at, problem, errno);
			return 1;
		}
		if (left(file) > 0)
			break;
	}
	script_driver(file, "0");
	close(fd);
	printf("%s - %s: each of %d failed in turn, %u calls refused, nothing lost\n", at > 1 && at < MOST ? "ok" : "not ok", file, at - 1, refused);
	return at > 1 && at < MOST ? 0 : 1;
}

int run_sweep(void)
{
	return sweep("fail_alloc") | sweep("fail_seamcall");
}
