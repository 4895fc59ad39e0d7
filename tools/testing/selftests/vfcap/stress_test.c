// SPDX-License-Identifier: GPL-2.0
/*
 * Eight VFs are used by eight processes, which enable, disable, attach, detach, reset,
 * sleep, open and close at random, while the PF side begins and ends changes and now and
 * then takes PASID away. After each step, every process compares its VF, including the
 * IOMMU's state, with what it must be. The IOMMU must not send commands to a VF that sleeps.
 * The VFs do DMA all the time, with and without PASIDs, and each access must succeed or
 * fail as required at that time.
 *
 * VFCAP_STRESS_SECONDS: how long (default 20). VFCAP_STRESS_SEED: the seed of the random
 * numbers; printed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/dma.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/judge.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define VFS		JUDGE_VFS
#define PASIDS		(JUDGE_SPACES - 1)	/* used by each process, from 1 on */
#define TABLES		2	/* for PASIDs; and one more for the VF without a PASID */
#define PM		0xec	/* in VFs, by the fixture's layout "igb" */

/* Shared by all processes */
struct stage {
	struct judge *judge;
	bool stop;
	bool pause;		/* close your VF and wait */
	bool changing;		/* an open may be refused with EBUSY */
	unsigned int wrong;
	unsigned long steps;
	unsigned long lost;	/* steps with a VF that was lost */
	unsigned int idle;	/* processes that have paused */
};

/* One process */
struct actor {
	struct stage *stage;
	const char *bdf;
	struct vfio v;
	bool open;
	struct judge_vf *judged;
	unsigned int ctrl;	/* offset of PASID Control, 0: not shown */
	uint32_t hwpt[TABLES + 1];
	bool enabled;		/* what Enable reads if nothing was lost */
	/*
	 * What DMA with or without a PASID reaches if nothing prevents it; 0: nothing
	 * attached
	 */
	uint32_t attached[JUDGE_SPACES];
	bool d3;		/* a guest has put it into D3hot */
	bool let_go;		/* its user has let it go to low power */
	unsigned int epoch;	/* at the start of the step */
	unsigned int checked;	/* when last compared */
	const char *step;
};

static unsigned int load(unsigned int *value)
{
	return __atomic_load_n(value, __ATOMIC_SEQ_CST);
}

static bool is_set(bool *value)
{
	return __atomic_load_n(value, __ATOMIC_SEQ_CST);
}

static void set(bool *value, bool to)
{
	__atomic_store_n(value, to, __ATOMIC_SEQ_CST);
}

static void __printf(2, 3) wrong(struct actor *a, const char *format, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fprintf(stderr, "# %s: %s: %s\n", a->bdf, a->step, text);
	__atomic_add_fetch(&a->stage->wrong, 1, __ATOMIC_SEQ_CST);
}

static bool in_state(const char *bdf, const char *expected)
{
	return !strcmp(sample_state(bdf, "pasid_state"), expected);
}

static bool is_lost(struct actor *a)
{
	const char *state = sample_state(a->bdf, "pasid_state");

	return !strcmp(state, "losing") || !strcmp(state, "lost");
}

/* A loss clears Enable first. Once it is reported as complete, the PASIDs are gone. */
static int count_left(struct actor *a)
{
	int count = iommu_count_pasids(a->bdf);

	if (count <= 0 || !WAIT_FOR(!in_state(a->bdf, "losing"), 5000))
		return count;
	return iommu_count_pasids(a->bdf);
}

/* Whether PASID has not been taken away from the PF since the step began */
static bool quiet(struct actor *a)
{
	unsigned int epoch = load(&a->stage->judge->epoch);

	return !(epoch & 1) && epoch == a->epoch;
}

static bool enable_reads(struct actor *a)
{
	return vfio_get(&a->v, a->ctrl, 2) & PCI_PASID_CTRL_ENABLE;
}

