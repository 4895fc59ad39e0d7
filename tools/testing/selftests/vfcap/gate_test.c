// SPDX-License-Identifier: GPL-2.0
/*
 * PASID Enable means what it says: while it is 0, the IOMMU knows no PASID of the VF.
 * What is attached meanwhile is remembered, and takes effect with Enable. This is checked
 * against the IOMMU driver's own state.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/counted.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define PASID	5
#define OTHER	0xfffff

/* Where the fixture's layout "igb" has AF and Power Management in VFs */
#define AF	0xe0
#define PM	0xec

/* What the documentation promises for a reset that does not come through the VFIO file */
#define OUTSIDE_RESET_MS	100

/*
 * An open VF, with a page table that can be attached to its PASIDs and is attached to the
 * RID
 */
#define SESSION								\
	struct vfio v;							\
	unsigned int ctrl;						\
	uint32_t ioas, hwpt

FIXTURE(gate) {
	SESSION;
};

/* The same, for each reset that the VF's user can trigger */
FIXTURE(reset) {
	SESSION;
};

#define OPEN_SESSION() do {						\
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf()));		\
	ASSERT_EQ(0, iommufd_ioas(&self->v, &self->ioas));		\
	ASSERT_EQ(0, iommufd_hwpt(&self->v, self->ioas, true,		\
				  &self->hwpt));			\
	ASSERT_EQ(0, iommufd_attach(&self->v, self->hwpt, 0));		\
} while (0)

#define SETUP() do {							\
	ASSERT_EQ(0, host_layout_default());				\
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));			\
	OPEN_SESSION();							\
	self->ctrl = vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID);	\
	ASSERT_NE(0, self->ctrl);					\
	self->ctrl += PCI_PASID_CTRL;					\
	host_log_clear();						\
} while (0)

FIXTURE_SETUP(gate)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP();
}

FIXTURE_TEARDOWN(gate)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
}

static bool in_iommu(uint32_t pasid)
{
	return iommu_has_pasid(host_vf(), pasid);
}

#define SET(value)	EXPECT_EQ(0, vfio_set(&self->v, self->ctrl, 2, value))
#define GET()		vfio_get(&self->v, self->ctrl, 2)
#define ATTACH(pasid)	EXPECT_EQ(0, iommufd_attach(&self->v, self->hwpt, pasid))
#define DETACH(pasid)	EXPECT_EQ(0, iommufd_detach(&self->v, pasid))

TEST_F(gate, remembered_until_enable)
{
	uint32_t id = self->hwpt;

	EXPECT_EQ(0, iommufd_attach_id(&self->v, &id, PASID));
	EXPECT_EQ(self->hwpt, id);
	ATTACH(OTHER);
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_TRUE(in_iommu(OTHER));
	EXPECT_EQ(2, iommu_count_pasids(host_vf()));
}

TEST_F(gate, clear_and_set)
{
	int i;

	SET(7);
	ATTACH(PASID);
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(in_iommu(PASID));
		SET(6);
		EXPECT_EQ(0, iommu_count_pasids(host_vf()));
		EXPECT_EQ(6, GET());
		SET(7);
	}
	EXPECT_TRUE(in_iommu(PASID));
}

/* Enable is in the low byte: writes of any width, and writes that do not include it */
TEST_F(gate, every_width)
{
	struct vfio *v = &self->v;
	uint32_t both;

	ATTACH(PASID);
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 1, 1));
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(0, vfio_set(v, self->ctrl + 1, 1, 0));
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(0, vfio_set(v, self->ctrl - 2, 2, 0));
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(0, vfio_set(v, self->ctrl, 1, 0));
	EXPECT_FALSE(in_iommu(PASID));
	EXPECT_EQ(0, vfio_set(v, self->ctrl - 2, 4, 0x10000));
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(0, vfio_set(v, self->ctrl - 2, 4, 0));
	EXPECT_FALSE(in_iommu(PASID));
	/* The whole dword, including the bits that cannot be written */
	both = 0xffffffff;
	EXPECT_EQ(sizeof(both), vfio_write(v, self->ctrl - 2, &both, 4));
	EXPECT_TRUE(in_iommu(PASID));
}

TEST_F(gate, exec_and_priv_do_not_count)
{
	ATTACH(PASID);
	SET(6);
	EXPECT_FALSE(in_iommu(PASID));
	SET(7);
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
}

