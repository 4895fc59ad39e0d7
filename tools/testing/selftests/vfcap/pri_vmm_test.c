// SPDX-License-Identifier: GPL-2.0
/*
 * Page requests that reach the VMM: a function requests pages through the emulated VT-d,
 * its VMM reads the requests from an iommufd fault queue and answers them, and the
 * guest's PRI registers say what is true. Each group is answered exactly once, whatever
 * guest, VMM and PF do meanwhile, and no VF keeps the PF's credits in use for longer than
 * promised.
 *
 * For whole functions, this works on every kernel. For VFs, it needs the lab's kernels
 * "iopf"; the fixture "undelivered" tests what other kernels do instead.
 *
 * VFCAP_PRI_GROUPS: how many groups the stress test sends (default: 3000).
 * VFCAP_PRI_SEED: the seed of its random numbers; printed.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/dma.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/pager.h"
#include "lib/requester.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define ADDRESS		PAGER_ADDRESS
#define PAGE		PAGER_PAGE
#define ABSENT		(ADDRESS + 16 * PAGE)

/* Flags of a message that are checked; others are the kernel's own. */
#define FLAGS	(IOMMU_PGFAULT_FLAGS_PASID_VALID | IOMMU_PGFAULT_FLAGS_LAST_PAGE)

#define SUCCESS		IOMMUFD_PAGE_RESP_SUCCESS
#define INVALID		IOMMUFD_PAGE_RESP_INVALID

/* What the documentation promises: a loss without an event; parameter pri_drain_ms */
#define GUARD_MS	1000
#define DRAIN_MS	1000
/* Parameter pri_answer_ms, if a test has to wait for it */
#define LIMIT_MS	500
#define LIMIT		"500"
#define LIMIT_DEFAULT	"10000"

/* The most that emulation on a busy machine adds to that */
#define SLACK_MS	3000
/* Whatever arrives has arrived by then. */
#define ANSWER_MS	10000
#define SILENCE_MS	300

#define NEEDS_CORE	"without the kernel's help a whole function's hardware decides"

/* The PF's Control, Status, Capacity and Allocation, which its VFs must not change */
struct pf_pri {
	uint32_t ctrl, capacity, allocation;
};

static struct pf_pri read_pf(void)
{
	return (struct pf_pri){
		.ctrl = host_config_read(host_pf(), PF_PRI + PCI_PRI_CTRL, 4),
		.capacity = host_config_read(host_pf(), PF_PRI + PCI_PRI_MAX_REQ, 4),
		.allocation = host_config_read(host_pf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4),
	};
}

static bool hardware_is_enabled(const char *bdf)
{
	return host_config_read(bdf, PF_PRI + PCI_PRI_CTRL, 2) & PCI_PRI_CTRL_ENABLE;
}

FIXTURE(pri_vmm) {
	struct pager vmm[2];
	struct requester function[2];
	struct pf_pri pf;
	uint32_t *memory;
};

FIXTURE_SETUP(pri_vmm)
{
	unsigned int i;

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	for (i = 0; i < 2; i++)
		pager_init(&self->vmm[i]);
	ASSERT_EQ(0, pager_prepare());
	ASSERT_EQ(0, dma_open());
	/* The IOMMU is meant to refuse some requests. */
	host_log_expect("DMAR: .*[fF]ault");
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, requester_init(&self->function[i],
					    i ? host_vf2() : host_vf()));
	self->memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->memory);
	self->pf = read_pf();
	ASSERT_EQ(0, pager_open(&self->vmm[0], host_vf()));
	ASSERT_EQ(0, pager_set_pri(&self->vmm[0], true));
}

FIXTURE_TEARDOWN(pri_vmm)
{
	struct pf_pri pf;
	unsigned int i;

	for (i = 0; i < 2; i++)
		pager_close(&self->vmm[i]);
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(requester_is_even(&self->function[i], ANSWER_MS));
		EXPECT_TRUE(requester_hears_nothing(&self->function[i], 50));
	}
	/*
	 * Nothing of the VFs reaches the PF; a function's registers are as the kernel
	 * left them.
	 */
	pf = read_pf();
	EXPECT_EQ(self->pf.ctrl, pf.ctrl);
	EXPECT_EQ(self->pf.capacity, pf.capacity);
	EXPECT_EQ(self->pf.allocation, pf.allocation);
	EXPECT_EQ(0, sample_param("pri_answer_ms", LIMIT_DEFAULT));
	EXPECT_EQ(0, host_param("pri", "auto"));
	dma_close();
}

/* The second function, with a VMM of its own */
#define OPEN_SECOND() do {						\
	ASSERT_EQ(0, pager_open(&self->vmm[1], host_vf2()));		\
	ASSERT_EQ(0, pager_set_pri(&self->vmm[1], true));		\
} while (0)

/* Make the function request a page; its VMM reads the request but does not answer. */
static int in_flight(struct _test_data_pri_vmm *self, int i, unsigned int group, uint32_t *cookie)
{
	if (!requester_ask(&self->function[i], ABSENT, group))
		return -EPIPE;
	return pager_take(&self->vmm[i], group, cookie, ANSWER_MS);
}

#define IN_FLIGHT(i, group, cookie)					\
	ASSERT_EQ(0, in_flight(self, i, group, cookie))

#define EXPECT_GETS(i, group, code, ms)					\
	EXPECT_TRUE(requester_gets(&self->function[i], group, code, ms))

/* Everything works as at the start. */
static bool is_delivered(struct _test_data_pri_vmm *self, int i, unsigned int group)
{
	uint32_t cookie = 0;

	return !in_flight(self, i, group, &cookie) &&
	       !pager_answer(&self->vmm[i], cookie, SUCCESS) &&
	       requester_gets(&self->function[i], group, DMA_SUCCESS, ANSWER_MS);
}

#define EXPECT_DELIVERED(i, group)	EXPECT_TRUE(is_delivered(self, i, group))

/*
 * No request reaches the VMM: those of a VF are answered with Invalid Request, and a
 * whole function sends none.
 */
static bool is_gated(struct pager *vmm, struct requester *function, unsigned int group)
{
	struct iommu_hwpt_pgfault m;
	int sent;

	sent = requester_send(function, ABSENT, group, 1, 1) +
	       requester_send(function, ABSENT, group + 1, 1, 2);
	if (host_has_functions() ? sent :
	    sent != 2 || !requester_gets(function, group, DMA_INVALID, ANSWER_MS) ||
	    !requester_gets(function, group + 1, DMA_INVALID, ANSWER_MS))
		return false;
	return pager_read(vmm, &m, 1, SILENCE_MS) == 0;
}

static bool is_gated_by(struct _test_data_pri_vmm *self, int i, unsigned int group)
{
	return is_gated(&self->vmm[i], &self->function[i], group);
}

#define EXPECT_GATED(i, group)	EXPECT_TRUE(is_gated_by(self, i, group))

/* An answer of the VMM that comes too late is refused, or has no effect. */
static bool goes_nowhere(struct pager *vmm, struct requester *function, uint32_t cookie)
{
	int ret = pager_answer(vmm, cookie, SUCCESS);

	return (!ret || ret == -EINVAL) && requester_hears_nothing(function, SILENCE_MS);
}

TEST_F(pri_vmm, delivered)
{
	struct requester *function = &self->function[0];
	struct pager *vmm = &self->vmm[0];
	struct iommu_hwpt_pgfault m[2];

	EXPECT_EQ(-EFAULT, dma_write(host_vf(), REQUESTER_PASID, ADDRESS, 1));
	ASSERT_TRUE(requester_ask(function, ADDRESS, 0x1fe));
	ASSERT_EQ(1, pager_read(vmm, m, 2, ANSWER_MS));
	EXPECT_EQ(vmm->v.devid, m[0].dev_id);
	EXPECT_EQ(REQUESTER_PASID, m[0].pasid);
	EXPECT_EQ(0x1fe, m[0].grpid);
	EXPECT_EQ(ADDRESS, m[0].addr);
	EXPECT_EQ(IOMMU_PGFAULT_PERM_READ | IOMMU_PGFAULT_PERM_WRITE, m[0].perm);
	EXPECT_EQ(FLAGS, m[0].flags & FLAGS);
	EXPECT_TRUE(requester_hears_nothing(function, SILENCE_MS));

	ASSERT_EQ(0, pager_map(vmm, self->memory, ADDRESS));
	ASSERT_EQ(0, pager_answer(vmm, m[0].cookie, SUCCESS));
	EXPECT_GETS(0, 0x1fe, DMA_SUCCESS, ANSWER_MS);
	EXPECT_EQ(0, dma_write(host_vf(), REQUESTER_PASID, ADDRESS, 0xc0ffee));
	EXPECT_EQ(0xc0ffee, __atomic_load_n(self->memory, __ATOMIC_ACQUIRE));

	/* The other possible answer */
	IN_FLIGHT(0, 0x1ff, &m[0].cookie);
	ASSERT_EQ(0, pager_answer(vmm, m[0].cookie, INVALID));
	EXPECT_GETS(0, 0x1ff, DMA_INVALID, ANSWER_MS);
}

