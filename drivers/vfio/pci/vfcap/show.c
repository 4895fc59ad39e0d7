// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VF shows: decided once for each session of its user
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "vfcap.h"

/*
 * The functions up to vfcap_try_show() return NULL, or why a capability is not
 * shown, for the log.
 */
static const char *vfcap_read_pf(struct vfcap_device *vf, unsigned int id,
				 u32 *pf, u16 *pf_pos)
{
	int pos;

	if (!vfcap_is_shared(id))
		return NULL;

	pos = pci_vfcap_read(vf->shared, id, pf, vfcap_caps[id]->nr_regs);
	if (pos == -ENODEV)
		return "its PF does not answer";
	if (pos < 0)
		return "its PF has no such capability";
	*pf_pos = pos;
	return NULL;
}

static const char *vfcap_check_enabled(const struct vfcap_cap *cap,
				       const u32 *pf)
{
	return cap->enable && !(pf[VFCAP_CTRL] & cap->enable) ?
	       cap->unavailable : NULL;
}

/* Where a capability goes: where the PF's driver says, else near @wanted. */
static const char *vfcap_place(struct vfcap_device *vf, unsigned int id,
			       u16 wanted, u16 *pos)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	int drivers = 0;

	if (vfcap_is_shared(id))
		drivers = pci_vfcap_place(vf->shared, id);
	if (drivers < 0)
		return "the driver of its PF says so";
	if (drivers && vfcap_chain_fits(vf, cap, drivers)) {
		*pos = drivers;
		return NULL;
	}
	if (drivers)
		pci_warn(vf->core.pdev,
			 "%s capability does not fit at %#x, where the driver of its PF wants it\n",
			 cap->name, drivers);

	*pos = vfcap_chain_place(vf, cap, wanted);
	return *pos ? NULL :
	       "its config space has no room for it that reads as zero";
}

/* From now on the PF's side watches over it. */
static const char *vfcap_hold(struct vfcap_device *vf, unsigned int id, u16 pos,
			      const u32 *pf)
{
	int ret;

	if (!vfcap_is_shared(id))
		return NULL;

	ret = pci_vfcap_show(vf->shared, id, pos, pf);
	if (ret == -ENOENT)
		return "it was not wanted, or not provided, when the VF was opened";
	return ret ? "its PF has lost it meanwhile" : NULL;
}

static const char *vfcap_try_show(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	u32 pf[VFCAP_MAX_REGS] = {}, regs[VFCAP_MAX_REGS] = {};
	u16 pf_pos = 0, pos = 0;
	const char *reason;

	reason = vfcap_read_pf(vf, id, pf, &pf_pos) ?:
		 vfcap_mode_forbids(vf, cap) ?:
		 vfcap_check_enabled(cap, pf) ?:
		 cap->init(vf, pf, regs) ?:
		 vfcap_place(vf, id, pf_pos, &pos) ?:
		 vfcap_hold(vf, id, pos, pf);
	if (reason)
		return reason;

	vfcap_emul_show(vf, id, pos, regs);
	pci_info(vf->core.pdev, "%s capability shown at %#x\n", cap->name, pos);
	return NULL;
}

/**
 * vfcap_decide - settle what the VF shows in this session
 * @vf: the VF
 *
 * What is shown depends on how the device was opened, and VFIO tells that only
 * once the open is over: decide at the first access.
 *
 * Context: Process context, under the dev_set lock.
 * Return: 0, or -EIO when the VF cannot be woken.
 */
int vfcap_decide(struct vfcap_device *vf)
{
	struct device *dev = &vf->core.pdev->dev;
	unsigned long id;

	lockdep_assert_held(vfcap_dev_set_lock(vf));

	if (vf->decided)
		return 0;
	if (pm_runtime_resume_and_get(dev) < 0)
		return -EIO;

	for_each_set_bit(id, &vf->caps, VFCAP_NR_CAPS) {
		const char *reason = vfcap_try_show(vf, id);

		if (!reason)
			continue;
		pci_info(vf->core.pdev, "%s capability not shown: %s\n",
			 vfcap_caps[id]->name, reason);
		if (vfcap_is_shared(id))
			pci_vfcap_hide(vf->shared, id);
	}
	/* Whoever sees it set sees what was shown. */
	smp_store_release(&vf->decided, true);

	pm_runtime_put(dev);
	return 0;
}

/**
 * vfcap_begin - what comes before each access to config space
 * @vf: the VF
 *
 * Context: Process context, no locks held.
 * Return: as vfcap_decide().
 */
int vfcap_begin(struct vfcap_device *vf)
{
	/* Pairs with the release above. */
	if (smp_load_acquire(&vf->decided))
		return 0;

	guard(mutex)(vfcap_dev_set_lock(vf));

	return vfcap_decide(vf);
}

