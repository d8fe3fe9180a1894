// SPDX-License-Identifier: GPL-2.0
/* selftest [all|sweep|bench|setup-and-clear]: TAP on standard output, exit code 1 when a test failed. */
#include "selftest.h"

bool test_failed;
static int count, failures;

static void run_all(const struct test *tests)
{
	for (; tests->name; tests++) {
		test_failed = false;
		script("fault", "clear");
		tests->run();
		close_all();
		failures += test_failed;
		printf("%s %d - %s\n", test_failed ? "not ok" : "ok", ++count, tests->name);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "all";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "sweep"))
		return run_sweep();
	if (!strcmp(what, "bench"))
		return run_bench();
	if (!strcmp(what, "setup-and-clear"))
		return run_once();
	printf("TAP version 13\n");
	run_all(field_tests);
	run_all(state_tests);
	run_all(process_tests);
	run_all(loss_tests);
	printf("1..%d\n# %d passed, %d failed\n", count, count - failures, failures);
	return failures ? 1 : 0;
}
