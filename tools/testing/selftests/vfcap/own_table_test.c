// SPDX-License-Identifier: GPL-2.0
/*
 * PASID on IOMMUs whose guests own their PASID tables, such as SMMUv3 and AMD's: it is
 * shown, and it is reported everywhere that its Enable is not gated. With "pasid=gated"
 * it is shown only where Enable is enforced.
 *
 * The IOMMU is a VT-d that is made to report that it is another one.
 */
#include <stdio.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/vfio.h"

/* From enum iommu_hw_info_type, of which the header may be an older version */
#define VTD	1
#define SMMUV3	2
#define AMD	4

#define NOT_GATED	"PASID Enable is not gated: the guest's own table decides"

FIXTURE(own_table) {
	struct vfio v;
};

FIXTURE_VARIANT(own_table) {
	unsigned int type;
	const char *mode;
	bool by_group;
	unsigned int reason;		/* 0 if it is shown */
};

FIXTURE_VARIANT_ADD(own_table, vtd_auto) {
	.type = VTD, .mode = "auto",
};

FIXTURE_VARIANT_ADD(own_table, vtd_gated) {
	.type = VTD, .mode = "gated",
};

FIXTURE_VARIANT_ADD(own_table, vtd_gated_by_group) {
	.type = VTD, .mode = "gated", .by_group = true, .reason = VFCAP_REASON_NO_CDEV,
};

FIXTURE_VARIANT_ADD(own_table, vtd_on_by_group) {
	.type = VTD, .mode = "on", .by_group = true,
};

FIXTURE_VARIANT_ADD(own_table, smmuv3_auto) {
	.type = SMMUV3, .mode = "auto",
};

FIXTURE_VARIANT_ADD(own_table, smmuv3_on) {
	.type = SMMUV3, .mode = "on",
};

FIXTURE_VARIANT_ADD(own_table, smmuv3_gated) {
	.type = SMMUV3, .mode = "gated", .reason = VFCAP_REASON_NOT_GATED,
};

FIXTURE_VARIANT_ADD(own_table, smmuv3_auto_by_group) {
	.type = SMMUV3, .mode = "auto", .by_group = true, .reason = VFCAP_REASON_NO_CDEV,
};

FIXTURE_VARIANT_ADD(own_table, amd_auto) {
	.type = AMD, .mode = "auto",
};

/* The IOMMU reports no type: nobody could back the capability. */
FIXTURE_VARIANT_ADD(own_table, none_auto) {
	.type = 0, .mode = "auto", .reason = VFCAP_REASON_NO_IOMMU,
};

FIXTURE_SETUP(own_table)
{
	char params[16];

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	vfio_init(&self->v);
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", variant->mode));
	snprintf(params, sizeof(params), "type=%u", variant->type);
	ASSERT_EQ(0, host_load("tools/testing/fixture/vfcap-iommu-type.ko", params));
	host_log_clear();
}

FIXTURE_TEARDOWN(own_table)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_unload("vfcap_iommu_type"));
	EXPECT_EQ(0, host_param("pasid", "auto"));
}

TEST_F(own_table, told)
{
	bool shown = !variant->reason;
	struct vfcap_feature_query q;

	ASSERT_EQ(0, variant->by_group ? vfio_open_group(&self->v, host_vf()) :
					 vfio_open_cdev(&self->v, host_vf()));
	EXPECT_EQ(shown ? PF_PASID : 0,
		  vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(variant->reason, q.reason);
	EXPECT_EQ(shown && variant->type > VTD, !!(q.flags & VFCAP_QUERY_NOT_GATED));
	EXPECT_EQ(shown && variant->type > VTD, host_log_count(host_vf(), NOT_GATED));
	if (!shown)
		return;
	/* It is register state all the same. */
	EXPECT_EQ(0, vfio_set(&self->v, PF_PASID + PCI_PASID_CTRL, 2, 1));
	EXPECT_EQ(1, vfio_get(&self->v, PF_PASID + PCI_PASID_CTRL, 2));
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_EQ(0, vfio_get(&self->v, PF_PASID + PCI_PASID_CTRL, 2));
}

TEST_HARNESS_MAIN
