// SPDX-License-Identifier: GPL-2.0
/*
 * Our indices of VFIO_DEVICE_FEATURE: what each refuses, and what VFCAP_FEATURE_QUERY
 * reports about a VF
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/vfio_vfcap.h>

#include "../kselftest_harness.h"
#include "lib/feature.h"
#include "lib/host.h"
#include "lib/vfio.h"

#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET
#define PROBE	VFIO_DEVICE_FEATURE_PROBE

FIXTURE(feature) {
	struct vfio v;
};

FIXTURE_SETUP(feature)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", "on"));
}

FIXTURE_TEARDOWN(feature)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, host_param("pri", "auto"));
	EXPECT_EQ(0, host_param("placement", "auto"));
	EXPECT_EQ(0, host_layout_default());
}

/* A structure, and its valid contents */
static const struct feature {
	uint32_t index;
	uint32_t ops;
	size_t first;			/* of the first version, which never changes */
	size_t size;
	size_t reserved, reserved_end;	/* bytes that must be zero */
	int ret;			/* the result if the argument is valid */
} features[] = {
	{
		VFCAP_FEATURE_QUERY, GET, 40, sizeof(struct vfcap_feature_query),
		offsetof(struct vfcap_feature_query, reserved),
		offsetof(struct vfcap_feature_query, cause),
	}, {
		VFCAP_FEATURE_CHOOSE, SET, 16, sizeof(struct vfcap_feature_choose),
		offsetof(struct vfcap_feature_choose, reserved),
		sizeof(struct vfcap_feature_choose),
	}, {
		VFCAP_FEATURE_STATE, GET | SET, 112, sizeof(struct vfcap_feature_state),
		offsetof(struct vfcap_feature_state, reserved),
		offsetof(struct vfcap_feature_state, caps),
	}, {
		VFCAP_FEATURE_LOST_EVENTFD, SET, 8,
		sizeof(struct vfcap_feature_lost_eventfd),
		offsetof(struct vfcap_feature_lost_eventfd, reserved),
		sizeof(struct vfcap_feature_lost_eventfd),
	}, {
		VFCAP_FEATURE_RETURN_EVENTFD, SET, 8,
		sizeof(struct vfcap_feature_lost_eventfd),
		offsetof(struct vfcap_feature_lost_eventfd, reserved),
		sizeof(struct vfcap_feature_lost_eventfd),
	}, {
		/* ENODEV, since nobody has declared that page requests are answered */
		VFCAP_FEATURE_PRI_FAILED, SET, 8,
		sizeof(struct vfcap_feature_pri_failed),
		offsetof(struct vfcap_feature_pri_failed, reserved),
		sizeof(struct vfcap_feature_pri_failed), -ENODEV,
	},
};

union argument {
	struct vfcap_feature_query query;
	struct vfcap_feature_choose choose;
	struct vfcap_feature_state state;
	struct vfcap_feature_lost_eventfd lost;
	struct vfcap_feature_pri_failed failed;
	uint8_t bytes[512];
};

/* An argument that is accepted and changes nothing */
static void make_argument(struct __test_metadata *_metadata, struct vfio *v,
			  const struct feature *f, union argument *arg)
{
	memset(arg, 0, sizeof(*arg));
	switch (f->index) {
	case VFCAP_FEATURE_STATE:
		ASSERT_EQ(0, vfio_feature(v, GET | f->index, arg, f->size));
		break;
	case VFCAP_FEATURE_LOST_EVENTFD:
	case VFCAP_FEATURE_RETURN_EVENTFD:
		arg->lost.fd = -1;
		break;
	case VFCAP_FEATURE_PRI_FAILED:
		arg->failed.flags = VFCAP_PRI_FAILURE;
		break;
	}
}

static const uint32_t ops[] = { GET, SET };

