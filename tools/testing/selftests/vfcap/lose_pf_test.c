// SPDX-License-Identifier: GPL-2.0
/*
 * The PF or its driver goes away for good, and the VFs with it. This is noticed at once,
 * and waits for the VFs' users.
 */

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/expect_loss.h"
#include "lib/host.h"
#include "lib/loss.h"
#include "lib/sample.h"
#include "lib/vfio.h"

static int unbind_pf(void)
{
	host_expect_pf_unbind();
	return host_writef(host_pf(), "devices/%s/driver/unbind", host_pf());
}

static int remove_pf(void)
{
	return host_writef("1", "devices/%s/remove", host_pf());
}

/* Like a PF that is pulled out: it is gone first, and then found to be gone. */
static int pull_pf(void)
{
	int ret = lose_pf();

	return ret ?: remove_pf();
}

FIXTURE(going) {
	struct vmm s, s2;
	struct listener l;
	struct taking t;
};

FIXTURE_VARIANT(going) {
	int (*take)(void);
	const char *why;
	const char *or_why;
	const char *pf_state;
};

FIXTURE_VARIANT_ADD(going, unbound) {
	.take = unbind_pf, .pf_state = "locked",
	.why = "the driver of its PF is being unbound",
};

FIXTURE_VARIANT_ADD(going, removed) {
	.take = remove_pf, .pf_state = "locked",
	.why = "the driver of its PF is being unbound",
};

FIXTURE_VARIANT_ADD(going, pulled) {
	.take = pull_pf, .pf_state = "lost",
	.why = "its PF is being removed, and does not answer",
	.or_why = IS_SILENT,
};

FIXTURE_SETUP(going)
{
	vfio_init(&self->s.v);
	vfio_init(&self->s2.v);
	if (scene_lacks())
		SKIP(return, "needs %s", scene_lacks());
	ASSERT_EQ(0, scene_set_plain());
	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
	host_log_clear();
	ASSERT_EQ(0, listen_open(&self->l));
	ASSERT_EQ(0, vmm_open(&self->s, host_vf()));
	ASSERT_EQ(0, vmm_open(&self->s2, host_vf2()));
}

FIXTURE_TEARDOWN(going)
{
	vmm_close(&self->s);
	vmm_close(&self->s2);
	close(self->l.fd);
}

TEST_F(going, noticed)
{
	struct vmm *both[] = { &self->s, &self->s2 };
	struct taking *t = &self->t;
	long ms[2];
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vmm_enable(both[i]));
	ASSERT_EQ(0, taking_start(t, variant->take));
	/* Measure both first, since checking one would add to the other's time. */
	for (i = 0; i < 2; i++)
		ms[i] = taking_ms(t, both[i]->lost);
	for (i = 0; i < 2; i++)
		expect_loss(_metadata, both[i], ms[i], EVENT_MS);
	EXPECT_STREQ(variant->pf_state, sample_state(host_pf(), "pasid_state"));
	for (i = 0; i < 2; i++) {
		expect_still_lost(_metadata, both[i]);
		/* PASID is not back, though a VF that is not locked can be reset. */
		vfio_reset(&both[i]->v);
		expect_still_lost(_metadata, both[i]);
		expect_counts(_metadata, both[i], &self->l, 1, 0);
		expect_cause(_metadata, both[i], &self->l, variant->why,
			     variant->or_why);
	}
	EXPECT_FALSE(taking_is_done(t));
	vmm_close(&self->s);
	vmm_close(&self->s2);
	EXPECT_EQ(0, taking_end(t));
	EXPECT_FALSE(host_exists("devices/%s", host_vf()));
}

int main(int argc, char **argv)
{
	host_at_end(scene_set_plain);
	return test_harness_run(argc, argv);
}