/* A request for only read, or only write permission is delivered as such. */
TEST_F(pri_vmm, permissions)
{
	static const unsigned int perms[] = { DMA_READ, DMA_WRITE, DMA_READ | DMA_WRITE };
	struct iommu_hwpt_pgfault m;
	struct dma_response r;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(perms); i++) {
		ASSERT_EQ(0, dma_request_page(host_vf(), REQUESTER_PASID, ABSENT, i,
					      perms[i] | DMA_LAST));
		ASSERT_EQ(1, pager_read(&self->vmm[0], &m, 1, ANSWER_MS));
		EXPECT_EQ(perms[i], m.perm);
		EXPECT_EQ(0, pager_answer(&self->vmm[0], m.cookie, SUCCESS));
		EXPECT_EQ(0, dma_response(host_vf(), REQUESTER_PASID, &r, ANSWER_MS));
		EXPECT_EQ(i, r.group);
		EXPECT_EQ(DMA_SUCCESS, r.code);
	}
}

/* A group is delivered as a whole, in order, and gets one answer. */
TEST_F(pri_vmm, groups)
{
	static const unsigned int pages[] = { 1, 2, 7, 32, 64 };
	struct requester *function = &self->function[0];
	struct pager *vmm = &self->vmm[0];
	struct iommu_hwpt_pgfault m[65];
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		ASSERT_EQ(1, requester_send(function, ABSENT, 0x40 + i, 1, pages[i]));
		ASSERT_TRUE(WAIT_FOR(pager_read(vmm, m, pages[i] - 1, 0) == -EINVAL ||
				     pages[i] == 1, ANSWER_MS));
		ASSERT_EQ(pages[i], pager_read(vmm, m, 65, ANSWER_MS));
		for (j = 0; j < pages[i]; j++) {
			ASSERT_EQ(0x40 + i, m[j].grpid);
			ASSERT_EQ(ABSENT + j * PAGE, m[j].addr);
			ASSERT_EQ(m[0].cookie, m[j].cookie);
			ASSERT_EQ(j + 1 == pages[i],
				  !!(m[j].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE));
		}
		ASSERT_EQ(0, pager_answer(vmm, m[0].cookie, i % 2 ? INVALID : SUCCESS));
		EXPECT_GETS(0, 0x40 + i, i % 2 ? DMA_INVALID : DMA_SUCCESS, ANSWER_MS);
	}
	EXPECT_TRUE(requester_hears_nothing(function, SILENCE_MS));
}

/* Groups of two functions have the same numbers, but nothing else in common. */
TEST_F(pri_vmm, same_groups)
{
	uint32_t first[4], second[4];
	struct iommu_hwpt_pgfault m;
	unsigned int i;

	OPEN_SECOND();
	for (i = 0; i < 4; i++) {
		IN_FLIGHT(0, 0x10 + i, &first[i]);
		IN_FLIGHT(1, 0x10 + i, &second[i]);
	}
	EXPECT_EQ(0, pager_read(&self->vmm[0], &m, 1, SILENCE_MS));
	EXPECT_EQ(0, pager_read(&self->vmm[1], &m, 1, SILENCE_MS));
	for (i = 4; i--;) {
		EXPECT_EQ(0, pager_answer(&self->vmm[1], second[i], INVALID));
		EXPECT_GETS(1, 0x10 + i, DMA_INVALID, ANSWER_MS);
	}
	EXPECT_TRUE(requester_hears_nothing(&self->function[0], SILENCE_MS));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, pager_answer(&self->vmm[0], first[i], SUCCESS));
		EXPECT_GETS(0, 0x10 + i, DMA_SUCCESS, ANSWER_MS);
	}
}

TEST_F(pri_vmm, wrong_answers)
{
	static const uint32_t never[] = { 0, 1, 0x1000, 0x7fffffff, ~0U };
	struct requester *function = &self->function[0];
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie;
	unsigned int i;

	/* Cookies of requests that were never sent */
	for (i = 0; i < ARRAY_SIZE(never); i++)
		EXPECT_EQ(-EINVAL, pager_answer(vmm, never[i], SUCCESS));
	IN_FLIGHT(0, 0x20, &cookie);
	for (i = 0; i < ARRAY_SIZE(never); i++)
		if (never[i] != cookie)
			EXPECT_EQ(-EINVAL, pager_answer(vmm, never[i], SUCCESS));
	/* There is no other answer; in particular, no Response Failure. */
	EXPECT_EQ(-EINVAL, pager_answer(vmm, cookie, 2));
	EXPECT_EQ(-EINVAL, pager_answer(vmm, cookie, 0xf));
	EXPECT_TRUE(requester_hears_nothing(function, SILENCE_MS));

	/* Answering twice */
	EXPECT_EQ(0, pager_answer(vmm, cookie, SUCCESS));
	EXPECT_EQ(-EINVAL, pager_answer(vmm, cookie, INVALID));
	EXPECT_GETS(0, 0x20, DMA_SUCCESS, ANSWER_MS);
	EXPECT_TRUE(requester_hears_nothing(function, SILENCE_MS));
	EXPECT_EQ(0, pager_pri_status(vmm) & (PCI_PRI_STATUS_RF | PCI_PRI_STATUS_UPRGI));
	EXPECT_DELIVERED(0, 0x20);
}

TEST_F(pri_vmm, follows_enable)
{
	struct pager *vmm = &self->vmm[0];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(PCI_PRI_CTRL_ENABLE, pager_pri_ctrl(vmm));
		EXPECT_FALSE(pager_is_stopped(vmm));
		EXPECT_DELIVERED(0, 0x50);
		ASSERT_EQ(0, pager_set_pri(vmm, false));
		EXPECT_EQ(0, pager_pri_ctrl(vmm));
		EXPECT_TRUE(WAIT_FOR(pager_is_stopped(vmm), SLACK_MS));
		EXPECT_GATED(0, 0x50);
		EXPECT_TRUE(pager_is_stopped(vmm));
		ASSERT_EQ(0, pager_set_pri(vmm, true));
	}
	if (host_has_functions())
		return;
	/* With such an allocation, it may not send any requests. */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pager_set_pri(vmm, false));
		EXPECT_TRUE(WAIT_FOR(pager_is_stopped(vmm), SLACK_MS));
		ASSERT_EQ(0, pager_enable_pri(vmm, i ? vmm->capacity + 1 : 0));
		EXPECT_GATED(0, 0x60);
	}
}

/* Before the first Enable, and in each session */
TEST_F(pri_vmm, starts_disabled)
{
	struct pager *vmm = &self->vmm[0];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		EXPECT_DELIVERED(0, 0x54);
		pager_close(vmm);
		ASSERT_EQ(0, pager_open(vmm, host_vf()));
		EXPECT_EQ(0, pager_pri_ctrl(vmm));
		EXPECT_TRUE(pager_is_stopped(vmm));
		EXPECT_GATED(0, 0x50);
		ASSERT_EQ(0, pager_set_pri(vmm, true));
	}
}

