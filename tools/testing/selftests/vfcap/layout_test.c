// SPDX-License-Identifier: GPL-2.0
/*
 * Where the PASID capability is placed, and that the list of extended capabilities is
 * correct, in every kind of layout that a VF's config space may have.
 */
#include <stdio.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"

#define HIDDEN	0x0019		/* Secondary PCIe: core hides it */
#define UNKNOWN	0x01ff		/* beyond the IDs that core knows, and more than a byte */

FIXTURE(layout) {
	struct vfio v;
};

/* A layout, as lines for the fixture over blank space, and what must be seen */
FIXTURE_VARIANT(layout) {
	const char *lines;
	unsigned int fill_from, fill_to;	/* live registers outside all capabilities */
	unsigned int expected;			/* offset of PASID, 0: not shown */
	unsigned int chain[8];			/* what a guest finds, 0-terminated */
};

FIXTURE_VARIANT_ADD(layout, none) {
	.lines = "", .expected = PF_PASID, .chain = { 0x100, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, first_hidden) {
	.lines = "vf 100 15010019\nvf 104 11111111\nvf 150 0001000e",
	.expected = PF_PASID, .chain = { 0x100, 0x150, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, first_hidden_is_pasid) {
	.lines = "vf 100 1501001b\nvf 104 00001406\nvf 150 0001000e",
	.expected = PF_PASID, .chain = { 0x100, 0x150, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, first_unknown) {
	.lines = "vf 100 150101ff\nvf 104 11111111\nvf 150 0001000e",
	.expected = PF_PASID, .chain = { 0x100, 0x150, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, first_unknown_id_fe) {
	.lines = "vf 100 150101fe\nvf 104 11111111\nvf 150 0001000e",
	.expected = PF_PASID, .chain = { 0x100, 0x150, PF_PASID },
};

/* Its length is not known, and no header follows: it extends to the end. */
FIXTURE_VARIANT_ADD(layout, only_hidden) {
	.lines = "vf 100 00010019", .expected = 0, .chain = { 0x100 },
};

FIXTURE_VARIANT_ADD(layout, only_hidden_of_known_length) {
	.lines = "vf 100 0001001b\nvf 104 00001406",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, last_at_end) {
	.lines = "vf 100 ff81000e\nvf ff8 0001000e",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, before_existing) {
	.lines = "vf 100 3001000e\nvf 300 40010003\nvf 400 0001000e",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID, 0x300, 0x400 },
};

FIXTURE_VARIANT_ADD(layout, after_existing) {
	.lines = "vf 100 1101000e\nvf 110 00010003",
	.expected = PF_PASID, .chain = { 0x100, 0x110, PF_PASID },
};

/*
 * Two with the same ID next to each other, which core takes for a single one: the header
 * of the second one comes from the hardware, so its next pointer cannot be changed.
 */
FIXTURE_VARIANT_ADD(layout, side_by_side) {
	.lines = "vf 100 1d01000e\nvf 1d0 1d810018\nvf 1d8 00010018",
	.expected = PF_PASID, .chain = { 0x100, 0x1d0, PF_PASID, 0x1d8 },
};

FIXTURE_VARIANT_ADD(layout, side_by_side_at_start) {
	.lines = "vf 100 10c10003\nvf 10c 00010003",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID, 0x10c },
};

FIXTURE_VARIANT_ADD(layout, descending) {
	.lines = "vf 100 f001000e\nvf f00 12010003\nvf 120 0001000e",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID, 0xf00, 0x120 },
};

/* A capability occupies the PF's offset: at its start, in its middle, or with its last dword */
FIXTURE_VARIANT_ADD(layout, taken) {
	.lines = "vf 100 1e01000e\nvf 1e0 00010003",
	.expected = 0xff8, .chain = { 0x100, 0x1e0, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, taken_by_middle) {
	.lines = "vf 100 1d01000b\nvf 104 01800001\nvf 1d0 0001000b\nvf 1d4 03000001",
	.expected = 0xff8, .chain = { 0x100, 0x1d0, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, taken_by_last_dword) {
	.lines = "vf 100 1d01000e\nvf 1d0 0001000b\nvf 1d4 01400001",
	.expected = 0xff8, .chain = { 0x100, 0x1d0, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, taken_at_second_dword) {
	.lines = "vf 100 1e41000e\nvf 1e4 00010003",
	.expected = 0xff8, .chain = { 0x100, 0x1e4, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, just_fits) {
	.lines = "vf 100 1d81000e\nvf 1d8 1e81000e\nvf 1e8 0001000e",
	.expected = PF_PASID, .chain = { 0x100, 0x1d8, PF_PASID, 0x1e8 },
};

/* A hidden capability of unknown length in the middle extends to the next one. */
FIXTURE_VARIANT_ADD(layout, taken_by_hidden) {
	.lines = "vf 100 1801000e\nvf 180 20010019\nvf 200 0001000e",
	.expected = 0xff8, .chain = { 0x100, 0x200, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, taken_by_unknown) {
	.lines = "vf 100 1801000e\nvf 180 20010042\nvf 200 0001000e",
	.expected = 0xff8, .chain = { 0x100, 0x200, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, unknown_to_the_end) {
	.lines = "vf 100 1801000e\nvf 180 00010042",
	.expected = 0x178, .chain = { 0x100, 0x178 },
};

/* Live registers outside all capabilities */
FIXTURE_VARIANT_ADD(layout, registers_at_pf_offset) {
	.lines = "vf 100 0001000e\nvf 1e4 1",
	.expected = 0xff8, .chain = { 0x100, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, registers_all_over_but_one_gap) {
	.lines = "vf 100 0001000e\nvf 500 0\nvf 504 0",
	.fill_from = 0x108, .fill_to = 0x1000,
	.expected = 0x500, .chain = { 0x100, 0x500 },
};

FIXTURE_VARIANT_ADD(layout, registers_all_over_but_single_dwords) {
	.lines = "vf 100 0001000e\nvf 500 0\nvf 508 0\nvf ffc 0",
	.fill_from = 0x108, .fill_to = 0x1000,
	.expected = 0, .chain = { 0x100 },
};

FIXTURE_VARIANT_ADD(layout, full) {
	.lines = "vf 100 0001000b\nvf 104 f0000001",
	.expected = 0, .chain = { 0x100 },
};

FIXTURE_VARIANT_ADD(layout, full_but_last_8_bytes) {
	.lines = "vf 100 0001000b\nvf 104 ef800001",
	.expected = 0xff8, .chain = { 0x100, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, full_but_last_4_bytes) {
	.lines = "vf 100 0001000b\nvf 104 efc00001",
	.expected = 0, .chain = { 0x100 },
};

FIXTURE_VARIANT_ADD(layout, dvsec) {
	.lines = "vf 100 1c010023\nvf 104 01018086\nvf 1c0 00010023\nvf 1c4 03018086",
	.expected = 0xff8, .chain = { 0x100, 0x1c0, 0xff8 },
};

/*
 * The length of the last capability is given by registers: it extends to just before the
 * PF's offset, or beyond
 */
FIXTURE_VARIANT_ADD(layout, acs_last) {
	.lines = "vf 100 1d01000e\nvf 1d0 0001000d",
	.expected = PF_PASID, .chain = { 0x100, 0x1d0, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, acs_egress_32) {
	.lines = "vf 100 1cc1000e\nvf 1cc 0001000d\nvf 1d0 00002020",
	.expected = PF_PASID, .chain = { 0x100, 0x1cc, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, acs_egress_33) {
	.lines = "vf 100 1d41000e\nvf 1d4 0001000d\nvf 1d8 00002120",
	.expected = 0xff8, .chain = { 0x100, 0x1d4, 0xff8 },
};

/* 0 stands for 256 bits. */
FIXTURE_VARIANT_ADD(layout, acs_egress_256) {
	.lines = "vf 100 1bc1000e\nvf 1bc 0001000d\nvf 1c0 00000020",
	.expected = 0xff8, .chain = { 0x100, 0x1bc, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, tph_registers) {
	.lines = "vf 100 1d41000e\nvf 1d4 00010017\nvf 1d8 00ff0405",
	.expected = PF_PASID, .chain = { 0x100, 0x1d4, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, tph_table) {
	.lines = "vf 100 1d01000e\nvf 1d0 00010017\nvf 1d4 00010205",
	.expected = PF_PASID, .chain = { 0x100, 0x1d0, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, tph_longer_table) {
	.lines = "vf 100 1d01000e\nvf 1d0 00010017\nvf 1d4 00020205",
	.expected = 0xff8, .chain = { 0x100, 0x1d0, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, vc_last) {
	.lines = "vf 100 1b81000e\nvf 1b8 00010002\nvf 1bc 00000011",
	.expected = PF_PASID, .chain = { 0x100, 0x1b8, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, vc_table) {
	.lines = "vf 100 1b01000e\nvf 1b0 00010002\nvf 1b8 00000002",
	.expected = PF_PASID, .chain = { 0x100, 0x1b0, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, vc_longer_table) {
	.lines = "vf 100 1b01000e\nvf 1b0 00010002\nvf 1b8 00000004",
	.expected = 0xff8, .chain = { 0x100, 0x1b0, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, vc9_last) {
	.lines = "vf 100 1b81000e\nvf 1b8 00010009\nvf 1bc 00000011",
	.expected = PF_PASID, .chain = { 0x100, 0x1b8, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, mfvc_last) {
	.lines = "vf 100 1b81000e\nvf 1b8 00010008\nvf 1bc 00000011",
	.expected = PF_PASID, .chain = { 0x100, 0x1b8, PF_PASID },
};

/* Tables may be between it and the next one. */
FIXTURE_VARIANT_ADD(layout, vc_before_another) {
	.lines = "vf 100 1701000e\nvf 170 20010002\nvf 200 0001000e",
	.expected = 0xff8, .chain = { 0x100, 0x170, 0x200, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, rebar_last) {
	.lines = "vf 100 1c41000e\nvf 1c4 00010015\nvf 1cc 00000060",
	.expected = PF_PASID, .chain = { 0x100, 0x1c4, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, rebar_one_more) {
	.lines = "vf 100 1c41000e\nvf 1c4 00010015\nvf 1cc 00000080",
	.expected = 0xff8, .chain = { 0x100, 0x1c4, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, dpa_last) {
	.lines = "vf 100 1c01000e\nvf 1c0 00010016\nvf 1c4 0000000f",
	.expected = PF_PASID, .chain = { 0x100, 0x1c0, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, dpa_one_more) {
	.lines = "vf 100 1c01000e\nvf 1c0 00010016\nvf 1c4 00000010",
	.expected = 0xff8, .chain = { 0x100, 0x1c0, 0xff8 },
};

FIXTURE_VARIANT_ADD(layout, multicast_last) {
	.lines = "vf 100 1b81000e\nvf 1b8 00010012",
	.expected = PF_PASID, .chain = { 0x100, 0x1b8, PF_PASID },
};

/* Core does not include the last logs of AER. */
FIXTURE_VARIANT_ADD(layout, aer_last) {
	.lines = "vf 100 1801000e\nvf 180 00010001",
	.expected = PF_PASID, .chain = { 0x100, 0x180, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, aer_logs) {
	.lines = "vf 100 1841000e\nvf 184 00010001",
	.expected = 0xff8, .chain = { 0x100, 0x184, 0xff8 },
};

/* A null capability is only a header, which core hides. */
FIXTURE_VARIANT_ADD(layout, null_first) {
	.lines = "vf 100 14c00000\nvf 14c 00010018",
	.expected = PF_PASID, .chain = { 0x100, 0x14c, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, null_only) {
	.lines = "vf 100 00010000",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, null_last) {
	.lines = "vf 100 1d01000e\nvf 1d0 00010000",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, unknown_in_last_dword) {
	.lines = "vf 100 ffc1000e\nvf ffc 000101ff",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, descending_lengths) {
	.lines = "vf 100 4201000e\nvf 420 40010015\nvf 428 00000020\n"
		 "vf 400 1d010018\nvf 1d0 0001000d",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID, 0x420, 0x400, 0x1d0 },
};

/* Core shows PRI, which a VF must not have. */
FIXTURE_VARIANT_ADD(layout, pri_of_its_own) {
	.lines = "vf 100 1801000e\nvf 180 20010013\nvf 200 0001000e",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID, 0x200 },
};

FIXTURE_VARIANT_ADD(layout, pri_of_its_own_first) {
	.lines = "vf 100 15010013\nvf 150 0001000e",
	.expected = PF_PASID, .chain = { 0x100, 0x150, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, pri_of_its_own_only) {
	.lines = "vf 100 00010013",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID },
};

FIXTURE_VARIANT_ADD(layout, pri_of_its_own_last) {
	.lines = "vf 100 1d01000e\nvf 1d0 00010013",
	.expected = PF_PASID, .chain = { 0x100, PF_PASID },
};

FIXTURE_SETUP(layout)
{
	char fill[64];

	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	vfio_init(&self->v);
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_layout("vf blank 100 1000"));
	snprintf(fill, sizeof(fill), "vf blank %x %x 12345678",
		 variant->fill_from, variant->fill_to);
	ASSERT_EQ(0, host_layout(fill));
	ASSERT_EQ(0, host_layout(variant->lines));
	ASSERT_EQ(0, host_param("pasid", "on"));
	host_log_clear();
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
}

FIXTURE_TEARDOWN(layout)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
	/* Unbind first, so that what the kernel saved of it never reaches hardware. */
	EXPECT_EQ(0, host_unbind(host_vf()));
	EXPECT_EQ(0, host_layout_default());
	EXPECT_EQ(0, host_bind(host_vf(), OURS));
}

static void walk_list(struct __test_metadata *_metadata, struct vfio *v,
		      const unsigned int *chain, unsigned int expected)
{
	unsigned int pos = 0x100, i = 0;
	uint32_t header;

	/* Walk the list like a guest. */
	while (pos && i < 8) {
		header = vfio_get(v, pos, 4);
		ASSERT_EQ(chain[i], pos);
		/* Capabilities that core hides must not become visible. */
		EXPECT_NE(HIDDEN, header & 0xffff);
		EXPECT_NE(UNKNOWN, header & 0xffff);
		EXPECT_NE(PCI_EXT_CAP_ID_PRI, header & 0xffff);
		EXPECT_EQ(pos == expected,
			  (header & 0xffff) == PCI_EXT_CAP_ID_PASID);
		pos = header >> 20;
		i++;
	}
	EXPECT_EQ(0, chain[i]);
	EXPECT_EQ(expected, vfio_find_ecap(v, PCI_EXT_CAP_ID_PASID));
	EXPECT_EQ(!expected,
		  host_log_count(host_vf(), "PASID capability not shown"));

	/* The header at the start of the list reads the same with each width. */
	header = vfio_get(v, 0x100, 4);
	EXPECT_EQ(header & 0xffff, vfio_get(v, 0x100, 2));
	EXPECT_EQ(header >> 16, vfio_get(v, 0x102, 2));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(header >> i * 8 & 0xff, vfio_get(v, 0x100 + i, 1));
}

static void use_pasid(struct __test_metadata *_metadata, struct vfio *v,
		      const unsigned int *chain, unsigned int pos)
{
	uint32_t first = vfio_get(v, 0x100, 4);
	unsigned int i;

	/* Headers are read-only, including an empty one at the start of the list. */
	if (chain[1]) {
		EXPECT_EQ(0, vfio_set(v, 0x100, 4, 0));
		EXPECT_EQ(0, vfio_set(v, 0xfe, 4, 0xa5a50000));
		EXPECT_EQ(0, vfio_set(v, 0x102, 2, 0));
		for (i = 0; i < 4; i++)
			EXPECT_EQ(0, vfio_set(v, 0x100 + i, 1, 0xa5));
		EXPECT_EQ(first, vfio_get(v, 0x100, 4));
	}
	if (!pos)
		return;
	ASSERT_EQ(0, host_writes_clear());
	EXPECT_EQ(0, vfio_set(v, pos + PCI_PASID_CTRL, 2, 0xffff));
	EXPECT_EQ(7, vfio_get(v, pos + PCI_PASID_CTRL, 2));
	EXPECT_EQ(host_pasid_cap(), vfio_get(v, pos + PCI_PASID_CAP, 2));
	EXPECT_EQ(0, host_writes_count(host_vf(), pos, pos + 8));
	EXPECT_EQ(0, vfio_reset(v));
	EXPECT_EQ(0, vfio_get(v, pos + PCI_PASID_CTRL, 2));
}

/* Registers outside all capabilities remain accessible to the guest. */
static void read_gaps(struct __test_metadata *_metadata, struct vfio *v,
		      unsigned int from, unsigned int to, unsigned int expected)
{
	unsigned int pos;

	for (pos = from; pos < to; pos += 4) {
		if (pos == expected || pos == expected + 4)
			continue;
		ASSERT_EQ(host_config_read(host_vf(), pos, 4),
			  vfio_get(v, pos, 4));
	}
}

/* One test for all of it, since opening takes most of the time; under load the reads do. */
TEST_F_TIMEOUT(layout, shown_and_works, 120)
{
	walk_list(_metadata, &self->v, variant->chain, variant->expected);
	read_gaps(_metadata, &self->v, variant->fill_from, variant->fill_to,
		  variant->expected);
	use_pasid(_metadata, &self->v, variant->chain, variant->expected);
}

TEST_HARNESS_MAIN