TEST_F(feature, probe)
{
	union argument arg = {};
	unsigned int i;

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];
		unsigned int op;

		EXPECT_EQ(0, vfio_feature(&self->v, PROBE | f->index, &arg, 0));
		for (op = 0; op < 2; op++)
			EXPECT_EQ(f->ops & ops[op] ? 0 : -EINVAL,
				  vfio_feature(&self->v, PROBE | ops[op] | f->index,
					       &arg, 0)) {
				TH_LOG("index %#x", f->index);
			}
		EXPECT_EQ(f->ops == (GET | SET) ? 0 : -EINVAL,
			  vfio_feature(&self->v, PROBE | GET | SET | f->index,
				       &arg, 0));
	}
}

TEST_F(feature, sizes_and_flags)
{
	union argument arg;
	unsigned int i, op;
	size_t size;

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];

		make_argument(_metadata, &self->v, f, &arg);
		EXPECT_EQ(-EINVAL, vfio_feature(&self->v, f->index, &arg, f->size));
		EXPECT_EQ(-EINVAL, vfio_feature(&self->v, GET | SET | f->index,
						&arg, f->size));
		for (op = 0; op < 2; op++) {
			uint32_t flags = ops[op] | f->index;

			if (!(f->ops & ops[op])) {
				EXPECT_EQ(-EINVAL,
					  vfio_feature(&self->v, flags, &arg,
						       f->size));
				continue;
			}
			EXPECT_EQ(-EINVAL, vfio_feature(&self->v, flags | 1U << 20,
							&arg, f->size));
			for (size = 0; size < f->size; size++)
				EXPECT_EQ(size < f->first ? -EINVAL : f->ret,
					  vfio_feature_told(&self->v, flags, &arg,
							    f->size, size));
			for (size = f->size; size < f->size + 16; size++)
				EXPECT_EQ(f->ret, vfio_feature(&self->v, flags, &arg,
							       size));
			for (size = f->size; size < f->size + 16; size++) {
				arg.bytes[size] = 0x80;
				EXPECT_EQ(-E2BIG,
					  vfio_feature(&self->v, flags, &arg,
						       f->size + 16)) {
					TH_LOG("index %#x byte %zu", f->index,
					       size);
				}
				arg.bytes[size] = 0;
			}
		}
	}
}

/* Zeroes beyond the structure that the kernel knows, which it would have to check */
TEST_F(feature, more_than_a_page)
{
	static const uint32_t flags[] = {
		GET | VFCAP_FEATURE_QUERY, SET | VFCAP_FEATURE_CHOOSE,
		GET | VFCAP_FEATURE_STATE, SET | VFCAP_FEATURE_STATE,
		SET | VFCAP_FEATURE_LOST_EVENTFD,
		SET | VFCAP_FEATURE_RETURN_EVENTFD,
		SET | VFCAP_FEATURE_PRI_FAILED,
		GET | VFCAP_FEATURE_WRITE_COMBINE,
		SET | VFCAP_FEATURE_WRITE_COMBINE,
	};
	uint8_t zeroes[3 * 4096] = {};
	unsigned int i;

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_EQ(-E2BIG, vfio_feature(&self->v, flags[i], zeroes, 4097)) {
			TH_LOG("%#x", flags[i]);
		}
		EXPECT_EQ(-E2BIG, vfio_feature(&self->v, flags[i], zeroes,
					       sizeof(zeroes)));
	}
}

TEST_F(feature, reserved)
{
	union argument arg;
	unsigned int i, op;
	size_t at;

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];

		for (op = 0; op < 2; op++) {
			/* Fields that only the kernel writes need not be zero. */
			if (!(f->ops & ops[op]) ||
			    (f->ops == (GET | SET) && ops[op] == GET))
				continue;
			make_argument(_metadata, &self->v, f, &arg);
			for (at = f->reserved; at < f->reserved_end; at++) {
				arg.bytes[at] = 1;
				EXPECT_EQ(-EINVAL,
					  vfio_feature(&self->v, ops[op] | f->index,
						       &arg, f->size)) {
					TH_LOG("index %#x byte %zu", f->index, at);
				}
				arg.bytes[at] = 0;
			}
			EXPECT_EQ(f->ret, vfio_feature(&self->v, ops[op] | f->index,
						       &arg, f->size));
		}
	}
}

