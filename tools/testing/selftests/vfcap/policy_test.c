// SPDX-License-Identifier: GPL-2.0
/*
 * When the PASID capability is shown, and with which contents: this depends on the PF's
 * state, how the device was opened, the IOMMU, the group, and the parameter "pasid".
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"

#define FORCED	"nothing enforces PASID Enable, because "
#define PF_CTRL		(PF_PASID + PCI_PASID_CTRL)
#define PF_CAP		(PF_PASID + PCI_PASID_CAP)
#define ALL		(PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_EXEC | \
			 PCI_PASID_CTRL_PRIV)
#define NOT_SHOWN	"PASID capability not shown"
#define NO_PASIDS	": its IOMMU has no PASIDs for it"

FIXTURE(policy) {
	struct vfio v;
};

FIXTURE_SETUP(policy)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	vfio_init(&self->v);
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	host_log_clear();
}

FIXTURE_TEARDOWN(policy)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, host_layout_default());
}

/* Why a VF that was opened through its group does not show PASID */
static const char *by_group(void)
{
	return host_iommu_width() ? NOT_SHOWN ": it was opened through its VFIO group" :
				    NOT_SHOWN NO_PASIDS;
}

static unsigned int shown(struct vfio *v)
{
	return vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID);
}

TEST_F(policy, auto_by_cdev)
{
	if (!vfio_has_cdev(host_vf()))
		SKIP(return, "this kernel has no VFIO cdev");
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf()));
	/* This is decided at the first access, not before. */
	EXPECT_EQ(0, host_log_count(host_vf(), "PASID"));
	EXPECT_EQ(PF_PASID, shown(&self->v));
	EXPECT_EQ(1, host_log_count(host_vf(), "PASID capability shown at 0x1e0"));
	EXPECT_EQ(0, host_log_count(host_vf(), NOT_SHOWN));
}

TEST_F(policy, auto_by_group)
{
	ASSERT_EQ(0, vfio_open_group(&self->v, host_vf()));
	EXPECT_EQ(0, shown(&self->v));
	EXPECT_EQ(1, host_log_count(host_vf(), by_group()));
}

TEST_F(policy, on_by_group)
{
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, vfio_open_group(&self->v, host_vf()));
	EXPECT_EQ(PF_PASID, shown(&self->v));
	EXPECT_EQ(1, host_log_count(host_vf(), "nothing enforces PASID Enable"));
}

