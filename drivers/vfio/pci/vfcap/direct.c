// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses that are core's as a whole
 *
 * Nearly all accesses of a session need nothing of this driver, and are not to be
 * slower for it. They take no lock here, and are only counted, so that who changes
 * what they depend on can keep new ones away and wait for those under way. These
 * go the long way meanwhile, where the locks are.
 */
#include <linux/cleanup.h>
#include <linux/wait_bit.h>

#include "vfcap.h"

/**
 * vfcap_direct_init - none, in a device that is probed
 * @vf: the device
 *
 * Context: Before anybody knows of the device.
 */
void vfcap_direct_init(struct vfcap_device *vf)
{
	vf->indirect = VFCAP_INDIRECT_SESSION;
	atomic_set(&vf->direct, VFCAP_INDIRECT);
}

/**
 * vfcap_direct_forbid - let no new ones begin
 * @vf: the device
 * @reason: why, one of VFCAP_INDIRECT_*
 *
 * Context: Process context. Takes &vfcap_device.lock.
 * Return: true unless that was the case already, for the same reason.
 */
bool vfcap_direct_forbid(struct vfcap_device *vf, unsigned long reason)
{
	bool new;

	guard(mutex)(&vf->lock);

	if (!vf->indirect)
		atomic_add(VFCAP_INDIRECT, &vf->direct);
	new = !(vf->indirect & reason);
	vf->indirect |= reason;
	return new;
}

/**
 * vfcap_direct_allow - let them begin, as far as this reason goes
 * @vf: the device
 * @reason: one of VFCAP_INDIRECT_*; it may be none now
 *
 * Context: Process context. Takes &vfcap_device.lock.
 */
void vfcap_direct_allow(struct vfcap_device *vf, unsigned long reason)
{
	guard(mutex)(&vf->lock);

	if (!vf->indirect)
		return;
	vf->indirect &= ~reason;
	/* Whoever begins sees what was changed meanwhile. */
	if (!vf->indirect)
		atomic_fetch_sub_release(VFCAP_INDIRECT, &vf->direct);
}

/**
 * vfcap_direct_stop - let no new ones begin, and wait for the others
 * @vf: the device
 * @reason: why, one of VFCAP_INDIRECT_*
 *
 * A user may take any time to provide the memory of an access.
 *
 * Context: Process context, with @layout or @bar_lock held for write, and nothing that
 * an access takes before it is counted, nor mmap_lock.
 * Return: 0, or -EINTR, with nothing changed, when the caller is killed.
 */
int vfcap_direct_stop(struct vfcap_device *vf, unsigned long reason)
{
	int ret;

	if (!vfcap_direct_forbid(vf, reason))
		return 0;
	/* What follows comes after what those under way have done. */
	ret = wait_var_event_killable(&vf->direct,
				      atomic_read_acquire(&vf->direct) ==
				      VFCAP_INDIRECT);
	if (!ret)
		return 0;
	vfcap_direct_allow(vf, reason);
	return -EINTR;
}

/**
 * vfcap_direct_ended - an access ended, or did not begin, while there may be none
 * @vf: the device
 * @ret: what the access has
 *
 * Context: Process context.
 * Return: @ret, which so needs no place of its own where nothing is waited for.
 */
ssize_t vfcap_direct_ended(struct vfcap_device *vf, ssize_t ret)
{
	wake_up_var(&vf->direct);
	return ret;
}
