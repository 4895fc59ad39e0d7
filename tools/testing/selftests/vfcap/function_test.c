// SPDX-License-Identifier: GPL-2.0
/*
 * Whole functions: endpoints and PFs that have PASID themselves. It is shown at the
 * offset that it has in hardware, and nothing that a guest writes there reaches the
 * hardware. The VFs of such a PF behave as with vfio-pci.
 *
 * What is tested for a VF's registers, resets, state and DMA holds for such functions,
 * too: see the tests that also run with functions in place of VFs (VFCAP_FUNCTIONS).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define PASID_CTRL	(PF_PASID + PCI_PASID_CTRL)
#define ALL	(PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_EXEC | PCI_PASID_CTRL_PRIV)
#define PASID	5

#define RESCAN	"/sys/kernel/debug/vfcap-fixture/rescan"

/* Bind the PF, without VFs, to a driver. If its layout changes, the PF is found again. */
static int give_pf(const char *lines, const char *driver)
{
	int ret = host_unbind(host_vf());

	ret = ret ?: host_layout_default();
	ret = ret ?: host_writef("0", "devices/%s/sriov_numvfs", host_pf());
	if (*lines)
		ret = ret ?: host_layout(lines) ?:
		      host_write(RESCAN, "1");
	ret = ret ?: host_rebind(host_pf(), driver);
	host_log_clear();
	return ret;
}

static int take_pf_back(bool rescan)
{
	int ret = host_param("pasid", "auto") ?: host_unbind(host_pf());

	ret = ret ?: host_writef("\n", "devices/%s/driver_override", host_pf());
	ret = ret ?: host_layout_default();
	if (rescan)
		ret = ret ?: host_write(RESCAN, "1");
	if (!*host_driver(host_pf()))
		ret = ret ?: host_bind(host_pf(), "igb") ?:
		      host_writef("\n", "devices/%s/driver_override", host_pf());
	ret = ret ?: host_recreate_vfs();
	return ret ?: host_bind(host_vf(), OURS);
}

/* The kernel has enabled PASID, and nobody has changed that. */
static bool is_untouched(unsigned int pos)
{
	return !host_writes_count(host_pf(), pos, pos + PCI_EXT_CAP_PASID_SIZEOF) &&
	       host_config_read(host_pf(), pos + PCI_PASID_CTRL, 2) & PCI_PASID_CTRL_ENABLE;
}

/* Every place in hardware that the capability may have */
FIXTURE(layout) {
	struct vfio v;
};

FIXTURE_VARIANT(layout) {
	const char *lines;
	unsigned int fill_from, fill_to;	/* live registers outside all capabilities */
	unsigned int pos;
	unsigned int chain[10];
	unsigned int ims;
	unsigned int pri;	/* offset of PRI where the kernel has enabled it */
};

/* As in an Intel GPU */
FIXTURE_VARIANT_ADD(layout, first) {
	.lines = "pf 100 2001001b\npf 104 00001406 ffffffff 00070000\n"
		 "pf 200 3001000f\npf 204 00000060 ffffffff 801f0000\n"
		 "pf 300 00010013\npf 304 81000000 ffffffff 00000001\n"
		 "pf 308 00000040\npf 30c 00000000 ffffffff ffffffff\npf pri 300\n",
	.pos = 0x100, .chain = { 0x100, 0x200 }, .pri = 0x300,
};

FIXTURE_VARIANT_ADD(layout, only) {
	.lines = "pf 100 0001001b\npf 104 00001406 ffffffff 00070000\n",
	.fill_from = 0x108, .fill_to = 0x1000,
	.pos = 0x100, .chain = { 0x100 },
};

