// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device shows: planned as often as anyone asks, and committed once in a session
 *
 * A plan reads config space and asks the PF's driver, and changes nothing. It
 * is carried out at the first access to config space, the first attach of a PASID, or
 * the first use of VFCAP_FEATURE_STATE, and stands until the device is closed: config
 * space does not change under accesses to it.
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/sched/signal.h>

#include "base.h"
#include "effects.h"
#include "emul.h"

/* How long the end of a reset of the PF is waited for */
#define VFCAP_PATIENCE		(2 * HZ)

/*
 * The functions up to vfcap_plan_cap() return why a capability is not shown, or
 * VFCAP_REASON_NONE.
 */
/* The registers that it follows: the PF's, or the function's own */
static enum vfcap_reason vfcap_read_hw(struct vfcap_device *vd, unsigned int id,
				       u32 *hw, u16 *hw_pos)
{
	int pos;

	if (id >= PCI_VFCAP_COUNT)
		return VFCAP_REASON_NONE;

	pos = pci_vfcap_read(pci_physfn(vd->core.pdev), id, hw,
			     vd->table[id]->nr_regs);
	if (pos < 0 && vfcap_is_own(vd, id))
		return VFCAP_REASON_NOT_ENABLED;
	if (pos == -ENOENT)
		return VFCAP_REASON_PF_LACKS;
	if (pos < 0)
		return VFCAP_REASON_PF_GONE;
	*hw_pos = pos;
	return VFCAP_REASON_NONE;
}

static enum vfcap_reason vfcap_check_enabled(struct vfcap_device *vd,
					     const struct vfcap_cap *cap,
					     const u32 *hw)
{
	if (!cap->enable || hw[VFCAP_CTRL] & cap->enable)
		return VFCAP_REASON_NONE;
	return vd->handle ? VFCAP_REASON_PF_DISABLED : VFCAP_REASON_NOT_ENABLED;
}

/* With a place, the PF's side watches over it from now on. */
static enum vfcap_reason vfcap_have_watched(struct vfcap_device *vd,
					    unsigned int id, u16 pos)
{
	int ret = pci_vfcap_show(vfcap_handle(vd, id), id, pos, vd->plan[id].hw);

	if (ret == -ENOENT)
		return VFCAP_REASON_NOT_HELD;
	return ret ? VFCAP_REASON_PF_LOST : VFCAP_REASON_NONE;
}

static enum vfcap_reason vfcap_plan_cap(struct vfcap_device *vd,
					unsigned int id)
{
	const struct vfcap_cap *cap = vd->table[id];
	struct vfcap_plan *plan = &vd->plan[id];
	u16 hw_pos = 0;

	if (!vd->map_known)
		return VFCAP_REASON_CORE;
	plan->given = vfcap_place_is_given(vd, id);
	return vfcap_read_hw(vd, id, plan->hw, &hw_pos) ?:
	       vfcap_mode_forbids(vd, cap) ?:
	       vfcap_check_enabled(vd, cap, plan->hw) ?:
	       cap->init(vd, plan->hw, plan->regs) ?:
	       vfcap_place(vd, id, hw_pos) ?:
	       vfcap_have_watched(vd, id, 0);
}

static void vfcap_not_shown(struct vfcap_plan *plan, enum vfcap_reason reason)
{
	plan->pos = 0;
	plan->step = VFCAP_STEP_NONE;
	plan->reason = reason;
}

/*
 * Registers mean nothing while the kernel resets the PF, or recovers it from an error. That
 * it then lacks what it will have again is believed after some seconds only.
 */
static bool vfcap_is_too_early(struct vfcap_device *vd)
{
	if (!pci_vfcap_is_busy(pci_physfn(vd->core.pdev)))
		return false;
	vd->busy_until = vd->busy_until ?: (jiffies + VFCAP_PATIENCE) | 1;
	return time_before(jiffies, vd->busy_until);
}

static int vfcap_make_plan(struct vfcap_device *vd)
{
	enum vfcap_reason reason;
	unsigned long id;

	if (vfcap_is_too_early(vd))
		return -EAGAIN;
	memset(vd->plan, 0, sizeof(vd->plan));
	for (id = 0; id < VFCAP_NR_CAPS; id++) {
		reason = vd->caps & BIT(id) ? vfcap_plan_cap(vd, id) :
					      VFCAP_REASON_NOT_APPLICABLE;
		if (reason)
			vfcap_not_shown(&vd->plan[id], reason);
	}
	/* If that has begun meanwhile, what was read means nothing. */
	if (vfcap_is_too_early(vd))
		return -EAGAIN;
	vd->busy_until = 0;
	return 0;
}

