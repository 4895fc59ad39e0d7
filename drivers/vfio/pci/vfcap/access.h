/* SPDX-License-Identifier: GPL-2.0-only */
/* Accesses through the device's file */
#ifndef VFCAP_ACCESS_H
#define VFCAP_ACCESS_H

#include <linux/pci.h>

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
 * Whether a write to a byte of standard config space may reset the device or change its
 * power state. On a write to any register of such a capability, core acts on the bit that
 * asks for it, which another write may have just left set.
 */
static inline bool vfcap_is_power_reg(struct vfcap_device *vd, u64 pos)
{
	if (!vd->map_known)
		return true;
	switch (vd->core.pci_config_map[pos]) {
	case PCI_CAP_ID_EXP:
	case PCI_CAP_ID_PM:
	case PCI_CAP_ID_AF:
		return true;
	default:
		return false;
	}
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
