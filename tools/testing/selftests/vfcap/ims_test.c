// SPDX-License-Identifier: GPL-2.0
/*
 * IMS-supported in the Intel SIOV DVSEC: guests read it as 0, with any width and
 * alignment, and nothing else changes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"
#include "lib/vmd.h"

#define CAP	0x14
#define IMS	0x1
#define LINE	"IMS support hidden"

FIXTURE(ims) {
	struct vfio v;
};

/* A layout over blank space, the offset of the DVSEC, and whether it is filtered */
FIXTURE_VARIANT(ims) {
	const char *lines;
	unsigned int pos;
	bool filtered;
};

FIXTURE_VARIANT_ADD(ims, all_ones) {
	.lines = "vf 100 2001000e\n"
		 "vf 200 00010023\nvf 204 01808086\nvf 208 ffff0005\n"
		 "vf 20c ffffffff\nvf 210 ffffffff\nvf 214 ffffffff\n"
		 "vf 218 ffffffff",
	.pos = 0x200, .filtered = true,
};

FIXTURE_VARIANT_ADD(ims, first) {
	.lines = "vf 100 00010023\nvf 104 02038086\nvf 108 00000005\n"
		 "vf 10c 12345678\nvf 110 9abcdef1\nvf 114 00000001\n"
		 "vf 118 11111111\nvf 11c 33333333",
	.pos = 0x100, .filtered = true,
};

FIXTURE_VARIANT_ADD(ims, at_end) {
	.lines = "vf 100 fe81000e\n"
		 "vf fe8 00010023\nvf fec 01808086\nvf ff0 00000005\n"
		 "vf ff4 ffffffff\nvf ff8 ffffffff\nvf ffc 80000001",
	.pos = 0xfe8, .filtered = true,
};

/* After other DVSECs: one of another vendor, and one with another ID */
FIXTURE_VARIANT_ADD(ims, third_dvsec) {
	.lines = "vf 100 20010023\nvf 104 01801e98\nvf 108 00000005\n"
		 "vf 114 00000001\n"
		 "vf 200 30010023\nvf 204 01808086\nvf 208 00000023\n"
		 "vf 214 00000001\n"
		 "vf 300 00010023\nvf 304 01808086\nvf 308 00000005\n"
		 "vf 314 00000003",
	.pos = 0x300, .filtered = true,
};

FIXTURE_VARIANT_ADD(ims, not_supported) {
	.lines = "vf 100 00010023\nvf 104 01808086\nvf 108 00000005\n"
		 "vf 114 fffffffe",
	.pos = 0x100, .filtered = true,
};

FIXTURE_VARIANT_ADD(ims, other_vendor) {
	.lines = "vf 100 00010023\nvf 104 01801e98\nvf 108 00000005\n"
		 "vf 114 ffffffff",
	.pos = 0x100,
};

FIXTURE_VARIANT_ADD(ims, other_id) {
	.lines = "vf 100 00010023\nvf 104 01808086\nvf 108 00000006\n"
		 "vf 114 ffffffff",
	.pos = 0x100,
};

/* The dword at +14h is not part of this DVSEC. */
FIXTURE_VARIANT_ADD(ims, too_short) {
	.lines = "vf 100 00010023\nvf 104 01408086\nvf 108 00000005\n"
		 "vf 114 ffffffff",
	.pos = 0x100,
};

/* The same bytes in a vendor-specific capability, the older kind */
FIXTURE_VARIANT_ADD(ims, no_dvsec) {
	.lines = "vf 100 0001000b\nvf 104 01808086\nvf 108 00000005\n"
		 "vf 114 ffffffff",
	.pos = 0x100,
};

FIXTURE_SETUP(ims)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", "off"));
	ASSERT_EQ(0, host_layout("vf blank 100 1000"));
	ASSERT_EQ(0, host_layout(variant->lines));
	host_log_clear();
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
}

