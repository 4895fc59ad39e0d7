// SPDX-License-Identifier: GPL-2.0
/*
 * The capability "SHDW" of VMD endpoints: its contents, its offset, that it is the first
 * of its kind and read-only, and when it is shown and when not
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"
#include "lib/vmd.h"

#define SIZE		24
#define SIGNATURE	0x53484457U

#define BARS	"its BARs 2 and 4 are not both memory BARs with an address"

/* Where QEMU puts its own SHDW */
#define QEMU_SHDW	0xe8

FIXTURE(shdw) {
	struct vfio v;
	const char *bdf;
};

FIXTURE_SETUP(shdw)
{
	vfio_init(&self->v);
	if (!vmd_is_ready())
		SKIP(return, "needs the lab's VM with its mock VMD");
	ASSERT_EQ(0, vmd_make("201d"));
	self->bdf = vmd_bdf();
	host_log_clear();
}

FIXTURE_TEARDOWN(shdw)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("vmd_shadow", "auto"));
	EXPECT_EQ(0, vmd_make("none"));
}

/* Open a new session like a VMM; returns the offset of SHDW, or 0 if it is not there */
static unsigned int open_shdw(struct __test_metadata *_metadata,
			      struct _test_data_shdw *self)
{
	unsigned int pos;

	if (strcmp(host_driver(self->bdf), OURS))
		EXPECT_EQ(0, host_rebind(self->bdf, OURS));
	EXPECT_EQ(0, vfio_open(&self->v, self->bdf));
	pos = vfio_find_cap(&self->v, PCI_CAP_ID_VNDR);
	return pos && vfio_get(&self->v, pos + 4, 4) == SIGNATURE ? pos : 0;
}

static void expect_content(struct __test_metadata *_metadata,
			   struct _test_data_shdw *self, unsigned int pos)
{
	static const unsigned int bars[] = { VMD_MEMBAR1, VMD_MEMBAR2 };
	struct vfio *v = &self->v;
	unsigned int i;

	EXPECT_EQ(PCI_CAP_ID_VNDR, vfio_get(v, pos, 1));
	EXPECT_EQ(SIZE, vfio_get(v, pos + 2, 1));
	EXPECT_EQ(1, vfio_get(v, pos + 3, 1));
	EXPECT_EQ(SIGNATURE, vfio_get(v, pos + 4, 4));
	for (i = 0; i < 2; i++) {
		unsigned int bar = PCI_BASE_ADDRESS_0 + bars[i] * 4;
		uint32_t low = vfio_get(v, pos + 8 + i * 8, 4);
		uint32_t high = vfio_get(v, pos + 12 + i * 8, 4);

		/* What the hardware's BAR reads, including its flag bits */
		EXPECT_EQ(host_config_read(self->bdf, bar, 4), low);
		EXPECT_EQ(host_config_read(self->bdf, bar + 4, 4), high);
		EXPECT_EQ(vmd_bar(bars[i]),
			  ((uint64_t)high << 32 | low) &
			  PCI_BASE_ADDRESS_MEM_MASK);
	}
}

TEST_F_TIMEOUT(shdw, all_ids, 120)
{
	static const char * const ids[] = {
		"201d", "467f", "4c3d", "a77f", "7d0b", "ad0b", "9a0b", "b60b",
		"b06f", "b07f", "d70b", "d73b", "201d wide", "a77f wide",
	};
	unsigned int i, pos;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		ASSERT_EQ(0, vmd_make(ids[i]));
		self->bdf = vmd_bdf();
		pos = open_shdw(_metadata, self);
		ASSERT_NE(0, pos) {
			TH_LOG("8086:%s", ids[i]);
		}
		expect_content(_metadata, self, pos);
		vfio_close(&self->v);
	}
}

/*
 * BARs as they are read, of any width: 32-bit, prefetchable, above 4 GiB. BAR3 is
 * included, though it contains nothing if MEMBAR1 has 32 bits.
 */
