/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest test harness: named tests, checks that print what differed, a summary line. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>

extern int check_failed_here;
extern int check_passed, check_failed;

#define CHECK_EQ(got, want)                                                                                                 \
	do {                                                                                                                \
		unsigned long long got_ = (unsigned long long)(got), want_ = (unsigned long long)(want);                    \
		if (got_ != want_) {                                                                                        \
			check_failed_here = 1;                                                                              \
			printf("    %s:%d: %s is 0x%llx, not %s = 0x%llx\n", __FILE__, __LINE__, #got, got_, #want, want_); \
		}                                                                                                           \
	} while (0)

#define CHECK(condition) CHECK_EQ(!!(condition), 1)

#define TEST(function, sentence)                                                        \
	do {                                                                            \
		check_failed_here = 0;                                                  \
		function();                                                             \
		printf("  %s %s\n", check_failed_here ? "FAILED" : "ok    ", sentence); \
		if (check_failed_here)                                                  \
			check_failed++;                                                 \
		else                                                                    \
			check_passed++;                                                 \
	} while (0)

#endif
