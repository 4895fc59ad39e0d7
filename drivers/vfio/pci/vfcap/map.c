// SPDX-License-Identifier: GPL-2.0-only
/*
 * What vfio-pci-core keeps of config space, and no header of the kernel tells
 *
 * Its pci_config_map has a byte for each byte of config space: 0 in the header, the ID of
 * the capability that it belongs to, or a mark of core's own. This driver goes by that,
 * and nothing but its own knowledge says so: see it proven before.
 */
#include <linux/bitmap.h>
#include <linux/pci.h>

#include "base.h"
#include "chain.h"
#include "effects.h"
#include "show.h"

/* What a byte of the map can be */
#define VFCAP_MAP_VALUES	256

static_assert(PCI_CAP_ID_MAX < VFCAP_MAP_VIRTUAL);
static_assert(PCI_EXT_CAP_ID_MAX < VFCAP_MAP_VIRTUAL);

/*
 * The IDs of the list in standard config space, as core walks it. Returns where that has
 * the PCI Express capability, or 0.
 */
static u8 vfcap_map_std_ids(struct pci_dev *pdev, unsigned long *ids)
{
	unsigned int loops = (PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) /
			     PCI_CAP_SIZEOF;
	u8 pos, id, express = 0;
	u16 status;

	pci_read_config_word(pdev, PCI_STATUS, &status);
	if (!(status & PCI_STATUS_CAP_LIST))
		return 0;
	pci_read_config_byte(pdev, PCI_CAPABILITY_LIST, &pos);
	while (pos && loops--) {
		pci_read_config_byte(pdev, pos, &id);
		/* Others are hidden, and so is one without an ID. */
		if (id && id <= PCI_CAP_ID_MAX)
			__set_bit(id, ids);
		if (id == PCI_CAP_ID_EXP && !express)
			express = pos;
		pci_read_config_byte(pdev, pos + PCI_CAP_LIST_NEXT, &pos);
	}
	return express;
}

/* And of that of extended capabilities, whose first is there whatever its ID is */
static void vfcap_map_ext_ids(struct pci_dev *pdev, unsigned long *ids)
{
	unsigned int loops = (PCI_CFG_SPACE_EXP_SIZE - PCI_CFG_SPACE_SIZE) /
			     PCI_CAP_SIZEOF;
	unsigned int pos = PCI_CFG_SPACE_SIZE;
	u32 header;

	while (pos >= PCI_CFG_SPACE_SIZE && loops--) {
		pci_read_config_dword(pdev, pos, &header);
		if (pos == PCI_CFG_SPACE_SIZE ||
		    PCI_EXT_CAP_ID(header) <= PCI_EXT_CAP_ID_MAX)
			__set_bit((u8)PCI_EXT_CAP_ID(header), ids);
		pos = PCI_EXT_CAP_NEXT(header);
	}
}

/* Whether a byte of the map is a mark that it can have there; it is told if not. */
static bool vfcap_map_is(struct vfcap_device *vf, unsigned int pos, bool is)
{
	if (!is)
		vfcap_log(vf, "nothing is shown: %s (%#x at %#x)\n",
			  vfcap_reason_text(vfcap_caps[0], VFCAP_REASON_CORE),
			  vf->core.pci_config_map[pos], pos);
	return is;
}

/* Whether a part of it has nothing but these IDs, and raw bytes */
static bool vfcap_map_has_only(struct vfcap_device *vf, unsigned int pos,
			       unsigned int end, const unsigned long *ids)
{
	const u8 *map = vf->core.pci_config_map;

	for (; pos < end; pos++) {
		bool is = map[pos] == VFCAP_MAP_RAW || test_bit(map[pos], ids);

		if (!vfcap_map_is(vf, pos, is))
			return false;
	}
	return true;
}

/**
 * vfcap_map_open - see whether core's map of config space is as it is known here
 * @vf: the VF
 *
 * It is looked at from its start on, since one of another kind may be shorter. The log
 * has the first byte that it could not have.
 *
 * Context: After vfio_pci_core_enable(), under the dev_set lock, before the user
 * can reach the device.
 */
void vfcap_map_open(struct vfcap_device *vf)
{
	DECLARE_BITMAP(ids, VFCAP_MAP_VALUES) = {};
	const u8 *map = vf->core.pci_config_map;
	struct pci_dev *pdev = vf->core.pdev;
	unsigned int pos;
	u8 express;

	vf->map_known = false;
	for (pos = 0; pos < PCI_STD_HEADER_SIZEOF; pos++)
		if (!vfcap_map_is(vf, pos, !map[pos]))
			return;

	express = vfcap_map_std_ids(pdev, ids);
	if (!vfcap_map_has_only(vf, pos, PCI_CFG_SPACE_SIZE, ids))
		return;
	/* Core hides it from nobody. */
	if (express &&
	    !vfcap_map_is(vf, express, map[express] != VFCAP_MAP_RAW))
		return;

	/* A capability of the other list may be too long, and reach into this part. */
	if (vf->core.extended_caps) {
		vfcap_map_ext_ids(pdev, ids);
		pos = PCI_CFG_SPACE_SIZE;
		if (!vfcap_map_is(vf, pos, test_bit(map[pos], ids)) ||
		    !vfcap_map_has_only(vf, pos, pdev->cfg_size, ids))
			return;
	}
	vf->map_known = true;
}
