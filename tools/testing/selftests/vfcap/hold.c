// SPDX-License-Identifier: GPL-2.0
/*
 * Plays a VMM: opens a VF, reads its config space, and keeps it open until its
 * standard input ends. Prints "open" once it has. Usage:
 * hold BDF cdev|group [ACT...], with each ACT done in order: "attach" attaches a page
 * table to one more PASID; "master" sets Bus Master Enable, like the guest's driver;
 * and a hex number is written to PASID Control; or
 * hold PF all: opens all VFs of a PF, through one iommufd.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <linux/pci_regs.h>

#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/vfio.h"

#define MAX_VFS	1024

/* The first PASID that a page table is attached to */
#define PASID	5

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

/* The device itself must have such a page table as well. */
static int attach(struct vfio *v)
{
	static uint32_t pasid = PASID;
	uint32_t ioas, hwpt;
	int ret;

	ret = iommufd_ioas(v, &ioas) ?: iommufd_hwpt(v, ioas, true, &hwpt);
	if (!ret && pasid == PASID)
		ret = iommufd_attach(v, hwpt, 0);
	return ret ?: iommufd_attach(v, hwpt, pasid++);
}

static int act(struct vfio *v, const char *what)
{
	unsigned int pos;

	if (!strcmp(what, "attach"))
		return attach(v);
	if (!strcmp(what, "master"))
		return vfio_set(v, PCI_COMMAND, 2, vfio_get(v, PCI_COMMAND, 2) |
						   PCI_COMMAND_MASTER);
	pos = vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID);
	return pos ? vfio_set(v, pos + PCI_PASID_CTRL, 2, strtoul(what, NULL, 16)) : 0;
}

int main(int argc, char **argv)
{
	struct vfio v;
	int ret, i;

	if (argc < 3) {
		fprintf(stderr, "Usage: hold BDF cdev|group [ACT...], or hold PF all\n");
		return 2;
	}
	if (!strcmp(argv[2], "all"))
		return hold_all(argv[1]);
	ret = strcmp(argv[2], "cdev") ? vfio_open_group(&v, argv[1]) :
					vfio_open_cdev(&v, argv[1]);
	if (!ret)
		vfio_find_ecap(&v, PCI_EXT_CAP_ID_PASID);
	for (i = 3; i < argc && !ret; i++)
		ret = act(&v, argv[i]);
	if (ret)
		return failed(argv[1], ret);

	wait_for_end();
	vfio_close(&v);
	return 0;
}
