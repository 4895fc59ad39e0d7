// SPDX-License-Identifier: GPL-2.0
/*
 * VFs, PFs and the bridge above them come and go, in any order, with a VF bound or open.
 * The record of the PF follows, and nothing stale remains. A leaked record or reference
 * is noticed when the modules are unloaded: pci-vfcap warns then.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/sample.h"
#include "lib/vfio.h"

FIXTURE(lifecycle) {
	struct vfio v;
};

/*
 * Whatever a test left, restore the PF with its driver and two VFs, the first one bound
 * to our driver
 */
static int restore(void)
{
	int ret = 0;

	if (!host_exists("devices/%s", host_pf()))
		ret = host_write("rescan", "1");
	if (!ret && !*host_driver(host_pf()))
		ret = host_writef(host_pf(), "drivers/igb/bind");
	if (!ret)
		ret = host_recreate_vfs();
	return ret ?: host_bind(host_vf(), OURS);
}

FIXTURE_SETUP(lifecycle)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	vfio_init(&self->v);
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", "on"));
	host_log_clear();
}

FIXTURE_TEARDOWN(lifecycle)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_unbind(host_vf()));
	EXPECT_EQ(0, host_unload("vfcap_vfio_pci"));
	EXPECT_EQ(0, host_unload("pci_vfcap"));
	EXPECT_EQ(0, host_load("drivers/pci/vfcap/pci-vfcap.ko", ""));
	EXPECT_EQ(0, host_reload_ours(""));
	EXPECT_EQ(0, restore());
}

static bool shown(struct vfio *v)
{
	return vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID) == PF_PASID;
}

TEST_F(lifecycle, vfs_removed_while_bound)
{
	EXPECT_EQ(0, host_writef("0", "devices/%s/sriov_numvfs", host_pf()));
	EXPECT_FALSE(host_exists("devices/%s", host_vf()));
	EXPECT_EQ(0, restore());
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_TRUE(shown(&self->v));
}

TEST_F(lifecycle, one_vf_of_two_unbound)
{
	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf2()));
	EXPECT_TRUE(shown(&self->v));
	vfio_close(&self->v);
	ASSERT_EQ(0, host_unbind(host_vf2()));
}

TEST_F(lifecycle, pf_removed_while_bound)
{
	EXPECT_EQ(0, host_writef("1", "devices/%s/remove", host_pf()));
	EXPECT_FALSE(host_exists("devices/%s", host_pf()));
	EXPECT_FALSE(host_exists("devices/%s", host_vf()));

	/*
	 * When found again, the PF is another struct pci_dev, to which its VFs must now
	 * refer.
	 */
	EXPECT_EQ(0, restore());
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_TRUE(shown(&self->v));
}

TEST_F(lifecycle, pf_unbound_and_bound)
{
	EXPECT_EQ(0, host_unbind(host_pf()));
	EXPECT_FALSE(host_exists("devices/%s", host_vf()));
	EXPECT_EQ(0, restore());
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_TRUE(shown(&self->v));
}

TEST_F(lifecycle, bridge_removed)
{
	EXPECT_EQ(0, host_rescan());
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_TRUE(shown(&self->v));
}

/*
 * The user of an open VF is asked to release it through the request interrupt, and the
 * removal waits for the user, as with vfio-pci. If the PF goes away, PASID is lost;
 * Enable then reads @enable.
 */
static void removal_waits(struct __test_metadata *_metadata, struct vfio *v,
			  const char *value, const char *file, const char *bdf,
			  uint32_t enable)
{
	struct pollfd asked = { .events = POLLIN };
	int status;
	pid_t child;

	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_TRUE(shown(v));
	EXPECT_EQ(0, vfio_set(v, PF_PASID + PCI_PASID_CTRL, 2, 1));
	asked.fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_EQ(0, vfio_set_irq(v, VFIO_PCI_REQ_IRQ_INDEX, asked.fd));

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		vfio_close(v);
		_exit(host_writef(value, "devices/%s/%s", bdf, file) ? 1 : 0);
	}
	EXPECT_EQ(1, poll(&asked, 1, 30000));
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	/* The registers are still shown; a loss may take effect a moment later. */
	EXPECT_TRUE(WAIT_FOR(vfio_get(v, PF_PASID + PCI_PASID_CTRL, 2) == enable,
			     5000));
	EXPECT_TRUE(shown(v));

	vfio_close(v);
	close(asked.fd);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

static int mark_assigned(const char *value)
{
	return host_write("/sys/module/pci_vfcap/parameters/assigned_flag",
			  value);
}

/* igb asks whether VFs are assigned. */
TEST_F(lifecycle, vfs_kept_while_open)
{
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(-EPERM, host_writef("0", "devices/%s/sriov_numvfs",
				      host_pf()));
	EXPECT_TRUE(host_exists("devices/%s", host_vf()));
	EXPECT_TRUE(shown(&self->v));
	vfio_close(&self->v);
	EXPECT_EQ(0, host_writef("0", "devices/%s/sriov_numvfs", host_pf()));
	EXPECT_FALSE(host_exists("devices/%s", host_vf()));
	EXPECT_EQ(0, restore());
}

/* If open VFs are not marked as assigned, this works as with vfio-pci. */
TEST_F(lifecycle, vfs_removed_while_open)
{
	ASSERT_EQ(0, mark_assigned("N"));
	removal_waits(_metadata, &self->v, "0", "sriov_numvfs", host_pf(), 1);
	EXPECT_EQ(0, mark_assigned("Y"));
	EXPECT_FALSE(host_exists("devices/%s", host_vf()));
	EXPECT_EQ(0, restore());
}

TEST_F(lifecycle, vf_unbound_while_open)
{
	removal_waits(_metadata, &self->v, host_vf(), "driver/unbind", host_vf(),
		      1);
	EXPECT_STREQ("", host_driver(host_vf()));
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
}

TEST_F(lifecycle, pf_unbound_while_open)
{
	host_expect_pf_unbind();
	removal_waits(_metadata, &self->v, host_pf(), "driver/unbind", host_pf(),
		      0);
	EXPECT_FALSE(host_exists("devices/%s", host_vf()));
	EXPECT_EQ(0, restore());
}

TEST_F(lifecycle, pf_removed_while_open)
{
	removal_waits(_metadata, &self->v, "1", "remove", host_pf(), 0);
	EXPECT_FALSE(host_exists("devices/%s", host_pf()));
	EXPECT_EQ(0, restore());
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_TRUE(shown(&self->v));
}

/* Keep opening a VF while the PF's VFs go away and come back */
TEST_F(lifecycle, opened_while_pf_goes)
{
	int status, opened = 0, failed = 0, i;
	struct vfio *v = &self->v;
	pid_t child;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		for (i = 0; i < 3; i++) {
			int ret;

			/* Refused while the VF is open */
			do {
				ret = host_writef("0", "devices/%s/sriov_numvfs",
						  host_pf());
			} while (ret == -EPERM);
			if (ret || restore() || usleep(300000))
				_exit(1);
		}
		_exit(0);
	}
	while (!waitpid(child, &status, WNOHANG)) {
		if (vfio_open(v, host_vf())) {
			failed++;
			usleep(1000);
			continue;
		}
		/* A VF that can be opened is intact. */
		EXPECT_TRUE(shown(v));
		vfio_close(v);
		opened++;
	}
	EXPECT_EQ(0, status);
	TH_LOG("opened %d times, refused %d times", opened, failed);
	EXPECT_LT(0, opened);
	EXPECT_LT(0, failed);
}

TEST_HARNESS_MAIN
