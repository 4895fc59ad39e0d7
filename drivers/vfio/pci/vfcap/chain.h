/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VFCAP_CHAIN_H
#define VFCAP_CHAIN_H

#include <linux/pci.h>

#include "vfcap.h"

/*
 * What vfio-pci-core's pci_config_map has for a byte that belongs to no capability: raw
 * access to the hardware, or no access to it at all, vconfig only. The constants are
 * core's own, from its private header.
 */
#define VFCAP_MAP_RAW		0xff
#define VFCAP_MAP_VIRTUAL	0xfe

#define VFCAP_DWORDS		(PCI_CFG_SPACE_EXP_SIZE / sizeof(u32))

/* What &vfcap_list.size returns for a capability that is taken to reach to the next header */
#define VFCAP_SIZE_UNKNOWN	(-1)
/* And for one that does so if there is a next header, else only as far as core says */
#define VFCAP_SIZE_TABLES	(-2)

/**
 * struct vfcap_list - one of the two lists of capabilities
 * @start: the first offset at which its capabilities may lie
 * @end: the end of that range, which no capability may cross
 * @next: the bits of a header's first dword that lead to the next header
 * @bound: Optional. The offset beyond which a capability should not reach if there
 *	is room below.
 * @first: where the hardware's list begins
 * @read: Read a header of it: the ID, and where the next header is. Return false if
 *	there is none.
 * @size: How much a capability of the hardware takes beyond what core's map says: its
 *	length in bytes, 0 for nothing, or VFCAP_SIZE_*.
 * @link: Link a capability into the list, and write its header. Called under
 *	&vfcap_device.lock.
 */
struct vfcap_list {
	u16 start;
	u16 end;
	u32 next;
	u16 (*bound)(struct vfcap_device *vd);
	unsigned int (*first)(struct pci_dev *pdev);
	bool (*read)(struct pci_dev *pdev, unsigned int pos, u16 *id,
		     unsigned int *next);
	int (*size)(struct vfcap_device *vd, unsigned int pos, u16 id);
	void (*link)(struct vfcap_device *vd, const struct vfcap_cap *cap,
		     u16 pos);
};

extern const struct vfcap_list vfcap_std_list;
extern const struct vfcap_list vfcap_ext_list;

/* chain.c: core's map, and where a capability fits; ext_list.c, std_list.c: its place */
void vfcap_map_open(struct vfcap_device *vd);
bool vfcap_chain_fits(struct vfcap_device *vd, unsigned int id,
		      unsigned int pos);
bool vfcap_chain_is_free(struct vfcap_device *vd, unsigned int id,
			 unsigned int pos);
u16 vfcap_chain_find_gap(struct vfcap_device *vd, unsigned int id);
u16 vfcap_ext_own(struct vfcap_device *vd, unsigned int id);
void vfcap_ext_hide(struct vfcap_device *vd);

#endif /* VFCAP_CHAIN_H */
