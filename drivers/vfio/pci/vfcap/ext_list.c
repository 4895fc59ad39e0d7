// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where an emulated capability fits in a VF's extended config space, and how it
 * enters the linked list of capabilities
 */
#include <linux/bitmap.h>
#include <linux/pci.h>

#include "vfcap.h"

/*
 * What vfio-pci-core's pci_config_map says of a byte that belongs to no
 * capability: raw access to the hardware, or none at all, vconfig only. The
 * constants are core's own, in its private header.
 */
#define VFCAP_MAP_RAW		0xff
#define VFCAP_MAP_VIRTUAL	0xfe

#define VFCAP_DWORDS		(PCI_CFG_SPACE_EXP_SIZE / sizeof(u32))

/* As many headers as fit: a chain that is longer is a loop. */
#define VFCAP_CHAIN_MAX		\
	((PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / PCI_CAP_SIZEOF)

/* Lengths in bytes that the specification fixes; for AER the greatest one */
static const struct {
	u16 id;
	u16 size;
} vfcap_fixed_sizes[] = {
	{ PCI_EXT_CAP_ID_ERR,	0x60 },
	{ PCI_EXT_CAP_ID_DSN,	PCI_EXT_CAP_DSN_SIZEOF },
	{ PCI_EXT_CAP_ID_PWR,	PCI_EXT_CAP_PWR_SIZEOF },
	{ PCI_EXT_CAP_ID_ARI,	PCI_EXT_CAP_ARI_SIZEOF },
	{ PCI_EXT_CAP_ID_ATS,	PCI_EXT_CAP_ATS_SIZEOF },
	{ PCI_EXT_CAP_ID_SRIOV,	PCI_EXT_CAP_SRIOV_SIZEOF },
	{ PCI_EXT_CAP_ID_PRI,	PCI_EXT_CAP_PRI_SIZEOF },
	{ PCI_EXT_CAP_ID_LTR,	PCI_EXT_CAP_LTR_SIZEOF },
	{ PCI_EXT_CAP_ID_PASID,	PCI_EXT_CAP_PASID_SIZEOF },
};

/* Length of a hardware capability in bytes, 0 when it is not known */
static unsigned int vfcap_hw_size(struct pci_dev *pdev, u16 pos, u16 id)
{
	unsigned int i;
	u32 val;

	switch (id) {
	case PCI_EXT_CAP_ID_VNDR:
		pci_read_config_dword(pdev, pos + PCI_VNDR_HEADER, &val);
		return PCI_VNDR_HEADER_LEN(val);
	case PCI_EXT_CAP_ID_DVSEC:
		pci_read_config_dword(pdev, pos + PCI_DVSEC_HEADER1, &val);
		return PCI_DVSEC_HEADER1_LEN(val);
	}

	for (i = 0; i < ARRAY_SIZE(vfcap_fixed_sizes); i++)
		if (vfcap_fixed_sizes[i].id == id)
			return vfcap_fixed_sizes[i].size;
	return 0;
}

static void vfcap_mark(unsigned long *used, unsigned int pos, unsigned int end)
{
	unsigned int first = pos / sizeof(u32);
	unsigned int last = DIV_ROUND_UP(end, sizeof(u32));

	bitmap_set(used, first, min_t(unsigned int, last, VFCAP_DWORDS) - first);
}

/*
 * Mark the dwords that are taken: by the hardware's capabilities, those that
 * core hides from the guest included, and by what is emulated already. A
 * capability of unknown length is taken to reach to the next header.
 */
static void vfcap_find_used(struct vfcap_device *vf, unsigned long *used)
{
	DECLARE_BITMAP(heads, VFCAP_DWORDS) = {};
	DECLARE_BITMAP(open_ended, VFCAP_DWORDS) = {};
	struct pci_dev *pdev = vf->core.pdev;
	unsigned int loops = VFCAP_CHAIN_MAX;
	unsigned int pos = PCI_CFG_SPACE_SIZE;
	unsigned int bit;

	/* The list begins here, with a capability or without. */
	vfcap_mark(used, 0, PCI_CFG_SPACE_SIZE + sizeof(u32));

	while (loops-- && pos >= PCI_CFG_SPACE_SIZE) {
		unsigned int size;
		u32 header;

		pci_read_config_dword(pdev, pos, &header);
		if (!header || PCI_POSSIBLE_ERROR(header))
			break;

		__set_bit(pos / sizeof(u32), heads);
		size = vfcap_hw_size(pdev, pos, PCI_EXT_CAP_ID(header));
		if (size)
			vfcap_mark(used, pos, pos + size);
		else
			__set_bit(pos / sizeof(u32), open_ended);
		pos = PCI_EXT_CAP_NEXT(header);
	}

	for_each_set_bit(bit, open_ended, VFCAP_DWORDS)
		vfcap_mark(used, bit * sizeof(u32),
			   find_next_bit(heads, VFCAP_DWORDS, bit + 1) *
			   sizeof(u32));

	for (pos = PCI_CFG_SPACE_SIZE; pos < PCI_CFG_SPACE_EXP_SIZE;
	     pos += sizeof(u32))
		if (vf->core.pci_config_map[pos] == VFCAP_MAP_VIRTUAL)
			vfcap_mark(used, pos, pos + sizeof(u32));
}

/*
 * Devices hide registers outside the capability list, and drivers rely on them:
 * see "unassigned_perms" in vfio_pci_config.c. Only what reads as zero may be
 * covered.
 */
static bool vfcap_is_free(struct pci_dev *pdev, const unsigned long *used,
			  unsigned int pos, size_t size)
{
	unsigned int first = pos / sizeof(u32);
	unsigned int end = (pos + size) / sizeof(u32);
	unsigned int i;
	u32 val;

	if (end > VFCAP_DWORDS || find_next_bit(used, end, first) < end)
		return false;

	for (i = first; i < end; i++) {
		pci_read_config_dword(pdev, i * sizeof(u32), &val);
		if (val)
			return false;
	}
	return true;
}

/**
 * vfcap_chain_fits - whether a capability can lie where somebody knows it can
 * @vf: the VF
 * @pos: the place
 * @size: the capability's length in bytes, a multiple of 4
 *
 * Context: Process context, under the dev_set lock, with the VF powered up.
 * Return: true if it lies, aligned, in extended config space, and over no other
 * capability. What else is there is not looked at.
 */
bool vfcap_chain_fits(struct vfcap_device *vf, unsigned int pos, size_t size)
{
	DECLARE_BITMAP(used, VFCAP_DWORDS) = {};
	unsigned int first = pos / sizeof(u32);
	unsigned int end = (pos + size) / sizeof(u32);

	if (vf->core.pdev->cfg_size < PCI_CFG_SPACE_EXP_SIZE ||
	    pos % sizeof(u32) || end > VFCAP_DWORDS)
		return false;
	vfcap_find_used(vf, used);
	return find_next_bit(used, end, first) >= end;
}

/**
 * vfcap_chain_place - find room for a capability
 * @vf: the VF
 * @wanted: where it would best lie
 * @size: its length in bytes, a multiple of 4
 *
 * Context: Process context, under the dev_set lock, with the VF powered up.
 * Return: @wanted if it is free, else the highest offset that is, else 0.
 */
u16 vfcap_chain_place(struct vfcap_device *vf, u16 wanted, size_t size)
{
	DECLARE_BITMAP(used, VFCAP_DWORDS) = {};
	struct pci_dev *pdev = vf->core.pdev;
	unsigned int pos;

	if (pdev->cfg_size < PCI_CFG_SPACE_EXP_SIZE)
		return 0;

	vfcap_find_used(vf, used);
	if (vfcap_is_free(pdev, used, wanted, size))
		return wanted;

	for (pos = PCI_CFG_SPACE_EXP_SIZE - size; pos > PCI_CFG_SPACE_SIZE;
	     pos -= sizeof(u32))
		if (vfcap_is_free(pdev, used, pos, size))
			return pos;
	return 0;
}

/*
 * Where core shows no capability at the start of the list, the header there is
 * either a placeholder, whose bytes core may still serve from the hardware, or
 * unassigned. Make it ours, an empty entry that leads to the next.
 */
static void vfcap_anchor(struct vfcap_device *vf)
{
	struct vfio_pci_core_device *core = &vf->core;
	__le32 *header = (__le32 *)(core->vconfig + PCI_CFG_SPACE_SIZE);
	u8 *map = core->pci_config_map + PCI_CFG_SPACE_SIZE;

	if (*map == VFCAP_MAP_RAW && !core->extended_caps)
		*header = 0;
	else if (PCI_EXT_CAP_ID(le32_to_cpu(*header)))
		return;

	memset(map, VFCAP_MAP_VIRTUAL, sizeof(*header));
	vf->anchored = true;
}

/**
 * vfcap_chain_link - add a capability to the linked list
 * @vf: the VF
 * @pos: what vfcap_chain_place() returned
 * @cap: the capability, whose header is written here
 *
 * It is linked behind the last one that leads up to a higher offset, so that an
 * ascending list stays ascending, and its bytes become virtual for core.
 *
 * Context: Process context, under the dev_set lock and &vfcap_device.lock, before
 * the guest reads.
 */
void vfcap_chain_link(struct vfcap_device *vf, u16 pos,
		      const struct vfcap_cap *cap)
{
	struct vfio_pci_core_device *core = &vf->core;
	unsigned int at = PCI_CFG_SPACE_SIZE;
	unsigned int loops = VFCAP_CHAIN_MAX;
	unsigned int next;
	__le32 *prev;

	vfcap_anchor(vf);

	do {
		prev = (__le32 *)(core->vconfig + at);
		next = PCI_EXT_CAP_NEXT(le32_to_cpu(*prev));
		if (next < PCI_CFG_SPACE_SIZE)
			next = 0;
		if (!next || next > pos)
			break;
		at = next;
	} while (loops--);

	*(__le32 *)(core->vconfig + pos) =
		cpu_to_le32(cap->id | cap->version << 16 | next << 20);
	*prev = cpu_to_le32((le32_to_cpu(*prev) & 0xfffff) | pos << 20);
	memset(core->pci_config_map + pos, VFCAP_MAP_VIRTUAL,
	       cap->nr_regs * sizeof(u32));
}
