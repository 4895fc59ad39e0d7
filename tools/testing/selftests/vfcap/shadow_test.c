// SPDX-License-Identifier: GPL-2.0
/*
 * Native shadow registers of VMD 8086:28C0, emulated if the firmware left them off: one
 * bit of VMLOCK and 16 bytes of MEMBAR2, and nothing next to them
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/hw_breakpoint.h>
#include <linux/pci_regs.h>
#include <linux/perf_event.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"
#include "lib/vmd.h"

#define VALID	0x2
#define PAGE	4096
#define TRAPPED	(VMD_SHADOW & ~(PAGE - 1))

FIXTURE(shadow) {
	struct vfio v;
	const char *bdf;
	uint64_t membar2;	/* offset of the region */
	uint64_t size;
	char info[4096];
	struct vfio_region_info *region;
};

FIXTURE_SETUP(shadow)
{
	vfio_init(&self->v);
	if (!vmd_is_ready())
		SKIP(return, "needs the lab's VM with its mock VMD");
	ASSERT_EQ(0, vmd_make("28c0"));
	self->bdf = vmd_bdf();
	host_log_clear();
}

FIXTURE_TEARDOWN(shadow)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("vmd_shadow", "auto"));
	EXPECT_EQ(0, vmd_make("none"));
}

