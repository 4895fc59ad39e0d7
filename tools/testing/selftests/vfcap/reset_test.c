// SPDX-License-Identifier: GPL-2.0
/*
 * Every reset that a VF or a whole function goes through sets the PASID control bits to
 * their reset value, and what does not reset it leaves them alone.
 */
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/sample.h"
#include "lib/vfio.h"

/* Where the fixture's layout "igb" has AF and Power Management in VFs */
#define AF	0xe0
#define PM	0xec

FIXTURE(reset) {
	struct vfio v;
	unsigned int ctrl;
};

FIXTURE_VARIANT(reset) {
	uint32_t no_soft_reset;
};

FIXTURE_VARIANT_ADD(reset, soft_reset) { .no_soft_reset = 0 };

FIXTURE_VARIANT_ADD(reset, no_soft_reset) {
	.no_soft_reset = PCI_PM_CTRL_NO_SOFT_RESET
};

FIXTURE_SETUP(reset)
{
	char line[80];

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_layout_default());
	snprintf(line, sizeof(line), "vf f0 %08x ffffffff 3\n",
		 variant->no_soft_reset);
	ASSERT_EQ(0, host_layout(line));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	self->ctrl = vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID);
	ASSERT_NE(0, self->ctrl);
	self->ctrl += PCI_PASID_CTRL;

	ASSERT_EQ(0, vfio_set(&self->v, self->ctrl, 2, 7));
	ASSERT_EQ(7, vfio_get(&self->v, self->ctrl, 2));
}

FIXTURE_TEARDOWN(reset)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, host_unbind(host_vf()));
	EXPECT_EQ(0, host_layout_default());
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
}

/* Were the control bits reset, and are the other registers unchanged? */
#define EXPECT_RESET(yes) do {						\
	EXPECT_EQ((yes) ? 0 : 7, vfio_get(&self->v, self->ctrl, 2));	\
	EXPECT_EQ(host_pasid_cap(), vfio_get(&self->v, self->ctrl - 2, 2));	\
	EXPECT_EQ(PCI_EXT_CAP_ID_PASID,					\
		  vfio_get(&self->v, self->ctrl - 6, 2));		\
	EXPECT_EQ(0, vfio_set(&self->v, self->ctrl, 2, 7));		\
	EXPECT_EQ(7, vfio_get(&self->v, self->ctrl, 2));		\
} while (0)

TEST_F(reset, vfio_device_reset)
{
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_RESET(true);
}

TEST_F(reset, guest_flr)
{
	unsigned int exp = vfio_find_cap(&self->v, PCI_CAP_ID_EXP);
	uint32_t devctl = vfio_get(&self->v, exp + PCI_EXP_DEVCTL, 2);

	ASSERT_NE(0, exp);
	EXPECT_EQ(0, vfio_set(&self->v, exp + PCI_EXP_DEVCTL, 2, devctl));
	EXPECT_RESET(false);
	EXPECT_EQ(0, vfio_set(&self->v, exp + PCI_EXP_DEVCTL, 2,
			      devctl | PCI_EXP_DEVCTL_BCR_FLR));
	EXPECT_RESET(true);
}

TEST_F(reset, guest_af_flr)
{
	ASSERT_EQ(AF, vfio_find_cap(&self->v, PCI_CAP_ID_AF));
	EXPECT_EQ(0, vfio_set(&self->v, AF + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR));
	EXPECT_RESET(true);
}

TEST_F(reset, d3hot_to_d0)
{
	ASSERT_EQ(PM, vfio_find_cap(&self->v, PCI_CAP_ID_PM));
	EXPECT_EQ(0, vfio_set(&self->v, PM + PCI_PM_CTRL, 2, 3));
	EXPECT_EQ(3, vfio_get(&self->v, PM + PCI_PM_CTRL, 2) & 3);
	EXPECT_RESET(false);
	EXPECT_EQ(0, vfio_set(&self->v, PM + PCI_PM_CTRL, 2, 0));
	EXPECT_RESET(!variant->no_soft_reset);
	/* From D0 to D0, nothing happens. */
	EXPECT_EQ(0, vfio_set(&self->v, PM + PCI_PM_CTRL, 2, 0));
	EXPECT_RESET(false);
}

/* The same, by writes that only overlap PMCSR */
TEST_F(reset, d3hot_to_d0_bytewise)
{
	EXPECT_EQ(0, vfio_set(&self->v, PM + PCI_PM_CTRL, 1, 3));
	EXPECT_EQ(0, vfio_set(&self->v, PM, 4, 0));
	EXPECT_RESET(false);
	EXPECT_EQ(0, vfio_set(&self->v, PM + PCI_PM_CTRL, 1, 0));
	EXPECT_RESET(!variant->no_soft_reset);
}

TEST_F(reset, vfio_device_reset_in_d3hot)
{
	EXPECT_EQ(0, vfio_set(&self->v, PM + PCI_PM_CTRL, 2, 3));
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_RESET(true);
}