/* What a real attach would refuse is refused at once, and not remembered. */
TEST_F(gate, trial)
{
	uint32_t plain;

	ASSERT_EQ(0, iommufd_hwpt(&self->v, self->ioas, false, &plain));
	EXPECT_EQ(-ENOENT, iommufd_attach(&self->v, 0x7fffffff, PASID));
	EXPECT_EQ(-EINVAL, iommufd_attach(&self->v, self->hwpt, 1 << host_pasid_width()));
	EXPECT_EQ(-EINVAL, iommufd_attach(&self->v, plain, PASID));
	/* iommufd does not attach an IOAS to a PASID. */
	EXPECT_EQ(-EINVAL, iommufd_attach(&self->v, self->ioas, PASID));
	EXPECT_EQ(-EINVAL, iommufd_attach(&self->v, self->v.devid, PASID));
	SET(1);
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
	EXPECT_EQ(-EINVAL, iommufd_attach(&self->v, self->ioas, PASID));
	EXPECT_EQ(0, host_log_count(host_vf(), "stays detached"));
}

/* A replacement that fails leaves the previous page table, attached or remembered. */
TEST_F(gate, failed_replace)
{
	uint32_t plain;

	ASSERT_EQ(0, iommufd_hwpt(&self->v, self->ioas, false, &plain));
	ATTACH(PASID);
	EXPECT_EQ(-EINVAL, iommufd_attach(&self->v, plain, PASID));
	EXPECT_EQ(-ENOENT, iommufd_attach(&self->v, 0x7fffffff, PASID));
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(-EINVAL, iommufd_attach(&self->v, plain, PASID));
	EXPECT_TRUE(in_iommu(PASID));
	SET(0);
	EXPECT_FALSE(in_iommu(PASID));
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
}

/* The last page table that was named is attached: it is the one that cannot be destroyed. */
TEST_F(gate, replace)
{
	struct vfio *v = &self->v;
	uint32_t first, second;

	ASSERT_EQ(0, iommufd_hwpt(v, self->ioas, true, &first));
	ASSERT_EQ(0, iommufd_hwpt(v, self->ioas, true, &second));

	EXPECT_EQ(0, iommufd_attach(v, first, PASID));
	EXPECT_EQ(0, iommufd_attach(v, second, PASID));
	SET(1);
	EXPECT_EQ(-EBUSY, iommufd_destroy(v, second));
	EXPECT_EQ(0, iommufd_destroy(v, first));

	ASSERT_EQ(0, iommufd_hwpt(v, self->ioas, true, &first));
	EXPECT_EQ(0, iommufd_attach(v, first, PASID));
	EXPECT_EQ(-EBUSY, iommufd_destroy(v, first));
	SET(0);
	SET(1);
	EXPECT_EQ(-EBUSY, iommufd_destroy(v, first));
	EXPECT_EQ(0, iommufd_destroy(v, second));
	EXPECT_TRUE(in_iommu(PASID));
}

TEST_F(gate, detach_forgets)
{
	ATTACH(PASID);
	ATTACH(OTHER);
	DETACH(PASID);
	SET(1);
	EXPECT_FALSE(in_iommu(PASID));
	EXPECT_TRUE(in_iommu(OTHER));
	DETACH(OTHER);
	EXPECT_FALSE(in_iommu(OTHER));
	SET(0);
	SET(1);
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
	/* As with vfio-pci, detaching what is not attached is not an error. */
	DETACH(PASID);
}

/* A page table that can no longer be attached is reported once; the others work. */
TEST_F(gate, destroyed_page_table)
{
	struct vfio *v = &self->v;
	uint32_t hwpt;

	ASSERT_EQ(0, iommufd_hwpt(v, self->ioas, true, &hwpt));
	EXPECT_EQ(0, iommufd_attach(v, hwpt, PASID));
	ATTACH(OTHER);
	EXPECT_EQ(0, iommufd_destroy(v, hwpt));
	SET(1);
	EXPECT_EQ(1, GET());
	EXPECT_FALSE(in_iommu(PASID));
	EXPECT_TRUE(in_iommu(OTHER));
	SET(0);
	SET(1);
	EXPECT_EQ(1, host_log_count(host_vf(), "PASID 5 stays detached"));
	/* After another attach, all is well. */
	ATTACH(PASID);
	EXPECT_TRUE(in_iommu(PASID));
	SET(0);
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(1, host_log_count(host_vf(), "stays detached"));
}

