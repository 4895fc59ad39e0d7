// SPDX-License-Identifier: GPL-2.0
/*
 * PF drivers that make mistakes: what they leave registered is not called after they are
 * gone, and VFs that outlive their PF's driver have lost what it was responsible for.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/sample.h"
#include "lib/vfio.h"
#include "lib/whole.h"

#define CARELESS	"vfcap-careless-pf"
#define CARELESS_KO	"tools/testing/fixture/" CARELESS ".ko"
#define MODULE		"vfcap_careless_pf"

#define VFS		2
#define ENABLE		PCI_PASID_CTRL_ENABLE
#define GOING		"PASID lost: the driver of its PF is being unbound"
#define FORGOT		"did not call pci_vfcap_unregister()"

static int load(const char *params)
{
	int ret = host_unload(MODULE);

	return ret && ret != -ENOENT ? ret : host_load(CARELESS_KO, params);
}

FIXTURE(careless) {
	struct vfio v;
	unsigned int ctrl;	/* offset of PASID Control in the VF */
};

FIXTURE_SETUP(careless)
{
	vfio_init(&self->v);
	self->ctrl = PF_PASID + PCI_PASID_CTRL;
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, load(""));
	ASSERT_EQ(0, sample_prepare(CARELESS, VFS, false));
	ASSERT_EQ(NULL, whole_vfs(VFS));
}

/* Only a PF with a driver can be told to have no VFs. */
FIXTURE_TEARDOWN(careless)
{
	vfio_close(&self->v);
	if (!*host_driver(host_pf())) {
		EXPECT_EQ(0, load(""));
		EXPECT_EQ(0, host_bind(host_pf(), CARELESS));
	}
	host_expect_pf_unbind();
	EXPECT_EQ(0, sample_give_back());
	EXPECT_EQ(0, host_unload(MODULE));
}

static int enable(struct _test_data_careless *self)
{
	return vfio_set(&self->v, self->ctrl, 2, ENABLE);
}

TEST_F(careless, leaves_all_behind)
{
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_TRUE(whole_shows_pasid(&self->v, host_vf()));
	ASSERT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(0, enable(self));
	ASSERT_EQ(ENABLE, vfio_get(&self->v, self->ctrl, 2));

	ASSERT_EQ(0, host_unbind(host_pf()));
	EXPECT_EQ(1, host_log_count(host_pf(), FORGOT));
	EXPECT_TRUE(WAIT_FOR(host_log_count(host_vf(), GOING) == 1, 1000));
	EXPECT_EQ(0, host_unload(MODULE));

	/*
	 * Until the PF has a driver again, the user keeps the VF but has nothing of the
	 * PF's.
	 */
	ASSERT_TRUE(host_exists("devices/%s", host_vf()));
	EXPECT_TRUE(WAIT_FOR(!strcmp("lost", sample_state(host_vf(), "pasid_state")),
			     1000));
	EXPECT_STREQ("none", sample_state(host_pf(), "driver"));
	EXPECT_EQ(0, vfio_get(&self->v, self->ctrl, 2));
	enable(self);
	EXPECT_EQ(0, vfio_get(&self->v, self->ctrl, 2));
	EXPECT_EQ(0, vfio_reset(&self->v));
	enable(self);
	EXPECT_EQ(0, vfio_get(&self->v, self->ctrl, 2));

	ASSERT_EQ(0, load(""));
	ASSERT_EQ(0, host_bind(host_pf(), CARELESS));
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_TRUE(whole_shows_pasid(&self->v, host_vf()));
	EXPECT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0, enable(self));
	EXPECT_EQ(ENABLE, vfio_get(&self->v, self->ctrl, 2));
	vfio_close(&self->v);
	EXPECT_EQ(NULL, whole_vfs(VFS));
}

/* The same for a VF that is opened after the driver has gone */
TEST_F(careless, opened_without_pf_driver)
{
	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(0, host_unload(MODULE));
	EXPECT_EQ(1, host_log_count(host_pf(), FORGOT));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_FALSE(whole_shows_pasid(&self->v, host_vf()));
	vfio_close(&self->v);

	/* Also if it is the first VF that asks for what its PF has */
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_unbind(host_vf2()));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_FALSE(whole_shows_pasid(&self->v, host_vf()));
	vfio_close(&self->v);

	ASSERT_EQ(0, load(""));
	ASSERT_EQ(0, host_bind(host_pf(), CARELESS));
	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
	EXPECT_EQ(NULL, whole_vfs(VFS));
}

