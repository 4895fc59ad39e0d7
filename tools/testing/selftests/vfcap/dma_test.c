// SPDX-License-Identifier: GPL-2.0
/*
 * PASID Enable by its effect: DMA with a PASID lands in the memory that is attached to
 * this PASID of this VF while Enable is 1, and nowhere else, and nothing lands once it
 * is taken away, whatever took it. DMA without a PASID goes on all the while.
 *
 * It is done by the agent in the VM's QEMU, in the name of the VF.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/dma.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define PASID	5
#define OTHER	6
#define UNUSED	7

/* The same address in all address spaces, so that only these tell who is who */
#define ADDRESS	0x100000
#define PAGE	4096

/* Where the fixture's layout "igb" has AF and Power Management in VFs */
#define AF	0xe0
#define PM	0xec

/* What the documentation promises: a reset from outside, and a loss without an event */
#define OUTSIDE_RESET_MS	100
#define GUARD_MS		1000

/* What emulation on a busy machine adds to that, at most */
#define SLACK_MS		2000

/* The memory of a VF, each a page of its own: without a PASID, PASID, OTHER */
enum { RID, FIRST, SECOND, SPACES };

static const uint32_t pasids[SPACES] = { DMA_RID, PASID, OTHER };

/* A VF that is open, with all of this attached */
struct session {
	struct vfio v;
	unsigned int ctrl;
	uint32_t *memory[SPACES];
};

/* Shared with a child that has the session in this one's place */
static int session_init(struct session *s)
{
	unsigned int i;
	void *memory;

	vfio_init(&s->v);
	for (i = 0; i < SPACES; i++) {
		memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			return -errno;
		s->memory[i] = memory;
	}
	return 0;
}

/* Its page table, which is attached or not */
static int add_space(struct session *s, unsigned int i, bool attach)
{
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (uintptr_t)s->memory[i],
		.length = PAGE,
		.iova = ADDRESS,
	};
	uint32_t hwpt;
	int ret;

	ret = iommufd_ioas(&s->v, &map.ioas_id);
	if (!ret && ioctl(s->v.parent, IOMMU_IOAS_MAP, &map))
		ret = -errno;
	if (!ret)
		ret = iommufd_hwpt(&s->v, map.ioas_id, true, &hwpt);
	if (!ret && attach)
		ret = iommufd_attach(&s->v, hwpt, i == RID ? 0 : pasids[i]);
	return ret;
}

/* With all PASIDs attached, or with none */
static int session_open(struct session *s, const char *vf, bool attach)
{
	unsigned int i;
	int ret;

	ret = vfio_open_cdev(&s->v, vf);
	for (i = 0; !ret && i < SPACES; i++)
		ret = add_space(s, i, attach || i == RID);
	if (ret)
		return ret;
	s->ctrl = vfio_find_ecap(&s->v, PCI_EXT_CAP_ID_PASID) + PCI_PASID_CTRL;
	return s->ctrl == PCI_PASID_CTRL ? -ENOENT : 0;
}

static int enable(struct session *s, bool on)
{
	return vfio_set(&s->v, s->ctrl, 2, on ? PCI_PASID_CTRL_ENABLE : 0);
}

static uint32_t next_value(void)
{
	static uint32_t value = 0x5afe0000;

	return ++value;
}

/* Whether a write lands where it should, and nowhere else of what these VFs have */
static bool lands(struct session *all, unsigned int nr, unsigned int vf, unsigned int space)
{
	const char *name = vf ? host_vf2() : host_vf();
	uint32_t value = next_value(), back = 0;
	unsigned int i, j;

	if (dma_write(name, pasids[space], ADDRESS, value) ||
	    dma_read(name, pasids[space], ADDRESS, &back) || back != value)
		return false;
	for (i = 0; i < nr; i++)
		for (j = 0; j < SPACES; j++)
			if ((__atomic_load_n(all[i].memory[j], __ATOMIC_ACQUIRE) == value) !=
			    (i == vf && j == space))
				return false;
	return true;
}

/* Whether the IOMMU refuses a PASID, reads included */
static bool refused(const char *vf, uint32_t pasid)
{
	uint32_t value;

	return dma_write(vf, pasid, ADDRESS, next_value()) == -EFAULT &&
	       dma_read(vf, pasid, ADDRESS, &value) == -EFAULT;
}

FIXTURE(dma) {
	struct session vfs[2];
};

FIXTURE_SETUP(dma)
{
	unsigned int i;

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	host_at_end(sample_give_back);
	ASSERT_EQ(0, sample_prepare("igb", 2, false));
	ASSERT_EQ(0, dma_open());
	/* What the IOMMU refuses is what this is about. */
	host_log_expect("DMAR: .*[fF]ault");
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, session_init(&self->vfs[i]));
	ASSERT_EQ(0, session_open(&self->vfs[0], host_vf(), true));
}

FIXTURE_TEARDOWN(dma)
{
	vfio_close(&self->vfs[0].v);
	vfio_close(&self->vfs[1].v);
	dma_close();
}

#define EXPECT_LANDS(vf, space)	EXPECT_TRUE(lands(self->vfs, 2, vf, space))
#define EXPECT_REFUSED(vf, pasid)	EXPECT_TRUE(refused(vf, pasid))

/* Of the first VF: both PASIDs, or none; without a PASID it always does. */
#define EXPECT_ON() do {						\
	EXPECT_LANDS(0, RID);						\
	EXPECT_LANDS(0, FIRST);						\
	EXPECT_LANDS(0, SECOND);					\
	EXPECT_REFUSED(host_vf(), UNUSED);				\
} while (0)

