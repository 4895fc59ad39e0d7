// SPDX-License-Identifier: GPL-2.0
/*
 * What all measurements stand on: a VF that is opened as a VMM does, samples that are
 * printed, and the end if something fails.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "bench.h"
#include "lib/iommufd.h"

void fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

void must(int ret, const char *what, const char *bdf)
{
	if (ret)
		fail("%s: %s: %s", bdf, what, strerror(-ret));
}

void print_samples(const char *name, const char *who, const char *set,
		   const long *samples, unsigned int nr)
{
	unsigned int i;

	printf("sample %s %s %s", name, who, set);
	for (i = 0; i < nr; i++)
		printf(" %ld", samples[i]);
	printf("\n");
	fflush(stdout);
}

/* As a VMM does: with a page table, and PASID enabled where the VF shows it */
void side_open(struct side *side)
{
	uint32_t ioas;

	must(vfio_open_cdev(&side->v, side->bdf), "open", side->bdf);
	must(iommufd_ioas(&side->v, &ioas), "IOAS", side->bdf);
	must(iommufd_hwpt(&side->v, ioas, true, &side->hwpt), "page table",
	     side->bdf);
	must(iommufd_attach(&side->v, side->hwpt, 0), "attach", side->bdf);
	side->pasid = vfio_find_ecap(&side->v, PCI_EXT_CAP_ID_PASID);
	if (!side->pasid != !!strcmp(side->driver, OURS))
		fail("%s: PASID at %#x with driver %s", side->bdf, side->pasid,
		     side->driver);
	if (side->pasid)
		must(vfio_set(&side->v, side->pasid + PCI_PASID_CTRL, 2,
			      PCI_PASID_CTRL_ENABLE), "enable", side->bdf);
	side->bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
			 side->v.fd, 0);
	if (side->bar == MAP_FAILED)
		fail("%s: mmap: %s", side->bdf, strerror(errno));
}

void side_close(struct side *side)
{
	munmap(side->bar, 4096);
	vfio_close(&side->v);
}