TEST_F(policy, off)
{
	ASSERT_EQ(0, host_param("pasid", "off"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(0, shown(&self->v));
	EXPECT_EQ(1, host_log_count(host_vf(), NOT_SHOWN ": switched off"));
}

/* The parameter counts at the first access; after that, what is shown does not change. */
TEST_F(policy, stays_for_the_session)
{
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(PF_PASID, shown(&self->v));
	ASSERT_EQ(0, host_param("pasid", "off"));
	EXPECT_EQ(PF_PASID, shown(&self->v));
	EXPECT_EQ(0, host_log_count(host_vf(), NOT_SHOWN));
}

TEST_F(policy, pf_not_enabled)
{
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, host_config_write(host_pf(), PF_CTRL, 2, ALL & ~1));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(0, shown(&self->v));
	EXPECT_EQ(1, host_log_count(host_vf(), NOT_SHOWN ": PASID is not enabled in its PF"));
	vfio_close(&self->v);

	/* The PF is read live: the next open finds PASID enabled again. */
	ASSERT_EQ(0, host_config_write(host_pf(), PF_CTRL, 2, ALL));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(PF_PASID, shown(&self->v));
}

/* A PF that is gone reads as all-ones, which must not be taken for Enable. */
TEST_F(policy, pf_gone)
{
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, host_layout("pf 0 ffffffff\npf 1e4 ffffffff"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(0, shown(&self->v));
	ASSERT_EQ(0, host_layout("pf 0 0 0"));
	EXPECT_EQ(1, host_log_count(host_vf(), NOT_SHOWN ": its PF does not answer"));
}

TEST_F(policy, pf_without_capability)
{
	ASSERT_EQ(0, host_param("pasid", "on"));
	/* Another capability is where the kernel had found PASID. */
	ASSERT_EQ(0, host_layout("pf 1e0 0001000b"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(0, shown(&self->v));
	ASSERT_EQ(0, host_layout("pf 1e0 0001001b"));
	EXPECT_EQ(1, host_log_count(host_vf(), NOT_SHOWN ": its PF has no such capability"));
}

/* Exec and Priv are shown if the PF has them and they are enabled at that time. */
TEST_F(policy, exec_and_priv)
{
	static const struct {
		unsigned int cap, ctrl, shown;
	} cases[] = {
		{ 6, 7, 6 }, { 6, 1, 0 }, { 6, 3, 2 }, { 6, 5, 4 },
		{ 0, 7, 0 }, { 2, 7, 2 }, { 4, 7, 4 }, { 2, 5, 0 },
	};
	unsigned int i, pos;

	ASSERT_EQ(0, host_param("pasid", "on"));
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char line[80];

		snprintf(line, sizeof(line), "pf 1e4 %08x ffffffff 00070000",
			 cases[i].ctrl << 16 | 0x1400 | cases[i].cap);
		ASSERT_EQ(0, host_layout(line));
		ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
		pos = shown(&self->v);
		ASSERT_NE(0, pos);
		EXPECT_EQ(0x1400 | cases[i].shown,
			  vfio_get(&self->v, pos + PCI_PASID_CAP, 2));
		/* The enable bits of what is not supported are hardwired to 0. */
		EXPECT_EQ(0, vfio_set(&self->v, pos + PCI_PASID_CTRL, 2, 0xffff));
		EXPECT_EQ(1 | cases[i].shown,
			  vfio_get(&self->v, pos + PCI_PASID_CTRL, 2));
		vfio_close(&self->v);
	}
}

/* The lesser of the PF's and the IOMMU's width; the PF's if the IOMMU has no PASIDs */
TEST_F(policy, width)
{
	static const unsigned int widths[] = { 20, 19, 16, 8, 1, 0 };
	unsigned int most = host_pasid_width();
	unsigned int i, pos, width;

	ASSERT_EQ(0, host_param("pasid", "on"));
	for (i = 0; i < sizeof(widths) / sizeof(*widths); i++) {
		char line[80];

		snprintf(line, sizeof(line), "pf 1e4 %08x ffffffff 00070000",
			 7 << 16 | widths[i] << 8 | 6);
		ASSERT_EQ(0, host_layout(line));
		ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
		pos = shown(&self->v);
		ASSERT_NE(0, pos);
		width = widths[i] < most ? widths[i] : most;
		EXPECT_EQ(width << 8 | 6,
			  vfio_get(&self->v, pos + PCI_PASID_CAP, 2));
		vfio_close(&self->v);
	}
}

/* The IOMMU gave the VFs their PASIDs when they were found, so create them again. */
TEST_F(policy, width_of_the_iommu)
{
	unsigned int pos;

	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_layout("pf 1e4 00070806 ffffffff 00070000"));
	ASSERT_EQ(0, host_recreate_vfs());
	ASSERT_EQ(0, host_layout("pf 1e4 00071406 ffffffff 00070000"));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	pos = shown(&self->v);
	ASSERT_NE(0, pos);
	EXPECT_EQ(host_iommu_width() ? 8 : PF_WIDTH,
		  vfio_get(&self->v, pos + PCI_PASID_CAP, 2) >> 8);
	vfio_close(&self->v);

	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_recreate_vfs());
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
}

static const uint8_t token[16] = "vfcap-test-token";

/* Give the PF to user space, which then sets the VF token. */
static int give_pf_away(struct vfio *pf)
{
	int ret = host_run(NULL, 0, "modprobe vfio-pci");

	ret = ret ?: host_write("/sys/module/vfio_pci/parameters/enable_sriov", "1");
	ret = ret ?: host_unbind(host_vf());
	ret = ret ?: host_writef("0", "devices/%s/sriov_numvfs", host_pf());
	ret = ret ?: host_rebind(host_pf(), THEIRS);
	ret = ret ?: vfio_open(pf, host_pf());
	ret = ret ?: vfio_set_token(pf, token);
	ret = ret ?: host_writef("2", "devices/%s/sriov_numvfs", host_pf());
	return ret ?: host_rebind(host_vf(), OURS);
}

static int take_pf_back(struct vfio *pf)
{
	int ret = host_unbind(host_vf());

	ret = ret ?: host_writef("0", "devices/%s/sriov_numvfs", host_pf());
	vfio_close(pf);
	ret = ret ?: host_unbind(host_pf());
	ret = ret ?: host_writef("\n", "devices/%s/driver_override", host_pf());
	ret = ret ?: host_writef(host_pf(), "drivers/igb/bind");
	ret = ret ?: host_recreate_vfs();
	return ret ?: host_bind(host_vf(), OURS);
}

/*
 * The PF's user could write to the PF's PASID registers. VF tokens of such a PF work as
 * with vfio-pci.
 */
TEST_F(policy, pf_given_to_user_space)
{
	struct vfio pf;

	ASSERT_EQ(0, give_pf_away(&pf));
	EXPECT_EQ(-EACCES, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(0, vfio_open_token(&self->v, host_vf(), token));
	EXPECT_EQ(0, shown(&self->v));
	EXPECT_EQ(1, host_log_count(host_vf(), vfio_has_cdev(host_vf()) ?
				    NOT_SHOWN ": its PF is itself given to user space" :
				    by_group()));
	vfio_close(&self->v);

	EXPECT_EQ(0, host_param("pasid", "on"));
	EXPECT_EQ(0, vfio_open_token(&self->v, host_vf(), token));
	EXPECT_NE(0, shown(&self->v));
	vfio_close(&self->v);
	EXPECT_EQ(0, take_pf_back(&pf));
}

/* Below a port without ACS, the PF and its VFs are in one IOMMU group. */
TEST_F_TIMEOUT(policy, shared_group, 120)
{
	struct vfio pf;

	if (!vfio_has_cdev(host_vf()))
		SKIP(return, "this kernel has no VFIO cdev");
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_layout("port 148 00010000 0000ffff"));
	ASSERT_EQ(0, host_rescan());
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
	ASSERT_EQ(0, give_pf_away(&pf));
	/* A group has only one user, who may own all of its devices. */
	vfio_close(&pf);
	/* Linux itself does not enable PASID in such a group, but another driver may. */
	ASSERT_EQ(0, host_config_write(host_pf(), PF_CTRL, 2, ALL));

	EXPECT_EQ(0, vfio_open_token(&self->v, host_vf(), token));
	EXPECT_EQ(0, shown(&self->v));
	EXPECT_EQ(1, host_log_count(host_vf(), NOT_SHOWN ": it shares its IOMMU group"));
	vfio_close(&self->v);

	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_writef("0", "devices/%s/sriov_numvfs", host_pf()));
	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(0, host_layout("port 148 0 0"));
	ASSERT_EQ(0, host_writef("\n", "devices/%s/driver_override", host_pf()));
	ASSERT_EQ(0, host_rescan());
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
}

