// SPDX-License-Identifier: GPL-2.0
/*
 * What comes once in a session, or once for each of a guest's PASIDs
 */
#include <stdio.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "bench.h"
#include "lib/iommufd.h"

#define PASID	5
#define MANY	256

enum { BIND, OPEN, FIRST_READ, ALL, STEPS };

static const char * const step_names[STEPS] = {
	[BIND]		= "bind",
	[OPEN]		= "open",
	[FIRST_READ]	= "first-read",
	[ALL]		= "bind-to-read",
};

static void bind_once(struct side *side, long took[STEPS])
{
	unsigned long begin, bound, open, end;

	must(host_unbind(side->bdf), "unbind", side->bdf);
	must(host_writef(side->driver, "devices/%s/driver_override", side->bdf),
	     "driver_override", side->bdf);

	begin = ticks();
	must(host_writef(side->bdf, "drivers/%s/bind", side->driver), "bind",
	     side->bdf);
	bound = ticks();
	must(vfio_open_cdev(&side->v, side->bdf), "open", side->bdf);
	open = ticks();
	vfio_get(&side->v, PCI_VENDOR_ID, 4);
	end = ticks();

	vfio_close(&side->v);
	took[BIND] = bound - begin;
	took[OPEN] = open - bound;
	took[FIRST_READ] = end - open;
	took[ALL] = end - begin;
}

void bind_rounds(struct side *sides, const char *set, unsigned int rounds,
		 const char *suffix)
{
	unsigned int round, turn, step;
	long took[STEPS];
	char name[64];

	for (round = 0; round < rounds; round++)
		for (turn = 0; turn < 2; turn++) {
			struct side *side = &sides[(round ^ turn) & 1];

			bind_once(side, took);
			for (step = 0; step < STEPS; step++) {
				snprintf(name, sizeof(name), "%s%s",
					 step_names[step], suffix);
				print_samples(name, side->who, set, &took[step],
					      1);
			}
			/* So that there is one at most */
			must(host_unbind(side->bdf), "unbind", side->bdf);
		}
}

void bind_and_open(struct side *sides, const char *other, const char *set,
		   unsigned int rounds)
{
	unsigned int i;

	bind_rounds(sides, set, 4 * rounds, "");
	/* The only VF that is bound also makes the record of its PF. */
	must(host_unbind(other), "unbind", other);
	bind_rounds(sides, set, 2 * rounds, "-alone");
	must(host_bind(other, OURS), "bind", other);
	for (i = 0; i < 2; i++)
		must(host_bind(sides[i].bdf, sides[i].driver), "bind",
		     sides[i].bdf);
}

static long attach(struct side *side)
{
	unsigned long begin, end;

	begin = ticks();
	if (iommufd_attach(&side->v, side->hwpt, PASID))
		return -1;
	end = ticks();
	return iommufd_detach(&side->v, PASID) ? -1 : (long)(end - begin);
}

static long detach(struct side *side)
{
	unsigned long begin;

	if (iommufd_attach(&side->v, side->hwpt, PASID))
		return -1;
	begin = ticks();
	if (iommufd_detach(&side->v, PASID))
		return -1;
	return ticks() - begin;
}

static long attach_detach(struct side *side)
{
	unsigned long begin = ticks();

	if (iommufd_attach(&side->v, side->hwpt, PASID) ||
	    iommufd_detach(&side->v, PASID))
		return -1;
	return ticks() - begin;
}

static bool attach_many(struct side *side, unsigned int nr)
{
	unsigned int i;

	for (i = 1; i <= nr; i++)
		if (iommufd_attach(&side->v, side->hwpt, i))
			return false;
	return true;
}

static bool detach_many(struct side *side, unsigned int nr)
{
	unsigned int i;

	for (i = 1; i <= nr; i++)
		if (iommufd_detach(&side->v, i))
			return false;
	return true;
}

/* All of the guest's PASIDs go: by one write of the guest, or one by one */
static long clear(struct side *side, unsigned int nr)
{
	unsigned int ctrl = side->pasid + PCI_PASID_CTRL;
	unsigned long begin, end;

	if (!attach_many(side, nr))
		return -1;
	begin = ticks();
	if (side->pasid ? vfio_set(&side->v, ctrl, 2, 0) : !detach_many(side, nr))
		return -1;
	end = ticks();
	if (side->pasid && (iommu_has_pasid(side->bdf, nr) ||
			    !detach_many(side, nr) ||
			    vfio_set(&side->v, ctrl, 2, PCI_PASID_CTRL_ENABLE)))
		return -1;
	return end - begin;
}

static long clear_1(struct side *side)
{
	return clear(side, 1);
}

static long clear_16(struct side *side)
{
	return clear(side, 16);
}

static long clear_256(struct side *side)
{
	return clear(side, MANY);
}

const struct measure pasid_measures[] = {
	{ "attach", attach },
	{ "detach", detach },
	{ "attach-detach", attach_detach },
	{ "clear-1", clear_1 },
	{ "clear-16", clear_16 },
	{ "clear-256", clear_256 },
	{ }
};
