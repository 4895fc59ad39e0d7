// SPDX-License-Identifier: GPL-2.0
/*
 * VFCAP_FEATURE_STATE: virtual registers are transferred from one VF to another, and what
 * could not have come from such a VF is refused.
 *
 * VFCAP_MUTATIONS: how many nonsensical states are tried (default: 100000)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/iommufd.h"
#include "lib/vfio.h"

#define PASID_CTRL	(PF_PASID + PCI_PASID_CTRL)
#define PRI_CTRL	(PF_PRI + PCI_PRI_CTRL)
#define PRI_STATUS	(PF_PRI + PCI_PRI_STATUS)

/* For what a whole function has in hardware, see pri_vmm_test. */
static bool has_pri(void)
{
	return !host_has_functions();
}

FIXTURE(state) {
	struct vfio v, twin;
};

FIXTURE_SETUP(state)
{
	vfio_init(&self->v);
	vfio_init(&self->twin);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_rebind(host_vf2(), OURS));
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, host_param("pri", has_pri() ? "on" : "off"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(0, vfio_open(&self->twin, host_vf2()));
}

FIXTURE_TEARDOWN(state)
{
	vfio_close(&self->v);
	vfio_close(&self->twin);
	EXPECT_EQ(0, host_unbind(host_vf2()));
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, host_param("pri", "auto"));
	EXPECT_EQ(0, host_layout_default());
}

TEST_F(state, content)
{
	struct vfcap_feature_state s;
	unsigned int i;

	ASSERT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, 6));
	ASSERT_EQ(0, vfcap_get_state(&self->v, &s));
	EXPECT_EQ(VFCAP_MAGIC, s.magic);
	EXPECT_EQ(VFCAP_STATE_VERSION, s.version);
	EXPECT_EQ(0, s.reserved);
	EXPECT_EQ(PF_PASID, s.caps[VFCAP_CAP_PASID].offset);
	EXPECT_EQ(8, s.caps[VFCAP_CAP_PASID].size);
	EXPECT_EQ(has_pri() ? PF_PRI : 0, s.caps[VFCAP_CAP_PRI].offset);
	EXPECT_EQ(has_pri() ? 16 : 0, s.caps[VFCAP_CAP_PRI].size);
	for (i = 0; i < VFCAP_STATE_REGS; i++) {
		EXPECT_EQ(i < 2 ? vfio_get(&self->v, PF_PASID + i * 4, 4) : 0,
			  s.caps[VFCAP_CAP_PASID].regs[i]);
		EXPECT_EQ(i < 4 && has_pri() ?
			  vfio_get(&self->v, PF_PRI + i * 4, 4) : 0,
			  s.caps[VFCAP_CAP_PRI].regs[i]);
		EXPECT_EQ(0, s.caps[VFCAP_CAP_SHDW].regs[i]);
	}
	EXPECT_EQ(6, s.caps[VFCAP_CAP_PASID].regs[1] >> 16);
	EXPECT_EQ(0, s.caps[VFCAP_CAP_SHDW].offset);
	EXPECT_EQ(0, s.caps[VFCAP_CAP_SHDW].size);
}

/* From one VF to its twin, for every value that the registers can have */
TEST_F(state, twin)
{
	struct vfcap_feature_state s, t;
	unsigned int pasid, pri;
	uint8_t a[64], b[64];

	for (pasid = 0; pasid < 8; pasid++)
		for (pri = 0; pri < 2; pri++) {
			uint32_t allocation = pasid * 4 + pri;

			ASSERT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, pasid));
			ASSERT_EQ(0, vfio_set(&self->v,
					      PF_PRI + PCI_PRI_ALLOC_REQ, 4,
					      allocation));
			ASSERT_EQ(0, vfio_set(&self->v, PRI_CTRL, 2, pri));
			ASSERT_EQ(0, vfcap_get_state(&self->v, &s));
			ASSERT_EQ(0, vfcap_set_state(&self->twin, &s)) {
				TH_LOG("PASID %u, PRI %u", pasid, pri);
			}
			ASSERT_EQ(0, vfcap_get_state(&self->twin, &t));
			EXPECT_EQ(0, memcmp(&s, &t, sizeof(s)));
			ASSERT_EQ(64, vfio_read(&self->v, PF_PRI, a, 64));
			ASSERT_EQ(64, vfio_read(&self->twin, PF_PRI, b, 64));
			EXPECT_EQ(0, memcmp(a, b, 64));
		}
	EXPECT_EQ(7, vfio_get(&self->twin, PASID_CTRL, 2));
	EXPECT_EQ(0, vfio_reset(&self->twin));
	EXPECT_EQ(0, vfio_get(&self->twin, PASID_CTRL, 2));
	EXPECT_EQ(7, vfio_get(&self->v, PASID_CTRL, 2));
}

