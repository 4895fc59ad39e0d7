// SPDX-License-Identifier: GPL-2.0
/*
 * With a PF driver that answers page requests, PRI is shown, and guarded like PASID. Some
 * causes take both away, some only PRI, which leaves PASID alone.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/expect_loss.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/loss.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define MANY	64

FIXTURE(pri) {
	struct vmm s;
	struct listener l;
	struct taking t;
	unsigned int ctrl;
};

FIXTURE_VARIANT(pri) {
	int (*take)(void);
	int (*give)(void);
	long limit;
	bool pasid;			/* PASID is lost as well */
	const char *why;
};

static int clear_pri_enable(void)
{
	return host_config_write(host_pf(), PF_PRI + PCI_PRI_CTRL, 2, 0);
}

static int set_pri_enable(void)
{
	return host_config_write(host_pf(), PF_PRI + PCI_PRI_CTRL, 2,
				 PCI_PRI_CTRL_ENABLE);
}

static int reduce_pri_allocation(void)
{
	return host_config_write(host_pf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4, 0);
}

static int set_pri_allocation(void)
{
	return host_config_write(host_pf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4,
				 PF_PRI_ALLOCATION);
}

/*
 * A reset of the PF clears its PRI Enable. The kernel does not restore it, since it is
 * not the kernel that enabled it here (that requires PRG Response PASID Required).
 */
static int reset_pf_and_restore(void)
{
	return lose_by_reset() ?: set_pri_allocation() ?: set_pri_enable();
}

static int unregister_sample(void)
{
	return sample_set("registered", "0");
}

static int register_sample(void)
{
	return sample_set("registered", "1");
}

FIXTURE_VARIANT_ADD(pri, setpci_enable) {
	.take = clear_pri_enable, .give = set_pri_enable,
	.limit = GUARD_MS, .why = "PRI lost: " IS_DISABLED,
};

FIXTURE_VARIANT_ADD(pri, setpci_allocation) {
	.take = reduce_pri_allocation, .give = set_pri_allocation,
	.limit = GUARD_MS, .why = "PRI lost: " IS_DISABLED,
};

FIXTURE_VARIANT_ADD(pri, not_answered) {
	.take = unregister_sample, .give = register_sample,
	.limit = EVENT_MS, .why = "PRI lost: the driver of its PF no longer",
};

FIXTURE_VARIANT_ADD(pri, both_told) {
	.take = lose_by_sample, .limit = EVENT_MS, .pasid = true,
	.why = "PASID and PRI lost: the sample says so",
};

FIXTURE_VARIANT_ADD(pri, both_reset) {
	.take = reset_pf_and_restore, .limit = EVENT_MS, .pasid = true,
	.why = "PASID and PRI lost: its PF is being reset",
};

FIXTURE_SETUP(pri)
{
	static const struct scene scene = { .driver = SAMPLE, .ats = true };

	vfio_init(&self->s.v);
	if (scene_lacks())
		SKIP(return, "needs %s", scene_lacks());
	ASSERT_EQ(0, scene_set(&scene));
	host_log_clear();
	ASSERT_EQ(0, listen_open(&self->l));
	ASSERT_EQ(0, vmm_open(&self->s, host_vf()));
	self->ctrl = vfio_find_ecap(&self->s.v, PCI_EXT_CAP_ID_PRI);
	ASSERT_NE(0, self->ctrl);
	self->ctrl += PCI_PRI_CTRL;
}

FIXTURE_TEARDOWN(pri)
{
	vmm_close(&self->s);
	close(self->l.fd);
}

static int enable_pri(struct vfio *v, unsigned int ctrl)
{
	int ret = vfio_set(v, ctrl - PCI_PRI_CTRL + PCI_PRI_ALLOC_REQ, 4, 4);

	if (!ret)
		ret = vfio_set(v, ctrl, 2, PCI_PRI_CTRL_ENABLE);
	return ret ?: vfio_get(v, ctrl, 2) == PCI_PRI_CTRL_ENABLE ? 0 : -EIO;
}

static bool pri_state_is(const char *state)
{
	return !host_run(NULL, 0, "grep -qx %s /sys/bus/pci/devices/%s/vfcap/pri_state",
			 state, host_vf());
}

