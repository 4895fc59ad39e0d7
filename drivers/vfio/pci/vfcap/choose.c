// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFCAP_FEATURE_CHOOSE: the user's say in what is shown, and where
 */
#include <linux/cleanup.h>
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

static bool vfcap_may_lie(struct vfcap_device *vf, unsigned int id,
			  const struct vfcap_feature_choose *data)
{
	return data->flags & VFCAP_CHOOSE_FORCE ?
	       vfcap_chain_fits(vf, id, data->offset) :
	       vfcap_chain_is_free(vf, id, data->offset);
}

static int vfcap_choose(struct vfcap_device *vf,
			const struct vfcap_feature_choose *data)
{
	CLASS(vfcap_locked, lock)(vf);
	if (!lock)
		return -EINTR;
	if (vf->committed)
		return -EBUSY;
	/* It is not to lie where others would. */
	vfcap_plan(vf);
	if (data->offset && !vfcap_may_lie(vf, data->cap, data))
		return -EINVAL;

	vf->choice[data->cap] = (struct vfcap_choice) {
		.flags	= data->flags,
		.offset	= data->offset,
	};
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
	return vfcap_choose(vf, choose);
}
