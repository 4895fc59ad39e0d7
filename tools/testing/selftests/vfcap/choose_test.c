// SPDX-License-Identifier: GPL-2.0
/*
 * VFCAP_FEATURE_CHOOSE: what a VMM chooses is what its guest sees, at once, and
 * only while the guest uses nothing of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"
#include "lib/vmd.h"

#define OFFSET	VFCAP_CHOOSE_OFFSET
#define HIDE	VFCAP_CHOOSE_HIDE
#define FORCE	VFCAP_CHOOSE_FORCE

FIXTURE(choose) {
	struct vfio v;
};

FIXTURE_SETUP(choose)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, host_param("pri", "on"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
}

FIXTURE_TEARDOWN(choose)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, host_param("pri", "auto"));
	EXPECT_EQ(0, host_param("placement", "auto"));
	EXPECT_EQ(0, host_layout_default());
}

static int choose(struct vfio *v, uint32_t cap, uint32_t flags, uint16_t offset)
{
	struct vfcap_feature_choose data = {
		.cap = cap, .flags = flags, .offset = offset,
	};

	return vfio_feature(v, VFIO_DEVICE_FEATURE_SET | VFCAP_FEATURE_CHOOSE,
			    &data, sizeof(data));
}

static struct vfcap_feature_query query(struct vfio *v, uint32_t cap)
{
	struct vfcap_feature_query q = { .cap = cap };
	int ret = vfio_feature(v, VFIO_DEVICE_FEATURE_GET | VFCAP_FEATURE_QUERY,
			       &q, sizeof(q));

	if (ret)
		printf("# VFCAP_FEATURE_QUERY: %d\n", ret);
	return q;
}

static unsigned int find(struct vfio *v)
{
	return vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID);
}

/* The whole list, as a guest walks it, in a form that can be compared */
static const char *list(struct vfio *v)
{
	unsigned int pos = 0x100, loops = 960;
	static char text[1024];
	int len = 0;

	*text = 0;
	while (pos && loops--) {
		uint32_t header = vfio_get(v, pos, 4);

		if (header & 0xffff)
			len += snprintf(text + len, sizeof(text) - len,
					"%x@%x ", header & 0xffff, pos);
		pos = header >> 20;
	}
	return text;
}

TEST_F(choose, offset)
{
	struct vfio *v = &self->v;

	EXPECT_STREQ("1@100 e@150 13@1c0 1b@1e0 ", list(v));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_STREQ("1@100 e@150 13@1c0 1b@200 ", list(v));
	EXPECT_EQ(VFCAP_STEP_USER, query(v, VFCAP_CAP_PASID).step);
	EXPECT_EQ(0x200, query(v, VFCAP_CAP_PASID).offset);
	/* What it left is the hardware's; where it is, it works. */
	ASSERT_EQ(0, host_writes_clear());
	EXPECT_EQ(0, vfio_set(v, 0x1e0, 4, 0));
	EXPECT_EQ(1, host_writes_count(host_vf(), 0x1e0, 0x1e4));
	EXPECT_EQ(0, vfio_get(v, 0x1e0, 4));
	EXPECT_EQ(0, vfio_set(v, 0x206, 2, 7));
	EXPECT_EQ(7, vfio_get(v, 0x206, 2));
	EXPECT_EQ(0, vfio_set(v, 0x206, 2, 0));
	EXPECT_EQ(0, host_writes_count(host_vf(), 0x200, 0x208));

	/* Over itself, before others, to both ends, and back */
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x204));
	EXPECT_STREQ("1@100 e@150 13@1c0 1b@204 ", list(v));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x160));
	EXPECT_STREQ("1@100 e@150 1b@160 13@1c0 ", list(v));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0xff8));
	EXPECT_STREQ("1@100 e@150 13@1c0 1b@ff8 ", list(v));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PRI, OFFSET, 0xfe8));
	EXPECT_STREQ("1@100 e@150 13@fe8 1b@ff8 ", list(v));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, 0, 0));
	EXPECT_STREQ("1@100 e@150 1b@1e0 13@fe8 ", list(v));
	EXPECT_EQ(VFCAP_STEP_PF_OFFSET, query(v, VFCAP_CAP_PASID).step);
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PRI, 0, 0));
	EXPECT_STREQ("1@100 e@150 13@1c0 1b@1e0 ", list(v));
}