/* What DMA reaches according to the model */
static uint32_t comes_to(struct actor *a, unsigned int space)
{
	bool open = !space || (a->enabled && !a->d3 && !a->let_go);

	return open && a->attached[space] ? a->attached[space] : JUDGE_REFUSED;
}

/*
 * To be called before a change, during which these spaces may have nothing attached for a
 * while, or something else
 */
static void will_change(struct actor *a, unsigned int first, unsigned int last,
			uint32_t also)
{
	uint32_t allowed[JUDGE_SPACES];
	unsigned int i;

	for (i = 0; i < JUDGE_SPACES; i++) {
		allowed[i] = comes_to(a, i);
		if (i >= first && i <= last)
			allowed[i] |= JUDGE_REFUSED | also;
	}
	judge_state(a->judged, allowed, a->checked);
}

/* A change that concerns only PASIDs, or also what the VF does without one */
static void will_change_pasids(struct actor *a)
{
	will_change(a, 1, PASIDS, 0);
}

static void will_change_all(struct actor *a)
{
	will_change(a, 0, PASIDS, 0);
}

/* To be called after the change */
static void has_changed(struct actor *a)
{
	will_change(a, 1, 0, 0);
}

/* The invariants, after each step */
static void check(struct actor *a)
{
	bool enabled, expected;
	int pasid, count;

	a->checked = load(&a->stage->judge->epoch);
	if (!a->open) {
		count = iommu_count_pasids(a->bdf);
		if (count > 0)
			wrong(a, "closed, and %d PASIDs are attached", count);
		return;
	}
	if (!a->ctrl)
		return;

	/* Only this process sets Enable: 0 stays 0, whatever is lost. */
	enabled = enable_reads(a);
	count = enabled ? 0 : count_left(a);
	if (count > 0)
		wrong(a, "Enable reads 0, and %d PASIDs are attached", count);

	if (enabled && !a->enabled)
		wrong(a, "Enable reads 1");
	if (!enabled && a->enabled) {
		if (quiet(a) && !is_lost(a))
			wrong(a, "Enable reads 0, and nothing was lost");
		a->enabled = false;
	}
	if (is_lost(a))
		__atomic_add_fetch(&a->stage->lost, 1, __ATOMIC_SEQ_CST);

	for (pasid = 1; pasid <= PASIDS; pasid++) {
		expected = enabled && a->attached[pasid] && !a->d3 &&
			   !a->let_go;
		/* It may have been lost meanwhile. */
		if (iommu_has_pasid(a->bdf, pasid) != expected &&
		    (!expected || (quiet(a) && enable_reads(a))))
			wrong(a, "PASID %d is %sattached", pasid,
			      expected ? "not " : "");
	}
}

static void check_and_tell(struct actor *a)
{
	check(a);
	has_changed(a);
}

static void step_close(struct actor *a)
{
	a->step = "close";
	will_change_all(a);
	vfio_close(&a->v);
	a->open = false;
	a->enabled = false;
	a->d3 = false;
	a->let_go = false;
	memset(a->attached, 0, sizeof(a->attached));
}

static void step_open(struct actor *a)
{
	bool changing = is_set(&a->stage->changing);
	char (*memory)[JUDGE_PAGE] = a->stage->judge->memory[a->judged - a->stage->judge->vfs];
	unsigned int i;
	int ret;

	a->step = "open";
	a->attached[0] = JUDGE_LANDS(TABLES);
	will_change_all(a);
	a->attached[0] = 0;
	ret = vfio_open_cdev(&a->v, a->bdf);
	if (ret == -EBUSY && (changing || is_set(&a->stage->changing)))
		return;
	if (ret) {
		wrong(a, "error %d", ret);
		return;
	}
	a->open = true;
	for (i = 0; i <= TABLES; i++)
		if (iommufd_space(&a->v, memory[i], JUDGE_PAGE, JUDGE_ADDRESS,
				  &a->hwpt[i]))
			wrong(a, "no page tables");
	if (iommufd_attach(&a->v, a->hwpt[TABLES], 0))
		wrong(a, "not attached");
	a->attached[0] = JUDGE_LANDS(TABLES);

	a->ctrl = vfio_find_ecap(&a->v, PCI_EXT_CAP_ID_PASID);
	if (a->ctrl)
		a->ctrl += PCI_PASID_CTRL;
	else if (quiet(a))
		wrong(a, "PASID is not shown");
}

