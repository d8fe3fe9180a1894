// SPDX-License-Identifier: GPL-2.0
/*
 * The contract of /dev/tdx_iommu, held against the driver over the simulated TDX module, as root, in a machine of its own.
 *
 *   selftest                  every case; leaves pages retained, so that the modules can't be unloaded afterwards
 *   selftest sweep            each allocation and each SEAMCALL fails in turn (a driver built with TDX_TESTING=1)
 *   selftest setup            leaves the first unit trusted
 *   selftest setup-and-clear  one cycle
 *   selftest bench            how long LIST takes
 *
 * The modules' files are looked for in / or in a second argument.
 */
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "tap.h"
#include "tests.h"

static const struct test_case cases[] = {
	{ "structs shorter than their first version are EINVAL, unknown tails E2BIG, and refusals write nothing", sizes },
	{ "every unknown flag and all padding that is not zero is EINVAL", flags_and_padding },
	{ "unknown commands are ENOTTY, and the size in a command does not matter", commands },
	{ "memory that can't be read or written is EFAULT", addresses },
	{ "LIST copies what there is room for, in entries of the caller's size", list_shapes },
	{ "answers are the driver's own to the last byte", answers_leak_nothing },
	{ "a 32 bit caller has the same contract", compat_callers },
	{ "one writer at a time, EBUSY for the next", one_writer },
	{ "many readers see consistent snapshots while units change", many_readers },
	{ "a descriptor shared by fork is one writer", forked_descriptor },
	{ "SETUP and CLEAR on a read-only descriptor are EBADF", read_only_descriptor },
	{ "without CAP_SYS_ADMIN every open and every call is EPERM", without_capability },
	{ "an ordinary user gets nowhere, whatever the file's mode", as_nobody },
	{ "SETUP and CLEAR take a unit into trust and out of it", setup_and_clear },
	{ "a stale id or sequence is ESTALE and makes no SEAMCALL", stale_keys },
	{ "a refused SETUP keeps, frees or retains its pages by its status", refused_setups },
	{ "a refused CLEAR keeps id and pages", refused_clears },
	{ "interrupted calls are resumed", interruptions },
	{ "INFO, LIST, open and poll do not wait for a slow SETUP", readers_do_not_wait },
	{ "a caller killed during SETUP is gone, the operation goes on, and a repeat joins it", killed_caller },
	{ "a caller killed while it waits for its turn leaves nothing that happens later", dropped_caller },
	{ "several callers of one SETUP share one SEAMCALL", joined_callers },
	{ "a CLEAR after its time is ETIME, makes no SEAMCALL and changes nothing", late_clear },
	{ "a CLEAR that has begun in time is resumed to its end", begun_clear },
	{ "a CLEAR whose time passes while it waits behind a SETUP is not issued", clear_behind_setup },
	{ "a caller that joins a CLEAR sets the later time", joined_clear },
	{ "a caller that does not know not_after has the contract of before", older_caller },
	{ "a driver that does not know not_after is E2BIG, and says so in INFO", older_driver },
	{ "poll tells of each change once per open file", poll_tells },
	{ "poll wakes for a SETUP, for a lost module and for a detached backend", poll_wakes },
	{ "a TDX module that can't be called is ENODEV, and trust is gone with it", environments },
	{ "a TDX module without TDX Connect leaves units unsupported", not_opted_in },
	{ "a detached backend is EIO for every call", detached_backend },
	{ "a backend that goes in the middle of SETUP is EIO, and pages are kept", detached_in_setup },
	{ "modules can't be unloaded while a unit is trusted or in transition", pinned_modules },
	{ "the machine does not sleep while a unit is trusted", no_sleep },
	{ "another load of the simulator is another instance, and every profile of CLEAR works", other_backends },
	{ "without a backend units are unsupported and real SETUP is off, and finds no module when on", no_backend },
	{ "a unit that does not answer any more is not trusted, and keeps its id", gone_registers },
	{ "a SETUP that the unit's registers forbid is recorded as refused, and no call is issued", forbidden_setup },
	{ "a unit in TDX mode without an id of ours is never touched", foreign_unit },
	{ "a unit that has left TDX mode by itself is not trusted", lost_mode },
	{ "retained pages are counted, stay, and pin the modules", retained_pages },
	{ "a TDX module loaded anew makes ids stale and their pages retained", another_module },
};

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "test";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 2)
		modules_folder = argv[2];
	if (!strcmp(mode, "sweep"))
		return run_sweep();
	if (!strcmp(mode, "setup"))
		return run_setup();
	if (!strcmp(mode, "setup-and-clear"))
		return run_setup_and_clear();
	if (!strcmp(mode, "bench"))
		return run_bench();
	if (!strcmp(mode, "test"))
		return tap_run(cases, sizeof(cases) / sizeof(cases[0]), clean_up) ? 1 : 0;
	fprintf(stderr, "usage: selftest [test|sweep|setup|setup-and-clear|bench] [FOLDER OF THE MODULES]\n");
	return 2;
}