TEST_F(choose, hide)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	EXPECT_EQ(0, find(v));
	EXPECT_STREQ("1@100 e@150 13@1c0 ", list(v));
	EXPECT_EQ(VFCAP_REASON_USER, query(v, VFCAP_CAP_PASID).reason);
	EXPECT_EQ(VFCAP_STEP_NONE, query(v, VFCAP_CAP_PASID).step);
	ASSERT_EQ(0, host_writes_clear());
	EXPECT_EQ(0, vfio_set(v, 0x1e6, 2, 0));
	EXPECT_EQ(1, host_writes_count(host_vf(), 0x1e6, 0x1e8));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PRI, HIDE, 0));
	EXPECT_STREQ("1@100 e@150 ", list(v));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x400));
	EXPECT_STREQ("1@100 e@150 1b@400 ", list(v));
	/* It can be enabled there: it was held all the time. */
	EXPECT_EQ(0, vfio_set(v, 0x406, 2, 1));
	EXPECT_EQ(1, vfio_get(v, 0x406, 2));
	EXPECT_EQ(0, vfio_set(v, 0x406, 2, 0));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PRI, 0, 0));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, 0, 0));
	EXPECT_STREQ("1@100 e@150 13@1c0 1b@1e0 ", list(v));
}

TEST_F(choose, for_this_session)
{
	ASSERT_EQ(0, choose(&self->v, VFCAP_CAP_PASID, OFFSET, 0x200));
	vfio_close(&self->v);
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(PF_PASID, find(&self->v));
}

TEST_F(choose, refused)
{
	static const struct {
		uint32_t cap, flags;
		uint16_t offset;
	} cases[] = {
		{ VFCAP_CAP_PASID, OFFSET, 0 },
		{ VFCAP_CAP_PASID, OFFSET, 0x201 },
		{ VFCAP_CAP_PASID, OFFSET, 0x202 },
		{ VFCAP_CAP_PASID, OFFSET, 0x203 },
		{ VFCAP_CAP_PASID, OFFSET, 0x40 },	/* the other list */
		{ VFCAP_CAP_PASID, OFFSET, 0xfc },
		{ VFCAP_CAP_PASID, OFFSET, 0x100 },	/* AER */
		{ VFCAP_CAP_PASID, OFFSET, 0x104 },
		{ VFCAP_CAP_PASID, OFFSET, 0x130 },
		{ VFCAP_CAP_PASID, OFFSET, 0x14c },	/* into ARI */
		{ VFCAP_CAP_PASID, OFFSET, 0x150 },
		{ VFCAP_CAP_PASID, OFFSET, 0x154 },
		{ VFCAP_CAP_PASID, OFFSET, 0x1bc },	/* into PRI */
		{ VFCAP_CAP_PASID, OFFSET, 0x1c0 },
		{ VFCAP_CAP_PASID, OFFSET, 0x1cc },
		{ VFCAP_CAP_PRI, OFFSET, 0x1d4 },	/* into PASID */
		{ VFCAP_CAP_PRI, OFFSET, 0x1e4 },
		{ VFCAP_CAP_PASID, OFFSET | FORCE, 0x150 },
		{ VFCAP_CAP_PASID, OFFSET | FORCE, 0x1c0 },
		{ VFCAP_CAP_PASID, OFFSET | FORCE, 0x201 },
		{ VFCAP_CAP_PASID, OFFSET, 0xffc },	/* over the end */
		{ VFCAP_CAP_PASID, OFFSET, 0x1000 },
		{ VFCAP_CAP_PASID, OFFSET | FORCE, 0xffc },
		{ VFCAP_CAP_PASID, OFFSET | FORCE, 0x1000 },
		{ VFCAP_CAP_PASID, OFFSET, 0xfffc },
		{ VFCAP_CAP_PRI, OFFSET, 0xff4 },
		{ VFCAP_CAP_PASID, 0, 0x200 },
		{ VFCAP_CAP_PASID, HIDE, 0x200 },
		{ VFCAP_CAP_PASID, OFFSET | HIDE, 0x200 },
		{ VFCAP_CAP_PASID, HIDE | FORCE, 0 },
		{ VFCAP_CAP_PASID, FORCE, 0 },
		{ VFCAP_CAP_PASID, FORCE, 0x200 },
		{ VFCAP_CAP_PASID, 8, 0x200 },
		{ VFCAP_CAP_PASID, OFFSET | 0x80000000, 0x200 },
		{ VFCAP_CAP_SHDW, 0, 0 },		/* not of a VF */
		{ VFCAP_CAP_SHDW, OFFSET, 0x50 },
		{ VFCAP_CAP_COUNT, HIDE, 0 },
		{ ~0U, HIDE, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(-EINVAL, choose(&self->v, cases[i].cap, cases[i].flags,
					  cases[i].offset)) {
			TH_LOG("capability %u, flags %#x, offset %#x",
			       cases[i].cap, cases[i].flags, cases[i].offset);
		}
		EXPECT_STREQ("1@100 e@150 13@1c0 1b@1e0 ", list(&self->v));
		EXPECT_EQ(VFCAP_STEP_PF_OFFSET,
			  query(&self->v, VFCAP_CAP_PASID).step);
	}
}

/* Registers that are no capability: only who forces it covers them. */
TEST_F(choose, over_live_registers)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, host_layout("vf 204 12345678\n"));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_PASID, OFFSET, 0x204));
	EXPECT_EQ(PF_PASID, find(v));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x208));
	EXPECT_EQ(0x208, find(v));
	EXPECT_EQ(0x12345678, vfio_get(v, 0x204, 4));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET | FORCE, 0x200));
	EXPECT_EQ(0x200, find(v));
	EXPECT_EQ(host_pasid_cap(), vfio_get(v, 0x204, 4));
	EXPECT_EQ(VFCAP_STEP_USER, query(v, VFCAP_CAP_PASID).step);
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, 0, 0));
	EXPECT_EQ(0x12345678, vfio_get(v, 0x204, 4));
}