/*
 * The ID of a destroyed page table now belongs to another one, which must not be
 * attached: it is as if there were none.
 */
TEST_F(gate, other_page_table)
{
	struct vfio *v = &self->v;
	uint32_t ioas, hwpt, other;
	unsigned int i;

	ASSERT_EQ(0, iommufd_ioas(v, &ioas));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, iommufd_hwpt(v, self->ioas, true, &hwpt));
		EXPECT_EQ(0, iommufd_attach(v, hwpt, PASID));
		EXPECT_EQ(0, iommufd_destroy(v, hwpt));
		ASSERT_EQ(0, iommufd_hwpt(v, ioas, true, &other));
		ASSERT_EQ(hwpt, other);
		/* The other one may be attached to other PASIDs meanwhile. */
		if (i % 2)
			EXPECT_EQ(0, iommufd_attach(v, other, OTHER));
		SET(1);
		EXPECT_FALSE(in_iommu(PASID));
		EXPECT_EQ(i % 2, in_iommu(OTHER));
		EXPECT_EQ(i + 1, host_log_count(host_vf(), "PASID 5 stays detached"));
		SET(0);
		DETACH(PASID);
		DETACH(OTHER);
		EXPECT_EQ(0, iommufd_destroy(v, other));
	}
}

TEST_F(gate, rid_without_pasid_support)
{
	struct vfio *v = &self->v;
	uint32_t plain;

	ASSERT_EQ(0, iommufd_hwpt(v, self->ioas, false, &plain));
	SET(1);
	ATTACH(PASID);
	/* As with vfio-pci while a PASID is attached */
	EXPECT_EQ(-EINVAL, iommufd_attach(v, plain, 0));
	SET(0);
	EXPECT_EQ(0, iommufd_attach(v, plain, 0));
	SET(1);
	EXPECT_EQ(1, GET());
	EXPECT_FALSE(in_iommu(PASID));
	EXPECT_EQ(1, host_log_count(host_vf(), "PASID 5 stays detached"));
	EXPECT_EQ(0, iommufd_attach(v, self->hwpt, 0));
	SET(0);
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
}

