// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of core that access memory of the user, under the dev_set lock
 *
 * The user may take any time to provide its memory. Others need the lock meanwhile,
 * above all the worker that takes a loss from the VF.
 */
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "base.h"

static bool vfcap_get_bytes(struct vfcap_core_call *c)
{
	return !copy_from_user(c->bytes, c->buf, c->count);
}

/**
 * vfcap_call_core - make a call of core, without waiting for the user under the lock
 * @vf: the VF
 * @c: the call
 *
 * The memory is fetched without the lock, and fetched again if it is gone by the time
 * core reads it. Then core has done nothing yet.
 *
 * Context: Process context, no locks held.
 * Return: as the call; -EFAULT; -EINTR when the caller is killed.
 */
ssize_t vfcap_call_core(struct vfcap_device *vf, struct vfcap_core_call *c)
{
	bool there;
	ssize_t ret;

	do {
		if (fault_in_readable(c->buf, c->count))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;

		CLASS(vfcap_locked, lock)(vf);
		if (!lock)
			return -EINTR;
		pagefault_disable();
		there = vfcap_get_bytes(c);
		ret = there ? c->call(vf, c) : -EFAULT;
		/* Core has other reasons for this, too. */
		if (ret == -EFAULT)
			there = vfcap_get_bytes(c);
		pagefault_enable();
	} while (!there);
	return ret;
}