/* An argument at the end of accessible memory */
TEST_F(feature, bad_pointers)
{
	long page = sysconf(_SC_PAGESIZE);
	union argument arg;
	unsigned int i, op;
	uint8_t *area, *end;

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	end = area + page;
	ASSERT_EQ(0, munmap(end, page));

	for (i = 0; i < ARRAY_SIZE(features); i++) {
		const struct feature *f = &features[i];

		make_argument(_metadata, &self->v, f, &arg);
		for (op = 0; op < 2; op++) {
			struct vfio_device_feature *feature;
			size_t there;

			if (!(f->ops & ops[op]))
				continue;
			for (there = 0; there < f->size; there += 4) {
				feature = (void *)(end - there - sizeof(*feature));
				feature->argsz = sizeof(*feature) + f->size;
				feature->flags = ops[op] | f->index;
				memcpy(feature->data, &arg, there);
				EXPECT_EQ(-1, ioctl(self->v.fd,
						    VFIO_DEVICE_FEATURE, feature));
				EXPECT_EQ(EFAULT, errno);
			}
		}
	}
	EXPECT_EQ(-1, ioctl(self->v.fd, VFIO_DEVICE_FEATURE, NULL));
	EXPECT_EQ(EFAULT, errno);
	munmap(area, page);

	/* Memory that can be read but not written */
	area = mmap(NULL, page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	for (i = 0; i < ARRAY_SIZE(features); i++) {
		struct vfio_device_feature *feature = (void *)area;

		if (!(features[i].ops & GET))
			continue;
		ASSERT_EQ(0, mprotect(area, page, PROT_READ | PROT_WRITE));
		feature->argsz = sizeof(*feature) + features[i].size;
		feature->flags = GET | features[i].index;
		ASSERT_EQ(0, mprotect(area, page, PROT_READ));
		EXPECT_EQ(-1, ioctl(self->v.fd, VFIO_DEVICE_FEATURE, feature));
		EXPECT_EQ(EFAULT, errno);
	}
	munmap(area, page);
}

/* Indices that are neither ours nor core's; core's own are passed on to core. */
TEST_F(feature, other_indices)
{
	uint8_t buf[64] = {};
	uint32_t index;

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	for (index = VFCAP_FEATURE_PRI_FAILED + 1; index <= 0xffff; index++) {
		EXPECT_EQ(-ENOTTY, vfio_feature(&self->v, GET | index, buf,
						sizeof(buf)));
		EXPECT_EQ(-ENOTTY, vfio_feature(&self->v, PROBE | index, buf, 0));
	}
	EXPECT_EQ(-ENOTTY, vfio_feature(&self->v, GET | 0xfeff, buf, sizeof(buf)));
	EXPECT_EQ(0, vfio_feature(&self->v, PROBE | SET |
				  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, buf, 0));
}

static int pri_failed(struct vfio *v, uint32_t flags, uint32_t reserved)
{
	struct vfcap_feature_pri_failed data = { .flags = flags, .reserved = reserved };

	return vfio_feature(v, SET | VFCAP_FEATURE_PRI_FAILED, &data, sizeof(data));
}

/* If PRI is shown and the PF's driver answers, or if nobody does, no VMM has responded. */
TEST_F(feature, pri_failed)
{
	static const uint32_t wrong[] = { 0, 4, 0x80000000, 0xffffffff };
	const unsigned int status = PF_PRI + PCI_PRI_STATUS;
	struct vfio *v = &self->v;
	unsigned int i, shown;

	for (shown = 0; shown <= 1; shown++) {
		ASSERT_EQ(0, host_param("pri", shown ? "on" : "off"));
		ASSERT_EQ(0, vfio_open(v, host_vf()));
		EXPECT_EQ(shown ? PF_PRI : 0, vfio_find_ecap(v, PCI_EXT_CAP_ID_PRI));
		for (i = 0; i < ARRAY_SIZE(wrong); i++)
			EXPECT_EQ(-EINVAL, pri_failed(v, wrong[i], 0));
		EXPECT_EQ(-EINVAL, pri_failed(v, VFCAP_PRI_FAILURE, 1));
		EXPECT_EQ(-ENODEV, pri_failed(v, VFCAP_PRI_FAILURE, 0));
		EXPECT_EQ(-ENODEV, pri_failed(v, VFCAP_PRI_UNEXPECTED, 0));
		if (shown)
			EXPECT_EQ(PCI_PRI_STATUS_STOPPED, vfio_get(v, status, 2));
		vfio_close(v);
	}
}

TEST_F(feature, query)
{
	struct vfcap_feature_query q;
	uint32_t cap, nr_caps;

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	/* This reports the plan, and commits nothing. */
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(VFCAP_MAGIC, q.magic);
	EXPECT_EQ(VFCAP_CAP_PASID, q.cap);
	nr_caps = q.nr_caps;
	EXPECT_LE(VFCAP_CAP_COUNT, nr_caps);
	EXPECT_EQ(VFCAP_QUERY_EXTENDED, q.flags);
	EXPECT_EQ(PCI_EXT_CAP_ID_PASID, q.id);
	EXPECT_EQ(PF_PASID, q.offset);
	EXPECT_EQ(8, q.size);
	EXPECT_EQ(VFCAP_STEP_PF_OFFSET, q.step);
	EXPECT_EQ(VFCAP_REASON_NONE, q.reason);
	EXPECT_EQ(q.offset, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(VFCAP_QUERY_EXTENDED | VFCAP_QUERY_COMMITTED, q.flags);
	EXPECT_EQ(PF_PASID, q.offset);

	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PRI, &q));
	EXPECT_EQ(VFCAP_MAGIC, q.magic);
	EXPECT_EQ(PCI_EXT_CAP_ID_PRI, q.id);
	EXPECT_EQ(0, q.offset);
	EXPECT_EQ(16, q.size);
	EXPECT_EQ(VFCAP_STEP_NONE, q.step);
	EXPECT_EQ(VFCAP_REASON_NO_ANSWERER, q.reason);

	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_SHDW, &q));
	EXPECT_EQ(VFCAP_QUERY_COMMITTED, q.flags);
	EXPECT_EQ(PCI_CAP_ID_VNDR, q.id);
	EXPECT_EQ(0, q.offset);
	EXPECT_EQ(24, q.size);
	EXPECT_EQ(VFCAP_REASON_NOT_APPLICABLE, q.reason);

	for (cap = nr_caps; cap < 70; cap++)
		EXPECT_EQ(-EINVAL, vfcap_query(&self->v, cap, &q));
	EXPECT_EQ(-EINVAL, vfcap_query(&self->v, ~0U, &q));
	EXPECT_EQ(-EINVAL, vfcap_query(&self->v, 0x80000000, &q));
}

