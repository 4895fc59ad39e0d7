/* SPDX-License-Identifier: GPL-2.0-only */
/* Accesses through the device's file */
#ifndef VFCAP_ACCESS_H
#define VFCAP_ACCESS_H

#include <linux/pci.h>

#include "chain.h"
#include "vfcap.h"

/* reset.c: resets and changes of the power state, and what they do to emulated registers */
extern const struct pci_error_handlers vfcap_err_handlers;
size_t vfcap_core_piece(struct vfcap_device *vd, loff_t pos, size_t count);
ssize_t vfcap_core_config_write(struct vfcap_device *vd, const char __user *buf,
				size_t *count, loff_t *ppos);
long vfcap_ioctl_reset(struct vfcap_device *vd);
long vfcap_ioctl_hot_reset(struct vfcap_device *vd, unsigned long arg);
int vfcap_feature_low_power(struct vfcap_device *vd, u32 flags,
			    void __user *arg, size_t argsz);
void vfcap_power_init(void);
void vfcap_power_watch(struct vfcap_device *vd);
void vfcap_power_unwatch(struct vfcap_device *vd);

/*
 * Whether a byte of core's map belongs to a capability whose write is not always core's
 * alone: it is emulated, or may reset the device or change its power state. In the list of
 * extended capabilities, where the same IDs mean others, no harm is done by that.
 */
static inline bool vfcap_is_special(u8 id)
{
	switch (id) {
	case VFCAP_MAP_VIRTUAL:
	case PCI_CAP_ID_EXP:
	case PCI_CAP_ID_PM:
	case PCI_CAP_ID_AF:
		return true;
	default:
		return false;
	}
}

/* Whether reads of config space are core's as they are */
static inline bool vfcap_reads_plain(struct vfcap_device *vd)
{
	/* Pairs with vfcap_commit(). */
	return smp_load_acquire(&vd->plain_reads);
}

/*
 * Whether a write to config space is core's as it is. A write of up to a dword touches no
 * capabilities other than those of its first and its last byte.
 */
static inline bool vfcap_writes_plain(struct vfcap_device *vd, u64 offset, size_t count)
{
	const u8 *map = vd->core.pci_config_map + offset;

	/* Pairs with vfcap_commit(). */
	return smp_load_acquire(&vd->plain_writes) && count - 1 < sizeof(u32) &&
	       offset + count <= vd->core.pdev->cfg_size &&
	       !vfcap_is_special(map[0]) && !vfcap_is_special(map[count - 1]);
}

/* config.c: access to the virtual config space */
ssize_t vfcap_config_read(struct vfcap_device *vd, char __user *buf,
			  size_t count, loff_t *ppos);
ssize_t vfcap_config_write(struct vfcap_device *vd, const char __user *buf,
			   size_t count, loff_t *ppos);

/* feature.c: VFIO_DEVICE_FEATURE */
int vfcap_ioctl_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
			size_t argsz);

/* sysfs.c: a device's sysfs directory */
int vfcap_sysfs_add(struct vfcap_device *vd);
void vfcap_sysfs_remove(struct vfcap_device *vd);

#endif /* VFCAP_ACCESS_H */