FIXTURE_VARIANT_ADD(layout, last_at_end) {
	.lines = "pf 100 ff81000e\npf ff8 0001001b\npf ffc 00001406 ffffffff 00070000\n",
	.fill_from = 0x108, .fill_to = 0xff8,
	.pos = 0xff8, .chain = { 0x100, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, descending) {
	.lines = "pf 100 f001000e\npf f00 12010003\npf 120 0001001b\n"
		 "pf 124 00001406 ffffffff 00070000\n",
	.pos = 0x120, .chain = { 0x100, 0x120, 0xf00 },
};

FIXTURE_VARIANT_ADD(layout, all_hidden) {
	.lines = "pf 100 12010019\npf 120 0001001b\npf 124 00001406 ffffffff 00070000\n",
	.pos = 0x120, .chain = { 0x100, 0x120 },
};

/* 8086:0b25, as dumped */
FIXTURE_VARIANT_ADD(layout, dsa) {
	.lines = "pf 100 15020001\npf 108 00100000\npf 10c 00040000\npf 150 16010018\n"
		 "pf 160 17010017\npf 164 00010205\npf 168 00000102\npf 16c 000a0000\n"
		 "pf 170 20010002\npf 174 00000011\npf 178 00000001\npf 184 800000fd\n"
		 "pf 190 81000002\npf 200 22010023\npf 204 01808086\npf 208 00000005\n"
		 "pf 20c 00000001\npf 210 00000001\npf 214 00000001\npf 220 2301000f\n"
		 "pf 224 00000060 ffffffff 801f0000\npf 230 2401001b\n"
		 "pf 234 00001404 ffffffff 00070000\npf 240 00010013\n"
		 "pf 244 01000000 ffffffff 00000001\npf 248 00000200\n"
		 "pf 24c 00000000 ffffffff ffffffff\npf 500 00000010\n",
	.pos = 0x230, .chain = { 0x100, 0x150, 0x160, 0x170, 0x200, 0x220, 0x230 },
	.ims = 0x214,
};

FIXTURE_SETUP(layout)
{
	char lines[4096];

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	vfio_init(&self->v);
	snprintf(lines, sizeof(lines), "pf blank 100 1000\npf blank %x %x 12345678\n%s",
		 variant->fill_from, variant->fill_to, variant->lines);
	ASSERT_EQ(0, give_pf(lines, OURS));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_pf()));
}

FIXTURE_TEARDOWN(layout)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, take_pf_back(true));
}

TEST_F(layout, shown_where_it_is)
{
	unsigned int pos = 0x100, i = 0, cap = variant->pos + PCI_PASID_CAP;
	struct vfio *v = &self->v;
	uint32_t header;

	while (pos && i < ARRAY_SIZE(variant->chain)) {
		header = vfio_get(v, pos, 4);
		ASSERT_EQ(variant->chain[i], pos);
		EXPECT_EQ(pos == variant->pos,
			  (header & 0xffff) == PCI_EXT_CAP_ID_PASID);
		EXPECT_NE(PCI_EXT_CAP_ID_PRI, header & 0xffff);
		pos = header >> 20;
		i++;
	}
	EXPECT_EQ(0, variant->chain[i]);
	EXPECT_EQ(host_config_read(host_pf(), cap, 2), vfio_get(v, cap, 2));
	EXPECT_EQ(0, vfio_get(v, cap + 2, 2));

	ASSERT_EQ(0, host_writes_clear());
	EXPECT_EQ(0, vfio_set(v, variant->pos, 4, ~0U));
	EXPECT_EQ(0, vfio_set(v, cap, 4, ~0U));
	EXPECT_EQ(host_config_read(host_pf(), cap, 4), vfio_get(v, cap, 4));
	EXPECT_EQ(0, vfio_set(v, cap, 4, 0));
	EXPECT_EQ(0, vfio_get(v, cap + 2, 2));
	EXPECT_TRUE(is_untouched(variant->pos));

	for (pos = variant->fill_from; pos < variant->fill_to; pos += 4)
		ASSERT_EQ(0x12345678, vfio_get(v, pos, 4));
	if (variant->ims) {
		EXPECT_EQ(1, host_config_read(host_pf(), variant->ims, 4) & 1);
		EXPECT_EQ(0, vfio_get(v, variant->ims, 4) & 1);
	}
}