TEST_F(choose, busy)
{
	const unsigned int ctrl = PF_PASID + PCI_PASID_CTRL;
	struct vfio *v = &self->v;

	ASSERT_EQ(0, vfio_set(v, ctrl, 2, 1));
	EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PRI, HIDE, 0));
	EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, 0, 0));
	EXPECT_EQ(PF_PASID, find(v));
	EXPECT_EQ(1, vfio_get(v, ctrl, 2));
	ASSERT_EQ(0, vfio_set(v, ctrl, 2, 0));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(0x200, find(v));
}

/* PASIDs that were attached while it was hidden would be past its Enable. */
TEST_F(choose, attached)
{
	struct vfio *v = &self->v;
	uint32_t ioas, pt;

	if (!vfio_has_cdev(host_vf()))
		SKIP(return, "this kernel has no VFIO cdev");
	vfio_close(v);
	ASSERT_EQ(0, vfio_open_cdev(v, host_vf()));
	ASSERT_EQ(0, iommufd_ioas(v, &ioas));
	ASSERT_EQ(0, iommufd_hwpt(v, ioas, true, &pt));
	ASSERT_EQ(0, iommufd_attach(v, pt, 0));

	/* Remembered while it is shown */
	ASSERT_EQ(0, iommufd_attach(v, pt, 5));
	EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	ASSERT_EQ(0, iommufd_detach(v, 5));

	/* Attached while it is not */
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	ASSERT_EQ(0, iommufd_attach(v, pt, 5));
	EXPECT_TRUE(iommu_has_pasid(host_vf(), 5));
	EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, 0, 0));
	EXPECT_EQ(0, find(v));
	ASSERT_EQ(0, iommufd_detach(v, 5));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, 0, 0));
	EXPECT_EQ(PF_PASID, find(v));
	ASSERT_EQ(0, iommufd_attach(v, pt, 5));
	EXPECT_FALSE(iommu_has_pasid(host_vf(), 5));
}

/* What it is shown with anew are reset values. */
TEST_F(choose, registers_end)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, vfio_set(v, PF_PASID + PCI_PASID_CTRL, 2, 6));
	ASSERT_EQ(0, vfio_set(v, PF_PRI + PCI_PRI_ALLOC_REQ, 4, 7));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(0, vfio_get(v, 0x206, 2));
	EXPECT_EQ(7, vfio_get(v, PF_PRI + PCI_PRI_ALLOC_REQ, 4));
	ASSERT_EQ(0, choose(v, VFCAP_CAP_PRI, OFFSET, 0x300));
	EXPECT_EQ(0, vfio_get(v, 0x300 + PCI_PRI_ALLOC_REQ, 4));
	EXPECT_EQ(PCI_PRI_STATUS_STOPPED, vfio_get(v, 0x300 + PCI_PRI_STATUS, 2));
}