TEST_F(reset, low_power)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, vfio_feature(v, VFIO_DEVICE_FEATURE_PROBE |
				  VFIO_DEVICE_FEATURE_SET |
				  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, NULL, 0));
	EXPECT_RESET(false);
	EXPECT_EQ(0, vfio_set_low_power(v, true));
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_RESET(!variant->no_soft_reset);

	/* A write in between wakes the VF up; its effect is lost when the VF sleeps again. */
	EXPECT_EQ(0, vfio_set_low_power(v, true));
	EXPECT_RESET(!variant->no_soft_reset);
	EXPECT_TRUE(sample_suspends(host_vf()));
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_RESET(!variant->no_soft_reset);

	/* Leaving low power without having entered it changes nothing. */
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_RESET(false);
}

/* A function that was without power has lost its state, whatever No_Soft_Reset says. */
TEST_F(reset, without_power)
{
	EXPECT_EQ(0, vfio_set_low_power(&self->v, true));
	EXPECT_TRUE(sample_suspends(host_vf()));
	EXPECT_EQ(0, host_access(host_vf(), "cold"));
	EXPECT_EQ(0, vfio_set_low_power(&self->v, false));
	EXPECT_RESET(true);
}

/* A write to the capability wakes the VF like any other, and then persists. */
TEST_F(reset, low_power_with_wakeup)
{
	struct pollfd woken = { .events = POLLIN };
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_low_power_entry_with_wakeup entry;
	} arg = {
		.feature = {
			.argsz = sizeof(arg),
			.flags = VFIO_DEVICE_FEATURE_SET |
				 VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
		},
	};

	woken.fd = eventfd(0, EFD_CLOEXEC);
	arg.entry.wakeup_eventfd = woken.fd;
	ASSERT_EQ(0, ioctl(self->v.fd, VFIO_DEVICE_FEATURE, &arg));
	usleep(300000);
	EXPECT_EQ(0, poll(&woken, 1, 0));
	EXPECT_EQ(0, vfio_set(&self->v, self->ctrl, 2, 7));
	EXPECT_EQ(1, poll(&woken, 1, 5000));
	EXPECT_EQ(7, vfio_get(&self->v, self->ctrl, 2));
	/* This has ended low power, so there is nothing to leave. */
	EXPECT_EQ(0, vfio_set_low_power(&self->v, false));
	EXPECT_RESET(false);
	close(woken.fd);
}

/* What is shown is decided correctly even if the VF sleeps at that time. */
TEST_F(reset, first_access_in_low_power)
{
	struct vfio *v = &self->v;

	vfio_close(v);
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_EQ(0, vfio_set_low_power(v, true));
	usleep(300000);
	EXPECT_EQ(self->ctrl - PCI_PASID_CTRL,
		  vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
}

TEST_F(reset, sysfs_reset)
{
	EXPECT_EQ(0, host_writef("1", "devices/%s/reset", host_vf()));
	EXPECT_RESET(true);
}

/* The owner of the bus resets everything below the port. */
TEST_F(reset, bus_reset)
{
	if (!host_exists("devices/%s/../reset_subordinate", host_pf()))
		SKIP(return, "this kernel has no reset_subordinate");
	EXPECT_EQ(0, host_writef("1", "devices/%s/../reset_subordinate",
				 host_pf()));
	EXPECT_RESET(true);
}

/* Recovery from a fatal error resets the link, without calling reset_done(). */
TEST_F(reset, aer_recovery)
{
	EXPECT_EQ(0, host_error(host_vf2(), "frozen"));
	EXPECT_EQ(0, host_error(host_vf2(), "resume"));
	EXPECT_RESET(false);
	EXPECT_EQ(0, host_error(host_vf(), "frozen"));
	EXPECT_EQ(0, host_error(host_vf(), "resume"));
	EXPECT_RESET(true);
}

/* Recovery from another error resets it too, if another driver requests that. */
TEST_F(reset, aer_slot_reset)
{
	EXPECT_EQ(0, host_error(host_vf(), "normal"));
	EXPECT_EQ(0, host_error(host_vf(), "slot_reset"));
	EXPECT_EQ(0, host_error(host_vf(), "resume"));
	EXPECT_RESET(true);
	EXPECT_EQ(0, host_error(host_vf(), "normal"));
	EXPECT_EQ(0, host_error(host_vf(), "resume"));
	EXPECT_RESET(false);
}

/* If none requests it, nothing is reset, even if an earlier recovery did reset it. */
TEST_F(reset, aer_recovery_failed)
{
	EXPECT_EQ(0, host_error(host_vf(), "frozen"));
	EXPECT_EQ(0, host_error(host_vf(), "failed"));
	EXPECT_RESET(false);
	EXPECT_EQ(0, host_error(host_vf(), "normal"));
	EXPECT_EQ(0, host_error(host_vf(), "resume"));
	EXPECT_RESET(false);
}

/* A reset of one VF does not affect another. */
TEST_F(reset, other_vf)
{
	struct vfio other;

	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
	ASSERT_EQ(0, vfio_open(&other, host_vf2()));
	EXPECT_EQ(0, vfio_reset(&other));
	EXPECT_EQ(0, host_writef("1", "devices/%s/reset", host_vf2()));
	EXPECT_RESET(false);
	vfio_close(&other);
	EXPECT_EQ(0, host_unbind(host_vf2()));
}

TEST_F(reset, reopen)
{
	vfio_close(&self->v);
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_RESET(true);
}

TEST_HARNESS_MAIN
