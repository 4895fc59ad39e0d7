// SPDX-License-Identifier: GPL-2.0
/*
 * VFCAP_FEATURE_CHOOSE: the guest sees what its VMM chooses. The VMM can choose until
 * config space is first accessed, and can query the plan until then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
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
#include "lib/vmd.h"

#define OFFSET	VFCAP_CHOOSE_OFFSET
#define HIDE	VFCAP_CHOOSE_HIDE
#define FORCE	VFCAP_CHOOSE_FORCE
#define ANSWERS	VFCAP_CHOOSE_ANSWERS

FIXTURE(choose) {
	struct vfio v;
};

FIXTURE_SETUP(choose)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, host_param("pri", "on"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
}

FIXTURE_TEARDOWN(choose)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, host_param("pri", "auto"));
	EXPECT_EQ(0, host_param("placement", "auto"));
	EXPECT_EQ(0, host_layout_default());
}

static int choose(struct vfio *v, uint32_t cap, uint32_t flags, uint16_t offset)
{
	struct vfcap_feature_choose data = {
		.cap = cap, .flags = flags, .offset = offset,
	};

	return vfio_feature(v, VFIO_DEVICE_FEATURE_SET | VFCAP_FEATURE_CHOOSE,
			    &data, sizeof(data));
}

static struct vfcap_feature_query query(struct vfio *v, uint32_t cap)
{
	struct vfcap_feature_query q = { .cap = cap };
	int ret = vfio_feature(v, VFIO_DEVICE_FEATURE_GET | VFCAP_FEATURE_QUERY,
			       &q, sizeof(q));

	if (ret)
		printf("# VFCAP_FEATURE_QUERY: %d\n", ret);
	return q;
}

static unsigned int find(struct vfio *v)
{
	return vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID);
}

/* The whole list, as a guest walks it, as text that can be compared */
static const char *list(struct vfio *v)
{
	unsigned int pos = 0x100, loops = 960;
	static char text[1024];
	int len = 0;

	*text = 0;
	while (pos && loops--) {
		uint32_t header = vfio_get(v, pos, 4);

		if (header & 0xffff)
			len += snprintf(text + len, sizeof(text) - len,
					"%x@%x ", header & 0xffff, pos);
		pos = header >> 20;
	}
	return text;
}

/* A new session, in which nothing is committed */
static void anew(struct __test_metadata *_metadata, struct vfio *v, const char *bdf)
{
	vfio_close(v);
	ASSERT_EQ(0, vfio_open(v, bdf));
}

TEST_F(choose, offset)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(VFCAP_STEP_USER, query(v, VFCAP_CAP_PASID).step);
	EXPECT_EQ(0x200, query(v, VFCAP_CAP_PASID).offset);
	EXPECT_STREQ("1@100 e@150 13@1c0 1b@200 ", list(v));
	EXPECT_EQ(VFCAP_STEP_USER, query(v, VFCAP_CAP_PASID).step);
	EXPECT_EQ(0x200, query(v, VFCAP_CAP_PASID).offset);
	/* The default place belongs to the hardware now; the chosen place works. */
	ASSERT_EQ(0, host_writes_clear());
	EXPECT_EQ(0, vfio_set(v, 0x1e0, 4, 0));
	EXPECT_EQ(1, host_writes_count(host_vf(), 0x1e0, 0x1e4));
	EXPECT_EQ(0, vfio_get(v, 0x1e0, 4));
	EXPECT_EQ(0, vfio_set(v, 0x206, 2, 7));
	EXPECT_EQ(7, vfio_get(v, 0x206, 2));
	EXPECT_EQ(0, vfio_set(v, 0x206, 2, 0));
	EXPECT_EQ(0, host_writes_count(host_vf(), 0x200, 0x208));
}

struct choice {
	uint32_t cap, flags;
	uint16_t offset;
};

