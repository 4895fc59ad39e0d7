// SPDX-License-Identifier: GPL-2.0
/*
 * What a PF's driver gets from pci-vfcap, and what it can do: notices of first and last
 * users, changes of a capability that wait for users, the place of a capability, and
 * influence on its control bits. The sample PF driver records its calls, and answers as
 * its knobs say.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/sample.h"
#include "lib/vfio.h"

#define VF	sample_vf(0)
#define VF2	sample_vf(1)

/* What the layouts "igb" and "vf-ats" leave unused in VFs */
#define FREE	0x400
#define FREE2	0x500
/* ARI: 8 bytes */
#define TAKEN	0x150

/* Two VFs, not open: of the PF with igb, with the sample driver, and with ATS */
#define TWO_VFS								\
	struct vfio a;							\
	struct vfio b

FIXTURE(igb) {
	TWO_VFS;
};

FIXTURE(pf) {
	TWO_VFS;
};

FIXTURE(ats) {
	TWO_VFS;
};

#define SETUP(driver, ats) do {						\
	vfio_init(&self->a);						\
	vfio_init(&self->b);						\
	ASSERT_EQ(0, sample_prepare(driver, 2, ats));			\
} while (0)

#define TEARDOWN() do {							\
	vfio_close(&self->a);						\
	vfio_close(&self->b);						\
} while (0)

FIXTURE_SETUP(igb)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP(IGB, false);
}

FIXTURE_TEARDOWN(igb)
{
	TEARDOWN();
}

FIXTURE_SETUP(pf)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP(SAMPLE, false);
}

FIXTURE_TEARDOWN(pf)
{
	TEARDOWN();
}

FIXTURE_SETUP(ats)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	SETUP(SAMPLE, true);
}

FIXTURE_TEARDOWN(ats)
{
	TEARDOWN();
}

/* Open like users of iommufd: then "auto" can show everything. */
#define OPEN(v, vf)	ASSERT_EQ(0, vfio_open_cdev(v, vf))
#define PASID(v)	vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID)
#define PRI(v)		vfio_find_ecap(v, PCI_EXT_CAP_ID_PRI)

#define EXPECT_CALLS(n, ...)	EXPECT_EQ(n, sample_calls(__VA_ARGS__))
#define EXPECT_STATE(text, bdf, file)	\
	EXPECT_STREQ(text, sample_state(bdf, file))

/* The Control registers, at the default places */
#define PASID_CTRL	(PF_PASID + PCI_PASID_CTRL)
#define PRI_CTRL	(PF_PRI + PCI_PRI_CTRL)
#define PRI_STATUS	(PF_PRI + PCI_PRI_STATUS)
#define PRI_ALLOC	(PF_PRI + PCI_PRI_ALLOC_REQ)

/* A PF whose driver never registers: capabilities follow the PF's registers. */
TEST_F(igb, never_registered)
{
	struct vfio *v = &self->a;

	EXPECT_STATE("none", host_pf(), "driver");
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	EXPECT_STATE("unlocked", host_pf(), "pri_state");
	EXPECT_STATE("", host_pf(), "pasid_users");
	OPEN(v, VF);
	EXPECT_EQ(PF_PASID, PASID(v));
	EXPECT_EQ(0, PRI(v));
	EXPECT_STATE("shown", VF, "pasid_state");
	EXPECT_STATE("0x1e0", VF, "pasid_offset");
	EXPECT_STATE("hidden", VF, "pri_state");
	EXPECT_STATE("0x0", VF, "pri_offset");
	EXPECT_STATE("locked", host_pf(), "pasid_state");
	EXPECT_STATE(VF, host_pf(), "pasid_users");
	EXPECT_STATE("", host_pf(), "pri_users");
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
	EXPECT_EQ(7, vfio_get(v, PASID_CTRL, 2));
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_EQ(0, vfio_get(v, PASID_CTRL, 2));
	vfio_close(v);
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	EXPECT_STATE("hidden", VF, "pasid_state");
}

/*
 * Where both kinds of driver can provide it, it does not matter whether the driver
 * registers.
 */
TEST_F(pf, files)
{
	char both[64];

	EXPECT_STATE(SAMPLE, host_pf(), "driver");
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	EXPECT_STATE("", host_pf(), "pasid_users");
	EXPECT_STATE("hidden", VF, "pasid_state");
	EXPECT_STATE("0x0", VF, "pasid_offset");

	/* Whether it is shown is decided at the first access. */
	OPEN(&self->a, VF);
	EXPECT_STATE("held", VF, "pasid_state");
	EXPECT_STATE("0x0", VF, "pasid_offset");
	EXPECT_STATE("locked", host_pf(), "pasid_state");
	EXPECT_STATE(VF, host_pf(), "pasid_users");
	EXPECT_EQ(PF_PASID, PASID(&self->a));
	EXPECT_STATE("shown", VF, "pasid_state");
	EXPECT_STATE("0x1e0", VF, "pasid_offset");
	EXPECT_STATE("hidden", VF2, "pasid_state");

	OPEN(&self->b, VF2);
	snprintf(both, sizeof(both), "%s\n%s", VF, VF2);
	EXPECT_STATE(both, host_pf(), "pasid_users");
	EXPECT_STATE("unlocked", host_pf(), "pri_state");

	vfio_close(&self->a);
	EXPECT_STATE("hidden", VF, "pasid_state");
	EXPECT_STATE("0x0", VF, "pasid_offset");
	EXPECT_STATE(VF2, host_pf(), "pasid_users");
	EXPECT_STATE("locked", host_pf(), "pasid_state");
	vfio_close(&self->b);
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	EXPECT_STATE("", host_pf(), "pasid_users");

	EXPECT_EQ(0, sample_set("registered", "0"));
	EXPECT_STATE("none", host_pf(), "driver");
}