/* Change each bit of a state; find out whether the state is still accepted */
TEST_F(state, each_bit)
{
	struct vfcap_feature_state s, t, now;
	uint8_t *bytes = (uint8_t *)&t;
	unsigned int bit, accepted = 0;

	ASSERT_EQ(0, vfcap_get_state(&self->twin, &s));
	for (bit = 0; bit < sizeof(s) * 8; bit++) {
		t = s;
		bytes[bit / 8] ^= 1 << bit % 8;
		if (vfcap_set_state(&self->twin, &t)) {
			ASSERT_EQ(0, vfcap_get_state(&self->twin, &now));
			ASSERT_EQ(0, memcmp(&s, &now, sizeof(s))) {
				TH_LOG("refused, and changed: bit %u", bit);
			}
			continue;
		}
		accepted++;
		ASSERT_EQ(0, vfcap_get_state(&self->twin, &now));
		/* Each VF has a Stopped bit of its own. */
		now.caps[VFCAP_CAP_PRI].regs[1] |= PCI_PRI_STATUS_STOPPED << 16;
		t.caps[VFCAP_CAP_PRI].regs[1] |= PCI_PRI_STATUS_STOPPED << 16;
		EXPECT_EQ(0, memcmp(&t, &now, sizeof(t))) {
			TH_LOG("accepted, and not so: bit %u", bit);
		}
		ASSERT_EQ(0, vfcap_set_state(&self->twin, &s));
	}
	/*
	 * PASID: Enable, Exec, Priv. PRI: RF, UPRGI, Stopped and the 32 bits of the
	 * allocation; Enable only where Stopped is 0.
	 */
	EXPECT_EQ(has_pri() ? 3 + 3 + 32 : 3, accepted);
}

TEST_F(state, refused)
{
	struct vfcap_feature_choose choose = {
		.cap = VFCAP_CAP_PASID,
		.flags = VFCAP_CHOOSE_OFFSET,
		.offset = 0x200,
	};
	struct vfcap_feature_state s, t;

	ASSERT_EQ(0, vfcap_get_state(&self->v, &s));
	t = s;
	t.version++;
	EXPECT_EQ(-EINVAL, vfcap_set_state(&self->v, &t));
	t = s;
	t.magic = 0;
	EXPECT_EQ(-EINVAL, vfcap_set_state(&self->v, &t));
	/* Enable and Stopped both set */
	t = s;
	t.caps[VFCAP_CAP_PRI].regs[1] |= PCI_PRI_CTRL_ENABLE;
	EXPECT_EQ(-EINVAL, vfcap_set_state(&self->v, &t));
	/* Reset reads as 0. */
	t = s;
	t.caps[VFCAP_CAP_PRI].regs[1] |= PCI_PRI_CTRL_RESET;
	EXPECT_EQ(-EINVAL, vfcap_set_state(&self->v, &t));
	/* Shown here but not in the state, or the other way round */
	t = s;
	memset(&t.caps[VFCAP_CAP_PRI], 0, sizeof(t.caps[0]));
	EXPECT_EQ(has_pri() ? -EINVAL : 0, vfcap_set_state(&self->v, &t));
	t = s;
	t.caps[VFCAP_CAP_SHDW] = s.caps[VFCAP_CAP_PASID];
	EXPECT_EQ(-EINVAL, vfcap_set_state(&self->v, &t));
	/* A function's own capability has a fixed offset: no other layout is possible. */
	if (host_has_functions())
		return;

	/* A twin with another layout, and then with the same one */
	ASSERT_EQ(0, vfio_feature(&self->twin, VFIO_DEVICE_FEATURE_SET |
				  VFCAP_FEATURE_CHOOSE, &choose, sizeof(choose)));
	EXPECT_EQ(-EINVAL, vfcap_set_state(&self->twin, &s));
	vfio_close(&self->v);
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(0, vfio_feature(&self->v, VFIO_DEVICE_FEATURE_SET |
				  VFCAP_FEATURE_CHOOSE, &choose, sizeof(choose)));
	ASSERT_EQ(0, vfio_set(&self->v, 0x206, 2, 5));
	ASSERT_EQ(0, vfcap_get_state(&self->v, &s));
	EXPECT_EQ(0, vfcap_set_state(&self->twin, &s));
	EXPECT_EQ(5, vfio_get(&self->twin, 0x206, 2));
}

