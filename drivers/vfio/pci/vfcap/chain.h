/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFCAP_CHAIN_H
#define VFCAP_CHAIN_H

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

/**
 * struct vfcap_list - one of the two lists of capabilities
 * @start: where its capabilities may lie: from this offset on
 * @end: up to this one, which no capability reaches over
 * @bound: Optional. The offset that it should better not reach over.
 * @find_used: Mark the dwords in a bitmap of VFCAP_DWORDS that are taken: by the
 *	hardware's capabilities, those that core hides from the guest included.
 * @link: Have the list lead to a capability, and write its header.
 *	Called under &vfcap_device.lock.
 */
struct vfcap_list {
	u16 start;
	u16 end;
	u16 (*bound)(struct vfcap_device *vf);
	void (*find_used)(struct vfcap_device *vf, unsigned long *used);
	void (*link)(struct vfcap_device *vf, const struct vfcap_cap *cap,
		     u16 pos);
};

extern const struct vfcap_list vfcap_std_list;
extern const struct vfcap_list vfcap_ext_list;

/* chain.c: where a capability fits; ext_list.c, std_list.c: its place in a list */
bool vfcap_chain_fits(struct vfcap_device *vf, unsigned int id,
		      unsigned int pos);
bool vfcap_chain_is_free(struct vfcap_device *vf, unsigned int id,
			 unsigned int pos);
u16 vfcap_chain_find_gap(struct vfcap_device *vf, unsigned int id);
void vfcap_chain_link(struct vfcap_device *vf, const struct vfcap_cap *cap,
		      u16 pos);
void vfcap_ext_hide(struct vfcap_device *vf);
void vfcap_chain_mark(unsigned long *used, unsigned int pos, unsigned int end);
void vfcap_chain_mark_open_ended(unsigned long *used, const unsigned long *heads,
				 const unsigned long *open_ended,
				 unsigned int end);

#endif /* VFCAP_CHAIN_H */
