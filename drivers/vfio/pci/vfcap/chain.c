// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio-pci-core's map of config space, and where an emulated capability fits
 */
#include <linux/bitmap.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "base.h"
#include "chain.h"

static_assert(PCI_CAP_ID_MAX < VFCAP_MAP_VIRTUAL);
static_assert(PCI_EXT_CAP_ID_MAX < VFCAP_MAP_VIRTUAL);

/*
 * Whether a byte of core's map can be an ID, that is, the ID of a capability that the
 * device has. A standard capability may claim to be so long that it reaches into extended
 * config space. The first extended capability is in the map whatever its ID.
 */
static bool vfcap_map_is_id(struct pci_dev *pdev, unsigned int pos, u8 id)
{
	u32 first;

	if (id && id <= PCI_CAP_ID_MAX && pci_find_capability(pdev, id))
		return true;
	if (pos < PCI_CFG_SPACE_SIZE)
		return false;
	pci_read_config_dword(pdev, PCI_CFG_SPACE_SIZE, &first);
	return id == (u8)PCI_EXT_CAP_ID(first) ||
	       (id <= PCI_EXT_CAP_ID_MAX && pci_find_ext_capability(pdev, id));
}

static bool vfcap_map_is_known(struct vfcap_device *vd, unsigned int pos,
			       unsigned int express)
{
	const u8 *map = vd->core.pci_config_map;
	bool raw = map[pos] == VFCAP_MAP_RAW;

	if (pos < PCI_STD_HEADER_SIZEOF)
		return !map[pos];
	/* Core never hides the PCI Express Capability or the start of the extended list. */
	if (raw && pos != express && pos != PCI_CFG_SPACE_SIZE)
		return true;
	return (!raw && map[pos] && map[pos] == map[pos - 1]) ||
	       vfcap_map_is_id(vd->core.pdev, pos, map[pos]);
}

/**
 * vfcap_map_open - check that core's map of config space is as this driver knows it
 * @vd: the device
 *
 * The map has a byte for each byte of config space: 0 in the header, the ID of the
 * capability that the byte belongs to, or a mark of core's own. This driver relies on
 * that, but no header of the kernel guarantees it, so it is checked first.
 *
 * The check begins at the start, since another kind of map may be shorter. The first byte
 * that cannot be right is logged.
 *
 * Context: After vfio_pci_core_enable(), under the dev_set lock, before the user
 * can reach the device.
 */
void vfcap_map_open(struct vfcap_device *vd)
{
	struct pci_dev *pdev = vd->core.pdev;
	unsigned int express = pci_find_capability(pdev, PCI_CAP_ID_EXP);
	unsigned int end = vd->core.extended_caps ? pdev->cfg_size :
						    PCI_CFG_SPACE_SIZE;
	unsigned int pos = 0;

	while (pos < end && vfcap_map_is_known(vd, pos, express))
		pos++;
	vd->map_known = pos == end;
	if (!vd->map_known)
		vfcap_log(vd, "nothing is shown: %s (%#x at %#x)\n",
			  vfcap_reason_text(vd->table[0], VFCAP_REASON_CORE),
			  vd->core.pci_config_map[pos], pos);
}

/* Mark dwords of config space as taken. @end may lie beyond config space. */
static void vfcap_mark(unsigned long *used, unsigned int pos, unsigned int end)
{
	unsigned int first = pos / sizeof(u32);
	unsigned int last = DIV_ROUND_UP(end, sizeof(u32));

	bitmap_set(used, first, min_t(unsigned int, last, VFCAP_DWORDS) - first);
}

/*
 * Mark the hardware's capabilities, including those that core hides from the guest, since
 * core leaves their bytes within the guest's reach. What core knows is marked in
 * vfcap_find_used().
 */
static void vfcap_mark_hardware(struct vfcap_device *vd,
				const struct vfcap_list *list,
				unsigned long *used)
{
	DECLARE_BITMAP(heads, VFCAP_DWORDS) = {};
	DECLARE_BITMAP(tables, VFCAP_DWORDS) = {};
	DECLARE_BITMAP(open_ended, VFCAP_DWORDS) = {};
	struct pci_dev *pdev = vd->core.pdev;
	unsigned int pos = list->first(pdev), bit;
	/* A longer list is a loop. */
	unsigned int loops = VFCAP_DWORDS;

	/* The list begins there, whether or not there is a capability. */
	__set_bit(pos / sizeof(u32), heads);
	__set_bit(pos / sizeof(u32), used);

	while (pos >= list->start && loops--) {
		unsigned int head = pos / sizeof(u32);
		u16 id;
		int size;

		if (!list->read(pdev, pos, &id, &pos))
			break;
		__set_bit(head, heads);
		size = list->size(vd, head * sizeof(u32), id);
		if (size == VFCAP_SIZE_UNKNOWN)
			__set_bit(head, open_ended);
		else if (size == VFCAP_SIZE_TABLES)
			__set_bit(head, tables);
		else
			vfcap_mark(used, head * sizeof(u32),
				   head * sizeof(u32) + size);
	}

	__clear_bit(find_last_bit(heads, VFCAP_DWORDS), tables);
	bitmap_or(open_ended, open_ended, tables, VFCAP_DWORDS);
	for_each_set_bit(bit, open_ended, VFCAP_DWORDS)
		bitmap_set(used, bit,
			   find_next_bit(heads, VFCAP_DWORDS, bit + 1) - bit);
}

