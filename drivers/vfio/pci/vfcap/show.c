// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a VF shows: decided once for each session of its user
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/rwsem.h>

#include "vfcap.h"

/**
 * vfcap_log_open - a VF is opened: decide whether that is logged
 * @vf: the VF
 *
 * Without a reset in between a user can open and close it many times a second.
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_log_open(struct vfcap_device *vf)
{
	vf->quiet = !__ratelimit(&vf->log_limit);
}

/**
 * vfcap_log - log what is decided at an open
 * @vf: the VF
 * @fmt: as of printf()
 *
 * A user may choose again and again afterwards, and can ask instead: that is not
 * logged.
 *
 * Context: Process context, under the dev_set lock.
 */
void vfcap_log(struct vfcap_device *vf, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	if (vf->decided || vf->quiet)
		return;
	va_start(args, fmt);
	vaf.va = &args;
	pci_info(vf->core.pdev, "%pV", &vaf);
	va_end(args);
}

/*
 * The functions up to vfcap_try_show() return why a capability is not shown, or
 * VFCAP_REASON_NONE.
 */
static enum vfcap_reason vfcap_read_pf(struct vfcap_device *vf, unsigned int id,
				       u32 *pf, u16 *pf_pos)
{
	int pos;

	if (!vfcap_is_shared(id))
		return VFCAP_REASON_NONE;

	pos = pci_vfcap_read(vf->shared, id, pf, vfcap_caps[id]->nr_regs);
	if (pos == -ENODEV)
		return VFCAP_REASON_PF_GONE;
	if (pos < 0)
		return VFCAP_REASON_PF_LACKS;
	*pf_pos = pos;
	return VFCAP_REASON_NONE;
}

static enum vfcap_reason vfcap_check_enabled(const struct vfcap_cap *cap,
					     const u32 *pf)
{
	return cap->enable && !(pf[VFCAP_CTRL] & cap->enable) ?
	       VFCAP_REASON_PF_DISABLED : VFCAP_REASON_NONE;
}

/* From now on the PF's side watches over it. */
static enum vfcap_reason vfcap_hold(struct vfcap_device *vf, unsigned int id,
				    u16 pos, const u32 *pf)
{
	int ret;

	if (!vfcap_is_shared(id))
		return VFCAP_REASON_NONE;

	ret = pci_vfcap_show(vf->shared, id, pos, pf);
	if (ret == -ENOENT)
		return VFCAP_REASON_NOT_HELD;
	return ret ? VFCAP_REASON_PF_LOST : VFCAP_REASON_NONE;
}

static enum vfcap_reason vfcap_try_show(struct vfcap_device *vf,
					unsigned int id)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	u32 pf[VFCAP_MAX_REGS] = {}, regs[VFCAP_MAX_REGS] = {};
	enum vfcap_step step = VFCAP_STEP_NONE;
	u16 pf_pos = 0, pos = 0;
	enum vfcap_reason reason;

	if (!vf->map_known)
		return VFCAP_REASON_CORE;

	reason = vfcap_read_pf(vf, id, pf, &pf_pos) ?:
		 vfcap_mode_forbids(vf, cap) ?:
		 vfcap_check_enabled(cap, pf) ?:
		 cap->init(vf, pf, regs) ?:
		 vfcap_place(vf, id, pf_pos, &pos, &step) ?:
		 vfcap_hold(vf, id, pos, pf);
	if (reason)
		return reason;

	vfcap_emul_show(vf, id, pos, regs);
	vf->step[id] = step;
	return VFCAP_REASON_NONE;
}

/**
 * vfcap_show - show a capability, or say why not
 * @vf: the VF
 * @id: the capability, which it does not show now
 *
 * Context: Process context, under the dev_set lock, with the VF powered up, while
 * nobody writes config space.
 */
