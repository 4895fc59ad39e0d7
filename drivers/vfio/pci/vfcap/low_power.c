// SPDX-License-Identifier: GPL-2.0-only
/*
 * Low power that the user asks for, with VFIO_DEVICE_FEATURE_LOW_POWER_*
 *
 * From the entry on runtime PM may suspend the VF at any time, see power.c. Core tells
 * nobody but the user when a wakeup has ended that: callbacks of the device's own do.
 */
#include <linux/pci.h>
#include <linux/pm_domain.h>
#include <linux/pm_runtime.h>

#include "access.h"
#include "base.h"
#include "effects.h"
#include "emul.h"

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
		vf->entry.losses = pci_vfcap_vf_losses(vf->handle);
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
