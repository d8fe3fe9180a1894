// SPDX-License-Identifier: Apache-2.0
/*
 * Writes one attribute of a function's tsm/ group, and says how that ended.
 *
 *   link-writer DIRECTORY connect|disconnect TSM awake|asleep PARENT
 *
 * DIRECTORY is the function's, below /sys/bus/pci/devices; PARENT is the pid that this process must have as its parent. Prints `ok`,
 * `open ERRNO` or `write ERRNO`. The write holds a lock of the whole kernel while SPDM and IDE are set up.
 */
#include "writer.h"

#define ARGUMENTS 6

int main(int argc, char **argv)
{
	int error, is_open, is_connect, is_awake;
	char attribute[32];

	if (argc != ARGUMENTS || stand_alone(argv[5]))
		return 2;
	is_connect = strcmp(argv[2], "connect") == 0;
	is_awake = strcmp(argv[4], "awake") == 0;
	if ((!is_connect && strcmp(argv[2], "disconnect") != 0) ||
	    (!is_awake && strcmp(argv[4], "asleep") != 0))
		return 2;
	/* Waking resets some devices, and nothing saves their IDE registers. A device without power management is awake. */
	if (is_awake)
		write_file(argv[1], "power/control", "on", &is_open);
	snprintf(attribute, sizeof(attribute), "tsm/%s", argv[2]);
	error = write_file(argv[1], attribute, argv[3], &is_open);
	if (error == 0 && !is_awake)
		write_file(argv[1], "power/control", "auto", &is_open);
	return answer(is_open ? "write" : "open", error);
}