/* The PF's own state, and the VF's again after a reset */
TEST_F(pf, files_when_lost)
{
	struct vfio *v = &self->a;

	OPEN(v, VF);
	EXPECT_EQ(PF_PASID, PASID(v));
	EXPECT_EQ(0, sample_set("lost_event", "a test says so"));
	EXPECT_TRUE(WAIT_FOR(!strcmp("lost", sample_state(VF, "pasid_state")),
			     1000));
	EXPECT_STATE("0x1e0", VF, "pasid_offset");
	EXPECT_STATE("locked", host_pf(), "pasid_state");
	EXPECT_EQ(1, host_log_count(VF, "PASID lost: a test says so"));
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_STATE("shown", VF, "pasid_state");

	EXPECT_EQ(0, host_config_write(host_pf(), PASID_CTRL, 2, 0));
	EXPECT_STATE("lost", host_pf(), "pasid_state");
	EXPECT_TRUE(WAIT_FOR(!strcmp("lost", sample_state(VF, "pasid_state")),
			     1000));
	EXPECT_STATE("unlocked", host_pf(), "pri_state");
	vfio_close(v);
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	EXPECT_STATE("hidden", VF, "pasid_state");
}

/* One notice for all VFs, and one when the last of them is closed */
TEST_F(pf, notices)
{
	int i;

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, sample_calls_clear());
		OPEN(&self->a, VF);
		EXPECT_CALLS(1, "first_user PASID");
		EXPECT_EQ(PF_PASID, PASID(&self->a));
		OPEN(&self->b, VF2);
		EXPECT_EQ(PF_PASID, PASID(&self->b));
		vfio_close(&self->a);
		EXPECT_CALLS(0, "last_user");
		OPEN(&self->a, VF);
		vfio_close(&self->b);
		EXPECT_CALLS(0, "last_user");
		vfio_close(&self->a);
		EXPECT_CALLS(1, "first_user PASID");
		EXPECT_CALLS(1, "last_user PASID");
		/* Without ATS no VF can show PRI. */
		EXPECT_CALLS(0, "first_user PRI");
		EXPECT_CALLS(0, "last_user PRI");
	}
}

TEST_F(pf, no_notice_of_what_cannot_be_shown)
{
	ASSERT_EQ(0, host_param("pasid", "off"));
	OPEN(&self->a, VF);
	EXPECT_EQ(0, PASID(&self->a));
	vfio_close(&self->a);
	ASSERT_EQ(0, host_param("pasid", "auto"));
	/* "auto" does not show it to a user that opens the group. */
	ASSERT_EQ(0, vfio_open_group(&self->a, VF));
	EXPECT_EQ(0, PASID(&self->a));
	vfio_close(&self->a);
	EXPECT_CALLS(0, "first_user");
	EXPECT_CALLS(0, "last_user");
}

/* A capability that turns out not to be shown has a user until then. */
TEST_F(pf, notices_of_hidden)
{
	ASSERT_EQ(0, sample_set("place_pasid", "-1"));
	OPEN(&self->a, VF);
	EXPECT_CALLS(1, "first_user PASID");
	EXPECT_CALLS(0, "last_user");
	EXPECT_EQ(0, PASID(&self->a));
	EXPECT_CALLS(1, "last_user PASID");
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	vfio_close(&self->a);
	EXPECT_CALLS(1, "first_user PASID");
	EXPECT_CALLS(1, "last_user PASID");
}

TEST_F(pf, first_user_error)
{
	ASSERT_EQ(0, sample_set("first_user_error", "%d", ENOMEM));
	OPEN(&self->a, VF);
	EXPECT_CALLS(1, "first_user PASID");
	EXPECT_EQ(1, host_log_count(VF, "(error -12)"));
	EXPECT_EQ(0, PASID(&self->a));
	EXPECT_STATE("hidden", VF, "pasid_state");
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	/* The rest of the VF works, and for a later one the driver is asked again. */
	EXPECT_NE(0, vfio_find_cap(&self->a, PCI_CAP_ID_EXP));
	ASSERT_EQ(0, sample_set("first_user_error", "0"));
	OPEN(&self->b, VF2);
	EXPECT_CALLS(2, "first_user PASID");
	EXPECT_EQ(PF_PASID, PASID(&self->b));
	EXPECT_EQ(0, PASID(&self->a));
	EXPECT_STATE(VF2, host_pf(), "pasid_users");
	vfio_close(&self->a);
	EXPECT_CALLS(0, "last_user");
	vfio_close(&self->b);
	EXPECT_CALLS(1, "last_user PASID");
}

/* Once one VF has it, others are not first users. */
TEST_F(pf, first_user_error_counts_for_first)
{
	OPEN(&self->a, VF);
	ASSERT_EQ(0, sample_set("first_user_error", "%d", ENOMEM));
	OPEN(&self->b, VF2);
	EXPECT_EQ(PF_PASID, PASID(&self->b));
	EXPECT_CALLS(1, "first_user PASID");
}

TEST_F(pf, late_registration)
{
	ASSERT_EQ(0, sample_set("registered", "0"));
	OPEN(&self->a, VF);
	OPEN(&self->b, VF2);
	EXPECT_EQ(PF_PASID, PASID(&self->a));
	EXPECT_CALLS(0, "first_user");
	ASSERT_EQ(0, sample_set("registered", "1"));
	EXPECT_CALLS(1, "first_user PASID");
	EXPECT_CALLS(0, "first_user PRI");
	EXPECT_EQ(PF_PASID, PASID(&self->a));
	EXPECT_EQ(PF_PASID, PASID(&self->b));
	vfio_close(&self->a);
	EXPECT_CALLS(0, "last_user");
	vfio_close(&self->b);
	EXPECT_CALLS(1, "first_user PASID");
	EXPECT_CALLS(1, "last_user PASID");
}

