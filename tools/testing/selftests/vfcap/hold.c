// SPDX-License-Identifier: GPL-2.0
/*
 * Stands for a VMM: opens a VF, looks at its config space, and keeps it open
 * until its standard input ends. Says "open" when it is. Usage:
 * hold BDF cdev|group [CTRL], where CTRL is written to PASID Control.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "lib/vfio.h"

int main(int argc, char **argv)
{
	unsigned int pos;
	struct vfio v;
	int ret;

	if (argc < 3) {
		fprintf(stderr, "Usage: hold BDF cdev|group [CTRL]\n");
		return 2;
	}
	ret = strcmp(argv[2], "cdev") ? vfio_open_group(&v, argv[1]) :
					vfio_open_cdev(&v, argv[1]);
	if (ret) {
		fprintf(stderr, "hold: %s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	pos = vfio_find_ecap(&v, PCI_EXT_CAP_ID_PASID);
	if (argc > 3 && pos)
		vfio_set(&v, pos + PCI_PASID_CTRL, 2, strtoul(argv[3], NULL, 16));

	puts("open");
	fflush(stdout);
	while (getchar() != EOF)
		;
	vfio_close(&v);
	return 0;
}
