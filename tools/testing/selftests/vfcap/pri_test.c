// SPDX-License-Identifier: GPL-2.0
/*
 * The PRI capability of VFs (PCIe r6.0, sec 10.5.2): when it is shown, what each of its
 * registers does, and that it reflects the page requests which the PF's driver answers.
 * The sample PF driver simulates these, with a delay or without end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define VF	sample_vf(0)
#define VF2	sample_vf(1)

/* The share of each of two VFs in the PF's allocation */
#define SHARE	(PF_PRI_ALLOCATION / 2)

#define RF	PCI_PRI_STATUS_RF
#define UPRGI	PCI_PRI_STATUS_UPRGI
#define STOPPED	PCI_PRI_STATUS_STOPPED

/* Parts of messages in the kernel's log */
#define HIDDEN		"PRI capability not shown: "
#define FORCED		"parameter pri=on: page requests may go unanswered, because "
#define STILL_LOST	"PRI is still lost after a reset: "
#define NOT_DECLARED	"the driver of its PF does not declare"
#define NO_ATS		"the kernel has not enabled ATS in it"
#define TOO_MANY_VFS	"its PF was allotted fewer page requests than it has VFs"
#define NOT_ANSWERED	"its page requests were not answered in time"
#define NO_LONGER	"the driver of its PF no longer answers page requests"

/* Not open: two VFs of the PF, with igb or the sample driver, with ATS or without */
FIXTURE(igb) {
	struct vfio v;
};

FIXTURE(no_ats) {
	struct vfio v;
};

FIXTURE(shown) {
	struct vfio v;
};

/* One of two VFs, open and with PRI */
FIXTURE(pri) {
	struct vfio v;
};

/* Eight VFs, not open */
FIXTURE(eight) {
	struct vfio v[SAMPLE_MAX_VFS];
};

#define SETUP(driver, ats) do {						\
	vfio_init(&self->v);						\
	ASSERT_EQ(0, sample_prepare(driver, 2, ats));			\
} while (0)

/* Open like users of iommufd: then "auto" can show everything. */
#define OPEN(v, vf)	ASSERT_EQ(0, vfio_open_cdev(v, vf))
#define PASID(v)	vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID)
#define PRI(v)		vfio_find_ecap(v, PCI_EXT_CAP_ID_PRI)

FIXTURE_SETUP(igb)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP(IGB, true);
}

FIXTURE_TEARDOWN(igb)
{
	vfio_close(&self->v);
}

FIXTURE_SETUP(no_ats)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP(SAMPLE, false);
}

FIXTURE_TEARDOWN(no_ats)
{
	vfio_close(&self->v);
}

FIXTURE_SETUP(shown)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP(SAMPLE, true);
}

FIXTURE_TEARDOWN(shown)
{
	vfio_close(&self->v);
}

FIXTURE_SETUP(pri)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP(SAMPLE, true);
	OPEN(&self->v, VF);
	ASSERT_EQ(PF_PRI, PRI(&self->v));
	ASSERT_EQ(0, sample_calls_clear());
}

FIXTURE_TEARDOWN(pri)
{
	EXPECT_EQ(0, sample_set("stuck", "N"));
	vfio_close(&self->v);
}

FIXTURE_SETUP(eight)
{
	int i;

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	for (i = 0; i < SAMPLE_MAX_VFS; i++)
		vfio_init(&self->v[i]);
	ASSERT_EQ(0, sample_prepare(SAMPLE, SAMPLE_MAX_VFS, true));
}

FIXTURE_TEARDOWN(eight)
{
	int i;

	for (i = 0; i < SAMPLE_MAX_VFS; i++)
		vfio_close(&self->v[i]);
}

#define EXPECT_CALLS(n, ...)	EXPECT_EQ(n, sample_calls(__VA_ARGS__))
#define EXPECT_STATE(text, bdf, file)	\
	EXPECT_STREQ(text, sample_state(bdf, file))

/* PRI's registers, at the same offset as in the PF */
#define CTRL(v)		vfio_get(v, PF_PRI + PCI_PRI_CTRL, 2)
#define STATUS(v)	vfio_get(v, PF_PRI + PCI_PRI_STATUS, 2)
#define CAPACITY(v)	vfio_get(v, PF_PRI + PCI_PRI_MAX_REQ, 4)
#define ALLOCATION(v)	vfio_get(v, PF_PRI + PCI_PRI_ALLOC_REQ, 4)
#define SET_CTRL(v, value)	\
	EXPECT_EQ(0, vfio_set(v, PF_PRI + PCI_PRI_CTRL, 2, value))
#define SET_STATUS(v, value)	\
	EXPECT_EQ(0, vfio_set(v, PF_PRI + PCI_PRI_STATUS, 2, value))
#define SET_ALLOCATION(v, value)	\
	EXPECT_EQ(0, vfio_set(v, PF_PRI + PCI_PRI_ALLOC_REQ, 4, value))

#define ENABLE(v, allocation) do {					\
	struct vfio *_v = (v);						\
									\
	SET_ALLOCATION(_v, allocation);					\
	SET_CTRL(_v, PCI_PRI_CTRL_ENABLE);				\
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, CTRL(_v));			\
} while (0)

#define PASID_CTRL	(PF_PASID + PCI_PASID_CTRL)

/* Only the kernel touches the PF's own registers. */
#define EXPECT_PF_UNTOUCHED() do {					\
	EXPECT_EQ(0, host_writes_count(host_pf(), PF_PRI,		\
				       PF_PRI + PCI_EXT_CAP_PRI_SIZEOF)); \
	EXPECT_EQ(0, host_writes_count(host_pf(), PF_PASID,		\
				       PF_PASID +			\
				       PCI_EXT_CAP_PASID_SIZEOF));	\
} while (0)

static bool is_lost(const char *vf, const char *cap)
{
	char file[32];

	snprintf(file, sizeof(file), "%s_state", cap);
	return !strcmp("lost", sample_state(vf, file));
}

static bool is_stopped(struct vfio *v)
{
	return STATUS(v) & STOPPED;
}

/* igb does not answer any page requests. */
TEST_F(igb, auto_hides)
{
	OPEN(&self->v, VF);
	EXPECT_EQ(0, PRI(&self->v));
	EXPECT_EQ(PF_PASID, PASID(&self->v));
	EXPECT_EQ(1, host_log_count(VF, HIDDEN NOT_DECLARED));
	EXPECT_STATE("hidden", VF, "pri_state");
}