FIXTURE_TEARDOWN(ims)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("ims", "hide"));
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, host_unbind(host_vf()));
	EXPECT_EQ(0, host_layout_default());
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
}

/* What the hardware has in the DVSEC, and a little around it */
#define AROUND	8
#define SIZE	(AROUND + CAP + 4 + AROUND)

static unsigned int fill_model(unsigned int pos, bool filtered, uint8_t *model,
			       unsigned int *start)
{
	unsigned int i, size;

	*start = pos - AROUND;
	size = *start + SIZE > 4096 ? 4096 - *start : SIZE;
	for (i = 0; i < size; i++)
		model[i] = host_config_read(host_vf(), *start + i, 1);
	if (filtered)
		model[AROUND + CAP] &= ~IMS;
	return size;
}

TEST_F(ims, width_and_alignment)
{
	uint8_t model[SIZE] = {}, seen[SIZE];
	unsigned int from, count, size, start;

	size = fill_model(variant->pos, variant->filtered, model, &start);
	for (from = 0; from < size; from++)
		for (count = 1; from + count <= size; count++) {
			ASSERT_EQ((ssize_t)count,
				  vfio_read(&self->v, start + from, seen, count));
			/* What core shows of other headers does not matter here. */
			if (from < AROUND)
				memcpy(seen, model + from,
				       count < AROUND - from ? count :
							       AROUND - from);
			ASSERT_EQ(0, memcmp(seen, model + from, count)) {
				TH_LOG("%u bytes at %+d", count,
				       (int)(from - AROUND));
			}
		}
	for (count = 1; count <= 4; count *= 2)
		EXPECT_EQ(model[AROUND + CAP],
			  vfio_get(&self->v, variant->pos + CAP, count) & 0xff);
}

TEST_F(ims, nothing_else)
{
	uint8_t hidden[4096], shown[4096];
	uint32_t hw = host_config_read(host_vf(), variant->pos + CAP, 1);

	ASSERT_EQ(4096, vfio_read(&self->v, 0, hidden, 4096));
	EXPECT_EQ(variant->filtered && hw & IMS, host_log_count(host_vf(), LINE));

	/* A change of the parameter takes effect at the next open. */
	ASSERT_EQ(0, host_param("ims", "show"));
	ASSERT_EQ(4096, vfio_read(&self->v, 0, shown, 4096));
	EXPECT_EQ(0, memcmp(shown, hidden, 4096));
	vfio_close(&self->v);
	host_log_clear();
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(0, host_param("ims", "hide"));
	ASSERT_EQ(4096, vfio_read(&self->v, 0, shown, 4096));
	EXPECT_EQ(0, host_log_count(host_vf(), LINE));

	EXPECT_EQ(hw, shown[variant->pos + CAP]);
	if (variant->filtered)
		shown[variant->pos + CAP] &= ~IMS;
	EXPECT_EQ(0, memcmp(shown, hidden, 4096));
	/* The hardware's bit does not change. */
	EXPECT_EQ(hw, host_config_read(host_vf(), variant->pos + CAP, 1));
}

TEST_F(ims, bad_pointer)
{
	EXPECT_EQ(-EFAULT, vfio_read(&self->v, variant->pos + CAP, NULL, 1));
	EXPECT_EQ(-EFAULT, vfio_read(&self->v, variant->pos, NULL, CAP + 4));
}

/* Tests that need no layouts of their own */
FIXTURE(ims_other) {
	struct vfio v;
};

FIXTURE_SETUP(ims_other)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
}

FIXTURE_TEARDOWN(ims_other)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("ims", "hide"));
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, host_unbind(host_vf()));
	EXPECT_EQ(0, host_layout_default());
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
}

