// SPDX-License-Identifier: GPL-2.0
/*
 * PASID Enable, judged by its effect. DMA with a PASID reaches the memory attached to
 * this PASID of this VF while Enable is 1, and nothing else; and it reaches nothing once
 * Enable is taken away, by whatever means. DMA without a PASID continues all the time.
 * And page requests of a VF, which no kernel lets the VF's user answer so far, are
 * refused one by one.
 *
 * All DMA is done by the agent in the VM's QEMU, on behalf of the VF. With whole
 * functions in place of VFs the same holds, except for what depends on a PF.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/dma.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define PASID	5
#define OTHER	6
#define UNUSED	7

/* The same address in all address spaces, so that only the address spaces differ */
#define ADDRESS	0x100000
#define PAGE	4096

/* Where the fixture's layout "igb" has AF and Power Management in VFs */
#define AF	0xe0
#define PM	0xec

/* What the documentation promises: a reset from outside, and a loss without an event */
#define OUTSIDE_RESET_MS	100
#define GUARD_MS		1000

/* The most that emulation on a busy machine adds to that */
#define SLACK_MS		2000

/* The memory of a VF, one page each: without a PASID, PASID, OTHER */
enum { RID, FIRST, SECOND, SPACES };

static const uint32_t pasids[SPACES] = { DMA_RID, PASID, OTHER };

/* An open VF, with all of this attached */
struct session {
	struct vfio v;
	unsigned int ctrl;
	uint32_t hwpt[SPACES];
	uint32_t *memory[SPACES];
};

/* The memory is shared with a child that may have the session instead of this process. */
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

static int attach_space(struct session *s, unsigned int i)
{
	return iommufd_attach(&s->v, s->hwpt[i], i == RID ? 0 : pasids[i]);
}

/* Make the page table of a space, and attach it or not */
static int add_space(struct session *s, unsigned int i, bool attach)
{
	int ret;

	ret = iommufd_space(&s->v, s->memory[i], PAGE, ADDRESS, &s->hwpt[i]);
	return ret || !attach ? ret : attach_space(s, i);
}

/* With all PASIDs attached, or none */
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

/* Whether a write reaches the right place, and no other memory of these VFs */
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

/* Whether the IOMMU refuses a PASID, for reads as well */
static bool refused(const char *vf, uint32_t pasid)
{
	uint32_t value;

	return dma_write(vf, pasid, ADDRESS, next_value()) == -EFAULT &&
	       dma_read(vf, pasid, ADDRESS, &value) == -EFAULT;
}

static int prepare(void)
{
	if (!host_has_functions())
		return sample_prepare("igb", 2, false);
	return host_layout_default() ?: host_rebind(host_vf(), OURS) ?:
	       host_rebind(host_vf2(), OURS);
}

FIXTURE(dma) {
	struct session vfs[2];
};

FIXTURE_SETUP(dma)
{
	unsigned int i;

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, prepare());
	ASSERT_EQ(0, dma_open());
	/* The IOMMU is meant to refuse accesses here. */
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

/* For the first VF: both PASIDs work, or neither does; DMA without a PASID always works. */
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
	/* The second VF has the same PASID attached, but has not enabled it. */
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

	if (host_has_functions())
		SKIP(return, NO_PF);
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
	int status, begun[2];
	pid_t child;
	char byte;

	if (host_has_functions())
		SKIP(return, NO_PF);
	ENABLE(0, true);
	EXPECT_ON();
	host_expect_pf_unbind();
	ASSERT_EQ(0, pipe(begun));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		/* The VF belongs to the parent. */
		vfio_close(&self->vfs[0].v);
		close(begun[1]);
		_exit(host_unbind(host_pf()) ? 1 : 0);
	}
	/* On a busy machine the child may take long to get there. */
	close(begun[1]);
	EXPECT_EQ(0, read(begun[0], &byte, 1));
	close(begun[0]);
	/* The unbind waits for the VF to be closed, which continues without PASIDs. */
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

	/*
	 * The next user starts with nothing attached, though iommufd uses the same IDs
	 * again.
	 */
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