TEST_F(igb, on_shows)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, host_param("pri", "on"));
	OPEN(v, VF);
	EXPECT_EQ(PF_PRI, PRI(v));
	EXPECT_EQ(1, host_log_count(VF, FORCED NOT_DECLARED));
	EXPECT_EQ(1, host_log_count(VF, "PRI capability shown at 0x1c0"));
	EXPECT_EQ(SHARE, CAPACITY(v));
	EXPECT_EQ(STOPPED, STATUS(v));
	ENABLE(v, 1);
	EXPECT_EQ(0, STATUS(v));
	SET_CTRL(v, 0);
	EXPECT_TRUE(WAIT_FOR(is_stopped(v), 500));
	EXPECT_PF_UNTOUCHED();
}

TEST_F(igb, off_hides)
{
	ASSERT_EQ(0, host_param("pri", "off"));
	OPEN(&self->v, VF);
	EXPECT_EQ(0, PRI(&self->v));
	EXPECT_EQ(1, host_log_count(VF, HIDDEN "switched off"));
}

/* Page requests result from translation requests. */
TEST_F(no_ats, auto_hides)
{
	OPEN(&self->v, VF);
	EXPECT_EQ(0, PRI(&self->v));
	EXPECT_EQ(1, host_log_count(VF, HIDDEN NO_ATS));
}

TEST_F(no_ats, on_shows_what_cannot_be_enabled)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, host_param("pri", "on"));
	OPEN(v, VF);
	EXPECT_EQ(PF_PRI, PRI(v));
	EXPECT_EQ(1, host_log_count(VF, FORCED NO_ATS));
	SET_ALLOCATION(v, 4);
	EXPECT_EQ(4, ALLOCATION(v));
	SET_CTRL(v, PCI_PRI_CTRL_ENABLE);
	EXPECT_EQ(0, CTRL(v));
	EXPECT_EQ(STOPPED, STATUS(v));
	EXPECT_EQ(1, host_log_count(VF, "PRI cannot be enabled now"));
	EXPECT_CALLS(0, "pri_enable");
	EXPECT_EQ(-EPERM, sample_request(VF, 1));
}

TEST_F(shown, auto_shows_what_is_declared)
{
	struct vfio *v = &self->v;

	OPEN(v, VF);
	EXPECT_EQ(PF_PRI, PRI(v));
	EXPECT_EQ(PF_PASID, PASID(v));
	EXPECT_EQ(1, host_log_count(VF, "PRI capability shown at 0x1c0"));
	EXPECT_EQ(0, host_log_count(VF, "parameter pri=on"));
	EXPECT_STATE("shown", VF, "pri_state");
	EXPECT_EQ(0x0013, vfio_get(v, PF_PRI, 2));
	EXPECT_EQ(1, vfio_get(v, PF_PRI + 2, 2) & 0xf);
	EXPECT_EQ(0, CTRL(v));
	EXPECT_EQ(STOPPED, STATUS(v));
	EXPECT_EQ(SHARE, CAPACITY(v));
	EXPECT_EQ(0, ALLOCATION(v));
	EXPECT_PF_UNTOUCHED();
}

TEST_F(shown, unregistered_hides)
{
	ASSERT_EQ(0, sample_set("registered", "0"));
	OPEN(&self->v, VF);
	EXPECT_EQ(0, PRI(&self->v));
	EXPECT_EQ(PF_PASID, PASID(&self->v));
	EXPECT_EQ(1, host_log_count(VF, HIDDEN NOT_DECLARED));
	vfio_close(&self->v);

	ASSERT_EQ(0, sample_set("registered", "1"));
	OPEN(&self->v, VF);
	EXPECT_EQ(PF_PRI, PRI(&self->v));
	vfio_close(&self->v);

	/* The registration ends between the open and the first access. */
	OPEN(&self->v, VF);
	ASSERT_EQ(0, sample_set("registered", "0"));
	EXPECT_EQ(0, PRI(&self->v));
	EXPECT_STATE("hidden", VF, "pri_state");
	EXPECT_STATE("unlocked", host_pf(), "pri_state");
}

/* PRI depends neither on how the VF was opened nor on PASID. */
TEST_F(shown, without_pasid)
{
	ASSERT_EQ(0, host_param("pasid", "off"));
	OPEN(&self->v, VF);
	EXPECT_EQ(PF_PRI, PRI(&self->v));
	EXPECT_EQ(0, PASID(&self->v));
	ENABLE(&self->v, 2);
	EXPECT_EQ(0, sample_request(VF, 2));
	vfio_close(&self->v);
	ASSERT_EQ(0, vfio_open_group(&self->v, VF));
	EXPECT_EQ(PF_PRI, PRI(&self->v));
}

TEST_F(shown, off_hides)
{
	ASSERT_EQ(0, host_param("pri", "off"));
	OPEN(&self->v, VF);
	EXPECT_EQ(0, PRI(&self->v));
	EXPECT_EQ(PF_PASID, PASID(&self->v));
	EXPECT_EQ(1, host_log_count(VF, HIDDEN "switched off"));
	EXPECT_CALLS(0, "first_user PRI");
}

TEST_F(shown, hidden_while_pf_is_disabled)
{
	EXPECT_EQ(0, host_config_write(host_pf(), PF_PRI + PCI_PRI_CTRL, 2, 0));
	OPEN(&self->v, VF);
	EXPECT_EQ(0, PRI(&self->v));
	EXPECT_EQ(1, host_log_count(VF, HIDDEN "PRI is not enabled in its PF"));
	vfio_close(&self->v);
	/* "on" requires this as well. */
	ASSERT_EQ(0, host_param("pri", "on"));
	OPEN(&self->v, VF);
	EXPECT_EQ(0, PRI(&self->v));
}

/* The VFs share what was allocated, not the capacity; and shares are rounded down. */
TEST_F(shown, capacity)
{
	static const struct {
		uint32_t allotted, capacity, shown;
	} cases[] = {
		{ 64, 32, PF_PRI }, { 63, 31, PF_PRI }, { 3, 1, PF_PRI },
		{ 2, 1, PF_PRI }, { 1, 0, 0 }, { 0, 0, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		/* A driver that was just bound logs each open. */
		ASSERT_EQ(0, host_rebind(VF, OURS));
		host_log_clear();
		EXPECT_EQ(0, host_config_write(host_pf(),
					       PF_PRI + PCI_PRI_ALLOC_REQ, 4,
					       cases[i].allotted));
		OPEN(&self->v, VF);
		EXPECT_EQ(cases[i].shown, PRI(&self->v));
		EXPECT_EQ(!cases[i].capacity,
			  host_log_count(VF, HIDDEN TOO_MANY_VFS));
		EXPECT_TRUE(!cases[i].capacity ||
			    cases[i].capacity == CAPACITY(&self->v));
		vfio_close(&self->v);
	}
}

/* PRG Response PASID Required is taken from the PF. */
TEST_F(shown, pasid_required)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, host_layout("pf 1c4 81000001 ffffffff 00000001"));
	OPEN(v, VF);
	EXPECT_EQ(PF_PRI, PRI(v));
	EXPECT_EQ(STOPPED | PCI_PRI_STATUS_PASID, STATUS(v));
	SET_STATUS(v, 0xffff);
	EXPECT_EQ(STOPPED | PCI_PRI_STATUS_PASID, STATUS(v));
	ENABLE(v, 1);
	EXPECT_EQ(PCI_PRI_STATUS_PASID, STATUS(v));
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_EQ(STOPPED | PCI_PRI_STATUS_PASID, STATUS(v));
}

