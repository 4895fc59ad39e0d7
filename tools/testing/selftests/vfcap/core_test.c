// SPDX-License-Identifier: GPL-2.0
/*
 * A vfio-pci-core whose map of config space differs from what this driver knows: nothing
 * is shown, the log says so once, and the device can be opened. The fixture's
 * vfcap-other-core changes the map. Config space is not accessed with such a map, since
 * the kernel's real core relies on it.
 */
#include <errno.h>
#include <stdio.h>

#include <linux/pci_regs.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/vfio.h"

#define MODULE		"vfcap-other-core"
#define PARAM(name)	"/sys/module/vfcap_other_core/parameters/" name
#define NOTHING		"nothing is shown: vfio-pci-core keeps its config space"

FIXTURE(core) {
	struct vfio v;
};

FIXTURE_SETUP(core)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	vfio_init(&self->v);
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, host_load("tools/testing/fixture/" MODULE ".ko", ""));
	host_log_clear();
}

FIXTURE_TEARDOWN(core)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_unload("vfcap_other_core"));
	EXPECT_EQ(0, host_param("pasid", "auto"));
}

static int set(const char *param, unsigned int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	return host_write(param, text);
}

TEST_F(core, as_it_is)
{
	struct vfcap_feature_query q;

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(VFCAP_REASON_NONE, q.reason);
	EXPECT_EQ(PF_PASID, q.offset);
	EXPECT_EQ(0, host_log_count(host_vf(), NOTHING));
}

TEST_F(core, otherwise)
{
	static const struct {
		const char *what;
		unsigned int from, to, at, end;
	} cases[] = {
		{ "another mark for raw bytes", 0xff, 0xfd, 0x40, 0x1000 },
		{ "the same, in one place", 0xff, 0xfd, 0xffc, 0x1000 },
		{ "raw bytes are not what they were", 0xff, 0xfe, 0x40, 0x1000 },
		{ "another mark for the header", 0, 0xff, 0, 0x40 },
		{ "a mark for PCI Express that is no ID", PCI_CAP_ID_EXP, 0x30,
		  0x40, 0x100 },
		{ "none for PCI Express", PCI_CAP_ID_EXP, 0xff, 0x40, 0x100 },
		{ "the first extended one has none", PCI_EXT_CAP_ID_ERR, 0xff,
		  0x100, 0x1000 },
	};
	struct vfcap_feature_query q;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		TH_LOG("%s", cases[i].what);
		ASSERT_EQ(0, set(PARAM("from"), cases[i].from));
		ASSERT_EQ(0, set(PARAM("to"), cases[i].to));
		ASSERT_EQ(0, set(PARAM("at"), cases[i].at));
		ASSERT_EQ(0, set(PARAM("end"), cases[i].end));
		host_log_clear();
		ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
		ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
		EXPECT_EQ(VFCAP_REASON_CORE, q.reason);
		EXPECT_EQ(0, q.offset);
		ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PRI, &q));
		EXPECT_EQ(VFCAP_REASON_CORE, q.reason);
		/* Nor can a place be chosen, since it is not known what is occupied. */
		EXPECT_EQ(-EINVAL, vfcap_choose(&self->v, VFCAP_CAP_PASID,
						VFCAP_CHOOSE_OFFSET, PF_PASID));
		EXPECT_EQ(-EINVAL, vfcap_choose(&self->v, VFCAP_CAP_PASID,
						VFCAP_CHOOSE_OFFSET | VFCAP_CHOOSE_FORCE,
						PF_PASID));
		EXPECT_EQ(1, host_log_count(host_vf(), NOTHING));
		EXPECT_EQ(0, host_log_count(host_vf(), "not shown"));
		vfio_close(&self->v);
	}

	/* Once core's map is known again, PASID is shown again. */
	ASSERT_EQ(0, set(PARAM("end"), 0));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
}

TEST_HARNESS_MAIN