/* A PF with fewer features, so that Exec could not have been set */
TEST_F(state, other_read_only_bits)
{
	struct vfcap_feature_state s;

	ASSERT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, 7));
	ASSERT_EQ(0, vfcap_get_state(&self->v, &s));
	vfio_close(&self->twin);
	vfio_close(&self->v);
	ASSERT_EQ(0, host_layout("pf 1e4 00051404 ffffffff 00070000\n"));
	ASSERT_EQ(0, vfio_open(&self->twin, host_vf2()));
	EXPECT_EQ(PF_PASID, vfio_find_ecap(&self->twin, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(-EINVAL, vfcap_set_state(&self->twin, &s));
	EXPECT_EQ(0, vfio_get(&self->twin, PASID_CTRL, 2));
}

/* If something cannot be enabled now, nothing is changed at all. */
TEST_F(state, lost)
{
	struct vfcap_feature_state s, before, after;
	int i;

	if (host_has_functions())
		SKIP(return, NO_PF);
	ASSERT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, 7));
	ASSERT_EQ(0, vfio_set(&self->v, PF_PRI + PCI_PRI_ALLOC_REQ, 4, 8));
	ASSERT_EQ(0, vfcap_get_state(&self->v, &s));
	ASSERT_EQ(0, vfcap_get_state(&self->twin, &before));
	host_log_expect("Unexpected write to kernel-exclusive config offset");
	ASSERT_EQ(0, host_config_write(host_pf(), PASID_CTRL, 2, 0));
	host_log_clear();
	for (i = 0; i < 300; i++) {
		struct vfcap_feature_query q = { .cap = VFCAP_CAP_PASID };

		ASSERT_EQ(0, vfio_feature(&self->twin, VFIO_DEVICE_FEATURE_GET |
					  VFCAP_FEATURE_QUERY, &q, sizeof(q)));
		if (q.flags & VFCAP_QUERY_LOST)
			break;
		usleep(10000);
	}
	ASSERT_GT(300, i);
	EXPECT_EQ(-EBUSY, vfcap_set_state(&self->twin, &s));
	ASSERT_EQ(0, vfcap_get_state(&self->twin, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	ASSERT_EQ(0, host_config_write(host_pf(), PASID_CTRL, 2, 7));
	ASSERT_EQ(0, vfio_reset(&self->twin));
	EXPECT_EQ(0, vfcap_set_state(&self->twin, &s));
	EXPECT_EQ(7, vfio_get(&self->twin, PASID_CTRL, 2));
}

/* A restored Enable is effective. */
TEST_F(state, gate)
{
	struct vfcap_feature_state on, off;
	uint32_t ioas, pt;

	if (!vfio_has_cdev(host_vf()))
		SKIP(return, "this kernel has no VFIO cdev");
	ASSERT_EQ(0, vfcap_get_state(&self->v, &off));
	ASSERT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, 1));
	ASSERT_EQ(0, vfcap_get_state(&self->v, &on));

	ASSERT_EQ(0, iommufd_ioas(&self->twin, &ioas));
	ASSERT_EQ(0, iommufd_hwpt(&self->twin, ioas, true, &pt));
	ASSERT_EQ(0, iommufd_attach(&self->twin, pt, 0));
	ASSERT_EQ(0, iommufd_attach(&self->twin, pt, 5));
	EXPECT_FALSE(iommu_has_pasid(host_vf2(), 5));
	ASSERT_EQ(0, vfcap_set_state(&self->twin, &on));
	EXPECT_TRUE(iommu_has_pasid(host_vf2(), 5));
	ASSERT_EQ(0, vfcap_set_state(&self->twin, &off));
	EXPECT_FALSE(iommu_has_pasid(host_vf2(), 5));
	ASSERT_EQ(0, vfcap_set_state(&self->twin, &on));
	EXPECT_TRUE(iommu_has_pasid(host_vf2(), 5));
}

/* Nonsensical states: each is refused, or the registers read back as it says. */
TEST_F_TIMEOUT(state, mutations, 500)
{
	long rounds = host_setting("VFCAP_MUTATIONS", 100000), i, accepted = 0;
	struct vfcap_feature_state good[2], s, now, before;
	unsigned int seed = getpid(), n;
	uint8_t *bytes = (uint8_t *)&s;

	printf("# seed %u\n", seed);
	ASSERT_EQ(0, vfcap_get_state(&self->v, &good[0]));
	ASSERT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, 7));
	ASSERT_EQ(0, vfio_set(&self->v, PRI_CTRL, 2, 1));
	ASSERT_EQ(0, vfcap_get_state(&self->v, &good[1]));
	ASSERT_EQ(0, vfcap_get_state(&self->twin, &before));
	for (i = 0; i < rounds; i++) {
		int ret;

		s = good[rand_r(&seed) % 2];
		for (n = rand_r(&seed) % 4; n; n--) {
			size_t at = rand_r(&seed) % sizeof(s);

			/* Half of the changes are within the registers. */
			if (rand_r(&seed) % 2)
				at = offsetof(struct vfcap_feature_state, caps) +
				     rand_r(&seed) % sizeof(s.caps);
			if (rand_r(&seed) % 2)
				bytes[at] ^= 1 << rand_r(&seed) % 8;
			else
				bytes[at] = rand_r(&seed);
		}
		ret = vfcap_set_state(&self->twin, &s);
		ASSERT_TRUE(!ret || ret == -EINVAL || ret == -EBUSY);
		ASSERT_EQ(0, vfcap_get_state(&self->twin, &now));
		if (ret) {
			ASSERT_EQ(0, memcmp(&before, &now, sizeof(now)));
			continue;
		}
		accepted++;
		before = now;
		now.caps[VFCAP_CAP_PRI].regs[1] &= ~(PCI_PRI_STATUS_STOPPED << 16);
		s.caps[VFCAP_CAP_PRI].regs[1] &= ~(PCI_PRI_STATUS_STOPPED << 16);
		ASSERT_EQ(0, memcmp(&s, &now, sizeof(s)));
	}
	printf("# %ld of %ld accepted\n", accepted, rounds);
	EXPECT_LT(0, accepted);
	EXPECT_GT(rounds, accepted);
}