TEST_F(feature, query_enabled_and_lost)
{
	const uint32_t shown = VFCAP_QUERY_EXTENDED | VFCAP_QUERY_COMMITTED;
	const unsigned int ctrl = PF_PASID + PCI_PASID_CTRL;
	struct vfcap_feature_query q;
	int i;

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(0, vfio_set(&self->v, ctrl, 2, PCI_PASID_CTRL_ENABLE));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(shown | VFCAP_QUERY_ENABLED, q.flags);

	host_log_expect("Unexpected write to kernel-exclusive config offset");
	ASSERT_EQ(0, host_config_write(host_pf(), ctrl, 2, 0));
	/* A loss may be reported before it has taken effect. */
	for (i = 0; i < 300 && (q.flags & VFCAP_QUERY_ENABLED); i++) {
		usleep(10000);
		ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	}
	EXPECT_EQ(shown | VFCAP_QUERY_LOST, q.flags);
	EXPECT_EQ(PF_PASID, q.offset);
	ASSERT_EQ(0, host_config_write(host_pf(), ctrl, 2, 7));
	ASSERT_EQ(0, vfio_reset(&self->v));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(shown, q.flags);
}

#define EXPECT_WRITTEN(what) do {					\
	struct vfcap_feature_query q;					\
									\
	EXPECT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));	\
	EXPECT_EQ(what, q.written);					\
} while (0)

