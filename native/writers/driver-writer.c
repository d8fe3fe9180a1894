// SPDX-License-Identifier: Apache-2.0
/*
 * Gives a PCI function vfio-pci, or its own driver, and says how that ended.
 *
 *   driver-writer BUS ADDRESS vfio|native DEV PARENT
 *
 * BUS is /sys/bus/pci, DEV is /dev; PARENT is the pid that this process must have as its parent. Prints `ok`, or the file whose write failed with
 * its errno: `driver_override ERRNO`, `unbind ERRNO`, `drivers_probe ERRNO`; `driver ENODEV` when vfio-pci has not taken the function; `disk EBUSY`
 * when the host uses a disk of the function, and `disk ERRNO` when that cannot be told: then nothing was written.
 *
 * Every step that is done already is left out or repeated harmlessly, so that it goes on where another one was killed. An unbind waits in the
 * kernel until the driver lets go of the function, for vfio until nobody has it open.
 */
#include "writer.h"
#include <ftw.h>

#define ARGUMENTS 6
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

/* Of nftw(3), which hands nothing on to what it calls. */
static const char *dev_folder;
static int disk_error;

/* @return what stands in the way of taking this disk: 0, EBUSY when it is in use, or why that cannot be told */
static int claim(const char *name)
{
	char path[PATH_MAX];
	int disk;

	if (snprintf(path, sizeof(path), "%s/%s", dev_folder, name) >= (int)sizeof(path))
		return ENAMETOOLONG;
	/* A name of the kernel's with a slash has it as '!' in sysfs. */
	for (char *at = path + strlen(dev_folder) + 1; *at != '\0'; at++)
		if (*at == '!')
			*at = '/';
	disk = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	if (disk < 0)
		/* No medium; no disk any more. */
		return errno == ENOMEDIUM || errno == ENXIO ? 0 : errno;
	close(disk);
	return 0;
}

/* Claims each whole disk for a moment, which a claim of one of its partitions prevents too. */
static int visit(const char *path, const struct stat *status, int type, struct FTW *place)
{
	char file[PATH_MAX], target[PATH_MAX];
	ssize_t length;

	(void)status;
	if (type == FTW_DNR || type == FTW_NS)
		disk_error = EACCES;
	if (type != FTW_D)
		return disk_error;
	if (snprintf(file, sizeof(file), "%s/subsystem", path) >= (int)sizeof(file))
		return disk_error = ENAMETOOLONG;
	length = readlink(file, target, sizeof(target) - 1);
	target[length < 0 ? 0 : length] = '\0';
	if (length < 0 || strcmp(strrchr(target, '/') ?: target, "/block") != 0)
		return 0;
	snprintf(file, sizeof(file), "%s/partition", path);
	if (access(file, F_OK) == 0)
		return 0;
	return disk_error = claim(path + place->base);
}

/*
 * Whoever uses a disk from within the kernel (a file system, swap, a pool, a target) has claimed it for itself. That is asked last, and of the kernel
 * itself: there are users that it shows in no file.
 *
 * @return 0, EBUSY, or why it cannot be told
 */
static int claim_disks(const char *device, const char *dev)
{
	char inside[PATH_MAX];

	dev_folder = dev;
	/* The function's folder is a link, which is not followed. */
	if (snprintf(inside, sizeof(inside), "%s/.", device) >= (int)sizeof(inside))
		return ENAMETOOLONG;
	/* A function that is gone has no disk. */
	if (nftw(inside, visit, 16, FTW_PHYS) < 0 && errno != ENOENT)
		return errno;
	return disk_error;
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

	if (argc != ARGUMENTS || stand_alone(argv[5]))
		return 2;
	is_vfio = strcmp(argv[3], "vfio") == 0;
	if (!is_vfio && strcmp(argv[3], "native") != 0)
		return 2;
	if (snprintf(device, sizeof(device), "%s/devices/%s", argv[1], argv[2]) >=
	    (int)sizeof(device))
		return 2;
	error = is_vfio ? claim_disks(device, argv[4]) : 0;
	if (error != 0)
		return answer("disk", error);
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
