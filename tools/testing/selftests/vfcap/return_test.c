// SPDX-License-Identifier: GPL-2.0
/*
 * What a VMM learns about a loss from its file alone: the cause, whether a reset would
 * end it, and that it has ended
 */
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/sample.h"
#include "lib/vfio.h"

/* A loss and its end are noticed within a second; the rest allows for a busy machine. */
#define WAIT_MS		3000

#define FLAGS		(VFCAP_QUERY_LOST | VFCAP_QUERY_RETURNED)
#define PF_CTRL		(PF_PASID + PCI_PASID_CTRL)
#define VF_MSIX		0x70
/* The guard looks three times in this. */
#define GUARD_LOOKS_US	1000000

FIXTURE(returned) {
	struct vfio v;
	int lost, returned, msix;
};

static int set_return_eventfd(struct vfio *v, int fd)
{
	struct vfcap_feature_lost_eventfd data = { .fd = fd };

	return vfio_feature(v, VFIO_DEVICE_FEATURE_SET | VFCAP_FEATURE_RETURN_EVENTFD,
			    &data, sizeof(data));
}

FIXTURE_SETUP(returned)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	host_at_end(sample_give_back);
	ASSERT_EQ(0, sample_prepare(IGB, 2, false));
	self->lost = eventfd(0, EFD_CLOEXEC);
	self->returned = eventfd(0, EFD_CLOEXEC);
	self->msix = eventfd(0, EFD_CLOEXEC);
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(0, vfcap_set_lost_eventfd(&self->v, self->lost));
	ASSERT_EQ(0, set_return_eventfd(&self->v, self->returned));
	ASSERT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
}

FIXTURE_TEARDOWN(returned)
{
	vfio_close(&self->v);
	close(self->lost);
	close(self->returned);
	close(self->msix);
}

/* Whether the eventfd is signalled in time */
static bool signalled(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t count;

	return poll(&p, 1, WAIT_MS) == 1 && read(fd, &count, sizeof(count)) == sizeof(count);
}

static bool quiet(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return !poll(&p, 1, 0);
}

static int disable_pf(void)
{
	return host_config_write(host_pf(), PF_CTRL, 2, 0);
}

#define EXPECT_QUERY(wanted, why) do {					\
	struct vfcap_feature_query _q;					\
	const char *_why = (why);					\
									\
	EXPECT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &_q));	\
	EXPECT_EQ(wanted, _q.flags & FLAGS);				\
	EXPECT_NE(NULL, memchr(_q.cause, 0, sizeof(_q.cause)));		\
	EXPECT_EQ(!*_why, !*_q.cause);					\
	EXPECT_NE(NULL, strstr((char *)_q.cause, _why));		\
} while (0)

#define DISABLED	"it was disabled in its PF"
#define WAS_RESET	"its PF was reset, and the VF with it"

TEST_F(returned, there_and_back)
{
	EXPECT_QUERY(0, "");
	ASSERT_EQ(0, disable_pf());
	EXPECT_TRUE(signalled(self->lost));
	EXPECT_QUERY(VFCAP_QUERY_LOST, DISABLED);
	EXPECT_TRUE(quiet(self->returned));
	/* A reset does not help yet, and is not reported. */
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_TRUE(quiet(self->returned));

	ASSERT_EQ(0, host_enable_pf());
	EXPECT_TRUE(signalled(self->returned));
	EXPECT_QUERY(FLAGS, DISABLED);
	EXPECT_TRUE(quiet(self->lost));
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_TRUE(signalled(self->returned));
	EXPECT_QUERY(0, "");
}

TEST_F(returned, gone_again)
{
	ASSERT_EQ(0, disable_pf());
	EXPECT_TRUE(signalled(self->lost));
	ASSERT_EQ(0, host_enable_pf());
	EXPECT_TRUE(signalled(self->returned));
	EXPECT_QUERY(FLAGS, DISABLED);

	ASSERT_EQ(0, disable_pf());
	EXPECT_TRUE(signalled(self->returned));
	EXPECT_QUERY(VFCAP_QUERY_LOST, DISABLED);
	ASSERT_EQ(0, host_enable_pf());
	EXPECT_TRUE(signalled(self->returned));
	EXPECT_QUERY(FLAGS, DISABLED);
}

/* The PF is fine. The guard sees the VF's own loss each time that it looks. */
TEST_F(returned, told_once)
{
	ASSERT_EQ(0, vfio_set_irq(&self->v, VFIO_PCI_MSIX_IRQ_INDEX, self->msix));
	ASSERT_EQ(0, host_config_write(host_vf(), VF_MSIX + PCI_MSIX_FLAGS, 2, 0));
	EXPECT_TRUE(signalled(self->lost));
	EXPECT_TRUE(signalled(self->returned));
	EXPECT_QUERY(FLAGS, WAS_RESET);
	usleep(GUARD_LOOKS_US);
	EXPECT_TRUE(quiet(self->returned));
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_TRUE(signalled(self->returned));
	EXPECT_QUERY(0, "");
}

/* The next user is not affected by it. */
TEST_F(returned, next_user)
{
	ASSERT_EQ(0, disable_pf());
	EXPECT_TRUE(signalled(self->lost));
	ASSERT_EQ(0, host_enable_pf());
	EXPECT_TRUE(signalled(self->returned));
	vfio_close(&self->v);
	EXPECT_TRUE(quiet(self->returned));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_QUERY(0, "");
	/* Only what is shown can be lost. */
	EXPECT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(0, disable_pf());
	EXPECT_TRUE(WAIT_FOR(!strcmp(sample_state(host_vf(), "pasid_state"), "lost"),
			     WAIT_MS));
	EXPECT_TRUE(quiet(self->returned));
	EXPECT_QUERY(VFCAP_QUERY_LOST, DISABLED);
}

/* The structure as it was before it had a cause */
TEST_F(returned, old_structure)
{
	struct vfcap_feature_query q;

	memset(&q, 0xaa, sizeof(q));
	q.cap = VFCAP_CAP_PASID;
	memset(q.reserved, 0, sizeof(q.reserved));
	EXPECT_EQ(0, vfio_feature_told(&self->v,
				       VFIO_DEVICE_FEATURE_GET | VFCAP_FEATURE_QUERY, &q,
				       offsetof(struct vfcap_feature_query, cause),
				       offsetof(struct vfcap_feature_query, cause)));
	EXPECT_EQ(PF_PASID, q.offset);
	EXPECT_EQ(0xaa, q.cause[0]);
}

TEST_HARNESS_MAIN