static void step_enable(struct actor *a)
{
	bool lost, enabled;

	a->step = "enable";
	lost = is_lost(a);
	if (!a->enabled) {
		a->enabled = true;
		will_change_pasids(a);
	}
	if (vfio_set(&a->v, a->ctrl, 2,
		     PCI_PASID_CTRL_ENABLE | (rand() & 6)))
		wrong(a, "write failed");
	enabled = enable_reads(a);
	if (!enabled && quiet(a) && !lost && !is_lost(a))
		wrong(a, "was refused");
	if (enabled && lost)
		wrong(a, "was possible while PASID is lost");
	a->enabled = enabled;
}

static void step_disable(struct actor *a)
{
	a->step = "disable";
	will_change_pasids(a);
	if (vfio_set(&a->v, a->ctrl, 2, rand() & 6))
		wrong(a, "write failed");
	a->enabled = false;
}

static void step_attach(struct actor *a)
{
	unsigned int table = rand() % TABLES;
	uint32_t id = a->hwpt[table], given = id;
	int pasid = 1 + rand() % PASIDS;
	int ret;

	a->step = "attach";
	will_change(a, pasid, pasid, JUDGE_LANDS(table) | JUDGE_TRIED);
	ret = iommufd_attach_id(&a->v, &id, pasid);
	if (ret)
		wrong(a, "error %d", ret);
	if (id != given)
		wrong(a, "page table %u became %u", given, id);
	if (!ret)
		a->attached[pasid] = JUDGE_LANDS(table);
}

static void step_detach(struct actor *a)
{
	int pasid = 1 + rand() % PASIDS;

	a->step = "detach";
	will_change(a, pasid, pasid, 0);
	if (iommufd_detach(&a->v, pasid))
		wrong(a, "failed");
	a->attached[pasid] = 0;
}

static void after_reset(struct actor *a)
{
	a->enabled = false;
	a->d3 = false;
	if (enable_reads(a))
		wrong(a, "Enable reads 1");
	/* In this order, since it must still be quiet after the look */
	if (is_lost(a) && quiet(a))
		wrong(a, "is still lost");
}

static void step_reset(struct actor *a)
{
	a->step = "reset";
	will_change_all(a);
	if (vfio_reset(&a->v))
		wrong(a, "failed");
	after_reset(a);
}

