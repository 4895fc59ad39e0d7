// SPDX-License-Identifier: GPL-2.0
/*
 * What binds and what does not, and the messages about it; the modules' parameters;
 * loading and unloading
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"

#define QAT_C62X_VF	"37c9"
#define STATUS	"sleep 0.3; cat /sys/bus/pci/devices/%s/power/runtime_status"

FIXTURE(bind) {
	struct vfio v;
};

FIXTURE_SETUP(bind)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	vfio_init(&self->v);
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	host_log_clear();
}

FIXTURE_TEARDOWN(bind)
{
	vfio_close(&self->v);
}

TEST_F(bind, vf_by_driver_override)
{
	EXPECT_EQ(0, host_unbind(host_vf()));
	EXPECT_STREQ("", host_driver(host_vf()));
	EXPECT_EQ(0, host_writef(OURS, "devices/%s/driver_override", host_vf()));
	EXPECT_EQ(0, host_write("drivers_probe", host_vf()));
	EXPECT_STREQ(OURS, host_driver(host_vf()));
}

/* For a PF that has PASID, see function_test. */
TEST_F(bind, pf_without_pasid_is_refused)
{
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_unbind(host_pf()));
	ASSERT_EQ(0, host_layout("pf 1e0 0001000b\n"));
	EXPECT_EQ(-ENODEV, host_bind(host_pf(), OURS));
	EXPECT_STREQ("", host_driver(host_pf()));
	EXPECT_EQ(1, host_log_count(host_pf(), "use vfio-pci"));
	ASSERT_EQ(0, host_layout("pf 1e0 0001001b\n"));
	ASSERT_EQ(0, host_writef("\n", "devices/%s/driver_override", host_pf()));
	ASSERT_EQ(0, host_writef(host_pf(), "drivers/igb/bind"));
	ASSERT_EQ(0, host_recreate_vfs());
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
}

/* A device with neither SR-IOV nor a driver: the machine has one */
TEST_F(bind, other_device_is_refused)
{
	char other[16];

	ASSERT_EQ(0, host_find_other(other));
	EXPECT_EQ(-ENODEV, host_bind(other, OURS));
	EXPECT_EQ(1, host_log_count(other,
				    "without a PASID capability; use vfio-pci for it"));
	EXPECT_EQ(0, host_writef("\n", "devices/%s/driver_override", other));
}

TEST_F(bind, parameters_in_modinfo)
{
	char out[8192];

	EXPECT_EQ(0, host_run(out, sizeof(out),
			      "modinfo %s/drivers/vfio/pci/vfcap/vfcap-vfio-pci.ko",
			      getenv("VFCAP_MODULES")));
	EXPECT_NE(NULL, strstr(out, "pasid:"));
	EXPECT_NE(NULL, strstr(out, "vmd_shadow:"));
	EXPECT_NE(NULL, strstr(out, "nointxmask:"));
	EXPECT_NE(NULL, strstr(out, "disable_idle_d3:"));
	EXPECT_NE(NULL, strstr(out, "disable_denylist:"));
}

/*
 * Exact aliases for what Linux's vmd driver takes, and no others: tools choose a driver
 * by them.
 */
TEST_F(bind, aliases)
{
	static const char * const devices[] = {
		"201D", "28C0", "467F", "4C3D", "A77F", "7D0B", "AD0B", "9A0B",
		"B60B", "B06F", "B07F", "D70B", "D73B",
	};
	char out[8192], alias[64];
	unsigned int i;
	int aliases = 0;
	char *at;

	ASSERT_EQ(0, host_run(out, sizeof(out),
			      "modinfo -F alias %s/drivers/vfio/pci/vfcap/vfcap-vfio-pci.ko",
			      getenv("VFCAP_MODULES")));
	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		snprintf(alias, sizeof(alias),
			 "vfio_pci:v00008086d0000%ssv*sd*bc*sc*i*\n", devices[i]);
		EXPECT_NE(NULL, strstr(out, alias)) {
			TH_LOG("no alias %s", alias);
		}
	}
	for (at = out; (at = strchr(at, '\n')); at++)
		aliases++;
	EXPECT_EQ((int)ARRAY_SIZE(devices), aliases);
}

/* The PF determines its VFs' device ID; QAT VFs are on vfio-pci's denylist. */
TEST_F(bind, denylist)
{
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_layout("pf 178 " QAT_C62X_VF "0000 ffff0000"));
	ASSERT_EQ(0, host_rescan());
	EXPECT_EQ(-EINVAL, host_bind(host_vf(), OURS));
	EXPECT_EQ(1, host_log_count(host_vf(), "denylist, not bound"));

	ASSERT_EQ(0, host_reload_ours("disable_denylist=1"));
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
	EXPECT_EQ(1, host_log_count(host_vf(), "allowed by disable_denylist"));
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_reload_ours(""));

	ASSERT_EQ(0, host_layout("pf 178 0 0"));
	ASSERT_EQ(0, host_rescan());
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
}

/*
 * VFs that nobody uses sleep, or stay awake. Before "parameters", since before Linux 7.2
 * this parameter is vfio-pci-core's own and stays set, see compat.h.
 */
TEST_F(bind, disable_idle_d3)
{
	char out[64];

	EXPECT_EQ(0, host_run(out, sizeof(out), STATUS, host_vf()));
	EXPECT_STREQ("suspended\n", out);
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_reload_ours("disable_idle_d3=1"));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
	EXPECT_EQ(0, host_run(out, sizeof(out), STATUS, host_vf()));
	EXPECT_STREQ("active\n", out);
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_reload_ours(""));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
}

TEST_F(bind, parameters)
{
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_unload("vfcap_vfio_pci"));
	EXPECT_EQ(-EINVAL, host_reload_ours("pasid=maybe"));
	EXPECT_EQ(1, host_log_count("vfcap_vfio_pci", "is not one of auto, on, off"));
	EXPECT_EQ(-EINVAL, host_reload_ours("nointxmask=3"));
	EXPECT_EQ(-EINVAL, host_reload_ours("disable_idle_d3=perhaps"));
	EXPECT_EQ(0, host_reload_ours("pasid=off nointxmask=1 disable_idle_d3=1"));
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
	EXPECT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	vfio_close(&self->v);
	EXPECT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_reload_ours(""));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
}

TEST_F(bind, unload_in_use)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_NE(0, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(-EWOULDBLOCK, host_unload("vfcap_vfio_pci"));
	EXPECT_EQ(-EWOULDBLOCK, host_unload("pci_vfcap"));
	EXPECT_NE(0, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	vfio_close(v);
	EXPECT_EQ(-EWOULDBLOCK, host_unload("pci_vfcap"));

	/* While no VF is open, the module can be unloaded with a VF bound, like vfio-pci. */
	EXPECT_EQ(0, host_unload("vfcap_vfio_pci"));
	EXPECT_STREQ("", host_driver(host_vf()));
	EXPECT_EQ(0, host_unload("pci_vfcap"));
	EXPECT_EQ(0, host_load("drivers/pci/vfcap/pci-vfcap.ko", ""));
	ASSERT_EQ(0, host_reload_ours(""));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
}

TEST_HARNESS_MAIN