#define DWORDS	(PCI_EXT_CAP_PRI_SIZEOF / 4)

/* Read all dwords with each width, which must agree */
static bool read_all(struct vfio *v, uint32_t regs[DWORDS])
{
	unsigned int pos;

	for (pos = 0; pos < PCI_EXT_CAP_PRI_SIZEOF; pos++) {
		uint32_t *reg = &regs[pos / 4];
		unsigned int shift = pos % 4 * 8;

		if (!shift)
			*reg = vfio_get(v, PF_PRI + pos, 4);
		if (vfio_get(v, PF_PRI + pos, 1) != (*reg >> shift & 0xff))
			return false;
		if (!(pos % 2) &&
		    vfio_get(v, PF_PRI + pos, 2) != (*reg >> shift & 0xffff))
			return false;
	}
	return true;
}

/* Every bit of every register, written with each width and at each offset */
TEST_F(pri, bits)
{
	uint32_t header = vfio_get(&self->v, PF_PRI, 4);
	uint32_t ones[DWORDS], regs[DWORDS] = {};
	static const unsigned int sizes[] = { 1, 2, 4, 16 };
	struct vfio *v = &self->v;
	unsigned int i, pos;

	memset(ones, 0xff, sizeof(ones));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (pos = 0; pos + sizes[i] <= PCI_EXT_CAP_PRI_SIZEOF; pos++) {
			unsigned int end = pos + sizes[i];
			bool ctrl = pos <= PCI_PRI_CTRL && end > PCI_PRI_CTRL;
			bool status = pos <= PCI_PRI_STATUS &&
				      end > PCI_PRI_STATUS;
			uint32_t alloc[DWORDS] = {}, zeros[DWORDS] = {};
			uint32_t left = status ? 0x01000000 : 0x01030000;

			memcpy((char *)alloc + pos, ones, sizes[i]);

			/* RF and UPRGI are set; writing zeros does not change them. */
			EXPECT_EQ(0, sample_set("pri_failed", "%s 3", VF));
			ASSERT_EQ(sizes[i], vfio_write(v, PF_PRI + pos, zeros,
						       sizes[i]));
			ASSERT_TRUE(read_all(v, regs));
			ASSERT_EQ(header, regs[0]);
			ASSERT_EQ(0x01030000, regs[1]);
			ASSERT_EQ(SHARE, regs[2]);
			ASSERT_EQ(0, regs[3]);

			/* Writing ones changes Enable, RF, UPRGI, and Allocation. */
			ASSERT_EQ(sizes[i], vfio_write(v, PF_PRI + pos, ones,
						       sizes[i]));
			ASSERT_TRUE(read_all(v, regs));
			ASSERT_EQ(header, regs[0]);
			ASSERT_EQ(ctrl ? 0x00000001 : left, regs[1])
				TH_LOG("%u bytes at %u", sizes[i], pos);
			ASSERT_EQ(SHARE, regs[2]);
			ASSERT_EQ(alloc[3], regs[3]);

			/* And back */
			ASSERT_EQ(sizes[i], vfio_write(v, PF_PRI + pos, zeros,
						       sizes[i]));
			ASSERT_TRUE(read_all(v, regs));
			ASSERT_EQ(header, regs[0]);
			ASSERT_EQ(ctrl ? 0x01000000 : left, regs[1]);
			ASSERT_EQ(SHARE, regs[2]);
			ASSERT_EQ(0, regs[3]);
			SET_STATUS(v, RF | UPRGI);
		}
	}
	EXPECT_CALLS(0, "pri_enable");
	EXPECT_PF_UNTOUCHED();
}

TEST_F(pri, enable)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(-EPERM, sample_request(VF, 1));
	ENABLE(v, 5);
	EXPECT_EQ(0, STATUS(v));
	EXPECT_CALLS(1, "pri_enable %s 5\n", VF);
	ASSERT_EQ(0, sample_set("latency_ms", "10000"));
	EXPECT_EQ(-ENOSPC, sample_request(VF, 6));
	EXPECT_EQ(0, sample_request(VF, 5));
	EXPECT_EQ(5, sample_in_flight(VF));
	EXPECT_EQ(-EPERM, sample_request(VF2, 1));
	/* Setting Enable again does not enable it twice. */
	SET_CTRL(v, PCI_PRI_CTRL_ENABLE);
	EXPECT_CALLS(1, "pri_enable");
	EXPECT_CALLS(0, "pri_disable");
	ASSERT_EQ(0, sample_set("latency_ms", "1"));
	EXPECT_TRUE(WAIT_FOR(!sample_in_flight(VF), 2000));
	EXPECT_EQ(0, STATUS(v));
	SET_CTRL(v, 0);
	EXPECT_CALLS(1, "pri_disable %s\n", VF);
	EXPECT_EQ(-EPERM, sample_request(VF, 1));
	EXPECT_TRUE(WAIT_FOR(is_stopped(v), 500));
	EXPECT_CALLS(1, "pri_drain %s 0\n", VF);
	EXPECT_PF_UNTOUCHED();
}

TEST_F(pri, enable_with_whole_share)
{
	ENABLE(&self->v, SHARE);
	EXPECT_CALLS(1, "pri_enable %s 32\n", VF);
	EXPECT_EQ(0, sample_request(VF, SHARE));
}

/* The guest's mistake: as in hardware, Enable can be set, but nothing is sent. */
TEST_F(pri, enable_with_bad_allocation)
{
	static const uint32_t bad[] = { 0, SHARE + 1, PF_PRI_ALLOCATION,
					0x80000001, 0xffffffff };
	struct vfio *v = &self->v;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		ENABLE(v, bad[i]);
		EXPECT_EQ(bad[i], ALLOCATION(v));
		EXPECT_EQ(0, STATUS(v));
		EXPECT_EQ(-EPERM, sample_request(VF, 1));
		SET_CTRL(v, 0);
		EXPECT_TRUE(WAIT_FOR(is_stopped(v), 500));
	}
	EXPECT_CALLS(0, "pri_enable");
	/* This has no consequences. */
	EXPECT_STATE("shown", VF, "pri_state");
	ENABLE(v, 1);
	EXPECT_EQ(0, sample_request(VF, 1));
}