static void open_vmd(struct __test_metadata *_metadata,
		     struct _test_data_shadow *self)
{
	if (strcmp(host_driver(self->bdf), OURS))
		ASSERT_EQ(0, host_rebind(self->bdf, OURS));
	ASSERT_EQ(0, vfio_open(&self->v, self->bdf));
	self->region = vfio_region(&self->v, VMD_MEMBAR2, self->info,
				   sizeof(self->info));
	ASSERT_NE(NULL, self->region);
	self->membar2 = self->region->offset;
	self->size = self->region->size;
	ASSERT_EQ(0, vfio_set(&self->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
}

static ssize_t bar_read(struct _test_data_shadow *self, uint64_t at, void *buf,
			size_t size)
{
	ssize_t ret = pread(self->v.fd, buf, size, self->membar2 + at);

	return ret < 0 ? -errno : ret;
}

static ssize_t bar_write(struct _test_data_shadow *self, uint64_t at,
			 const void *buf, size_t size)
{
	ssize_t ret = pwrite(self->v.fd, buf, size, self->membar2 + at);

	return ret < 0 ? -errno : ret;
}

static void expect_shadow(struct __test_metadata *_metadata,
			  struct _test_data_shadow *self)
{
	uint64_t regs[2] = {};

	EXPECT_EQ(8, bar_read(self, VMD_SHADOW, &regs[0], 8));
	EXPECT_EQ(8, bar_read(self, VMD_SHADOW + 8, &regs[1], 8));
	EXPECT_EQ(vmd_bar(VMD_MEMBAR1), regs[0]);
	EXPECT_EQ(vmd_bar(VMD_MEMBAR2), regs[1]);
	EXPECT_NE(0, vfio_get(&self->v, VMD_VMLOCK, 4) & VALID);
}

TEST_F(shadow, content)
{
	open_vmd(_metadata, self);
	expect_shadow(_metadata, self);
	EXPECT_EQ(1, host_log_count(self->bdf, "native shadow registers shown"));
	/* It has native registers, and so no SHDW. */
	EXPECT_EQ(0, vfio_find_cap(&self->v, PCI_CAP_ID_VNDR));
	EXPECT_EQ(0, host_log_count(self->bdf, "SHDW"));
}

/*
 * Each access around the registers, compared with the hardware's memory with 16 bytes
 * replaced
 */
TEST_F_TIMEOUT(shadow, width_and_alignment, 120)
{
	enum { BEFORE = 16, SIZE = BEFORE + 16 + 0x80 + 16 };
	uint8_t model[SIZE], seen[SIZE];
	uint64_t regs[2];
	int from, size;

	open_vmd(_metadata, self);
	regs[0] = vmd_bar(VMD_MEMBAR1);
	regs[1] = vmd_bar(VMD_MEMBAR2);
	ASSERT_EQ(0, vmd_memory_read(VMD_MEMBAR2, VMD_SHADOW - BEFORE, model,
				     SIZE));
	ASSERT_NE(0, memcmp(model + BEFORE, regs, sizeof(regs)));
	memcpy(model + BEFORE, regs, sizeof(regs));

	for (from = 0; from < BEFORE + 32; from++)
		for (size = 1; size <= 40 && from + size <= SIZE; size++) {
			ASSERT_EQ(size, bar_read(self, VMD_SHADOW - BEFORE + from,
						 seen, size));
			ASSERT_EQ(0, memcmp(seen, model + from, size)) {
				TH_LOG("%d bytes at %#x", size,
				       VMD_SHADOW - BEFORE + from);
			}
		}
	ASSERT_EQ(SIZE, bar_read(self, VMD_SHADOW - BEFORE, seen, SIZE));
	EXPECT_EQ(0, memcmp(seen, model, SIZE));
}

/* Writes reach what is next to the registers, but never the memory under them. */
TEST_F_TIMEOUT(shadow, writes, 120)
{
	enum { BEFORE = 16, SIZE = BEFORE + 16 + 0x80 + 16 };
	uint8_t model[SIZE], seen[SIZE], buf[40];
	int from, size, i;

	open_vmd(_metadata, self);
	ASSERT_EQ(0, vmd_memory_read(VMD_MEMBAR2, VMD_SHADOW - BEFORE, model,
				     SIZE));
	for (from = 0; from < BEFORE + 32; from++)
		for (size = 1; size <= 40; size++) {
			for (i = 0; i < size; i++) {
				buf[i] = from * 37 + size * 11 + i * 5;
				if (from + i < BEFORE || from + i >= BEFORE + 16)
					model[from + i] = buf[i];
			}
			ASSERT_EQ(size, bar_write(self, VMD_SHADOW - BEFORE + from,
						  buf, size));
			ASSERT_EQ(0, vmd_memory_read(VMD_MEMBAR2,
						     VMD_SHADOW - BEFORE, seen,
						     SIZE));
			ASSERT_EQ(0, memcmp(seen, model, SIZE)) {
				TH_LOG("%d bytes at %#x", size,
				       VMD_SHADOW - BEFORE + from);
			}
		}
	expect_shadow(_metadata, self);
}

TEST_F(shadow, out_of_band_untouched)
{
	uint8_t before[VMD_OOB_END - VMD_OOB], after[sizeof(before)];
	uint8_t hw[sizeof(before)];

	ASSERT_EQ(0, vmd_memory_read(VMD_MEMBAR2, VMD_OOB, before,
				     sizeof(before)));
	open_vmd(_metadata, self);
	expect_shadow(_metadata, self);
	ASSERT_EQ((ssize_t)sizeof(after), bar_read(self, VMD_OOB, after,
						   sizeof(after)));
	EXPECT_EQ(0, memcmp(before, after, sizeof(after)));
	EXPECT_EQ(0, vfio_reset(&self->v));
	vfio_close(&self->v);
	ASSERT_EQ(0, vmd_memory_read(VMD_MEMBAR2, VMD_OOB, hw, sizeof(hw)));
	EXPECT_EQ(0, memcmp(before, hw, sizeof(hw)));
}

TEST_F(shadow, ends_of_bar)
{
	uint8_t buf[64];

	open_vmd(_metadata, self);
	EXPECT_EQ(32, bar_read(self, self->size - 32, buf, 64));
	EXPECT_EQ(-EINVAL, bar_read(self, self->size, buf, 4));
	EXPECT_EQ(-EINVAL, bar_write(self, self->size, buf, 4));
	EXPECT_EQ(0, bar_read(self, VMD_SHADOW, buf, 0));
	EXPECT_EQ(-EFAULT, bar_read(self, VMD_SHADOW, vfio_nowhere(), 8));
	EXPECT_EQ(-EFAULT, bar_read(self, VMD_SHADOW - 8, vfio_nowhere(), 32));
}

static uint32_t masked(unsigned int size)
{
	return size == 4 ? ~0U : (1U << size * 8) - 1;
}

TEST_F(shadow, vmlock_read)
{
	const uint32_t hw = 0xa5c30004;
	uint8_t bytes[12], expected[12];
	unsigned int at, size;

	ASSERT_EQ(0, vmd_config("6c 11223344\n70 %x\n74 55667788\n", hw));
	open_vmd(_metadata, self);
	for (size = 1; size <= 4; size *= 2)
		for (at = 0; at < 4; at += size)
			EXPECT_EQ((hw | VALID) >> at * 8 & masked(size),
				  vfio_get(&self->v, VMD_VMLOCK + at, size));

	memcpy(expected, (uint32_t[]){ 0x11223344, hw | VALID, 0x55667788 }, 12);
	for (at = 0; at < 12; at++)
		for (size = 1; at + size <= 12; size++) {
			ASSERT_EQ((ssize_t)size,
				  vfio_read(&self->v, VMD_VMLOCK - 4 + at,
					    bytes, size));
			EXPECT_EQ(0, memcmp(bytes, expected + at, size));
		}
}

/* If a guest writes back what it read, nothing changes in hardware. */
TEST_F(shadow, vmlock_write)
{
	struct vmd_write w[8];
	uint8_t bytes[12];
	unsigned int at, size;
	int i, n;

	ASSERT_EQ(0, vmd_config("70 4 ffffffff\n"));
	open_vmd(_metadata, self);
	ASSERT_EQ(0, vmd_writes_clear());
	EXPECT_EQ(0x4 | VALID, vfio_get(&self->v, VMD_VMLOCK, 4));
	EXPECT_EQ(0, vfio_set(&self->v, VMD_VMLOCK, 4, 0x4 | VALID));
	ASSERT_EQ(1, vmd_writes(VMD_VMLOCK, VMD_VMLOCK + 4, w, 8));
	EXPECT_EQ(VMD_VMLOCK, w[0].offset);
	EXPECT_EQ(4, w[0].size);
	EXPECT_EQ(0x4, w[0].value);

	/* A write of any width reaches the hardware unchanged, except for that bit. */
	for (size = 1; size <= 4; size *= 2)
		for (at = 0; at < 4; at += size) {
			ASSERT_EQ(0, vmd_writes_clear());
			ASSERT_EQ(0, vfio_set(&self->v, VMD_VMLOCK + at, size,
					      ~0U));
			ASSERT_EQ(1, vmd_writes(VMD_VMLOCK, VMD_VMLOCK + 4, w, 8));
			EXPECT_EQ(VMD_VMLOCK + at, w[0].offset);
			EXPECT_EQ(size, w[0].size);
			EXPECT_EQ((~VALID >> at * 8) & masked(size), w[0].value);
		}
	EXPECT_EQ(~0U, vfio_get(&self->v, VMD_VMLOCK, 4));
	EXPECT_EQ(~VALID, host_config_read(self->bdf, VMD_VMLOCK, 4));

	/* Any write around it, with any alignment */
	memset(bytes, 0xff, sizeof(bytes));
	for (at = 0; at < 12; at++)
		for (size = 1; at + size <= 12; size++) {
			ASSERT_EQ(0, vmd_writes_clear());
			ASSERT_EQ((ssize_t)size,
				  vfio_write(&self->v, VMD_VMLOCK - 4 + at,
					     bytes, size));
			n = vmd_writes(VMD_VMLOCK, VMD_VMLOCK + 1, w, 8);
			ASSERT_EQ(at <= 4 && at + size > 4, n);
			for (i = 0; i < n; i++)
				EXPECT_EQ(0, w[i].value &
					  VALID << (VMD_VMLOCK - w[i].offset) * 8);
		}

	EXPECT_EQ(0, vfio_set(&self->v, VMD_VMLOCK, 4, 0));
	EXPECT_EQ(VALID, vfio_get(&self->v, VMD_VMLOCK, 4));
	EXPECT_EQ(-EFAULT, vfio_write(&self->v, VMD_VMLOCK, NULL, 4));
	EXPECT_EQ(-EFAULT, vfio_read(&self->v, VMD_VMLOCK, NULL, 4));
}

TEST_F(shadow, sparse_mmap)
{
	struct vfio_region_info_cap_sparse_mmap *sparse;

	open_vmd(_metadata, self);
	EXPECT_NE(0, self->region->flags & VFIO_REGION_INFO_FLAG_MMAP);
	EXPECT_EQ(vmd_bar_size(VMD_MEMBAR2), self->size);
	sparse = vfio_region_cap(self->region, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	ASSERT_NE(NULL, sparse);
	EXPECT_EQ(1, sparse->header.version);
	ASSERT_EQ(2, sparse->nr_areas);
	EXPECT_EQ(0, sparse->areas[0].offset);
	EXPECT_EQ(TRAPPED, sparse->areas[0].size);
	EXPECT_EQ(TRAPPED + PAGE, sparse->areas[1].offset);
	EXPECT_EQ(self->size - TRAPPED - PAGE, sparse->areas[1].size);
	/* MSI-X is in this BAR, and is reported as usual. */
	EXPECT_NE(NULL, vfio_region_cap(self->region,
					VFIO_REGION_INFO_CAP_MSIX_MAPPABLE));
}

/* What a VMM learns if its buffer is too small, as everywhere in VFIO */
TEST_F(shadow, region_info_sizes)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = VMD_MEMBAR2,
	};
	char buf[4096] = {};
	struct vfio_region_info *exact = (void *)buf;

	open_vmd(_metadata, self);
	ASSERT_EQ(0, ioctl(self->v.fd, VFIO_DEVICE_GET_REGION_INFO, &info));
	EXPECT_LT(sizeof(info), info.argsz);
	EXPECT_EQ(0, info.cap_offset);
	EXPECT_NE(0, info.flags & VFIO_REGION_INFO_FLAG_CAPS);
	EXPECT_EQ(self->size, info.size);

	exact->argsz = info.argsz;
	exact->index = VMD_MEMBAR2;
	ASSERT_EQ(0, ioctl(self->v.fd, VFIO_DEVICE_GET_REGION_INFO, exact));
	EXPECT_EQ(sizeof(info), exact->cap_offset);
	EXPECT_EQ(0, buf[info.argsz]);
	EXPECT_NE(NULL, vfio_region_cap(exact, VFIO_REGION_INFO_CAP_SPARSE_MMAP));
	EXPECT_NE(NULL, vfio_region_cap(exact, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE));

	info.argsz = sizeof(info) - 16;
	EXPECT_EQ(-1, ioctl(self->v.fd, VFIO_DEVICE_GET_REGION_INFO, &info));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->v.fd, VFIO_DEVICE_GET_REGION_INFO, NULL));
	EXPECT_EQ(EFAULT, errno);
}

