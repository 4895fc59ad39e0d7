// SPDX-License-Identifier: GPL-2.0
/*
 * A PF that uses runtime PM: it is woken for a VF that may show what the PF has, and kept
 * awake as long as the VF may show it. Otherwise it sleeps as it likes.
 */
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"
#include "lib/whole.h"

#define CARELESS	"vfcap-careless-pf"
#define CARELESS_KO	"tools/testing/fixture/" CARELESS ".ko"
#define MODULE		"vfcap_careless_pf"

#define VFS		2
#define PASID_CTRL	(PF_PASID + PCI_PASID_CTRL)
/* Longer than a PF that may sleep takes to do so, and the guard to look */
#define A_WHILE_US	1500000

static int set_power(const char *control)
{
	return host_writef(control, "devices/%s/power/control", host_pf());
}

static bool pf_is(const char *status)
{
	char path[64];

	snprintf(path, sizeof(path), "devices/%s/power/runtime_status", host_pf());
	return !strcmp(host_read(path), status);
}

static int load(const char *params)
{
	int ret = host_unload(MODULE);

	return ret && ret != -ENOENT ? ret : host_load(CARELESS_KO, params);
}

FIXTURE(pm) {
	struct vfio v, other;
	bool broken;		/* the PF cannot be woken any more */
};

FIXTURE_SETUP(pm)
{
	vfio_init(&self->v);
	vfio_init(&self->other);
	self->broken = false;
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, load(""));
	ASSERT_EQ(0, sample_prepare(CARELESS, VFS, false));
	ASSERT_EQ(0, set_power("auto"));
	ASSERT_TRUE(sample_suspends(host_pf()));
}

FIXTURE_TEARDOWN(pm)
{
	int ret;

	vfio_close(&self->v);
	vfio_close(&self->other);
	host_expect_pf_unbind();
	ret = self->broken ? host_unbind(host_pf()) ?: host_rescan() :
			     set_power("on");
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, sample_give_back());
	EXPECT_EQ(0, host_unload(MODULE));
}

static void expect_shown(struct __test_metadata *_metadata, struct vfio *v,
			 const char *bdf)
{
	ASSERT_EQ(0, vfio_open(v, bdf));
	EXPECT_TRUE(whole_shows_pasid(v, bdf));
	ASSERT_EQ(PF_PASID, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, PCI_PASID_CTRL_ENABLE));
	EXPECT_EQ(PCI_PASID_CTRL_ENABLE, vfio_get(v, PASID_CTRL, 2));
}

static void expect_kept(struct __test_metadata *_metadata, struct vfio *v,
			const char *bdf)
{
	usleep(A_WHILE_US);
	EXPECT_TRUE(pf_is("active"));
	EXPECT_STREQ("shown", sample_state(bdf, "pasid_state"));
	EXPECT_EQ(PCI_PASID_CTRL_ENABLE, vfio_get(v, PASID_CTRL, 2));
}

TEST_F(pm, kept_awake_while_shown)
{
	/* A VF that is opened while the PF sleeps still gets the capability. */
	expect_shown(_metadata, &self->v, host_vf());
	expect_kept(_metadata, &self->v, host_vf());

	/* Each of several VFs keeps the PF awake, whichever is closed first. */
	expect_shown(_metadata, &self->other, host_vf2());
	vfio_close(&self->v);
	expect_kept(_metadata, &self->other, host_vf2());
	vfio_close(&self->other);
	EXPECT_TRUE(sample_suspends(host_pf()));
	EXPECT_EQ(0, host_log_count(host_vf(), "lost"));
	EXPECT_EQ(0, host_log_count(host_vf2(), "lost"));
}

/* While the VF itself sleeps the PF does not, since the VF still shows PASID. */
TEST_F(pm, kept_awake_while_the_vf_sleeps)
{
	expect_shown(_metadata, &self->v, host_vf());
	ASSERT_EQ(0, vfio_set_low_power(&self->v, true));
	EXPECT_TRUE(sample_suspends(host_vf()));
	usleep(A_WHILE_US);
	EXPECT_TRUE(pf_is("active"));
	EXPECT_STREQ("shown", sample_state(host_vf(), "pasid_state"));
	EXPECT_EQ(0, vfio_set_low_power(&self->v, false));
}

/* Before the first access, PASID may yet be shown. */
TEST_F(pm, kept_awake_while_held)
{
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_STREQ("held", sample_state(host_vf(), "pasid_state"));
	usleep(A_WHILE_US);
	EXPECT_TRUE(pf_is("active"));
}

TEST_F(pm, sleeps_where_nothing_is_wanted)
{
	EXPECT_EQ(0, host_param("pasid", "off"));
	EXPECT_EQ(0, host_param("pri", "off"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_TRUE(pf_is("suspended"));
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_TRUE(sample_suspends(host_pf()));
}

/* PASID was wanted at open, but no longer when it was decided. */
TEST_F(pm, sleeps_when_nothing_is_shown)
{
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_TRUE(pf_is("active"));
	EXPECT_EQ(0, host_param("pasid", "off"));
	EXPECT_EQ(0, host_param("pri", "off"));
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_TRUE(sample_suspends(host_pf()));
}

/* When the PF's driver changes, no reference is leaked, and none is released twice. */
TEST_F(pm, driver_changes_meanwhile)
{
	expect_shown(_metadata, &self->v, host_vf());
	EXPECT_EQ(0, host_unbind(host_pf()));
	EXPECT_EQ(0, host_bind(host_pf(), CARELESS));
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, PCI_PASID_CTRL_ENABLE));
	expect_kept(_metadata, &self->v, host_vf());
	vfio_close(&self->v);
	EXPECT_TRUE(sample_suspends(host_pf()));

	expect_shown(_metadata, &self->v, host_vf());
	EXPECT_EQ(0, host_unbind(host_pf()));
	vfio_close(&self->v);
	EXPECT_EQ(0, host_bind(host_pf(), CARELESS));
	EXPECT_TRUE(sample_suspends(host_pf()));
	expect_shown(_metadata, &self->v, host_vf());
	expect_kept(_metadata, &self->v, host_vf());
}

/* Such a VF works otherwise. This must be the last test, since the PF cannot be recovered. */
TEST_F_TIMEOUT(pm, cannot_be_woken, 60)
{
	ASSERT_EQ(0, host_writef("Y", "/sys/module/" MODULE "/parameters/resume_error"));
	self->broken = true;
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(1, host_log_count(host_vf(), "cannot be woken (error -5)"));
	EXPECT_STREQ("hidden", sample_state(host_vf(), "pasid_state"));
}

TEST_HARNESS_MAIN
