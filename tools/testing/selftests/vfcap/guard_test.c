// SPDX-License-Identifier: GPL-2.0
/*
 * What is true of any loss, whatever causes it: who is notified, which sessions and which
 * VFs it concerns, and what does not end it. The various causes are in other tests:
 * lose_pasid_test, lose_pri_test, lose_pf_test and lose_reset_test.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/expect_loss.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/loss.h"
#include "lib/sample.h"
#include "lib/vfio.h"

static int set_feature(struct vfio *v, uint32_t flags, uint32_t extra, int fd,
		       uint32_t reserved, uint32_t tail)
{
	struct {
		struct vfio_device_feature feature;
		struct vfcap_feature_lost_eventfd data;
		uint32_t tail;
	} arg = {
		.feature = {
			.argsz = sizeof(arg.feature) + extra,
			.flags = VFCAP_FEATURE_LOST_EVENTFD | flags,
		},
		.data = { .fd = fd, .reserved = reserved },
		.tail = tail,
	};

	return ioctl(v->fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0;
}

/* What does not depend on the cause */
FIXTURE(guard) {
	struct vmm s, s2;
	struct listener l;
	struct taking t;
};

FIXTURE_SETUP(guard)
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
	ASSERT_EQ(0, vmm_enable(&self->s));
}

FIXTURE_TEARDOWN(guard)
{
	vmm_close(&self->s);
	vmm_close(&self->s2);
	close(self->l.fd);
}

#define LOSE(take) ASSERT_EQ(0, taking_start(&self->t, take))
#define LOST(s, efd) do {						\
	expect_loss(_metadata, s, taking_ms(&self->t, efd), GUARD_MS);	\
	if (self->t.take)						\
		EXPECT_EQ(0, taking_end(&self->t));			\
	self->t.take = NULL;						\
} while (0)

TEST_F(guard, as_error)
{
	EXPECT_EQ(0, host_param("loss_as_error", "Y"));
	LOSE(lose_enable);
	LOST(&self->s, self->s.error);
	usleep(GUARD_LOOKS_US);
	expect_counts(_metadata, &self->s, &self->l, 0, 1);
}

TEST_F(guard, while_disabled)
{
	EXPECT_EQ(0, vmm_set_ctrl(&self->s, 6));
	LOSE(lose_enable);
	LOST(&self->s, self->s.lost);
	expect_still_lost(_metadata, &self->s);
	EXPECT_EQ(0, give_all());
	expect_back(_metadata, &self->s);
	expect_counts(_metadata, &self->s, &self->l, 1, 0);
}

/* A loss in the PF concerns all VFs, and each recovers through its own reset. */
TEST_F(guard, both_vfs)
{
	ASSERT_EQ(0, vmm_open(&self->s2, host_vf2()));
	ASSERT_EQ(0, vmm_enable(&self->s2));
	LOSE(lose_enable);
	LOST(&self->s, self->s.lost);
	LOST(&self->s2, self->s2.lost);
	EXPECT_EQ(0, give_all());
	EXPECT_EQ(0, iommufd_attach(&self->s.v, self->s.hwpt, OTHER));
	expect_back(_metadata, &self->s);
	expect_still_lost(_metadata, &self->s2);
	expect_back(_metadata, &self->s2);
	expect_counts(_metadata, &self->s, &self->l, 1, 0);
	expect_counts(_metadata, &self->s2, &self->l, 1, 0);
}

TEST_F(guard, hidden_is_not_told)
{
	ASSERT_EQ(0, host_param("pasid", "off"));
	ASSERT_EQ(0, vmm_open(&self->s2, host_vf2()));
	ASSERT_EQ(0, vfio_find_ecap(&self->s2.v, PCI_EXT_CAP_ID_PASID));
	EXPECT_STREQ("hidden", vmm_state(&self->s2));
	LOSE(lose_enable);
	LOST(&self->s, self->s.lost);
	usleep(GUARD_LOOKS_US);
	EXPECT_FALSE(vmm_state_changed(&self->s2, 0));
	EXPECT_STREQ("hidden", vmm_state(&self->s2));
	expect_counts(_metadata, &self->s2, &self->l, 0, 0);
	expect_counts(_metadata, &self->s, &self->l, 1, 0);
}