static void *map(struct _test_data_shadow *self, uint64_t at, uint64_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self->v.fd,
		    self->membar2 + at);
}

TEST_F(shadow, mmap)
{
	static const struct { uint64_t at, size; bool ok; } maps[] = {
		{ 0, TRAPPED, true },
		{ 0, TRAPPED + PAGE, false },
		{ TRAPPED - PAGE, PAGE, true },
		{ TRAPPED - PAGE, 2 * PAGE, false },
		{ TRAPPED - PAGE, 3 * PAGE, false },
		{ TRAPPED, PAGE, false },
		{ TRAPPED, 2 * PAGE, false },
		{ TRAPPED + PAGE, PAGE, true },
		{ TRAPPED + PAGE, 16 * PAGE, true },
	};
	uint32_t value = 0x12345678, seen = 0;
	unsigned int i;
	void *at;

	open_vmd(_metadata, self);
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		at = map(self, maps[i].at, maps[i].size);
		EXPECT_EQ(maps[i].ok, at != MAP_FAILED) {
			TH_LOG("%#llx bytes at %#llx", (long long)maps[i].size,
			       (long long)maps[i].at);
		}
		if (at == MAP_FAILED) {
			EXPECT_EQ(EINVAL, errno);
			continue;
		}
		munmap(at, maps[i].size);
	}
	EXPECT_EQ(MAP_FAILED, map(self, 0, self->size));
	at = map(self, TRAPPED + PAGE, self->size - TRAPPED - PAGE);
	ASSERT_NE(MAP_FAILED, at);
	*(uint32_t *)at = value;
	EXPECT_EQ(0, vmd_memory_read(VMD_MEMBAR2, TRAPPED + PAGE, &seen, 4));
	EXPECT_EQ(value, seen);
	munmap(at, self->size - TRAPPED - PAGE);
}

