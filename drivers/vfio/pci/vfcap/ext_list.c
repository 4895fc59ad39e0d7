// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of extended capabilities, PCIe r6.0, sec 7.6
 */
#include <linux/pci.h>

#include "base.h"
#include "chain.h"

/* A capability that is no more than its header (PCIe r6.0, sec 7.9.28) */
#define VFCAP_EXT_CAP_ID_NULL	0

/* As many headers as fit: a chain that is longer is a loop. */
#define VFCAP_CHAIN_MAX		\
	((PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) / PCI_CAP_SIZEOF)

/*
 * Lengths in bytes that core does not know: of capabilities that it hides or replaces by
 * an entry of its own, and of AER at its longest, with the logs that core leaves out
 */
static const struct {
	u16 id;
	u16 size;
} vfcap_ext_sizes[] = {
	{ VFCAP_EXT_CAP_ID_NULL,	PCI_CAP_SIZEOF },
	{ PCI_EXT_CAP_ID_ERR,		0x60 },
	{ PCI_EXT_CAP_ID_PRI,		PCI_EXT_CAP_PRI_SIZEOF },
	{ PCI_EXT_CAP_ID_PASID,		PCI_EXT_CAP_PASID_SIZEOF },
};

/* Whether core shows a capability: its bytes are not raw in pci_config_map then. */
static bool vfcap_core_shows(struct vfcap_device *vd, unsigned int pos, u16 id)
{
	const __le32 *header = (const __le32 *)(vd->core.vconfig + pos);

	return vd->core.pci_config_map[pos] != VFCAP_MAP_RAW &&
	       PCI_EXT_CAP_ID(le32_to_cpu(*header)) == id;
}

static int vfcap_ext_size(struct vfcap_device *vd, unsigned int pos, u16 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vfcap_ext_sizes); i++)
		if (vfcap_ext_sizes[i].id == id)
			return vfcap_ext_sizes[i].size;
	if (!vfcap_core_shows(vd, pos, id))
		return VFCAP_SIZE_UNKNOWN;

	switch (id) {
	case PCI_EXT_CAP_ID_VC:
	case PCI_EXT_CAP_ID_VC9:
	case PCI_EXT_CAP_ID_MFVC:
		/*
		 * Core does not count port arbitration tables, and does not look up where
		 * the VC arbitration table is.
		 */
		return VFCAP_SIZE_TABLES;
	default:
		return 0;
	}
}

static unsigned int vfcap_ext_first(struct pci_dev *pdev)
{
	return PCI_CFG_SPACE_SIZE;
}

static bool vfcap_ext_read(struct pci_dev *pdev, unsigned int pos, u16 *id,
			   unsigned int *next)
{
	u32 header;

	pci_read_config_dword(pdev, pos, &header);
	*id = PCI_EXT_CAP_ID(header);
	*next = PCI_EXT_CAP_NEXT(header);
	return header && !PCI_POSSIBLE_ERROR(header);
}

/*
 * Where core shows no capability at the start of the list, the header there is
 * either a placeholder, whose bytes core may still serve from the hardware, or
 * unassigned. Make it ours, an empty entry that leads to the next.
 */
static void vfcap_anchor(struct vfcap_device *vd)
{
	struct vfio_pci_core_device *core = &vd->core;
	__le32 *header = (__le32 *)(core->vconfig + PCI_CFG_SPACE_SIZE);
	u8 *map = core->pci_config_map + PCI_CFG_SPACE_SIZE;

	if (*map == VFCAP_MAP_RAW && !core->extended_caps)
		*header = 0;
	else if (PCI_EXT_CAP_ID(le32_to_cpu(*header)))
		return;

	memset(map, VFCAP_MAP_VIRTUAL, sizeof(*header));
}

/*
 * Whether the guest is served a header from vconfig. Core takes adjacent capabilities
 * with the same ID for a single one. It then takes the second one's header for registers,
 * and serves it from the hardware.
 */
static bool vfcap_ext_is_served(struct vfcap_device *vd, unsigned int pos)
{
	const u8 *map = vd->core.pci_config_map;

	return pos == PCI_CFG_SPACE_SIZE || map[pos] == VFCAP_MAP_VIRTUAL ||
	       map[pos] != map[pos - 1];
}

static unsigned int vfcap_ext_next(__le32 header)
{
	unsigned int next = PCI_EXT_CAP_NEXT(le32_to_cpu(header));

	return next < PCI_CFG_SPACE_SIZE ? 0 : next;
}

/*
 * Find the header that is to lead to @pos: follow the list up to the first header whose
 * next is not below @pos, and take the last one on the way that is served from vconfig.
 * That keeps an ascending list ascending where possible.
 */