/*
 * Whether the first of many PASIDs stays attached all the time. The page table that only
 * this PASID uses could be destroyed as soon as it is detached, and for as long as it
 * takes to detach the others and to attach it again.
 */
struct holding {
	struct vmm *s;
	uint32_t hwpt;
	bool stop;
	bool held;
	pthread_t thread;
};

static void *holding_thread(void *arg)
{
	struct holding *h = arg;

	while (h->held && !__atomic_load_n(&h->stop, __ATOMIC_SEQ_CST))
		h->held = iommufd_destroy(&h->s->v, h->hwpt) == -EBUSY;
	return NULL;
}

static int holding_start(struct holding *h, struct vmm *s)
{
	uint32_t ioas, pasid;
	int ret;

	*h = (struct holding){ .s = s, .held = true };
	ret = iommufd_ioas(&s->v, &ioas) ?:
	      iommufd_hwpt(&s->v, ioas, true, &h->hwpt) ?:
	      iommufd_attach(&s->v, h->hwpt, 1);
	for (pasid = PASID + 1; !ret && pasid < PASID + MANY; pasid++)
		ret = iommufd_attach(&s->v, s->hwpt, pasid);
	return ret ?: pthread_create(&h->thread, NULL, holding_thread, h);
}

static bool holding_end(struct holding *h)
{
	__atomic_store_n(&h->stop, true, __ATOMIC_SEQ_CST);
	pthread_join(h->thread, NULL);
	return h->held;
}

TEST_F(pri, noticed)
{
	struct pollfd p = { .fd = self->s.lost, .events = POLLIN };
	struct vmm *s = &self->s;
	struct taking *t = &self->t;
	struct holding h;

	ASSERT_EQ(0, vmm_enable(s));
	ASSERT_EQ(0, enable_pri(&s->v, self->ctrl));
	EXPECT_TRUE(pri_state_is("shown"));
	ASSERT_EQ(0, holding_start(&h, s));
	ASSERT_EQ(0, taking_start(t, variant->take));
	if (variant->pasid)
		expect_loss(_metadata, s, taking_ms(t, s->lost), variant->limit);
	EXPECT_EQ(1, poll(&p, 1, host_promised(3 * GUARD_MS)));
	EXPECT_GE(host_promised(variant->limit), now_ms() - t->start);
	EXPECT_EQ(0, vfio_get(&s->v, self->ctrl, 2));
	EXPECT_TRUE(pri_state_is("lost"));
	EXPECT_EQ(0, taking_end(t));

	/* Only one of them is lost. */
	EXPECT_EQ(!variant->pasid, holding_end(&h));
	if (!variant->pasid) {
		EXPECT_STREQ("shown", vmm_state(s));
		EXPECT_EQ(1, vmm_get_ctrl(s));
		EXPECT_TRUE(iommu_has_pasid(s->bdf, PASID));
	}
	EXPECT_EQ(-EIO, enable_pri(&s->v, self->ctrl));
	if (variant->give) {
		EXPECT_EQ(0, vfio_reset(&s->v));
		EXPECT_EQ(-EIO, enable_pri(&s->v, self->ctrl));
		EXPECT_TRUE(pri_state_is("lost"));
		EXPECT_EQ(0, variant->give());
	}
	usleep(GUARD_LOOKS_US);
	EXPECT_EQ(-EIO, enable_pri(&s->v, self->ctrl));
	EXPECT_EQ(1, eventfd_take(s->lost));
	EXPECT_EQ(0, eventfd_take(s->error));
	EXPECT_EQ(1, listen_count(&self->l, "lost", s->bdf, "PRI"));
	EXPECT_EQ(variant->pasid, listen_count(&self->l, "lost", s->bdf, "PASID"));
	EXPECT_EQ(1, vmm_log_count(s, " lost: "));
	EXPECT_EQ(1, vmm_log_count(s, variant->why));

	EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_TRUE(pri_state_is("shown"));
	EXPECT_STREQ("shown", vmm_state(s));
	EXPECT_EQ(0, vmm_enable(s));
	EXPECT_EQ(0, enable_pri(&s->v, self->ctrl));
}

int main(int argc, char **argv)
{
	host_at_end(scene_set_plain);
	return test_harness_run(argc, argv);
}