static int set_ioeventfd(struct _test_data_shadow *self, uint64_t at,
			 unsigned int size, int fd)
{
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg),
		.flags = size,
		.offset = self->membar2 + at,
		.data = 0x77,
		.fd = fd,
	};

	return ioctl(self->v.fd, VFIO_DEVICE_IOEVENTFD, &arg) ? -errno : 0;
}

TEST_F(shadow, ioeventfd)
{
	unsigned int size, at;
	uint64_t one = 1;
	uint32_t seen;
	int fd, i;

	open_vmd(_metadata, self);
	fd = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, fd);
	for (size = 1; size <= 4; size *= 2)
		for (at = VMD_SHADOW - 8; at < VMD_SHADOW + 24; at++) {
			bool trapped = at + size > VMD_SHADOW && at < VMD_OOB;

			EXPECT_EQ(trapped ? -EINVAL : 0,
				  set_ioeventfd(self, at, size, fd));
			EXPECT_EQ(trapped ? -EINVAL : 0,
				  set_ioeventfd(self, at, size, -1));
		}
	EXPECT_EQ(-1, ioctl(self->v.fd, VFIO_DEVICE_IOEVENTFD, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-EINVAL, set_ioeventfd(self, VMD_OOB, 3, fd));

	ASSERT_EQ(0, set_ioeventfd(self, VMD_OOB, 4, fd));
	ASSERT_EQ(8, write(fd, &one, 8));
	for (i = 0, seen = 0; i < 1000 && seen != 0x77; i++) {
		usleep(1000);
		ASSERT_EQ(0, vmd_memory_read(VMD_MEMBAR2, VMD_OOB, &seen, 4));
	}
	EXPECT_EQ(0x77, seen);
	close(fd);
}