/* Choices in one session, and what is shown then */
TEST_F(choose, places)
{
	static const struct {
		unsigned int nr;
		struct choice choices[3];
		const char *list;
	} cases[] = {
		{ 0, {}, "1@100 e@150 13@1c0 1b@1e0 " },
		/* Overlapping itself, before others, at both ends, and back */
		{ 2, { { VFCAP_CAP_PASID, OFFSET, 0x200 },
		    { VFCAP_CAP_PASID, OFFSET, 0x204 } },
		  "1@100 e@150 13@1c0 1b@204 " },
		{ 1, { { VFCAP_CAP_PASID, OFFSET, 0x160 } },
		  "1@100 e@150 1b@160 13@1c0 " },
		{ 2, { { VFCAP_CAP_PASID, OFFSET, 0xff8 },
		    { VFCAP_CAP_PRI, OFFSET, 0xfe8 } },
		  "1@100 e@150 13@fe8 1b@ff8 " },
		{ 3, { { VFCAP_CAP_PASID, OFFSET, 0xff8 },
		    { VFCAP_CAP_PRI, OFFSET, 0xfe8 },
		    { VFCAP_CAP_PASID, 0, 0 } },
		  "1@100 e@150 1b@1e0 13@fe8 " },
		{ 1, { { VFCAP_CAP_PASID, HIDE, 0 } }, "1@100 e@150 13@1c0 " },
		{ 2, { { VFCAP_CAP_PASID, HIDE, 0 },
		    { VFCAP_CAP_PRI, HIDE, 0 } }, "1@100 e@150 " },
		{ 3, { { VFCAP_CAP_PASID, HIDE, 0 },
		    { VFCAP_CAP_PRI, HIDE, 0 },
		    { VFCAP_CAP_PASID, OFFSET, 0x400 } },
		  "1@100 e@150 1b@400 " },
		{ 2, { { VFCAP_CAP_PASID, HIDE, 0 },
		    { VFCAP_CAP_PASID, 0, 0 } },
		  "1@100 e@150 13@1c0 1b@1e0 " },
		/*
		 * A VMM that answers page requests declares it along with the above, or
		 * takes it back.
		 */
		{ 1, { { VFCAP_CAP_PRI, ANSWERS, 0 } }, "1@100 e@150 13@1c0 1b@1e0 " },
		{ 1, { { VFCAP_CAP_PRI, OFFSET | ANSWERS, 0xfe8 } },
		  "1@100 e@150 1b@1e0 13@fe8 " },
		{ 3, { { VFCAP_CAP_PRI, OFFSET | FORCE | ANSWERS, 0xfe8 },
		    { VFCAP_CAP_PRI, ANSWERS, 0 },
		    { VFCAP_CAP_PRI, 0, 0 } }, "1@100 e@150 13@1c0 1b@1e0 " },
		{ 2, { { VFCAP_CAP_PRI, ANSWERS, 0 },
		    { VFCAP_CAP_PRI, HIDE, 0 } }, "1@100 e@150 1b@1e0 " },
		/* A place that is chosen for one capability is not given to the other. */
		{ 3, { { VFCAP_CAP_PASID, HIDE, 0 },
		    { VFCAP_CAP_PRI, OFFSET, 0x1e0 },
		    { VFCAP_CAP_PASID, 0, 0 } },
		  "1@100 e@150 13@1e0 1b@ff8 " },
	};
	const struct choice *c;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		anew(_metadata, &self->v, host_vf());
		for (j = 0; j < cases[i].nr; j++) {
			c = &cases[i].choices[j];
			EXPECT_EQ(0, choose(&self->v, c->cap, c->flags, c->offset));
		}
		EXPECT_STREQ(cases[i].list, list(&self->v));
	}
}

TEST_F(choose, hide)
{
	struct vfio *v = &self->v;

	ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	EXPECT_EQ(VFCAP_REASON_USER, query(v, VFCAP_CAP_PASID).reason);
	EXPECT_EQ(VFCAP_STEP_NONE, query(v, VFCAP_CAP_PASID).step);
	EXPECT_EQ(0, query(v, VFCAP_CAP_PASID).offset);
	EXPECT_EQ(0, find(v));
	EXPECT_EQ(VFCAP_REASON_USER, query(v, VFCAP_CAP_PASID).reason);
	EXPECT_EQ(VFCAP_STEP_NONE, query(v, VFCAP_CAP_PASID).step);
	ASSERT_EQ(0, host_writes_clear());
	EXPECT_EQ(0, vfio_set(v, 0x1e6, 2, 0));
	EXPECT_EQ(1, host_writes_count(host_vf(), 0x1e6, 0x1e8));
}

