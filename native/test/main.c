// SPDX-License-Identifier: Apache-2.0
#include "check.h"
#include "tests.h"

int check_failed_here;
int check_passed, check_failed;

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	status_tests();
	table_tests();
	world_tests();
	ownership_tests();
	clear_tests();
	kill_tests();
	simulator_tests();
	printf("%d passed, %d failed\n", check_passed, check_failed);
	return check_failed ? 1 : 0;
}