/*
 * A read is not a write to Control, and neither is a write to the Capability register
 * next to it.
 */
TEST_F(feature, query_written)
{
	const unsigned int cap = PF_PASID + PCI_PASID_CAP;
	struct vfcap_feature_state state;

	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_WRITTEN(0);
	ASSERT_EQ(0, vfcap_get_state(&self->v, &state));
	ASSERT_EQ(0, vfio_set(&self->v, PF_PASID, 4, ~0U));
	ASSERT_EQ(0, vfio_set(&self->v, cap, 2, ~0U));
	ASSERT_EQ(0, vfio_set(&self->v, cap + 3, 1, ~0U));
	EXPECT_EQ(0, vfio_get(&self->v, cap + 2, 2));
	EXPECT_WRITTEN(0);
	ASSERT_EQ(0, vfio_set(&self->v, cap + 2, 1, 0));
	EXPECT_WRITTEN(1);

	/* A saved state has only the registers' values, so Control counts as written. */
	vfio_close(&self->v);
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	EXPECT_WRITTEN(0);
	ASSERT_EQ(0, vfcap_set_state(&self->v, &state));
	EXPECT_WRITTEN(1);
}

FIXTURE(reason) {
	struct vfio v;
};

FIXTURE_SETUP(reason)
{
	vfio_init(&self->v);
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
}

FIXTURE_TEARDOWN(reason)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
	EXPECT_EQ(0, host_param("placement", "auto"));
	EXPECT_EQ(0, host_layout_default());
}

FIXTURE_VARIANT(reason) {
	const char *pasid;		/* module parameters */
	const char *placement;
	const char *layout;
	const char *text;		/* what the log says */
	uint32_t reason;
	uint32_t step;
};

FIXTURE_VARIANT_ADD(reason, off) {
	.pasid = "off", .reason = VFCAP_REASON_PARAMETER,
	.text = "switched off by its module parameter",
};

FIXTURE_VARIANT_ADD(reason, pf_lacks) {
	.pasid = "on", .layout = "pf 1c0 00010013\npf 1e0 0\n",
	.reason = VFCAP_REASON_PF_LACKS, .text = "its PF has no such capability",
};

FIXTURE_VARIANT_ADD(reason, pf_disabled) {
	.pasid = "on", .layout = "pf 1e4 00001406\n",
	.reason = VFCAP_REASON_PF_DISABLED, .text = "PASID is not enabled in its PF",
};

FIXTURE_VARIANT_ADD(reason, group) {
	.pasid = "auto", .reason = VFCAP_REASON_NO_CDEV,
	.text = "it was opened through its VFIO group",
};

FIXTURE_VARIANT_ADD(reason, no_room) {
	.pasid = "on", .layout = "vf blank 100 1000\nvf 100 0001000b\nvf 104 f0000001\n",
	.reason = VFCAP_REASON_NO_ROOM, .text = "its config space has no room",
};

FIXTURE_VARIANT_ADD(reason, strict) {
	.pasid = "on", .placement = "strict", .reason = VFCAP_REASON_STRICT,
	.text = "nobody says where it may lie, and parameter placement=strict",
};

FIXTURE_VARIANT_ADD(reason, gap) {
	.pasid = "on", .layout = "vf 1e4 1\n", .step = VFCAP_STEP_GAP,
};

FIXTURE_VARIANT_ADD(reason, pf_offset) {
	.pasid = "on", .step = VFCAP_STEP_PF_OFFSET,
};