TEST_F_TIMEOUT(shdw, memory_bars, 120)
{
	static const char * const bars[] = {
		"18 e0000000", "18 e0000008", "18 e0000000\n1c 1",
		"18 e2000004\n1c 60", "18 4\n1c 60", "18 c\n1c 60",
		"20 e0000000\n24 0", "20 c\n24 60",
	};
	unsigned int i, at, pos;

	for (i = 0; i < ARRAY_SIZE(bars); i++) {
		ASSERT_EQ(0, vmd_make("a77f"));
		self->bdf = vmd_bdf();
		ASSERT_EQ(0, vmd_config("%s\n", bars[i]));
		pos = open_shdw(_metadata, self);
		EXPECT_NE(0, pos) {
			TH_LOG("%s", bars[i]);
		}
		for (at = 0; pos && at < 16; at += 4)
			EXPECT_EQ(host_config_read(self->bdf,
						   PCI_BASE_ADDRESS_2 + at, 4),
				  vfio_get(&self->v, pos + 8 + at, 4));
		vfio_close(&self->v);
	}
}

/* I/O ports, and BARs without an address; for a 32-bit BAR, BAR3 is not part of the address. */
TEST_F_TIMEOUT(shdw, no_memory_bars, 120)
{
	static const char * const bars[] = {
		"18 e001", "20 e005", "18 0", "18 8\n1c 60", "18 4\n1c 0",
		"20 c\n24 0", "18 ffffffff\n1c ffffffff",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bars); i++) {
		ASSERT_EQ(0, vmd_make("201d"));
		self->bdf = vmd_bdf();
		ASSERT_EQ(0, vmd_config("%s\n", bars[i]));
		host_log_clear();
		EXPECT_EQ(0, open_shdw(_metadata, self));
		EXPECT_EQ(1, host_log_count(self->bdf,
					    "SHDW capability not shown: " BARS)) {
			TH_LOG("%s", bars[i]);
		}
		vfio_close(&self->v);
	}
}