static void read_config(struct vfio *v)
{
	vfio_get(v, PCI_VENDOR_ID, 2);
}

static void write_config(struct vfio *v)
{
	vfio_set(v, PCI_INTERRUPT_LINE, 1, 0);
}

static void get_state(struct vfio *v)
{
	struct vfcap_feature_state state;

	vfcap_get_state(v, &state);
}

static void set_state(struct vfio *v)
{
	struct vfcap_feature_state state = {
		.magic = VFCAP_MAGIC, .version = VFCAP_STATE_VERSION,
	};

	vfcap_set_state(v, &state);
}

static void ask(struct vfio *v)
{
	query(v, VFCAP_CAP_PASID);
}

static void reset(struct vfio *v)
{
	vfio_reset(v);
}

static void read_bar(struct vfio *v)
{
	uint32_t value;

	pread(v->fd, &value, sizeof(value), 0);
}

/* What commits the plan, and what does not */
TEST_F(choose, committed)
{
	static const struct {
		const char *name;
		void (*act)(struct vfio *v);
		bool commits;
	} acts[] = {
		{ "QUERY", ask, false },
		{ "RESET", reset, false },
		{ "BAR", read_bar, false },
		{ "config read", read_config, true },
		{ "config write", write_config, true },
		{ "STATE, GET", get_state, true },
		{ "STATE, SET", set_state, true },
	};
	struct vfio *v = &self->v;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(acts); i++) {
		anew(_metadata, v, host_vf());
		ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
		EXPECT_EQ(VFCAP_QUERY_EXTENDED, query(v, VFCAP_CAP_PASID).flags);
		acts[i].act(v);
		EXPECT_EQ(acts[i].commits ? VFCAP_QUERY_COMMITTED : 0,
			  query(v, VFCAP_CAP_PRI).flags & VFCAP_QUERY_COMMITTED) {
			TH_LOG("%s", acts[i].name);
		}
		for (j = 0; j < 2; j++)
			EXPECT_EQ(acts[i].commits ? -EBUSY : 0,
				  choose(v, VFCAP_CAP_PASID, j ? HIDE : 0, 0));
		EXPECT_EQ(acts[i].commits ? -EBUSY : 0,
			  choose(v, VFCAP_CAP_PRI, ANSWERS, 0));
		EXPECT_EQ(acts[i].commits ? 0x200 : 0, find(v));
		EXPECT_EQ(VFCAP_QUERY_COMMITTED,
			  query(v, VFCAP_CAP_PASID).flags & VFCAP_QUERY_COMMITTED);
		/* What makes no sense is reported as such at any time. */
		EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_PASID, FORCE, 0));
		EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, OFFSET, 0x150));
	}
}

/* Each query makes the plan again, and returns what would be shown now. */
TEST_F(choose, plan)
{
	const unsigned int ctrl = PF_PASID + PCI_PASID_CTRL;
	struct vfio *v = &self->v;

	EXPECT_EQ(PF_PASID, query(v, VFCAP_CAP_PASID).offset);
	ASSERT_EQ(0, host_config_write(host_pf(), ctrl, 2, 0));
	EXPECT_EQ(VFCAP_REASON_PF_DISABLED, query(v, VFCAP_CAP_PASID).reason);
	EXPECT_EQ(0, query(v, VFCAP_CAP_PASID).offset);
	EXPECT_EQ(PF_PRI, query(v, VFCAP_CAP_PRI).offset);
	ASSERT_EQ(0, host_config_write(host_pf(), ctrl, 2, 7));
	EXPECT_EQ(PF_PASID, query(v, VFCAP_CAP_PASID).offset);
	ASSERT_EQ(0, host_param("placement", "strict"));
	EXPECT_EQ(VFCAP_REASON_STRICT, query(v, VFCAP_CAP_PASID).reason);
	ASSERT_EQ(0, host_param("placement", "auto"));
	EXPECT_EQ(PF_PASID, find(v));
	ASSERT_EQ(0, host_param("placement", "strict"));
	EXPECT_EQ(PF_PASID, query(v, VFCAP_CAP_PASID).offset);
}