/* The structure of a program that knows more capabilities than this one */
struct newer_state {
	struct vfcap_feature_state state;
	struct vfcap_state_cap more[2];
};

static int nr_more(struct vfio *v)
{
	struct vfcap_feature_query q;

	return vfcap_query(v, VFCAP_CAP_PASID, &q) ? -1 :
	       (int)(q.nr_caps - VFCAP_CAP_COUNT);
}

TEST_F(state, newer_program)
{
	struct newer_state s = {};
	int more = nr_more(&self->v), i;

	ASSERT_LE(0, more);
	ASSERT_GE(1, more);
	ASSERT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, 6));
	EXPECT_EQ(0, vfio_feature(&self->v, VFIO_DEVICE_FEATURE_GET |
				  VFCAP_FEATURE_STATE, &s, sizeof(s)));
	EXPECT_EQ(PF_PASID, s.state.caps[VFCAP_CAP_PASID].offset);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(i < more, !!s.more[i].size);
	EXPECT_EQ(0, vfio_feature(&self->twin, VFIO_DEVICE_FEATURE_SET |
				  VFCAP_FEATURE_STATE, &s, sizeof(s)));
	EXPECT_EQ(6, vfio_get(&self->twin, PASID_CTRL, 2));

	/* A capability that this kernel does not know cannot have been shown. */
	s.more[1].offset = 0x400;
	EXPECT_EQ(-E2BIG, vfio_feature(&self->twin, VFIO_DEVICE_FEATURE_SET |
				       VFCAP_FEATURE_STATE, &s, sizeof(s)));
}

/* A kernel that has more capabilities than this program, and shows the next one */
TEST_F(state, newer_kernel)
{
	struct vfio *v[] = { &self->v, &self->twin };
	struct vfcap_feature_query q;
	struct vfcap_feature_state s;
	unsigned int i, pos;

	/* The lab's grow_test builds such a driver. */
	if (!nr_more(&self->v)) {
		EXPECT_EQ(-EINVAL, vfcap_query(&self->v, VFCAP_CAP_COUNT, &q));
		return;
	}
	ASSERT_EQ(0, vfio_set(&self->v, PASID_CTRL, 2, 6));
	ASSERT_EQ(0, vfcap_get_state(&self->v, &s));
	/* The guest has already seen the capability that is missing in the state. */
	EXPECT_EQ(-EBUSY, vfcap_set_state(&self->v, &s));
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		vfio_close(v[i]);
		ASSERT_EQ(0, vfio_open(v[i], i ? host_vf2() : host_vf()));
		ASSERT_EQ(0, vfcap_query(v[i], VFCAP_CAP_COUNT, &q));
		pos = q.offset;
		EXPECT_NE(0, pos);
		EXPECT_EQ(0, vfcap_set_state(v[i], &s));
		EXPECT_EQ(6, vfio_get(v[i], PASID_CTRL, 2));
		EXPECT_EQ(0, vfio_get(v[i], pos, 4));
		ASSERT_EQ(0, vfcap_query(v[i], VFCAP_CAP_COUNT, &q));
		EXPECT_EQ(0, q.offset);
		EXPECT_EQ(VFCAP_REASON_USER, q.reason);
		EXPECT_EQ(0, vfcap_set_state(v[i], &s));
		/* Hiding it does not affect the checks of the others. */
		s.caps[VFCAP_CAP_SHDW].offset = 0x40;
		EXPECT_EQ(-EINVAL, vfcap_set_state(v[i], &s));
		s.caps[VFCAP_CAP_SHDW].offset = 0;
	}
}

TEST_HARNESS_MAIN
