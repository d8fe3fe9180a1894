// SPDX-License-Identifier: Apache-2.0
/*
 * Gives a PCI function vfio-pci, or its own driver, and says how that ended.
 *
 *   driver-writer BUS ADDRESS vfio|native PARENT
 *
 * BUS is /sys/bus/pci; PARENT is the pid that this process must have as its parent. Prints `ok`, or the file whose write failed with its
 * errno: `driver_override ERRNO`, `unbind ERRNO`, `drivers_probe ERRNO`; `driver ENODEV` when vfio-pci has not taken the function.
 *
 * Every step that is done already is left out or repeated harmlessly, so that it goes on where another one was killed. An unbind waits in the
 * kernel until the driver lets go of the function, for vfio until nobody has it open.
 */
#include "writer.h"

#define ARGUMENTS 5
#define VFIO_PCI "vfio-pci"

/* @return the name of the function's driver, empty when it has none, in a buffer of PATH_MAX bytes */
static const char *driver_of(const char *device, char *target)
{
	char path[PATH_MAX];
	ssize_t length;
	char *name;

	target[0] = '\0';
	if (snprintf(path, sizeof(path), "%s/driver", device) >= (int)sizeof(path))
		return target;
	length = readlink(path, target, PATH_MAX - 1);
	target[length < 0 ? 0 : length] = '\0';
	name = strrchr(target, '/');
	return name == NULL ? target : name + 1;
}

/* A driver that is gone by now has let go of it. @return 0, or the errno */
static int unbind(const char *device, const char *address)
{
	char target[PATH_MAX], path[PATH_MAX];
	int error, is_open;

	if (driver_of(device, target)[0] == '\0')
		return 0;
	/* The link is followed: the file is the driver's. */
	if (snprintf(path, sizeof(path), "%s/driver", device) >= (int)sizeof(path))
		return ENAMETOOLONG;
	error = write_file(path, "unbind", address, &is_open);
	/* Whoever took the driver away meanwhile did what this was to do. */
	if ((error == ENOENT || error == ENODEV) && driver_of(device, target)[0] == '\0')
		return 0;
	return error;
}

int main(int argc, char **argv)
{
	char device[PATH_MAX], target[PATH_MAX];
	int error, is_open, is_vfio;
	const char *driver;

	if (argc != ARGUMENTS || stand_alone(argv[4]))
		return 2;
	is_vfio = strcmp(argv[3], "vfio") == 0;
	if (!is_vfio && strcmp(argv[3], "native") != 0)
		return 2;
	if (snprintf(device, sizeof(device), "%s/devices/%s", argv[1], argv[2]) >=
	    (int)sizeof(device))
		return 2;
	/* An empty line clears it. */
	error = write_file(device, "driver_override", is_vfio ? VFIO_PCI : "\n", &is_open);
	if (error != 0)
		return answer("driver_override", error);
	driver = driver_of(device, target);
	if (is_vfio ? strcmp(driver, VFIO_PCI) != 0 : strstr(driver, "vfio") != NULL) {
		error = unbind(device, argv[2]);
		if (error != 0)
			return answer("unbind", error);
	}
	if (driver_of(device, target)[0] == '\0') {
		error = write_file(argv[1], "drivers_probe", argv[2], &is_open);
		if (error != 0)
			return answer("drivers_probe", error);
	}
	/* Its own driver may not be loaded, which is nobody's fault here. */
	return answer("driver",
		      is_vfio && strcmp(driver_of(device, target), VFIO_PCI) != 0 ? ENODEV : 0);
}
