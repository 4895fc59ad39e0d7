// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power states of a VF, and what they mean for its PASIDs
 *
 * An IOMMU that detaches a PASID has a function with ATS invalidate its cache of
 * translations, and waits for the answer. Outside of D0 a function gives none. So PASIDs
 * are attached in the IOMMU only while the VF is in D0 and its user has not let it go to
 * low power: they are detached before it leaves D0, and attached again after it came
 * back.
 *
 * There are two ways out of D0. A guest writes PMCSR, which core carries out at once. Or
 * the user lets it go to low power: from then on runtime PM suspends it at any time, and
 * resumes it for each access, and core keeps that to itself.
 */
#include <linux/cleanup.h>
#include <linux/pci.h>
#include <linux/pm_domain.h>
#include <linux/pm_runtime.h>

#include "vfcap.h"

/* What vfcap_device.entry.suspended is while its user has not let it go */
#define VFCAP_NOT_ENTERED	U64_MAX

/**
 * vfcap_is_awake - whether the VF is in D0
 * @vf: the VF
 *
 * Context: Process context, under the dev_set lock. If the user has let it go to low power
 * then it may leave D0 right after, unless the caller is an ioctl or a write of the user,
 * around which it is kept awake.
 * Return: true if so.
 */
bool vfcap_is_awake(struct vfcap_device *vf)
{
	return READ_ONCE(vf->core.pdev->current_state) == PCI_D0;
}

/* Whether its user has let it go to low power */
static bool vfcap_is_let_go(struct vfcap_device *vf)
{
	guard(rwsem_read)(&vf->core.memory_lock);

	return vf->core.pm_runtime_engaged;
}

/**
 * vfcap_stays_awake - whether the VF is in D0, and leaves it only under the dev_set lock
 * @vf: the VF
 *
 * Context: Process context, under the dev_set lock, without memory_lock.
 * Return: true if so: what is attached to it may stay attached.
 */
bool vfcap_stays_awake(struct vfcap_device *vf)
{
	return vfcap_is_awake(vf) && !vfcap_is_let_go(vf);
}

/**
 * vfcap_in_d3 - whether the VF is in a state that it leaves by a reset
 * @vf: the VF
 *
 * Context: Any context.
 * Return: true if so, unless it has No_Soft_Reset.
 */
bool vfcap_in_d3(struct vfcap_device *vf)
{
	pci_power_t state = READ_ONCE(vf->core.pdev->current_state);

	return state == PCI_D3hot || state == PCI_D3cold;
}

/**
 * vfcap_soft_reset - whether a return from D3hot to D0 resets the VF
 * @vf: the VF
 *
 * Context: Process context, while it is not suspended.
 * Return: true if so.
 */
bool vfcap_soft_reset(struct vfcap_device *vf)
{
	struct pci_dev *pdev = vf->core.pdev;
	u16 pmcsr;

	if (!pdev->pm_cap)
		return false;
	pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &pmcsr);
	return PCI_POSSIBLE_ERROR(pmcsr) ||
	       !(pmcsr & PCI_PM_CTRL_NO_SOFT_RESET);
}

/**
 * vfcap_power_forget - nobody has let the VF go to low power
 * @vf: the VF
 *
 * Context: Process context, while the VF is not open or is being closed.
 */
void vfcap_power_forget(struct vfcap_device *vf)
{
	vf->entry.suspended = VFCAP_NOT_ENTERED;
}

/**
 * vfcap_has_returned - whether the VF's low power has ended, and nobody has noticed
 * @vf: the VF
 *
 * Context: Process context, under the dev_set lock, without memory_lock.
 * Return: true if so.
 */
bool vfcap_has_returned(struct vfcap_device *vf)
{
	return vf->entry.suspended != VFCAP_NOT_ENTERED && !vfcap_is_let_go(vf);
}

/**
 * vfcap_notice_return - the first that is done after the VF's low power has ended
 * @vf: the VF
 *
 * A function without No_Soft_Reset was reset if it left D0 since it was let go: something
 * else may have kept it awake. When it left, nobody tells: the reset began with the entry.
 *
 * Context: Process context, under the dev_set lock, without memory_lock.
 */