/* The driver cannot provide it, while VFs show it already: that must be logged. */
TEST_F(pf, late_registration_error)
{
	ASSERT_EQ(0, sample_set("registered", "0"));
	OPEN(&self->a, VF);
	EXPECT_EQ(PF_PASID, PASID(&self->a));
	ASSERT_EQ(0, sample_set("first_user_error", "%d", ENOMEM));
	EXPECT_EQ(0, sample_set("registered", "1"));
	EXPECT_CALLS(1, "first_user PASID");
	EXPECT_LE(1, host_log_count("", "(error -12)"));
	vfio_close(&self->a);
	EXPECT_CALLS(0, "last_user");
}

TEST_F(pf, no_call_while_unregistered)
{
	OPEN(&self->a, VF);
	EXPECT_EQ(PF_PASID, PASID(&self->a));
	ASSERT_EQ(0, sample_set("registered", "0"));
	ASSERT_EQ(0, sample_calls_clear());
	/* PASID does not depend on anybody's answers. */
	EXPECT_STATE("shown", VF, "pasid_state");
	EXPECT_EQ(0, vfio_set(&self->a, PASID_CTRL, 2, 1));
	EXPECT_EQ(1, vfio_get(&self->a, PASID_CTRL, 2));
	EXPECT_EQ(0, vfio_reset(&self->a));
	OPEN(&self->b, VF2);
	EXPECT_EQ(PF_PASID, PASID(&self->b));
	vfio_close(&self->a);
	vfio_close(&self->b);
	EXPECT_STREQ("", sample_get("calls"));
	/* Unregistering twice is not an error. */
	EXPECT_EQ(0, sample_set("registered", "0"));
}

TEST_F(pf, registered_twice)
{
	EXPECT_EQ(-EBUSY, sample_set("registered", "1"));
	EXPECT_EQ(-EBUSY, sample_set("registered", "1"));
	EXPECT_STATE(SAMPLE, host_pf(), "driver");
	OPEN(&self->a, VF);
	EXPECT_CALLS(1, "first_user PASID");
	vfio_close(&self->a);
	EXPECT_EQ(0, sample_set("registered", "0"));
	EXPECT_STATE("none", host_pf(), "driver");
	EXPECT_EQ(0, sample_set("registered", "1"));
	EXPECT_EQ(-EBUSY, sample_set("registered", "1"));
}

/* A change has to wait for VFs that show the capability, or may yet show it. */
TEST_F(pf, change_refused_while_shown)
{
	OPEN(&self->a, VF);
	EXPECT_EQ(-EBUSY, sample_set("change", "begin pasid"));
	EXPECT_EQ(PF_PASID, PASID(&self->a));
	EXPECT_EQ(-EBUSY, sample_set("change", "begin pasid"));
	OPEN(&self->b, VF2);
	vfio_close(&self->a);
	EXPECT_EQ(-EBUSY, sample_set("change", "begin pasid"));
	/* The VF does not show PRI. */
	EXPECT_EQ(0, sample_set("change", "begin pri"));
	EXPECT_STATE("changing", host_pf(), "pri_state");
	EXPECT_STATE("locked", host_pf(), "pasid_state");
	vfio_close(&self->b);
	EXPECT_EQ(0, sample_set("change", "begin pasid"));
	EXPECT_STATE("changing", host_pf(), "pasid_state");
}

TEST_F(pf, change_while_not_shown)
{
	ASSERT_EQ(0, host_param("pasid", "off"));
	OPEN(&self->a, VF);
	EXPECT_EQ(0, sample_set("change", "begin pasid"));
	/* It stays hidden from this user, whatever the parameter says now. */
	ASSERT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, PASID(&self->a));
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	EXPECT_EQ(0, PASID(&self->a));
}

TEST_F(pf, change_keeps_vfs_closed)
{
	ASSERT_EQ(0, sample_set("change", "begin pasid"));
	ASSERT_EQ(0, sample_calls_clear());
	EXPECT_EQ(-EBUSY, vfio_open_cdev(&self->a, VF));
	EXPECT_EQ(1, host_log_count(VF, "not opened: the driver of its PF"));
	EXPECT_EQ(-EBUSY, vfio_open_cdev(&self->b, VF2));
	EXPECT_STATE("", host_pf(), "pasid_users");
	EXPECT_STREQ("", sample_get("calls"));

	/* VFs that would not show it can be opened. */
	ASSERT_EQ(0, vfio_open_group(&self->a, VF));
	EXPECT_EQ(0, PASID(&self->a));
	vfio_close(&self->a);
	ASSERT_EQ(0, host_param("pasid", "off"));
	OPEN(&self->a, VF);
	EXPECT_EQ(0, PASID(&self->a));
	vfio_close(&self->a);

	ASSERT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(-EBUSY, vfio_open_cdev(&self->a, VF));
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	OPEN(&self->a, VF);
	EXPECT_EQ(PF_PASID, PASID(&self->a));
}

/* VFs then show what the PF has at the end of the change. */
TEST_F(pf, change_takes_effect)
{
	ASSERT_EQ(0, sample_set("change", "begin pasid"));
	EXPECT_EQ(0, host_config_write(host_pf(), PASID_CTRL, 2,
				       PCI_PASID_CTRL_ENABLE));
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	OPEN(&self->a, VF);
	EXPECT_EQ(0x1400, vfio_get(&self->a, PF_PASID + PCI_PASID_CAP, 2));
	vfio_close(&self->a);
}