/**
 * vfcap_plan - find what would be shown if it were committed now
 * @vd: the device
 *
 * What is committed stays.
 *
 * Context: Process context, under the dev_set lock, with the device powered up, as VFIO
 * keeps it around an ioctl. Calls the PF driver's place.
 * Return: 0, or -EAGAIN if it is to be called again after vfcap_await_pf().
 */
int vfcap_plan(struct vfcap_device *vd)
{
	bool quiet = vd->quiet;
	int ret;

	lockdep_assert_held(vfcap_dev_set_lock(vd));

	if (vd->committed)
		return 0;
	vd->quiet = true;
	ret = vfcap_make_plan(vd);
	vd->quiet = quiet;
	return ret;
}

/* Show a capability as planned, or say why not. The PF may have lost it just now. */
static void vfcap_commit_cap(struct vfcap_device *vd, unsigned int id)
{
	const struct vfcap_cap *cap = vd->table[id];
	struct vfcap_plan *plan = &vd->plan[id];
	enum vfcap_reason reason;

	reason = plan->reason ?: vfcap_have_watched(vd, id, plan->pos);
	if (!reason) {
		vfcap_emul_show(vd, id);
		vfcap_log(vd, "%s capability shown at %#x\n", cap->name,
			  plan->pos);
		return;
	}

	vfcap_not_shown(plan, reason);
	pci_vfcap_hide(vfcap_handle(vd, id), id);
	/* Logged once for all, when it was found. */
	if (reason != VFCAP_REASON_CORE)
		vfcap_log(vd, "%s capability not shown: %s\n", cap->name,
			  vfcap_reason_text(cap, reason));
}

/**
 * vfcap_commit - settle what the device shows in this session
 * @vd: the device
 *
 * It depends on how the device was opened, and VFIO tells that only once the open is
 * over.
 *
 * Context: Process context, under the dev_set lock.
 * Return: 0, -EIO when the device cannot be woken, -EAGAIN as vfcap_plan().
 */
int vfcap_commit(struct vfcap_device *vd)
{
	struct device *dev = &vd->core.pdev->dev;
	unsigned long id;
	int ret;

	lockdep_assert_held(vfcap_dev_set_lock(vd));

	if (vd->committed)
		return 0;
	if (pm_runtime_resume_and_get(dev) < 0)
		return -EIO;

	ret = vfcap_make_plan(vd);
	if (ret)
		goto out;
	for_each_set_bit(id, &vd->caps, VFCAP_NR_CAPS)
		vfcap_commit_cap(vd, id);
	vfcap_sync(vd);
	/* Readers that see it set, by vfcap_is_committed(), see what was shown. */
	smp_store_release(&vd->committed, true);
out:
	pm_runtime_put(dev);
	return ret;
}

/**
 * vfcap_await_pf - wait for a moment, after -EAGAIN
 * @vd: the device
 *
 * While the kernel resets the PF nobody knows what that has. The end of a reset may depend
 * on this user, if the PF's driver removes its VFs: so this waits without locks, and for
 * VFCAP_PATIENCE in all.
 *
 * Context: Process context, no locks held.
 * Return: 0, or -EINTR when the caller is killed.
 */
int vfcap_await_pf(struct vfcap_device *vd)
{
	do
		schedule_timeout_killable(1);
	while (!fatal_signal_pending(current) &&
	       pci_vfcap_is_busy(pci_physfn(vd->core.pdev)) &&
	       time_before(jiffies, READ_ONCE(vd->busy_until)));
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/**
 * vfcap_begin - what comes before each access to config space
 * @vd: the device
 *
 * Context: Process context, no locks held. Waits as vfcap_await_pf().
 * Return: as vfcap_commit(); -EINTR when the caller is killed.
 */
int vfcap_begin(struct vfcap_device *vd)
{
	int ret = 0;

	if (vfcap_is_committed(vd))
		return 0;

	do {
		CLASS(vfcap_locked, lock)(vd);
		ret = lock ? vfcap_commit(vd) : -EINTR;
	} while (ret == -EAGAIN && !vfcap_await_pf(vd));
	return ret;
}
