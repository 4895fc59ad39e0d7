// SPDX-License-Identifier: GPL-2.0
/*
 * Prints a VF's virtual config space, as a VMM reads it, in the format that "lspci -F"
 * reads. Optionally it writes PASID Control first, so that lspci can show the effect of a
 * guest's write. Usage: dump BDF [CTRL]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "lib/vfio.h"

int main(int argc, char **argv)
{
	unsigned char config[4096];
	unsigned int pos, i;
	struct vfio v;
	int ret;

	if (argc < 2) {
		fprintf(stderr, "Usage: dump BDF [CTRL]\n");
		return 2;
	}
	ret = vfio_open(&v, argv[1]);
	if (ret) {
		fprintf(stderr, "dump: %s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	pos = vfio_find_ecap(&v, PCI_EXT_CAP_ID_PASID);
	if (argc > 2 && pos)
		vfio_set(&v, pos + PCI_PASID_CTRL, 2, strtoul(argv[2], NULL, 16));
	if (vfio_read(&v, 0, config, sizeof(config)) != sizeof(config))
		return 1;

	printf("%s VF\n", argv[1]);
	for (i = 0; i < sizeof(config); i++) {
		if (i % 16 == 0)
			printf("%02x:", i);
		printf(" %02x%s", config[i], i % 16 == 15 ? "\n" : "");
	}
	vfio_close(&v);
	return 0;
}