static int guest_flr(struct vfio *v)
{
	unsigned int exp = vfio_find_cap(v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	return vfio_set(v, exp, 2, vfio_get(v, exp, 2) |
			PCI_EXP_DEVCTL_BCR_FLR);
}

static int guest_flr_by_byte(struct vfio *v)
{
	unsigned int exp = vfio_find_cap(v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL + 1;

	return vfio_set(v, exp, 1, vfio_get(v, exp, 1) |
			PCI_EXP_DEVCTL_BCR_FLR >> 8);
}

static int guest_af_flr(struct vfio *v)
{
	return vfio_set(v, AF + PCI_AF_CTRL, 1, PCI_AF_CTRL_FLR);
}

static int guest_power_cycle(struct vfio *v)
{
	int ret = vfio_set(v, PM + PCI_PM_CTRL, 2, 3);

	return ret ?: vfio_set(v, PM + PCI_PM_CTRL, 2, 0);
}

static int low_power(struct vfio *v)
{
	int ret = vfio_set_low_power(v, true);

	return ret ?: vfio_set_low_power(v, false);
}

FIXTURE_VARIANT(reset) {
	int (*reset)(struct vfio *v);
};

FIXTURE_VARIANT_ADD(reset, vfio_device_reset) { .reset = vfio_reset };
FIXTURE_VARIANT_ADD(reset, guest_flr) { .reset = guest_flr };
FIXTURE_VARIANT_ADD(reset, guest_flr_by_byte) { .reset = guest_flr_by_byte };
FIXTURE_VARIANT_ADD(reset, guest_af_flr) { .reset = guest_af_flr };
FIXTURE_VARIANT_ADD(reset, guest_power_cycle) { .reset = guest_power_cycle };
FIXTURE_VARIANT_ADD(reset, low_power) { .reset = low_power };

FIXTURE_SETUP(reset)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP();
}

FIXTURE_TEARDOWN(reset)
{
	vfio_close(&self->v);
}

/* When a reset by the user returns, the PASIDs are detached, but remembered. */
TEST_F(reset, detaches_before_it_returns)
{
	SET(7);
	ATTACH(PASID);
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(0, variant->reset(&self->v));
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
	EXPECT_EQ(0, GET());
	ATTACH(OTHER);
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_TRUE(in_iommu(OTHER));
}

/*
 * Core resets the function upon a write to any register of the capability if it finds the
 * bit set. So one write must not trigger the reset that another write is still preparing.
 * On a busy machine the FLR may end too early; then the attempt proves nothing.
 */
static bool try_both(struct vfio *v, unsigned int exp)
{
	pid_t flr, other;
	bool waits;

	flr = fork();
	if (!flr) {
		usleep(100000);
		_exit(!!vfio_set(v, exp + PCI_EXP_DEVCTL, 2,
				 PCI_EXP_DEVCTL_BCR_FLR));
	}
	other = fork();
	if (!other) {
		WAIT_FOR(host_waits_in(flr, "msleep"), 1000);
		_exit(!!vfio_set(v, exp + PCI_EXP_DEVCTL2, 2, 0));
	}
	waits = WAIT_FOR(host_waits_in(other, "vfcap_"), 1000) &&
		host_waits_in(flr, "msleep");
	waitpid(flr, NULL, 0);
	waitpid(other, NULL, 0);
	return waits;
}

TEST_F(gate, writes_wait_for_flr)
{
	unsigned int exp = vfio_find_cap(&self->v, PCI_CAP_ID_EXP), i;
	bool waits = false;

	for (i = 0; i < 10 && !waits; i++)
		waits = try_both(&self->v, exp);
	EXPECT_TRUE(waits);
}

/* How long it takes, in ms, until no PASID is attached; it waits for one second at most */
static long wait_detached(void)
{
	long start = now_ms();

	WAIT_FOR(!iommu_count_pasids(host_vf()), 2 * host_promised(OUTSIDE_RESET_MS));
	return now_ms() - start;
}

/* A write to DevCtl that does not reset the function detaches nothing permanently. */
TEST_F(gate, no_reset)
{
	struct vfio *v = &self->v;
	unsigned int exp = vfio_find_cap(v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	SET(1);
	ATTACH(PASID);
	EXPECT_EQ(0, vfio_set(v, exp, 2, vfio_get(v, exp, 2)));
	EXPECT_EQ(0, vfio_set(v, AF + PCI_AF_CTRL, 1, 0));
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(1, GET());

	/* While the VF sleeps, the IOMMU knows none of its PASIDs, see power_test. */
	EXPECT_EQ(0, vfio_set(v, PM + PCI_PM_CTRL, 2, 3));
	EXPECT_EQ(0, vfio_set(v, PM + PCI_PM_CTRL, 2, 3));
	EXPECT_FALSE(in_iommu(PASID));
	EXPECT_EQ(1, GET());
}

TEST_F(gate, sysfs_reset)
{
	SET(1);
	ATTACH(PASID);
	EXPECT_EQ(0, host_writef("1", "devices/%s/reset", host_vf()));
	EXPECT_EQ(0, GET());
	EXPECT_GE(host_promised(OUTSIDE_RESET_MS), wait_detached());
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
}

TEST_F(gate, bus_reset)
{
	SET(1);
	ATTACH(PASID);
	if (!host_exists("devices/%s/../reset_subordinate", host_pf()))
		SKIP(return, "this kernel has no reset_subordinate");
	EXPECT_EQ(0, host_writef("1", "devices/%s/../reset_subordinate",
				 host_pf()));
	EXPECT_EQ(0, GET());
	EXPECT_GE(host_promised(OUTSIDE_RESET_MS), wait_detached());
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
}

/* Enabled again before the worker ran: the PASID may have stayed, but must be attached. */
TEST_F(gate, enable_directly_after_reset)
{
	int i;

	ATTACH(PASID);
	for (i = 0; i < 20; i++) {
		SET(1);
		EXPECT_EQ(0, host_writef("1", "devices/%s/reset", host_vf()));
		SET(1);
		EXPECT_TRUE(in_iommu(PASID));
		EXPECT_EQ(1, GET());
	}
}

TEST_F(gate, close)
{
	SET(1);
	ATTACH(PASID);
	SET(0);
	ATTACH(OTHER);
	vfio_close(&self->v);
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
	ASSERT_EQ(0, vfio_open_cdev(&self->v, host_vf()));
	SET(1);
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
}

TEST_F(gate, close_while_attached)
{
	SET(1);
	ATTACH(PASID);
	vfio_close(&self->v);
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
}

/* A VMM may attach before it first accesses config space. */
TEST_F(gate, attach_before_first_access)
{
	vfio_close(&self->v);
	OPEN_SESSION();
	ATTACH(PASID);
	EXPECT_FALSE(in_iommu(PASID));
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
}

/* If PASID is not shown, PASIDs are attached as with vfio-pci. */
TEST_F(gate, hidden)
{
	vfio_close(&self->v);
	ASSERT_EQ(0, host_param("pasid", "off"));
	OPEN_SESSION();
	ASSERT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	ATTACH(PASID);
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_TRUE(in_iommu(PASID));
	ATTACH(PASID);
	DETACH(PASID);
	EXPECT_FALSE(in_iommu(PASID));
}

/* Enable of one VF does not affect another VF. */
TEST_F(gate, other_vf)
{
	uint32_t ioas, hwpt;
	struct vfio other;

	ASSERT_EQ(0, host_bind(host_vf2(), OURS));
	ASSERT_EQ(0, vfio_open_cdev(&other, host_vf2()));
	ASSERT_EQ(0, iommufd_ioas(&other, &ioas));
	ASSERT_EQ(0, iommufd_hwpt(&other, ioas, true, &hwpt));
	ASSERT_EQ(0, iommufd_attach(&other, hwpt, 0));
	EXPECT_EQ(0, iommufd_attach(&other, hwpt, PASID));
	ATTACH(PASID);
	SET(1);
	EXPECT_TRUE(in_iommu(PASID));
	EXPECT_EQ(0, iommu_count_pasids(host_vf2()));
	EXPECT_EQ(0, vfio_set(&other, self->ctrl, 2, 1));
	EXPECT_TRUE(iommu_has_pasid(host_vf2(), PASID));
	SET(0);
	EXPECT_FALSE(in_iommu(PASID));
	EXPECT_TRUE(iommu_has_pasid(host_vf2(), PASID));
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_TRUE(iommu_has_pasid(host_vf2(), PASID));
	vfio_close(&other);
	EXPECT_EQ(0, host_unbind(host_vf2()));
}

/* The number of remembered PASIDs is limited. */
TEST_F_TIMEOUT(gate, bound, 120)
{
	uint32_t pasid;
	int ret = 0;

	for (pasid = 1; !ret && pasid < 1 << 20; pasid++)
		ret = iommufd_attach(&self->v, self->hwpt, pasid);
	EXPECT_EQ(-ENOSPC, ret);
	EXPECT_EQ(4098, pasid);
	EXPECT_EQ(0, iommu_count_pasids(host_vf()));
	/* A known PASID can be replaced, and detaching one makes room for another. */
	ATTACH(1);
	EXPECT_EQ(-ENOSPC, iommufd_attach(&self->v, self->hwpt, OTHER));
	DETACH(1);
	ATTACH(OTHER);
}

/*
 * While Enable reads 0, no PASID is attached, not even for a moment. One thread toggles
 * Enable, the other compares. An observation counts only if all of it was made during one
 * write, and that write clears Enable: a write that sets it attaches only after it reads
 * as 1.
 */
struct toggle {
	struct vfio *v;
	unsigned int ctrl;
	unsigned int writes;
};

static void *toggle(void *arg)
{
	struct toggle *t = arg;
	int i;

	for (i = 0; i < 400; i++) {
		__atomic_add_fetch(&t->writes, 1, __ATOMIC_SEQ_CST);
		vfio_set(t->v, t->ctrl, 2, t->writes & 1);
		/* With only one CPU, let the other thread look at each state as well. */
		sched_yield();
	}
	return NULL;
}

TEST_F(gate, never_attached_while_0)
{
	struct toggle t = { .v = &self->v, .ctrl = self->ctrl };
	int wrong = 0, judged = 0, seen = 0;
	pthread_t thread;

	ATTACH(PASID);
	ASSERT_EQ(0, pthread_create(&thread, NULL, toggle, &t));
	for (; pthread_tryjoin_np(thread, NULL); sched_yield()) {
		unsigned int writes = __atomic_load_n(&t.writes, __ATOMIC_SEQ_CST);
		bool enabled = GET();
		bool attached = in_iommu(PASID);

		seen += attached;
		if (writes & 1 ||
		    writes != __atomic_load_n(&t.writes, __ATOMIC_SEQ_CST))
			continue;
		judged++;
		wrong += attached && !enabled;
	}
	EXPECT_EQ(0, wrong);
	EXPECT_LT(0, judged);
	EXPECT_LT(0, seen);
}

TEST_HARNESS_MAIN