static void step_flr(struct actor *a)
{
	unsigned int exp = vfio_find_cap(&a->v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	a->step = "FLR";
	will_change_all(a);
	if (vfio_set(&a->v, exp, 2, vfio_get(&a->v, exp, 2) |
		     PCI_EXP_DEVCTL_BCR_FLR))
		wrong(a, "write failed");
	after_reset(a);
}

/* The VF loses its registers on the way back from D3hot. */
static void step_guest_sleeps(struct actor *a)
{
	a->step = a->d3 ? "D0" : "D3hot";
	will_change_pasids(a);
	if (vfio_set(&a->v, PM + PCI_PM_CTRL, 2, a->d3 ? 0 : 3))
		wrong(a, "write failed");
	/* If it was in low power, it may have been in D0 already. */
	if (a->let_go)
		a->enabled = enable_reads(a);
	else if (a->d3)
		a->enabled = false;
	a->d3 = !a->d3;
}

/* A VF that was suspended returns to D0, whatever a guest has written before. */
static void step_let_go(struct actor *a)
{
	a->step = a->let_go ? "low power exit" : "low power entry";
	if (!a->let_go) {
		will_change_pasids(a);
		if (vfio_set_low_power(&a->v, true))
			wrong(a, "failed");
		a->let_go = true;
		a->enabled = false;
		return;
	}
	/* It is not known here whether the VF was suspended. */
	a->let_go = false;
	a->enabled = true;
	a->d3 = false;
	will_change_pasids(a);
	if (vfio_set_low_power(&a->v, false))
		wrong(a, "failed");
	a->enabled = enable_reads(a);
	a->d3 = vfio_get(&a->v, PM + PCI_PM_CTRL, 2) & 3;
}

/* Quick steps are frequent; a reset takes 100 ms. */
static void (* const steps[])(struct actor *a) = {
	step_enable, step_enable, step_enable, step_disable, step_disable,
	step_attach, step_attach, step_attach, step_attach, step_detach,
	step_detach, step_detach, step_reset, step_flr, step_guest_sleeps,
	step_guest_sleeps, step_let_go, step_let_go,
};

static void pause_here(struct actor *a)
{
	if (a->open)
		step_close(a);
	check_and_tell(a);
	__atomic_add_fetch(&a->stage->idle, 1, __ATOMIC_SEQ_CST);
	while (is_set(&a->stage->pause))
		usleep(1000);
	__atomic_sub_fetch(&a->stage->idle, 1, __ATOMIC_SEQ_CST);
}

static void act(struct stage *stage, unsigned int vf)
{
	struct actor a = {
		.stage = stage,
		.bdf = strdup(sample_vf(vf)),
		.judged = &stage->judge->vfs[vf],
	};

	vfio_init(&a.v);
	while (!is_set(&stage->stop)) {
		a.epoch = load(&stage->judge->epoch);
		if (is_set(&stage->pause)) {
			pause_here(&a);
			continue;
		}
		if (!a.open)
			step_open(&a);
		else if (!a.ctrl || rand() % 64 == 0)
			step_close(&a);
		else
			steps[rand() % ARRAY_SIZE(steps)](&a);
		check_and_tell(&a);
		__atomic_add_fetch(&stage->steps, 1, __ATOMIC_SEQ_CST);
	}
	if (a.open)
		step_close(&a);
	check_and_tell(&a);
}

static void do_dma(struct stage *stage)
{
	const char *names[VFS];
	unsigned int i;

	for (i = 0; i < VFS; i++)
		names[i] = strdup(sample_vf(i));
	while (!is_set(&stage->stop)) {
		judge_once(stage->judge, names, VFS);
		usleep(500);
	}
}

static unsigned int pf_wrong(struct stage *stage, const char *what)
{
	fprintf(stderr, "# PF: %s\n", what);
	return __atomic_add_fetch(&stage->wrong, 1, __ATOMIC_SEQ_CST);
}

static void next_epoch(struct stage *stage)
{
	__atomic_add_fetch(&stage->judge->epoch, 1, __ATOMIC_SEQ_CST);
}

/* User space takes PASID away for more than a second. */
static void pf_takes_away(struct stage *stage)
{
	unsigned int ctrl = PF_PASID + PCI_PASID_CTRL;
	int i;

	next_epoch(stage);
	host_config_write(host_pf(), ctrl, 2, 0);
	usleep(1100000);
	for (i = 0; i < VFS; i++)
		if (in_state(sample_vf(i), "shown"))
			pf_wrong(stage, "a VF shows PASID as if nothing was lost");
	for (i = 0; i < VFS; i++)
		if (!WAIT_FOR(!in_state(sample_vf(i), "losing"), 5000))
			pf_wrong(stage, "a loss has no end");
	/* DMA must now be judged accordingly. */
	set(&stage->judge->gone, true);
	usleep(100000);
	set(&stage->judge->gone, false);
	host_config_write(host_pf(), ctrl, 2, 7);
	/* A look at the PF while PASID was missing may take effect after it is back. */
	usleep(100000);
	next_epoch(stage);
}

static void pf_tells_of_reset(struct stage *stage)
{
	next_epoch(stage);
	if (sample_set("lost_event", "its PF says so"))
		pf_wrong(stage, "lost_event");
	usleep(100000);
	next_epoch(stage);
}

/*
 * A change is refused while a VF is open; once it has begun with all VFs closed, they
 * cannot be opened.
 */
static void pf_changes(struct stage *stage)
{
	int ret, i;

	set(&stage->changing, true);
	ret = sample_set("change", "begin pasid");
	if (ret && ret != -EBUSY)
		pf_wrong(stage, "change");
	if (!ret)
		sample_set("change", "end pasid");

	set(&stage->pause, true);
	while (load(&stage->idle) != VFS)
		usleep(1000);
	if (sample_set("change", "begin pasid"))
		pf_wrong(stage, "a change is refused while no VF is open");
	set(&stage->pause, false);
	usleep(100000);
	for (i = 0; i < VFS; i++)
		if (!in_state(sample_vf(i), "hidden"))
			pf_wrong(stage, "a VF was opened during a change");
	sample_set("change", "end pasid");
	set(&stage->changing, false);
}

static void (* const pf_acts[])(struct stage *stage) = {
	pf_takes_away, pf_tells_of_reset, pf_tells_of_reset, pf_changes,
};

FIXTURE(stress) {
	struct stage *stage;
};

FIXTURE_SETUP(stress)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	self->stage = mmap(NULL, sizeof(*self->stage), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->stage);
	self->stage->judge = judge_new();
	ASSERT_NE(MAP_FAILED, self->stage->judge);
	/* The IOMMU is meant to refuse some of the DMA. */
	host_log_expect("DMAR: .*[fF]ault");
	ASSERT_EQ(0, sample_prepare(SAMPLE, VFS, true));
}

