// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of extended capabilities, PCIe r6.0, sec 7.6
 */
#include <linux/bitmap.h>
#include <linux/pci.h>

#include "chain.h"

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

/* A capability of unknown length is taken to reach to the next header. */
static void vfcap_ext_find_used(struct vfcap_device *vf, unsigned long *used)
{
	DECLARE_BITMAP(heads, VFCAP_DWORDS) = {};
	DECLARE_BITMAP(open_ended, VFCAP_DWORDS) = {};
	struct pci_dev *pdev = vf->core.pdev;
	unsigned int loops = VFCAP_CHAIN_MAX;
	unsigned int pos = PCI_CFG_SPACE_SIZE;

	/* The list begins here, with a capability or without. */
	vfcap_chain_mark(used, pos, pos + sizeof(u32));

	while (loops-- && pos >= PCI_CFG_SPACE_SIZE) {
		unsigned int size;
		u32 header;

		pci_read_config_dword(pdev, pos, &header);
		if (!header || PCI_POSSIBLE_ERROR(header))
			break;

		__set_bit(pos / sizeof(u32), heads);
		size = vfcap_hw_size(pdev, pos, PCI_EXT_CAP_ID(header));
		if (size)
			vfcap_chain_mark(used, pos, pos + size);
		else
			__set_bit(pos / sizeof(u32), open_ended);
		pos = PCI_EXT_CAP_NEXT(header);
	}

	vfcap_chain_mark_open_ended(used, heads, open_ended,
				    PCI_CFG_SPACE_EXP_SIZE);
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

/*
 * Whether the guest is shown what vconfig has of a header. Core takes capabilities
 * that have the same ID and lie side by side for a single one, and serves what it
 * then takes for registers in its middle from the hardware.
 */
static bool vfcap_ext_is_served(struct vfcap_device *vf, unsigned int pos)
{
	const u8 *map = vf->core.pci_config_map;

	return pos == PCI_CFG_SPACE_SIZE || map[pos] == VFCAP_MAP_VIRTUAL ||
	       map[pos] != map[pos - 1];
}

static unsigned int vfcap_ext_next(__le32 header)
{
	unsigned int next = PCI_EXT_CAP_NEXT(le32_to_cpu(header));

	return next < PCI_CFG_SPACE_SIZE ? 0 : next;
}

/*
 * The header that leads to @pos, or shall: the last one that can, in the list's order,
 * of those up to the first that leads to no lower offset. So an ascending list stays
 * ascending where that is possible.
 */
static __le32 *vfcap_ext_prev(struct vfcap_device *vf, u16 pos)
{
	unsigned int at = PCI_CFG_SPACE_SIZE;
	unsigned int loops = VFCAP_CHAIN_MAX;
	__le32 *header, *prev;

	do {
		header = (__le32 *)(vf->core.vconfig + at);
		if (vfcap_ext_is_served(vf, at))
			prev = header;
		at = vfcap_ext_next(*header);
	} while (at && at < pos && loops--);
	return prev;
}

static void vfcap_ext_set_next(__le32 *header, unsigned int next)
{
	WRITE_ONCE(*header, cpu_to_le32((le32_to_cpu(*header) & 0xfffff) |
					next << 20));
}

static void vfcap_ext_link(struct vfcap_device *vf, const struct vfcap_cap *cap,
			   u16 pos)
{
	__le32 *header = (__le32 *)(vf->core.vconfig + pos);
	__le32 *prev;

	vfcap_anchor(vf);
	prev = vfcap_ext_prev(vf, pos);
	*header = cpu_to_le32(cap->id | cap->version << 16);
	vfcap_ext_set_next(header, vfcap_ext_next(*prev));
	vfcap_ext_set_next(prev, pos);
}

static void vfcap_ext_unlink(struct vfcap_device *vf, u16 pos)
{
	__le32 *header = (__le32 *)(vf->core.vconfig + pos);
	unsigned int at = PCI_CFG_SPACE_SIZE;
	unsigned int loops = VFCAP_CHAIN_MAX;
	__le32 *prev;

	do {
		prev = (__le32 *)(vf->core.vconfig + at);
		at = vfcap_ext_next(*prev);
	} while (at && at != pos && loops--);
	vfcap_ext_set_next(prev, vfcap_ext_next(*header));
}

const struct vfcap_list vfcap_ext_list = {
	.start		= PCI_CFG_SPACE_SIZE,
	.end		= PCI_CFG_SPACE_EXP_SIZE,
	.find_used	= vfcap_ext_find_used,
	.link		= vfcap_ext_link,
	.unlink		= vfcap_ext_unlink,
};