/* Shown at its offset to a VMM that answers page requests, if the kernel has enabled it */
TEST_F(layout, pri_where_it_is)
{
	struct vfio *v = &self->v;
	struct vfcap_feature_query q;

	vfio_close(v);
	ASSERT_EQ(0, vfio_open_cdev(v, host_pf()));
	ASSERT_EQ(0, vfcap_choose(v, VFCAP_CAP_PASID, 0, 0));
	if (!variant->pri) {
		ASSERT_EQ(0, vfcap_query(v, VFCAP_CAP_PRI, &q));
		EXPECT_NE(VFCAP_REASON_NONE, q.reason);
		EXPECT_EQ(0, q.flags & VFCAP_QUERY_DELIVERABLE);
		EXPECT_EQ(0, vfio_find_ecap(v, PCI_EXT_CAP_ID_PRI));
		return;
	}
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE,
		  host_config_read(host_pf(), variant->pri + PCI_PRI_CTRL, 2));
	EXPECT_EQ(-EINVAL, vfcap_choose(v, VFCAP_CAP_PRI, VFCAP_CHOOSE_ANSWERS |
					VFCAP_CHOOSE_OFFSET, variant->pri + 0x40));
	ASSERT_EQ(0, vfcap_choose(v, VFCAP_CAP_PRI, VFCAP_CHOOSE_ANSWERS, 0));
	ASSERT_EQ(0, vfcap_query(v, VFCAP_CAP_PRI, &q));
	EXPECT_EQ(variant->pri, q.offset);
	EXPECT_EQ(VFCAP_STEP_HARDWARE, q.step);
	EXPECT_NE(0, q.flags & VFCAP_QUERY_DELIVERABLE);
	EXPECT_EQ(variant->pri, vfio_find_ecap(v, PCI_EXT_CAP_ID_PRI));
	EXPECT_EQ(variant->pos, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	/* The guest has not enabled PRI. */
	EXPECT_EQ(0, host_config_read(host_pf(), variant->pri + PCI_PRI_CTRL, 2));
	EXPECT_EQ(PCI_PRI_STATUS_STOPPED | PCI_PRI_STATUS_PASID,
		  vfio_get(v, variant->pri + PCI_PRI_STATUS, 2));
	vfio_close(v);
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE,
		  host_config_read(host_pf(), variant->pri + PCI_PRI_CTRL, 2));
}

/* A PF with the same layout as in other tests */
FIXTURE(pf) {
	struct vfio v;
};

FIXTURE_SETUP(pf)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	vfio_init(&self->v);
	ASSERT_EQ(0, give_pf("", OURS));
	/* Its driver was unbound, which has not disabled any of this. */
	ASSERT_EQ(0, host_writes_clear());
}

FIXTURE_TEARDOWN(pf)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, take_pf_back(false));
}

TEST_F(pf, told)
{
	struct vfcap_feature_query q;

	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_pf()));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(PF_PASID, q.offset);
	EXPECT_EQ(VFCAP_STEP_HARDWARE, q.step);
	EXPECT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(1, host_log_count(host_pf(), "PASID capability shown at 0x1e0"));

	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PRI, &q));
	EXPECT_EQ(0, q.offset);
	EXPECT_EQ(VFCAP_REASON_NO_VMM, q.reason);
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PRI));
	EXPECT_EQ(1, host_log_count(host_pf(),
				    "PRI capability not shown: its VMM has not"));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_SHDW, &q));
	EXPECT_EQ(VFCAP_REASON_NOT_APPLICABLE, q.reason);
}