TEST_F(choose, for_this_session)
{
	ASSERT_EQ(0, choose(&self->v, VFCAP_CAP_PASID, OFFSET, 0x200));
	vfio_close(&self->v);
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_EQ(PF_PASID, find(&self->v));
}

TEST_F(choose, refused)
{
	static const struct choice cases[] = {
		{ VFCAP_CAP_PASID, OFFSET, 0 },
		{ VFCAP_CAP_PASID, OFFSET, 0x201 },
		{ VFCAP_CAP_PASID, OFFSET, 0x202 },
		{ VFCAP_CAP_PASID, OFFSET, 0x203 },
		{ VFCAP_CAP_PASID, OFFSET, 0x40 },	/* the other list */
		{ VFCAP_CAP_PASID, OFFSET, 0xfc },
		{ VFCAP_CAP_PASID, OFFSET, 0x100 },	/* AER */
		{ VFCAP_CAP_PASID, OFFSET, 0x104 },
		{ VFCAP_CAP_PASID, OFFSET, 0x130 },
		{ VFCAP_CAP_PASID, OFFSET, 0x14c },	/* overlaps ARI */
		{ VFCAP_CAP_PASID, OFFSET, 0x150 },
		{ VFCAP_CAP_PASID, OFFSET, 0x154 },
		{ VFCAP_CAP_PASID, OFFSET, 0x1bc },	/* overlaps PRI */
		{ VFCAP_CAP_PASID, OFFSET, 0x1c0 },
		{ VFCAP_CAP_PASID, OFFSET, 0x1cc },
		{ VFCAP_CAP_PRI, OFFSET, 0x1d4 },	/* overlaps PASID */
		{ VFCAP_CAP_PRI, OFFSET, 0x1e4 },
		{ VFCAP_CAP_PASID, OFFSET | FORCE, 0x150 },
		{ VFCAP_CAP_PASID, OFFSET | FORCE, 0x1c0 },
		{ VFCAP_CAP_PASID, OFFSET | FORCE, 0x201 },
		{ VFCAP_CAP_PASID, OFFSET, 0xffc },	/* beyond the end */
		{ VFCAP_CAP_PASID, OFFSET, 0x1000 },
		{ VFCAP_CAP_PASID, OFFSET | FORCE, 0xffc },
		{ VFCAP_CAP_PASID, OFFSET | FORCE, 0x1000 },
		{ VFCAP_CAP_PASID, OFFSET, 0xfffc },
		{ VFCAP_CAP_PRI, OFFSET, 0xff4 },
		{ VFCAP_CAP_PASID, 0, 0x200 },
		{ VFCAP_CAP_PASID, HIDE, 0x200 },
		{ VFCAP_CAP_PASID, OFFSET | HIDE, 0x200 },
		{ VFCAP_CAP_PASID, HIDE | FORCE, 0 },
		{ VFCAP_CAP_PASID, FORCE, 0 },
		{ VFCAP_CAP_PASID, FORCE, 0x200 },
		{ VFCAP_CAP_PRI, HIDE | ANSWERS, 0 },
		{ VFCAP_CAP_PRI, FORCE | ANSWERS, 0 },
		{ VFCAP_CAP_PRI, OFFSET | HIDE | ANSWERS, 0xfe8 },
		{ VFCAP_CAP_PRI, ANSWERS, 0xfe8 },
		{ VFCAP_CAP_PRI, OFFSET | ANSWERS, 0x1e0 },	/* PASID */
		{ VFCAP_CAP_PRI, OFFSET | ANSWERS, 0x201 },
		{ VFCAP_CAP_PRI, ANSWERS | 16, 0 },
		{ VFCAP_CAP_PASID, ANSWERS, 0 },
		{ VFCAP_CAP_PASID, OFFSET | ANSWERS, 0x200 },
		{ VFCAP_CAP_SHDW, ANSWERS, 0 },
		{ VFCAP_CAP_PASID, 16, 0x200 },
		{ VFCAP_CAP_PASID, OFFSET | 0x80000000, 0x200 },
		{ VFCAP_CAP_SHDW, 0, 0 },		/* a VF never has it */
		{ VFCAP_CAP_SHDW, OFFSET, 0x50 },
		{ VFCAP_CAP_COUNT, HIDE, 0 },
		{ ~0U, HIDE, 0 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_EQ(-EINVAL, choose(&self->v, cases[i].cap, cases[i].flags,
					  cases[i].offset)) {
			TH_LOG("capability %u, flags %#x, offset %#x",
			       cases[i].cap, cases[i].flags, cases[i].offset);
		}
		EXPECT_EQ(VFCAP_STEP_PF_OFFSET,
			  query(&self->v, VFCAP_CAP_PASID).step);
	}
	EXPECT_STREQ("1@100 e@150 13@1c0 1b@1e0 ", list(&self->v));
}

/* Registers outside all capabilities are covered only if that is forced. */
TEST_F(choose, over_live_registers)
{
	struct vfio *v = &self->v;

	vfio_close(v);
	ASSERT_EQ(0, host_layout("vf 204 12345678\n"));
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_PASID, OFFSET, 0x204));
	EXPECT_EQ(PF_PASID, query(v, VFCAP_CAP_PASID).offset);
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x208));
	EXPECT_EQ(0x208, find(v));
	EXPECT_EQ(0x12345678, vfio_get(v, 0x204, 4));

	anew(_metadata, v, host_vf());
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET | FORCE, 0x200));
	EXPECT_EQ(0x200, find(v));
	EXPECT_EQ(host_pasid_cap(), vfio_get(v, 0x204, 4));
	EXPECT_EQ(VFCAP_STEP_USER, query(v, VFCAP_CAP_PASID).step);
}