/* Which of Execute Permission and Privileged Mode a VF shows */
static uint32_t get_bits(struct vfio *v)
{
	return vfio_get(v, PF_PASID + PCI_PASID_CAP, 2) &
	       (PCI_PASID_CAP_EXEC | PCI_PASID_CAP_PRIV);
}

/* A VF that is opened later gets what the PF has then. */
TEST_F(guard, opened_beside_lost)
{
	struct vfio *v = &self->s2.v;

	LOSE(lose_exec);
	LOST(&self->s, self->s.lost);
	ASSERT_EQ(0, vmm_open(&self->s2, host_vf2()));
	EXPECT_EQ(0, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(1, vmm_log_count(&self->s2, "not shown: its PF has lost it"));
	vmm_close(&self->s2);

	EXPECT_EQ(0, give_all());
	ASSERT_EQ(0, vmm_open(&self->s2, host_vf2()));
	EXPECT_EQ(PF_PASID, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0, vmm_enable(&self->s2));
	expect_still_lost(_metadata, &self->s);
	expect_counts(_metadata, &self->s2, &self->l, 0, 0);
}

/* If it gets more than another VF that was opened earlier, that is watched as well. */
TEST_F(guard, opened_with_more)
{
	struct vfio *v = &self->s2.v;

	vmm_close(&self->s);
	ASSERT_EQ(0, lose_exec());
	ASSERT_EQ(0, vmm_open(&self->s, host_vf()));
	EXPECT_EQ(PCI_PASID_CAP_PRIV, get_bits(&self->s.v));
	ASSERT_EQ(0, give_all());
	ASSERT_EQ(0, vmm_open(&self->s2, host_vf2()));
	EXPECT_EQ(PCI_PASID_CAP_EXEC | PCI_PASID_CAP_PRIV, get_bits(v));
	ASSERT_EQ(0, vmm_enable(&self->s2));
	LOSE(lose_exec);
	LOST(&self->s2, self->s2.lost);
}

TEST_F(guard, reopened)
{
	struct vmm *s = &self->s;
	int before;

	LOSE(lose_enable);
	LOST(s, s->lost);
	before = dup(s->lost);
	vmm_close(s);

	ASSERT_EQ(0, vmm_open(s, host_vf()));
	EXPECT_EQ(0, vfio_find_ecap(&s->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_STREQ("hidden", vmm_state(s));
	vmm_close(s);

	EXPECT_EQ(0, give_all());
	ASSERT_EQ(0, vmm_open(s, host_vf()));
	EXPECT_STREQ("shown", vmm_state(s));
	EXPECT_EQ(0, vmm_get_ctrl(s));
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_EQ(0, vmm_enable(s));
	/* The eventfd of one session is not signalled in the next one. */
	eventfd_take(before);
	LOSE(lose_enable);
	LOST(s, s->lost);
	EXPECT_EQ(0, eventfd_take(before));
	close(before);
}

/* Closed while it is lost but the PF has recovered: not lost in the next session */
TEST_F(guard, reopened_when_back)
{
	struct vmm *s = &self->s;

	LOSE(lose_enable);
	LOST(s, s->lost);
	EXPECT_EQ(0, give_all());
	vmm_close(s);
	EXPECT_TRUE(WAIT_FOR(listen_count(&self->l, "hidden", host_vf(), "PASID") == 1,
			     host_promised(EVENT_MS)));
	ASSERT_EQ(0, vmm_open(s, host_vf()));
	EXPECT_STREQ("shown", vmm_state(s));
	EXPECT_EQ(0, vmm_enable(s));
	usleep(GUARD_LOOKS_US);
	EXPECT_EQ(PCI_PASID_CTRL_ENABLE, vmm_get_ctrl(s));
	EXPECT_EQ(0, eventfd_take(s->lost));
}

/* Low power resets a VF if it suspends, but not if something keeps it awake. */
TEST_F(guard, kept_awake)
{
	struct vmm *s = &self->s;

	LOSE(lose_enable);
	LOST(s, s->lost);
	EXPECT_EQ(0, give_all());
	ASSERT_EQ(0, host_writef("on", "devices/%s/power/control", s->bdf));
	EXPECT_EQ(0, vfio_set_low_power(&s->v, true));
	usleep(100000);
	EXPECT_EQ(0, vfio_set_low_power(&s->v, false));
	EXPECT_EQ(0, host_writef("auto", "devices/%s/power/control", s->bdf));
	expect_still_lost(_metadata, s);
	EXPECT_EQ(0, vfio_set_low_power(&s->v, false));
	expect_still_lost(_metadata, s);

	EXPECT_EQ(0, vfio_set_low_power(&s->v, true));
	EXPECT_TRUE(sample_suspends(s->bdf));
	EXPECT_EQ(0, vfio_set_low_power(&s->v, false));
	EXPECT_STREQ("shown", vmm_state(s));
	EXPECT_EQ(0, vmm_set_ctrl(s, PCI_PASID_CTRL_ENABLE));
	EXPECT_TRUE(iommu_has_pasid(s->bdf, PASID));
	s->ends++;
	expect_counts(_metadata, s, &self->l, 1, 0);
}

/* It returned to D0 before the loss; its user ends low power only afterwards. */
TEST_F(guard, lost_after_it_slept)
{
	struct vmm *s = &self->s;
	bool slept;

	ASSERT_EQ(0, vfio_set_low_power(&s->v, true));
	slept = sample_suspends(s->bdf);
	ASSERT_EQ(0, host_writef("on", "devices/%s/power/control", s->bdf));
	LOSE(lose_enable);
	LOST(s, s->lost);
	EXPECT_EQ(0, give_all());
	EXPECT_EQ(0, vfio_set_low_power(&s->v, false));
	EXPECT_EQ(0, host_writef("auto", "devices/%s/power/control", s->bdf));
	EXPECT_TRUE(slept);
	expect_still_lost(_metadata, s);
}

/* A guest that keeps setting Enable while PASID is lost, and a VMM that attaches */
struct busy {
	struct vmm *s;
	bool stop;
};

static void *busy_thread(void *arg)
{
	struct busy *b = arg;
	uint16_t value = 0;

	while (!__atomic_load_n(&b->stop, __ATOMIC_SEQ_CST))
		vmm_set_ctrl(b->s, value ^= PCI_PASID_CTRL_ENABLE);
	return NULL;
}

TEST_F(guard, enabled_all_the_while)
{
	struct busy b = { .s = &self->s };
	struct vmm *s = &self->s;
	pthread_t thread;

	EXPECT_EQ(0, iommufd_attach(&s->v, s->hwpt, OTHER));
	ASSERT_EQ(0, pthread_create(&thread, NULL, busy_thread, &b));
	usleep(50000);
	LOSE(lose_enable);
	LOST(s, s->lost);
	EXPECT_EQ(0, give_all());
	usleep(GUARD_LOOKS_US);
	EXPECT_EQ(0, vmm_get_ctrl(s));
	EXPECT_FALSE(iommu_has_pasid(s->bdf, PASID));
	__atomic_store_n(&b.stop, true, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	expect_counts(_metadata, s, &self->l, 1, 0);
	expect_back(_metadata, s);
}

/* A user need not have an eventfd. */
TEST_F(guard, without_eventfds)
{
	struct vmm *s = &self->s;
	struct pollfd p = { .fd = s->state, .events = POLLPRI };

	EXPECT_EQ(0, vfcap_set_lost_eventfd(&s->v, -1));
	EXPECT_EQ(0, vfio_set_irq(&s->v, VFIO_PCI_ERR_IRQ_INDEX, -1));
	EXPECT_EQ(0, lose_enable());
	EXPECT_EQ(1, poll(&p, 1, host_promised(GUARD_MS)));
	EXPECT_EQ(0, give_all());
	EXPECT_STREQ("lost", vmm_state(s));
	usleep(50000);
	EXPECT_EQ(0, vmm_get_ctrl(s));
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_EQ(0, eventfd_take(s->lost));

	/* The same with loss_as_error, for a user that has no error eventfd either */
	EXPECT_EQ(0, host_param("loss_as_error", "Y"));
	EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_EQ(0, vmm_enable(s));
	EXPECT_EQ(0, lose_enable());
	EXPECT_EQ(1, poll(&p, 1, host_promised(GUARD_MS)));
	usleep(50000);
	EXPECT_EQ(0, vmm_get_ctrl(s));
	EXPECT_EQ(0, iommu_count_pasids(s->bdf));
	EXPECT_EQ(0, eventfd_take(s->error));
}

TEST_F(guard, eventfd_arguments)
{
	const uint32_t set = VFIO_DEVICE_FEATURE_SET;
	const uint32_t get = VFIO_DEVICE_FEATURE_GET;
	const uint32_t probe = VFIO_DEVICE_FEATURE_PROBE;
	const uint32_t size = sizeof(struct vfcap_feature_lost_eventfd);
	struct vmm *s = &self->s;
	int other = open("/dev/null", O_RDWR | O_CLOEXEC);
	int closed = dup(other);
	int fd = eventfd_new();
	const struct {
		int ret;
		uint32_t flags, size;
		int fd;
		uint32_t reserved, tail;
	} cases[] = {
		{ 0, probe, size, fd },
		{ 0, probe | set, size, fd },
		{ 0, probe | set, 0, fd },
		{ -EINVAL, probe | get, size, fd },
		{ -EINVAL, probe | get | set, size, fd },
		{ -EINVAL, 0, size, fd },
		{ -EINVAL, get, size, fd },
		{ -EINVAL, get | set, size, fd },
		{ -EINVAL, set, 0, fd },
		{ -EINVAL, set, 4, fd },
		{ -EINVAL, set, size - 1, fd },
		{ -EINVAL, set, size, fd, 1 },
		{ -EINVAL, set, size, fd, 0x80000000 },
		{ -EINVAL, set, size, -1, 1 },
		{ -E2BIG, set, size + 4, fd, 0, 1 },
		{ -E2BIG, set, size + 4, fd, 0, 0x80000000 },
		{ -E2BIG, set, size + 4, -1, 0, 1 },
		{ -EINVAL, set, size, -2 },
		{ -EINVAL, set, size, INT32_MIN },
		{ -EBADF, set, size, closed },
		{ -EBADF, set, size, INT32_MAX },
		{ -EINVAL, set, size, other },
	};
	unsigned int i;

	close(closed);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(cases[i].ret,
			  set_feature(&s->v, cases[i].flags, cases[i].size,
				      cases[i].fd, cases[i].reserved,
				      cases[i].tail)) {
			TH_LOG("case %u", i);
		}
	}
	/* None of these has changed anything. */
	LOSE(lose_enable);
	LOST(s, s->lost);
	EXPECT_EQ(1, eventfd_take(s->lost));
	EXPECT_EQ(0, eventfd_take(fd));

	/* What follows the structure is zero, and is ignored. */
	EXPECT_EQ(0, give_all());
	EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_EQ(0, vmm_enable(s));
	EXPECT_EQ(0, set_feature(&s->v, set, size + 4, fd, 0, 0));
	LOSE(lose_enable);
	LOST(s, fd);
	EXPECT_EQ(1, eventfd_take(fd));
	EXPECT_EQ(0, eventfd_take(s->lost));
	close(fd);
	close(other);
}

/* The last eventfd that was set is used, even if its file has been closed. */
TEST_F(guard, eventfd_replaced)
{
	struct vmm *s = &self->s;
	int fd = eventfd_new(), i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, vfcap_set_lost_eventfd(&s->v, s->lost));
		EXPECT_EQ(0, vfcap_set_lost_eventfd(&s->v, fd));
	}
	LOSE(lose_enable);
	LOST(s, fd);
	EXPECT_EQ(1, eventfd_take(fd));
	EXPECT_EQ(0, eventfd_take(s->lost));

	/* Setting an eventfd while PASID is lost does not signal it. */
	EXPECT_EQ(0, vfcap_set_lost_eventfd(&s->v, s->lost));
	usleep(GUARD_LOOKS_US);
	EXPECT_EQ(0, eventfd_take(s->lost));

	EXPECT_EQ(0, give_all());
	EXPECT_EQ(0, vfio_reset(&s->v));
	EXPECT_EQ(0, vfcap_set_lost_eventfd(&s->v, fd));
	close(fd);
	EXPECT_EQ(0, vmm_enable(s));
	EXPECT_EQ(0, lose_enable());
	EXPECT_TRUE(vmm_state_changed(s, host_promised(GUARD_MS)));
	usleep(50000);
	EXPECT_EQ(0, vmm_get_ctrl(s));
	EXPECT_EQ(0, eventfd_take(s->lost));
}

/* A loss at the end of one session does not carry over to the next. */
FIXTURE(session) {
	struct vmm s;
};

FIXTURE_SETUP(session)
{
	static const struct scene scene = { .driver = SAMPLE };

	vfio_init(&self->s.v);
	if (scene_lacks())
		SKIP(return, "needs %s", scene_lacks());
	ASSERT_EQ(0, scene_set(&scene));
}

FIXTURE_TEARDOWN(session)
{
	vmm_close(&self->s);
}

TEST_F(session, closed_while_lost)
{
	struct taking t;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, vmm_open(&self->s, host_vf()));
		EXPECT_STREQ("shown", vmm_state(&self->s));
		ASSERT_EQ(0, vmm_enable(&self->s));
		EXPECT_EQ(0, eventfd_take(self->s.lost));
		ASSERT_EQ(0, taking_start(&t, lose_by_sample));
		usleep(i * 100);
		vmm_close(&self->s);
		EXPECT_EQ(0, taking_end(&t));
	}
}