void vfcap_notice_return(struct vfcap_device *vf)
{
	if (!vfcap_has_returned(vf))
		return;

	if (vf->entry.soft_reset &&
	    pm_runtime_suspended_time(&vf->core.pdev->dev) > vf->entry.suspended)
		vfcap_was_reset(vf, vf->entry.losses);
	vfcap_power_forget(vf);
}

static ssize_t vfcap_call_low_power(struct vfcap_device *vf,
				    struct vfcap_core_call *c)
{
	int ret;

	/* What a wakeup has ended is not what begins now. */
	vfcap_catch_up(vf);
	ret = vfio_pci_core_ioctl_feature(&vf->core.vdev, c->flags, c->buf,
					  c->argsz);
	if (ret)
		return ret;

	if ((c->flags & VFIO_DEVICE_FEATURE_MASK) !=
	    VFIO_DEVICE_FEATURE_LOW_POWER_EXIT) {
		vf->entry.suspended =
			pm_runtime_suspended_time(&vf->core.pdev->dev);
		vf->entry.losses = pci_vfcap_vf_losses(vf->shared);
		vf->entry.soft_reset = vfcap_soft_reset(vf);
		/* VFIO keeps it awake until the ioctl returns. */
		vfcap_block(vf, ~0UL);
		if (vf->entry.soft_reset)
			vfcap_emul_reset(vf);
	}
	vfcap_sync(vf);
	return 0;
}

/**
 * vfcap_feature_low_power - VFIO_DEVICE_FEATURE_LOW_POWER_*
 * @vf: the VF
 * @flags: feature index and VFIO_DEVICE_FEATURE_*
 * @arg: the feature's argument
 * @argsz: its size in bytes
 *
 * The VF enters low power, or leaves it. A function that loses its registers on the way
 * from D3hot to D0 loses them when it is let go.
 *
 * Context: Process context, no locks held.
 * Return: as vfio_pci_core_ioctl_feature(), or -EINTR.
 */
int vfcap_feature_low_power(struct vfcap_device *vf, u32 flags,
			    void __user *arg, size_t argsz)
{
	struct vfcap_core_call c = {
		.call	= vfcap_call_low_power,
		.buf	= arg,
		.flags	= flags,
		.argsz	= argsz,
	};
	int ret;

	if ((flags & VFIO_DEVICE_FEATURE_MASK) ==
	    VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP)
		c.count = sizeof(struct vfio_device_low_power_entry_with_wakeup);
	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET, c.count);
	return ret == 1 ? vfcap_call_core(vf, &c) : ret;
}

static int vfcap_runtime_resume(struct device *dev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(dev);
	int ret = dev->bus->pm->runtime_resume(dev);

	/* Where its user asked to be told, that has ended its low power. */
	vfcap_queue_sync(to_vfcap(&core->vdev));
	return ret;
}

/* Core has the driver's callbacks. These come before, and are the bus's but for one. */
static struct dev_pm_domain vfcap_pm_domain;

/**
 * vfcap_power_init - to be called once, before any device is bound
 *
 * Context: Process context.
 */
void vfcap_power_init(void)
{
	if (!IS_ENABLED(CONFIG_PM))
		return;
	vfcap_pm_domain.ops = *pci_bus_type.pm;
	vfcap_pm_domain.ops.runtime_resume = vfcap_runtime_resume;
}

/**
 * vfcap_power_watch - have a VF's return from low power noticed
 * @vf: the VF, registered with VFIO, while it is probed
 *
 * Context: Process context.
 */
void vfcap_power_watch(struct vfcap_device *vf)
{
	struct device *dev = &vf->core.pdev->dev;

	if (IS_ENABLED(CONFIG_PM) && !dev->pm_domain)
		dev_pm_domain_set(dev, &vfcap_pm_domain);
}

/**
 * vfcap_power_unwatch - end vfcap_power_watch()
 * @vf: the VF, not registered with VFIO any more, while it is awake
 *
 * Context: Process context.
 */
void vfcap_power_unwatch(struct vfcap_device *vf)
{
	struct device *dev = &vf->core.pdev->dev;

	if (dev->pm_domain == &vfcap_pm_domain)
		dev_pm_domain_set(dev, NULL);
}