/* A VM moves to another VF: its VMM gives the twin the register state of this VF. */
TEST_F(dma, twin)
{
	struct vfcap_feature_state state;
	struct session *twin = &self->vfs[1];

	ENABLE(0, true);
	EXPECT_ON();
	ASSERT_EQ(0, vfcap_get_state(&self->vfs[0].v, &state));
	/* The first VF stays open, so that a write to the wrong place is noticed. */
	ASSERT_EQ(0, session_open(twin, host_vf2(), false));
	EXPECT_REFUSED(host_vf2(), PASID);
	ASSERT_EQ(0, vfcap_set_state(&twin->v, &state));

	/* Enable is set, but nothing that was attached to the other VF has come along. */
	EXPECT_EQ(PCI_PASID_CTRL_ENABLE, vfio_get(&twin->v, twin->ctrl, 2));
	EXPECT_REFUSED(host_vf2(), PASID);
	EXPECT_REFUSED(host_vf2(), OTHER);
	ASSERT_EQ(0, attach_space(twin, FIRST));
	EXPECT_LANDS(1, FIRST);
	EXPECT_REFUSED(host_vf2(), OTHER);
	ASSERT_EQ(0, attach_space(twin, SECOND));
	EXPECT_LANDS(1, SECOND);
	EXPECT_ON();

	vfio_close(&self->vfs[0].v);
	EXPECT_REFUSED(host_vf(), PASID);
	EXPECT_LANDS(1, FIRST);
	EXPECT_LANDS(1, SECOND);
	EXPECT_LANDS(1, RID);
}

/* In the order given in the guide for VMMs: attach first, then restore. */
TEST_F(dma, twin_attached_first)
{
	struct vfcap_feature_state on, off;
	struct session *twin = &self->vfs[1];

	ASSERT_EQ(0, vfcap_get_state(&self->vfs[0].v, &off));
	ENABLE(0, true);
	ASSERT_EQ(0, vfcap_get_state(&self->vfs[0].v, &on));
	ASSERT_EQ(0, session_open(twin, host_vf2(), true));
	EXPECT_REFUSED(host_vf2(), PASID);
	ASSERT_EQ(0, vfcap_set_state(&twin->v, &on));
	EXPECT_LANDS(1, FIRST);
	EXPECT_LANDS(1, SECOND);
	ASSERT_EQ(0, vfcap_set_state(&twin->v, &off));
	EXPECT_REFUSED(host_vf2(), PASID);
	EXPECT_REFUSED(host_vf2(), OTHER);
	EXPECT_LANDS(1, RID);
	EXPECT_ON();
}

/*
 * Page requests need ATS, and an IOMMU to which the kernel gave a queue for them. PRI is
 * shown although nobody has declared that page requests are answered.
 */
FIXTURE(page_requests) {
	struct session vfs[2];
	unsigned int ctrl;
	uint32_t pf;
};

/* The PF's Control and Status, which do not change whatever its VF requests */
static uint32_t pf_pri(void)
{
	return host_config_read(host_pf(), PF_PRI + PCI_PRI_CTRL, 4);
}

FIXTURE_SETUP(page_requests)
{
	unsigned int i;

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	if (host_has_functions())
		SKIP(return, NO_PF);
	ASSERT_EQ(0, sample_prepare("igb", 2, true));
	ASSERT_EQ(0, host_param("pri", "on"));
	ASSERT_EQ(0, dma_open());
	host_log_expect("DMAR: .*[fF]ault");
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, session_init(&self->vfs[i]));
		ASSERT_EQ(0, session_open(&self->vfs[i], i ? host_vf2() : host_vf(), true));
	}
	self->ctrl = vfio_find_ecap(&self->vfs[0].v, PCI_EXT_CAP_ID_PRI) + PCI_PRI_CTRL;
	ASSERT_NE(PCI_PRI_CTRL, self->ctrl);
	self->pf = pf_pri();
}

FIXTURE_TEARDOWN(page_requests)
{
	EXPECT_EQ(self->pf, pf_pri());
	vfio_close(&self->vfs[0].v);
	vfio_close(&self->vfs[1].v);
	dma_close();
}