/* How PASIDs are attached depends on whether the capability is shown. */
TEST_F(choose, attached)
{
	struct vfio *v = &self->v;
	uint32_t ioas, pt;
	unsigned int i;

	if (!vfio_has_cdev(host_vf()))
		SKIP(return, "this kernel has no VFIO cdev");
	for (i = 0; i < 2; i++) {
		vfio_close(v);
		ASSERT_EQ(0, vfio_open_cdev(v, host_vf()));
		ASSERT_EQ(0, iommufd_ioas(v, &ioas));
		ASSERT_EQ(0, iommufd_hwpt(v, ioas, true, &pt));
		ASSERT_EQ(0, iommufd_attach(v, pt, 0));
		ASSERT_EQ(0, choose(v, VFCAP_CAP_PASID, i ? HIDE : 0, 0));
		ASSERT_EQ(0, iommufd_attach(v, pt, 5));
		EXPECT_EQ(!!i, iommu_has_pasid(host_vf(), 5));
		EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, i ? 0 : HIDE, 0));
		ASSERT_EQ(0, iommufd_detach(v, 5));
		EXPECT_EQ(-EBUSY, choose(v, VFCAP_CAP_PASID, i ? 0 : HIDE, 0));
		EXPECT_EQ(i ? 0 : PF_PASID, find(v));
	}
}

/* A choice cannot show what the administrator forbids. */
TEST_F(choose, not_against_the_administrator)
{
	struct vfio *v = &self->v;

	vfio_close(v);
	ASSERT_EQ(0, host_param("pasid", "off"));
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET | FORCE, 0x200));
	EXPECT_EQ(VFCAP_REASON_PARAMETER, query(v, VFCAP_CAP_PASID).reason);
	/* The same holds if the parameter changes in between. */
	ASSERT_EQ(0, host_param("pasid", "on"));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(VFCAP_REASON_NOT_HELD, query(v, VFCAP_CAP_PASID).reason);
	EXPECT_EQ(0, find(v));
}

