// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE: which index is whose, and the arguments of ours
 *
 * A structure may grow at its end, and its user may have an older or a newer one than
 * this kernel. What the user does not have is zero, and what this kernel does not have
 * must be.
 */
#include <linux/array_size.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "vfcap.h"

/**
 * struct vfcap_feature - a feature of ours
 * @index: its index
 * @ops: VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET, or both
 * @first: size in bytes of its structure in the first version of the header, which
 *	never changes
 * @size: and in this version
 * @handle: Do it. @told is what the user has of the structure, at least @first and at
 *	most @size bytes. Called without locks.
 * @undo: Optional. Upon GET, take it back, since the user cannot be told.
 */
struct vfcap_feature {
	u32 index;
	u32 ops;
	size_t first;
	size_t size;
	int (*handle)(struct vfcap_device *vf, bool set, void *data, size_t told);
	void (*undo)(struct vfcap_device *vf, void *data);
};

union vfcap_feature_data {
	struct vfcap_feature_query query;
	struct vfcap_feature_choose choose;
	struct vfcap_feature_state state;
	struct vfcap_feature_lost_eventfd lost_eventfd;
	struct vfcap_feature_write_combine write_combine;
};

static const struct vfcap_feature vfcap_features[] = {
	{
		.index	= VFCAP_FEATURE_QUERY,
		.ops	= VFIO_DEVICE_FEATURE_GET,
		.first	= 40,
		.size	= sizeof(struct vfcap_feature_query),
		.handle	= vfcap_feature_query,
	}, {
		.index	= VFCAP_FEATURE_CHOOSE,
		.ops	= VFIO_DEVICE_FEATURE_SET,
		.first	= 16,
		.size	= sizeof(struct vfcap_feature_choose),
		.handle	= vfcap_feature_choose,
	}, {
		.index	= VFCAP_FEATURE_STATE,
		.ops	= VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
		.first	= 112,
		.size	= sizeof(struct vfcap_feature_state),
		.handle	= vfcap_feature_state,
	}, {
		.index	= VFCAP_FEATURE_LOST_EVENTFD,
		.ops	= VFIO_DEVICE_FEATURE_SET,
		.first	= 8,
		.size	= sizeof(struct vfcap_feature_lost_eventfd),
		.handle	= vfcap_feature_lost_eventfd,
	}, {
		.index	= VFCAP_FEATURE_RETURN_EVENTFD,
		.ops	= VFIO_DEVICE_FEATURE_SET,
		.first	= 8,
		.size	= sizeof(struct vfcap_feature_lost_eventfd),
		.handle	= vfcap_feature_return_eventfd,
	}, {
		.index	= VFCAP_FEATURE_WRITE_COMBINE,
		.ops	= VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET,
		.first	= 32,
		.size	= sizeof(struct vfcap_feature_write_combine),
		.handle	= vfcap_feature_write_combine,
		.undo	= vfcap_feature_write_combine_undo,
	},
};

static int vfcap_do_feature(struct vfcap_device *vf,
			    const struct vfcap_feature *f, u32 flags,
			    void __user *arg, size_t argsz)
{
	union vfcap_feature_data data;
	size_t told = min(argsz, f->size);
	int ret;

	ret = vfio_check_feature(flags, argsz, f->ops, f->first);
	if (ret != 1)
		return ret;
	if (argsz > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(&data, f->size, arg, argsz) ?:
	      f->handle(vf, flags & VFIO_DEVICE_FEATURE_SET, &data, told);
	if (ret || flags & VFIO_DEVICE_FEATURE_SET)
		return ret;
	if (!copy_to_user(arg, &data, told))
		return 0;
	if (f->undo)
		f->undo(vf, &data);
	return -EFAULT;
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
	u32 index = flags & VFIO_DEVICE_FEATURE_MASK;
	struct vfcap_device *vf = to_vfcap(vdev);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vfcap_features); i++)
		if (vfcap_features[i].index == index)
			return vfcap_do_feature(vf, &vfcap_features[i], flags,
						arg, argsz);
	switch (index) {
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		return vfcap_feature_low_power(vf, flags, arg, argsz);
	default:
		return vfio_pci_core_ioctl_feature(vdev, flags, arg, argsz);
	}
}