/* A change of a PF's file can be waited for. */
TEST_F(pf, state_is_polled)
{
	int fd = state_open(host_pf(), "pasid_state");

	EXPECT_STREQ("unlocked", state_read(fd));
	EXPECT_FALSE(state_changed(fd, 0));
	EXPECT_EQ(0, sample_set("change", "begin pasid"));
	EXPECT_TRUE(state_changed(fd, 0));
	EXPECT_STREQ("changing", state_read(fd));
	EXPECT_EQ(0, sample_set("change", "begin pri"));
	EXPECT_FALSE(state_changed(fd, 0));
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	EXPECT_TRUE(state_changed(fd, 0));
	EXPECT_STREQ("unlocked", state_read(fd));
	OPEN(&self->a, VF);
	EXPECT_TRUE(state_changed(fd, 0));
	EXPECT_STREQ("locked", state_read(fd));
	OPEN(&self->b, VF2);
	vfio_close(&self->b);
	EXPECT_FALSE(state_changed(fd, 0));
	vfio_close(&self->a);
	EXPECT_TRUE(state_changed(fd, 0));
	EXPECT_STREQ("unlocked", state_read(fd));
	close(fd);
}

TEST_F(pf, change_twice)
{
	EXPECT_EQ(0, sample_set("change", "begin pasid"));
	EXPECT_EQ(-EALREADY, sample_set("change", "begin pasid"));
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	/* Ending a change that has not begun is not an error. */
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	EXPECT_EQ(0, sample_set("change", "begin pasid"));
}

TEST_F(pf, changes_nest)
{
	EXPECT_EQ(0, sample_set("change", "begin pasid"));
	EXPECT_EQ(0, sample_set("change", "begin pri"));
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	EXPECT_STATE("changing", host_pf(), "pri_state");
	EXPECT_EQ(-EALREADY, sample_set("change", "begin pri"));
	EXPECT_EQ(0, sample_set("change", "begin pasid"));
	EXPECT_EQ(0, sample_set("change", "end pri"));
	EXPECT_STATE("changing", host_pf(), "pasid_state");
	EXPECT_STATE("unlocked", host_pf(), "pri_state");
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	OPEN(&self->a, VF);
}

TEST_F(pf, change_unregistered)
{
	EXPECT_EQ(0, sample_set("change", "begin pasid"));
	EXPECT_EQ(0, sample_set("change", "begin pri"));
	EXPECT_EQ(0, sample_set("registered", "0"));
	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	EXPECT_STATE("unlocked", host_pf(), "pri_state");
	EXPECT_EQ(-ENOENT, sample_set("change", "begin pasid"));
	EXPECT_EQ(-ENOENT, sample_set("change", "begin pri"));
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	OPEN(&self->a, VF);
	EXPECT_EQ(PF_PASID, PASID(&self->a));
	vfio_close(&self->a);
	EXPECT_EQ(0, sample_set("registered", "1"));
	EXPECT_EQ(0, sample_set("change", "begin pasid"));
}

/* At the offset that the driver wants; one that is impossible is logged, and ignored. */
TEST_F(pf, place)
{
	static const struct {
		int wanted;
		unsigned int shown;
	} cases[] = {
		{ FREE, FREE }, { FREE + 4, FREE + 4 }, { 0xff8, 0xff8 },
		{ 0, PF_PASID },
		{ FREE + 1, PF_PASID }, { FREE + 2, PF_PASID },
		{ TAKEN, PF_PASID }, { TAKEN + 4, PF_PASID },
		{ TAKEN - 4, PF_PASID }, { 0x100, PF_PASID },
		{ 0xfc, PF_PASID }, { 0x40, PF_PASID }, { 4, PF_PASID },
		{ 0xffc, PF_PASID }, { 0x1000, PF_PASID },
		{ 0x10000 + FREE, PF_PASID }, { 0x7ffffffc, PF_PASID },
	};
	unsigned int i;
	char text[32];

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bool falls_back = cases[i].wanted &&
				  cases[i].wanted != cases[i].shown;

		/* A driver that was just bound logs each open. */
		ASSERT_EQ(0, host_rebind(VF, OURS));
		host_log_clear();
		ASSERT_EQ(0, sample_calls_clear());
		ASSERT_EQ(0, sample_set("place_pasid", "%d", cases[i].wanted));
		OPEN(&self->a, VF);
		EXPECT_EQ(cases[i].shown, PASID(&self->a))
			TH_LOG("wanted at %#x", cases[i].wanted);
		EXPECT_CALLS(1, "place %s PASID", VF);
		snprintf(text, sizeof(text), "not fit at %#x,",
			 cases[i].wanted);
		EXPECT_EQ(falls_back, host_log_count(VF, text))
			TH_LOG("wanted at %#x", cases[i].wanted);
		snprintf(text, sizeof(text), "%#x", cases[i].shown);
		EXPECT_STATE(text, VF, "pasid_offset");
		/* It works at that offset. */
		EXPECT_EQ(0, vfio_set(&self->a, cases[i].shown + PCI_PASID_CTRL,
				      2, 7));
		EXPECT_EQ(7, vfio_get(&self->a,
				      cases[i].shown + PCI_PASID_CTRL, 2));
		vfio_close(&self->a);
	}
}

/* The driver may know that bytes which do not read as zero can be covered. */
TEST_F(pf, place_over_registers)
{
	ASSERT_EQ(0, host_layout("vf 400 12345678\nvf 404 9abcdef0\n"
				 "vf 408 0badf00d"));
	ASSERT_EQ(0, sample_set("place_pasid", "%d", FREE));
	OPEN(&self->a, VF);
	EXPECT_EQ(FREE, PASID(&self->a));
	EXPECT_EQ(0x1406, vfio_get(&self->a, FREE + PCI_PASID_CAP, 4));
	EXPECT_EQ(0x0badf00d, vfio_get(&self->a, FREE + 8, 4));
	EXPECT_EQ(0, host_log_count(VF, "does not fit"));
	vfio_close(&self->a);

	/* Unless the driver says so, they are not. */
	ASSERT_EQ(0, host_layout("vf 1e4 00000001"));
	ASSERT_EQ(0, sample_set("place_pasid", "0"));
	OPEN(&self->a, VF);
	EXPECT_NE(0, PASID(&self->a));
	EXPECT_NE(PF_PASID, PASID(&self->a));
}

