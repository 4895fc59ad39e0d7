// SPDX-License-Identifier: GPL-2.0
/*
 * The IOMMU sends no commands to a function that sleeps. PASIDs of a VF with ATS are
 * attached in the IOMMU only while the VF is in D0 and its user has not let it enter low
 * power. They are detached before it leaves D0, by whatever means, and are attached again
 * after it has returned. And what is refused, or changes nothing, does not detach
 * anything.
 *
 * This is checked by a module that reads the VF's registers at each command.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
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

/* Where the fixture's layout "igb" has AF and Power Management in VFs */
#define AF	0xe0
#define PM	0xec

#define PASID	5
#define OTHER	6

FIXTURE(power) {
	struct vfio v;
	unsigned int ctrl;	/* offset of PASID Control */
	uint32_t hwpt, other;
};

FIXTURE_VARIANT(power) {
	bool keeps;		/* its registers, when it goes from D3hot to D0 */
};

FIXTURE_VARIANT_ADD(power, soft_reset) { .keeps = false };
FIXTURE_VARIANT_ADD(power, no_soft_reset) { .keeps = true };

static int give_back(void)
{
	int ret = iommu_watch_end();

	return ret && ret != -ENOENT ? ret : sample_give_back();
}

static const char *vf(void)
{
	return sample_vf(0);
}

static int attached(void)
{
	return iommu_count_pasids(vf());
}

/* Like a guest with a PASID in use, and with a clean state otherwise */
static int begin(struct _test_data_power *self)
{
	uint32_t ioas;

	self->ctrl = PF_PASID + PCI_PASID_CTRL;
	return vfio_open_cdev(&self->v, vf()) ?:
	       iommufd_ioas(&self->v, &ioas) ?:
	       iommufd_hwpt(&self->v, ioas, true, &self->hwpt) ?:
	       iommufd_hwpt(&self->v, ioas, true, &self->other) ?:
	       iommufd_attach(&self->v, self->hwpt, 0) ?:
	       vfio_set(&self->v, PCI_COMMAND, 2,
			PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER) ?:
	       vfio_set(&self->v, self->ctrl, 2, PCI_PASID_CTRL_ENABLE) ?:
	       iommufd_attach(&self->v, self->hwpt, PASID) ?:
	       iommu_watch(vf());
}

FIXTURE_SETUP(power)
{
	char line[80];

	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	host_at_end(give_back);
	ASSERT_EQ(0, sample_prepare(SAMPLE, 1, true));
	ASSERT_EQ(0, host_unbind(vf()));
	snprintf(line, sizeof(line), "vf f0 %08x ffffffff 3\n",
		 variant->keeps ? PCI_PM_CTRL_NO_SOFT_RESET : 0);
	ASSERT_EQ(0, host_layout(line));
	ASSERT_EQ(0, host_bind(vf(), OURS));
	ASSERT_EQ(0, begin(self));
	ASSERT_EQ(1, attached());
}

/* Checked after whatever a test did, and after the close */
FIXTURE_TEARDOWN(power)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, attached());
	EXPECT_EQ(0, iommu_commands(vf()).asleep);
}

static bool enabled(struct _test_data_power *self)
{
	return vfio_get(&self->v, self->ctrl, 2) & PCI_PASID_CTRL_ENABLE;
}

static int set_state(struct vfio *v, unsigned int state)
{
	return vfio_set(v, PM + PCI_PM_CTRL, 2, state);
}

/* It is leaving D0, or has left it: nothing is attached any more. */
#define EXPECT_ASLEEP() do {						\
	EXPECT_EQ(0, attached());					\
	EXPECT_EQ(0, iommu_commands(vf()).asleep);			\
} while (0)

/* It is in D0 again, with its state kept or as after a reset. */
#define EXPECT_BACK(kept) do {						\
	bool _kept = kept;						\
									\
	EXPECT_EQ(_kept, enabled(self));				\
	EXPECT_EQ(_kept, attached());					\
	EXPECT_EQ(0, vfio_set(&self->v, self->ctrl, 2,			\
			      PCI_PASID_CTRL_ENABLE));			\
	EXPECT_EQ(1, attached());					\
	EXPECT_EQ(0, iommu_commands(vf()).asleep);			\
} while (0)

/* Nothing has happened. */
#define EXPECT_UNTOUCHED() do {						\
	EXPECT_EQ(0, iommu_commands(vf()).all);				\
	EXPECT_EQ(1, attached());					\
	EXPECT_EQ(1, enabled(self));					\
} while (0)

