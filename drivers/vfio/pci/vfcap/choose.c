// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFCAP_FEATURE_CHOOSE: the user's say in what is shown, and where
 */
#include <linux/nospec.h>
#include <linux/pci.h>

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

static int vfcap_choose(struct vfcap_device *vf, const void *data)
{
	const struct vfcap_feature_choose *choose = data;
	unsigned int id = choose->cap;
	int ret;

	vfcap_sync(vf);
	if (vfcap_in_use(vf, id))
		return -EBUSY;
	if (choose->offset && !vfcap_may_lie(vf, id, choose))
		return -EINVAL;

	ret = vfcap_withdraw(vf, id);
	if (ret)
		return ret;
	vf->choice[id].flags = choose->flags;
	vf->choice[id].offset = choose->offset;
	vfcap_show(vf, id);
	return 0;
}

/**
 * vfcap_feature_choose - VFCAP_FEATURE_CHOOSE
 * @vf: the VF
 * @set: true
 * @data: struct vfcap_feature_choose
 * @told: how much of it the user has
 *
 * Context: Process context, no locks held.
 * Return: 0 or -errno, see the structure.
 */
int vfcap_feature_choose(struct vfcap_device *vf, bool set, void *data,
			 size_t told)
{
	struct vfcap_feature_choose *choose = data;

	if (choose->cap >= VFCAP_NR_CAPS || !vfcap_choice_is_valid(choose) ||
	    memchr_inv(choose->reserved, 0, sizeof(choose->reserved)))
		return -EINVAL;
	choose->cap = array_index_nospec(choose->cap, VFCAP_NR_CAPS);
	if (!(vf->caps & BIT(choose->cap)))
		return -EINVAL;
	return vfcap_change(vf, vfcap_choose, choose);
}
