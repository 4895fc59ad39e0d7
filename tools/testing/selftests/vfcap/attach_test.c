// SPDX-License-Identifier: GPL-2.0
/*
 * Real PASIDs of a VF, attached through iommufd to its user's page tables, checked
 * against the IOMMU's own state
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/vfio.h"

#define PASID	5

/* Does the IOMMU know the PASID of the first VF? */
static bool in_iommu(uint32_t pasid)
{
	return iommu_has_pasid(host_vf(), pasid);
}

FIXTURE(attach) {
	struct vfio v;
	uint32_t ioas, hwpt;
	void *memory;
};

FIXTURE_SETUP(attach)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf()));
	ASSERT_EQ(0, iommufd_ioas(&self->v, &self->ioas));
	self->memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->memory);
	ASSERT_EQ(0, iommufd_map(&self->v, self->ioas, self->memory, 4096, 0x100000));
	ASSERT_EQ(0, iommufd_hwpt(&self->v, self->ioas, true, &self->hwpt));
	ASSERT_EQ(0, iommufd_attach(&self->v, self->hwpt, 0));
}

FIXTURE_TEARDOWN(attach)
{
	vfio_close(&self->v);
	munmap(self->memory, 4096);
}

TEST_F(attach, hw_info)
{
	struct iommu_hw_info info = {
		.size = sizeof(info),
		.dev_id = self->v.devid,
	};

	ASSERT_EQ(0, ioctl(self->v.parent, IOMMU_GET_HW_INFO, &info));
	/* The VMM is told the same width as the guest sees in the capability. */
	EXPECT_EQ(20, info.out_max_pasid_log2);
	EXPECT_EQ(20, vfio_get(&self->v, PF_PASID + PCI_PASID_CAP, 2) >> 8);
}

TEST_F(attach, attach_and_detach)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(PF_PASID, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0, vfio_set(v, PF_PASID + PCI_PASID_CTRL, 2, 1));

	EXPECT_FALSE(in_iommu(PASID));
	EXPECT_EQ(0, iommufd_attach(v, self->hwpt, PASID));
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(1, vfio_get(v, PF_PASID + PCI_PASID_CTRL, 2));
	EXPECT_EQ(0, iommufd_detach(v, PASID));
	EXPECT_FALSE(in_iommu(PASID));
}

TEST_F(attach, replace)
{
	struct vfio *v = &self->v;
	uint32_t ioas = 0, hwpt = 0;

	ASSERT_EQ(0, vfio_set(v, PF_PASID + PCI_PASID_CTRL, 2, 1));
	ASSERT_EQ(0, iommufd_ioas(v, &ioas));
	ASSERT_EQ(0, iommufd_hwpt(v, ioas, true, &hwpt));
	EXPECT_EQ(0, iommufd_attach(v, self->hwpt, PASID));
	EXPECT_EQ(0, iommufd_attach(v, hwpt, PASID));
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(0, iommufd_detach(v, PASID));
	EXPECT_FALSE(in_iommu(PASID));
}

/* Bad arguments fail as with vfio-pci. */
TEST_F(attach, bad_arguments)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, vfio_set(v, PF_PASID + PCI_PASID_CTRL, 2, 1));
	EXPECT_EQ(-ENOENT, iommufd_attach(v, 0x7fffffff, PASID));
	EXPECT_EQ(-EINVAL, iommufd_attach(v, self->hwpt, 1 << host_pasid_width()));
	EXPECT_FALSE(in_iommu(PASID));
}

TEST_F(attach, close_detaches)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, vfio_set(v, PF_PASID + PCI_PASID_CTRL, 2, 1));
	EXPECT_EQ(0, iommufd_attach(v, self->hwpt, PASID));
	vfio_close(v);
	EXPECT_FALSE(in_iommu(PASID));
	ASSERT_EQ(0, vfio_open_cdev(v, host_vf()));
	EXPECT_EQ(0, vfio_get(v, PF_PASID + PCI_PASID_CTRL, 2));
}

#define EXPECT_TOLD(nr, was_written) do {				\
	struct vfcap_feature_query q;					\
									\
	EXPECT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));	\
	EXPECT_EQ(nr, q.nr_pasids);					\
	EXPECT_EQ(was_written, q.written);				\
} while (0)

/*
 * Values that reveal a VMM whose own capability is ahead of ours in the list: PASIDs are
 * attached, but ours is never written
 */
TEST_F(attach, told)
{
	const unsigned int ctrl = PF_PASID + PCI_PASID_CTRL;
	struct vfcap_feature_query q;
	struct vfio *v = &self->v;

	EXPECT_TOLD(0, 0);
	EXPECT_EQ(0, iommufd_attach(v, self->hwpt, PASID));
	EXPECT_EQ(0, iommufd_attach(v, self->hwpt, PASID + 1));
	EXPECT_TOLD(2, 0);
	/* Attach the same PASID once more; and one attach that fails */
	EXPECT_EQ(0, iommufd_attach(v, self->hwpt, PASID));
	EXPECT_EQ(-ENOENT, iommufd_attach(v, 0x7fffffff, PASID + 2));
	EXPECT_TOLD(2, 0);
	EXPECT_EQ(0, iommufd_detach(v, PASID + 1));
	EXPECT_TOLD(1, 0);

	/* Any write counts, whatever its value and its effect */
	EXPECT_EQ(0, vfio_set(v, ctrl, 2, 0));
	EXPECT_TOLD(1, 1);
	EXPECT_EQ(0, vfio_set(v, ctrl, 2, 1));
	EXPECT_TOLD(1, 1);
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_TOLD(1, 1);
	/* Writes to this capability only */
	EXPECT_EQ(0, vfcap_query(v, VFCAP_CAP_PRI, &q));
	EXPECT_EQ(0, q.nr_pasids);
	EXPECT_EQ(0, q.written);

	/* And in this session only */
	vfio_close(v);
	ASSERT_EQ(0, vfio_open_cdev(v, host_vf()));
	EXPECT_TOLD(0, 0);
}

/* If the VMM hid the capability, its device's PASIDs are not counted. */
TEST_F(attach, hidden_is_not_told)
{
	struct vfio *v = &self->v;

	vfio_close(v);
	ASSERT_EQ(0, vfio_open_cdev(v, host_vf()));
	ASSERT_EQ(0, vfcap_choose(v, VFCAP_CAP_PASID, VFCAP_CHOOSE_HIDE, 0));
	ASSERT_EQ(0, iommufd_ioas(v, &self->ioas));
	ASSERT_EQ(0, iommufd_hwpt(v, self->ioas, true, &self->hwpt));
	ASSERT_EQ(0, iommufd_attach(v, self->hwpt, 0));
	EXPECT_EQ(0, iommufd_attach(v, self->hwpt, PASID));
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_TOLD(0, 0);
}

TEST_HARNESS_MAIN