/* Put the VF to sleep without the kernel's knowledge, then detach: the module must notice. */
TEST_F(power, witness)
{
	uint32_t pmcsr = host_config_read(vf(), PM + PCI_PM_CTRL, 2);

	EXPECT_EQ(0, vfio_set(&self->v, self->ctrl, 2, 0));
	EXPECT_LT(0, iommu_commands(vf()).all);
	EXPECT_LT(0, iommu_commands(vf()).master);
	EXPECT_EQ(0, iommu_commands(vf()).asleep);

	EXPECT_EQ(0, vfio_set(&self->v, self->ctrl, 2, 1));
	EXPECT_EQ(0, host_config_write(vf(), PM + PCI_PM_CTRL, 2, pmcsr | 3));
	EXPECT_EQ(0, vfio_set(&self->v, self->ctrl, 2, 0));
	EXPECT_LT(0, iommu_commands(vf()).asleep);
	EXPECT_EQ(0, host_config_write(vf(), PM + PCI_PM_CTRL, 2, pmcsr));
	EXPECT_EQ(0, iommu_watch(vf()));
}

TEST_F(power, guest)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_LT(0, iommu_commands(vf()).all);
	EXPECT_EQ(1, enabled(self));
	EXPECT_ASLEEP();
	/* It cannot go any deeper. */
	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, set_state(v, 1));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, set_state(v, 0));
	EXPECT_BACK(variant->keeps);

	/* By writes that only overlap PMCSR */
	EXPECT_EQ(0, vfio_set(v, PM + PCI_PM_CTRL, 1, 3));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, vfio_set(v, PM + PCI_PM_CTRL, 4, 0));
	EXPECT_BACK(variant->keeps);
}

TEST_F(power, enable_while_asleep)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 0));
	EXPECT_EQ(0, enabled(self));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 1));
	EXPECT_EQ(1, enabled(self));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 0));
	EXPECT_EQ(0, set_state(v, 0));
	EXPECT_BACK(false);

	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 0));
	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 1));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, set_state(v, 0));
	EXPECT_BACK(variant->keeps);
}

/* What its user attaches meanwhile takes effect when it returns. */
static void __attach_while_asleep(struct __test_metadata *_metadata,
				  struct _test_data_power *self)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, iommufd_attach(v, self->other, PASID));
	EXPECT_EQ(0, iommufd_attach(v, self->other, OTHER));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, iommufd_detach(v, PASID));
	EXPECT_ASLEEP();
}

TEST_F(power, attach_while_asleep)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, set_state(v, 3));
	__attach_while_asleep(_metadata, self);
	EXPECT_EQ(0, set_state(v, 0));
	EXPECT_BACK(variant->keeps);
	EXPECT_FALSE(iommu_has_pasid(vf(), PASID));
	EXPECT_TRUE(iommu_has_pasid(vf(), OTHER));
}

/* The data of a write, changing all the time until @stop */
struct flicker {
	uint8_t state;
	bool stop;
};

static void *flicker(void *arg)
{
	struct flicker *f = arg;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		__atomic_store_n(&f->state, 3, __ATOMIC_RELAXED);
		__atomic_store_n(&f->state, 0, __ATOMIC_RELAXED);
	}
	return NULL;
}

/*
 * A write of which the driver has read D0, and core D3hot: what was attached stays
 * attached, and it cannot be replaced before the VF is awake.
 */
TEST_F(power, attach_under_its_eyes)
{
	struct flicker f = {};
	struct vfio *v = &self->v;
	pthread_t thread;
	bool done = false;
	long start;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, pthread_create(&thread, NULL, flicker, &f));
	for (start = now_ms(); !done && now_ms() - start < 20000;) {
		vfio_set(v, self->ctrl, 2, 1);
		vfio_write(v, PM + PCI_PM_CTRL, &f.state, 1);
		done = vfio_get(v, PM + PCI_PM_CTRL, 2) & 3 && attached();
		if (!done)
			set_state(v, 0);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	if (!done)
		SKIP(return, "both have read the same, time and again");

	EXPECT_EQ(-EBUSY, iommufd_attach(v, self->other, PASID));
	EXPECT_EQ(0, set_state(v, 0));
	EXPECT_BACK(variant->keeps);
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 0));
	EXPECT_EQ(0, attached());
}

TEST_F(power, attach_while_let_go)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, vfio_set_low_power(v, true));
	__attach_while_asleep(_metadata, self);
	EXPECT_TRUE(sample_suspends(vf()));
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_BACK(variant->keeps);
	EXPECT_FALSE(iommu_has_pasid(vf(), PASID));
	EXPECT_TRUE(iommu_has_pasid(vf(), OTHER));
}