TEST_F(pri, enable_clears_status)
{
	struct vfio *v = &self->v;

	EXPECT_EQ(0, sample_set("pri_failed", "%s 3", VF));
	EXPECT_EQ(STOPPED | RF | UPRGI, STATUS(v));
	ENABLE(v, 1);
	EXPECT_EQ(0, STATUS(v));
	/* Setting Enable while it is set does not clear them. */
	EXPECT_EQ(0, sample_set("pri_failed", "%s 3", VF));
	SET_CTRL(v, PCI_PRI_CTRL_ENABLE);
	EXPECT_EQ(RF | UPRGI, STATUS(v));
	/* Neither does clearing Enable. */
	SET_CTRL(v, 0);
	EXPECT_TRUE(WAIT_FOR(is_stopped(v), 500));
	EXPECT_EQ(STOPPED | RF | UPRGI, STATUS(v));
}

/* Between the loss in the PF and the time when it is noticed */
TEST_F(pri, enable_while_pf_is_disabled)
{
	struct vfio *v = &self->v;

	SET_ALLOCATION(v, 4);
	EXPECT_EQ(0, host_config_write(host_pf(), PF_PRI + PCI_PRI_CTRL, 2, 0));
	SET_CTRL(v, PCI_PRI_CTRL_ENABLE);
	EXPECT_EQ(0, CTRL(v));
	EXPECT_EQ(STOPPED, STATUS(v));
	EXPECT_CALLS(0, "pri_enable");
	EXPECT_LE(1, host_log_count(VF, "PRI cannot be enabled now"));
}

/* The PF's driver refuses: the effect is that of a bad allocation, and it is logged. */
TEST_F(pri, enable_error)
{
	struct vfio *v = &self->v;
	int i;

	ASSERT_EQ(0, sample_set("pri_enable_error", "%d", ENOSPC));
	ENABLE(v, 4);
	EXPECT_EQ(0, STATUS(v));
	EXPECT_EQ(-EPERM, sample_request(VF, 1));
	EXPECT_LE(1, host_log_count(VF, "PRI is enabled but sends nothing"));
	EXPECT_STATE("shown", VF, "pri_state");
	/* A guest must not fill the host's log, so try more than the ratelimit's burst. */
	for (i = 0; i < 100; i++)
		SET_STATUS(v, 0);
	EXPECT_GE(12, host_log_count(VF, "PRI is enabled but sends nothing"));
	ASSERT_EQ(0, sample_calls_clear());
	SET_CTRL(v, 0);
	EXPECT_TRUE(WAIT_FOR(is_stopped(v), 500));
	/* The PF's driver enabled nothing, so it has nothing to disable. */
	EXPECT_CALLS(0, "pri_disable");
	ASSERT_EQ(0, sample_set("pri_enable_error", "0"));
	ENABLE(v, 4);
	EXPECT_EQ(0, sample_request(VF, 4));
}

/* RF and UPRGI come from the PF's driver, and can be cleared one by one. */
TEST_F(pri, failures)
{
	struct vfio *v = &self->v;
	struct vfio other;

	OPEN(&other, VF2);
	ASSERT_EQ(PF_PRI, PRI(&other));
	EXPECT_EQ(0, sample_set("pri_failed", "%s 1", VF));
	EXPECT_EQ(STOPPED | RF, STATUS(v));
	EXPECT_EQ(0, sample_set("pri_failed", "%s 2", VF));
	EXPECT_EQ(STOPPED | RF | UPRGI, STATUS(v));
	SET_STATUS(v, 0);
	EXPECT_EQ(STOPPED | RF | UPRGI, STATUS(v));
	SET_STATUS(v, RF);
	EXPECT_EQ(STOPPED | UPRGI, STATUS(v));
	EXPECT_EQ(0, sample_set("pri_failed", "%s 1", VF));
	SET_STATUS(v, UPRGI);
	EXPECT_EQ(STOPPED | RF, STATUS(v));
	SET_STATUS(v, RF);
	EXPECT_EQ(STOPPED, STATUS(v));

	/* Also while PRI is enabled; all other bits are ignored. */
	ENABLE(v, 1);
	EXPECT_EQ(0, sample_set("pri_failed", "%s fffc", VF));
	EXPECT_EQ(0, STATUS(v));
	EXPECT_EQ(0, sample_set("pri_failed", "%s ffff", VF));
	EXPECT_EQ(RF | UPRGI, STATUS(v));
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, CTRL(v));
	SET_STATUS(v, RF | UPRGI);
	EXPECT_EQ(0, STATUS(v));

	/* Those of one VF do not affect another VF. */
	EXPECT_EQ(STOPPED, STATUS(&other));
	vfio_close(&other);
	/* And those of a closed VF are dropped. */
	EXPECT_EQ(0, sample_set("pri_failed", "%s 3", VF2));
	OPEN(&other, VF2);
	EXPECT_EQ(STOPPED, STATUS(&other));
	vfio_close(&other);
}

/* Reset of the interface, which has an effect only if Enable is or becomes 0 */
TEST_F(pri, reset_bit)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, sample_set("latency_ms", "60000"));
	SET_CTRL(v, PCI_PRI_CTRL_RESET);
	EXPECT_EQ(0, CTRL(v));
	EXPECT_EQ(STOPPED, STATUS(v));
	EXPECT_CALLS(1, "pri_reset %s", VF);

	/* Enable is and stays set: no effect */
	ENABLE(v, 8);
	EXPECT_EQ(0, sample_request(VF, 3));
	SET_CTRL(v, PCI_PRI_CTRL_ENABLE | PCI_PRI_CTRL_RESET);
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, CTRL(v));
	EXPECT_EQ(3, sample_in_flight(VF));
	EXPECT_CALLS(1, "pri_reset");
	EXPECT_CALLS(0, "pri_disable");

	/* Enable is cleared by the same write. */
	EXPECT_EQ(0, sample_set("pri_failed", "%s 3", VF));
	SET_CTRL(v, PCI_PRI_CTRL_RESET);
	EXPECT_EQ(0, CTRL(v));
	EXPECT_CALLS(1, "pri_disable %s", VF);
	EXPECT_CALLS(2, "pri_reset %s", VF);
	EXPECT_EQ(0, sample_in_flight(VF));
	EXPECT_TRUE(WAIT_FOR(is_stopped(v), 500));
	/* The interface is reset, but not its registers. */
	EXPECT_EQ(8, ALLOCATION(v));
	EXPECT_EQ(STOPPED | RF | UPRGI, STATUS(v));

	/* While requests are still in flight */
	ENABLE(v, 8);
	EXPECT_EQ(0, sample_request(VF, 3));
	SET_CTRL(v, 0);
	EXPECT_EQ(0, STATUS(v));
	EXPECT_CALLS(2, "pri_reset");
	SET_CTRL(v, PCI_PRI_CTRL_RESET);
	EXPECT_CALLS(3, "pri_reset %s", VF);
	EXPECT_EQ(0, sample_in_flight(VF));
	EXPECT_TRUE(WAIT_FOR(is_stopped(v), 500));
	ENABLE(v, 8);
	EXPECT_TRUE(WAIT_FOR(!sample_request(VF, 8), 500));
	EXPECT_STATE("shown", VF, "pri_state");
	EXPECT_PF_UNTOUCHED();
}

