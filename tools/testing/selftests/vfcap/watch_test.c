// SPDX-License-Identifier: GPL-2.0
/*
 * What the guard makes of a PF's registers
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define VFS		2
#define PRI_ALLOCATION	(PF_PRI + PCI_PRI_ALLOC_REQ)
#define GUARD_MS	1000
/* Three or four looks of the guard */
#define LOOKS_US	1000000

FIXTURE(watch) {
	struct vfio v, other;
};

FIXTURE_SETUP(watch)
{
	vfio_init(&self->v);
	vfio_init(&self->other);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (access("/dev/iommu", F_OK))
		SKIP(return, "needs a kernel with iommufd");
	/* The sample answers page requests, so that PRI is shown too. */
	ASSERT_EQ(0, sample_prepare(SAMPLE, VFS, true));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf()));
	ASSERT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(PF_PRI, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PRI));
}

FIXTURE_TEARDOWN(watch)
{
	vfio_close(&self->v);
	vfio_close(&self->other);
}

static bool in_state(const char *cap, const char *state)
{
	return !strcmp(sample_state(host_vf(), cap), state);
}

static int allot(uint32_t number)
{
	return host_config_write(host_pf(), PRI_ALLOCATION, 4, number);
}

/* It is a number: more of it has other bits set, not more bits. */
TEST_F(watch, allotment_grows)
{
	static const uint32_t more[] = {
		PF_PRI_ALLOCATION + 1, 2 * PF_PRI_ALLOCATION,
		3 * PF_PRI_ALLOCATION, 0x80000000, ~0U, PF_PRI_ALLOCATION,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(more); i++) {
		ASSERT_EQ(0, allot(more[i]));
		usleep(LOOKS_US / 2);
		EXPECT_TRUE(in_state("pri_state", "shown")) {
			TH_LOG("allotted %#x", more[i]);
		}
	}
	EXPECT_EQ(0, host_log_count(host_vf(), "lost"));

	/* A VF that is opened then has a share of what the others have theirs of. */
	ASSERT_EQ(0, allot(3 * PF_PRI_ALLOCATION));
	ASSERT_EQ(0, vfio_open_cdev(&self->other, host_vf2()));
	ASSERT_EQ(PF_PRI, vfio_find_ecap(&self->other, PCI_EXT_CAP_ID_PRI));
	EXPECT_EQ(PF_PRI_ALLOCATION / VFS,
		  vfio_get(&self->other, PF_PRI + PCI_PRI_MAX_REQ, 4));
	ASSERT_EQ(0, allot(PF_PRI_ALLOCATION));
	usleep(LOOKS_US / 2);
	EXPECT_TRUE(in_state("pri_state", "shown"));
}

/* Less of it is a loss, whichever bits it has; the VF's reset finds what is enough. */
TEST_F(watch, allotment_shrinks)
{
	static const uint32_t less[] = { PF_PRI_ALLOCATION - 1, 1, 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(less); i++) {
		ASSERT_EQ(0, allot(less[i]));
		EXPECT_TRUE(WAIT_FOR(in_state("pri_state", "lost"), GUARD_MS));
		EXPECT_TRUE(in_state("pasid_state", "shown"));
		EXPECT_EQ(0, vfio_reset(&self->v));
		EXPECT_TRUE(in_state("pri_state", "lost"));
		ASSERT_EQ(0, allot(i & 1 ? PF_PRI_ALLOCATION :
					   PF_PRI_ALLOCATION * 2));
		EXPECT_EQ(0, vfio_reset(&self->v));
		EXPECT_TRUE(in_state("pri_state", "shown"));
	}
}

int main(int argc, char **argv)
{
	host_at_end(sample_give_back);
	return test_harness_run(argc, argv);
}