/* PASID can only be at its own offset. */
TEST_F(pf, choose)
{
	struct vfio *v = &self->v;
	struct vfcap_feature_query q;

	ASSERT_EQ(0, vfio_open_cdev(v, host_pf()));
	EXPECT_EQ(-EINVAL, vfcap_choose(v, VFCAP_CAP_PASID, VFCAP_CHOOSE_OFFSET, 0x400));
	EXPECT_EQ(-EINVAL, vfcap_choose(v, VFCAP_CAP_PASID,
					VFCAP_CHOOSE_OFFSET | VFCAP_CHOOSE_FORCE, 0x400));
	EXPECT_EQ(0, vfcap_choose(v, VFCAP_CAP_PASID, VFCAP_CHOOSE_OFFSET, PF_PASID));
	ASSERT_EQ(0, vfcap_query(v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(PF_PASID, q.offset);
	EXPECT_EQ(0, vfcap_choose(v, VFCAP_CAP_PASID, VFCAP_CHOOSE_HIDE, 0));
	EXPECT_EQ(0, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(0, vfcap_query(v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(VFCAP_REASON_USER, q.reason);
}

/*
 * Nothing that is written there reaches the hardware, whether PASID is shown or not; with
 * vfio-pci it does.
 */
TEST_F(pf, raw_writes)
{
	static const char * const modes[] = { "auto", "off" };
	struct vfio *v = &self->v;
	unsigned int i, pos;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(0, host_param("pasid", modes[i]));
		ASSERT_EQ(0, vfio_open_cdev(v, host_pf()));
		EXPECT_EQ(i ? 0 : PF_PASID, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
		ASSERT_EQ(0, host_writes_clear());
		for (pos = PF_PASID; pos < PF_PASID + 8; pos++)
			EXPECT_EQ(0, vfio_set(v, pos, 1, 0));
		EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 0));
		EXPECT_EQ(0, vfio_set(v, PF_PASID - 2, 4, 0));
		EXPECT_EQ(0, vfio_set(v, PF_PASID + 6, 4, 0));
		EXPECT_TRUE(is_untouched(PF_PASID));
		/* While PASID is not shown, what is written is not stored either. */
		if (i) {
			EXPECT_EQ(0, vfio_set(v, PF_PASID + 4, 4, ~0U));
			EXPECT_EQ(0, vfio_get(v, PF_PASID + 4, 4));
		}
		vfio_close(v);
	}
	ASSERT_EQ(0, host_run(NULL, 0, "modprobe vfio-pci"));
	ASSERT_EQ(0, host_rebind(host_pf(), THEIRS));
	ASSERT_EQ(0, vfio_open_cdev(v, host_pf()));
	ASSERT_EQ(0, host_writes_clear());
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 0));
	EXPECT_FALSE(is_untouched(PF_PASID));
	vfio_close(v);
	EXPECT_EQ(0, host_enable_pf());
	EXPECT_EQ(0, host_rebind(host_pf(), OURS));
}

/* Attach one page table to the function itself and to one of its PASIDs */
static int attach(struct vfio *v)
{
	uint32_t ioas, pt;

	return iommufd_ioas(v, &ioas) ?: iommufd_hwpt(v, ioas, true, &pt) ?:
	       iommufd_attach(v, pt, 0) ?: iommufd_attach(v, pt, PASID);
}

TEST_F(pf, gate)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, vfio_open_cdev(v, host_pf()));
	ASSERT_EQ(0, attach(v));
	EXPECT_FALSE(iommu_has_pasid(host_pf(), PASID));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_TRUE(iommu_has_pasid(host_pf(), PASID));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 0));
	EXPECT_FALSE(iommu_has_pasid(host_pf(), PASID));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_FALSE(iommu_has_pasid(host_pf(), PASID));
	EXPECT_EQ(0, vfio_get(v, PASID_CTRL, 2));
	/* In hardware, the kernel has enabled it again. */
	EXPECT_EQ(ALL, host_config_read(host_pf(), PASID_CTRL, 2));
}

/* A reset of everything below the port, all of which belongs to its user */
TEST_F(pf, hot_reset)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	struct vfio *v = &self->v;

	ASSERT_EQ(0, vfio_open_cdev(v, host_pf()));
	ASSERT_EQ(0, attach(v));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_TRUE(iommu_has_pasid(host_pf(), PASID));
	ASSERT_EQ(0, ioctl(v->fd, VFIO_DEVICE_PCI_HOT_RESET, &reset));
	EXPECT_FALSE(iommu_has_pasid(host_pf(), PASID));
	EXPECT_EQ(0, vfio_get(v, PASID_CTRL, 2));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_TRUE(iommu_has_pasid(host_pf(), PASID));
}

