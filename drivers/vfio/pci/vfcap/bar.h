/* SPDX-License-Identifier: GPL-2.0-only */
/* Regions other than config space */
#ifndef VFCAP_BAR_H
#define VFCAP_BAR_H

#include "vfcap.h"

struct vm_area_struct;

/* Indices of alias regions: well beyond core's, of which there may be more one day */
#define VFCAP_ALIAS_FIRST	0x100
#define VFCAP_ALIAS_LAST	0x10f

/*
 * Where the aliases of a BAR are in the device's file: where region 10 + BAR would be,
 * which core does not have, at the same offsets as the pages have in the BAR. A 32-bit
 * program can map that, since its mmap2() reaches up to index 15.
 */
#define VFCAP_ALIAS_SPACE	10

/* shadow.c: the native shadow registers of VMD endpoints whose own are disabled */
void vfcap_shadow_open(struct vfcap_device *vd);
ssize_t vfcap_shadow_config_write(struct vfcap_device *vd,
				  const char __user *buf, size_t count,
				  unsigned int pos);
bool vfcap_shadow_hit(struct vfcap_device *vd, unsigned int region, u64 offset,
		      u64 size);
bool vfcap_shadow_cut(struct vfcap_device *vd, unsigned int region, u64 offset,
		      size_t *count);
ssize_t vfcap_shadow_rw(struct vfcap_device *vd, char __user *buf, size_t count,
			u64 offset, bool write);
int vfcap_shadow_region_info(struct vfcap_device *vd,
			     const struct vfio_region_info *info,
			     struct vfio_info_cap *caps);

/* wc.c: alias regions */
resource_size_t vfcap_bar_phys(struct vfcap_device *vd, unsigned int bar,
			       u64 offset);
struct vfcap_alias *vfcap_find_alias(struct vfcap_device *vd, unsigned int bar,
				     u64 start, u64 size);
void vfcap_wc_init(struct vfcap_device *vd);
void vfcap_wc_close(struct vfcap_device *vd);
int vfcap_wc_create(struct vfcap_device *vd, struct vfcap_alias *wanted);
int vfcap_wc_remove(struct vfcap_device *vd, u32 index);

/* bar.c: accesses to BARs */
ssize_t vfcap_bar_rw(struct vfcap_device *vd, char __user *buf, size_t count,
		     loff_t *ppos, bool write);
long vfcap_ioctl_ioeventfd(struct vfcap_device *vd, unsigned long arg);
int vfcap_mmap(struct vfio_device *vdev, struct vm_area_struct *vma);
int vfcap_region_info(struct vfio_device *vdev, struct vfio_region_info *info,
		      struct vfio_info_cap *caps);

#endif /* VFCAP_BAR_H */