/*
 * Find what is taken: the hardware's list, what core knows as a capability, the places
 * of other emulated capabilities, whether planned or chosen, and what this capability
 * must not cover.
 */
static void vfcap_find_used(struct vfcap_device *vd, unsigned int id,
			    unsigned long *used)
{
	const struct vfcap_cap *cap = vd->table[id];
	const struct vfcap_list *list = cap->list;
	const u8 *map = vd->core.pci_config_map;
	unsigned int pos = list->start, other;
	const u16 *keep;
	const u8 *at;

	vfcap_mark_hardware(vd, list, used);

	for (other = 0; other < VFCAP_NR_CAPS; other++) {
		u16 place = vd->plan[other].pos ?: vd->choice[other].offset;

		if (other != id && place)
			vfcap_mark(used, place, place +
				   vfcap_cap_size(vd->table[other]));
	}

	while (pos < list->end &&
	       (at = memchr_inv(map + pos, VFCAP_MAP_RAW, list->end - pos))) {
		pos = ALIGN_DOWN(at - map, sizeof(u32));
		__set_bit(pos / sizeof(u32), used);
		pos += sizeof(u32);
	}

	for (keep = cap->keep; keep && *keep; keep++)
		vfcap_mark(used, *keep, *keep + sizeof(u32));
}

static bool vfcap_is_unused(const struct vfcap_cap *cap,
			    const unsigned long *used, unsigned int pos)
{
	unsigned int end = pos + vfcap_cap_size(cap);

	return pos >= cap->list->start && end <= cap->list->end &&
	       find_next_bit(used, end / sizeof(u32), pos / sizeof(u32)) >=
	       end / sizeof(u32);
}

/*
 * Devices hide registers outside the capability list, and drivers rely on them:
 * see "unassigned_perms" in vfio_pci_config.c. Only what reads as zero may be
 * covered.
 */
static bool vfcap_reads_zero(struct vfcap_device *vd,
			     const struct vfcap_cap *cap, unsigned int pos)
{
	unsigned int i;
	u32 val;

	for (i = 0; i < cap->nr_regs; i++) {
		pci_read_config_dword(vd->core.pdev, pos + i * sizeof(u32),
				      &val);
		if (val)
			return false;
	}
	return true;
}

/**
 * vfcap_chain_fits - whether a capability can be placed where somebody vouches for it
 * @vd: the device
 * @id: the capability
 * @pos: the place
 *
 * Context: Process context, under the dev_set lock, with the device powered up.
 * Return: true if it would be aligned, lie in the list's part of config space, and cover
 * no other capability. The contents of these bytes are not examined.
 */
bool vfcap_chain_fits(struct vfcap_device *vd, unsigned int id,
		      unsigned int pos)
{
	const struct vfcap_cap *cap = vd->table[id];
	DECLARE_BITMAP(used, VFCAP_DWORDS) = {};

	if (!vd->map_known || vd->core.pdev->cfg_size < cap->list->end ||
	    pos % sizeof(u32))
		return false;
	vfcap_find_used(vd, id, used);
	return vfcap_is_unused(cap, used, pos);
}

/**
 * vfcap_chain_is_free - whether a capability would cover nothing at all
 * @vd: the device
 * @id: the capability
 * @pos: the place
 *
 * Context: Process context, under the dev_set lock, with the device powered up.
 * Return: true if it fits there, and all bytes read as zero.
 */
bool vfcap_chain_is_free(struct vfcap_device *vd, unsigned int id,
			 unsigned int pos)
{
	return vfcap_chain_fits(vd, id, pos) &&
	       vfcap_reads_zero(vd, vd->table[id], pos);
}

/* The highest place below @end, or 0 */
static u16 vfcap_find_gap(struct vfcap_device *vd, const struct vfcap_cap *cap,
			  const unsigned long *used, unsigned int end)
{
	unsigned int pos = end - vfcap_cap_size(cap);

	for (; pos < end && pos >= cap->list->start; pos -= sizeof(u32))
		if (vfcap_is_unused(cap, used, pos) &&
		    vfcap_reads_zero(vd, cap, pos))
			return pos;
	return 0;
}

/**
 * vfcap_chain_find_gap - find room for a capability
 * @vd: the device
 * @id: the capability
 *
 * Context: Process context, under the dev_set lock, with the device powered up.
 * Return: the highest offset where it would cover nothing, within &vfcap_list.bound if
 * possible; 0 if there is none.
 */
u16 vfcap_chain_find_gap(struct vfcap_device *vd, unsigned int id)
{
	const struct vfcap_cap *cap = vd->table[id];
	const struct vfcap_list *list = cap->list;
	DECLARE_BITMAP(used, VFCAP_DWORDS) = {};
	u16 pos = 0;

	if (vd->core.pdev->cfg_size < list->end)
		return 0;

	vfcap_find_used(vd, id, used);
	if (list->bound)
		pos = vfcap_find_gap(vd, cap, used, list->bound(vd));
	return pos ?: vfcap_find_gap(vd, cap, used, list->end);
}
