// SPDX-License-Identifier: GPL-2.0
/*
 * The PASID capability's registers, as a VMM reads and writes them on behalf of its
 * guest: content, read-only and read-write bits, every width and alignment, accesses
 * across the edges; and that none of it reaches the hardware, where a whole function has
 * such registers in the same place.
 */
#include <errno.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "../kselftest_harness.h"
#include "lib/host.h"
#include "lib/vfio.h"

#define SIZE	PCI_EXT_CAP_PASID_SIZEOF
#define HEADER	0x0001001bU
/* The PASID registers of the fixture's PF: 20 bits, Exec, Priv, and all of it enabled */
#define CAP	((unsigned int)host_pasid_cap())
#define CTRL	(PCI_PASID_CTRL_ENABLE | PCI_PASID_CTRL_EXEC | \
		 PCI_PASID_CTRL_PRIV)

FIXTURE(config) {
	struct vfio v;
	unsigned int pos;
};

/* Stock kernels have no iommufd: use the group and pasid=on there. */
FIXTURE_SETUP(config)
{
	if (!host_is_ready())
		SKIP(return, "needs the lab's VM: VFCAP_PF and others");
	ASSERT_EQ(0, host_layout_default());
	ASSERT_EQ(0, host_rebind(host_vf(), OURS));
	ASSERT_EQ(0, host_param("pasid", "on"));
	ASSERT_EQ(0, vfio_open(&self->v, host_vf()));
	self->pos = vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PASID);
	ASSERT_NE(0, self->pos);
}

FIXTURE_TEARDOWN(config)
{
	vfio_close(&self->v);
	EXPECT_EQ(0, host_param("pasid", "auto"));
}

TEST_F(config, content)
{
	struct vfio *v = &self->v;
	uint32_t header = vfio_get(v, self->pos, 4);

	/* The PF's own offset is free in igb's VFs. */
	EXPECT_EQ(PF_PASID, self->pos);
	EXPECT_EQ(HEADER, header & 0xfffff);
	EXPECT_EQ(CAP, vfio_get(v, self->pos + PCI_PASID_CAP, 2));
	EXPECT_EQ(0, vfio_get(v, self->pos + PCI_PASID_CTRL, 2));
	EXPECT_EQ(4096, v->config_size);
}

/* What the hardware has there: nothing in a VF; in a function, what the kernel enabled */
static uint32_t hardware(unsigned int pos)
{
	if (!host_has_functions())
		return 0;
	return pos ? 0x1406 | CTRL << 16 : HEADER;
}

/* A VF's hardware has neither capability, with our driver or without. */
TEST_F(config, only_virtual)
{
	EXPECT_EQ(hardware(0), host_config_read(host_vf(), self->pos, 4));
	EXPECT_EQ(hardware(4), host_config_read(host_vf(), self->pos + 4, 4));
	EXPECT_EQ(0, vfio_find_ecap(&self->v, PCI_EXT_CAP_ID_PRI));
}

TEST_F(config, each_bit)
{
	struct vfio *v = &self->v;
	uint32_t before = vfio_get(v, self->pos, 4);
	unsigned int bit;

	for (bit = 0; bit < 32; bit++) {
		uint32_t ctrl = bit < 16 ? 0 : 1U << (bit - 16) & CTRL;

		EXPECT_EQ(0, vfio_set(v, self->pos, 4, 1U << bit));
		EXPECT_EQ(before, vfio_get(v, self->pos, 4));

		EXPECT_EQ(0, vfio_set(v, self->pos + 4, 4, 1U << bit));
		EXPECT_EQ(CAP | ctrl << 16, vfio_get(v, self->pos + 4, 4));
		EXPECT_EQ(0, vfio_set(v, self->pos + 4, 4, ~(1U << bit)));
		EXPECT_EQ(CAP | (CTRL & ~ctrl) << 16,
			  vfio_get(v, self->pos + 4, 4));
	}
}

/* Every access that touches the capability, against a simple model of it */
TEST_F(config, width_and_alignment)
{
	struct vfio *v = &self->v;
	uint8_t model[SIZE + 32], writable[SIZE + 32], seen[SIZE + 32];
	int start = self->pos - 16;
	int from, size, i;
	uint8_t pattern;

	memset(writable, 0, sizeof(writable));
	writable[16 + PCI_PASID_CTRL] = CTRL;
	ASSERT_EQ((ssize_t)sizeof(model),
		  vfio_read(v, start, model, sizeof(model)));

	for (from = 0; from < (int)sizeof(model); from++) {
		for (size = 1; size <= 32 && from + size <= (int)sizeof(model);
		     size++) {
			uint8_t buf[32];

			/* Raw bytes beside it belong to the device. */
			if (from + size <= 16 || from >= 16 + SIZE)
				continue;
			pattern = from * 31 + size * 7;
			for (i = 0; i < size; i++) {
				buf[i] = pattern + i * 85;
				if (from + i < 16 || from + i >= 16 + SIZE)
					buf[i] = model[from + i];
				model[from + i] &= ~writable[from + i];
				model[from + i] |= buf[i] & writable[from + i];
			}
			ASSERT_EQ(size, vfio_write(v, start + from, buf, size));

			ASSERT_EQ(size, vfio_read(v, start + from, seen, size));
			ASSERT_EQ(0, memcmp(seen, model + from, size)) {
				TH_LOG("%d bytes at %+d", size, from - 16);
			}
			ASSERT_EQ((ssize_t)sizeof(seen),
				  vfio_read(v, start, seen, sizeof(seen)));
			ASSERT_EQ(0, memcmp(seen, model, sizeof(model)));
		}
	}
}

