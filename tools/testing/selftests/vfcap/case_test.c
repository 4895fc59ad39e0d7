// SPDX-License-Identifier: GPL-2.0
/*
 * Config spaces of real devices, taken from public dumps (the fixture's layouts that are
 * named after a device): where PASID goes, what the guest finds in the list, and which of
 * the hardware's own bits are hidden from it.
 */
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"

#define NO_PREFIX	"lacks End-End TLP Prefix Support"

FIXTURE(device) {
	struct vfio v;
};

FIXTURE_VARIANT(device) {
	const char *layout;
	const char *lines;		/* that are changed in it */
	unsigned int expected;		/* offset of PASID */
	unsigned int chain[10];		/* what a guest finds, 0-terminated */
	unsigned int raw[4];		/* live registers, 0-terminated */
	unsigned int ims;		/* offset of that of the SIOV DVSEC, or 0 */
	bool no_prefix;			/* the log says that Linux requires TLP Prefix support */
};

FIXTURE_VARIANT_ADD(device, x710_vf) {
	.layout = "x710-vf", .expected = PF_PASID,
	.chain = { 0x100, 0x150, 0x1a0, 0x1d0, PF_PASID },
};

FIXTURE_VARIANT_ADD(device, x710_vf_live) {
	.layout = "x710-vf-live", .expected = PF_PASID,
	.chain = { 0x100, 0x150, 0x1a0, 0x1d0, PF_PASID },
	.raw = { 0x160, 0x198, 0x1b0 },
};

FIXTURE_VARIANT_ADD(device, connectx7_vf) {
	.layout = "connectx7-vf", .expected = PF_PASID,
	.chain = { 0x100, 0x150, PF_PASID },
};

FIXTURE_VARIANT_ADD(device, dsa) {
	.layout = "dsa", .expected = 0xff8,
	.chain = { 0x100, 0x150, 0x160, 0x170, 0x200, 0x220, 0xff8 },
	.raw = { 0x500 }, .ims = 0x214,
};

FIXTURE_VARIANT_ADD(device, arc_gpu) {
	.layout = "arc-gpu", .expected = PF_PASID,
	.chain = { 0x100, PF_PASID, 0x420, 0x400 },
};

FIXTURE_VARIANT_ADD(device, ax201) {
	.layout = "ax201", .expected = PF_PASID,
	.chain = { 0x100, 0x14c, 0x164, PF_PASID },
};

FIXTURE_VARIANT_ADD(device, short_list) {
	.layout = "short-list", .expected = PF_PASID,
	.chain = { 0x100, 0x108, PF_PASID },
};

FIXTURE_VARIANT_ADD(device, hisi_zip_vf) {
	.layout = "hisi-zip-vf", .expected = PF_PASID,
	.chain = { 0x100, 0x150, PF_PASID },
};

FIXTURE_VARIANT_ADD(device, hisi_hpre_vf_revision_30) {
	.layout = "hisi-zip-vf", .lines = "vf 0 a25919e5\nvf 8 10000030",
	.expected = PF_PASID, .chain = { 0x100, 0x150, PF_PASID },
};

FIXTURE_VARIANT_ADD(device, hisi_zip_vf_revision_20) {
	.layout = "hisi-zip-vf", .lines = "vf 8 12000020",
	.expected = PF_PASID, .chain = { 0x100, 0x150, PF_PASID },
	.no_prefix = true,
};

FIXTURE_VARIANT_ADD(device, other_hisi_vf) {
	.layout = "hisi-zip-vf", .lines = "vf 0 a22f19e5",
	.expected = PF_PASID, .chain = { 0x100, 0x150, PF_PASID },
	.no_prefix = true,
};

FIXTURE_SETUP(device)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	vfio_init(&self->v);
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_layout_named(variant->layout));
	if (variant->lines)
		ASSERT_EQ(0, host_layout(variant->lines));
	ASSERT_EQ(0, host_param("pasid", "on"));
	host_log_clear();
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
}

FIXTURE_TEARDOWN(device)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
	/* Unbind first, so that what the kernel saved of it never reaches hardware. */
	EXPECT_EQ(0, host_unbind(host_vf()));
	EXPECT_EQ(0, host_layout_default());
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
}

TEST_F(device, list)
{
	unsigned int pos = 0x100, i = 0;
	uint32_t header;

	while (pos && i < ARRAY_SIZE(variant->chain)) {
		header = vfio_get(&self->v, pos, 4);
		ASSERT_EQ(variant->chain[i], pos);
		EXPECT_EQ(pos == variant->expected,
			  (header & 0xffff) == PCI_EXT_CAP_ID_PASID);
		/* Nobody answers a VF's page requests here. */
		EXPECT_NE(PCI_EXT_CAP_ID_PRI, header & 0xffff);
		pos = header >> 20;
		i++;
	}
	EXPECT_EQ(0, variant->chain[i]);
	EXPECT_EQ(1, host_log_count(host_vf(), "PASID capability shown at"));
}

/* The capability covers nothing of the hardware's, and live registers are unchanged. */
TEST_F(device, registers)
{
	struct vfio *v = &self->v;
	const unsigned int *raw;

	EXPECT_EQ(0, host_config_read(host_vf(), variant->expected, 4));
	EXPECT_EQ(0, host_config_read(host_vf(), variant->expected + 4, 4));
	for (raw = variant->raw; *raw; raw++) {
		EXPECT_NE(0, host_config_read(host_vf(), *raw, 4));
		EXPECT_EQ(host_config_read(host_vf(), *raw, 4),
			  vfio_get(v, *raw, 4));
	}
	if (variant->ims) {
		EXPECT_EQ(1, host_config_read(host_vf(), variant->ims, 4) & 1);
		EXPECT_EQ(0, vfio_get(v, variant->ims, 4) & 1);
	}
	EXPECT_EQ(0, vfio_set(v, variant->expected + PCI_PASID_CTRL, 2,
			      PCI_PASID_CTRL_ENABLE));
	EXPECT_EQ(PCI_PASID_CTRL_ENABLE,
		  vfio_get(v, variant->expected + PCI_PASID_CTRL, 2));
}

TEST_F(device, tlp_prefix)
{
	vfio_get(&self->v, 0, 4);
	EXPECT_EQ(variant->no_prefix, host_log_count(host_vf(), NO_PREFIX));
	EXPECT_EQ(variant->no_prefix, host_log_count(host_vf(), "TLP Prefix"));
}

TEST_HARNESS_MAIN