/* Enable, Reset and requests of one VF do not affect another VF. */
TEST_F(pri, other_vf)
{
	struct vfio *v = &self->v;
	struct vfio other;

	OPEN(&other, VF2);
	ASSERT_EQ(PF_PRI, PRI(&other));
	ASSERT_EQ(0, sample_set("latency_ms", "60000"));
	ENABLE(v, 4);
	EXPECT_EQ(0, CTRL(&other));
	EXPECT_EQ(STOPPED, STATUS(&other));
	ENABLE(&other, 6);
	EXPECT_EQ(4, ALLOCATION(v));
	EXPECT_EQ(0, sample_request(VF, 4));
	EXPECT_EQ(0, sample_request(VF2, 6));
	SET_CTRL(v, PCI_PRI_CTRL_RESET);
	EXPECT_EQ(0, sample_in_flight(VF));
	EXPECT_EQ(6, sample_in_flight(VF2));
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, CTRL(&other));
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_EQ(6, sample_in_flight(VF2));
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, CTRL(&other));
	EXPECT_CALLS(0, "pri_disable %s", VF2);
	vfio_close(&other);
	EXPECT_EQ(0, sample_in_flight(VF2));
}

/* Nothing in flight: stopped at once, or as soon as a worker has run */
TEST_F(pri, stopped_when_none_in_flight)
{
	struct vfio *v = &self->v;

	ENABLE(v, 4);
	EXPECT_EQ(0, STATUS(v));
	SET_CTRL(v, 0);
	EXPECT_TRUE(WAIT_FOR(is_stopped(v), host_promised(500)));
	EXPECT_STATE("shown", VF, "pri_state");
}

/* In flight: not stopped before all requests are answered, however long that takes */
TEST_F(pri, stopped_when_answered)
{
	struct vfio *v = &self->v;
	int in_flight, seen = 0;
	uint32_t status;
	long start;

	ASSERT_EQ(0, sample_param("pri_drain_ms", "10000"));
	ASSERT_EQ(0, sample_set("latency_ms", "250"));
	ENABLE(v, 4);
	EXPECT_EQ(0, sample_request(VF, 3));
	start = now_ms();
	SET_CTRL(v, 0);
	/* The writer did not have to wait, and no new requests are sent. */
	EXPECT_GT(250, now_ms() - start);
	EXPECT_EQ(0, CTRL(v));
	EXPECT_EQ(-EPERM, sample_request(VF, 1));
	do {
		status = STATUS(v);
		in_flight = sample_in_flight(VF);
		seen += in_flight > 0;
		usleep(1000);
	} while (!status && now_ms() - start < 5000);
	EXPECT_EQ(STOPPED, status);
	EXPECT_EQ(0, in_flight);
	EXPECT_LT(0, seen);
	EXPECT_LE(500, now_ms() - start);
	EXPECT_CALLS(1, "pri_drain %s 0\n", VF);
	EXPECT_CALLS(0, "pri_reset");
	EXPECT_STATE("shown", VF, "pri_state");
	EXPECT_PF_UNTOUCHED();
}

/* Undefined by the specification: accepted, and takes effect after the rest are answered */
TEST_F(pri, enable_while_draining)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, sample_param("pri_drain_ms", "10000"));
	ASSERT_EQ(0, sample_set("latency_ms", "60000"));
	ENABLE(v, 4);
	EXPECT_EQ(0, sample_request(VF, 3));
	SET_CTRL(v, 0);
	ENABLE(v, 7);
	EXPECT_EQ(0, STATUS(v));
	EXPECT_CALLS(1, "pri_enable");
	EXPECT_EQ(-EPERM, sample_request(VF, 1));
	/* Other registers can be written meanwhile. */
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_EQ(1, vfio_get(v, PASID_CTRL, 2));
	EXPECT_EQ(-EPERM, sample_request(VF, 1));

	ASSERT_EQ(0, sample_set("latency_ms", "1"));
	EXPECT_TRUE(WAIT_FOR(sample_calls("pri_enable %s 7\n", VF) == 1, 2000));
	EXPECT_EQ(0, sample_request(VF, 7));
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, CTRL(v));
	EXPECT_EQ(0, STATUS(v));
	EXPECT_CALLS(2, "pri_enable");
	EXPECT_CALLS(1, "pri_disable");
}

TEST_F(pri, enable_and_disable_while_draining)
{
	struct vfio *v = &self->v;
	int i;

	ASSERT_EQ(0, sample_param("pri_drain_ms", "10000"));
	ASSERT_EQ(0, sample_set("latency_ms", "60000"));
	ENABLE(v, 4);
	EXPECT_EQ(0, sample_request(VF, 3));
	for (i = 0; i < 3; i++) {
		SET_CTRL(v, 0);
		EXPECT_EQ(0, STATUS(v));
		SET_CTRL(v, PCI_PRI_CTRL_ENABLE);
		EXPECT_EQ(0, STATUS(v));
	}
	SET_CTRL(v, 0);
	EXPECT_EQ(0, STATUS(v));
	EXPECT_EQ(3, sample_in_flight(VF));
	ASSERT_EQ(0, sample_set("latency_ms", "1"));
	EXPECT_TRUE(WAIT_FOR(is_stopped(v), 2000));
	EXPECT_EQ(0, sample_in_flight(VF));
	EXPECT_CALLS(1, "pri_enable");
	EXPECT_CALLS(1, "pri_disable");
	EXPECT_EQ(-EPERM, sample_request(VF, 1));
}

/*
 * What was lost is not enabled, even while the VF cannot be told: its FLR blocks writes
 * to config space, and one such write blocks others. On a busy machine the FLR may end
 * too early; then the attempt proves nothing.
 */