#ifdef VFIO_DEVICE_FEATURE_DMA_BUF
static int dma_buf(struct _test_data_shadow *self, uint64_t at, uint64_t size)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf dma_buf;
		struct vfio_region_dma_range range[2];
	} arg = {
		.feature = {
			.argsz = sizeof(arg),
			.flags = VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_DMA_BUF,
		},
		.dma_buf = {
			.region_index = VMD_MEMBAR2,
			.open_flags = O_RDWR | O_CLOEXEC,
			.nr_ranges = 2,
		},
		.range = { { .offset = 0, .length = PAGE },
			   { .offset = at, .length = size } },
	};
	int fd = ioctl(self->v.fd, VFIO_DEVICE_FEATURE, &arg);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

TEST_F(shadow, dma_buf)
{
	int ret;

	open_vmd(_metadata, self);
	ret = dma_buf(self, TRAPPED + PAGE, PAGE);
	if (ret == -ENOTTY)
		SKIP(return, "this kernel exports no BAR as dma-buf");
	EXPECT_EQ(0, ret);
	EXPECT_EQ(0, dma_buf(self, TRAPPED - PAGE, PAGE));
	EXPECT_EQ(0, dma_buf(self, TRAPPED + PAGE, self->size - TRAPPED - PAGE));
	EXPECT_EQ(-EINVAL, dma_buf(self, TRAPPED, PAGE));
	EXPECT_EQ(-EINVAL, dma_buf(self, TRAPPED - PAGE, 2 * PAGE));
	EXPECT_EQ(-EINVAL, dma_buf(self, TRAPPED, 2 * PAGE));
	EXPECT_EQ(-EINVAL, dma_buf(self, 0, self->size));
	EXPECT_GT(0, dma_buf(self, PAGE, -(uint64_t)PAGE));
	EXPECT_GT(0, dma_buf(self, -(uint64_t)PAGE, 2 * PAGE));
	vfio_close(&self->v);

	/* Without emulation, the whole BAR can be exported. */
	ASSERT_EQ(0, host_param("vmd_shadow", "off"));
	open_vmd(_metadata, self);
	EXPECT_EQ(0, dma_buf(self, TRAPPED, PAGE));
}
#endif

