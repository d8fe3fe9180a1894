// SPDX-License-Identifier: GPL-2.0
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>

#define DIFFERENCES_MAX 12 /* printed for one case: the rest repeats them */

static bool case_has_failed;
static int differences;

void tap_differs(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	case_has_failed = true;
	if (differences++ >= DIFFERENCES_MAX)
		return;
	printf("# %s:%d: ", file, line);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

bool tap_case_has_failed(void)
{
	return case_has_failed;
}

void tap_begin(void)
{
	case_has_failed = false;
	differences = 0;
}

int tap_run(const struct test_case *cases, unsigned int count, void (*before_each)(void))
{
	unsigned int i, failed = 0;

	/* A child that forks in the middle of a case must not print what its parent has printed. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%u\n", count);
	for (i = 0; i < count; i++) {
		tap_begin();
		before_each();
		cases[i].run();
		failed += case_has_failed;
		printf("%sok %u %s\n", case_has_failed ? "not " : "", i + 1, cases[i].sentence);
	}
	printf("# %u passed, %u failed\n", count - failed, failed);
	return (int)failed;
}