/* Core wakes the function up first, and then the reset fails because the port is blocked. */
TEST_F(pf, hot_reset_that_fails)
{
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	struct vfio *v = &self->v;
	unsigned int pmcsr;
	bool kept;

	ASSERT_EQ(0, vfio_open_cdev(v, host_pf()));
	ASSERT_EQ(0, attach(v));
	pmcsr = vfio_find_cap(v, PCI_CAP_ID_PM) + PCI_PM_CTRL;
	kept = vfio_get(v, pmcsr, 2) & PCI_PM_CTRL_NO_SOFT_RESET;
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_EQ(0, vfio_set(v, pmcsr, 2, 3));
	EXPECT_FALSE(iommu_has_pasid(host_pf(), PASID));
	ASSERT_EQ(0, host_access(host_port(), "blocked"));
	EXPECT_EQ(-1, ioctl(v->fd, VFIO_DEVICE_PCI_HOT_RESET, &reset));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, host_access(host_port(), "normal"));
	EXPECT_EQ(0, vfio_get(v, pmcsr, 2) & PCI_PM_CTRL_STATE_MASK);
	EXPECT_EQ(kept, vfio_get(v, PASID_CTRL, 2));
	EXPECT_EQ(kept, iommu_has_pasid(host_pf(), PASID));
}

TEST_F(pf, state_in_sysfs)
{
	EXPECT_STREQ("0", sample_state(host_pf(), "open"));
	EXPECT_STREQ("hidden", sample_state(host_pf(), "pasid_state"));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_pf()));
	EXPECT_STREQ("1", sample_state(host_pf(), "open"));
	EXPECT_STREQ("held", sample_state(host_pf(), "pasid_state"));
	EXPECT_STREQ("held", sample_state(host_pf(), "pri_state"));
	EXPECT_STREQ("0x0", sample_state(host_pf(), "pasid_offset"));
	vfio_get(&self->v, 0, 4);
	EXPECT_STREQ("shown", sample_state(host_pf(), "pasid_state"));
	EXPECT_STREQ("0x1e0", sample_state(host_pf(), "pasid_offset"));
	EXPECT_STREQ("hidden", sample_state(host_pf(), "pri_state"));
	vfio_close(&self->v);
	EXPECT_STREQ("hidden", sample_state(host_pf(), "pasid_state"));
	ASSERT_EQ(0, host_unbind(host_pf()));
	EXPECT_FALSE(host_exists("devices/%s/vfcap", host_pf()));
	ASSERT_EQ(0, host_bind(host_pf(), OURS));
}

/* Linux enables PASID only in functions with End-End TLP Prefix support. */
TEST_F(pf, not_enabled)
{
	struct vfcap_feature_query q;

	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(0, give_pf("pf c4 0 00200000\n", OURS));
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, vfio_open(&self->v, host_pf()));
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(VFCAP_REASON_NOT_ENABLED, q.reason);
	EXPECT_EQ(1, host_log_count(host_pf(), "PASID capability not shown: the kernel has not"));
	vfio_close(&self->v);
	ASSERT_EQ(0, host_layout("pf c4 0 0\n"));
	EXPECT_EQ(0, host_write(RESCAN, "1"));
}

TEST_F(pf, by_group)
{
	ASSERT_EQ(0, vfio_open_group(&self->v, host_pf()));
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(1, host_log_count(host_pf(),
				    "PASID capability not shown: it was opened through"));
	EXPECT_EQ(1, host_log_count(host_pf(),
				    "PRI capability not shown: it was opened through"));
}

static const uint8_t token[16] = "vfcap-test-token";

