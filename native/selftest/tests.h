/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SELFTEST_TESTS_H
#define SELFTEST_TESTS_H

/* abi_test.c */
void sizes(void);
void flags_and_padding(void);
void commands(void);
void addresses(void);
void list_shapes(void);
void answers_leak_nothing(void);
void compat_callers(void);

/* access_test.c */
void one_writer(void);
void many_readers(void);
void forked_descriptor(void);
void read_only_descriptor(void);
void without_capability(void);
void as_nobody(void);

/* operation_test.c */
void setup_and_clear(void);
void stale_keys(void);
void refused_setups(void);
void refused_clears(void);
void interruptions(void);
void readers_do_not_wait(void);
void killed_caller(void);
void dropped_caller(void);
void joined_callers(void);
void poll_tells(void);
void poll_wakes(void);

/* not_after_test.c */
void late_clear(void);
void begun_clear(void);
void clear_behind_setup(void);
void joined_clear(void);
void older_caller(void);
void older_driver(void);

/* world_test.c */
void environments(void);
void not_opted_in(void);
void detached_backend(void);
void detached_in_setup(void);
void pinned_modules(void);
void no_sleep(void);
void other_backends(void);
void no_backend(void);
void retained_pages(void);
void another_module(void);

/* registers_test.c */
void gone_registers(void);
void forbidden_setup(void);
void foreign_unit(void);
void lost_mode(void);

/* modes.c: exit codes */
int run_setup(void);
int run_setup_and_clear(void);
int run_sweep(void);
int run_bench(void);

#endif