TEST_F(pri, lost_while_draining)
{
	struct vfio *v = &self->v;
	unsigned int exp = vfio_find_cap(v, PCI_CAP_ID_EXP), i;
	bool waited = false;
	pid_t flr, writer;

	ASSERT_EQ(0, sample_param("pri_drain_ms", "10000"));
	for (i = 0; i < 10 && !waited; i++) {
		ASSERT_EQ(0, vfio_reset(v));
		ASSERT_EQ(0, sample_set("latency_ms", "60000"));
		ENABLE(v, 4);
		EXPECT_EQ(0, sample_request(VF, 3));
		SET_CTRL(v, 0);
		ENABLE(v, 7);
		ASSERT_EQ(0, sample_calls_clear());

		flr = fork();
		if (!flr)
			_exit(!!host_writef("1", "devices/%s/reset", VF));
		WAIT_FOR(host_waits_in(flr, "msleep"), 1000);
		writer = fork();
		if (!writer)
			_exit(!!vfio_set(v, exp + PCI_EXP_DEVCTL2, 2, 0));
		WAIT_FOR(host_waits_in(writer, "pci_wait_cfg"), 1000);
		EXPECT_EQ(0, sample_set("lost_event", "of a test"));
		ASSERT_EQ(0, sample_set("latency_ms", "1"));
		WAIT_FOR(sample_calls("pri_drain %s 0\n", VF) == 1, 1000);
		usleep(1000);
		waited = host_waits_in(writer, "pci_wait_cfg");
		EXPECT_CALLS(0, "pri_enable");
		waitpid(writer, NULL, 0);
		waitpid(flr, NULL, 0);
	}
	EXPECT_TRUE(waited);
	EXPECT_TRUE(WAIT_FOR(is_lost(VF, "pri"), 1000));
	EXPECT_EQ(0, CTRL(v));
	EXPECT_CALLS(0, "pri_enable");
}

/* A wait that ended in time does not count towards the next one's limit. */
TEST_F(pri, limit_is_for_each_wait)
{
	struct vfio *v = &self->v;
	long start;

	ASSERT_EQ(0, sample_param("pri_drain_ms", "400"));
	start = now_ms();
	ENABLE(v, 4);
	do {
		SET_CTRL(v, 0);
		ASSERT_TRUE(WAIT_FOR(is_stopped(v), 300));
		SET_CTRL(v, PCI_PRI_CTRL_ENABLE);
		EXPECT_EQ(PCI_PRI_CTRL_ENABLE, CTRL(v));
		EXPECT_EQ(0, sample_request(VF, 1));
		usleep(10000);
	} while (now_ms() - start < 1500);
	EXPECT_STATE("shown", VF, "pri_state");
	EXPECT_EQ(0, host_log_count(VF, "lost:"));
}

/*
 * Requests that are never answered: after the limit the VF is failed closed until it is
 * reset, and everything else goes on.
 */
FIXTURE(fail) {
	struct vfio v;
	struct vfio other;
};

FIXTURE_VARIANT(fail) {
	bool stuck;
};

FIXTURE_VARIANT_ADD(fail, lost) { .stuck = false };
FIXTURE_VARIANT_ADD(fail, driver_stuck) { .stuck = true };

/* A limit that a slow machine does not exceed by accident */
#define LIMIT_MS	400

FIXTURE_SETUP(fail)
{
	uint32_t ioas, hwpt;

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP(SAMPLE, true);
	vfio_init(&self->other);
	ASSERT_EQ(0, sample_param("pri_drain_ms", "400"));
	OPEN(&self->v, VF);
	OPEN(&self->other, VF2);
	ASSERT_EQ(PF_PRI, PRI(&self->v));
	ASSERT_EQ(PF_PRI, PRI(&self->other));
	ASSERT_EQ(0, iommufd_ioas(&self->v, &ioas));
	ASSERT_EQ(0, iommufd_hwpt(&self->v, ioas, true, &hwpt));
	ASSERT_EQ(0, iommufd_attach(&self->v, hwpt, 0));
	ASSERT_EQ(0, iommufd_attach(&self->v, hwpt, 5));
	EXPECT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, 1));
	EXPECT_EQ(0, vfio_set(&self->other, PASID_CTRL, 2, 1));
	ASSERT_TRUE(iommu_has_pasid(VF, 5));

	ENABLE(&self->other, 3);
	ENABLE(&self->v, 4);
	ASSERT_EQ(0, sample_calls_clear());
	ASSERT_EQ(0, sample_set("stuck", variant->stuck ? "Y" : "N"));
	ASSERT_EQ(0, sample_set("lost", "Y"));
	ASSERT_EQ(0, sample_request(VF, 2));
	ASSERT_EQ(0, sample_set("lost", "N"));
}

FIXTURE_TEARDOWN(fail)
{
	EXPECT_EQ(0, sample_set("stuck", "N"));
	vfio_close(&self->v);
	vfio_close(&self->other);
}

/* Clear Enable, with requests in flight that nobody answers */
#define DISABLE() do {							\
	long _start = now_ms();						\
									\
	SET_CTRL(&self->v, 0);						\
	EXPECT_GT(LIMIT_MS / 2, now_ms() - _start);			\
} while (0)

TEST_F(fail, closed)
{
	struct vfio *v = &self->v, *other = &self->other;
	long start = now_ms(), took;

	DISABLE();
	EXPECT_EQ(0, STATUS(v));
	EXPECT_STATE("shown", VF, "pri_state");
	EXPECT_EQ(1, vfio_get(v, PASID_CTRL, 2));
	while (!is_lost(VF, "pri") && now_ms() - start < 5000)
		EXPECT_EQ(0, STATUS(v));
	took = now_ms() - start;
	EXPECT_LE(LIMIT_MS - 10, took);
	EXPECT_GE(LIMIT_MS + host_promised(1000), took);
	EXPECT_STATE("lost", VF, "pri_state");
	EXPECT_STATE("lost", VF, "pasid_state");
	EXPECT_TRUE(WAIT_FOR(host_log_count(VF, "PASID and PRI lost: " NOT_ANSWERED) == 1,
			     1000));
	EXPECT_EQ(1, host_log_count(VF, "lost:"));

	/* Both capabilities are disabled and stay so; the requests are in flight forever. */
	EXPECT_TRUE(WAIT_FOR(!vfio_get(v, PASID_CTRL, 2), 1000));
	EXPECT_EQ(0, iommu_count_pasids(VF));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
	EXPECT_EQ(6, vfio_get(v, PASID_CTRL, 2));
	EXPECT_EQ(0, iommu_count_pasids(VF));
	SET_ALLOCATION(v, 4);
	SET_CTRL(v, PCI_PRI_CTRL_ENABLE);
	EXPECT_EQ(0, CTRL(v));
	EXPECT_EQ(-EPERM, sample_request(VF, 1));
	EXPECT_CALLS(0, "pri_enable");
	EXPECT_FALSE(WAIT_FOR(is_stopped(v), 2 * LIMIT_MS));
	EXPECT_EQ(1, host_log_count(VF, "lost:"));

	/* The other VF and the PF are not affected. */
	EXPECT_STATE("shown", VF2, "pri_state");
	EXPECT_STATE("shown", VF2, "pasid_state");
	EXPECT_STATE("locked", host_pf(), "pri_state");
	EXPECT_EQ(PCI_PRI_CTRL_ENABLE, CTRL(other));
	EXPECT_EQ(1, vfio_get(other, PASID_CTRL, 2));
	EXPECT_EQ(0, sample_request(VF2, 3));
	EXPECT_CALLS(0, "pri_disable %s", VF2);
	EXPECT_PF_UNTOUCHED();
}

