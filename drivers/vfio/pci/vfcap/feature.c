// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE: which index is whose
 */
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "vfcap.h"

/**
 * vfcap_feature_begin - check and copy the argument of a feature of ours
 * @flags: as the feature's handler was given them
 * @argsz: and this
 * @ops: VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET, or both
 * @data: filled with the argument
 * @size: the size of its structure in bytes
 * @arg: the argument
 *
 * Context: Process context.
 * Return: 1 to go on, else what the ioctl returns: 0 for a probe, -EINVAL,
 * -EFAULT, or -E2BIG if bytes behind the structure are not zero.
 */
int vfcap_feature_begin(u32 flags, size_t argsz, u32 ops, void *data,
			size_t size, const void __user *arg)
{
	int ret = vfio_check_feature(flags, argsz, ops, size);

	if (ret != 1)
		return ret;
	if (argsz > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(data, size, arg, argsz) ?: 1;
}

/**
 * vfcap_ioctl_feature - VFIO_DEVICE_FEATURE
 * @vdev: the VFIO device
 * @flags: feature index and VFIO_DEVICE_FEATURE_*
 * @arg: the feature's argument
 * @argsz: its size in bytes
 *
 * Those of <linux/vfio_vfcap.h> are ours, the others core's.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl_feature().
 */
int vfcap_ioctl_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
			size_t argsz)
{
	struct vfcap_device *vf = to_vfcap(vdev);

	switch (flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFCAP_FEATURE_QUERY:
		return vfcap_feature_query(vf, flags, arg, argsz);
	case VFCAP_FEATURE_CHOOSE:
		return vfcap_feature_choose(vf, flags, arg, argsz);
	case VFCAP_FEATURE_STATE:
		return vfcap_feature_state(vf, flags, arg, argsz);
	case VFCAP_FEATURE_LOST_EVENTFD:
		return vfcap_feature_lost_eventfd(vf, flags, arg, argsz);
	case VFCAP_FEATURE_WRITE_COMBINE:
		return vfcap_feature_write_combine(vf, flags, arg, argsz);
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		return vfcap_feature_low_power(vf, flags, arg, argsz);
	default:
		return vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
	}
}
