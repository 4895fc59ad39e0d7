/* SPDX-License-Identifier: GPL-2.0-only */
/* What a user does with the device's file */
#ifndef VFCAP_ACCESS_H
#define VFCAP_ACCESS_H

#include "vfcap.h"

/* reset.c: what resets a VF, and so its emulated registers */
extern const struct pci_error_handlers vfcap_err_handlers;
ssize_t vfcap_core_config_write(struct vfcap_device *vf, const char __user *buf,
				size_t *count, loff_t *ppos);
long vfcap_ioctl_reset(struct vfcap_device *vf);

/* low_power.c: low power that the user asks for */
int vfcap_feature_low_power(struct vfcap_device *vf, u32 flags,
			    void __user *arg, size_t argsz);
void vfcap_power_init(void);
void vfcap_power_watch(struct vfcap_device *vf);
void vfcap_power_unwatch(struct vfcap_device *vf);

/* config.c: access to the virtual config space */
ssize_t vfcap_config_read(struct vfcap_device *vf, char __user *buf,
			  size_t count, loff_t *ppos);
ssize_t vfcap_config_write(struct vfcap_device *vf, const char __user *buf,
			   size_t count, loff_t *ppos);

/* feature.c: VFIO_DEVICE_FEATURE */
int vfcap_ioctl_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
			size_t argsz);

#endif /* VFCAP_ACCESS_H */