/* As in public records: MEMBAR1 has 32 bits, and A77F has no FLR nor any other reset. */
TEST_F_TIMEOUT(shdw, records, 120)
{
	static const struct { const char *id; uint32_t cfgbar; } ids[] = {
		{ "28c0", 0xc }, { "9a0b", 0x4 }, { "467f", 0x4 },
		{ "a77f", 0x4 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		ASSERT_EQ(0, vmd_make(ids[i].id));
		self->bdf = vmd_bdf();
		EXPECT_EQ(ids[i].cfgbar,
			  host_config_read(self->bdf, PCI_BASE_ADDRESS_0, 4) & 0xf);
		EXPECT_EQ(0, host_config_read(self->bdf, PCI_BASE_ADDRESS_2, 4) & 0xf);
		EXPECT_EQ(0, host_config_read(self->bdf, PCI_BASE_ADDRESS_3, 4));
		EXPECT_EQ(4, host_config_read(self->bdf, PCI_BASE_ADDRESS_4, 4) & 0xf);
		EXPECT_EQ(32 << 20, vmd_bar_size(VMD_CFGBAR));
		EXPECT_EQ(32 << 20, vmd_bar_size(VMD_MEMBAR1));
		EXPECT_EQ(1 << 20, vmd_bar_size(VMD_MEMBAR2));
		EXPECT_EQ(strcmp(ids[i].id, "a77f") != 0,
			  host_exists("devices/%s/reset", self->bdf));
	}
}

TEST_F(shdw, no_reset_method)
{
	unsigned int pos;

	ASSERT_EQ(0, vmd_make("a77f"));
	self->bdf = vmd_bdf();
	pos = open_shdw(_metadata, self);
	ASSERT_NE(0, pos);
	EXPECT_EQ(-EINVAL, vfio_reset(&self->v));
	EXPECT_EQ(0, vfio_set(&self->v, PCI_BASE_ADDRESS_2, 4, 0xfd000000));
	expect_content(_metadata, self, pos);
	vfio_close(&self->v);
	EXPECT_EQ(pos, open_shdw(_metadata, self));
	expect_content(_metadata, self, pos);
}

TEST_F(shdw, position)
{
	unsigned int pos = open_shdw(_metadata, self), i;
	struct vfio *v = &self->v;

	ASSERT_NE(0, pos);
	EXPECT_EQ(1, host_log_count(self->bdf, "SHDW capability shown at"));
	EXPECT_EQ(pos, vfio_get(v, PCI_CAPABILITY_LIST, 1));
	EXPECT_NE(0, vfio_get(v, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST);
	EXPECT_EQ(0, pos % 4);
	EXPECT_LE(0x40, pos);
	/* QEMU assumes that it extends to the next capability, so there must be one. */
	EXPECT_GE(VMD_PM, pos + SIZE);
	for (i = 0; i < SIZE; i += 4)
		EXPECT_EQ(0, host_config_read(self->bdf, pos + i, 4));
	/* VMCAP, VMCONFIG and VMLOCK must not be covered, though they may read as zero. */
	EXPECT_LE(0x48, pos);
	EXPECT_TRUE(pos + SIZE <= VMD_VMLOCK || pos >= VMD_VMLOCK + 4);
}

/* After it come the hardware's capabilities, unchanged. */
TEST_F(shdw, chain)
{
	unsigned int pos = open_shdw(_metadata, self);
	unsigned int hw = host_config_read(self->bdf, PCI_CAPABILITY_LIST, 1);
	struct vfio *v = &self->v;
	unsigned int at, seen = 0;

	ASSERT_NE(0, pos);
	for (at = vfio_get(v, pos + 1, 1); at; at = vfio_get(v, at + 1, 1)) {
		ASSERT_EQ(hw, at);
		EXPECT_EQ(host_config_read(self->bdf, at, 1),
			  vfio_get(v, at, 1));
		hw = host_config_read(self->bdf, at + 1, 1);
		ASSERT_GT(48, ++seen);
	}
	EXPECT_EQ(0, hw);
	EXPECT_LE(3, seen);
	EXPECT_EQ(VMD_MSIX, vfio_find_cap(v, PCI_CAP_ID_MSIX));
	EXPECT_EQ(VMD_EXP, vfio_find_cap(v, PCI_CAP_ID_EXP));
	EXPECT_EQ(VMD_PM, vfio_find_cap(v, PCI_CAP_ID_PM));
}

TEST_F(shdw, read_only)
{
	unsigned int pos = open_shdw(_metadata, self), width, i;
	uint8_t before[SIZE], after[SIZE], ones[SIZE];
	struct vfio *v = &self->v;

	ASSERT_NE(0, pos);
	ASSERT_EQ(SIZE, vfio_read(v, pos, before, SIZE));
	memset(ones, 0xff, sizeof(ones));
	ASSERT_EQ(0, vmd_writes_clear());
	for (width = 1; width <= 8; width++)
		for (i = 0; i + width <= SIZE; i++)
			EXPECT_EQ(width, vfio_write(v, pos + i, ones, width));
	EXPECT_EQ(SIZE, vfio_write(v, pos, ones, SIZE));
	EXPECT_EQ(0, vfio_set(v, PCI_CAPABILITY_LIST, 1, 0));
	EXPECT_EQ(pos, vfio_get(v, PCI_CAPABILITY_LIST, 1));
	ASSERT_EQ(SIZE, vfio_read(v, pos, after, SIZE));
	EXPECT_EQ(0, memcmp(before, after, SIZE));
	EXPECT_EQ(0, vmd_writes(pos, pos + SIZE, NULL, 0));

	/* What is next to it belongs to the hardware. */
	EXPECT_EQ(0, vfio_set(v, pos - 2, 4, 0));
	EXPECT_EQ(0, vfio_set(v, pos + SIZE - 2, 4, 0));
	EXPECT_LE(1, vmd_writes(pos - 2, pos, NULL, 0));
	EXPECT_LE(1, vmd_writes(pos + SIZE, pos + SIZE + 2, NULL, 0));
	EXPECT_EQ(0, vmd_writes(pos, pos + SIZE, NULL, 0));
}

TEST_F(shdw, width_and_alignment)
{
	unsigned int pos = open_shdw(_metadata, self), from, size;
	uint8_t model[SIZE + 16], seen[SIZE + 16];
	struct vfio *v = &self->v;

	ASSERT_NE(0, pos);
	for (from = 0; from < sizeof(model); from++)
		ASSERT_EQ(1, vfio_read(v, pos - 8 + from, model + from, 1));
	for (from = 0; from < sizeof(model); from++)
		for (size = 1; from + size <= sizeof(model); size++) {
			ASSERT_EQ(size, vfio_read(v, pos - 8 + from, seen, size));
			ASSERT_EQ(0, memcmp(model + from, seen, size)) {
				TH_LOG("%u bytes at %+d", size, (int)from - 8);
			}
		}
}

/* Linux looks only at the first vendor-specific capability. */
TEST_F(shdw, before_another)
{
	unsigned int pos;

	ASSERT_EQ(0, vmd_config("34 d0\nd0 %x\nd4 12345678\n",
				0x01080000 | VMD_MSIX << 8 | PCI_CAP_ID_VNDR));
	pos = open_shdw(_metadata, self);
	ASSERT_NE(0, pos);
	EXPECT_EQ(0xd0, vfio_get(&self->v, pos + 1, 1));
	expect_content(_metadata, self, pos);
}

/* If the host is itself a guest, its guest needs the addresses that the host was shown. */
TEST_F(shdw, own_one)
{
	ASSERT_EQ(0, vmd_config("34 e8\ne8 %x\nec %x\nf0 0\nf4 1\nf8 0\nfc 2\n",
				0x01180000 | VMD_MSIX << 8 | PCI_CAP_ID_VNDR,
				SIGNATURE));
	EXPECT_EQ(QEMU_SHDW, open_shdw(_metadata, self));
	EXPECT_EQ(1, vfio_get(&self->v, QEMU_SHDW + 0xc, 4));
	EXPECT_EQ(1, host_log_count(self->bdf, "SHDW capability not shown: it has one itself"));
	vfio_close(&self->v);

	ASSERT_EQ(0, host_param("vmd_shadow", "on"));
	EXPECT_GT(QEMU_SHDW, open_shdw(_metadata, self));
	EXPECT_EQ(1, host_log_count(self->bdf, "shown although it has one itself"));
}

/* Registers outside all capabilities are left alone. */
TEST_F(shdw, hidden_registers)
{
	unsigned int at, pos;

	/* Everything except 24 bytes from 4Ch on */
	ASSERT_EQ(0, vmd_config("48 1\n64 1\n68 1\n6c 1\n74 1\n78 1\n7c 1\n"));
	for (at = 0xcc; at < VMD_PM; at += 4)
		ASSERT_EQ(0, vmd_config("%x 1\n", at));
	pos = open_shdw(_metadata, self);
	EXPECT_EQ(0x4c, pos);
	vfio_close(&self->v);

	/* No room at all; and the place of QEMU's own one must not be used. */
	ASSERT_EQ(0, vmd_config("50 1\n"));
	EXPECT_EQ(0, open_shdw(_metadata, self));
	EXPECT_EQ(0x1, vfio_get(&self->v, 0x50, 4));
	EXPECT_EQ(1, host_log_count(self->bdf,
				    "SHDW capability not shown: its config space has no room"));
	EXPECT_EQ(host_config_read(self->bdf, PCI_CAPABILITY_LIST, 1),
		  vfio_get(&self->v, PCI_CAPABILITY_LIST, 1));
	vfio_close(&self->v);
	ASSERT_EQ(0, host_param("vmd_shadow", "on"));
	EXPECT_EQ(0, open_shdw(_metadata, self));
}

/* A capability that core hides from the guest must not be covered either. */
TEST_F(shdw, hidden_capability)
{
	unsigned int pos, at;

	/* CompactPCI hot swap: its length is not known, so it extends to MSI-X. */
	ASSERT_EQ(0, vmd_config("34 50\n50 %x\n",
				VMD_MSIX << 8 | PCI_CAP_ID_CHSWP));
	for (at = 0xcc; at < VMD_PM; at += 4)
		ASSERT_EQ(0, vmd_config("%x 1\n", at));
	pos = open_shdw(_metadata, self);
	EXPECT_EQ(0, pos);
}

/* A null capability, which core hides too, is only a header. */
TEST_F(shdw, null_capability)
{
	unsigned int at;

	ASSERT_EQ(0, vmd_config("34 50\n50 %x\n", VMD_MSIX << 8));
	for (at = 0xcc; at < VMD_PM; at += 4)
		ASSERT_EQ(0, vmd_config("%x 1\n", at));
	EXPECT_EQ(0x58, open_shdw(_metadata, self));
}

/*
 * QEMU assumes that a vendor-specific capability extends to the next one, or to the end
 * of config space. The highest one would therefore overlap QEMU's own.
 */
static void only_behind_the_last(struct __test_metadata *_metadata)
{
	/* MSI-X, PCIe and PM from 48h on, close together */
	unsigned int at;

	for (at = 0x48; at < 0x80; at += 4)
		ASSERT_EQ(0, vmd_config("%x 1\n", at));
	/* Take PM, which is the highest one, out of the list. */
	ASSERT_EQ(0, vmd_config("34 %x\n%x %x\n", VMD_MSIX, VMD_EXP,
				host_config_read(vmd_bdf(), VMD_EXP, 4) &
				0xffff00ff));
	ASSERT_EQ(0, vmd_config("%x 0\n%x 0\n", VMD_PM, VMD_PM + 4));
}

TEST_F(shdw, qemu_would_refuse)
{
	only_behind_the_last(_metadata);
	EXPECT_EQ(0, open_shdw(_metadata, self));
	EXPECT_EQ(1, host_log_count(self->bdf, "QEMU would refuse to start"));
	vfio_close(&self->v);

	ASSERT_EQ(0, host_param("vmd_shadow", "on"));
	EXPECT_EQ(QEMU_SHDW - SIZE, open_shdw(_metadata, self));
	EXPECT_EQ(1, host_log_count(self->bdf, "SHDW is shown although"));
}

TEST_F(shdw, no_matter_to_qemu)
{
	ASSERT_EQ(0, vmd_make("a77f"));
	self->bdf = vmd_bdf();
	only_behind_the_last(_metadata);
	EXPECT_EQ(QEMU_SHDW - SIZE, open_shdw(_metadata, self));
	EXPECT_EQ(0, host_log_count(self->bdf, "although"));
}

TEST_F(shdw, reset_and_reopen)
{
	unsigned int pos = open_shdw(_metadata, self);
	struct vfio *v = &self->v;

	ASSERT_NE(0, pos);
	/* A guest assigns its own addresses to its BARs. */
	EXPECT_EQ(0, vfio_set(v, PCI_BASE_ADDRESS_2, 4, 0xfd000000));
	EXPECT_EQ(0, vfio_set(v, PCI_BASE_ADDRESS_3, 4, 0));
	expect_content(_metadata, self, pos);
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_EQ(pos, vfio_find_cap(v, PCI_CAP_ID_VNDR));
	expect_content(_metadata, self, pos);
	/* An FLR, started like a guest does */
	EXPECT_EQ(0, vfio_set(v, VMD_EXP + PCI_EXP_DEVCTL, 2,
			      PCI_EXP_DEVCTL_BCR_FLR));
	expect_content(_metadata, self, pos);

	vfio_close(v);
	EXPECT_EQ(pos, open_shdw(_metadata, self));
	expect_content(_metadata, self, pos);
}

TEST_F(shdw, moved)
{
	uint64_t before = vmd_bar(VMD_MEMBAR1);
	unsigned int pos = open_shdw(_metadata, self);

	ASSERT_NE(0, pos);
	EXPECT_EQ((uint32_t)before, vfio_get(&self->v, pos + 8, 4) & ~0xfU);
	vfio_close(&self->v);
	ASSERT_EQ(0, host_unbind(self->bdf));
	ASSERT_EQ(0, vmd_move());
	ASSERT_NE(before, vmd_bar(VMD_MEMBAR1));

	EXPECT_EQ(pos, open_shdw(_metadata, self));
	expect_content(_metadata, self, pos);
	EXPECT_EQ((uint32_t)vmd_bar(VMD_MEMBAR1),
		  vfio_get(&self->v, pos + 8, 4) & ~0xfU);
}

TEST_F(shdw, parameter)
{
	ASSERT_EQ(0, host_param("vmd_shadow", "off"));
	EXPECT_EQ(0, open_shdw(_metadata, self));
	EXPECT_EQ(0, vfio_find_cap(&self->v, PCI_CAP_ID_VNDR));
	EXPECT_EQ(1, host_log_count(self->bdf, "SHDW capability not shown: switched off"));
	vfio_close(&self->v);
	ASSERT_EQ(0, host_param("vmd_shadow", "on"));
	EXPECT_NE(0, open_shdw(_metadata, self));
	EXPECT_EQ(0, host_log_count(self->bdf, "although"));
	EXPECT_EQ(-EINVAL, host_param("vmd_shadow", "yes"));
}

/* A VMD shows nothing that VFs show, and the log does not mention it. */
TEST_F(shdw, nothing_of_vfs)
{
	ASSERT_NE(0, open_shdw(_metadata, self));
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(0, host_log_count(self->bdf, "PASID"));
	EXPECT_EQ(0, host_log_count(self->bdf, "PRI"));
	EXPECT_EQ(0, host_log_count(self->bdf, "native shadow"));
	EXPECT_FALSE(host_exists("devices/%s/vfcap", self->bdf));
}

/* VMLOCK and MEMBAR2 of such a device belong entirely to the hardware. */
TEST_F(shdw, no_native_shadow)
{
	uint8_t hw[32], seen[32], buf[4096];
	struct vfio_region_info *info;

	ASSERT_EQ(0, vmd_config("70 5a5a5a58 0\n"));
	ASSERT_NE(0, open_shdw(_metadata, self));
	EXPECT_EQ(0x5a5a5a58, vfio_get(&self->v, VMD_VMLOCK, 4));
	ASSERT_EQ(0, vfio_set(&self->v, PCI_COMMAND, 2, PCI_COMMAND_MEMORY));
	info = vfio_region(&self->v, VMD_MEMBAR2, buf, sizeof(buf));
	ASSERT_NE(NULL, info);
	EXPECT_EQ(NULL, vfio_region_cap(info, VFIO_REGION_INFO_CAP_SPARSE_MMAP));
	ASSERT_EQ(0, vmd_memory_read(VMD_MEMBAR2, VMD_SHADOW, hw, sizeof(hw)));
	ASSERT_EQ((ssize_t)sizeof(seen),
		  pread(self->v.fd, seen, sizeof(seen), info->offset + VMD_SHADOW));
	EXPECT_EQ(0, memcmp(hw, seen, sizeof(hw)));
}

TEST_F(shdw, unknown_id_is_refused)
{
	ASSERT_EQ(0, vmd_make("0b5d"));
	EXPECT_EQ(-ENODEV, host_bind(vmd_bdf(), OURS));
	EXPECT_EQ(1, host_log_count(vmd_bdf(),
				    "is not that of a known VMD endpoint; use vfio-pci"));
	EXPECT_STREQ("", host_driver(vmd_bdf()));
}

TEST_HARNESS_MAIN