static __le32 *vfcap_ext_prev(struct vfcap_device *vd, u16 pos)
{
	unsigned int at = PCI_CFG_SPACE_SIZE;
	unsigned int loops = VFCAP_CHAIN_MAX;
	__le32 *header, *prev;

	do {
		header = (__le32 *)(vd->core.vconfig + at);
		if (vfcap_ext_is_served(vd, at))
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

/* Unlink a capability. One at the start of the list becomes an empty entry. */
static void vfcap_ext_unlink(struct vfcap_device *vd, u16 pos)
{
	__le32 *header = (__le32 *)(vd->core.vconfig + pos);
	unsigned int at = PCI_CFG_SPACE_SIZE;
	unsigned int loops = VFCAP_CHAIN_MAX;
	__le32 *prev;

	if (pos == at) {
		*header &= cpu_to_le32(~0xfffffU);
		vfcap_anchor(vd);
		return;
	}
	do {
		prev = (__le32 *)(vd->core.vconfig + at);
		at = vfcap_ext_next(*prev);
	} while (at && at != pos && loops--);
	vfcap_ext_set_next(prev, vfcap_ext_next(*header));
}

/**
 * vfcap_ext_own - where a whole function has its own capability, which is to be replaced
 * @vd: the device
 * @id: the capability
 *
 * Context: Process context, while the device is open and powered up.
 * Return: its offset; 0 if there is none, or if it reaches into what core knows as
 * another capability, or beyond config space.
 */
u16 vfcap_ext_own(struct vfcap_device *vd, unsigned int id)
{
	const struct vfcap_cap *cap = vd->table[id];
	const u8 *map = vd->core.pci_config_map;
	unsigned int pos, end, i;

	if (!vfcap_is_own(vd, id) || !vd->map_known)
		return 0;
	pos = pci_find_ext_capability(vd->core.pdev, cap->id);
	end = pos + vfcap_cap_size(cap);
	if (!pos || end > cap->list->end)
		return 0;
	for (i = pos; i < end; i++)
		if (map[i] != VFCAP_MAP_RAW && map[i] != VFCAP_MAP_VIRTUAL &&
		    map[i] != cap->id)
			return 0;
	return pos;
}

/*
 * Make bytes virtual, and have them read as zero: core allocates vconfig without clearing
 * it. A header at the start of the list stays, since it leads to the rest.
 */
static void vfcap_ext_cover(struct vfcap_device *vd, unsigned int pos,
			    unsigned int end)
{
	memset(vd->core.pci_config_map + pos, VFCAP_MAP_VIRTUAL, end - pos);
	if (pos == PCI_CFG_SPACE_SIZE)
		pos += sizeof(u32);
	memset(vd->core.vconfig + pos, 0, end - pos);
}

/**
 * vfcap_ext_hide - hide a device's own capabilities where these are emulated
 * @vd: the device
 *
 * PCIe r6.0, sec 9.3.7, forbids VFs to implement them, but some do. Core hides some of
 * these capabilities, and exposes the others read-only: the guest could not use them, and
 * would see two when the capability is emulated.
 *
 * Core leaves what it hides within the guest's reach. A whole function sends PASIDs as
 * the registers there say, so these are covered, whether or not the capability is shown.
 *
 * Context: After vfio_pci_core_enable(), under the dev_set lock, before the user
 * can reach the device.
 */
void vfcap_ext_hide(struct vfcap_device *vd)
{
	unsigned long id;

	if (!vd->map_known)
		return;

	for_each_set_bit(id, &vd->caps, VFCAP_NR_CAPS) {
		const struct vfcap_cap *cap = vd->table[id];
		u16 pos;

		if (cap->list != &vfcap_ext_list)
			continue;
		pos = pci_find_ext_capability(vd->core.pdev, cap->id);
		if (!pos)
			continue;
		if (vfcap_core_shows(vd, pos, cap->id)) {
			vfcap_ext_unlink(vd, pos);
			vfcap_log(vd, "%s capability of its own hidden at %#x\n",
				  cap->name, pos);
		} else if (vfcap_ext_own(vd, id)) {
			vfcap_ext_cover(vd, pos, pos + vfcap_cap_size(cap));
		}
	}
}

static void vfcap_ext_link(struct vfcap_device *vd, const struct vfcap_cap *cap,
			   u16 pos)
{
	__le32 *header = (__le32 *)(vd->core.vconfig + pos);
	unsigned int next;
	__le32 *prev;

	vfcap_anchor(vd);
	prev = vfcap_ext_prev(vd, pos);
	next = vfcap_ext_next(*prev);
	/* A function's own capability at the start of the list needs nothing to lead to it. */
	if (prev != header)
		vfcap_ext_set_next(prev, pos);
	*header = cpu_to_le32(cap->id | cap->version << 16);
	vfcap_ext_set_next(header, next);
}

const struct vfcap_list vfcap_ext_list = {
	.start		= PCI_CFG_SPACE_SIZE,
	.end		= PCI_CFG_SPACE_EXP_SIZE,
	.next		= GENMASK(31, 20),
	.first		= vfcap_ext_first,
	.read		= vfcap_ext_read,
	.size		= vfcap_ext_size,
	.link		= vfcap_ext_link,
};