/* Whether or not placement is strict, the user's choice comes first. */
TEST_F(choose, strict)
{
	struct vfio *v = &self->v;

	vfio_close(v);
	ASSERT_EQ(0, host_param("placement", "strict"));
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_EQ(0x200, query(v, VFCAP_CAP_PASID).offset);
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, 0, 0));
	EXPECT_EQ(VFCAP_REASON_STRICT, query(v, VFCAP_CAP_PASID).reason);
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x200));
	EXPECT_STREQ("1@100 e@150 1b@200 ", list(v));
}

/* For VFs without any extended capability, the list begins with an empty header. */
TEST_F(choose, alone)
{
	struct vfio *v = &self->v;

	vfio_close(v);
	ASSERT_EQ(0, host_layout("vf blank 100 1000\n"));
	ASSERT_EQ(0, vfio_open(v, host_vf()));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_PASID, OFFSET, 0x100));
	EXPECT_STREQ("13@1c0 1b@1e0 ", list(v));

	anew(_metadata, v, host_vf());
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, OFFSET, 0x104));
	EXPECT_STREQ("1b@104 13@1c0 ", list(v));

	anew(_metadata, v, host_vf());
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PRI, HIDE, 0));
	EXPECT_STREQ("", list(v));
	EXPECT_EQ(0, vfio_get(v, 0x100, 4));

	anew(_metadata, v, host_vf());
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	EXPECT_EQ(0, choose(v, VFCAP_CAP_PRI, OFFSET, 0x800));
	EXPECT_STREQ("13@800 ", list(v));
}

TEST_F(choose, vmd)
{
	struct vfio *v = &self->v;

	if (!vmd_is_ready())
		SKIP(return, "needs the lab's mock VMD");
	vfio_close(v);
	ASSERT_EQ(0, vmd_make("201d"));
	ASSERT_EQ(0, host_rebind(vmd_bdf(), OURS));
	ASSERT_EQ(0, vfio_open(v, vmd_bdf()));
	EXPECT_EQ(VFCAP_STEP_GAP, query(v, VFCAP_CAP_SHDW).step);
	EXPECT_EQ(0, choose(v, VFCAP_CAP_SHDW, OFFSET, 0x4c));
	EXPECT_EQ(VFCAP_STEP_USER, query(v, VFCAP_CAP_SHDW).step);
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_SHDW, OFFSET, 0xd0));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_SHDW, OFFSET, 0xe8));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_SHDW, OFFSET, 0x40));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_SHDW, OFFSET, 0x200));
	EXPECT_EQ(-EINVAL, choose(v, VFCAP_CAP_PASID, HIDE, 0));
	EXPECT_EQ(0x4c, vfio_find_cap(v, PCI_CAP_ID_VNDR));

	anew(_metadata, v, vmd_bdf());
	EXPECT_EQ(0, choose(v, VFCAP_CAP_SHDW, HIDE, 0));
	EXPECT_EQ(0, vfio_find_cap(v, PCI_CAP_ID_VNDR));
	EXPECT_EQ(VMD_MSIX, vfio_get(v, PCI_CAPABILITY_LIST, 1));
	vfio_close(v);
	EXPECT_EQ(0, vmd_make("none"));
}