TEST_F(fail, reset_ends_it)
{
	struct vfio *v = &self->v;

	DISABLE();
	ASSERT_TRUE(WAIT_FOR(is_lost(VF, "pri"), 5000));
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_STATE("shown", VF, "pri_state");
	EXPECT_STATE("shown", VF, "pasid_state");
	EXPECT_EQ(0, sample_in_flight(VF));
	EXPECT_LE(1, sample_calls("pri_reset %s", VF));
	ASSERT_EQ(0, sample_set("stuck", "N"));
	EXPECT_TRUE(WAIT_FOR(STATUS(v) == STOPPED, 1000));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_EQ(1, vfio_get(v, PASID_CTRL, 2));
	EXPECT_TRUE(iommu_has_pasid(VF, 5));
	ENABLE(v, 4);
	EXPECT_TRUE(WAIT_FOR(!sample_request(VF, 4), 1000));
	SET_CTRL(v, 0);
	EXPECT_TRUE(WAIT_FOR(is_stopped(v), 1000));
	/* And it is not lost again. */
	usleep(2 * LIMIT_MS * 1000);
	EXPECT_STATE("shown", VF, "pri_state");
	EXPECT_EQ(1, host_log_count(VF, "lost:"));
}

/* After a reset within the limit, nothing is left to be answered. */
TEST_F(fail, reset_before_limit)
{
	struct vfio *v = &self->v;

	DISABLE();
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_EQ(0, sample_in_flight(VF));
	EXPECT_FALSE(WAIT_FOR(is_lost(VF, "pri"), 3 * LIMIT_MS));
	EXPECT_EQ(0, host_log_count(VF, "lost:"));
	EXPECT_STATE("shown", VF, "pasid_state");
	EXPECT_EQ(0, CTRL(v));
}

/* And the next user of the VF is not affected by it. */
TEST_F(fail, close_before_limit)
{
	struct vfio *v = &self->v;

	DISABLE();
	vfio_close(v);
	OPEN(v, VF);
	EXPECT_EQ(PF_PRI, PRI(v));
	EXPECT_EQ(STOPPED, STATUS(v));
	EXPECT_EQ(0, sample_in_flight(VF));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_FALSE(WAIT_FOR(is_lost(VF, "pri"), 3 * LIMIT_MS));
	EXPECT_EQ(0, host_log_count(VF, "lost:"));
	EXPECT_EQ(1, vfio_get(v, PASID_CTRL, 2));
	ASSERT_EQ(0, sample_set("stuck", "N"));
	ENABLE(v, 4);
	EXPECT_TRUE(WAIT_FOR(!sample_request(VF, 4), 1000));
}

/* Enabling it again meanwhile does not help: the requests are still not answered. */
TEST_F(fail, enabled_again)
{
	struct vfio *v = &self->v;

	DISABLE();
	ENABLE(v, 4);
	EXPECT_EQ(0, STATUS(v));
	EXPECT_TRUE(WAIT_FOR(is_lost(VF, "pri"), 5000));
	EXPECT_TRUE(WAIT_FOR(!CTRL(v), 1000));
	EXPECT_CALLS(0, "pri_enable");
	EXPECT_EQ(-EPERM, sample_request(VF, 1));
	EXPECT_EQ(1, host_log_count(VF, "lost:"));
	ASSERT_EQ(0, sample_set("stuck", "N"));
	usleep(LIMIT_MS * 1000);
	EXPECT_CALLS(0, "pri_enable");
	EXPECT_EQ(0, CTRL(v));
}

/* Each reset of a VF resets its registers and ends its requests. */
FIXTURE(reset) {
	struct vfio v;
};

static int by_ioctl(struct vfio *v)
{
	return vfio_reset(v);
}

static int by_guest_flr(struct vfio *v)
{
	unsigned int exp = vfio_find_cap(v, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL;

	return vfio_set(v, exp, 2, vfio_get(v, exp, 2) |
			PCI_EXP_DEVCTL_BCR_FLR);
}

static int by_sysfs(struct vfio *v)
{
	return host_writef("1", "devices/%s/reset", VF);
}

FIXTURE_VARIANT(reset) {
	int (*reset)(struct vfio *v);
	bool outside;
};

FIXTURE_VARIANT_ADD(reset, ioctl) { .reset = by_ioctl };
FIXTURE_VARIANT_ADD(reset, guest_flr) { .reset = by_guest_flr };
FIXTURE_VARIANT_ADD(reset, sysfs) { .reset = by_sysfs, .outside = true };

FIXTURE_SETUP(reset)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP(SAMPLE, true);
	OPEN(&self->v, VF);
	ASSERT_EQ(PF_PRI, PRI(&self->v));
	ASSERT_EQ(0, sample_set("latency_ms", "60000"));
	ENABLE(&self->v, 6);
	ASSERT_EQ(0, sample_request(VF, 4));
	EXPECT_EQ(0, sample_set("pri_failed", "%s 3", VF));
	ASSERT_EQ(RF | UPRGI, STATUS(&self->v));
	ASSERT_EQ(0, sample_calls_clear());
}

FIXTURE_TEARDOWN(reset)
{
	vfio_close(&self->v);
}

/* After a reset that does not come through the VFIO file, requests end a moment later. */
#define EXPECT_RESET() do {						\
	EXPECT_EQ(0, variant->reset(&self->v));				\
	EXPECT_EQ(0, CTRL(&self->v));					\
	EXPECT_EQ(STOPPED, STATUS(&self->v));				\
	EXPECT_EQ(0, ALLOCATION(&self->v));				\
	EXPECT_EQ(SHARE, CAPACITY(&self->v));				\
	EXPECT_TRUE(!variant->outside ||				\
		    WAIT_FOR(!sample_in_flight(VF), 500));		\
	EXPECT_EQ(0, sample_in_flight(VF));				\
	EXPECT_EQ(-EPERM, sample_request(VF, 1));			\
} while (0)

TEST_F(reset, enabled)
{
	EXPECT_RESET();
	EXPECT_CALLS(1, "pri_disable %s", VF);
	EXPECT_LE(1, sample_calls("pri_reset %s", VF));
	EXPECT_LE(1, sample_calls("control %s PRI", VF));
	EXPECT_PF_UNTOUCHED();
	ENABLE(&self->v, 2);
	EXPECT_TRUE(WAIT_FOR(!sample_request(VF, 2), 500));
	EXPECT_STATE("shown", VF, "pri_state");
}

TEST_F(reset, draining)
{
	SET_CTRL(&self->v, 0);
	EXPECT_EQ(RF | UPRGI, STATUS(&self->v));
	EXPECT_RESET();
	EXPECT_CALLS(1, "pri_disable %s", VF);
	EXPECT_LE(1, sample_calls("pri_reset %s", VF));
	EXPECT_STATE("shown", VF, "pri_state");
}