/* Stopped is 0 until everything in flight is answered, and no new request gets through. */
TEST_F(pri_vmm, stops_when_answered)
{
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie;

	IN_FLIGHT(0, 0x10, &cookie);
	if (host_has_functions())
		ASSERT_EQ(0, host_pri_event(host_vf(), "busy"));
	ASSERT_EQ(0, pager_set_pri(vmm, false));
	EXPECT_FALSE(pager_is_stopped(vmm));
	EXPECT_GATED(0, 0x12);
	EXPECT_FALSE(pager_is_stopped(vmm));
	EXPECT_EQ(0, pager_answer(vmm, cookie, SUCCESS));
	EXPECT_GETS(0, 0x10, DMA_SUCCESS, ANSWER_MS);
	if (host_has_functions()) {
		EXPECT_FALSE(pager_is_stopped(vmm));
		ASSERT_EQ(0, host_pri_event(host_vf(), "idle"));
	}
	EXPECT_TRUE(WAIT_FOR(pager_is_stopped(vmm), SLACK_MS));
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_FALSE(pager_is_stopped(vmm));
	EXPECT_DELIVERED(0, 0x10);
}

/* A silent VMM does not keep its guest's driver from stopping. */
TEST_F(pri_vmm, stops_without_an_answer)
{
	struct requester *function = &self->function[0];
	struct pager *vmm = &self->vmm[0];
	uint32_t late[3], cookie;
	unsigned int i;
	long begin;

	if (host_has_functions())
		SKIP(return, NEEDS_CORE);
	for (i = 0; i < 3; i++)
		IN_FLIGHT(0, 0x10 + i, &late[i]);
	begin = now_ms();
	ASSERT_EQ(0, pager_set_pri(vmm, false));
	for (i = 0; i < 3; i++)
		EXPECT_GETS(0, 0x10 + i, DMA_INVALID, DRAIN_MS + SLACK_MS);
	TH_LOG("answered after %ld ms", now_ms() - begin);
	EXPECT_LE(DRAIN_MS / 2, now_ms() - begin);
	EXPECT_TRUE(WAIT_FOR(pager_is_stopped(vmm), SLACK_MS));
	EXPECT_TRUE(goes_nowhere(vmm, function, late[0]));

	/* And a late answer is not taken for the answer to another group with that number. */
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_FALSE(pager_is_stopped(vmm));
	IN_FLIGHT(0, 0x11, &cookie);
	EXPECT_TRUE(goes_nowhere(vmm, function, late[1]));
	EXPECT_EQ(0, pager_answer(vmm, cookie, INVALID));
	EXPECT_GETS(0, 0x11, DMA_INVALID, ANSWER_MS);
	EXPECT_TRUE(goes_nowhere(vmm, function, late[2]));
	EXPECT_STREQ("shown", sample_state(host_vf(), "pri_state"));
}

/* If it is enabled again before it has stopped, that takes effect once it has. */
TEST_F(pri_vmm, enabled_again_while_stopping)
{
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie;

	if (host_has_functions())
		SKIP(return, NEEDS_CORE);
	IN_FLIGHT(0, 0x10, &cookie);
	ASSERT_EQ(0, pager_set_pri(vmm, false));
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_GETS(0, 0x10, DMA_INVALID, DRAIN_MS + SLACK_MS);
	usleep(200000);
	EXPECT_DELIVERED(0, 0x11);
	EXPECT_DELIVERED(0, 0x10);
}

/* Parameters are read when the device is opened, at the latest. */
#define OPEN_WITH_LIMIT() do {						\
	pager_close(&self->vmm[0]);					\
	ASSERT_EQ(0, sample_param("pri_answer_ms", LIMIT));		\
	ASSERT_EQ(0, pager_open(&self->vmm[0], host_vf()));		\
	ASSERT_EQ(0, pager_set_pri(&self->vmm[0], true));		\
} while (0)

TEST_F(pri_vmm, answer_limit)
{
	struct requester *function = &self->function[0];
	struct pager *vmm = &self->vmm[0];
	uint32_t late, unread, cookie;
	long begin, ms;

	if (host_has_functions())
		SKIP(return, NEEDS_CORE);
	OPEN_WITH_LIMIT();
	begin = now_ms();
	IN_FLIGHT(0, 0x10, &late);
	/* And one that the VMM does not even read */
	ASSERT_TRUE(requester_ask(function, ABSENT, 0x11));
	EXPECT_GETS(0, 0x10, DMA_INVALID, LIMIT_MS + SLACK_MS);
	ms = now_ms() - begin;
	EXPECT_GETS(0, 0x11, DMA_INVALID, LIMIT_MS + SLACK_MS);
	TH_LOG("answered after %ld ms", ms);
	EXPECT_LE(LIMIT_MS, ms + 1);
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, pager_pri_ctrl(vmm));
	EXPECT_EQ(0, pager_pri_status(vmm) & PCI_PRI_STATUS_RF);

	/* Too late, and while another group with the same number is in flight */
	if (!pager_take(vmm, 0x11, &unread, SILENCE_MS))
		EXPECT_TRUE(goes_nowhere(vmm, function, unread));
	IN_FLIGHT(0, 0x10, &cookie);
	EXPECT_TRUE(goes_nowhere(vmm, function, late));
	EXPECT_EQ(0, pager_answer(vmm, cookie, SUCCESS));
	EXPECT_GETS(0, 0x10, DMA_SUCCESS, ANSWER_MS);
	EXPECT_DELIVERED(0, 0x11);
}

/* A queue that can no longer be read counts as a silent VMM. */
TEST_F(pri_vmm, queue_closed)
{
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie;

	if (host_has_functions())
		SKIP(return, NEEDS_CORE);
	OPEN_WITH_LIMIT();
	IN_FLIGHT(0, 0x10, &cookie);
	close(vmm->queue);
	vmm->queue = -1;
	ASSERT_TRUE(requester_ask(&self->function[0], ABSENT, 0x11));
	EXPECT_GETS(0, 0x10, DMA_INVALID, LIMIT_MS + SLACK_MS);
	EXPECT_GETS(0, 0x11, DMA_INVALID, LIMIT_MS + SLACK_MS);
}

/*
 * A VF does not hold the credits that all VFs share for longer than the limit, however
 * often its VMM does not answer, and other VFs are served meanwhile.
 */
TEST_F(pri_vmm, credits)
{
	struct requester *silent = &self->function[0], *other = &self->function[1];
	unsigned int round, all = self->vmm[0].capacity, i;
	long begin, longest = 0, ms;
	uint32_t cookie;

	if (host_has_functions())
		SKIP(return, NEEDS_CORE);
	OPEN_WITH_LIMIT();
	OPEN_SECOND();
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(all, requester_send(silent, ABSENT, 0, all, 1));
		for (i = 0; i < 10; i++) {
			begin = now_ms();
			IN_FLIGHT(1, i, &cookie);
			EXPECT_EQ(0, pager_answer(&self->vmm[1], cookie, SUCCESS));
			EXPECT_GETS(1, i, DMA_SUCCESS, ANSWER_MS);
			ms = now_ms() - begin;
			longest = ms > longest ? ms : longest;
		}
		EXPECT_TRUE(requester_is_even(silent, LIMIT_MS + SLACK_MS));
	}
	TH_LOG("%u groups of the silent VMM were answered after at most %ld ms",
	       round * all, silent->longest);
	TH_LOG("those of the other one after at most %ld ms", longest);
	EXPECT_LE(LIMIT_MS, silent->longest);
	EXPECT_GE(LIMIT_MS + SLACK_MS, silent->longest);
	EXPECT_GE(SLACK_MS, longest);
	EXPECT_EQ(0, silent->success);
	EXPECT_EQ(other->responses, other->success);
}

TEST_F(pri_vmm, pasid_disabled)
{
	struct requester *function = &self->function[0];
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie;

	IN_FLIGHT(0, 0x10, &cookie);
	ASSERT_EQ(0, pager_set_pasid(vmm, false));
	EXPECT_GETS(0, 0x10, DMA_INVALID, ANSWER_MS);
	EXPECT_TRUE(goes_nowhere(vmm, function, cookie));
	EXPECT_FALSE(requester_ask(function, ABSENT, 0x11));
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, pager_pri_ctrl(vmm));
	ASSERT_EQ(0, pager_set_pasid(vmm, true));
	EXPECT_DELIVERED(0, 0x12);
}

