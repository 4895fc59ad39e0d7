// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where an emulated capability fits in config space
 */
#include <linux/bitmap.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "chain.h"

/**
 * vfcap_chain_mark - mark dwords of config space as taken
 * @used: bitmap of VFCAP_DWORDS
 * @pos: offset of the first byte
 * @end: offset behind the last one, which may lie beyond config space
 *
 * Context: Any context.
 */
void vfcap_chain_mark(unsigned long *used, unsigned int pos, unsigned int end)
{
	unsigned int first = pos / sizeof(u32);
	unsigned int last = DIV_ROUND_UP(end, sizeof(u32));

	bitmap_set(used, first, min_t(unsigned int, last, VFCAP_DWORDS) - first);
}

/**
 * vfcap_chain_mark_open_ended - mark capabilities of unknown length as taken
 * @used: bitmap of VFCAP_DWORDS
 * @heads: the same, with a bit for the header of each capability of the list
 * @open_ended: those of them whose length is not known
 * @end: offset where the list's capabilities end at the latest
 *
 * Each is taken to reach to the next header.
 *
 * Context: Any context.
 */
void vfcap_chain_mark_open_ended(unsigned long *used, const unsigned long *heads,
				 const unsigned long *open_ended,
				 unsigned int end)
{
	unsigned int last = end / sizeof(u32);
	unsigned int bit;

	for_each_set_bit(bit, open_ended, last)
		vfcap_chain_mark(used, bit * sizeof(u32),
				 find_next_bit(heads, last, bit + 1) *
				 sizeof(u32));
}

/*
 * What is taken: what the list's own function marks, what core knows as a
 * capability, what has the place of another that is emulated or was chosen for it, and
 * what the capability must not cover.
 */
static void vfcap_find_used(struct vfcap_device *vf, unsigned int id,
			    unsigned long *used)
{
	const struct vfcap_cap *cap = vf->table[id];
	const struct vfcap_list *list = cap->list;
	const u8 *map = vf->core.pci_config_map;
	unsigned int pos = list->start, other;
	const u16 *keep;
	const u8 *at;

	list->find_used(vf, used);

	for (other = 0; other < VFCAP_NR_CAPS; other++) {
		u16 place = vf->plan[other].pos ?: vf->choice[other].offset;

		if (other != id && place)
			vfcap_chain_mark(used, place, place +
					 vfcap_cap_size(vf->table[other]));
	}

	while (pos < list->end &&
	       (at = memchr_inv(map + pos, VFCAP_MAP_RAW, list->end - pos))) {
		pos = ALIGN_DOWN(at - map, sizeof(u32));
		__set_bit(pos / sizeof(u32), used);
		pos += sizeof(u32);
	}

	for (keep = cap->keep; keep && *keep; keep++)
		vfcap_chain_mark(used, *keep, *keep + sizeof(u32));
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
static bool vfcap_reads_zero(struct vfcap_device *vf,
			     const struct vfcap_cap *cap, unsigned int pos)
{
	unsigned int i;
	u32 val;

	for (i = 0; i < cap->nr_regs; i++) {
		pci_read_config_dword(vf->core.pdev, pos + i * sizeof(u32),
				      &val);
		if (val)
			return false;
	}
	return true;
}

/**
 * vfcap_chain_fits - whether a capability can lie where somebody knows it can
 * @vf: the VF
 * @id: the capability
 * @pos: the place
 *
 * Context: Process context, under the dev_set lock, with the VF powered up.
 * Return: true if it lies, aligned, in the list's part of config space, and over
 * no other capability. What else is there is not looked at.
 */
bool vfcap_chain_fits(struct vfcap_device *vf, unsigned int id,
		      unsigned int pos)
{
	const struct vfcap_cap *cap = vf->table[id];
	DECLARE_BITMAP(used, VFCAP_DWORDS) = {};

	if (vf->core.pdev->cfg_size < cap->list->end || pos % sizeof(u32))
		return false;
	vfcap_find_used(vf, id, used);
	return vfcap_is_unused(cap, used, pos);
}

/**
 * vfcap_chain_is_free - whether a capability would cover nothing at all
 * @vf: the VF
 * @id: the capability
 * @pos: the place
 *
 * Context: Process context, under the dev_set lock, with the VF powered up.
 * Return: true if it fits there, and all bytes read as zero.
 */
bool vfcap_chain_is_free(struct vfcap_device *vf, unsigned int id,
			 unsigned int pos)
{
	return vfcap_chain_fits(vf, id, pos) &&
	       vfcap_reads_zero(vf, vf->table[id], pos);
}

/* The highest place below @end, or 0 */
static u16 vfcap_find_gap(struct vfcap_device *vf, const struct vfcap_cap *cap,
			  const unsigned long *used, unsigned int end)
{
	unsigned int pos = end - vfcap_cap_size(cap);

	for (; pos < end && pos >= cap->list->start; pos -= sizeof(u32))
		if (vfcap_is_unused(cap, used, pos) &&
		    vfcap_reads_zero(vf, cap, pos))
			return pos;
	return 0;
}

/**
 * vfcap_chain_find_gap - find room for a capability
 * @vf: the VF
 * @id: the capability
 *
 * Context: Process context, under the dev_set lock, with the VF powered up.
 * Return: the highest offset where it would cover nothing, 0 if there is none.
 */
u16 vfcap_chain_find_gap(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_cap *cap = vf->table[id];
	const struct vfcap_list *list = cap->list;
	DECLARE_BITMAP(used, VFCAP_DWORDS) = {};
	u16 pos = 0;

	if (vf->core.pdev->cfg_size < list->end)
		return 0;

	vfcap_find_used(vf, id, used);
	if (list->bound)
		pos = vfcap_find_gap(vf, cap, used, list->bound(vf));
	return pos ?: vfcap_find_gap(vf, cap, used, list->end);
}

/**
 * vfcap_chain_link - add a capability to its list
 * @vf: the VF
 * @cap: the capability, whose header is written here
 * @pos: where it fits
 *
 * Its bytes become virtual for core.
 *
 * Context: Process context, under the dev_set lock and &vfcap_device.lock, before
 * anybody accesses config space.
 */
void vfcap_chain_link(struct vfcap_device *vf, const struct vfcap_cap *cap,
		      u16 pos)
{
	cap->list->link(vf, cap, pos);
	memset(vf->core.pci_config_map + pos, VFCAP_MAP_VIRTUAL,
	       vfcap_cap_size(cap));
}