/* A VMD of which this is the only capability: Status tells whether there is a list. */
TEST_F(choose, vmd_alone)
{
	struct vfio *v = &self->v;

	if (!vmd_is_ready())
		SKIP(return, "needs the lab's mock VMD");
	vfio_close(v);
	ASSERT_EQ(0, vmd_make("a77f"));
	ASSERT_EQ(0, vmd_config("34 0\n"));
	ASSERT_EQ(0, host_rebind(vmd_bdf(), OURS));
	ASSERT_EQ(0, vfio_open(v, vmd_bdf()));
	EXPECT_NE(0, vfio_find_cap(v, PCI_CAP_ID_VNDR));
	EXPECT_NE(0, vfio_get(v, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);

	anew(_metadata, v, vmd_bdf());
	EXPECT_EQ(0, choose(v, VFCAP_CAP_SHDW, HIDE, 0));
	EXPECT_EQ(0, vfio_get(v, PCI_CAPABILITY_LIST, 1));
	EXPECT_EQ(0, vfio_get(v, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	vfio_close(v);
	EXPECT_EQ(0, vmd_make("none"));
}

/*
 * A hostile VMM does all of this at once, in session after session. Whatever comes first,
 * all threads see the same: what is committed.
 */
struct racer {
	struct vfio *v;
	pthread_barrier_t *barrier;
	atomic_bool *stop;
	atomic_uint round;
	unsigned int done, busy, other;
};

static void race_choose(struct racer *r, uint32_t flags, uint16_t offset)
{
	int ret = choose(r->v, VFCAP_CAP_PASID, flags, offset);

	r->done += !ret;
	r->busy += ret == -EBUSY;
	r->other += ret && ret != -EBUSY;
}

static uint16_t race_place(unsigned int round)
{
	return 0x200 + round % 32 * 8;
}

static void race_move(struct racer *r)
{
	race_choose(r, OFFSET, race_place(r->round));
}

static void race_hide(struct racer *r)
{
	race_choose(r, HIDE, 0);
}

static void race_read(struct racer *r)
{
	uint8_t all[0x1000];

	usleep(r->round % 4 * 50);
	r->done += vfio_read(r->v, 0, all, sizeof(all)) > 0;
}

static void race_write(struct racer *r)
{
	uint32_t ones[4] = { ~0U, ~0U, ~0U, ~0U };

	usleep(r->round % 8 * 50);
	r->done += vfio_write(r->v, PF_PRI, ones, 16) > 0;
}

static void (*const race_acts[])(struct racer *r) = {
	race_move, race_hide, race_read, race_write,
};

static struct racer racers[ARRAY_SIZE(race_acts)];

static void *race(void *arg)
{
	struct racer *r = arg;

	for (;;) {
		pthread_barrier_wait(r->barrier);
		if (atomic_load(r->stop))
			return NULL;
		race_acts[r - racers](r);
		pthread_barrier_wait(r->barrier);
	}
}

TEST_F_TIMEOUT(choose, race, 60)
{
	pthread_t threads[ARRAY_SIZE(racers)];
	struct vfio *v = &self->v;
	struct vfcap_feature_query q;
	pthread_barrier_t barrier;
	atomic_bool stop = false;
	unsigned int i, round;

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, ARRAY_SIZE(racers) + 1));
	for (i = 0; i < ARRAY_SIZE(racers); i++) {
		racers[i] = (struct racer){
			.v = v, .barrier = &barrier, .stop = &stop,
		};
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, race, &racers[i]));
	}
	for (round = 0; round < 100; round++) {
		anew(_metadata, v, host_vf());
		for (i = 0; i < ARRAY_SIZE(racers); i++)
			racers[i].round = round;
		pthread_barrier_wait(&barrier);
		query(v, VFCAP_CAP_PASID);
		pthread_barrier_wait(&barrier);

		q = query(v, VFCAP_CAP_PASID);
		EXPECT_TRUE(q.flags & VFCAP_QUERY_COMMITTED);
		EXPECT_TRUE(!q.offset || q.offset == PF_PASID ||
			    q.offset == race_place(round));
		EXPECT_EQ(q.offset, find(v));
		if (q.offset) {
			EXPECT_EQ(host_pasid_cap(), vfio_get(v, q.offset + 4, 4));
			EXPECT_EQ(0, vfio_set(v, q.offset + 6, 2, 1));
			EXPECT_EQ(1, vfio_get(v, q.offset + 6, 2));
		}
	}
	atomic_store(&stop, true);
	pthread_barrier_wait(&barrier);
	for (i = 0; i < ARRAY_SIZE(racers); i++) {
		pthread_join(threads[i], NULL);
		EXPECT_LT(0, racers[i].done);
		EXPECT_EQ(0, racers[i].other);
	}
	printf("# chosen %u times, too late %u times\n",
	       racers[0].done + racers[1].done, racers[0].busy + racers[1].busy);
}

TEST_HARNESS_MAIN