TEST_F(pri_vmm, detached)
{
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie, ioas, plain;

	IN_FLIGHT(0, 0x10, &cookie);
	ASSERT_EQ(0, iommufd_detach(&vmm->v, REQUESTER_PASID));
	EXPECT_GETS(0, 0x10, DMA_INVALID, ANSWER_MS);
	EXPECT_FALSE(requester_ask(&self->function[0], ABSENT, 0x11));
	ASSERT_EQ(0, iommufd_attach(&vmm->v, vmm->hwpt, REQUESTER_PASID));
	EXPECT_DELIVERED(0, 0x12);

	/* Replace it by a page table without a fault queue, and back */
	IN_FLIGHT(0, 0x13, &cookie);
	ASSERT_EQ(0, iommufd_ioas(&vmm->v, &ioas));
	ASSERT_EQ(0, iommufd_hwpt(&vmm->v, ioas, true, &plain));
	ASSERT_EQ(0, iommufd_attach(&vmm->v, plain, REQUESTER_PASID));
	EXPECT_GETS(0, 0x13, DMA_INVALID, ANSWER_MS);
	ASSERT_TRUE(requester_ask(&self->function[0], ABSENT, 0x14));
	EXPECT_GETS(0, 0x14, DMA_INVALID, ANSWER_MS);
	ASSERT_EQ(0, iommufd_attach(&vmm->v, vmm->hwpt, REQUESTER_PASID));
	EXPECT_DELIVERED(0, 0x15);
}

TEST_F(pri_vmm, pri_reset)
{
	struct requester *function = &self->function[0];
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie;

	/* While Enable is 1, this has no effect (PCIe r6.0, sec 10.5.2.2). */
	IN_FLIGHT(0, 0x10, &cookie);
	ASSERT_EQ(0, vfio_set(&vmm->v, vmm->pri, 2,
			      PCI_PRI_CTRL_ENABLE | PCI_PRI_CTRL_RESET));
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, pager_pri_ctrl(vmm));
	EXPECT_TRUE(requester_hears_nothing(function, SILENCE_MS));
	EXPECT_EQ(0, pager_answer(vmm, cookie, SUCCESS));
	EXPECT_GETS(0, 0x10, DMA_SUCCESS, ANSWER_MS);

	IN_FLIGHT(0, 0x11, &cookie);
	if (host_has_functions())
		ASSERT_EQ(0, host_pri_event(host_vf(), "busy"));
	ASSERT_EQ(0, vfio_set(&vmm->v, vmm->pri, 2, PCI_PRI_CTRL_RESET));
	EXPECT_EQ(0, pager_pri_ctrl(vmm));
	EXPECT_TRUE(WAIT_FOR(pager_is_stopped(vmm), DRAIN_MS / 2));
	if (!host_has_functions()) {
		EXPECT_GETS(0, 0x11, DMA_INVALID, ANSWER_MS);
		EXPECT_TRUE(goes_nowhere(vmm, function, cookie));
	} else {
		EXPECT_EQ(0, pager_answer(vmm, cookie, INVALID));
	}
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_DELIVERED(0, 0x11);
}

static int guest_flr(struct vfio *v)
{
	unsigned int devctl = vfio_find_cap(v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	return vfio_set(v, devctl, 2, vfio_get(v, devctl, 2) | PCI_EXP_DEVCTL_BCR_FLR);
}

static int outside_reset(struct vfio *v)
{
	return host_writef("1", "devices/%s/reset", host_vf());
}

/* @first: even for a whole function, everything is answered before the reset */
static const struct {
	const char *name;
	int (*reset)(struct vfio *v);
	bool first;
} resets[] = {
	{ "VFIO_DEVICE_RESET", vfio_reset, true },
	{ "FLR", guest_flr, true },
	{ "sysfs", outside_reset, false },
};

/* The order in which the kernel acted: its trace of responses and FLRs */
#define TRACING	"/sys/kernel/debug/tracing/"

static int order_begin(void)
{
	/* Opening either file with truncation empties it. */
	return host_run(NULL, 0, "cd " TRACING " && echo > kprobe_events && echo > trace") ?:
	       host_write(TRACING "kprobe_events",
			  "p:vfcap/response intel_iommu_page_response\n"
			  "p:vfcap/flr pcie_reset_flr probe=%si:u8\n") ?:
	       host_write(TRACING "events/vfcap/enable", "1");
}

/* The number of responses before the first FLR, and after it */
static int order_end(unsigned int *before, unsigned int *after)
{
	unsigned int *count = before;
	char line[512];
	FILE *f;

	*before = *after = 0;
	host_write(TRACING "events/vfcap/enable", "0");
	f = fopen(TRACING "trace", "r");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (*line == '#')
			continue;
		if (strstr(line, " response: "))
			(*count)++;
		else if (strstr(line, " flr: ") && strstr(line, "probe=0"))
			count = after;
	}
	fclose(f);
	host_run(NULL, 0, "echo > " TRACING "kprobe_events");
	return count == after ? 0 : -ENOENT;
}

/* After an FLR, a response could be taken for that to another request. */
TEST_F(pri_vmm, resets)
{
	struct requester *function = &self->function[0];
	unsigned int i, j, before, after;
	struct pager *vmm = &self->vmm[0];
	uint32_t cookies[4];

	for (i = 0; i < ARRAY_SIZE(resets); i++) {
		TH_LOG("%s", resets[i].name);
		EXPECT_DELIVERED(0, 0x40);
		for (j = 0; j < 3; j++)
			IN_FLIGHT(0, 0x40 + j, &cookies[j]);
		/* One that the VMM has not read */
		ASSERT_TRUE(requester_ask(function, ABSENT, 0x43));
		ASSERT_EQ(0, order_begin());
		ASSERT_EQ(0, resets[i].reset(&vmm->v));
		for (j = 0; j < 4; j++)
			EXPECT_GETS(0, 0x40 + j, DMA_INVALID, SLACK_MS);
		ASSERT_EQ(0, order_end(&before, &after));
		EXPECT_EQ(4, before + after);
		if (resets[i].first || !host_has_functions())
			EXPECT_EQ(0, after);

		EXPECT_EQ(0, pager_pri_ctrl(vmm));
		EXPECT_TRUE(WAIT_FOR(pager_is_stopped(vmm), SLACK_MS));
		if (host_has_functions())
			EXPECT_FALSE(hardware_is_enabled(host_vf()));
		for (j = 0; j < 3; j++)
			EXPECT_TRUE(goes_nowhere(vmm, function, cookies[j]));
		ASSERT_EQ(0, pager_set_pasid(vmm, true));
		EXPECT_GATED(0, 0x41);
		ASSERT_EQ(0, pager_set_pri(vmm, true));
		while (pager_read(vmm, &(struct iommu_hwpt_pgfault){}, 1, 0) == 1)
			;
	}
	EXPECT_DELIVERED(0, 0x40);
}

TEST_F(pri_vmm, loss)
{
	struct requester *function = &self->function[0];
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie;
	long begin;

	if (host_has_functions())
		SKIP(return, NO_PF);
	IN_FLIGHT(0, 0x10, &cookie);
	begin = now_ms();
	ASSERT_EQ(0, host_config_write(host_pf(), PF_PRI + PCI_PRI_CTRL, 2, 0));
	EXPECT_TRUE(WAIT_FOR(!pager_pri_ctrl(vmm), GUARD_MS + SLACK_MS));
	EXPECT_GETS(0, 0x10, DMA_INVALID, DRAIN_MS + SLACK_MS);
	TH_LOG("answered after %ld ms", now_ms() - begin);
	EXPECT_TRUE(goes_nowhere(vmm, function, cookie));
	EXPECT_GATED(0, 0x11);
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_EQ(0, pager_pri_ctrl(vmm));
	EXPECT_GATED(0, 0x11);

	ASSERT_EQ(0, host_enable_pf());
	EXPECT_GATED(0, 0x11);
	ASSERT_EQ(0, vfio_reset(&vmm->v));
	ASSERT_EQ(0, pager_set_pasid(vmm, true));
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_DELIVERED(0, 0x13);
}

TEST_F(pri_vmm, pf_unbound)
{
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie;
	pid_t child;
	int status;

	if (host_has_functions())
		SKIP(return, NO_PF);
	IN_FLIGHT(0, 0x10, &cookie);
	host_expect_pf_unbind();
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		/* The VF belongs to the parent. */
		pager_close(vmm);
		_exit(host_unbind(host_pf()) ? 1 : 0);
	}
	/* The unbind waits for the VF to be closed, which continues without PRI. */
	EXPECT_TRUE(WAIT_FOR(!pager_pri_ctrl(vmm), GUARD_MS + SLACK_MS));
	EXPECT_GETS(0, 0x10, DMA_INVALID, DRAIN_MS + SLACK_MS);
	EXPECT_TRUE(goes_nowhere(vmm, &self->function[0], cookie));
	pager_close(vmm);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, host_bind(host_pf(), IGB));
	EXPECT_EQ(0, host_writef("\n", "devices/%s/driver_override", host_pf()));
	EXPECT_EQ(0, host_recreate_vfs());
	EXPECT_EQ(0, host_enable_pf());
}