FIXTURE_TEARDOWN(stress)
{
	EXPECT_EQ(0, iommu_watch_end());
	EXPECT_EQ(0, sample_give_back());
	judge_free(self->stage->judge);
	munmap(self->stage, sizeof(*self->stage));
}

TEST_F_TIMEOUT(stress, all_invariants, 7200)
{
	long seconds = host_setting("VFCAP_STRESS_SECONDS", 20);
	long seed = host_setting("VFCAP_STRESS_SEED", time(NULL));
	time_t end = time(NULL) + seconds;
	struct stage *stage = self->stage;
	struct judge *judge = stage->judge;
	struct iommu_commands commands;
	int i, status;
	pid_t child;

	for (i = 0; i < VFS; i++)
		ASSERT_EQ(0, iommu_watch(sample_vf(i)));
	TH_LOG("%ld s, seed %ld", seconds, seed);
	ASSERT_EQ(0, dma_open());
	for (i = 0; i <= VFS; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			srand(seed + i);
			if (i == VFS) {
				do_dma(stage);
			} else {
				dma_close();
				act(stage, i);
			}
			_exit(0);
		}
	}
	dma_close();

	srand(seed + VFS);
	sleep(1);
	pf_takes_away(stage);
	pf_changes(stage);
	while (time(NULL) < end) {
		usleep(rand() % 1000000);
		pf_acts[rand() % ARRAY_SIZE(pf_acts)](stage);
	}
	set(&stage->stop, true);
	for (i = 0; i <= VFS; i++) {
		EXPECT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}

	TH_LOG("%lu steps, %lu of them without PASID, %u wrong", stage->steps,
	       stage->lost, stage->wrong);
	for (i = 0; i < VFS; i++) {
		commands = iommu_commands(sample_vf(i));
		EXPECT_LT(0, commands.all);
		EXPECT_EQ(0, commands.asleep);
	}
	EXPECT_EQ(0, stage->wrong);
	TH_LOG("DMA: %lu landed, %lu refused, %lu of both had one right result, %u wrong",
	       judge->landed, judge->refused, judge->single, judge->wrong);
	EXPECT_EQ(0, judge->wrong);
	EXPECT_LT(0, judge->landed);
	EXPECT_LT(0, judge->refused);
	EXPECT_LT(0, judge->single);
	EXPECT_LT(VFS * 10, stage->steps);
	EXPECT_LT(0, stage->lost);
}

TEST_HARNESS_MAIN