#define EXPECT_OFF() do {						\
	EXPECT_REFUSED(host_vf(), PASID);				\
	EXPECT_REFUSED(host_vf(), OTHER);				\
	EXPECT_LANDS(0, RID);						\
} while (0)

#define ENABLE(vf, on)	ASSERT_EQ(0, enable(&self->vfs[vf], on))

TEST_F(dma, follows_enable)
{
	EXPECT_OFF();
	ENABLE(0, true);
	EXPECT_ON();
	ENABLE(0, false);
	EXPECT_OFF();
	ENABLE(0, true);
	EXPECT_ON();
}

TEST_F(dma, other_vf)
{
	ENABLE(0, true);
	/* It has the same PASID attached, and has not enabled it. */
	ASSERT_EQ(0, session_open(&self->vfs[1], host_vf2(), true));
	EXPECT_ON();
	EXPECT_REFUSED(host_vf2(), PASID);
	EXPECT_LANDS(1, RID);

	ENABLE(1, true);
	EXPECT_LANDS(1, FIRST);
	EXPECT_ON();
	ASSERT_EQ(0, iommufd_detach(&self->vfs[1].v, OTHER));
	EXPECT_REFUSED(host_vf2(), OTHER);
	EXPECT_ON();

	ENABLE(0, false);
	EXPECT_OFF();
	EXPECT_LANDS(1, FIRST);
}

static int guest_flr(struct vfio *v)
{
	unsigned int devctl = vfio_find_cap(v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	return vfio_set(v, devctl, 2, vfio_get(v, devctl, 2) | PCI_EXP_DEVCTL_BCR_FLR);
}

static int guest_af_flr(struct vfio *v)
{
	return vfio_set(v, AF + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR);
}

static int guest_d3hot(struct vfio *v)
{
	return vfio_set(v, PM + PCI_PM_CTRL, 2, 3) ?: vfio_set(v, PM + PCI_PM_CTRL, 2, 0);
}

static int outside_reset(struct vfio *v)
{
	return host_writef("1", "devices/%s/reset", host_vf());
}

static const struct {
	const char *name;
	int (*reset)(struct vfio *v);
	long ms;
} resets[] = {
	{ "VFIO_DEVICE_RESET", vfio_reset },
	{ "FLR", guest_flr },
	{ "AF", guest_af_flr },
	{ "D3hot", guest_d3hot },
	{ "sysfs", outside_reset, OUTSIDE_RESET_MS + SLACK_MS },
};

TEST_F(dma, resets)
{
	unsigned int i;
	long begin;

	for (i = 0; i < ARRAY_SIZE(resets); i++) {
		TH_LOG("%s", resets[i].name);
		ENABLE(0, true);
		EXPECT_ON();
		ASSERT_EQ(0, resets[i].reset(&self->vfs[0].v));
		begin = now_ms();
		if (resets[i].ms) {
			EXPECT_TRUE(WAIT_FOR(refused(host_vf(), PASID), resets[i].ms));
			TH_LOG("refused after %ld ms", now_ms() - begin);
		}
		EXPECT_OFF();
	}
}

TEST_F(dma, loss)
{
	long begin;

	ENABLE(0, true);
	EXPECT_ON();
	ASSERT_EQ(0, host_config_write(host_pf(), PF_PASID + PCI_PASID_CTRL, 2, 0));
	begin = now_ms();
	EXPECT_TRUE(WAIT_FOR(refused(host_vf(), PASID), GUARD_MS + SLACK_MS));
	TH_LOG("refused after %ld ms", now_ms() - begin);
	EXPECT_OFF();
	ENABLE(0, true);
	EXPECT_OFF();

	ASSERT_EQ(0, host_enable_pf());
	ENABLE(0, true);
	EXPECT_OFF();
	ASSERT_EQ(0, vfio_reset(&self->vfs[0].v));
	ENABLE(0, true);
	EXPECT_ON();
}

TEST_F(dma, pf_unbound)
{
	int status;
	pid_t child;

	ENABLE(0, true);
	EXPECT_ON();
	host_expect_pf_unbind();
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		/* The VF is its parent's. */
		vfio_close(&self->vfs[0].v);
		_exit(host_unbind(host_pf()) ? 1 : 0);
	}
	/* It waits for the VF to be closed, which goes on without PASIDs. */
	EXPECT_TRUE(WAIT_FOR(refused(host_vf(), PASID), GUARD_MS + SLACK_MS));
	EXPECT_OFF();
	vfio_close(&self->vfs[0].v);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(dma, closed)
{
	ENABLE(0, true);
	EXPECT_ON();
	vfio_close(&self->vfs[0].v);
	EXPECT_REFUSED(host_vf(), PASID);
	EXPECT_REFUSED(host_vf(), DMA_RID);

	/* The next user begins with nothing, though iommufd uses the same IDs again. */
	ASSERT_EQ(0, session_open(&self->vfs[0], host_vf(), false));
	EXPECT_OFF();
	ENABLE(0, true);
	EXPECT_OFF();
}

TEST_F(dma, killed)
{
	struct session *s = &self->vfs[0];
	int ready[2];
	pid_t child;
	char c;

	vfio_close(&s->v);
	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		dma_close();
		if (!session_open(s, host_vf(), true) && !enable(s, true))
			(void)!write(ready[1], "r", 1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_ON();

	ASSERT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_REFUSED(host_vf(), PASID);
	EXPECT_REFUSED(host_vf(), DMA_RID);
	close(ready[0]);
}

TEST_HARNESS_MAIN
