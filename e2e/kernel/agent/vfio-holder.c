// SPDX-License-Identifier: Apache-2.0
// Takes a device as a virtual machine monitor does, and keeps it until it is killed: vfio-holder /dev/vfio/devices/vfioN
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Linux 6.6 and later; this header may be older. */
struct bind_iommufd {
	unsigned int argsz, flags;
	int iommufd;
	unsigned int out_devid;
};
#define BIND_IOMMUFD _IO(VFIO_TYPE, VFIO_BASE + 18)

int main(int argc, char **argv)
{
	struct bind_iommufd bind = { .argsz = sizeof(bind) };
	int device;

	if (argc != 2)
		return 2;
	device = open(argv[1], O_RDWR);
	bind.iommufd = open("/dev/iommu", O_RDWR);
	if (device < 0 || bind.iommufd < 0 || ioctl(device, BIND_IOMMUFD, &bind)) {
		perror(argv[1]);
		return 1;
	}
	printf("held\n");
	fflush(stdout);
	pause();
	return 0;
}