TEST_F(pf, place_hides)
{
	ASSERT_EQ(0, sample_set("place_pasid", "-19"));
	OPEN(&self->a, VF);
	EXPECT_EQ(0, PASID(&self->a));
	EXPECT_EQ(1, host_log_count(VF, "PASID capability not shown: the driver"));
	EXPECT_STATE("hidden", VF, "pasid_state");
	ASSERT_EQ(0, sample_set("place_pasid", "0"));
	/* This is decided only once. */
	EXPECT_EQ(0, PASID(&self->a));
	OPEN(&self->b, VF2);
	EXPECT_EQ(PF_PASID, PASID(&self->b));
}

/* Each write to the Control dword, and to no other, is a call; so is each reset. */
TEST_F(pf, control_called)
{
	struct vfio *v = &self->a;

	OPEN(v, VF);
	EXPECT_EQ(PF_PASID, PASID(v));
	EXPECT_CALLS(0, "control");
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
	EXPECT_CALLS(1, "control %s PASID 00001406 00071406\n", VF);
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 1, 1));
	EXPECT_CALLS(1, "control %s PASID 00071406 00011406\n", VF);
	/* A write that changes nothing counts as well. */
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL + 1, 1, 0xff));
	EXPECT_CALLS(1, "control %s PASID 00011406 00011406\n", VF);
	EXPECT_EQ(0, vfio_set(v, PF_PASID + PCI_PASID_CAP, 2, 0xffff));
	EXPECT_CALLS(2, "control %s PASID 00011406 00011406\n", VF);
	EXPECT_CALLS(4, "control");
	EXPECT_EQ(0, vfio_set(v, PF_PASID, 4, 0xffffffff));
	EXPECT_EQ(0, vfio_set(v, PF_PASID + 8, 4, 0));
	EXPECT_EQ(0x1406, vfio_get(v, PF_PASID + PCI_PASID_CAP, 2));
	EXPECT_CALLS(4, "control");
	EXPECT_CALLS(0, "control %s", VF2);
}

/* The PF's driver is not asked for what the guest cannot have. */
TEST_F(pf, control_not_asked_for_lost)
{
	struct vfio *v = &self->a;

	OPEN(v, VF);
	EXPECT_EQ(PF_PASID, PASID(v));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_CALLS(1, "control %s PASID 00001406 00011406\n", VF);
	ASSERT_EQ(0, sample_set("lost_event", "the test says so"));
	EXPECT_TRUE(WAIT_FOR(sample_calls("control %s PASID 00001406 00001406\n",
					  VF) == 1, 1000));
	ASSERT_EQ(0, sample_calls_clear());
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
	EXPECT_CALLS(1, "control %s PASID 00001406 00061406\n", VF);
	EXPECT_CALLS(1, "control");
	EXPECT_EQ(6, vfio_get(v, PASID_CTRL, 2));
	EXPECT_EQ(1, host_log_count(VF, "PASID cannot be enabled now"));

	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
	EXPECT_CALLS(1, "control %s PASID 00001406 00071406\n", VF);
}

/* Lines of the record for a control() call with new PASID control bits of 0 */
static int control_zero_calls(const char *vf)
{
	char wanted[64];
	const char *at = sample_get("calls");
	unsigned int old, new;
	int count = 0;

	snprintf(wanted, sizeof(wanted), "control %s PASID ", vf);
	while ((at = strstr(at, wanted))) {
		at += strlen(wanted);
		if (sscanf(at, "%x %x", &old, &new) == 2 && new == 0x1406)
			count++;
	}
	return count;
}

TEST_F(pf, control_called_at_reset)
{
	struct vfio *v = &self->a;
	int i;

	OPEN(v, VF);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
		ASSERT_EQ(0, sample_calls_clear());
		EXPECT_EQ(0, i ? host_writef("1", "devices/%s/reset", VF) :
				 vfio_reset(v));
		EXPECT_TRUE(WAIT_FOR(control_zero_calls(VF) == 1, 1000));
		EXPECT_CALLS(1, "control");
	}
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
	ASSERT_EQ(0, sample_calls_clear());
	vfio_close(v);
	EXPECT_EQ(1, control_zero_calls(VF));
	EXPECT_CALLS(1, "control");
	EXPECT_CALLS(1, "last_user PASID");
}

/* The bits that control() returns can be read, and take effect. */
TEST_F(pf, control_takes_over)
{
	struct vfio *v = &self->a;
	uint32_t ioas, hwpt;

	OPEN(v, VF);
	ASSERT_EQ(0, iommufd_ioas(v, &ioas));
	ASSERT_EQ(0, iommufd_hwpt(v, ioas, true, &hwpt));
	ASSERT_EQ(0, iommufd_attach(v, hwpt, 0));
	ASSERT_EQ(0, iommufd_attach(v, hwpt, 5));
	EXPECT_EQ(PF_PASID, PASID(v));

	/* Without Privileged Mode Enable */
	ASSERT_EQ(0, sample_set("control_mask", "%#x",
				~(PCI_PASID_CTRL_PRIV << 16)));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
	EXPECT_EQ(3, vfio_get(v, PASID_CTRL, 2));
	EXPECT_TRUE(iommu_has_pasid(VF, 5));

	/* Without Enable: a bit that was set is also cleared by the next write. */
	ASSERT_EQ(0, sample_set("control_mask", "%#x",
				~(PCI_PASID_CTRL_ENABLE << 16)));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
	EXPECT_EQ(6, vfio_get(v, PASID_CTRL, 2));
	EXPECT_EQ(0, iommu_count_pasids(VF));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_EQ(0, vfio_get(v, PASID_CTRL, 2));
	EXPECT_EQ(0, iommu_count_pasids(VF));

	/* Bits that a guest cannot write are not taken from the return value. */
	ASSERT_EQ(0, sample_set("control_mask", "0"));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
	EXPECT_EQ(0x00001406, vfio_get(v, PF_PASID + PCI_PASID_CAP, 4));
	EXPECT_EQ(0, iommu_count_pasids(VF));

	ASSERT_EQ(0, sample_set("control_mask", "0xffffffff"));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 7));
	EXPECT_EQ(7, vfio_get(v, PASID_CTRL, 2));
	EXPECT_TRUE(iommu_has_pasid(VF, 5));
}