static void expect_left_alone(struct __test_metadata *_metadata,
			      struct _test_data_shadow *self)
{
	uint8_t hw[64], seen[64], config[8];
	uint32_t vmlock;
	unsigned int i;
	void *at;

	vmlock = host_config_read(self->bdf, VMD_VMLOCK, 4);
	EXPECT_EQ(vmlock, vfio_get(&self->v, VMD_VMLOCK, 4));
	EXPECT_EQ(8, vfio_read(&self->v, VMD_VMLOCK - 2, config, 8));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(host_config_read(self->bdf, VMD_VMLOCK - 2 + i, 1),
			  config[i]);
	ASSERT_EQ(0, vmd_memory_read(VMD_MEMBAR2, VMD_SHADOW - 16, hw, 64));
	ASSERT_EQ(64, bar_read(self, VMD_SHADOW - 16, seen, 64));
	EXPECT_EQ(0, memcmp(hw, seen, 64));
	memset(seen, 0x3c, 64);
	ASSERT_EQ(64, bar_write(self, VMD_SHADOW - 16, seen, 64));
	ASSERT_EQ(0, vmd_memory_read(VMD_MEMBAR2, VMD_SHADOW - 16, hw, 64));
	EXPECT_EQ(0, memcmp(hw, seen, 64));
	EXPECT_EQ(NULL, vfio_region_cap(self->region,
					VFIO_REGION_INFO_CAP_SPARSE_MMAP));
	EXPECT_NE(NULL, vfio_region_cap(self->region,
					VFIO_REGION_INFO_CAP_MSIX_MAPPABLE));
	at = map(self, 0, self->size);
	EXPECT_NE(MAP_FAILED, at);
	if (at != MAP_FAILED)
		munmap(at, self->size);
}

TEST_F(shadow, native)
{
	uint64_t regs[2];

	ASSERT_EQ(0, vmd_make("28c0 native"));
	self->bdf = vmd_bdf();
	open_vmd(_metadata, self);
	EXPECT_EQ(1, host_log_count(self->bdf,
				    "registers not shown: the hardware shows its own"));
	ASSERT_EQ(16, bar_read(self, VMD_SHADOW, regs, 16));
	EXPECT_EQ(vmd_bar(VMD_MEMBAR1), regs[0] & PCI_BASE_ADDRESS_MEM_MASK);
	EXPECT_EQ(vmd_bar(VMD_MEMBAR2), regs[1] & PCI_BASE_ADDRESS_MEM_MASK);
	EXPECT_NE(0, vfio_get(&self->v, VMD_VMLOCK, 4) & VALID);
	expect_left_alone(_metadata, self);

	/* The bit is the hardware's, and so are writes to it. */
	ASSERT_EQ(0, vmd_writes_clear());
	EXPECT_EQ(0, vfio_set(&self->v, VMD_VMLOCK, 4, 0x6));
	EXPECT_EQ(1, vmd_writes(VMD_VMLOCK, VMD_VMLOCK + 4, NULL, 0));
}

