/* SPDX-License-Identifier: GPL-2.0 */
/* Test cases in the kernel's TAP style: numbered lines, what differed behind `#`, a closing line with totals. */
#ifndef SELFTEST_TAP_H
#define SELFTEST_TAP_H

#include <stdbool.h>

struct test_case {
	const char *sentence;
	void (*run)(void);
};

/* Runs them in order, each from a clean start. How many failed. */
int tap_run(const struct test_case *cases, unsigned int count, void (*before_each)(void));
/* The running case has failed; what differed. */
void tap_differs(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A case of its own begins, for what is no part of tap_run(). */
void tap_begin(void);
bool tap_case_has_failed(void);

#define CHECK_EQ(got, want)                                                                                         \
	do {                                                                                                        \
		unsigned long long got_ = (unsigned long long)(got), want_ = (unsigned long long)(want);            \
		if (got_ != want_)                                                                                  \
			tap_differs(__FILE__, __LINE__, "%s is 0x%llx, not %s = 0x%llx", #got, got_, #want, want_); \
	} while (0)

#define CHECK(condition)                                                           \
	do {                                                                       \
		if (!(condition))                                                  \
			tap_differs(__FILE__, __LINE__, "not so: %s", #condition); \
	} while (0)

#endif