/* Request a page that is not there; each group has a number of its own. */
static int request(const char *vf, unsigned int group, unsigned int flags)
{
	return dma_request_page(vf, PASID, ADDRESS + PAGE, group,
				DMA_READ | DMA_WRITE | flags);
}

#define ANSWER_MS	10000
#define SILENCE_MS	300

/*
 * The next response to a group, or -EAGAIN. Linux answers every request of a group, where
 * only one response is due: so those before the last may be answered as well.
 */
static int response(const char *vf, unsigned int group, unsigned int *code, long ms)
{
	struct dma_response r;
	int ret;

	do
		ret = dma_response(vf, PASID, &r, ms);
	while (!ret && r.group != group);
	*code = r.code;
	return ret;
}

/* A group of two requests is answered with Invalid Request, and with nothing else. */
static bool is_invalid(const char *vf, unsigned int group)
{
	unsigned int answers, code;

	if (request(vf, group, 0) || request(vf, group, DMA_LAST))
		return false;
	for (answers = 0; !response(vf, group, &code, answers ? SILENCE_MS : ANSWER_MS);
	     answers++)
		if (code != DMA_INVALID)
			return false;
	return answers == 1 || answers == 2;
}

/* The IOMMU accepts no request at all. */
static bool is_deaf(const char *vf, unsigned int group)
{
	unsigned int code;

	return request(vf, group, DMA_LAST) == -EFAULT &&
	       response(vf, group, &code, SILENCE_MS) == -EAGAIN;
}

static int write_absent(const char *vf)
{
	return dma_write(vf, PASID, ADDRESS + PAGE, next_value());
}

static int enable_pri(struct session *s, unsigned int ctrl, bool on)
{
	return vfio_set(&s->v, ctrl, 2, on ? PCI_PRI_CTRL_ENABLE : 0);
}

/* PRI Enable changes what a guest reads from it, and nothing else. */
TEST_F(page_requests, no_user_answers)
{
	struct session *s = &self->vfs[0];
	unsigned int group = 0x20;
	int on;

	ENABLE(0, true);
	for (on = 0; on <= 1; on++) {
		TH_LOG("PRI Enable %d", on);
		ASSERT_EQ(0, enable_pri(s, self->ctrl, on));
		EXPECT_EQ(on, vfio_get(&s->v, self->ctrl, 2));
		EXPECT_TRUE(is_invalid(host_vf(), ++group));
		EXPECT_EQ(-EFAULT, write_absent(host_vf()));
		EXPECT_LANDS(0, FIRST);
		/* A failed request concerns only the VF. */
		EXPECT_EQ(0, vfio_get(&s->v, self->ctrl + 2, 2) & PCI_PRI_STATUS_RF);
	}
}

TEST_F(page_requests, follow_pasid_enable)
{
	struct session *s = &self->vfs[0];

	ASSERT_EQ(0, enable_pri(s, self->ctrl, true));
	EXPECT_TRUE(is_deaf(host_vf(), 0x31));
	ENABLE(0, true);
	EXPECT_TRUE(is_invalid(host_vf(), 0x32));
	/* The other VF has the same PASID, which is not enabled there. */
	EXPECT_TRUE(is_deaf(host_vf2(), 0x32));
	ENABLE(1, true);
	EXPECT_TRUE(is_invalid(host_vf2(), 0x32));
	ENABLE(0, false);
	EXPECT_TRUE(is_deaf(host_vf(), 0x33));
	EXPECT_TRUE(is_invalid(host_vf2(), 0x33));

	ENABLE(0, true);
	ASSERT_EQ(0, vfio_reset(&s->v));
	EXPECT_TRUE(is_deaf(host_vf(), 0x34));
	vfio_close(&s->v);
	EXPECT_TRUE(is_deaf(host_vf(), 0x35));
	EXPECT_TRUE(is_invalid(host_vf2(), 0x36));
}

int main(int argc, char **argv)
{
	if (!host_has_functions())
		host_at_end(sample_give_back);
	return test_harness_run(argc, argv);
}