TEST_F(shadow, parameter)
{
	ASSERT_EQ(0, host_param("vmd_shadow", "off"));
	open_vmd(_metadata, self);
	EXPECT_EQ(1, host_log_count(self->bdf, "native shadow registers not shown: switched off"));
	EXPECT_EQ(0, vfio_get(&self->v, VMD_VMLOCK, 4) & VALID);
	expect_left_alone(_metadata, self);
	vfio_close(&self->v);
	/* This takes effect at the next open. */
	ASSERT_EQ(0, host_param("vmd_shadow", "on"));
	open_vmd(_metadata, self);
	expect_shadow(_metadata, self);
}

/* Core decides about writes to a capability, and that cannot be bypassed. */
TEST_F(shadow, capability_at_vmlock)
{
	ASSERT_EQ(0, vmd_config("34 6c\n6c %x\n70 0\n74 0\n",
				0x000c0000 | VMD_MSIX << 8 | PCI_CAP_ID_VNDR));
	open_vmd(_metadata, self);
	EXPECT_EQ(1, host_log_count(self->bdf, "it has a capability where VMLOCK should be"));
	expect_left_alone(_metadata, self);
}

/* The registers would give addresses that do not exist. */
TEST_F_TIMEOUT(shadow, bar_without_address, 120)
{
	static const char * const bars[] = { "18 0\n1c 60", "18 4\n1c 0", "18 e001" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bars); i++) {
		ASSERT_EQ(0, vmd_make("28c0"));
		self->bdf = vmd_bdf();
		ASSERT_EQ(0, vmd_config("%s\n", bars[i]));
		host_log_clear();
		open_vmd(_metadata, self);
		EXPECT_EQ(1, host_log_count(self->bdf,
					    "registers not shown: its BARs 2 and 4 are not"));
		EXPECT_EQ(0, vfio_get(&self->v, VMD_VMLOCK, 4) & VALID);
		vfio_close(&self->v);
	}
}

/* Only addresses: no flags, and after a 32-bit BAR no bits of another BAR */
TEST_F_TIMEOUT(shadow, bar_width, 120)
{
	static const struct { const char *config; uint64_t address; } bars[] = {
		{ "18 e0000000\n1c 0", 0xe0000000 },
		{ "18 e0000008\n1c 60", 0xe0000000 },
		{ "18 e0000004\n1c 60", 0x60e0000000 },
		{ "18 c\n1c 60", 0x6000000000 },
	};
	uint64_t address;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bars); i++) {
		ASSERT_EQ(0, vmd_make("28c0"));
		self->bdf = vmd_bdf();
		ASSERT_EQ(0, vmd_config("%s\n", bars[i].config));
		host_log_clear();
		open_vmd(_metadata, self);
		EXPECT_EQ(1, host_log_count(self->bdf, "native shadow registers shown"));
		address = 0;
		EXPECT_EQ(8, bar_read(self, VMD_SHADOW, &address, 8));
		EXPECT_EQ(bars[i].address, address);
		vfio_close(&self->v);
	}
	ASSERT_EQ(0, vmd_make("28c0 wide"));
	self->bdf = vmd_bdf();
	open_vmd(_metadata, self);
	expect_shadow(_metadata, self);
}

