// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFCAP_FEATURE_CHOOSE: the user's say in what is shown, and where
 */
#include <linux/cleanup.h>
#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/rwsem.h>

#include "vfcap.h"

/* Flags that go together. Each other combination contradicts itself. */
static bool vfcap_choice_is_valid(const struct vfcap_feature_choose *data)
{
	switch (data->flags) {
	case VFCAP_CHOOSE_OFFSET:
	case VFCAP_CHOOSE_OFFSET | VFCAP_CHOOSE_FORCE:
		return data->offset;
	case VFCAP_CHOOSE_HIDE:
	case 0:
		return !data->offset;
	default:
		return false;
	}
}

/*
 * What a guest has, or had and lost, is not moved under it. PASIDs are attached in
 * one way while the capability is shown, and in another while it is not.
 */
static bool vfcap_in_use(struct vfcap_device *vf, unsigned int chosen)
{
	unsigned int id;

	if (chosen == PCI_VFCAP_PASID && vfcap_pasid_any(vf))
		return true;
	for (id = 0; id < VFCAP_NR_CAPS; id++) {
		if (!vf->pos[id])
			continue;
		if (!vfcap_emul_at_rest(vf, id))
			return true;
		if (vfcap_is_shared(id) && !pci_vfcap_usable(vf->shared, id))
			return true;
	}
	return false;
}

static bool vfcap_may_lie(struct vfcap_device *vf, unsigned int id,
			  const struct vfcap_feature_choose *data)
{
	return data->flags & VFCAP_CHOOSE_FORCE ?
	       vfcap_chain_fits(vf, id, data->offset) :
	       vfcap_chain_is_free(vf, id, data->offset);
}

static int vfcap_apply_choice(struct vfcap_device *vf, unsigned int id,
			      const struct vfcap_feature_choose *data)
{
	int ret;

	vfcap_sync(vf);
	if (vfcap_in_use(vf, id))
		return -EBUSY;
	if (data->offset && !vfcap_may_lie(vf, id, data))
		return -EINVAL;

	ret = vfcap_withdraw(vf, id);
	if (ret)
		return ret;
	vf->choice[id].flags = data->flags;
	vf->choice[id].offset = data->offset;
	vfcap_show(vf, id);
	vfcap_config_prepare(vf);
	return 0;
}

static int vfcap_choose(struct vfcap_device *vf, unsigned int id,
			const struct vfcap_feature_choose *data)
{
	guard(mutex)(vfcap_dev_set_lock(vf));

	/* VFIO keeps the device awake around an ioctl. */
	return vfcap_decide(vf) ?: vfcap_apply_choice(vf, id, data);
}

/**
 * vfcap_feature_choose - VFCAP_FEATURE_CHOOSE
 * @vf: the VF
 * @flags: VFIO_DEVICE_FEATURE_*
 * @arg: struct vfcap_feature_choose
 * @argsz: its size in bytes
 *
 * Context: Process context.
 * Return: 0 or -errno, see the structure.
 */
int vfcap_feature_choose(struct vfcap_device *vf, u32 flags, void __user *arg,
			 size_t argsz)
{
	struct vfcap_feature_choose data;
	unsigned int id;
	int ret;

	ret = vfcap_feature_begin(flags, argsz, VFIO_DEVICE_FEATURE_SET, &data,
				  sizeof(data), arg);
	if (ret != 1)
		return ret;
	if (data.cap >= VFCAP_NR_CAPS || !vfcap_choice_is_valid(&data) ||
	    memchr_inv(data.reserved, 0, sizeof(data.reserved)))
		return -EINVAL;
	id = array_index_nospec(data.cap, VFCAP_NR_CAPS);
	if (!(vf->caps & BIT(id)))
		return -EINVAL;

	ret = down_write_killable(&vf->layout);
	if (ret)
		return ret;
	ret = vfcap_direct_stop(vf, VFCAP_INDIRECT_LAYOUT);
	if (!ret) {
		ret = vfcap_choose(vf, id, &data);
		vfcap_direct_allow(vf, VFCAP_INDIRECT_LAYOUT);
	}
	up_write(&vf->layout);
	return ret;
}
