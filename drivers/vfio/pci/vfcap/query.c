// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFCAP_FEATURE_QUERY: what the guest is shown, and why
 */
#include <linux/array_size.h>
#include <linux/cleanup.h>
#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/uaccess.h>

#include "chain.h"

static u32 vfcap_query_flags(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	u32 flags = 0;

	if (cap->list == &vfcap_ext_list)
		flags |= VFCAP_QUERY_EXTENDED;
	if (!vf->pos[id])
		return flags;
	if (vfcap_reg_get(vf, id, VFCAP_CTRL) & cap->enable)
		flags |= VFCAP_QUERY_ENABLED;
	if (vfcap_is_shared(id) && !pci_vfcap_usable(vf->shared, id))
		flags |= VFCAP_QUERY_LOST;
	return flags;
}

/**
 * vfcap_feature_query - VFCAP_FEATURE_QUERY
 * @vf: the VF
 * @flags: VFIO_DEVICE_FEATURE_*
 * @arg: struct vfcap_feature_query
 * @argsz: its size in bytes
 *
 * Context: Process context.
 * Return: 0 or -errno, see the structure.
 */
int vfcap_feature_query(struct vfcap_device *vf, u32 flags, void __user *arg,
			size_t argsz)
{
	struct vfcap_feature_query data;
	unsigned int id;
	int ret;

	ret = vfcap_feature_begin(flags, argsz, VFIO_DEVICE_FEATURE_GET, &data,
				  sizeof(data), arg);
	if (ret != 1)
		return ret;
	if (data.cap >= VFCAP_NR_CAPS || data.reserved[0] || data.reserved[1])
		return -EINVAL;
	id = array_index_nospec(data.cap, VFCAP_NR_CAPS);

	scoped_guard(mutex, vfcap_dev_set_lock(vf)) {
		ret = vfcap_decide(vf);
		if (ret)
			return ret;
		/* A loss that is known is told. */
		vfcap_sync(vf);
		data = (struct vfcap_feature_query) {
			.magic		= VFCAP_MAGIC,
			.cap		= data.cap,
			.nr_caps	= VFCAP_NR_CAPS,
			.flags		= vfcap_query_flags(vf, id),
			.id		= vfcap_caps[id]->id,
			.offset		= vf->pos[id],
			.size		= vfcap_cap_size(vfcap_caps[id]),
			.step		= vf->step[id],
			.reason		= vf->reason[id],
		};
	}
	return copy_to_user(arg, &data, sizeof(data)) ? -EFAULT : 0;
}