TEST_F(reason, query)
{
	struct vfcap_feature_query q;

	ASSERT_EQ(0, host_param("pasid", variant->pasid));
	if (variant->placement)
		ASSERT_EQ(0, host_param("placement", variant->placement));
	if (variant->layout)
		ASSERT_EQ(0, host_layout(variant->layout));
	host_log_clear();
	ASSERT_EQ(0, vfio_open_group(&self->v, host_vf()));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(variant->reason, q.reason);
	EXPECT_EQ(variant->step, q.step);
	EXPECT_EQ(!variant->reason, !!q.offset);
	EXPECT_EQ(q.offset, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	if (variant->text)
		EXPECT_EQ(1, host_log_count("PASID capability not shown: ",
					    variant->text));
}

TEST_F(feature, parameters)
{
	EXPECT_EQ(-EINVAL, host_param("placement", "loose"));
	EXPECT_EQ(0, host_param("placement", "strict"));
	EXPECT_EQ(-EACCES, host_param("quirks", ""));
}

static const struct {
	const char *quirks;
	int ret;
} quirks[] = {
	{ "quirks=8086:10ca:pasid=300", 0 },
	{ "quirks=8086:10ca:pasid=300,8086:1520:pri=500", 0 },
	{ "quirks=8086:10ca:pasid", -EINVAL },
	{ "quirks=8086:10ca=300", -EINVAL },
	{ "quirks=8086:10ca:ats=300", -EINVAL },
	{ "quirks=8086:10ca:pasid=xyz", -EINVAL },
	{ "quirks=8086:10ca:pasid=10000", -EINVAL },
	{ "quirks=:10ca:pasid=100", -EINVAL },
	{ "quirks=8086:10ca:pasid=300,", -EINVAL },
};

TEST_F(feature, quirks)
{
	struct vfcap_feature_query q;
	unsigned int i;
	char text[128];

	ASSERT_EQ(0, host_unbind(host_vf()));
	for (i = 0; i < ARRAY_SIZE(quirks); i++) {
		EXPECT_EQ(quirks[i].ret, host_reload_ours(quirks[i].quirks)) {
			TH_LOG("%s", quirks[i].quirks);
		}
	}

	/* A quirk applies even with "strict". */
	ASSERT_EQ(0, host_reload_ours("quirks=8086:10ca:pasid=300 placement=strict pasid=on"));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(0x300, q.offset);
	EXPECT_EQ(VFCAP_STEP_QUIRK, q.step);
	EXPECT_EQ(0x300, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	vfio_close(&self->v);

	/* A quirk with an offset that does not fit is ignored. */
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_reload_ours("quirks=8086:10ca:pasid=100 pasid=on"));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
	host_log_clear();
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(PF_PASID, q.offset);
	EXPECT_EQ(VFCAP_STEP_PF_OFFSET, q.step);
	EXPECT_EQ(PF_PASID, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(1, host_log_count("does not fit at 0x100", "parameter quirks"));
	vfio_close(&self->v);

	/* A quirk for another device; and offset 0, which hides the capability */
	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_reload_ours("quirks=8086:10cb:pasid=300,8086:10ca:pasid=0 pasid=on"));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	ASSERT_EQ(0, vfcap_query(&self->v, VFCAP_CAP_PASID, &q));
	EXPECT_EQ(0, q.offset);
	EXPECT_EQ(VFCAP_REASON_QUIRK, q.reason);
	vfio_close(&self->v);
	EXPECT_EQ(0, host_run(text, sizeof(text),
			      "cat /sys/module/vfcap_vfio_pci/parameters/quirks"));
	EXPECT_STREQ("8086:10cb:pasid=300,8086:10ca:pasid=0\n", text);

	ASSERT_EQ(0, host_unbind(host_vf()));
	ASSERT_EQ(0, host_reload_ours(""));
	ASSERT_EQ(0, host_bind(host_vf(), OURS));
}

TEST_HARNESS_MAIN