TEST_F(pri_vmm, closed)
{
	struct requester *function = &self->function[0];
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie;

	IN_FLIGHT(0, 0x10, &cookie);
	ASSERT_EQ(4, requester_send(function, ABSENT, 0x11, 4, 3));
	pager_close(vmm);
	EXPECT_TRUE(requester_is_even(function, SLACK_MS));
	EXPECT_EQ(0, function->success);
	EXPECT_FALSE(requester_ask(function, ABSENT, 0x20));

	/* The next user gets none of these requests. */
	ASSERT_EQ(0, pager_open(vmm, host_vf()));
	EXPECT_EQ(0, pager_read(vmm, &(struct iommu_hwpt_pgfault){}, 1, SILENCE_MS));
	EXPECT_EQ(-EINVAL, pager_answer(vmm, cookie, SUCCESS));
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_DELIVERED(0, 0x10);
}

TEST_F(pri_vmm, killed)
{
	struct requester *function = &self->function[0];
	struct pager *vmm = &self->vmm[0];
	int ready[2];
	pid_t child;
	char c;

	pager_close(vmm);
	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		struct iommu_hwpt_pgfault m[8];

		dma_close();
		if (!pager_open(vmm, host_vf()) && !pager_set_pri(vmm, true))
			(void)!write(ready[1], "r", 1);
		/* It reads one request, and is then killed. */
		if (pager_read(vmm, m, 1, ANSWER_MS) == 1)
			(void)!write(ready[1], "r", 1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_TRUE(requester_ask(function, ABSENT, 0x10));
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(3, requester_send(function, ABSENT, 0x11, 3, 2));
	ASSERT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_TRUE(requester_is_even(function, SLACK_MS));
	EXPECT_EQ(0, function->success);
	EXPECT_FALSE(requester_ask(function, ABSENT, 0x20));
	close(ready[0]);

	ASSERT_EQ(0, pager_open(vmm, host_vf()));
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_DELIVERED(0, 0x10);
}

#define FAILURES	(PCI_PRI_STATUS_RF | PCI_PRI_STATUS_UPRGI)

static uint16_t failures(struct pager *vmm)
{
	return pager_pri_status(vmm) & FAILURES;
}

static int clear_failures(struct pager *vmm, uint16_t bits)
{
	return vfio_set(&vmm->v, vmm->pri - PCI_PRI_CTRL + PCI_PRI_STATUS, 2, bits);
}

/* The guest answers Response Failure: its interface is off until it is enabled again. */
TEST_F(pri_vmm, response_failure)
{
	struct pager *vmm = &self->vmm[0];
	uint32_t cookie, other;

	OPEN_SECOND();
	IN_FLIGHT(0, 0x10, &cookie);
	IN_FLIGHT(0, 0x11, &other);
	EXPECT_EQ(0, pager_answer(vmm, cookie, INVALID));
	ASSERT_EQ(0, vfcap_pri_failed(&vmm->v, VFCAP_PRI_FAILURE));
	EXPECT_EQ(PCI_PRI_STATUS_RF, failures(vmm));
	EXPECT_GETS(0, 0x10, DMA_INVALID, ANSWER_MS);
	EXPECT_GATED(0, 0x20);
	/* The other group in flight may already have been answered. */
	pager_answer(vmm, other, INVALID);
	EXPECT_GETS(0, 0x11, DMA_INVALID, DRAIN_MS + SLACK_MS);

	/* The bit can be cleared, which does not enable anything. */
	ASSERT_EQ(0, clear_failures(vmm, PCI_PRI_STATUS_UPRGI));
	EXPECT_EQ(PCI_PRI_STATUS_RF, failures(vmm));
	ASSERT_EQ(0, clear_failures(vmm, PCI_PRI_STATUS_RF));
	EXPECT_EQ(0, failures(vmm));
	EXPECT_GATED(0, 0x22);
	ASSERT_EQ(0, vfio_set(&vmm->v, vmm->pri, 2, PCI_PRI_CTRL_ENABLE));
	EXPECT_GATED(0, 0x24);
	EXPECT_DELIVERED(1, 0x10);

	ASSERT_EQ(0, pager_set_pri(vmm, false));
	EXPECT_TRUE(WAIT_FOR(pager_is_stopped(vmm), DRAIN_MS + SLACK_MS));
	EXPECT_GATED(0, 0x26);
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_EQ(0, failures(vmm));
	EXPECT_DELIVERED(0, 0x10);

	/* Enable clears it as well. */
	ASSERT_EQ(0, vfcap_pri_failed(&vmm->v, VFCAP_PRI_FAILURE));
	ASSERT_EQ(0, pager_set_pri(vmm, false));
	EXPECT_EQ(PCI_PRI_STATUS_RF, failures(vmm));
	EXPECT_TRUE(WAIT_FOR(pager_is_stopped(vmm), DRAIN_MS + SLACK_MS));
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_EQ(0, failures(vmm));
	EXPECT_DELIVERED(0, 0x12);
	EXPECT_EQ(0, failures(&self->vmm[1]));
	if (!host_has_functions())
		EXPECT_EQ(0, host_config_read(host_pf(), PF_PRI + PCI_PRI_STATUS, 2) &
			     FAILURES);
}

/* An unexpected response is recorded, and changes nothing else. */
TEST_F(pri_vmm, unexpected_response)
{
	struct pager *vmm = &self->vmm[0];

	ASSERT_EQ(0, vfcap_pri_failed(&vmm->v, VFCAP_PRI_UNEXPECTED));
	EXPECT_EQ(PCI_PRI_STATUS_UPRGI, failures(vmm));
	EXPECT_DELIVERED(0, 0x10);
	ASSERT_EQ(0, clear_failures(vmm, PCI_PRI_STATUS_UPRGI));
	EXPECT_EQ(0, failures(vmm));

	ASSERT_EQ(0, vfcap_pri_failed(&vmm->v, VFCAP_PRI_UNEXPECTED | VFCAP_PRI_FAILURE));
	EXPECT_EQ(FAILURES, failures(vmm));
	EXPECT_GATED(0, 0x20);
	ASSERT_EQ(0, vfio_reset(&vmm->v));
	EXPECT_EQ(0, failures(vmm));
	ASSERT_EQ(0, pager_set_pasid(vmm, true));
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_DELIVERED(0, 0x10);
}

/* In D3hot, which costs the device its state here, nothing is requested. */
TEST_F(pri_vmm, asleep)
{
	struct pager *vmm = &self->vmm[0];
	unsigned int pm = vfio_find_cap(&vmm->v, PCI_CAP_ID_PM);

	ASSERT_NE(0, pm);
	EXPECT_DELIVERED(0, 0x10);
	ASSERT_EQ(0, vfio_set(&vmm->v, pm + PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK));
	if (host_has_functions())
		EXPECT_FALSE(hardware_is_enabled(host_vf()));
	if (!host_has_functions())
		EXPECT_FALSE(requester_ask(&self->function[0], ABSENT, 0x11));
	ASSERT_EQ(0, vfio_set(&vmm->v, pm + PCI_PM_CTRL, 2, 0));
	EXPECT_EQ(0, pager_pri_ctrl(vmm));
	ASSERT_EQ(0, pager_set_pasid(vmm, true));
	EXPECT_GATED(0, 0x12);
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_DELIVERED(0, 0x10);
}

/* The kernel's settings are restored even without a reset of the function. */
TEST_F(pri_vmm, given_back)
{
	struct pager *vmm = &self->vmm[0];

	pager_close(vmm);
	ASSERT_EQ(0, host_writef("\n", "devices/%s/reset_method", host_vf()));
	EXPECT_EQ(0, pager_open(vmm, host_vf()));
	EXPECT_FALSE(hardware_is_enabled(host_vf()));
	EXPECT_EQ(0, pager_enable_pri(vmm, 7));
	EXPECT_TRUE(hardware_is_enabled(host_vf()));
	EXPECT_EQ(7, host_config_read(host_vf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4));
	pager_close(vmm);
	EXPECT_TRUE(hardware_is_enabled(host_vf()));
	EXPECT_EQ(PF_PRI_ALLOCATION, host_config_read(host_vf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4));
	EXPECT_EQ(0, host_writef("default", "devices/%s/reset_method", host_vf()));
}

/* Nor when it keeps its state (No_Soft_Reset) and sleeps as it is closed */
TEST_F(pri_vmm, given_back_asleep)
{
	uint32_t entry = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
	struct pager *vmm = &self->vmm[0];

	pager_close(vmm);
	ASSERT_EQ(0, host_layout("vf f0 00000008 ffffffff 3\n"));
	ASSERT_EQ(0, host_writef("\n", "devices/%s/reset_method", host_vf()));
	EXPECT_EQ(0, pager_open(vmm, host_vf()));
	EXPECT_EQ(0, pager_enable_pri(vmm, 7));
	EXPECT_EQ(0, vfio_feature(&vmm->v, entry, NULL, 0));
	EXPECT_FALSE(hardware_is_enabled(host_vf()));
	pager_close(vmm);
	EXPECT_TRUE(hardware_is_enabled(host_vf()));
	EXPECT_EQ(PF_PRI_ALLOCATION, host_config_read(host_vf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4));
	EXPECT_EQ(0, host_writef("default", "devices/%s/reset_method", host_vf()));
	EXPECT_EQ(0, host_layout("vf f0 00000000 ffffffff 3\n"));
}

/* The guest of a whole function reads the status that the hardware reports. */
TEST_F(pri_vmm, hardware_status)
{
	struct pager *vmm = &self->vmm[0];

	EXPECT_TRUE(hardware_is_enabled(host_vf()));
	ASSERT_EQ(0, host_pri_event(host_vf(), "failure"));
	EXPECT_EQ(PCI_PRI_STATUS_RF, failures(vmm));
	ASSERT_EQ(0, host_pri_event(host_vf(), "unexpected"));
	EXPECT_EQ(FAILURES, failures(vmm));
	ASSERT_EQ(0, clear_failures(vmm, PCI_PRI_STATUS_RF));
	EXPECT_EQ(PCI_PRI_STATUS_UPRGI, failures(vmm));
	EXPECT_EQ(PCI_PRI_STATUS_UPRGI,
		  host_config_read(host_vf(), PF_PRI + PCI_PRI_STATUS, 2) & FAILURES);
	ASSERT_EQ(0, clear_failures(vmm, PCI_PRI_STATUS_UPRGI));
	EXPECT_EQ(0, failures(vmm));

	ASSERT_EQ(0, host_pri_event(host_vf(), "busy"));
	ASSERT_EQ(0, pager_set_pri(vmm, false));
	EXPECT_FALSE(hardware_is_enabled(host_vf()));
	EXPECT_FALSE(pager_is_stopped(vmm));
	ASSERT_EQ(0, host_pri_event(host_vf(), "idle"));
	EXPECT_TRUE(pager_is_stopped(vmm));
	ASSERT_EQ(0, pager_enable_pri(vmm, 7));
	EXPECT_TRUE(hardware_is_enabled(host_vf()));
	EXPECT_FALSE(pager_is_stopped(vmm));
	EXPECT_EQ(7, host_config_read(host_vf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4));
	EXPECT_EQ(PF_PRI_ALLOCATION, vmm->capacity);

	/* As AMD's IOMMU driver does when a page table is attached */
	ASSERT_EQ(0, host_config_write(host_vf(), PF_PRI + PCI_PRI_CTRL, 2, 0));
	ASSERT_EQ(0, host_config_write(host_vf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4,
				       PF_PRI_ALLOCATION));
	ASSERT_EQ(0, host_config_write(host_vf(), PF_PRI + PCI_PRI_CTRL, 2,
				       PCI_PRI_CTRL_ENABLE));
	ASSERT_EQ(0, pager_attach_rid(vmm));
	EXPECT_TRUE(hardware_is_enabled(host_vf()));
	EXPECT_EQ(7, host_config_read(host_vf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4));
}

/*
 * If a VMM once declared that it answers, a page table with a fault queue is accepted for
 * its VF. But nothing reaches it that way, whatever the VMM has declared since, even
 * across a reset.
 */
static bool is_shut(struct _test_data_pri_vmm *self)
{
	struct pager *vmm = &self->vmm[0];
	unsigned int i;

	if (host_has_functions())
		return true;
	if (pager_attach(vmm))
		return false;
	vmm->pasid = vfio_find_ecap(&vmm->v, PCI_EXT_CAP_ID_PASID) + PCI_PASID_CTRL;
	for (i = 0; i < 2; i++)
		if (pager_set_pasid(vmm, true) ||
		    !is_gated(vmm, &self->function[0], 0x60 + 2 * i) || vfio_reset(&vmm->v))
			return false;
	return true;
}

/* Who declares what, and when */
TEST_F(pri_vmm, declared)
{
	struct vfcap_feature_query q;
	struct pager *vmm = &self->vmm[0];
	int attached;

	ASSERT_EQ(0, vfcap_query(&vmm->v, VFCAP_CAP_PRI, &q));
	EXPECT_TRUE(q.flags & VFCAP_QUERY_DELIVERABLE);
	EXPECT_TRUE(q.flags & VFCAP_QUERY_ENABLED);
	EXPECT_EQ(VFCAP_REASON_NONE, q.reason);
	EXPECT_EQ(host_has_functions() ? VFCAP_STEP_HARDWARE : VFCAP_STEP_PF_OFFSET, q.step);
	EXPECT_EQ(PF_PRI, q.offset);
	EXPECT_EQ(-EBUSY, vfcap_choose(&vmm->v, VFCAP_CAP_PRI, VFCAP_CHOOSE_ANSWERS, 0));
	EXPECT_EQ(-EBUSY, vfcap_choose(&vmm->v, VFCAP_CAP_PRI, 0, 0));
	EXPECT_DELIVERED(0, 0x10);
	ASSERT_EQ(0, vfcap_query(&vmm->v, VFCAP_CAP_PASID, &q));
	EXPECT_FALSE(q.flags & VFCAP_QUERY_DELIVERABLE);
	pager_close(vmm);

	/* Without the declaration, the guest is promised nothing that its VMM does not keep. */
	host_log_clear();
	ASSERT_EQ(0, pager_open_plain(vmm, host_vf(), false));
	ASSERT_EQ(0, vfcap_query(&vmm->v, VFCAP_CAP_PRI, &q));
	EXPECT_TRUE(q.flags & VFCAP_QUERY_DELIVERABLE);
	EXPECT_EQ(VFCAP_REASON_NO_VMM, q.reason);
	EXPECT_EQ(0, vfio_find_ecap(&vmm->v, PCI_EXT_CAP_ID_PRI));
	EXPECT_NE(0, vfio_find_ecap(&vmm->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(1, host_log_count(host_vf(), "PRI capability not shown"));
	EXPECT_EQ(-ENODEV, vfcap_pri_failed(&vmm->v, VFCAP_PRI_FAILURE));
	/* A whole function is left to its user, as with vfio-pci. */
	attached = pager_attach(vmm);
	EXPECT_EQ(host_has_functions() ? 0 : -EINVAL, attached);
	pager_close(vmm);

	/* The declaration can be taken back until it is committed. */
	ASSERT_EQ(0, pager_open_plain(vmm, host_vf(), true));
	ASSERT_EQ(0, vfcap_choose(&vmm->v, VFCAP_CAP_PRI, 0, 0));
	ASSERT_EQ(0, vfcap_query(&vmm->v, VFCAP_CAP_PRI, &q));
	EXPECT_EQ(VFCAP_REASON_NO_VMM, q.reason);
	EXPECT_TRUE(is_shut(self));
	EXPECT_EQ(0, vfio_find_ecap(&vmm->v, PCI_EXT_CAP_ID_PRI));
	pager_close(vmm);
	ASSERT_EQ(0, pager_open_plain(vmm, host_vf(), true));
	ASSERT_EQ(0, vfcap_choose(&vmm->v, VFCAP_CAP_PRI, VFCAP_CHOOSE_HIDE, 0));
	ASSERT_EQ(0, vfcap_query(&vmm->v, VFCAP_CAP_PRI, &q));
	EXPECT_EQ(0, q.offset);
	ASSERT_EQ(0, vfcap_choose(&vmm->v, VFCAP_CAP_PRI, VFCAP_CHOOSE_ANSWERS, 0));
	ASSERT_EQ(0, pager_attach(vmm));
	EXPECT_EQ(-EBUSY, vfcap_choose(&vmm->v, VFCAP_CAP_PRI, 0, 0));
	pager_close(vmm);

	/* The administrator has the last word. */
	ASSERT_EQ(0, host_param("pri", "off"));
	ASSERT_EQ(0, pager_open_plain(vmm, host_vf(), true));
	ASSERT_EQ(0, vfcap_query(&vmm->v, VFCAP_CAP_PRI, &q));
	EXPECT_EQ(VFCAP_REASON_PARAMETER, q.reason);
	EXPECT_EQ(0, vfio_find_ecap(&vmm->v, PCI_EXT_CAP_ID_PRI));
	EXPECT_EQ(-ENODEV, vfcap_pri_failed(&vmm->v, VFCAP_PRI_FAILURE));
	EXPECT_TRUE(is_shut(self));
}

/* Opened through the group, there is no fault queue. */
TEST_F(pri_vmm, by_group)
{
	struct pager *vmm = &self->vmm[0];
	struct vfcap_feature_query q;
	struct vfio *v = &vmm->v;

	pager_close(vmm);
	ASSERT_EQ(0, vfio_open_group(v, host_vf()));
	EXPECT_EQ(0, vfcap_choose(v, VFCAP_CAP_PRI, VFCAP_CHOOSE_ANSWERS, 0));
	ASSERT_EQ(0, vfcap_query(v, VFCAP_CAP_PRI, &q));
	EXPECT_FALSE(q.flags & VFCAP_QUERY_DELIVERABLE);
	EXPECT_EQ(VFCAP_REASON_NO_CDEV, q.reason);
	EXPECT_EQ(0, vfio_find_ecap(v, PCI_EXT_CAP_ID_PRI));
	EXPECT_EQ(1, host_log_count(host_vf(), "PRI capability not shown: it was opened "));
}

/* A VMM that replaces itself */
TEST_F(pri_vmm, restored)
{
	struct pager *vmm = &self->vmm[0];
	struct vfcap_feature_state state;
	uint32_t cookie;

	IN_FLIGHT(0, 0x10, &cookie);
	ASSERT_EQ(0, vfcap_pri_failed(&vmm->v, VFCAP_PRI_UNEXPECTED));
	ASSERT_EQ(0, vfcap_get_state(&vmm->v, &state));
	pager_close(vmm);
	EXPECT_GETS(0, 0x10, DMA_INVALID, SLACK_MS);
	ASSERT_EQ(0, pager_open(vmm, host_vf()));
	EXPECT_GATED(0, 0x11);
	ASSERT_EQ(0, vfcap_set_state(&vmm->v, &state));
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, pager_pri_ctrl(vmm));
	EXPECT_EQ(PCI_PRI_STATUS_UPRGI, failures(vmm));
	EXPECT_FALSE(pager_is_stopped(vmm));
	EXPECT_DELIVERED(0, 0x10);

	/* After a failure, Enable has no effect, before and after the restore. */
	ASSERT_EQ(0, vfcap_pri_failed(&vmm->v, VFCAP_PRI_FAILURE));
	ASSERT_EQ(0, vfcap_get_state(&vmm->v, &state));
	pager_close(vmm);
	ASSERT_EQ(0, pager_open(vmm, host_vf()));
	ASSERT_EQ(0, vfcap_set_state(&vmm->v, &state));
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, pager_pri_ctrl(vmm));
	EXPECT_EQ(PCI_PRI_STATUS_RF, failures(vmm) & PCI_PRI_STATUS_RF);
	EXPECT_GATED(0, 0x14);
	ASSERT_EQ(0, pager_set_pri(vmm, false));
	EXPECT_TRUE(WAIT_FOR(pager_is_stopped(vmm), DRAIN_MS + SLACK_MS));
	ASSERT_EQ(0, pager_set_pri(vmm, true));
	EXPECT_DELIVERED(0, 0x10);

	/* A VMM that does not answer cannot take it over. */
	pager_close(vmm);
	ASSERT_EQ(0, pager_open_plain(vmm, host_vf(), false));
	EXPECT_EQ(-EINVAL, vfcap_set_state(&vmm->v, &state));
}

TEST_F(pri_vmm, arguments)
{
	static const uint32_t unknown[] = { 0, 4, 0x80000000, ~0U };
	struct vfcap_feature_pri_failed data = { .flags = VFCAP_PRI_FAILURE, .reserved = 1 };
	struct pager *vmm = &self->vmm[0];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++)
		EXPECT_EQ(-EINVAL, vfcap_pri_failed(&vmm->v, unknown[i]));
	EXPECT_EQ(-EINVAL, vfio_feature(&vmm->v, VFIO_DEVICE_FEATURE_SET |
					VFCAP_FEATURE_PRI_FAILED, &data, sizeof(data)));
	EXPECT_EQ(-EINVAL, vfio_feature(&vmm->v, VFIO_DEVICE_FEATURE_GET |
					VFCAP_FEATURE_PRI_FAILED, &data, sizeof(data)));
	EXPECT_EQ(0, failures(vmm));
	EXPECT_DELIVERED(0, 0x10);
}