/* What a VF has lost before it shows a capability counts from when it shows it. */
FIXTURE(undecided) {
	struct vmm s;
	struct vfio v;
};

FIXTURE_SETUP(undecided)
{
	static const struct scene scene = { .driver = "igb", .ats = true };

	vfio_init(&self->s.v);
	vfio_init(&self->v);
	if (scene_lacks())
		SKIP(return, "needs %s", scene_lacks());
	ASSERT_EQ(0, scene_set(&scene));
	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
	/* This session starts the guard. */
	ASSERT_EQ(0, vmm_open(&self->s, host_vf()));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf2()));
}

FIXTURE_TEARDOWN(undecided)
{
	vmm_close(&self->s);
	vfio_close(&self->v);
}

TEST_F(undecided, lost_when_shown)
{
	EXPECT_EQ(0, lose_vf_ats());
	EXPECT_TRUE(vmm_state_changed(&self->s, host_promised(GUARD_MS)));
	usleep(2 * GUARD_LOOKS_US);
	EXPECT_STREQ("held", sample_state(host_vf2(), "pasid_state"));
	EXPECT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_TRUE(WAIT_FOR(!strcmp("lost", sample_state(host_vf2(), "pasid_state")),
			     host_promised(GUARD_MS)));
}

int main(int argc, char **argv)
{
	host_at_end(scene_set_plain);
	return test_harness_run(argc, argv);
}
