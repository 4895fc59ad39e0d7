// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device shows: planned as often as anyone asks, and committed once in a session
 *
 * A plan reads config space and asks the PF's driver, and changes nothing. It is carried
 * out at the first access to config space, the first attach of a PASID, or the first use
 * of VFCAP_FEATURE_STATE, and stands until the device is closed: config space does not
 * change while it is in use.
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "base.h"
#include "effects.h"
#include "emul.h"

/*
 * Read the registers that a capability is derived from: the PF's, or the function's own.
 * Like the functions up to vfcap_plan_cap(), this returns why it is not shown, or
 * VFCAP_REASON_NONE.
 */
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
	if (pos == -ENODEV)
		return VFCAP_REASON_PF_GONE;
	if (pos < 0)
		return VFCAP_REASON_PF_LACKS;
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

/* If @pos is a place, the PF's side watches over the capability from now on. */
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

static void vfcap_make_plan(struct vfcap_device *vd)
{
	enum vfcap_reason reason;
	unsigned long id;

	memset(vd->plan, 0, sizeof(vd->plan));
	for (id = 0; id < VFCAP_NR_CAPS; id++) {
		reason = vd->caps & BIT(id) ? vfcap_plan_cap(vd, id) :
					      VFCAP_REASON_NOT_APPLICABLE;
		if (reason)
			vfcap_not_shown(&vd->plan[id], reason);
	}
}

/**
 * vfcap_plan - find what would be shown if it were committed now
 * @vd: the device
 *
 * What was committed stays as it is.
 *
 * Context: Process context, under the dev_set lock, with the device powered up, as VFIO
 * keeps it around an ioctl. Calls place() of the PF's driver.
 */
void vfcap_plan(struct vfcap_device *vd)
{
	bool quiet = vd->quiet;

	lockdep_assert_held(vfcap_dev_set_lock(vd));

	if (vd->committed)
		return;
	vd->quiet = true;
	vfcap_make_plan(vd);
	vd->quiet = quiet;
}

/* Show a capability as planned, or log why not. The PF may have lost it just now. */
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
	/* That was logged once for all of them, when it was found. */
	if (reason != VFCAP_REASON_CORE)
		vfcap_log(vd, "%s capability not shown: %s\n", cap->name,
			  vfcap_reason_text(cap, reason));
}

/**
 * vfcap_commit - settle what the device shows in this session
 * @vd: the device
 *
 * This depends on how the device was opened, which VFIO tells only once the open is over.
 *
 * Context: Process context, under the dev_set lock.
 * Return: 0, or -EIO if the device cannot be woken.
 */
int vfcap_commit(struct vfcap_device *vd)
{
	struct device *dev = &vd->core.pdev->dev;
	unsigned long id;

	lockdep_assert_held(vfcap_dev_set_lock(vd));

	if (vd->committed)
		return 0;
	if (pm_runtime_resume_and_get(dev) < 0)
		return -EIO;

	vfcap_make_plan(vd);
	for_each_set_bit(id, &vd->caps, VFCAP_NR_CAPS)
		vfcap_commit_cap(vd, id);
	vfcap_sync(vd);
	/* Readers that see it set, with vfcap_is_committed(), see what was shown. */
	smp_store_release(&vd->committed, true);
	/* Pairs with vfcap_reads_plain(): PRI of a whole function reads as the hardware's. */
	smp_store_release(&vd->plain_reads, !vd->shadow && !vd->ims_pos &&
			  !(vfcap_is_own(vd, PCI_VFCAP_PRI) &&
			    vd->shown & BIT(PCI_VFCAP_PRI)));
	/* Pairs with vfcap_writes_plain(). */
	smp_store_release(&vd->plain_writes, !vd->shadow && vd->map_known);

	pm_runtime_put(dev);
	return 0;
}

/**
 * vfcap_begin - commit before an access to config space
 * @vd: the device
 *
 * Context: Process context, no locks held.
 * Return: as vfcap_commit(); -EINTR if the caller is killed.
 */
int vfcap_begin(struct vfcap_device *vd)
{
	if (vfcap_is_committed(vd))
		return 0;

	CLASS(vfcap_locked, lock)(vd);
	if (!lock)
		return -EINTR;
	return vfcap_commit(vd);
}