TEST_F(careless, fails_after_it_registered)
{
	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(0, load("late_error=Y"));
	EXPECT_EQ(-EIO, host_bind(host_pf(), CARELESS));
	EXPECT_EQ(0, host_unload(MODULE));
	EXPECT_STREQ("none", sample_state(host_pf(), "driver"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_FALSE(whole_shows_pasid(&self->v, host_vf()));
	enable(self);
}

/*
 * If a PF driver's probe fails, the PF has a driver until its devres has been released,
 * and none after that.
 */
TEST_F(careless, bound_while_probe_fails)
{
	pid_t probe;
	int status;

	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_unbind(host_vf2()));
	ASSERT_EQ(0, load("late_error=Y release_ms=2000"));
	probe = fork();
	if (!probe)
		_exit(host_bind(host_pf(), CARELESS) != -EIO);
	EXPECT_TRUE(WAIT_FOR(host_waits_in(probe, "msleep"), 1000));
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
	EXPECT_TRUE(host_waits_in(probe, "msleep"));
	EXPECT_EQ(probe, waitpid(probe, &status, 0));
	EXPECT_EQ(0, status);

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_FALSE(whole_shows_pasid(&self->v, host_vf()));
	EXPECT_EQ(0, host_bind(host_vf2(), OURS));
}

/*
 * Whether the PF's driver refuses to remove its VFs while they are assigned. If it does
 * not, the removal waits for their users.
 */
static bool refuses_removal(struct _test_data_careless *self)
{
	pid_t child = fork();
	int status;

	if (!child) {
		vfio_close(&self->v);
		_exit(-host_writef("0", "devices/%s/sriov_numvfs", host_pf()));
	}
	if (!WAIT_FOR(waitpid(child, &status, WNOHANG) == child, 3000)) {
		vfio_close(&self->v);
		waitpid(child, &status, 0);
		return false;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == EPERM;
}

/* An open VF counts as assigned while its PF has a driver, whichever that is. */
TEST_F(careless, assigned_again)
{
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_TRUE(refuses_removal(self));
	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(0, host_bind(host_pf(), CARELESS));
	EXPECT_TRUE(refuses_removal(self));
}

TEST_F(careless, opened_before_it_was_bound)
{
	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(0, host_bind(host_pf(), CARELESS));
	EXPECT_TRUE(refuses_removal(self));
}

/*
 * If the PF had no driver when a VF was bound, it gets its sysfs directory only once it has
 * one.
 */
TEST_F(careless, bound_without_folder)
{
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_unbind(host_vf2()));
	ASSERT_EQ(0, host_unbind(host_pf()));
	EXPECT_FALSE(host_exists("devices/%s/vfcap", host_pf()));
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
	EXPECT_FALSE(host_exists("devices/%s/vfcap", host_pf()));
	EXPECT_STREQ("hidden", sample_state(host_vf(), "pasid_state"));

	ASSERT_EQ(0, host_bind(host_pf(), CARELESS));
	EXPECT_STREQ("unlocked", sample_state(host_pf(), "pasid_state"));
	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
	EXPECT_EQ(NULL, whole_vfs(VFS));
}

TEST_F(careless, registers_what_is_wrong)
{
	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(0, load("half_ops=Y"));
	EXPECT_EQ(-EINVAL, host_bind(host_pf(), CARELESS));

	/* A VF is not a PF. */
	ASSERT_EQ(0, load(""));
	EXPECT_EQ(-EINVAL, host_rebind(host_vf2(), CARELESS));
	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
}

/*
 * The PF is removed, and its VFs are left. They are still VFs, and show nothing of the
 * PF's. Finding all of them again takes long on a slow kernel.
 */
FIXTURE(orphan) {
	struct vfio v;
};

FIXTURE_SETUP(orphan)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, load(""));
	ASSERT_EQ(0, sample_prepare(CARELESS, VFS, false));
}

/* User space can get rid of such VFs only by removing the port above them. */
FIXTURE_TEARDOWN(orphan)
{
	vfio_close(&self->v);
	/* The links in the PF's directory are already gone. */
	host_log_expect("WARNING: .*fs/kernfs/dir.c");
	EXPECT_EQ(0, host_rescan());
	EXPECT_EQ(0, sample_give_back());
	EXPECT_EQ(0, host_unload(MODULE));
}

static int remove_pf(void)
{
	return host_unbind(host_pf()) ?:
	       host_writef("1", "devices/%s/remove", host_pf());
}

static void expect_nothing_shown(struct __test_metadata *_metadata,
				 struct vfio *v)
{
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_FALSE(whole_shows_pasid(v, host_vf()));
	EXPECT_EQ(0, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	EXPECT_STREQ("hidden", sample_state(host_vf(), "pasid_state"));
	vfio_close(v);
}

TEST_F_TIMEOUT(orphan, bound_after_its_pf_went, 120)
{
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_unbind(host_vf2()));
	ASSERT_EQ(0, remove_pf());
	ASSERT_TRUE(host_exists("devices/%s", host_vf()));
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
	EXPECT_EQ(0, host_bind(host_vf2(), OURS));
	expect_nothing_shown(_metadata, &self->v);
	EXPECT_EQ(0, host_log_count("kobject", "failed"));
}

/*
 * The BARs of VFs leave the resource tree together with their PF, so what the open VF had
 * requested is not found there when it is closed.
 */
TEST_F_TIMEOUT(orphan, open_while_its_pf_goes, 120)
{
	host_expect_leak("comm .careless_test.*__request_region.*vfio_pci_core_enable");
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_TRUE(whole_shows_pasid(&self->v, host_vf()));
	EXPECT_EQ(0, vfio_set(&self->v, PF_PASID + PCI_PASID_CTRL, 2, ENABLE));
	ASSERT_EQ(0, remove_pf());
	EXPECT_TRUE(WAIT_FOR(!strcmp("lost", sample_state(host_vf(), "pasid_state")),
			     1000));
	EXPECT_EQ(0, vfio_get(&self->v, PF_PASID + PCI_PASID_CTRL, 2));
	vfio_close(&self->v);

	EXPECT_EQ(0, host_unbind(host_vf()));
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
	expect_nothing_shown(_metadata, &self->v);
}

TEST_HARNESS_MAIN
