// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of capabilities in standard config space, PCI r3.0, sec 6.7
 *
 * QEMU adds a capability of its own at E8h..FFh of some devices, and does not start if
 * another one reaches into these bytes. It takes each vendor-specific capability to reach
 * to the next header, so ours must not be the highest one.
 */
#include <linux/pci.h>

#include "chain.h"

#define VFCAP_STD_END		0xe8

/* As many headers as fit: a list that is longer is a loop. */
#define VFCAP_STD_MAX		\
	((PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / PCI_CAP_SIZEOF)

static unsigned int vfcap_std_next(u8 pointer)
{
	return pointer & ~3;
}

static unsigned int vfcap_std_begin(struct pci_dev *pdev)
{
	u8 pointer;

	pci_read_config_byte(pdev, PCI_CAPABILITY_LIST, &pointer);
	return vfcap_std_next(pointer);
}

static bool vfcap_std_read(struct pci_dev *pdev, unsigned int pos, u16 *id,
			   unsigned int *next)
{
	u16 header;

	pci_read_config_word(pdev, pos, &header);
	*id = header & 0xff;
	*next = vfcap_std_next(header >> 8);
	return true;
}

/*
 * Core knows the length of all capabilities except those that it hides; of those, a null
 * capability is no more than its header. Core takes the PCI Express Capability of an
 * endpoint to end before the slot registers. From version 2 on, these are there as well,
 * hardwired to 0 (PCIe r6.0, sec 7.5.3).
 */
static int vfcap_std_size(struct vfcap_device *vd, unsigned int pos, u16 id)
{
	if (!id)
		return PCI_CAP_SIZEOF;
	if (id == PCI_CAP_ID_EXP &&
	    (pcie_caps_reg(vd->core.pdev) & PCI_EXP_FLAGS_VERS) > 1)
		return PCI_EXP_SLTSTA2 + sizeof(u16);
	return vd->core.pci_config_map[pos] == VFCAP_MAP_RAW ?
	       VFCAP_SIZE_UNKNOWN : 0;
}

/* PCI r3.0, sec 6.2.3: the pointer means nothing if Status says that there is no list. */
static u8 vfcap_std_first(const u8 *vconfig)
{
	return vconfig[PCI_STATUS] & PCI_STATUS_CAP_LIST ?
	       vconfig[PCI_CAPABILITY_LIST] : 0;
}

/* The highest header that the guest sees */
static u16 vfcap_std_bound(struct vfcap_device *vd)
{
	const u8 *vconfig = vd->core.vconfig;
	unsigned int pos = vfcap_std_next(vfcap_std_first(vconfig));
	unsigned int loops = VFCAP_STD_MAX;
	u16 highest = 0;

	while (pos >= PCI_STD_HEADER_SIZEOF && loops--) {
		highest = max(highest, pos);
		pos = vfcap_std_next(vconfig[pos + PCI_CAP_LIST_NEXT]);
	}
	return min(highest, VFCAP_STD_END);
}

/* Link it in front of all others, so that it is the first of its kind. */
static void vfcap_std_link(struct vfcap_device *vd, const struct vfcap_cap *cap,
			   u16 pos)
{
	u8 *vconfig = vd->core.vconfig;

	vconfig[pos + PCI_CAP_LIST_ID] = cap->id;
	vconfig[pos + PCI_CAP_LIST_NEXT] = vfcap_std_first(vconfig);
	vconfig[pos + PCI_CAP_FLAGS] = vfcap_cap_size(cap);
	vconfig[pos + PCI_CAP_FLAGS + 1] = cap->version;

	vconfig[PCI_CAPABILITY_LIST] = pos;
	vconfig[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
}

const struct vfcap_list vfcap_std_list = {
	.start		= PCI_STD_HEADER_SIZEOF,
	.end		= VFCAP_STD_END,
	.next		= GENMASK(15, 8),
	.bound		= vfcap_std_bound,
	.first		= vfcap_std_begin,
	.read		= vfcap_std_read,
	.size		= vfcap_std_size,
	.link		= vfcap_std_link,
};