/*
 * Stress: functions that request, VMMs that answer, late, twice, or not at all, and
 * guests that do anything, all at once.
 */
#define HELD	16

struct actor {
	struct pager vmm;
	struct requester *function;
	pthread_t guest, answerer;
	bool *stop;
	bool close_queue;	/* the answerer is to end */
	unsigned int seed;
	unsigned long answers;	/* accepted by iommufd */
	unsigned int acts[8];
	const char *wrong;
};

static bool is_set(bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void set(bool *flag, bool to)
{
	__atomic_store_n(flag, to, __ATOMIC_SEQ_CST);
}

/* Reads everything, answers most of it at once, and what it has held back sooner or later */
static void *answer_all(void *arg)
{
	struct iommu_hwpt_pgfault m[64];
	struct actor *a = arg;
	uint32_t held[HELD];
	unsigned int nr = 0, seed = a->seed + 7;
	int count, i;

	while (!is_set(&a->close_queue)) {
		count = pager_read(&a->vmm, m, 64, 20);
		for (i = 0; i < count; i++) {
			if (!(m[i].flags & IOMMU_PGFAULT_FLAGS_LAST_PAGE))
				continue;
			if (rand_r(&seed) % 8 == 0 && nr < HELD) {
				held[nr++] = m[i].cookie;
				continue;
			}
			a->answers += !pager_answer(&a->vmm, m[i].cookie,
						    rand_r(&seed) % 4 ? SUCCESS : INVALID);
			if (rand_r(&seed) % 16 == 0)
				pager_answer(&a->vmm, m[i].cookie, SUCCESS);
		}
		/*
		 * The cookie may belong to another group by now, which is still answered
		 * only once.
		 */
		while (nr && (nr == HELD || rand_r(&seed) % 32 == 0))
			a->answers += !pager_answer(&a->vmm, held[--nr], SUCCESS);
		if (rand_r(&seed) % 32 == 0)
			pager_answer(&a->vmm, rand_r(&seed), SUCCESS);
	}
	return NULL;
}

static int actor_open(struct actor *a)
{
	int ret = pager_open(&a->vmm, a->function->bdf);

	if (ret)
		return ret;
	set(&a->close_queue, false);
	return pager_set_pri(&a->vmm, true) ?:
	       -pthread_create(&a->answerer, NULL, answer_all, a);
}

static void actor_close(struct actor *a)
{
	set(&a->close_queue, true);
	pthread_join(a->answerer, NULL);
	pager_close(&a->vmm);
}

/* The most frequent acts come first. */
static int act(struct actor *a)
{
	unsigned int what = rand_r(&a->seed) % 100;
	struct pager *vmm = &a->vmm;

	if (what < 30) {
		a->acts[0]++;
		return pager_set_pri(vmm, false);
	}
	if (what < 60) {
		a->acts[1]++;
		return pager_set_pri(vmm, true);
	}
	if (what < 70) {
		a->acts[2]++;
		return pager_set_pasid(vmm, false) ?: pager_set_pasid(vmm, true);
	}
	if (what < 80) {
		a->acts[3]++;
		return vfio_set(&vmm->v, vmm->pri, 2, PCI_PRI_CTRL_RESET) ?:
		       pager_set_pri(vmm, true);
	}
	if (what < 86) {
		a->acts[4]++;
		return vfcap_pri_failed(&vmm->v, VFCAP_PRI_FAILURE);
	}
	if (what < 92) {
		a->acts[5]++;
		return vfio_reset(&vmm->v) ?: pager_set_pasid(vmm, true) ?:
		       pager_set_pri(vmm, true);
	}
	if (what < 96) {
		a->acts[6]++;
		return iommufd_detach(&vmm->v, REQUESTER_PASID) ?:
		       iommufd_attach(&vmm->v, vmm->hwpt, REQUESTER_PASID);
	}
	a->acts[7]++;
	actor_close(a);
	return actor_open(a);
}

static void *be_guest(void *arg)
{
	struct actor *a = arg;
	int ret;

	while (!is_set(a->stop)) {
		ret = act(a);
		if (ret) {
			printf("# %s: %d\n", a->function->bdf, ret);
			a->wrong = "a guest's or a VMM's call failed";
			break;
		}
		usleep(rand_r(&a->seed) % 30000);
	}
	return NULL;
}

/* Send some groups whose numbers are not in use, within the function's capacity */
static int send_some(struct requester *r, unsigned int capacity, unsigned int max_pages,
		     unsigned int *next, unsigned int *seed)
{
	unsigned int count = 1 + rand_r(seed) % 16, i;

	if (r->open + count > capacity)
		return 0;
	for (i = 0; i < count; i++)
		if (r->sent[(*next + i) % DMA_GROUPS] !=
		    r->answered[(*next + i) % DMA_GROUPS])
			break;
	if (!i) {
		(*next)++;
		return 0;
	}
	*next += i;
	return requester_send(r, ABSENT, (*next - i) % DMA_GROUPS, i,
			      1 + rand_r(seed) % max_pages);
}

static unsigned long stress_groups(void)
{
	return host_setting("VFCAP_PRI_GROUPS", 3000);
}

TEST_F_TIMEOUT(pri_vmm, stress, 120 + stress_groups() / 20)
{
	unsigned int seed = host_setting("VFCAP_PRI_SEED", 1), first_seed = seed, i;
	unsigned int next[2] = { 0, 100 }, capacity[2];
	/*
	 * A detach may leave a group without a handler. Unless the kernel is patched,
	 * each of its pages is answered then.
	 */
	unsigned int max_pages = requester_kernel_is_mended() ? 4 : 1;
	unsigned long target = stress_groups();
	struct actor actors[2] = {};
	unsigned long sent = 0;
	bool stop = false;
	long begin;
	int ret;

	pager_close(&self->vmm[0]);
	ASSERT_EQ(0, sample_param("pri_answer_ms", LIMIT));
	for (i = 0; i < 2; i++) {
		actors[i].function = &self->function[i];
		actors[i].seed = first_seed + 1 + i;
		actors[i].stop = &stop;
		ASSERT_EQ(0, actor_open(&actors[i]));
		capacity[i] = actors[i].vmm.capacity;
		ASSERT_EQ(0, pthread_create(&actors[i].guest, NULL, be_guest, &actors[i]));
	}
	begin = now_ms();
	while (sent < target && !actors[0].wrong && !actors[1].wrong) {
		for (i = 0; i < 2; i++) {
			ret = send_some(&self->function[i], capacity[i], max_pages,
					&next[i], &seed);
			ASSERT_LE(0, ret);
			sent += ret;
			ASSERT_LE(0, requester_hear(&self->function[i]));
		}
	}
	set(&stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(actors[i].guest, NULL);
	for (i = 0; i < 2; i++) {
		struct requester *r = &self->function[i];
		struct actor *a = &actors[i];

		actor_close(a);
		EXPECT_EQ(NULL, a->wrong);
		EXPECT_TRUE(requester_is_even(r, ANSWER_MS));
		EXPECT_NE(0, r->success);
		TH_LOG("%s: %lu groups answered, %lu with success, %lu by the VMM",
		       r->bdf, r->responses, r->success, a->answers);
		TH_LOG("after at most %ld ms; %lu refused by the IOMMU, %lu withheld",
		       r->longest, r->refused, r->withheld);
		TH_LOG("PRI off %u on %u reset %u failed %u, PASID off %u detached %u",
		       a->acts[0], a->acts[1], a->acts[3], a->acts[4], a->acts[2],
		       a->acts[6]);
		TH_LOG("reset %u, closed %u", a->acts[5], a->acts[7]);
		if (!host_has_functions())
			EXPECT_GE(LIMIT_MS + SLACK_MS, r->longest);
	}
	TH_LOG("%lu groups in %ld ms, seed %u", sent, now_ms() - begin, first_seed);
}

/* VFs on a kernel that does not deliver their page requests: nothing has changed there. */
FIXTURE(undelivered) {
	struct pager vmm;
	struct pf_pri pf;
};

FIXTURE_SETUP(undelivered)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	pager_init(&self->vmm);
	ASSERT_EQ(0, pager_prepare());
	ASSERT_EQ(0, dma_open());
	host_log_expect("DMAR: .*[fF]ault");
	self->pf = read_pf();
}

FIXTURE_TEARDOWN(undelivered)
{
	pager_close(&self->vmm);
	EXPECT_EQ(self->pf.ctrl, read_pf().ctrl);
	EXPECT_EQ(0, host_param("pri", "auto"));
	dma_close();
}

TEST_F(undelivered, hidden)
{
	struct vfcap_feature_query q;
	struct pager *vmm = &self->vmm;
	int declares;

	for (declares = 0; declares <= 1; declares++) {
		host_log_clear();
		ASSERT_EQ(0, pager_open_plain(vmm, host_vf(), declares));
		ASSERT_EQ(0, vfcap_query(&vmm->v, VFCAP_CAP_PRI, &q));
		EXPECT_FALSE(q.flags & VFCAP_QUERY_DELIVERABLE);
		EXPECT_EQ(VFCAP_REASON_NO_ANSWERER, q.reason);
		EXPECT_EQ(0, q.offset);
		EXPECT_EQ(0, vfio_find_ecap(&vmm->v, PCI_EXT_CAP_ID_PRI));
		EXPECT_NE(0, vfio_find_ecap(&vmm->v, PCI_EXT_CAP_ID_PASID));
		EXPECT_EQ(1, host_log_count(host_vf(), "PRI capability not shown"));
		EXPECT_EQ(-ENODEV, vfcap_pri_failed(&vmm->v, VFCAP_PRI_FAILURE));
		EXPECT_STREQ("hidden", sample_state(host_vf(), "pri_state"));
		pager_close(vmm);
	}
}

/* "There is no coordination for this shared capability", says iommufd. */
TEST_F(undelivered, attach_is_refused)
{
	struct pager *vmm = &self->vmm;
	int declares, forced;

	for (declares = 0; declares <= 1; declares++) {
		for (forced = 0; forced <= 1; forced++) {
			ASSERT_EQ(0, host_param("pri", forced ? "on" : "auto"));
			ASSERT_EQ(0, pager_open_plain(vmm, host_vf(), declares));
			EXPECT_EQ(-EINVAL, pager_attach(vmm));
			EXPECT_EQ(-EINVAL, iommufd_attach(&vmm->v, vmm->hwpt, 0));
			pager_close(vmm);
		}
	}
}

/* Select the fixtures that fit this kernel, unless the caller selects. */
int main(int argc, char **argv)
{
	char *of_functions[4] = { argv[0], "-F", "undelivered", NULL };
	char *of_vfs[10] = { argv[0], "-F", "undelivered", "-T", "hardware_status",
			     "-T", "given_back", "-T", "given_back_asleep", NULL };
	char *of_others[4] = { argv[0], "-f", "undelivered", NULL };

	pager_begin();
	if (argc > 1)
		return test_harness_run(argc, argv);
	if (host_has_functions())
		return test_harness_run(3, of_functions);
	if (pager_kernel_delivers())
		return test_harness_run(9, of_vfs);
	return test_harness_run(3, of_others);
}