/* The PF gets VFs only if the administrator allows it. They share what is not the kernel's. */
TEST_F(pf, vfs)
{
	struct vfcap_feature_query q;
	struct vfio vf;

	EXPECT_EQ(-ENOENT, host_writef("2", "devices/%s/sriov_numvfs", host_pf()));
	ASSERT_EQ(0, host_param("enable_sriov", "1"));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_pf()));
	ASSERT_EQ(0, vfio_set_token(&self->v, token));
	ASSERT_EQ(0, host_writef("2", "devices/%s/sriov_numvfs", host_pf()));
	/* These VFs are for no other driver. */
	ASSERT_EQ(0, host_bind(host_vf(), OURS));

	EXPECT_EQ(-EACCES, vfio_open(&vf, host_vf()));
	ASSERT_EQ(0, vfio_open_token(&vf, host_vf(), token));
	EXPECT_EQ(0, vfio_find_ecap(&vf, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(0, vfcap_query(&vf, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(VFCAP_REASON_PF_USER_SPACE, q.reason);
	EXPECT_EQ(1, host_log_count(host_vf(), "not shown: its PF is itself given to user space"));
	/* And the PF's guest does not get what the VFs share. */
	EXPECT_EQ(0, vfcap_choose(&self->v, VFCAP_CAP_PRI, VFCAP_CHOOSE_ANSWERS, 0));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PRI, &q));
	EXPECT_EQ(VFCAP_REASON_HAS_VFS, q.reason);
	/* The PF's directory in sysfs is about the PF itself. */
	EXPECT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_STREQ("shown", sample_state(host_pf(), "pasid_state"));
	EXPECT_STREQ("hidden", sample_state(host_vf(), "pasid_state"));
	vfio_close(&vf);

	/* If it is shown all the same, it depends on what the PF's guest does. */
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, vfio_open_token(&vf, host_vf(), token));
	EXPECT_NE(0, vfio_find_ecap(&vf, PCI_EXT_CAP_ID_PASID));
	EXPECT_STREQ("shown", sample_state(host_vf(), "pasid_state"));
	EXPECT_STREQ("shown", sample_state(host_pf(), "pasid_state"));
	vfio_close(&vf);
	EXPECT_EQ(0, host_unbind(host_vf()));
	EXPECT_EQ(0, host_writef("0", "devices/%s/sriov_numvfs", host_pf()));
	EXPECT_EQ(0, host_param("enable_sriov", "0"));
}

/* The same PF, in which the kernel enables PRI: the fixture's layout "pri" */
FIXTURE(pf_pri) {
	struct vfio v;
};

FIXTURE_SETUP(pf_pri)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	vfio_init(&self->v);
	ASSERT_EQ(0, give_pf("pf 1c4 81000000 ffffffff 00000001\npf pri 1c0\n", OURS));
}

FIXTURE_TEARDOWN(pf_pri)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("enable_sriov", "0"));
	EXPECT_EQ(0, take_pf_back(true));
}

/* No VFs are created while the PF's guest has what they would share. */
TEST_F(pf_pri, vfs)
{
	ASSERT_EQ(0, host_param("enable_sriov", "1"));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_pf()));
	ASSERT_EQ(0, vfcap_choose(&self->v, VFCAP_CAP_PRI, VFCAP_CHOOSE_ANSWERS, 0));
	EXPECT_NE(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PRI));
	EXPECT_EQ(-EBUSY, host_writef("2", "devices/%s/sriov_numvfs", host_pf()));
	EXPECT_EQ(1, host_log_count(host_pf(), "no VFs can be created now"));
	vfio_close(&self->v);
	EXPECT_EQ(0, host_writef("2", "devices/%s/sriov_numvfs", host_pf()));
	EXPECT_EQ(0, host_writef("0", "devices/%s/sriov_numvfs", host_pf()));
}

/* vfio-pci does not accept DSAs of this generation unless told to, and nor do we. */
TEST_F(pf, denylist)
{
	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(-EINVAL, give_pf("pf 0 0b258086\n", OURS));
	EXPECT_EQ(0, host_layout("pf 0 0 0\n"));
	EXPECT_EQ(0, host_write(RESCAN, "1"));
}

TEST_HARNESS_MAIN
