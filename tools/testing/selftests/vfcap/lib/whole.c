// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "host.h"
#include "iommufd.h"
#include "sample.h"
#include "vfio.h"
#include "whole.h"

/* Not a PASID that tests attach, so that leftovers of theirs would be noticed */
#define PASID	77

struct step {
	const char *otherwise;
	bool (*holds)(struct vfio *v, const char *bdf);
};

static bool opens(struct vfio *v, const char *bdf)
{
	return !vfio_open_cdev(v, bdf);
}

static bool attaches(struct vfio *v, const char *bdf)
{
	uint32_t ioas, hwpt;

	return !iommufd_ioas(v, &ioas) && !iommufd_hwpt(v, ioas, true, &hwpt) &&
	       !iommufd_attach(v, hwpt, 0) && !iommufd_attach(v, hwpt, PASID);
}

static unsigned int ctrl(struct vfio *v)
{
	return vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID) + PCI_PASID_CTRL;
}

bool whole_shows_pasid(struct vfio *v, const char *bdf)
{
	return vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID) &&
	       !strcmp(sample_state(bdf, "pasid_state"), "shown");
}

static bool starts_disabled(struct vfio *v, const char *bdf)
{
	return !vfio_get(v, ctrl(v), 2);
}

static bool none_is_known(struct vfio *v, const char *bdf)
{
	return iommu_count_pasids(bdf) == 0;
}

static bool enables(struct vfio *v, const char *bdf)
{
	return !vfio_set(v, ctrl(v), 2, PCI_PASID_CTRL_ENABLE) &&
	       vfio_get(v, ctrl(v), 2) == PCI_PASID_CTRL_ENABLE;
}

static bool one_is_known(struct vfio *v, const char *bdf)
{
	return iommu_has_pasid(bdf, PASID) && iommu_count_pasids(bdf) == 1;
}

static bool disables(struct vfio *v, const char *bdf)
{
	return !vfio_set(v, ctrl(v), 2, 0);
}

static bool closes(struct vfio *v, const char *bdf)
{
	vfio_close(v);
	return !strcmp(sample_state(bdf, "pasid_state"), "hidden");
}

static const struct step steps[] = {
	{ "it cannot be opened", opens },
	{ "no page table can be attached", attaches },
	{ "PASID is not shown", whole_shows_pasid },
	{ "Enable is not 0 after the open", starts_disabled },
	{ "a PASID is in the IOMMU before Enable is 1", none_is_known },
	{ "Enable cannot be set", enables },
	{ "the PASID is not in the IOMMU, or another is", one_is_known },
	{ "Enable cannot be cleared", disables },
	{ "a PASID is in the IOMMU after Enable is 0", none_is_known },
	{ "its state is not \"hidden\" after the close", closes },
};

const char *whole_vf(const char *bdf)
{
	const char *trouble = NULL;
	struct vfio v;
	unsigned int i;

	vfio_init(&v);
	if (strcmp(host_driver(bdf), OURS))
		trouble = "it is not ours";
	for (i = 0; !trouble && i < ARRAY_SIZE(steps); i++)
		if (!steps[i].holds(&v, bdf))
			trouble = steps[i].otherwise;
	vfio_close(&v);
	if (trouble)
		printf("# VF %s: %s\n", bdf, trouble);
	return trouble;
}

const char *whole_vfs(unsigned int nr)
{
	const char *trouble = NULL;
	unsigned int i;

	for (i = 0; !trouble && i < nr; i++)
		trouble = whole_vf(sample_vf(i));
	if (!trouble && *sample_vf(nr))
		trouble = "there are more VFs";
	return trouble;
}
