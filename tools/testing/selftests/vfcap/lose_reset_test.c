// SPDX-License-Identifier: GPL-2.0
/*
 * Losses and resets of the VF itself: a reset of the VF is not a loss, and one that began
 * before a loss does not end it.
 */
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/expect_loss.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/loss.h"
#include "lib/sample.h"
#include "lib/vfio.h"

/* Where "igb" has Power Management in VFs */
#define VF_PM	0xec

/*
 * A VF's own reset, too, clears its ATS Enable and MSI-X Enable for a moment, but is not
 * mistaken for a reset of the PF.
 */
FIXTURE(own_reset) {
	struct vmm s;
	struct listener l;
	int msix;
};

static int guest_flr(struct vfio *v)
{
	unsigned int exp = vfio_find_cap(v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	return vfio_set(v, exp, 2, vfio_get(v, exp, 2) |
			PCI_EXP_DEVCTL_BCR_FLR);
}

static int guest_d3hot(struct vfio *v)
{
	return vfio_set(v, VF_PM + PCI_PM_CTRL, 2, 3);
}

static int guest_d0(struct vfio *v)
{
	return vfio_set(v, VF_PM + PCI_PM_CTRL, 2, 0);
}

static int guest_power_cycle(struct vfio *v)
{
	return guest_d3hot(v) ?: guest_d0(v);
}

static int host_reset(struct vfio *v)
{
	return host_writef("1", "devices/%s/reset", host_vf());
}

/* Recovery from a fatal error */
static int host_link_reset(struct vfio *v)
{
	int ret = host_error(host_vf(), "frozen");

	usleep(100000);
	return ret ?: host_error(host_vf(), "resume");
}

FIXTURE_SETUP(own_reset)
{
	static const struct scene scene = { .driver = "igb", .ats = true };

	vfio_init(&self->s.v);
	if (scene_lacks())
		SKIP(return, "needs %s", scene_lacks());
	ASSERT_EQ(0, scene_set(&scene));
	host_log_clear();
	ASSERT_EQ(0, listen_open(&self->l));
	ASSERT_EQ(0, vmm_open(&self->s, host_vf()));
	self->msix = eventfd_new();
	ASSERT_EQ(0, vfio_set_irq(&self->s.v, VFIO_PCI_MSIX_IRQ_INDEX,
				  self->msix));
}

FIXTURE_TEARDOWN(own_reset)
{
	vmm_close(&self->s);
	close(self->msix);
	close(self->l.fd);
}

TEST_F(own_reset, is_no_loss)
{
	static const struct {
		int (*reset)(struct vfio *v);
		long ms;
	} resets[] = {
		{ vfio_reset, 3000 }, { guest_flr, 3000 },
		{ guest_power_cycle, 800 }, { host_reset, 800 },
	};
	struct vmm *s = &self->s;
	unsigned int i, count;

	ASSERT_EQ(0, vmm_enable(s));
	for (i = 0; i < ARRAY_SIZE(resets); i++) {
		long start = now_ms();

		count = 0;
		do {
			ASSERT_EQ(0, resets[i].reset(&s->v));
			ASSERT_EQ(0, vmm_set_ctrl(s, 1));
			ASSERT_EQ(1, vmm_get_ctrl(s));
			ASSERT_TRUE(iommu_has_pasid(s->bdf, PASID));
			count++;
		} while (now_ms() - start < resets[i].ms);
		TH_LOG("%u resets", count);
		EXPECT_LT(1, count);
	}
	usleep(2 * GUARD_LOOKS_US);
	EXPECT_STREQ("shown", vmm_state(s));
	expect_counts(_metadata, s, &self->l, 0, 0);
	EXPECT_EQ(0, vmm_log_count(s, "lost"));
}

/* A loss that happens during a reset of the VF, when the actual reset may be over already */
FIXTURE(while_reset) {
	struct vmm s;
};

FIXTURE_VARIANT(while_reset) {
	int (*prepare)(struct vfio *v);
	int (*reset)(struct vfio *v);
	const char *waits;	/* the kernel function it waits in */
};

FIXTURE_VARIANT_ADD(while_reset, guest_flr) {
	.reset = guest_flr, .waits = "msleep",
};

FIXTURE_VARIANT_ADD(while_reset, guest_power_cycle) {
	.prepare = guest_d3hot, .reset = guest_d0, .waits = "pci_power_up",
};

FIXTURE_VARIANT_ADD(while_reset, vfio_device_reset) {
	.reset = vfio_reset, .waits = "msleep",
};

FIXTURE_VARIANT_ADD(while_reset, from_outside) {
	.reset = host_reset, .waits = "msleep",
};

FIXTURE_VARIANT_ADD(while_reset, link_reset) {
	.reset = host_link_reset, .waits = "hrtimer_nanosleep",
};

FIXTURE_SETUP(while_reset)
{
	static const struct scene scene = { .driver = SAMPLE };

	vfio_init(&self->s.v);
	if (scene_lacks())
		SKIP(return, "needs %s", scene_lacks());
	ASSERT_EQ(0, scene_set(&scene));
	ASSERT_EQ(0, vmm_open(&self->s, host_vf()));
	ASSERT_EQ(0, vmm_enable(&self->s));
}

FIXTURE_TEARDOWN(while_reset)
{
	vmm_close(&self->s);
}

/* On a busy machine the reset may end too early; then the attempt proves nothing. */
static bool lose_meanwhile(struct __test_metadata *_metadata, struct vmm *s,
			   const struct _fixture_variant_while_reset *variant,
			   bool again)
{
	bool in_time;
	pid_t child;
	int status;

	if (again)
		EXPECT_EQ(0, lose_by_sample());
	if (variant->prepare)
		EXPECT_EQ(0, variant->prepare(&s->v));
	child = fork();
	if (!child)
		_exit(!!variant->reset(&s->v));
	WAIT_FOR(host_waits_in(child, variant->waits), 1000);
	EXPECT_EQ(0, lose_by_sample());
	in_time = host_waits_in(child, variant->waits);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	return in_time;
}

static void expect_reset_too_early(struct __test_metadata *_metadata,
				   struct vmm *s,
				   const struct _fixture_variant_while_reset *variant,
				   bool again)
{
	unsigned int i;

	for (i = 0; i < 20 && !lose_meanwhile(_metadata, s, variant, again); i++)
		EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_GT(20, i);
	EXPECT_EQ(1, WAIT_FOR(!iommu_count_pasids(s->bdf), host_promised(GUARD_MS)));
	expect_still_lost(_metadata, s);
}

TEST_F(while_reset, lost_meanwhile)
{
	struct vmm *s = &self->s;

	expect_reset_too_early(_metadata, s, variant, false);
	expect_back(_metadata, s);
}

/* It does not help that the reset began after another loss. */
TEST_F(while_reset, lost_again_meanwhile)
{
	struct vmm *s = &self->s;

	expect_reset_too_early(_metadata, s, variant, true);
	expect_back(_metadata, s);
}

int main(int argc, char **argv)
{
	host_at_end(scene_set_plain);
	return test_harness_run(argc, argv);
}