TEST_F(shadow, reset_and_reopen)
{
	open_vmd(_metadata, self);
	EXPECT_EQ(0, vfio_set(&self->v, PCI_BASE_ADDRESS_4, 4, 0xfd000000));
	expect_shadow(_metadata, self);
	EXPECT_EQ(0, vfio_reset(&self->v));
	EXPECT_EQ(0, vfio_set(&self->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
	expect_shadow(_metadata, self);
	EXPECT_EQ(0, vfio_set(&self->v, VMD_EXP + PCI_EXP_DEVCTL, 2,
			      PCI_EXP_DEVCTL_BCR_FLR));
	EXPECT_EQ(0, vfio_set(&self->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
	expect_shadow(_metadata, self);
	vfio_close(&self->v);
	open_vmd(_metadata, self);
	expect_shadow(_metadata, self);
	vfio_close(&self->v);

	ASSERT_EQ(0, host_unbind(self->bdf));
	ASSERT_EQ(0, vmd_move());
	open_vmd(_metadata, self);
	expect_shadow(_metadata, self);
}

/* The kernel's own mapping of an address, according to its list of mappings */
static uint64_t kernel_mapping(uint64_t phys)
{
	unsigned long long start, at;
	uint64_t found = 0;
	char line[512];
	char *field;
	FILE *f;

	/* With this setting, root gets the addresses themselves instead of hashes. */
	host_write("/proc/sys/kernel/kptr_restrict", "1");
	f = fopen("/proc/vmallocinfo", "r");
	while (f && fgets(line, sizeof(line), f)) {
		field = strstr(line, "phys=");
		if (sscanf(line, "%llx-", &start) == 1 && field &&
		    sscanf(field, "phys=%llx", &at) == 1 && at == phys)
			found = start;
	}
	if (f)
		fclose(f);
	host_write("/proc/sys/kernel/kptr_restrict", "0");
	return found;
}

/* Counts how often the CPU accesses eight bytes of kernel memory on our behalf */
static int watch(uint64_t address)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_RW,
		.bp_addr = address,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.exclude_user = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

/*
 * What is next to the registers reaches the hardware with the width that the guest used:
 * as one access, and not as several narrower ones.
 */
TEST_F(shadow, access_width)
{
	static const uint32_t places[] = { VMD_SHADOW - 8, VMD_OOB, 0x2088 };
	uint8_t buf[24] = {};
	unsigned int size, i;
	uint64_t base, hits;
	int fd;

	open_vmd(_metadata, self);
	/* The kernel may map the BAR only at the first access. */
	ASSERT_EQ(8, bar_read(self, VMD_OOB, buf, 8));
	base = kernel_mapping(vmd_bar(VMD_MEMBAR2));
	ASSERT_NE(0, base);
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		fd = watch(base + places[i]);
		ASSERT_LE(0, fd);
		for (size = 1; size <= 8; size *= 2) {
			ASSERT_EQ(0, ioctl(fd, PERF_EVENT_IOC_RESET, 0));
			ASSERT_EQ((ssize_t)size,
				  bar_read(self, places[i], buf, size));
			ASSERT_EQ((ssize_t)size,
				  bar_write(self, places[i], buf, size));
			ASSERT_EQ(8, read(fd, &hits, 8));
			EXPECT_EQ(2, hits) {
				TH_LOG("%u bytes at %#x", size, places[i]);
			}
		}
		close(fd);
	}

	/*
	 * Accesses that begin or end within the registers do not touch the memory under
	 * them.
	 */
	for (i = 0; i < 16; i += 8) {
		fd = watch(base + VMD_SHADOW + i);
		ASSERT_LE(0, fd);
		ASSERT_EQ(24, bar_read(self, VMD_SHADOW - 4, buf, 24));
		ASSERT_EQ(24, bar_write(self, VMD_SHADOW - 4, buf, 24));
		ASSERT_EQ(8, read(fd, &hits, 8));
		EXPECT_EQ(0, hits);
		close(fd);
	}
}

TEST_HARNESS_MAIN