/*
 * When its VFs were found, the PF had only the PASID that stands for requests without
 * one, so the IOMMU has no PASIDs for the VFs. That does not limit the width.
 */
TEST_F_TIMEOUT(policy, no_pasids_from_the_iommu, 120)
{
	unsigned int pos;

	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_layout("pf 1e4 00000006 ffffffff 00070000"));
	ASSERT_EQ(0, host_rescan());
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
	host_log_clear();

	ASSERT_EQ(0, host_param("pasid", "auto"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(0, shown(&self->v));
	EXPECT_EQ(1, host_log_count(host_vf(), NOT_SHOWN NO_PASIDS));
	vfio_close(&self->v);

	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	pos = shown(&self->v);
	EXPECT_NE(0, pos);
	EXPECT_EQ(PF_WIDTH, vfio_get(&self->v, pos + PCI_PASID_CAP, 2) >> 8);
	EXPECT_EQ(1, host_log_count(host_vf(), FORCED "its IOMMU has no PASIDs"));
	vfio_close(&self->v);

	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_rescan());
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
}

TEST_F(policy, lacks_tlp_prefix)
{
	unsigned int exp;

	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	exp = vfio_find_cap(&self->v, PCI_CAP_ID_EXP);
	EXPECT_EQ(0, host_log_count(host_vf(), "End-End TLP Prefix"));
	vfio_close(&self->v);

	ASSERT_EQ(0xa0, exp);
	ASSERT_EQ(0, host_layout("vf c4 0 00200000"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_NE(0, shown(&self->v));
	EXPECT_EQ(1, host_log_count(host_vf(), "lacks End-End TLP Prefix Support"));
}

TEST_F(policy, bad_parameter)
{
	char value[16] = {};
	int fd;

	EXPECT_EQ(-EINVAL, host_param("pasid", "maybe"));
	EXPECT_EQ(-EINVAL, host_param("pasid", "\n"));
	/* As written by "echo": the message in the log is still one line. */
	EXPECT_EQ(-EINVAL, host_param("pasid", "maybe\n"));
	EXPECT_EQ(2, host_log_count("vfcap_vfio_pci",
				    "\"maybe\" is not one of auto, on, off, gated"));
	EXPECT_EQ(1, host_log_count("vfcap_vfio_pci", "\"\" is not one of auto, on, off, gated"));
	fd = open("/sys/module/vfcap_vfio_pci/parameters/pasid", O_RDONLY);
	EXPECT_LT(0, read(fd, value, sizeof(value) - 1));
	close(fd);
	EXPECT_STREQ("auto\n", value);
}

TEST_HARNESS_MAIN
