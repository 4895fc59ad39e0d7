// SPDX-License-Identifier: GPL-2.0
/*
 * What the guard makes of a PF's registers, and how often it reads them: not at all while
 * they mean nothing, and rarely in a device that is dead.
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
#define PASID_CTRL	(PF_PASID + PCI_PASID_CTRL)
#define PRI_ALLOCATION	(PF_PRI + PCI_PRI_ALLOC_REQ)
#define GUARD_MS	1000
/* Enough for three or four looks of the guard */
#define LOOKS_US	1000000
#define LOOKS		4
/* Reads per look at a device that answers with all-ones: headers, and whether it is there */
#define DEAD_READS	4
/* Reads per look at a PF that is unchanged: two capabilities and its power state */
#define LIVE_READS	8
#define ALIVE		"pf 0 0 0\npf 1c0 1e010013\npf 1e0 0001001b\n"		\
			"pf 1e4 00071406 ffffffff 00070000\n"

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
	/* The sample driver answers page requests, so that PRI is shown, too. */
	ASSERT_EQ(0, sample_prepare(SAMPLE, VFS, true));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf()));
	ASSERT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(PF_PRI, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PRI));
}

FIXTURE_TEARDOWN(watch)
{
	host_access(host_pf(), "normal");
	vfio_close(&self->v);
	vfio_close(&self->other);
	EXPECT_EQ(0, host_layout(ALIVE));
}

static bool in_state(const char *cap, const char *state)
{
	return !strcmp(sample_state(host_vf(), cap), state);
}

static int allot(uint32_t number)
{
	return host_config_write(host_pf(), PRI_ALLOCATION, 4, number);
}

/* How often the PF was read while the guard looked for about a second */
static long reads(struct __test_metadata *_metadata, long *vf)
{
	long pf = -1;

	EXPECT_EQ(0, host_reads_clear());
	usleep(LOOKS_US);
	EXPECT_EQ(0, host_reads(&pf, vf));
	TH_LOG("read: PF %ld, VFs %ld times", pf, *vf);
	return pf;
}

/* The allocation is a number: a greater one may have other bits set, not just more. */
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

	/* A VF that is opened then gets a share of what the others share. */
	ASSERT_EQ(0, allot(3 * PF_PRI_ALLOCATION));
	ASSERT_EQ(0, vfio_open_cdev(&self->other, host_vf2()));
	ASSERT_EQ(PF_PRI, vfio_find_ecap(&self->other, PCI_EXT_CAP_ID_PRI));
	EXPECT_EQ(PF_PRI_ALLOCATION / VFS,
		  vfio_get(&self->other, PF_PRI + PCI_PRI_MAX_REQ, 4));
	ASSERT_EQ(0, allot(PF_PRI_ALLOCATION));
	usleep(LOOKS_US / 2);
	EXPECT_TRUE(in_state("pri_state", "shown"));
}

/*
 * A smaller allocation is a loss, whichever bits it has set; a reset of the VF ends it
 * once the allocation is sufficient.
 */
TEST_F(watch, allotment_shrinks)
{
	static const uint32_t less[] = { PF_PRI_ALLOCATION - 1, 1, 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(less); i++) {
		ASSERT_EQ(0, allot(less[i]));
		EXPECT_TRUE(WAIT_FOR(in_state("pri_state", "lost"), host_promised(GUARD_MS)));
		EXPECT_TRUE(in_state("pasid_state", "shown"));
		EXPECT_EQ(0, vfio_reset(&self->v));
		EXPECT_TRUE(in_state("pri_state", "lost"));
		ASSERT_EQ(0, allot(i & 1 ? PF_PRI_ALLOCATION :
					   PF_PRI_ALLOCATION * 2));
		EXPECT_EQ(0, vfio_reset(&self->v));
		EXPECT_TRUE(in_state("pri_state", "shown"));
	}
}

/* The list of its capabilities is walked by the kernel, once. */
TEST_F(watch, reads_of_a_live_pf)
{
	long vf;

	EXPECT_GE(LOOKS * LIVE_READS, reads(_metadata, &vf));
	EXPECT_TRUE(in_state("pasid_state", "shown"));
}

TEST_F(watch, reads_of_a_dead_pf)
{
	long vf;

	ASSERT_EQ(0, host_layout("pf 0 ffffffff\npf 1c0 ffffffff\npf 1e0 ffffffff\n"
				 "pf 1e4 ffffffff"));
	EXPECT_TRUE(WAIT_FOR(in_state("pasid_state", "lost"), host_promised(GUARD_MS)));
	EXPECT_EQ(1, host_log_count(host_vf(), "lost: its PF does not answer"));
	EXPECT_GE(LOOKS * DEAD_READS, reads(_metadata, &vf));
	/* Its VFs are not read either. */
	EXPECT_EQ(0, vf);
}

/* The kernel knows that the PF is gone, and does not access it any more. */
TEST_F(watch, reads_of_a_disconnected_pf)
{
	long vf;

	ASSERT_EQ(0, host_access(host_pf(), "failed"));
	EXPECT_TRUE(WAIT_FOR(in_state("pasid_state", "lost"), host_promised(GUARD_MS)));
	EXPECT_EQ(1, host_log_count(host_vf(), "lost: its PF does not answer"));
	EXPECT_EQ(0, reads(_metadata, &vf));
	EXPECT_EQ(0, vf);
}

FIXTURE(busy) {
	struct vfio v;
};

FIXTURE_VARIANT(busy) {
	const char *state;
};

FIXTURE_VARIANT_ADD(busy, blocked) { .state = "blocked", };
FIXTURE_VARIANT_ADD(busy, frozen) { .state = "frozen", };

FIXTURE_SETUP(busy)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (access("/dev/iommu", F_OK))
		SKIP(return, "needs a kernel with iommufd");
	ASSERT_EQ(0, sample_prepare(SAMPLE, VFS, true));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf()));
	ASSERT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
}

FIXTURE_TEARDOWN(busy)
{
	host_access(host_pf(), "normal");
	vfio_close(&self->v);
	EXPECT_EQ(0, host_layout(ALIVE));
}

/* While the kernel resets or recovers the PF, its registers must not be read. */
TEST_F(busy, looks_away)
{
	long vf;

	ASSERT_EQ(0, host_access(host_pf(), variant->state));
	ASSERT_EQ(0, host_layout("pf 1e4 ffffffff"));
	EXPECT_EQ(0, reads(_metadata, &vf));
	EXPECT_EQ(0, vf);
	EXPECT_TRUE(in_state("pasid_state", "shown"));

	/* They are as before: nothing happened. */
	ASSERT_EQ(0, host_layout("pf 1e4 00071406 ffffffff 00070000"));
	ASSERT_EQ(0, host_access(host_pf(), "normal"));
	usleep(LOOKS_US / 2);
	EXPECT_TRUE(in_state("pasid_state", "shown"));

	/* They are not, and that is noticed as soon as they may be read. */
	ASSERT_EQ(0, host_access(host_pf(), variant->state));
	ASSERT_EQ(0, host_layout("pf 1e4 00001406 ffffffff 00070000"));
	usleep(LOOKS_US / 2);
	EXPECT_TRUE(in_state("pasid_state", "shown"));
	ASSERT_EQ(0, host_access(host_pf(), "normal"));
	EXPECT_TRUE(WAIT_FOR(in_state("pasid_state", "lost"), host_promised(GUARD_MS)));
}

int main(int argc, char **argv)
{
	host_at_end(sample_give_back);
	return test_harness_run(argc, argv);
}