/* Everything that resets the VF from D3hot wakes it up first. */
TEST_F(power, reset_while_asleep)
{
	unsigned int devctl = vfio_find_cap(&self->v, PCI_CAP_ID_EXP) +
			      PCI_EXP_DEVCTL;
	struct vfio *v = &self->v;

	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_BACK(false);
	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, vfio_set(v, devctl, 2, vfio_get(v, devctl, 2) |
			      PCI_EXP_DEVCTL_BCR_FLR));
	EXPECT_BACK(false);
	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, vfio_set(v, AF + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR));
	EXPECT_BACK(false);
	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, host_writef("1", "devices/%s/reset", vf()));
	EXPECT_BACK(false);
}

TEST_F(power, reset_while_let_go)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, vfio_set_low_power(v, true));
	EXPECT_TRUE(sample_suspends(vf()));
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 1));
	EXPECT_TRUE(sample_suspends(vf()));
	EXPECT_EQ(0, host_writef("1", "devices/%s/reset", vf()));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_BACK(false);
}

/* PASID is lost through the PF, and a worker makes that effective. */
TEST_F(power, loss_while_asleep)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, sample_set("lost_event", "its PF says so"));
	EXPECT_TRUE(WAIT_FOR(!enabled(self), 2000));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, set_state(v, 0));
	EXPECT_EQ(0, attached());
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_BACK(false);

	EXPECT_EQ(0, vfio_set_low_power(v, true));
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 1));
	EXPECT_TRUE(sample_suspends(vf()));
	EXPECT_EQ(0, sample_set("lost_event", "its PF says so"));
	usleep(100000);
	EXPECT_ASLEEP();
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_EQ(0, enabled(self));
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_BACK(false);
}

TEST_F(power, restore_while_asleep)
{
	struct vfcap_feature_state on, off;
	struct vfio *v = &self->v;

	EXPECT_EQ(0, vfcap_get_state(v, &on));
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 0));
	EXPECT_EQ(0, vfcap_get_state(v, &off));
	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, vfcap_set_state(v, &on));
	EXPECT_EQ(1, enabled(self));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, vfcap_set_state(v, &off));
	EXPECT_ASLEEP();
	EXPECT_EQ(0, vfcap_set_state(v, &on));
	EXPECT_EQ(0, set_state(v, 0));
	EXPECT_BACK(variant->keeps);
}

TEST_F(power, user)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, vfio_set_low_power(v, true));
	EXPECT_LT(0, iommu_commands(vf()).all);
	EXPECT_ASLEEP();
	EXPECT_TRUE(sample_suspends(vf()));
	EXPECT_EQ(variant->keeps, enabled(self));

	/* What wakes the VF up in between does not keep it awake. */
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 0));
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 1));
	EXPECT_ASLEEP();
	EXPECT_TRUE(sample_suspends(vf()));
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_BACK(variant->keeps);
}

/* A guest puts the VF to sleep, and then its user lets it enter low power. */
TEST_F(power, guest_and_user)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, vfio_set_low_power(v, true));
	EXPECT_ASLEEP();
	EXPECT_TRUE(sample_suspends(vf()));
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_BACK(variant->keeps);

	/* In low power, a guest writes to PMCSR. */
	EXPECT_EQ(0, vfio_set_low_power(v, true));
	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, set_state(v, 0));
	EXPECT_ASLEEP();
	/* If it was suspended, it is back in D0 already. */
	EXPECT_EQ(0, set_state(v, 3));
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_EQ(0, set_state(v, 0));
	EXPECT_BACK(variant->keeps);
}

static int enter_with_wakeup(struct vfio *v, int efd)
{
	struct vfio_device_low_power_entry_with_wakeup entry = {
		.wakeup_eventfd = efd,
	};

	return vfio_feature(v, VFIO_DEVICE_FEATURE_SET |
			    VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
			    &entry, sizeof(entry));
}

/* Whoever wakes the VF up ends its low power, without any action of its user. */
TEST_F(power, wakeup)
{
	struct pollfd woken = { .events = POLLIN };
	struct vfio *v = &self->v;

	woken.fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_EQ(0, enter_with_wakeup(v, woken.fd));
	EXPECT_ASLEEP();
	EXPECT_TRUE(sample_suspends(vf()));
	EXPECT_EQ(0, host_writef("on", "devices/%s/power/control", vf()));
	EXPECT_EQ(1, poll(&woken, 1, 5000));
	EXPECT_TRUE(WAIT_FOR(attached() == variant->keeps, 5000));
	EXPECT_BACK(variant->keeps);

	/* It has left low power already. */
	EXPECT_EQ(0, iommu_watch(vf()));
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_UNTOUCHED();
	EXPECT_EQ(0, host_writef("auto", "devices/%s/power/control", vf()));

	/* A guest's write wakes it up as well, and takes effect. */
	ASSERT_EQ(0, enter_with_wakeup(v, woken.fd));
	EXPECT_TRUE(sample_suspends(vf()));
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 2, 1));
	EXPECT_EQ(1, attached());
	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_BACK(true);
	close(woken.fd);
}