TEST_F(config, nothing_reaches_hardware)
{
	struct vfio *v = &self->v;
	uint32_t ones[SIZE / 4] = { ~0U, ~0U };
	unsigned int i;

	ASSERT_EQ(0, host_writes_clear());
	for (i = 0; i < SIZE; i++)
		EXPECT_EQ(0, vfio_set(v, self->pos + i, 1, 0xff));
	for (i = 0; i < SIZE; i += 2)
		EXPECT_EQ(0, vfio_set(v, self->pos + i, 2, 0xffff));
	EXPECT_EQ(SIZE, vfio_write(v, self->pos, ones, SIZE));
	EXPECT_EQ(0, host_writes_count(host_vf(), 0, 4096));
	EXPECT_EQ(0, host_writes_count(host_pf(), 0, 4096));
	EXPECT_EQ(hardware(4), host_config_read(host_vf(), self->pos + 4, 4));
	EXPECT_EQ(CTRL, host_config_read(host_pf(), PF_PASID + 6, 2));

	/* Of an access across the edges, the part outside reaches the hardware as usual. */
	EXPECT_EQ(0, vfio_set(v, self->pos - 2, 4, 0));
	EXPECT_EQ(0, vfio_set(v, self->pos + SIZE - 2, 4, 0));
	EXPECT_EQ(0, host_writes_count(host_vf(), self->pos, self->pos + SIZE));
	for (i = 0; i < 2; i++) {
		unsigned int before = self->pos - 2 + i;
		unsigned int behind = self->pos + SIZE + i;

		EXPECT_EQ(1, host_writes_count(host_vf(), before, before + 1));
		EXPECT_EQ(1, host_writes_count(host_vf(), behind, behind + 1));
	}
	if (strcmp(host_pf(), host_vf()))
		EXPECT_EQ(0, host_writes_count(host_pf(), 0, 4096));
}

TEST_F(config, beyond_config_space)
{
	struct vfio *v = &self->v;
	uint8_t buf[8192] = {};

	EXPECT_EQ(-EFAULT, vfio_read(v, 4096, buf, 1));
	EXPECT_EQ(-EFAULT, vfio_write(v, 4096, buf, 1));
	EXPECT_EQ(-EFAULT, vfio_read(v, 4094, buf, 4));
	/* An access that leaves config space does nothing at all. */
	EXPECT_EQ(0, vfio_set(v, self->pos + PCI_PASID_CTRL, 2, CTRL));
	ASSERT_EQ(0, host_writes_clear());
	EXPECT_EQ(-EFAULT, vfio_write(v, self->pos + 4, buf, 8188));
	EXPECT_EQ(-EFAULT, vfio_write(v, self->pos - 4, buf, 8000));
	EXPECT_EQ(-EFAULT, vfio_write(v, 0, buf, sizeof(buf)));
	EXPECT_EQ(CTRL, vfio_get(v, self->pos + PCI_PASID_CTRL, 2));
	EXPECT_EQ(0, host_writes_count(host_vf(), 0, 4096));
	EXPECT_EQ(-EFAULT, vfio_read(v, 0, buf, sizeof(buf)));
	EXPECT_EQ(0, vfio_read(v, self->pos, buf, 0));
	EXPECT_EQ(0, vfio_write(v, self->pos, buf, 0));
	EXPECT_EQ(-EFAULT, vfio_read(v, self->pos, NULL, 4));
	EXPECT_EQ(-EFAULT, vfio_write(v, self->pos, NULL, 4));
	EXPECT_EQ(-EFAULT, vfio_write(v, self->pos - 4, NULL, 16));

	/* And the capability is still intact. */
	EXPECT_EQ(CAP, vfio_get(v, self->pos + PCI_PASID_CAP, 2));
}

/* Except for our capability, the list is the hardware's, and it still leads to the end. */
TEST_F(config, neighbours)
{
	struct vfio *v = &self->v;
	unsigned int aer = vfio_find_ecap(v, PCI_EXT_CAP_ID_ERR);
	unsigned int ari = vfio_find_ecap(v, PCI_EXT_CAP_ID_ARI);

	EXPECT_EQ(0x100, aer);
	EXPECT_EQ(0x150, ari);
	EXPECT_EQ(host_config_read(host_vf(), aer, 4), vfio_get(v, aer, 4));
	EXPECT_EQ(host_has_functions() ? PF_ATS : self->pos,
		  vfio_get(v, ari, 4) >> 20);
	EXPECT_EQ(host_config_read(host_vf(), ari + 4, 4),
		  vfio_get(v, ari + 4, 4));
}

/* Each session and each VF has its own registers. */
TEST_F(config, per_vf_and_session)
{
	struct vfio other;

	ASSERT_EQ(0, host_rebind(host_vf2(), OURS));
	ASSERT_EQ(0, vfio_open(&other, host_vf2()));
	EXPECT_EQ(0, vfio_set(&other, self->pos + PCI_PASID_CTRL, 2, CTRL));
	EXPECT_EQ(CTRL, vfio_get(&other, self->pos + PCI_PASID_CTRL, 2));
	EXPECT_EQ(0, vfio_get(&self->v, self->pos + PCI_PASID_CTRL, 2));
	vfio_close(&other);

	ASSERT_EQ(0, vfio_open(&other, host_vf2()));
	EXPECT_EQ(0, vfio_get(&other, self->pos + PCI_PASID_CTRL, 2));
	vfio_close(&other);
	EXPECT_EQ(0, host_unbind(host_vf2()));
}

TEST_HARNESS_MAIN
