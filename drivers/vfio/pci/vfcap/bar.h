/* SPDX-License-Identifier: GPL-2.0-only */
/* Regions other than config space */
#ifndef VFCAP_BAR_H
#define VFCAP_BAR_H

#include "vfcap.h"

struct vm_area_struct;

/* Indices of alias regions: far from core's, of which there may come to be more */
#define VFCAP_ALIAS_FIRST	0x100
#define VFCAP_ALIAS_LAST	0x10f

/*
 * Where the device's file has the aliases of a BAR, at the same offsets as the BAR has
 * the pages. It is where the region of index 10 + BAR would be, of which core has none,
 * so that a 32-bit program can map it: mmap2() ends at index 15.
 */
#define VFCAP_ALIAS_SPACE	10

/* shadow.c: the native shadow registers of VMD endpoints that have none enabled */
void vfcap_shadow_open(struct vfcap_device *vf);
ssize_t vfcap_shadow_config_write(struct vfcap_device *vf,
				  const char __user *buf, size_t count,
				  unsigned int offset);
bool vfcap_shadow_hit(struct vfcap_device *vf, unsigned int region, u64 offset,
		      u64 size);
bool vfcap_shadow_cut(struct vfcap_device *vf, unsigned int region, u64 offset,
		      size_t *count);
ssize_t vfcap_shadow_rw(struct vfcap_device *vf, char __user *buf, size_t count,
			u64 offset, bool write);
bool vfcap_is_trapped(struct vfcap_device *vf, unsigned int region, u64 start,
		      u64 size);
int vfcap_shadow_region_info(struct vfcap_device *vf,
			     struct vfio_region_info *info,
			     struct vfio_info_cap *caps);

/* bar.c: the kernel's own mappings of BARs, and who uses them */
struct vfcap_alias *vfcap_bar_find_alias(struct vfcap_device *vf,
					 unsigned int bar, u64 start, u64 size);
int vfcap_bar_add(struct vfcap_device *vf, struct vfcap_alias *alias);
void vfcap_bar_remove(struct vfcap_device *vf, struct vfcap_alias *alias);
void vfcap_bar_close(struct vfcap_device *vf);
ssize_t vfcap_bar_rw(struct vfcap_device *vf, char __user *buf, size_t count,
		     loff_t *ppos, bool write);
long vfcap_ioctl_ioeventfd(struct vfcap_device *vf, unsigned long arg);

/* wc_mmap.c: what of a BAR is mapped into user space */
int vfcap_wc_mmap(struct vfcap_device *vf, struct vm_area_struct *vma);
bool vfcap_wc_is_mapped(struct vfcap_device *vf, unsigned int bar, u64 start,
			u64 size);
void vfcap_wc_zap(struct vfcap_device *vf, const struct vfcap_alias *alias);

/* wc.c: alias regions */
void vfcap_wc_init(struct vfcap_device *vf);
void vfcap_wc_open(struct vfcap_device *vf);
void vfcap_wc_close(struct vfcap_device *vf);
int vfcap_wc_region_info(struct vfcap_device *vf, struct vfio_region_info *info);
int vfcap_wc_create(struct vfcap_device *vf, struct vfcap_alias *wanted);
int vfcap_wc_remove(struct vfcap_device *vf, u32 index);

#endif /* VFCAP_BAR_H */
