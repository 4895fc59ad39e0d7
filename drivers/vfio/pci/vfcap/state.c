// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFCAP_FEATURE_STATE: the virtual registers as a whole, for VMMs that snapshot,
 * restore, or update themselves live
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/uaccess.h>

#include "vfcap.h"

static void vfcap_state_fill(struct vfcap_device *vf,
			     struct vfcap_feature_state *state)
{
	unsigned int id;

	memset(state, 0, sizeof(*state));
	state->magic = VFCAP_MAGIC;
	state->version = VFCAP_STATE_VERSION;
	for (id = 0; id < VFCAP_NR_CAPS; id++) {
		struct vfcap_state_cap *cap = &state->caps[id];

		if (!vf->pos[id])
			continue;
		cap->offset = vf->pos[id];
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
			      const struct vfcap_feature_state *state)
{
	bool enabled = true;
	unsigned int id;

	for (id = 0; id < VFCAP_NR_CAPS; id++)
		if (vf->pos[id])
			enabled &= vfcap_emul_restore(vf, id,
						      state->caps[id].regs);
	return enabled;
}

static int vfcap_state_set(struct vfcap_device *vf,
			   const struct vfcap_feature_state *state)
{
	struct vfcap_feature_state before;
	unsigned int id;

	vfcap_state_fill(vf, &before);
	if (state->magic != before.magic || state->version != before.version ||
	    state->reserved)
		return -EINVAL;
	for (id = 0; id < VFCAP_NR_CAPS; id++)
		if (!vfcap_state_fits(vf, id, &state->caps[id],
				      &before.caps[id]))
			return -EINVAL;

	/* What would fail is not begun. */
	for (id = 0; id < VFCAP_NR_CAPS; id++)
		if (state->caps[id].regs[VFCAP_CTRL] &
		    ~before.caps[id].regs[VFCAP_CTRL] & vfcap_caps[id]->enable &&
		    !vfcap_emul_may_enable(vf, id))
			return -EBUSY;

	if (vfcap_state_apply(vf, state))
		return 0;
	vfcap_state_apply(vf, &before);
	return -EBUSY;
}

/**
 * vfcap_feature_state - VFCAP_FEATURE_STATE
 * @vf: the VF
 * @flags: VFIO_DEVICE_FEATURE_*
 * @arg: struct vfcap_feature_state
 * @argsz: its size in bytes
 *
 * Context: Process context.
 * Return: 0 or -errno, see the structure.
 */
int vfcap_feature_state(struct vfcap_device *vf, u32 flags, void __user *arg,
			size_t argsz)
{
	struct vfcap_feature_state data;
	int ret;

	/* No byte of it is without a name. */
	static_assert(sizeof(data) == offsetof(typeof(data), caps) +
		      VFCAP_NR_CAPS * (2 * sizeof(u16) + sizeof(u32) +
				       VFCAP_STATE_REGS * sizeof(u32)));

	ret = vfcap_feature_begin(flags, argsz, VFIO_DEVICE_FEATURE_GET |
				  VFIO_DEVICE_FEATURE_SET, &data, sizeof(data),
				  arg);
	if (ret != 1)
		return ret;

	scoped_guard(mutex, vfcap_dev_set_lock(vf)) {
		ret = vfcap_decide(vf);
		if (ret)
			return ret;
		vfcap_sync(vf);
		if (flags & VFIO_DEVICE_FEATURE_SET)
			return vfcap_state_set(vf, &data);
		vfcap_state_fill(vf, &data);
	}
	return copy_to_user(arg, &data, sizeof(data)) ? -EFAULT : 0;
}