void vfcap_show(struct vfcap_device *vf, unsigned int id)
{
	const struct vfcap_cap *cap = vfcap_caps[id];
	enum vfcap_reason reason = vfcap_try_show(vf, id);

	vf->reason[id] = reason;
	/* Logged once for all, when it was found. */
	if (reason == VFCAP_REASON_CORE)
		return;
	if (reason)
		vfcap_log(vf, "%s capability not shown: %s\n",
			  cap->name, vfcap_reason_text(cap, reason));
	else
		vfcap_log(vf, "%s capability shown at %#x\n",
			  cap->name, vf->pos[id]);
}

/**
 * vfcap_withdraw - no longer show a capability
 * @vf: the VF
 * @id: the capability, at rest; it may not be shown now
 *
 * It may be shown again in this session.
 *
 * Context: As vfcap_show().
 * Return: 0, -EBUSY if it is lost.
 */
int vfcap_withdraw(struct vfcap_device *vf, unsigned int id)
{
	int ret = 0;

	if (!vf->pos[id])
		return 0;

	vfcap_emul_end(vf, id);
	if (vfcap_is_shared(id))
		ret = pci_vfcap_withdraw(vf->shared, id);
	if (ret)
		return ret;
	vfcap_emul_hide(vf, id);
	vf->step[id] = VFCAP_STEP_NONE;
	return 0;
}

/* Whether the user may yet have it shown, by choosing a place */
static bool vfcap_lacks_place(enum vfcap_reason reason)
{
	return reason == VFCAP_REASON_STRICT || reason == VFCAP_REASON_NO_ROOM;
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

	for (id = 0; id < VFCAP_NR_CAPS; id++)
		vf->reason[id] = VFCAP_REASON_NOT_APPLICABLE;
	for_each_set_bit(id, &vf->caps, VFCAP_NR_CAPS) {
		vfcap_show(vf, id);
		if (vf->reason[id] && vfcap_is_shared(id) &&
		    !vfcap_lacks_place(vf->reason[id]))
			pci_vfcap_hide(vf->shared, id);
	}
	/* Whoever sees it set sees what was shown. */
	smp_store_release(&vf->decided, true);

	/* What core reads of some registers is corrected. */
	vfcap_config_prepare(vf);
	if (!vf->shadow && !vf->ims_pos)
		vfcap_direct_allow(vf, VFCAP_INDIRECT_SESSION);

	pm_runtime_put(dev);
	return 0;
}

static int vfcap_change_locked(struct vfcap_device *vf,
			       int (*change)(struct vfcap_device *vf,
					     const void *data),
			       const void *data)
{
	int ret;

	CLASS(vfcap_locked, lock)(vf);
	if (!lock)
		return -EINTR;
	/* VFIO keeps the device awake around an ioctl. */
	ret = vfcap_decide(vf) ?: change(vf, data);
	vfcap_config_prepare(vf);
	return ret;
}

/**
 * vfcap_change - change what is shown after it was decided
 * @vf: the VF
 * @change: does it, under the dev_set lock, while nobody accesses config space
 * @data: its argument
 *
 * Context: Process context, in an ioctl, no locks held.
 * Return: as @change or vfcap_decide(); -EINTR when the caller is killed.
 */
int vfcap_change(struct vfcap_device *vf,
		 int (*change)(struct vfcap_device *vf, const void *data),
		 const void *data)
{
	int ret;

	ret = down_write_killable(&vf->layout);
	if (ret)
		return ret;
	ret = vfcap_direct_stop(vf, VFCAP_INDIRECT_LAYOUT);
	if (!ret) {
		ret = vfcap_change_locked(vf, change, data);
		vfcap_direct_allow(vf, VFCAP_INDIRECT_LAYOUT);
	}
	up_write(&vf->layout);
	return ret;
}

/**
 * vfcap_begin - what comes before each access to config space
 * @vf: the VF
 *
 * Context: Process context, no locks held.
 * Return: as vfcap_decide(); -EINTR when the caller is killed.
 */
int vfcap_begin(struct vfcap_device *vf)
{
	/* Pairs with the release above. */
	if (smp_load_acquire(&vf->decided))
		return 0;

	CLASS(vfcap_locked, lock)(vf);
	if (!lock)
		return -EINTR;
	return vfcap_decide(vf);
}

