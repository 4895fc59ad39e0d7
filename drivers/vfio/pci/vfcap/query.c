// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFCAP_FEATURE_QUERY: what the guest is shown, and why
 */
#include <linux/array_size.h>
#include <linux/cleanup.h>
#include <linux/nospec.h>
#include <linux/pci.h>

#include "chain.h"

static u32 vfcap_query_flags(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	u32 flags = 0;

	if (cap->list == &vfcap_ext_list)
		flags |= VFCAP_QUERY_EXTENDED;
	if (vf->committed)
		flags |= VFCAP_QUERY_COMMITTED;
	if (vfcap_reg_get(vf, id, VFCAP_CTRL) & cap->enable)
		flags |= VFCAP_QUERY_ENABLED;
	return flags;
}

/**
 * vfcap_feature_query - VFCAP_FEATURE_QUERY
 * @vf: the VF
 * @set: false
 * @data: struct vfcap_feature_query
 * @told: how much of it the user has
 *
 * Context: Process context, no locks held.
 * Return: 0 or -errno, see the structure.
 */
int vfcap_feature_query(struct vfcap_device *vf, bool set, void *data,
			size_t told)
{
	struct vfcap_feature_query *query = data;
	unsigned int id;

	if (query->cap >= VFCAP_NR_CAPS || query->reserved[0] ||
	    query->reserved[1])
		return -EINVAL;
	id = array_index_nospec(query->cap, VFCAP_NR_CAPS);

	CLASS(vfcap_locked, lock)(vf);
	if (!lock)
		return -EINTR;
	vfcap_plan(vf);
	/* A loss that is known is told. */
	vfcap_sync(vf);
	*query = (struct vfcap_feature_query) {
		.magic		= VFCAP_MAGIC,
		.cap		= id,
		.nr_caps	= VFCAP_NR_CAPS,
		.flags		= vfcap_query_flags(vf, id),
		.id		= vfcap_caps[id]->id,
		.offset		= vf->plan[id].pos,
		.size		= vfcap_cap_size(vfcap_caps[id]),
		.step		= vf->plan[id].step,
		.reason		= vf->plan[id].reason,
	};
	if (vf->shown & BIT(id) && vfcap_is_shared(id))
		query->flags |= vfcap_query_loss(vf, id, query->cause);
	return 0;
}