/* What was lost does not come back by being moved. */
TEST_F(choose, lost)
{
	const unsigned int ctrl = PF_PASID + PCI_PASID_CTRL;
	struct vfio *v = &self->v;
	int i;

	EXPECT_EQ(PF_PASID, find(v));
	host_log_expect("Unexpected write to kernel-exclusive config offset");
	ASSERT_EQ(0, host_config_write(host_pf(), ctrl, 2, 0));
	for (i = 0; i < 300; i++) {
		if (query(v, VFCAP_CAP_PASID).flags & VFCAP_QUERY_LOST)
			break;
		usleep(10000);
	}
	ASSERT_GT(300, i);
	ASSERT_EQ(0, host_config_write(host_pf(), ctrl, 2, 7));
	EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	ASSERT_EQ(0, vfio_set(v, ctrl, 2, 1));
	EXPECT_EQ(0, vfio_get(v, ctrl, 2));
	ASSERT_EQ(0, vfio_reset(v));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	ASSERT_EQ(0, vfio_set(v, 0x206, 2, 1));
	EXPECT_EQ(1, vfio_get(v, 0x206, 2));
}

/* A choice shows nothing that the administrator forbids. */
TEST_F(choose, not_against_the_administrator)
{
	struct vfio *v = &self->v;

	vfio_close(v);
	ASSERT_EQ(0, host_param("pasid", "off"));
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET | FORCE, 0x200));
	EXPECT_EQ(0, find(v));
	EXPECT_EQ(VFCAP_REASON_PARAMETER, query(v, VFCAP_CAP_PASID).reason);
	/* Nor does it if the parameter changes meanwhile. */
	ASSERT_EQ(0, host_param("pasid", "on"));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(VFCAP_REASON_NOT_HELD, query(v, VFCAP_CAP_PASID).reason);
	EXPECT_EQ(0, find(v));
}

/* Strict or not, what the user chooses comes first. */
TEST_F(choose, strict)
{
	struct vfio *v = &self->v;

	vfio_close(v);
	ASSERT_EQ(0, host_param("placement", "strict"));
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_STREQ("1@100 e@150 ", list(v));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(0x200, find(v));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, 0, 0));
	EXPECT_EQ(VFCAP_REASON_STRICT, query(v, VFCAP_CAP_PASID).reason);
	EXPECT_EQ(0, find(v));
}

/* VFs without any extended capability begin with an empty header. */
TEST_F(choose, alone)
{
	struct vfio *v = &self->v;

	vfio_close(v);
	ASSERT_EQ(0, host_layout("vf blank 100 1000\n"));
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_STREQ("13@1c0 1b@1e0 ", list(v));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_PASID, OFFSET, 0x100));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x104));
	EXPECT_STREQ("1b@104 13@1c0 ", list(v));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PRI, HIDE, 0));
	EXPECT_STREQ("", list(v));
	EXPECT_EQ(0, vfio_get(v, 0x100, 4));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PRI, OFFSET, 0x800));
	EXPECT_STREQ("13@800 ", list(v));
}

TEST_F(choose, vmd)
{
	struct vfio *v = &self->v;

	if (!vmd_is_ready())
		SKIP(return, "needs the lab's mock VMD");
	vfio_close(v);
	ASSERT_EQ(0, vmd_make("201d"));
	ASSERT_EQ(0, host_rebind(vmd_bdf(), OURS));
	ASSERT_EQ(0, vfio_open(v, vmd_bdf()));
	EXPECT_EQ(VFCAP_STEP_GAP, query(v, VFCAP_CAP_SHDW).step);
	EXPECT_EQ(0, choose(v, VFCAP_CAP_SHDW, OFFSET, 0x4c));
	EXPECT_EQ(0x4c, vfio_find_cap(v, PCI_CAP_ID_VNDR));
	EXPECT_EQ(VFCAP_STEP_USER, query(v, VFCAP_CAP_SHDW).step);
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_SHDW, OFFSET, 0xd0));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_SHDW, OFFSET, 0xe8));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_SHDW, OFFSET, 0x40));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_SHDW, OFFSET, 0x200));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	EXPECT_EQ(0x4c, vfio_find_cap(v, PCI_CAP_ID_VNDR));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_SHDW, HIDE, 0));
	EXPECT_EQ(0, vfio_find_cap(v, PCI_CAP_ID_VNDR));
	EXPECT_EQ(VMD_MSIX, vfio_get(v, PCI_CAPABILITY_LIST, 1));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_SHDW, 0, 0));
	EXPECT_NE(0, vfio_find_cap(v, PCI_CAP_ID_VNDR));
	vfio_close(v);
	EXPECT_EQ(0, vmd_make("none"));
}

