// SPDX-License-Identifier: GPL-2.0
/* Who may open the device, how often, and what an open descriptor allows. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

#define READERS 8

void one_writer(void)
{
	int first = must_open(O_RDWR), reader;

	CHECK_EQ(open_device(O_RDWR), -EBUSY);
	CHECK_EQ(open_device(O_WRONLY), -EBUSY);
	reader = must_open(O_RDONLY);
	CHECK_EQ(open_device(O_RDWR), -EBUSY);
	close(reader);
	CHECK_EQ(open_device(O_RDWR), -EBUSY);
	close(first);
	first = must_open(O_RDWR);
	close(first);
}

/* What a reader sees is consistent whenever it looks. */
static int reads_well(int fd, uint64_t *generation)
{
	struct snapshot snapshot;
	struct tdx_iommu_unit *unit = &snapshot.units[0];
	int has_id;

	if (take_snapshot(fd, &snapshot) || !snapshot.list.count || snapshot.list.generation < *generation)
		return 0;
	*generation = snapshot.list.generation;
	has_id = !!(unit->flags & TDX_IOMMU_UNIT_ID_VALID);
	if (unit->state == TDX_IOMMU_TRUSTED || unit->state == TDX_IOMMU_CLEARING)
		return has_id && unit->pages_donated;
	return !has_id && (unit->state == TDX_IOMMU_UNTRUSTED || unit->state == TDX_IOMMU_SETTING_UP);
}

static _Noreturn void read_until(volatile int *stop)
{
	uint64_t generation = 0;
	int fd = must_open(O_RDONLY), good = 1;

	while (good && !*stop)
		good = reads_well(fd, &generation);
	_exit(good ? 0 : 1);
}

void many_readers(void)
{
	volatile int *stop = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t readers[READERS];
	int fd = must_open(O_RDWR), i, status;
	uint64_t reg_base = first_unit();

	for (i = 0; i < READERS; i++) {
		readers[i] = fork();
		if (!readers[i])
			read_until(stop);
	}
	for (i = 0; i < 100; i++) {
		CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
		CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	}
	*stop = 1;
	for (i = 0; i < READERS; i++) {
		waitpid(readers[i], &status, 0);
		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	munmap((void *)stop, 4096);
	close(fd);
}

/* The open file is the writer, not the process: it is free when the last of those that share it is gone. */
void forked_descriptor(void)
{
	int fd = must_open(O_RDWR), end[2], status, error;
	uint64_t reg_base = first_unit();
	char byte;
	pid_t child;

	CHECK_EQ(pipe(end), 0);
	child = fork();
	if (!child) {
		error = set_up(fd, reg_base) != TDX_IOMMU_DONE;
		close(end[1]);
		if (read(end[0], &byte, 1) != 0)
			error = 1;
		_exit(error);
	}
	close(end[0]);
	CHECK_EQ(wait_for_state(fd, TDX_IOMMU_TRUSTED), 1);
	close(fd);
	CHECK_EQ(open_device(O_RDWR), -EBUSY);
	close(end[1]);
	waitpid(child, &status, 0);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	fd = must_open(O_RDWR);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_TRUSTED);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	close(fd);
}

void read_only_descriptor(void)
{
	int fd = must_open(O_RDONLY);
	uint64_t calls = sim_table("setup_calls"), reg_base = first_unit();
	struct tdx_iommu_clear clear = { .size = sizeof(clear), .reg_base = reg_base };

	CHECK_EQ(set_up(fd, reg_base), ERRNO(EBADF));
	CHECK_EQ(call(fd, TDX_IOMMU_IOC_CLEAR, &clear), EBADF);
	CHECK_EQ(sim_table("setup_calls"), calls);
	CHECK_EQ(info_now(fd).abi_version, TDX_IOMMU_ABI_VERSION);
	CHECK_EQ(unit_now(fd).state, TDX_IOMMU_UNTRUSTED);
	close(fd);
	/* Written only: both directions of a call need the caller's memory, not the file. */
	fd = must_open(O_WRONLY);
	CHECK_EQ(set_up(fd, reg_base), TDX_IOMMU_DONE);
	CHECK_EQ(clear_up(fd, reg_base), TDX_IOMMU_DONE);
	close(fd);
}

static int drop_sys_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return errno;
	data[CAP_TO_INDEX(CAP_SYS_ADMIN)].effective &= ~CAP_TO_MASK(CAP_SYS_ADMIN);
	return syscall(SYS_capset, &header, data) ? errno : 0;
}

/* In a child: the exit code is the number of the first thing that is not as it must be. */
static int child_code(int (*run)(int fd), int fd)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(run(fd));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* Well-formed or not, known or not: nothing is looked at before the capability. */
static int every_call_is_refused(int fd)
{
	struct tdx_iommu_info info = { .size = sizeof(info) };
	struct tdx_iommu_clear clear = { .size = sizeof(clear) };
	struct snapshot snapshot;

	if (call(fd, TDX_IOMMU_IOC_INFO, &info) != EPERM)
		return 1;
	if (take_snapshot(fd, &snapshot) != EPERM)
		return 2;
	if (set_up(fd, 0xfed90000) != ERRNO(EPERM))
		return 3;
	if (call(fd, TDX_IOMMU_IOC_CLEAR, &clear) != EPERM)
		return 4;
	return call(fd, TDX_IOMMU_IOC_INFO, NULL) == EPERM ? 0 : 5;
}

static int without_sys_admin(int fd)
{
	if (drop_sys_admin())
		return 10;
	if (open_device(O_RDONLY) != -EPERM || open_device(O_RDWR) != -EPERM)
		return 11;
	return every_call_is_refused(fd);
}

void without_capability(void)
{
	int fd = must_open(O_RDWR);
	uint64_t calls = sim_table("setup_calls");

	CHECK_EQ(child_code(without_sys_admin, fd), 0);
	CHECK_EQ(sim_table("setup_calls"), calls);
	close(fd);
	/* A refused open did not take the writer's place. */
	CHECK_EQ(child_code(without_sys_admin, -1), 1);
	fd = must_open(O_RDWR);
	close(fd);
}

static int as_user(int fd)
{
	if (setgid(65534) || setuid(65534))
		return 10;
	if (open_device(O_RDONLY) != -EACCES)
		return 11;
	return every_call_is_refused(fd);
}

static int as_user_with_open_mode(int fd)
{
	if (setgid(65534) || setuid(65534))
		return 10;
	if (open_device(O_RDONLY) != -EPERM || open_device(O_RDWR) != -EPERM)
		return 11;
	return every_call_is_refused(fd);
}

void as_nobody(void)
{
	int fd = must_open(O_RDWR);
	struct stat before;

	CHECK_EQ(stat(DEVICE, &before), 0);
	CHECK_EQ(before.st_mode & 0777, 0600);
	CHECK_EQ(child_code(as_user, fd), 0);
	CHECK_EQ(chmod(DEVICE, 0666), 0);
	CHECK_EQ(child_code(as_user_with_open_mode, fd), 0);
	CHECK_EQ(chmod(DEVICE, before.st_mode & 0777), 0);
	close(fd);
}
