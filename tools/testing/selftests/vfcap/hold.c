// SPDX-License-Identifier: GPL-2.0
/*
 * Stands for a VMM: opens a VF, looks at its config space, and keeps it open
 * until its standard input ends. Says "open" when it is. Usage:
 * hold BDF cdev|group [CTRL], where CTRL is written to PASID Control; or
 * hold PF all: all VFs of a PF, through one iommufd.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <linux/pci_regs.h>

#include "lib/host.h"
#include "lib/vfio.h"

#define MAX_VFS	1024

static void wait_for_end(void)
{
	puts("open");
	fflush(stdout);
	while (getchar() != EOF)
		;
}

static int failed(const char *bdf, int ret)
{
	fprintf(stderr, "hold: %s: %s\n", bdf, strerror(-ret));
	return 1;
}

static int hold_all(const char *pf)
{
	const struct rlimit files = { 4 * MAX_VFS, 4 * MAX_VFS };
	static struct vfio vfs[MAX_VFS];
	int iommufd, i, ret;
	char vf[16];

	setenv("VFCAP_PF", pf, 1);
	setrlimit(RLIMIT_NOFILE, &files);
	iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	for (i = 0; i < MAX_VFS; i++) {
		host_vf_name(i, vf);
		if (!*vf)
			break;
		ret = vfio_open_shared(&vfs[i], vf, iommufd);
		if (ret)
			return failed(vf, ret);
		vfio_find_ecap(&vfs[i], PCI_EXT_CAP_ID_PASID);
	}
	wait_for_end();
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int pos;
	struct vfio v;
	int ret;

	if (argc < 3) {
		fprintf(stderr, "Usage: hold BDF cdev|group [CTRL], or hold PF all\n");
		return 2;
	}
	if (!strcmp(argv[2], "all"))
		return hold_all(argv[1]);
	ret = strcmp(argv[2], "cdev") ? vfio_open_group(&v, argv[1]) :
					vfio_open_cdev(&v, argv[1]);
	if (ret)
		return failed(argv[1], ret);
	pos = vfio_find_ecap(&v, PCI_EXT_CAP_ID_PASID);
	if (argc > 3 && pos)
		vfio_set(&v, pos + PCI_PASID_CTRL, 2, strtoul(argv[3], NULL, 16));

	wait_for_end();
	vfio_close(&v);
	return 0;
}