/*
 * pci_sriov_configure_simple() asks whether VFs are assigned. A VF that failed to open is
 * not assigned, and neither is one that was closed.
 */
TEST_F(pf, vfs_kept_while_open)
{
	OPEN(&self->a, VF);
	OPEN(&self->b, VF2);
	EXPECT_EQ(-EPERM, host_writef("0", "devices/%s/sriov_numvfs",
				      host_pf()));
	vfio_close(&self->a);
	EXPECT_EQ(-EPERM, host_writef("0", "devices/%s/sriov_numvfs",
				      host_pf()));
	EXPECT_EQ(PF_PASID, PASID(&self->b));
	vfio_close(&self->b);
	ASSERT_EQ(0, sample_set("change", "begin pasid"));
	EXPECT_EQ(-EBUSY, vfio_open_cdev(&self->a, VF));
	EXPECT_EQ(0, host_writef("0", "devices/%s/sriov_numvfs", host_pf()));
	EXPECT_STREQ("", VF);
	EXPECT_STATE("changing", host_pf(), "pasid_state");
}

/*
 * The PF's driver is unbound while a VF is open: the VF's user is asked to release it and
 * is waited for, and loses the capabilities meanwhile.
 */
TEST_F(pf, unbind_waits_for_user)
{
	struct pollfd asked = { .events = POLLIN };
	struct vfio *v = &self->a;
	char vf[16];
	int status;
	pid_t child;

	snprintf(vf, sizeof(vf), "%s", VF);
	OPEN(v, vf);
	EXPECT_EQ(PF_PASID, PASID(v));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	asked.fd = eventfd(0, EFD_CLOEXEC);
	ASSERT_EQ(0, vfio_set_irq(v, VFIO_PCI_REQ_IRQ_INDEX, asked.fd));
	host_expect_pf_unbind();

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		vfio_close(v);
		_exit(host_unbind(host_pf()) ? 1 : 0);
	}
	EXPECT_EQ(1, poll(&asked, 1, 20000));
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	/* The registration lasts longer than the VFs. */
	EXPECT_STATE(SAMPLE, host_pf(), "driver");
	EXPECT_TRUE(WAIT_FOR(!strcmp("lost", sample_state(vf, "pasid_state")),
			     1000));
	EXPECT_EQ(1, host_log_count(vf, "the driver of its PF is being unbound"));
	EXPECT_EQ(0, vfio_get(v, PASID_CTRL, 2));
	EXPECT_EQ(0, vfio_set(v, PASID_CTRL, 2, 1));
	EXPECT_EQ(0, vfio_get(v, PASID_CTRL, 2));

	vfio_close(v);
	close(asked.fd);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_STREQ("", host_driver(host_pf()));
	EXPECT_FALSE(host_exists("devices/%s", vf));
	/* Nothing is left of the registration, nor of its users. */
	EXPECT_FALSE(host_exists("devices/%s/vfcap", host_pf()));
	EXPECT_EQ(0, host_log_count("did not call", "pci_vfcap_unregister"));
	EXPECT_EQ(0, host_unload("vfcap_sample_pf"));
}

/* With ATS in the VF and a driver that answers page requests, both are shown. */
TEST_F(ats, notices_of_both)
{
	OPEN(&self->a, VF);
	EXPECT_CALLS(1, "first_user PASID");
	EXPECT_CALLS(1, "first_user PRI");
	EXPECT_EQ(PF_PASID, PASID(&self->a));
	EXPECT_EQ(PF_PRI, PRI(&self->a));
	OPEN(&self->b, VF2);
	EXPECT_EQ(PF_PRI, PRI(&self->b));
	vfio_close(&self->a);
	EXPECT_CALLS(0, "last_user");
	ASSERT_EQ(0, host_param("pri", "off"));
	OPEN(&self->a, VF);
	/* The last VF that shows PRI is closed; one that shows PASID stays open. */
	vfio_close(&self->b);
	EXPECT_CALLS(1, "last_user PRI");
	EXPECT_CALLS(0, "last_user PASID");
	vfio_close(&self->a);
	EXPECT_CALLS(1, "last_user PASID");
	EXPECT_CALLS(1, "last_user PRI");
	EXPECT_CALLS(1, "first_user PASID");
	EXPECT_CALLS(1, "first_user PRI");
}

TEST_F(ats, first_user_error_of_both)
{
	ASSERT_EQ(0, sample_set("first_user_error", "%d", EIO));
	OPEN(&self->a, VF);
	EXPECT_EQ(1, host_log_count(VF, "PASID capability not shown: the driver"));
	EXPECT_EQ(1, host_log_count(VF, "PRI capability not shown: the driver"));
	EXPECT_EQ(0, PASID(&self->a));
	EXPECT_EQ(0, PRI(&self->a));
	vfio_close(&self->a);
	EXPECT_CALLS(0, "last_user");
}