TEST_F(reset, draining_and_enabled_again)
{
	SET_CTRL(&self->v, 0);
	SET_CTRL(&self->v, PCI_PRI_CTRL_ENABLE);
	EXPECT_RESET();
	usleep(100000);
	EXPECT_CALLS(0, "pri_enable");
	EXPECT_EQ(0, CTRL(&self->v));
}

/* The guest may set Enable before a worker ran: the reset must come first. */
TEST_F(reset, enabled_directly_after)
{
	int i;

	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, variant->reset(&self->v));
		ENABLE(&self->v, 3);
		/* After the wait for requests that were dropped */
		EXPECT_TRUE(WAIT_FOR(sample_request(VF, 3) != -EPERM, 500));
		EXPECT_EQ(3, sample_in_flight(VF));
		usleep(20000);
		EXPECT_EQ(3, sample_in_flight(VF));
		EXPECT_EQ(PCI_PRI_CTRL_ENABLE, CTRL(&self->v));
	}
}

TEST_F(pri, close)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, sample_set("latency_ms", "60000"));
	ENABLE(v, 6);
	EXPECT_EQ(0, sample_request(VF, 4));
	EXPECT_EQ(0, sample_set("pri_failed", "%s 3", VF));
	vfio_close(v);
	EXPECT_CALLS(1, "pri_disable %s", VF);
	EXPECT_LE(1, sample_calls("pri_reset %s", VF));
	EXPECT_CALLS(1, "last_user PRI");
	EXPECT_EQ(0, sample_in_flight(VF));
	EXPECT_EQ(-EPERM, sample_request(VF, 1));

	OPEN(v, VF);
	EXPECT_EQ(PF_PRI, PRI(v));
	EXPECT_EQ(0, CTRL(v));
	EXPECT_EQ(STOPPED, STATUS(v));
	EXPECT_EQ(0, ALLOCATION(v));
	EXPECT_CALLS(0, "pri_enable %s 0", VF);
	EXPECT_PF_UNTOUCHED();
}

/* Without a driver that answers, nobody may send requests until there is one again. */
TEST_F(pri, unregister)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, sample_set("latency_ms", "60000"));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	ENABLE(v, 4);
	EXPECT_EQ(0, sample_request(VF, 2));
	ASSERT_EQ(0, sample_set("registered", "0"));
	EXPECT_EQ(1, host_log_count(VF, "PRI lost: " NO_LONGER));
	/* A worker takes PRI away from the guest. */
	EXPECT_TRUE(WAIT_FOR(is_lost(VF, "pri"), 1000));
	EXPECT_STATE("shown", VF, "pasid_state");
	EXPECT_EQ(0, CTRL(v));
	EXPECT_EQ(1, vfio_get(v, PASID_CTRL, 2));
	SET_ALLOCATION(v, 4);
	SET_CTRL(v, PCI_PRI_CTRL_ENABLE);
	EXPECT_EQ(0, CTRL(v));

	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_STATE("lost", VF, "pri_state");
	EXPECT_EQ(1, host_log_count(VF, STILL_LOST
				    "its page requests are now answered by somebody else"));
	SET_ALLOCATION(v, 4);
	SET_CTRL(v, PCI_PRI_CTRL_ENABLE);
	EXPECT_EQ(0, CTRL(v));

	ASSERT_EQ(0, sample_calls_clear());
	ASSERT_EQ(0, sample_set("registered", "1"));
	EXPECT_CALLS(1, "first_user PRI");
	EXPECT_STATE("lost", VF, "pri_state");
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_STATE("shown", VF, "pri_state");
	EXPECT_EQ(STOPPED, STATUS(v));
	ENABLE(v, 4);
	EXPECT_EQ(0, sample_request(VF, 4));
}

/* The shares of all VFs together never exceed what was allocated to the PF. */
TEST_F_TIMEOUT(eight, share, 60)
{
	uint32_t sum = 0;
	int i;

	for (i = 0; i < SAMPLE_MAX_VFS; i++) {
		OPEN(&self->v[i], sample_vf(i));
		ASSERT_EQ(PF_PRI, PRI(&self->v[i]));
		EXPECT_EQ(8, CAPACITY(&self->v[i]));
		sum += CAPACITY(&self->v[i]);
		ENABLE(&self->v[i], CAPACITY(&self->v[i]));
	}
	EXPECT_GE(PF_PRI_ALLOCATION, sum);
	EXPECT_CALLS(SAMPLE_MAX_VFS, "pri_enable");
	EXPECT_CALLS(1, "first_user PRI");
	ASSERT_EQ(0, sample_set("latency_ms", "60000"));
	for (i = 0; i < SAMPLE_MAX_VFS; i++) {
		EXPECT_EQ(0, sample_request(sample_vf(i), 8));
		EXPECT_EQ(-ENOSPC, sample_request(sample_vf(i), 1));
	}
	/* If fewer VFs are open, they do not get more: the others may still be opened. */
	for (i = 0; i < SAMPLE_MAX_VFS; i++)
		vfio_close(&self->v[i]);
	EXPECT_CALLS(1, "last_user PRI");
	OPEN(&self->v[0], sample_vf(0));
	EXPECT_EQ(8, CAPACITY(&self->v[0]));
}

TEST_F(eight, fewer_allotted_than_vfs)
{
	EXPECT_EQ(0, host_config_write(host_pf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4,
				       SAMPLE_MAX_VFS - 1));
	OPEN(&self->v[0], sample_vf(0));
	OPEN(&self->v[7], sample_vf(7));
	EXPECT_EQ(0, PRI(&self->v[0]));
	EXPECT_EQ(0, PRI(&self->v[7]));
	EXPECT_EQ(PF_PASID, PASID(&self->v[7]));
	EXPECT_EQ(1, host_log_count(sample_vf(7), HIDDEN TOO_MANY_VFS));
	vfio_close(&self->v[0]);
	vfio_close(&self->v[7]);

	EXPECT_EQ(0, host_config_write(host_pf(), PF_PRI + PCI_PRI_ALLOC_REQ, 4,
				       SAMPLE_MAX_VFS));
	OPEN(&self->v[7], sample_vf(7));
	EXPECT_EQ(PF_PRI, PRI(&self->v[7]));
	EXPECT_EQ(1, CAPACITY(&self->v[7]));
}

/* This must be last, as fixtures run in order: leave the PF as others expect it. */
FIXTURE(last) {
	const char *driver;
};

FIXTURE_SETUP(last)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	self->driver = IGB;
}

FIXTURE_TEARDOWN(last)
{
}

TEST_F(last, give_back)
{
	EXPECT_EQ(0, sample_give_back());
	EXPECT_STREQ(self->driver, host_driver(host_pf()));
	EXPECT_FALSE(host_exists("/sys/module/vfcap_sample_pf"));
}

TEST_HARNESS_MAIN
