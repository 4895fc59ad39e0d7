// SPDX-License-Identifier: GPL-2.0
/*
 * What works with vfio-pci also works, unchanged, with our driver: a VF bound to our
 * driver and its twin bound to vfio-pci give the same answers.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"

FIXTURE(parity) {
	struct vfio ours, theirs;
};

FIXTURE_SETUP(parity)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, host_run(NULL, 0, "modprobe vfio-pci"));
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_rebind(host_vf2(), THEIRS));
	ASSERT_EQ(0, vfio_open(&self->ours, host_vf()));
	ASSERT_EQ(0, vfio_open(&self->theirs, host_vf2()));
}

FIXTURE_TEARDOWN(parity)
{
	vfio_close(&self->ours);
	vfio_close(&self->theirs);
	EXPECT_EQ(0, host_unbind(host_vf2()));
	EXPECT_EQ(0, host_param("pasid", "auto"));
}

static int call(struct vfio *v, unsigned long cmd, void *arg)
{
	int ret = ioctl(v->fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

/* The same call on both must have the same result, and the same answer in memory. */
#define EXPECT_SAME(cmd, arg) ({					\
	unsigned long _cmd = (cmd);					\
	typeof(arg) *_arg = &(arg);					\
	uint8_t a[4096] = {}, b[4096] = {};				\
	int ret;							\
									\
	memcpy(a, _arg, sizeof(*_arg));					\
	memcpy(b, _arg, sizeof(*_arg));					\
	ret = call(&self->theirs, _cmd, b);				\
	EXPECT_EQ(ret, call(&self->ours, _cmd, a));			\
	EXPECT_EQ(0, memcmp(a, b, sizeof(a)));				\
	memcpy(_arg, b, sizeof(*_arg));					\
	ret;								\
})

TEST_F(parity, device_info)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint32_t i, regions;

	EXPECT_EQ(0, EXPECT_SAME(VFIO_DEVICE_GET_INFO, info));
	regions = info.num_regions;
	EXPECT_LE(VFIO_PCI_NUM_REGIONS, regions);
	for (i = 0; i < regions + 2; i++) {
		struct {
			struct vfio_region_info info;
			uint8_t caps[512];
		} region = { .info = { .argsz = sizeof(region), .index = i } };

		EXPECT_SAME(VFIO_DEVICE_GET_REGION_INFO, region);
	}
	for (i = 0; i < info.num_irqs + 2; i++) {
		struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = i };

		EXPECT_SAME(VFIO_DEVICE_GET_IRQ_INFO, irq);
	}
}

/* All features: probe each operation, and call it without any data */
TEST_F(parity, features)
{
	static const uint32_t ops[] = {
		0, VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET,
		VFIO_DEVICE_FEATURE_PROBE,
		VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET,
		VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET,
		VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET |
			VFIO_DEVICE_FEATURE_SET,
		1U << 30,
	};
	uint32_t index, op;

	for (index = 0; index < 64; index++) {
		for (op = 0; op < sizeof(ops) / sizeof(*ops); op++) {
			struct vfio_device_feature feature = {
				.argsz = sizeof(feature),
				.flags = index | ops[op],
			};

			EXPECT_SAME(VFIO_DEVICE_FEATURE, feature);
		}
	}
	{
		struct vfio_device_feature feature = {
			.argsz = sizeof(feature),
			.flags = VFIO_DEVICE_FEATURE_PROBE |
				 VFIO_DEVICE_FEATURE_SET |
				 VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
		};

		EXPECT_EQ(0, EXPECT_SAME(VFIO_DEVICE_FEATURE, feature));
	}
}

TEST_F(parity, dma_buf)
{
	struct {
		struct vfio_device_feature feature;
		/* struct vfio_device_feature_dma_buf of Linux 6.19 and later */
		uint32_t region, open_flags, flags, nr_ranges;
		uint64_t offset, length;
	} arg = {
		.feature = {
			.argsz = sizeof(arg),
			.flags = VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_DMA_BUF,
		},
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.open_flags = O_CLOEXEC,
		.nr_ranges = 1,
		.length = 4096,
	};
	uint16_t memory = PCI_COMMAND_MEMORY;
	int ours, theirs;

	ASSERT_EQ(0, vfio_set(&self->ours, PCI_COMMAND, 2, memory));
	ASSERT_EQ(0, vfio_set(&self->theirs, PCI_COMMAND, 2, memory));
	ours = call(&self->ours, VFIO_DEVICE_FEATURE, &arg);
	theirs = call(&self->theirs, VFIO_DEVICE_FEATURE, &arg);
	TH_LOG("VFIO_DEVICE_FEATURE_DMA_BUF: %d", theirs);
	if (theirs >= 0) {
		EXPECT_LE(0, ours);
		close(ours);
		close(theirs);
	} else {
		EXPECT_EQ(theirs, ours);
	}
}