/* A VF that was opened before can show PRI only with pri=on. */
TEST_F(ats, late_registration_of_both)
{
	ASSERT_EQ(0, sample_set("registered", "0"));
	OPEN(&self->b, VF2);
	EXPECT_EQ(0, PRI(&self->b));
	ASSERT_EQ(0, host_param("pri", "on"));
	OPEN(&self->a, VF);
	EXPECT_EQ(PF_PRI, PRI(&self->a));
	ASSERT_EQ(0, sample_set("registered", "1"));
	EXPECT_CALLS(1, "first_user PASID");
	EXPECT_CALLS(1, "first_user PRI");
	EXPECT_EQ(0, PRI(&self->b));
	vfio_close(&self->a);
	EXPECT_CALLS(1, "last_user PRI");
	EXPECT_CALLS(0, "last_user PASID");
	vfio_close(&self->b);
	EXPECT_CALLS(1, "last_user PASID");
}

TEST_F(ats, files_of_both)
{
	EXPECT_STATE("unlocked", host_pf(), "pri_state");
	OPEN(&self->a, VF);
	EXPECT_STATE("held", VF, "pri_state");
	EXPECT_STATE("locked", host_pf(), "pri_state");
	EXPECT_EQ(PF_PRI, PRI(&self->a));
	EXPECT_STATE("shown", VF, "pri_state");
	EXPECT_STATE("0x1c0", VF, "pri_offset");
	EXPECT_STATE(VF, host_pf(), "pri_users");
	EXPECT_STATE(VF, host_pf(), "pasid_users");
	vfio_close(&self->a);
	EXPECT_STATE("hidden", VF, "pri_state");
	EXPECT_STATE("0x0", VF, "pri_offset");
	EXPECT_STATE("", host_pf(), "pri_users");
	EXPECT_STATE("unlocked", host_pf(), "pri_state");
}

/* A change of one capability concerns only VFs that show that one. */
TEST_F(ats, change_of_either)
{
	ASSERT_EQ(0, host_param("pasid", "off"));
	OPEN(&self->a, VF);
	EXPECT_EQ(PF_PRI, PRI(&self->a));
	EXPECT_EQ(-EBUSY, sample_set("change", "begin pri"));
	EXPECT_EQ(0, sample_set("change", "begin pasid"));
	/* A VF that would show only PRI */
	OPEN(&self->b, VF2);
	EXPECT_EQ(PF_PRI, PRI(&self->b));
	EXPECT_EQ(0, PASID(&self->b));
	vfio_close(&self->b);
	ASSERT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(-EBUSY, vfio_open_cdev(&self->b, VF2));
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	vfio_close(&self->a);

	ASSERT_EQ(0, host_param("pri", "off"));
	OPEN(&self->a, VF);
	EXPECT_EQ(PF_PASID, PASID(&self->a));
	EXPECT_EQ(-EBUSY, sample_set("change", "begin pasid"));
	EXPECT_EQ(0, sample_set("change", "begin pri"));
	OPEN(&self->b, VF2);
	EXPECT_EQ(PF_PASID, PASID(&self->b));
	EXPECT_EQ(0, PRI(&self->b));
	vfio_close(&self->b);
	ASSERT_EQ(0, host_param("pri", "auto"));
	EXPECT_EQ(-EBUSY, vfio_open_cdev(&self->b, VF2));
	EXPECT_EQ(0, sample_set("change", "end pri"));
	OPEN(&self->b, VF2);
	EXPECT_EQ(PF_PRI, PRI(&self->b));
}

/* Both changes at once: opening is refused until both have ended. */
TEST_F(ats, changes_nest)
{
	ASSERT_EQ(0, sample_set("change", "begin pri"));
	ASSERT_EQ(0, sample_set("change", "begin pasid"));
	EXPECT_EQ(-EBUSY, vfio_open_cdev(&self->a, VF));
	EXPECT_EQ(0, sample_set("change", "end pri"));
	EXPECT_EQ(-EBUSY, vfio_open_cdev(&self->a, VF));
	EXPECT_EQ(0, sample_set("change", "begin pri"));
	EXPECT_EQ(0, sample_set("change", "end pasid"));
	EXPECT_EQ(-EBUSY, vfio_open_cdev(&self->a, VF));
	EXPECT_EQ(0, sample_set("change", "end pri"));
	OPEN(&self->a, VF);
	EXPECT_EQ(PF_PASID, PASID(&self->a));
	EXPECT_EQ(PF_PRI, PRI(&self->a));
}

TEST_F(ats, place_of_both)
{
	/* A driver that was just bound logs each open. */
	ASSERT_EQ(0, host_rebind(VF, OURS));
	ASSERT_EQ(0, sample_set("place_pasid", "%d", FREE));
	ASSERT_EQ(0, sample_set("place_pri", "%d", FREE2));
	OPEN(&self->a, VF);
	EXPECT_EQ(FREE, PASID(&self->a));
	EXPECT_EQ(FREE2, PRI(&self->a));
	EXPECT_STATE("0x500", VF, "pri_offset");
	EXPECT_CALLS(1, "place %s PASID", VF);
	EXPECT_CALLS(1, "place %s PRI", VF);
	vfio_close(&self->a);

	/* PRI directly before PASID */
	ASSERT_EQ(0, sample_set("place_pri", "%d", FREE - 16));
	OPEN(&self->a, VF);
	EXPECT_EQ(FREE, PASID(&self->a));
	EXPECT_EQ(FREE - 16, PRI(&self->a));
	EXPECT_EQ(32, vfio_get(&self->a, FREE - 16 + PCI_PRI_MAX_REQ, 4));
	EXPECT_EQ(0x1406, vfio_get(&self->a, FREE + PCI_PASID_CAP, 2));
	vfio_close(&self->a);

	/* They overlap: the second one gets its default place. */
	ASSERT_EQ(0, sample_set("place_pri", "%d", FREE - 12));
	OPEN(&self->a, VF);
	EXPECT_EQ(FREE, PASID(&self->a));
	EXPECT_EQ(PF_PRI, PRI(&self->a));
	EXPECT_EQ(1, host_log_count(VF, "PRI capability does not fit at 0x3f4"));
	vfio_close(&self->a);

	/* On the VF's own ATS, which the guest is not shown */
	ASSERT_EQ(0, sample_set("place_pri", "%d", 0x160));
	OPEN(&self->a, VF);
	EXPECT_EQ(PF_PRI, PRI(&self->a));
	EXPECT_EQ(1, host_log_count(VF, "PRI capability does not fit at 0x160"));
	vfio_close(&self->a);

	/* At the very end; and one dword too far */
	ASSERT_EQ(0, sample_set("place_pri", "%d", 0xff0));
	OPEN(&self->a, VF);
	EXPECT_EQ(0xff0, PRI(&self->a));
	vfio_close(&self->a);
	ASSERT_EQ(0, sample_set("place_pri", "%d", 0xff4));
	OPEN(&self->a, VF);
	EXPECT_EQ(PF_PRI, PRI(&self->a));
	vfio_close(&self->a);

	ASSERT_EQ(0, sample_set("place_pri", "-1"));
	OPEN(&self->a, VF);
	EXPECT_EQ(FREE, PASID(&self->a));
	EXPECT_EQ(0, PRI(&self->a));
	EXPECT_EQ(1, host_log_count(VF, "PRI capability not shown: the driver"));
	EXPECT_STATE("unlocked", host_pf(), "pri_state");
}

