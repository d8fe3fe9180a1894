/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_H
#define TESTS_H

void status_tests(void);
void table_tests(void);
void world_tests(void);
void ownership_tests(void);
void clear_tests(void);
void kill_tests(void);
void simulator_tests(void);

#endif