TEST_F(parity, unknown_ioctls)
{
	uint64_t arg[8] = {};
	unsigned int nr;

	for (nr = 0; nr < 18; nr++) {
		unsigned long cmd = _IO(VFIO_TYPE, VFIO_BASE + nr);

		/* Calls with an effect have tests of their own. */
		if (cmd == VFIO_DEVICE_RESET)
			continue;
		EXPECT_SAME(cmd, arg);
	}
	EXPECT_EQ(-ENOTTY, EXPECT_SAME(_IO(VFIO_TYPE, VFIO_BASE + 200), arg));
}

/* A bus with other functions cannot be reset for the user of a single VF. */
TEST_F(parity, hot_reset)
{
	struct {
		struct vfio_pci_hot_reset_info info;
		struct vfio_pci_dependent_device devices[32];
	} a = { .info = { .argsz = sizeof(a) } }, b = a;
	struct vfio_pci_hot_reset reset = { .argsz = sizeof(reset) };
	int ret;
	unsigned int i;

	ret = call(&self->theirs, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &b);
	EXPECT_EQ(ret, call(&self->ours, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &a));
	EXPECT_EQ(0, ret);
	EXPECT_EQ(b.info.count, a.info.count);
	EXPECT_EQ(b.info.flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID,
		  a.info.flags & VFIO_PCI_HOT_RESET_FLAG_DEV_ID);
	for (i = 0; i < a.info.count; i++)
		EXPECT_EQ(b.devices[i].devfn, a.devices[i].devfn);
	ret = EXPECT_SAME(VFIO_DEVICE_PCI_HOT_RESET, reset);
	EXPECT_GT(0, ret);
}

/* Config space, except PASID, the list around it, and what differs per VF */
TEST_F(parity, config_space)
{
	uint8_t a[4096], b[4096], hardware[2][4096];
	unsigned int i;

	ASSERT_EQ(4096, vfio_read(&self->ours, 0, a, sizeof(a)));
	ASSERT_EQ(4096, vfio_read(&self->theirs, 0, b, sizeof(b)));
	ASSERT_EQ(0, host_config_copy(host_vf(), hardware[0]));
	ASSERT_EQ(0, host_config_copy(host_vf2(), hardware[1]));
	for (i = 0; i < 4096; i++) {
		if (i >= PCI_BASE_ADDRESS_0 && i < PCI_BASE_ADDRESS_5 + 4)
			continue;
		if (i >= PF_PASID && i < PF_PASID + PCI_EXT_CAP_PASID_SIZEOF)
			continue;
		if (i >= 0x152 && i < 0x154)
			continue;
		/* Tests of other layouts leave traces in an emulated VF. */
		if (hardware[0][i] != hardware[1][i])
			continue;
		EXPECT_EQ(b[i], a[i]) {
			TH_LOG("at %#x", i);
		}
	}
}

TEST_F(parity, bar_by_mmap_and_read)
{
	struct vfio *both[] = { &self->theirs, &self->ours };
	uint32_t seen[2][2];
	unsigned int i;

	for (i = 0; i < 2; i++) {
		struct vfio_region_info bar = {
			.argsz = sizeof(bar),
			.index = VFIO_PCI_BAR0_REGION_INDEX,
		};
		uint32_t *map;

		ASSERT_EQ(0, vfio_set(both[i], PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
		ASSERT_EQ(0, call(both[i], VFIO_DEVICE_GET_REGION_INFO, &bar));
		map = mmap(NULL, bar.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   both[i]->fd, bar.offset);
		ASSERT_NE(MAP_FAILED, map);
		/* STATUS */
		seen[i][0] = __atomic_load_n(&map[2], __ATOMIC_RELAXED);
		munmap(map, bar.size);
		ASSERT_EQ(4, pread(both[i]->fd, &seen[i][1], 4, bar.offset + 8));
		EXPECT_EQ(seen[i][0], seen[i][1]);
	}
}

/* Loopback: the user triggers an interrupt itself. */
static int trigger(struct vfio *v, uint32_t index)
{
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
		.count = 1,
	};

	return call(v, VFIO_DEVICE_SET_IRQS, &set);
}

TEST_F(parity, interrupts)
{
	static const uint32_t indices[] = {
		VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_ERR_IRQ_INDEX,
		VFIO_PCI_REQ_IRQ_INDEX,
	};
	struct vfio *both[] = { &self->theirs, &self->ours };
	unsigned int i, j;

	for (i = 0; i < 2; i++) {
		for (j = 0; j < sizeof(indices) / sizeof(*indices); j++) {
			struct pollfd p = { .events = POLLIN };

			p.fd = eventfd(0, EFD_CLOEXEC);
			EXPECT_EQ(0, vfio_set_irq(both[i], indices[j], p.fd));
			EXPECT_EQ(0, trigger(both[i], indices[j]));
			EXPECT_EQ(1, poll(&p, 1, 5000));
			close(p.fd);
		}
		EXPECT_EQ(vfio_set_irq(both[0], VFIO_PCI_INTX_IRQ_INDEX, 0),
			  vfio_set_irq(both[i], VFIO_PCI_INTX_IRQ_INDEX, 0));
	}
}

TEST_HARNESS_MAIN
