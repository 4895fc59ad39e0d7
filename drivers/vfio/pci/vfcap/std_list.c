// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of capabilities in standard config space, PCI r3.0, sec 6.7
 *
 * QEMU adds a capability of its own at E8h..FFh of some devices, and does not
 * start if another one reaches into these bytes. It takes each vendor-specific
 * capability to reach to the next header: ours must not be the highest one.
 */
#include <linux/bitmap.h>
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

/*
 * Core knows the length of all but those that it hides; of these, a null capability is
 * no more than its header. Core takes the PCI Express
 * Capability of an endpoint to end before the slot's registers, which are there
 * as well from version 2 on, hardwired to 0 (PCIe r6.0, sec 7.5.3).
 */
static void vfcap_std_find_used(struct vfcap_device *vf, unsigned long *used)
{
	DECLARE_BITMAP(heads, VFCAP_DWORDS) = {};
	DECLARE_BITMAP(hidden, VFCAP_DWORDS) = {};
	struct pci_dev *pdev = vf->core.pdev;
	unsigned int loops = VFCAP_STD_MAX;
	unsigned int pos;
	u8 pointer, id;

	pci_read_config_byte(pdev, PCI_CAPABILITY_LIST, &pointer);
	while ((pos = vfcap_std_next(pointer)) >= PCI_STD_HEADER_SIZEOF &&
	       loops--) {
		pci_read_config_byte(pdev, pos + PCI_CAP_LIST_ID, &id);
		pci_read_config_byte(pdev, pos + PCI_CAP_LIST_NEXT, &pointer);
		__set_bit(pos / sizeof(u32), heads);
		if (!id)
			vfcap_chain_mark(used, pos, pos + PCI_CAP_SIZEOF);
		else if (vf->core.pci_config_map[pos] == VFCAP_MAP_RAW)
			__set_bit(pos / sizeof(u32), hidden);
	}

	vfcap_chain_mark_open_ended(used, heads, hidden, PCI_CFG_SPACE_SIZE);

	if ((pcie_caps_reg(pdev) & PCI_EXP_FLAGS_VERS) > 1)
		vfcap_chain_mark(used, pdev->pcie_cap,
				 pdev->pcie_cap + PCI_EXP_SLTSTA2 + sizeof(u16));
}

/* PCI r3.0, sec 6.2.3: the pointer means nothing where Status says no list. */
static u8 vfcap_std_first(const u8 *vconfig)
{
	return vconfig[PCI_STATUS] & PCI_STATUS_CAP_LIST ?
	       vconfig[PCI_CAPABILITY_LIST] : 0;
}

/* The highest header that the guest sees */
static u16 vfcap_std_bound(struct vfcap_device *vf)
{
	const u8 *vconfig = vf->core.vconfig;
	unsigned int pos = vfcap_std_next(vfcap_std_first(vconfig));
	unsigned int loops = VFCAP_STD_MAX;
	u16 highest = 0;

	while (pos >= PCI_STD_HEADER_SIZEOF && loops--) {
		highest = max(highest, pos);
		pos = vfcap_std_next(vconfig[pos + PCI_CAP_LIST_NEXT]);
	}
	return min(highest, VFCAP_STD_END);
}

/* In front of all others, so that it is the first of its kind */
static void vfcap_std_link(struct vfcap_device *vf, const struct vfcap_cap *cap,
			   u16 pos)
{
	u8 *vconfig = vf->core.vconfig;

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
	.bound		= vfcap_std_bound,
	.find_used	= vfcap_std_find_used,
	.link		= vfcap_std_link,
};
