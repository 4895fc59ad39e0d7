// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFCAP_FEATURE_STATE: the virtual registers as a whole, for VMMs that snapshot,
 * restore, or update themselves live
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "chain.h"

static void vfcap_state_fill(struct vfcap_device *vf,
			     struct vfcap_feature_state *state)
{
	unsigned long id;

	memset(state, 0, sizeof(*state));
	state->magic = VFCAP_MAGIC;
	state->version = VFCAP_STATE_VERSION;
	for_each_set_bit(id, &vf->shown, VFCAP_NR_CAPS) {
		struct vfcap_state_cap *cap = &state->caps[id];

		cap->offset = vf->plan[id].pos;
		cap->size = vfcap_cap_size(vfcap_caps[id]);
		vfcap_emul_save(vf, id, cap->regs);
	}
}

static bool vfcap_state_fits(struct vfcap_device *vf, unsigned int id,
			     const struct vfcap_state_cap *wanted,
			     const struct vfcap_state_cap *now)
{
	unsigned int i;

	if (wanted->offset != now->offset || wanted->size != now->size ||
	    wanted->reserved)
		return false;
	if (now->size && !vfcap_emul_could_be(vf, id, wanted->regs, now->regs))
		return false;
	for (i = now->size / sizeof(u32); i < VFCAP_STATE_REGS; i++)
		if (wanted->regs[i])
			return false;
	return true;
}

/* Returns false when something that shall be enabled is not. */
static bool vfcap_state_apply(struct vfcap_device *vf,
			      const struct vfcap_feature_state *state,
			      unsigned int nr_caps)
{
	bool enabled = true;
	unsigned long id;

	for_each_set_bit(id, &vf->shown, nr_caps)
		enabled &= vfcap_restore(vf, id, state->caps[id].regs);
	return enabled;
}

/* What the guest did not have when the state was saved it does not get by that. */
static int vfcap_state_commit(struct vfcap_device *vf, unsigned int nr_caps)
{
	unsigned int id;
	int ret;

	for (id = nr_caps; !vf->committed && id < VFCAP_NR_CAPS; id++)
		vf->choice[id] = (struct vfcap_choice) {
			.flags = VFCAP_CHOOSE_HIDE,
		};
	ret = vfcap_commit(vf);
	if (ret)
		return ret;
	return vf->shown >> nr_caps ? -EBUSY : 0;
}

/* How many capabilities a user's structure of @told bytes has */
static unsigned int vfcap_state_caps(size_t told)
{
	return (told - offsetof(struct vfcap_feature_state, caps)) /
	       sizeof(struct vfcap_state_cap);
}

static int vfcap_state_set(struct vfcap_device *vf,
			   const struct vfcap_feature_state *state,
			   unsigned int nr_caps)
{
	struct vfcap_feature_state before;
	unsigned int id;
	int ret;

	if (state->magic != VFCAP_MAGIC ||
	    state->version != VFCAP_STATE_VERSION || state->reserved ||
	    memchr_inv(&state->caps[nr_caps], 0,
		       (VFCAP_NR_CAPS - nr_caps) * sizeof(*state->caps)))
		return -EINVAL;

	CLASS(vfcap_locked, lock)(vf);
	if (!lock)
		return -EINTR;
	ret = vfcap_state_commit(vf, nr_caps);
	if (ret)
		return ret;
	vfcap_sync(vf);
	vfcap_state_fill(vf, &before);
	/* What is hidden then was not led to. */
	for (id = 0; id < nr_caps; id++)
		if (nr_caps < VFCAP_NR_CAPS)
			before.caps[id].regs[0] ^=
				(before.caps[id].regs[0] ^
				 state->caps[id].regs[0]) &
				(vfcap_caps[id]->list == &vfcap_ext_list ?
				 GENMASK(31, 20) : GENMASK(15, 8));
	for (id = 0; id < nr_caps; id++)
		if (!vfcap_state_fits(vf, id, &state->caps[id],
				      &before.caps[id]))
			return -EINVAL;

	/* What would fail is not begun. */
	for (id = 0; id < nr_caps; id++)
		if (state->caps[id].regs[VFCAP_CTRL] &
		    ~before.caps[id].regs[VFCAP_CTRL] & vfcap_caps[id]->enable &&
		    !vfcap_may_enable(vf, id))
			return -EBUSY;

	if (vfcap_state_apply(vf, state, nr_caps))
		return 0;
	vfcap_state_apply(vf, &before, nr_caps);
	return -EBUSY;
}

static int vfcap_state_get(struct vfcap_device *vf,
			   struct vfcap_feature_state *state)
{
	int ret;

	CLASS(vfcap_locked, lock)(vf);
	if (!lock)
		return -EINTR;
	ret = vfcap_commit(vf);
	if (ret)
		return ret;
	vfcap_sync(vf);
	vfcap_state_fill(vf, state);
	return 0;
}

/**
 * vfcap_feature_state - VFCAP_FEATURE_STATE
 * @vf: the VF
 * @set: restore it, else save it
 * @data: struct vfcap_feature_state
 * @told: how much of it the user has
 *
 * Context: Process context, no locks held.
 * Return: 0 or -errno, see the structure.
 */
int vfcap_feature_state(struct vfcap_device *vf, bool set, void *data,
			size_t told)
{
	struct vfcap_feature_state *state = data;

	/* No byte of it is without a name. */
	static_assert(sizeof(*state) == offsetof(typeof(*state), caps) +
		      VFCAP_NR_CAPS * (2 * sizeof(u16) + sizeof(u32) +
				       VFCAP_STATE_REGS * sizeof(u32)));

	return set ? vfcap_state_set(vf, state, vfcap_state_caps(told)) :
		     vfcap_state_get(vf, state);
}