/* Everything stays attached until the VF has been reset and is not a bus master any more. */
TEST_F(power, close)
{
	vfio_close(&self->v);
	EXPECT_LT(0, iommu_commands(vf()).all);
	EXPECT_EQ(0, iommu_commands(vf()).master);
	EXPECT_EQ(0, iommu_commands(vf()).asleep);
	EXPECT_EQ(0, attached());
	EXPECT_TRUE(sample_suspends(vf()));
	EXPECT_EQ(0, begin(self));
	EXPECT_BACK(true);
}

TEST_F(power, close_while_asleep)
{
	EXPECT_EQ(0, set_state(&self->v, 3));
	vfio_close(&self->v);
	EXPECT_ASLEEP();

	EXPECT_EQ(0, begin(self));
	EXPECT_EQ(0, vfio_set_low_power(&self->v, true));
	EXPECT_TRUE(sample_suspends(vf()));
	vfio_close(&self->v);
	EXPECT_ASLEEP();
	EXPECT_EQ(0, begin(self));
	EXPECT_BACK(true);
}

/* What core refuses, and what changes nothing */
TEST_F(power, refused)
{
	uint32_t entry = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
	struct vfio *v = &self->v;
	uint32_t ids[] = { -1, 0 };

	EXPECT_EQ(0, vfio_set_low_power(v, false));
	EXPECT_EQ(-EINVAL, vfio_feature(v, VFIO_DEVICE_FEATURE_GET | entry,
					NULL, 0));
	EXPECT_EQ(-EINVAL, vfio_feature(v, entry, NULL, 0));
	EXPECT_EQ(-EINVAL, vfio_feature_told(v, VFIO_DEVICE_FEATURE_SET |
		  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, ids, 4, 4));
	EXPECT_EQ(-EINVAL, enter_with_wakeup(v, -1));
	EXPECT_EQ(-EBADF, enter_with_wakeup(v, 1 << 20));
	EXPECT_EQ(-EINVAL, vfio_feature(v, VFIO_DEVICE_FEATURE_GET |
		  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, NULL, 0));
	EXPECT_EQ(0, set_state(v, 0));
	/* The VF has neither D1 nor D2. */
	EXPECT_EQ(0, set_state(v, 1));
	EXPECT_EQ(0, set_state(v, 2));
	EXPECT_UNTOUCHED();

	/* Enter low power twice */
	EXPECT_EQ(0, vfio_set_low_power(v, true));
	EXPECT_EQ(0, iommu_watch(vf()));
	EXPECT_EQ(-EINVAL, vfio_set_low_power(v, true));
	EXPECT_EQ(0, iommu_commands(vf()).all);
	EXPECT_EQ(0, vfio_set_low_power(v, false));
}

/* The VF loses its reset methods while it is open, and then has none at open. */
TEST_F(power, without_reset_method)
{
	unsigned int devctl = vfio_find_cap(&self->v, PCI_CAP_ID_EXP) +
			      PCI_EXP_DEVCTL;
	struct vfio *v = &self->v;
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, host_writef("\n", "devices/%s/reset_method", vf()));
		EXPECT_EQ(i ? -EINVAL : -ENOTTY, vfio_reset(v));
		EXPECT_EQ(0, vfio_set(v, devctl, 2, vfio_get(v, devctl, 2) |
				      PCI_EXP_DEVCTL_BCR_FLR));
		EXPECT_EQ(0, vfio_set(v, AF + PCI_AF_CTRL, 1,
				      PCI_AF_CTRL_FLR));
		EXPECT_UNTOUCHED();

		vfio_close(v);
		EXPECT_EQ(0, iommu_commands(vf()).master);
		EXPECT_EQ(0, begin(self));
	}
	EXPECT_EQ(0, host_writef("default", "devices/%s/reset_method", vf()));
}

/* Opening and closing a VF as fast as possible does not fill the log. */
TEST_F(power, log)
{
	long start;
	int i;

	EXPECT_EQ(0, host_writef("\n", "devices/%s/reset_method", vf()));
	usleep(5100000);
	start = now_ms();
	host_log_clear();
	for (i = 0; i < 60; i++) {
		vfio_close(&self->v);
		ASSERT_EQ(0, vfio_open_cdev(&self->v, vf()));
		EXPECT_NE(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	}
	EXPECT_LT(0, host_log_count("PASID capability shown", vf()));
	/* Two lines per open, about PASID and PRI, for at most 10 opens in any 5 seconds */
	EXPECT_GE(2 * 10 * (2 + (now_ms() - start) / 5000),
		  host_log_count(vf(), "capability"));
	EXPECT_EQ(0, host_writef("default", "devices/%s/reset_method", vf()));
}

TEST_HARNESS_MAIN
