// SPDX-License-Identifier: GPL-2.0
/*
 * A VF of a host without an IOMMU, which VFIO provides only in its no-IOMMU mode: it
 * shows no capability that needs one, whatever the parameters are, and reports why.
 */
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/vfio.h"

#define UNSAFE_MODE	"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
#define WHY		": it was opened in VFIO's no-IOMMU mode"

FIXTURE(noiommu) {
	struct vfio v;
};

FIXTURE_VARIANT(noiommu) {
	const char *mode;
	int (*open)(struct vfio *v, const char *bdf);
};

FIXTURE_VARIANT_ADD(noiommu, cdev_auto) { "auto", vfio_open_cdev };
FIXTURE_VARIANT_ADD(noiommu, cdev_on) { "on", vfio_open_cdev };
FIXTURE_VARIANT_ADD(noiommu, group_auto) { "auto", vfio_open_group };
FIXTURE_VARIANT_ADD(noiommu, group_on) { "on", vfio_open_group };

FIXTURE_SETUP(noiommu)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (host_exists("devices/%s/iommu", host_vf()))
		SKIP(return, "this host has an IOMMU");
	if (!host_exists(UNSAFE_MODE))
		SKIP(return, "this kernel has no no-IOMMU mode");
	vfio_init(&self->v);
	/* The state of a PF in which another kernel, or firmware, has enabled it */
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_write(UNSAFE_MODE, "Y"));
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", variant->mode));
	ASSERT_EQ(0, host_param("pri", variant->mode));
	host_log_clear();
	ASSERT_EQ(0, variant->open(&self->v, host_vf()));
}

FIXTURE_TEARDOWN(noiommu)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, host_param("pri", "auto"));
}

TEST_F(noiommu, nothing_is_shown)
{
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PRI));
	EXPECT_EQ(1, host_log_count(host_vf(), "PASID capability not shown" WHY));
	EXPECT_EQ(1, host_log_count(host_vf(), "PRI capability not shown" WHY));
	EXPECT_EQ(0, host_log_count(host_vf(), "nothing enforces"));
}

TEST_F(noiommu, the_reason_can_be_asked)
{
	struct vfcap_feature_query q;

	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(VFCAP_REASON_NOIOMMU_MODE, q.reason);
	EXPECT_EQ(0, q.offset);
}

/* Everything that vfio-pci does still works. */
TEST_F(noiommu, the_device_works)
{
	EXPECT_NE(~0U, vfio_get(&self->v, PCI_VENDOR_ID, 4));
	EXPECT_EQ(0, vfio_reset(&self->v));
}

TEST_HARNESS_MAIN