/* A VMD whose only capability it is: Status tells whether there is a list. */
TEST_F(choose, vmd_alone)
{
	struct vfio *v = &self->v;

	if (!vmd_is_ready())
		SKIP(return, "needs the lab's mock VMD");
	vfio_close(v);
	ASSERT_EQ(0, vmd_make("a77f"));
	ASSERT_EQ(0, vmd_config("34 0\n"));
	ASSERT_EQ(0, host_rebind(vmd_bdf(), OURS));
	ASSERT_EQ(0, vfio_open(v, vmd_bdf()));
	EXPECT_NE(0, vfio_find_cap(v, PCI_CAP_ID_VNDR));
	EXPECT_NE(0, vfio_get(v, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	EXPECT_EQ(0, choose(v, VFCAP_CAP_SHDW, HIDE, 0));
	EXPECT_EQ(0, vfio_get(v, PCI_CAPABILITY_LIST, 1));
	EXPECT_EQ(0, vfio_get(v, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	EXPECT_EQ(0, choose(v, VFCAP_CAP_SHDW, 0, 0));
	EXPECT_NE(0, vfio_find_cap(v, PCI_CAP_ID_VNDR));
	EXPECT_NE(0, vfio_get(v, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	vfio_close(v);
	EXPECT_EQ(0, vmd_make("none"));
}

/*
 * A hostile VMM does all of it at once, and gets nothing but its own chaos. What
 * it writes where no capability lies any more, emulated VFs keep: zeroes only, but
 * where one always lies.
 */
struct racer {
	struct vfio *v;
	atomic_bool *stop;
	long done;
};

static void *race_write(void *arg)
{
	struct racer *r = arg;
	uint32_t zeroes[16] = {}, ones[4] = { ~0U, ~0U, ~0U, ~0U };

	while (!atomic_load(r->stop)) {
		vfio_write(r->v, 0x1f0 + r->done % 64 * 4, zeroes, 64);
		vfio_write(r->v, PF_PRI, ones, 16);
		vfio_write(r->v, PF_PRI + PCI_PRI_CTRL, zeroes, 2);
		r->done++;
	}
	return NULL;
}

static void *race_read(void *arg)
{
	uint8_t all[0x1000];
	struct racer *r = arg;

	while (!atomic_load(r->stop)) {
		vfio_read(r->v, 0, all, sizeof(all));
		r->done++;
	}
	return NULL;
}

static void *race_reset(void *arg)
{
	struct racer *r = arg;

	while (!atomic_load(r->stop)) {
		vfio_reset(r->v);
		usleep(1000);
		r->done++;
	}
	return NULL;
}

TEST_F_TIMEOUT(choose, race, 60)
{
	static void *(*const work[])(void *) = {
		race_write, race_write, race_read, race_reset,
	};
	pthread_t threads[ARRAY_SIZE(work)];
	struct racer racers[ARRAY_SIZE(work)];
	unsigned int i, moved = 0, busy = 0, other = 0,
		     wrong = 0;
	long end = now_ms() + 4000;
	atomic_bool stop = false;

	for (i = 0; i < ARRAY_SIZE(work); i++) {
		racers[i] = (struct racer){ &self->v, &stop, 0 };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, work[i],
					    &racers[i]));
	}
	for (i = 0; now_ms() < end; i++) {
		uint16_t offset = 0x200 + i % 32 * 8;
		int ret = choose(&self->v, VFCAP_CAP_PASID,
				 i % 3 ? OFFSET : HIDE, i % 3 ? offset : 0);

		moved += !ret;
		/* No write that began before has reached it past the tables. */
		if (!ret && i % 3)
			wrong += vfio_get(&self->v, offset + 4, 2) != host_pasid_cap();
		busy += ret == -EBUSY;
		other += ret && ret != -EBUSY;
	}
	atomic_store(&stop, true);
	for (i = 0; i < ARRAY_SIZE(work); i++) {
		pthread_join(threads[i], NULL);
		EXPECT_LT(0, racers[i].done);
	}
	printf("# moved %u times, busy %u times\n", moved, busy);
	EXPECT_EQ(0, other);
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, moved);
	ASSERT_EQ(0, vfio_reset(&self->v));
	EXPECT_EQ(0, choose(&self->v, VFCAP_CAP_PASID, 0, 0));
	EXPECT_STREQ("1@100 e@150 13@1c0 1b@1e0 ", list(&self->v));
	/* Read-only bits are as ever: no write has slipped past the tables. */
	EXPECT_EQ(host_pasid_cap(), vfio_get(&self->v, PF_PASID + 4, 4));
}

TEST_HARNESS_MAIN