TEST_F(ats, control_of_pri)
{
	struct vfio *v = &self->a;

	OPEN(v, VF);
	EXPECT_EQ(PF_PRI, PRI(v));
	EXPECT_EQ(0, vfio_set(v, PRI_ALLOC, 4, 4));
	EXPECT_CALLS(0, "control");
	/* Before, the dword reads as Stopped. */
	EXPECT_EQ(0, vfio_set(v, PRI_CTRL, 2, 1));
	EXPECT_CALLS(1, "control %s PRI 01000000 0", VF);
	EXPECT_CALLS(1, "control");
	EXPECT_CALLS(1, "pri_enable %s 4\n", VF);
	EXPECT_EQ(0, vfio_set(v, PRI_STATUS, 2, 3));
	EXPECT_CALLS(1, "control %s PRI 00000001 00000001\n", VF);

	/* If Enable is masked, nothing is enabled, and what was enabled ends. */
	ASSERT_EQ(0, sample_set("control_mask", "%#x", ~PCI_PRI_CTRL_ENABLE));
	EXPECT_EQ(0, vfio_set(v, PRI_CTRL, 2, 1));
	EXPECT_EQ(0, vfio_get(v, PRI_CTRL, 2));
	EXPECT_CALLS(1, "pri_disable %s", VF);
	EXPECT_EQ(-EPERM, sample_request(VF, 1));
	EXPECT_TRUE(WAIT_FOR(vfio_get(v, PRI_STATUS, 2) ==
			     PCI_PRI_STATUS_STOPPED, 1000));
	ASSERT_EQ(0, sample_calls_clear());
	EXPECT_EQ(0, vfio_set(v, PRI_CTRL, 2, 1));
	EXPECT_EQ(0, vfio_get(v, PRI_CTRL, 2));
	EXPECT_CALLS(0, "pri_enable");
	EXPECT_EQ(-EPERM, sample_request(VF, 1));

	/* A guest cannot write Stopped, so control() cannot change it either. */
	ASSERT_EQ(0, sample_set("control_mask", "0"));
	EXPECT_EQ(0, vfio_set(v, PRI_CTRL, 4, 0xffffffff));
	EXPECT_EQ(0x01000000, vfio_get(v, PRI_CTRL, 4));

	ASSERT_EQ(0, sample_set("control_mask", "0xffffffff"));
	EXPECT_EQ(0, vfio_set(v, PRI_CTRL, 2, 1));
	EXPECT_EQ(0, sample_request(VF, 1));
}

/*
 * The driver registers, makes changes and unregisters while VFs are opened, used, reset
 * and closed. Whatever the order, nothing gets stuck, and in the end all is well.
 */
TEST_F_TIMEOUT(ats, races, 60)
{
	int status, opened = 0, busy = 0, ret;
	struct vfio *v = &self->a;
	long start = now_ms();
	pid_t child;

	ASSERT_EQ(0, sample_set("latency_ms", "20"));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		while (now_ms() - start < 4000) {
			if (!sample_set("change", "begin pri"))
				usleep(20000);
			sample_set("change", "end pri");
			sample_set("registered", "0");
			usleep(7000);
			if (sample_set("registered", "1"))
				_exit(1);
			usleep(30000);
		}
		_exit(0);
	}
	while (!waitpid(child, &status, WNOHANG)) {
		ret = vfio_open_cdev(v, VF);
		if (ret == -EBUSY) {
			busy++;
			continue;
		}
		ASSERT_EQ(0, ret);
		opened++;
		if (PRI(v)) {
			vfio_set(v, PRI_ALLOC, 4, 4);
			vfio_set(v, PRI_CTRL, 2, 1);
			sample_request(VF, 4);
			vfio_set(v, PRI_CTRL, 2, 0);
			vfio_set(v, PRI_CTRL, 2, 1);
			vfio_reset(v);
		}
		EXPECT_EQ(PF_PASID, PASID(v));
		vfio_close(v);
	}
	EXPECT_EQ(0, status);
	TH_LOG("opened %d times, refused %d times", opened, busy);
	EXPECT_LT(0, opened);

	EXPECT_STATE("unlocked", host_pf(), "pasid_state");
	EXPECT_STATE("unlocked", host_pf(), "pri_state");
	OPEN(v, VF);
	EXPECT_EQ(PF_PRI, PRI(v));
	EXPECT_EQ(0, vfio_set(v, PRI_ALLOC, 4, 4));
	EXPECT_EQ(0, vfio_set(v, PRI_CTRL, 2, 1));
	EXPECT_TRUE(WAIT_FOR(!sample_request(VF, 4), 1000));
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