TEST_F(ims_other, parameter)
{
	char out[64];

	EXPECT_EQ(0, host_run(out, sizeof(out),
			      "cat /sys/module/vfcap_vfio_pci/parameters/ims"));
	EXPECT_STREQ("hide\n", out);
	EXPECT_EQ(0, host_param("ims", "show"));
	EXPECT_EQ(-EINVAL, host_param("ims", "auto"));
	EXPECT_EQ(-EINVAL, host_param("ims", "\n"));
	EXPECT_EQ(0, host_run(out, sizeof(out),
			      "cat /sys/module/vfcap_vfio_pci/parameters/ims"));
	EXPECT_STREQ("show\n", out);
}

TEST_F(ims_other, absent)
{
	uint8_t hidden[4096], shown[4096];

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(4096, vfio_read(&self->v, 0, hidden, 4096));
	vfio_close(&self->v);
	ASSERT_EQ(0, host_param("ims", "show"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(4096, vfio_read(&self->v, 0, shown, 4096));
	EXPECT_EQ(0, memcmp(shown, hidden, 4096));
}

/* Writes reach the hardware unchanged. */
TEST_F(ims_other, writes)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, host_param("pasid", "off"));
	ASSERT_EQ(0, host_layout("vf blank 100 1000"));
	ASSERT_EQ(0, host_layout("vf 100 3001000e\n"
				 "vf 300 00010023\nvf 304 01808086\nvf 308 5\n"
				 "vf 314 1 ffffffff ffffffff"));
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_EQ(0, vfio_get(v, 0x314, 4));
	ASSERT_EQ(0, host_writes_clear());
	EXPECT_EQ(0, vfio_set(v, 0x314, 4, 0xa5a5a5a5));
	EXPECT_EQ(1, host_writes_count(host_vf(), 0x314, 0x318));
	EXPECT_EQ(0xa5a5a5a5, host_config_read(host_vf(), 0x314, 4));
	EXPECT_EQ(0xa5a5a5a4, vfio_get(v, 0x314, 4));
	EXPECT_EQ(0, vfio_set(v, 0x314, 1, 0xff));
	EXPECT_EQ(0xa5a5a5fe, vfio_get(v, 0x314, 4));
	EXPECT_EQ(0xa5a5a5ff, host_config_read(host_vf(), 0x314, 4));
}

/* Our own capability after the DVSEC is not part of it. */
TEST_F(ims_other, with_pasid)
{
	unsigned int pos;

	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, host_layout("vf blank 100 1000"));
	ASSERT_EQ(0, host_layout("vf 100 00010023\nvf 104 01808086\nvf 108 5\n"
				 "vf 114 ffffffff"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	pos = vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID);
	EXPECT_EQ(PF_PASID, pos);
	EXPECT_EQ(0xfffffffe, vfio_get(&self->v, 0x114, 4));
	EXPECT_EQ(0x1e010023, vfio_get(&self->v, 0x100, 4));
	EXPECT_EQ(0, vfio_set(&self->v, pos + PCI_PASID_CTRL, 2, 1));
	EXPECT_EQ(1, vfio_get(&self->v, pos + PCI_PASID_CTRL, 2));
}

TEST_F(ims_other, vmd)
{
	if (!vmd_is_ready())
		SKIP(return, "needs the lab's mock VMD");
	ASSERT_EQ(0, vmd_make("a77f"));
	ASSERT_EQ(0, vmd_config("100 00010023\n104 01808086\n108 5\n%s",
				"114 80000001\n"));
	host_log_clear();
	ASSERT_EQ(0, host_rebind(vmd_bdf(), OURS));
	ASSERT_EQ(0, vfio_open(&self->v, vmd_bdf()));
	EXPECT_EQ(0x80000000, vfio_get(&self->v, 0x114, 4));
	EXPECT_EQ(0x80000001, host_config_read(vmd_bdf(), 0x114, 4));
	EXPECT_EQ(1, host_log_count(vmd_bdf(), LINE));
	vfio_close(&self->v);
	EXPECT_EQ(0, vmd_make("none"));
}

TEST_HARNESS_MAIN
