// SPDX-License-Identifier: GPL-2.0
/* A PF driver that can be loaded with or without pci-vfcap, which it looks up at run time */
#include <errno.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/sample.h"
#include "lib/vfio.h"
#include "lib/whole.h"

#define EXTERNAL	"vfcap-external-pf"
#define EXTERNAL_KO	"samples/vfcap-external/" EXTERNAL ".ko"
#define MODULE		"vfcap_external_pf"
#define VFCAP_KO	"drivers/pci/vfcap/pci-vfcap.ko"

static int set_vfs(const char *number)
{
	return host_writef(number, "devices/%s/sriov_numvfs", host_pf());
}

static int reset_pf(void)
{
	return host_writef("1", "devices/%s/reset", host_pf());
}

/* At the start, nothing of vfcap is loaded, and the PF has no driver. */
FIXTURE(external) {
	struct vfio v;
};

FIXTURE_SETUP(external)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, set_vfs("0"));
	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(0, host_unload("vfcap_vfio_pci"));
	ASSERT_EQ(0, host_unload("pci_vfcap"));
	ASSERT_EQ(0, host_load(EXTERNAL_KO, ""));
}

FIXTURE_TEARDOWN(external)
{
	vfio_close(&self->v);
	if (!host_exists("/sys/module/pci_vfcap"))
		EXPECT_EQ(0, host_load(VFCAP_KO, ""));
	if (!host_exists("/sys/module/vfcap_vfio_pci"))
		EXPECT_EQ(0, host_reload_ours(""));
	EXPECT_EQ(0, sample_give_back());
	EXPECT_EQ(0, host_unload(MODULE));
}

TEST_F(external, without)
{
	ASSERT_EQ(0, host_bind(host_pf(), EXTERNAL));
	EXPECT_FALSE(host_exists("/sys/module/pci_vfcap"));
	EXPECT_EQ(0, set_vfs("2"));
	EXPECT_EQ(0, reset_pf());
	EXPECT_EQ(0, set_vfs("0"));
	EXPECT_EQ(0, host_unbind(host_pf()));
}

TEST_F(external, with)
{
	ASSERT_EQ(0, host_load(VFCAP_KO, ""));
	ASSERT_EQ(0, host_bind(host_pf(), EXTERNAL));
	EXPECT_STREQ(EXTERNAL, sample_state(host_pf(), "driver"));
	EXPECT_EQ(-EAGAIN, host_unload("pci_vfcap"));

	ASSERT_EQ(0, host_reload_ours(""));
	ASSERT_EQ(0, sample_prepare(EXTERNAL, 2, false));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_TRUE(whole_shows_pasid(&self->v, host_vf()));
	EXPECT_EQ(0, reset_pf());
	EXPECT_EQ(1, host_log_count(host_vf(), "PASID lost: its PF is being reset"));
	EXPECT_TRUE(WAIT_FOR(!strcmp("lost", sample_state(host_vf(), "pasid_state")),
			     1000));
	vfio_close(&self->v);

	/*
	 * The registration, and with it the reference to the module, ends when the driver
	 * is unbound.
	 */
	EXPECT_EQ(0, host_unbind(host_pf()));
	EXPECT_EQ(0, host_log_count(host_pf(), "did not call pci_vfcap_unregister()"));
	EXPECT_EQ(0, host_unload("vfcap_vfio_pci"));
	EXPECT_EQ(0, host_unload("pci_vfcap"));
}

/* Then the driver is not registered, and does not release what it does not have. */
TEST_F(external, loaded_later)
{
	ASSERT_EQ(0, host_bind(host_pf(), EXTERNAL));
	ASSERT_EQ(0, host_load(VFCAP_KO, ""));
	EXPECT_FALSE(host_exists("/sys/bus/pci/devices/%s/vfcap", host_pf()));
	EXPECT_EQ(0, reset_pf());
	EXPECT_EQ(0, host_unbind(host_pf()));
	EXPECT_EQ(0, host_unload("pci_vfcap"));
}

TEST_HARNESS_MAIN
